-- Tokens of no session (the command line's) that were ended before their time, by their ids. A row goes when the token
-- would have expired. Not derived from the journal.
CREATE TABLE ended_tokens (
    tenant     TEXT    NOT NULL REFERENCES tenants (tenant),
    token      BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, token)
) STRICT, WITHOUT ROWID;

CREATE INDEX ended_tokens_by_expiry ON ended_tokens (expires_at);

-- Subjects without an account whose tokens from before an instant are worthless: what was kept of them was erased then.
-- A row goes when the last of those tokens has expired.
CREATE TABLE ended_subjects (
    tenant      TEXT    NOT NULL REFERENCES tenants (tenant),
    subject     BLOB    NOT NULL,
    tokens_from INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX ended_subjects_by_expiry ON ended_subjects (expires_at);
