-- When the password was given that a session goes back to: some things ask for a sign-in that is not long ago. Null for
-- guests, and for sessions from before this column.
ALTER TABLE refresh_tokens ADD COLUMN signed_in_at INTEGER;
