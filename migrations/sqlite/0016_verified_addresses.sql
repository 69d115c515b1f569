-- When an account's owner has shown that mail reaches them at its address. Null: they have not.
ALTER TABLE accounts ADD COLUMN verified_at INTEGER;

-- Links to show it, as hashes.
CREATE TABLE email_verifications (
    tenant     TEXT    NOT NULL,
    token_hash BLOB    NOT NULL,
    subject    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, token_hash),
    FOREIGN KEY (tenant, subject) REFERENCES accounts (tenant, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX email_verifications_by_subject ON email_verifications (tenant, subject, created_at);
CREATE INDEX email_verifications_by_expiry ON email_verifications (expires_at);
