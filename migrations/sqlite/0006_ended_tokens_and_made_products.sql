-- What has to outlive a restart: which tokens are worthless, and what a key has made. Not derived from the journal.

-- Access tokens that were given out before this instant are worthless: the password was reset then. Null: it never was.
ALTER TABLE accounts ADD COLUMN tokens_from INTEGER;

-- Which product a repeated command made, where the product's id does not follow from the command's name.
CREATE TABLE made_products (
    tenant     TEXT    NOT NULL REFERENCES tenants (tenant),
    command    BLOB    NOT NULL,               -- the command's name: caller, operation and idempotency key
    product    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, command)
) STRICT, WITHOUT ROWID;

CREATE INDEX made_products_by_age ON made_products (created_at);
