-- How many passwords were tried for an address, so that a restart does not forget it. Addresses and networks are keyed
-- hashes: addresses that no account has are counted too. Not derived from the journal.
CREATE TABLE sign_in_counts (
    tenant     TEXT    NOT NULL REFERENCES tenants (tenant),
    account    BLOB    NOT NULL,               -- of the address
    network    BLOB    NOT NULL,               -- one that the account was signed in to from; empty: all others
    failures   INTEGER NOT NULL,
    wait_until INTEGER NOT NULL,               -- no password is looked at before
    mailed_at  INTEGER,                        -- when the owner was told of it
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, account, network)
) STRICT, WITHOUT ROWID;

CREATE INDEX sign_in_counts_by_expiry ON sign_in_counts (expires_at);
