-- Who there is: merchants, people, and how people sign in. Not derived from the journal: a rebuild never touches these.
--
-- Ids and hashes are BLOBs (128-bit ids: 16 bytes, big-endian); instants are INTEGER milliseconds since 1970, UTC;
-- lists and documents are JSON in TEXT. STRICT and WITHOUT ROWID are SQLite's; the rest is plain SQL.

-- A merchant on this installation.
CREATE TABLE tenants (
    tenant     TEXT    NOT NULL PRIMARY KEY,
    currency   TEXT    NOT NULL,               -- ISO 4217
    settings   TEXT    NOT NULL DEFAULT '{}',  -- a JSON object; the gateway knows its fields
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The host names under which a merchant's shop is reached, in lower case, without a port.
CREATE TABLE tenant_hosts (
    host   TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (tenant)
) STRICT, WITHOUT ROWID;

CREATE INDEX tenant_hosts_by_tenant ON tenant_hosts (tenant);

-- People with an account. Erasing one leaves the row with neither address nor password, so that ids stay taken.
CREATE TABLE accounts (
    tenant     TEXT    NOT NULL REFERENCES tenants (tenant),
    subject    BLOB    NOT NULL,
    email      TEXT,                           -- as its owner spells it
    email_norm TEXT,                           -- as it is compared
    password   TEXT,                           -- a PHC string; null: cannot sign in by password
    role       TEXT    NOT NULL CHECK (role IN ('customer', 'vendor', 'host', 'admin')),
    created_at INTEGER NOT NULL,
    erased_at  INTEGER,
    PRIMARY KEY (tenant, subject),
    CHECK (erased_at IS NULL OR (email IS NULL AND email_norm IS NULL AND password IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX accounts_by_email ON accounts (tenant, email_norm) WHERE email_norm IS NOT NULL;
CREATE INDEX accounts_by_age ON accounts (tenant, created_at, subject);

-- Guests who have signed in: what was theirs is the account's.
CREATE TABLE aliases (
    tenant     TEXT    NOT NULL,
    guest      BLOB    NOT NULL,
    account    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, guest),
    FOREIGN KEY (tenant, account) REFERENCES accounts (tenant, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX aliases_by_account ON aliases (tenant, account);

-- Where buyers are reached. A row is here before an event refers to it by its id, and outlives its data when erased.
CREATE TABLE contacts (
    tenant     TEXT    NOT NULL REFERENCES tenants (tenant),
    contact    BLOB    NOT NULL,
    subject    BLOB    NOT NULL,               -- whose it is, as known when it was written down
    email      TEXT,
    name       TEXT,
    address    TEXT,                           -- a JSON object
    created_at INTEGER NOT NULL,
    erased_at  INTEGER,
    PRIMARY KEY (tenant, contact),
    CHECK (erased_at IS NULL OR (email IS NULL AND name IS NULL AND address IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX contacts_by_subject ON contacts (tenant, subject, created_at);

-- Refresh tokens, as hashes. A rotated one stays until it expires, so that its reuse is noticed.
CREATE TABLE refresh_tokens (
    tenant     TEXT    NOT NULL REFERENCES tenants (tenant),
    token_hash BLOB    NOT NULL,
    family     BLOB    NOT NULL,               -- all that descend from one sign-in
    subject    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    rotated_at INTEGER,
    PRIMARY KEY (tenant, token_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_family ON refresh_tokens (tenant, family);
CREATE INDEX refresh_tokens_by_subject ON refresh_tokens (tenant, subject);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- Links to set a new password, as hashes.
CREATE TABLE password_resets (
    tenant     TEXT    NOT NULL,
    token_hash BLOB    NOT NULL,
    subject    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (tenant, token_hash),
    FOREIGN KEY (tenant, subject) REFERENCES accounts (tenant, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX password_resets_by_subject ON password_resets (tenant, subject, created_at);
CREATE INDEX password_resets_by_expiry ON password_resets (expires_at);
