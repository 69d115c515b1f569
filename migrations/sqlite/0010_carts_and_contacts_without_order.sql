-- Lists of carts. Derived from the journal, as everything in 0003.

CREATE TABLE carts (
    tenant     TEXT    NOT NULL,
    cart       BLOB    NOT NULL,
    buyer      BLOB    NOT NULL,
    deleted    INTEGER NOT NULL,                     -- 1: no list shows it
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,                     -- by its buyer
    PRIMARY KEY (tenant, cart)
) STRICT, WITHOUT ROWID;

CREATE INDEX carts_by_buyer ON carts (tenant, buyer, deleted, created_at, cart);
CREATE INDEX carts_by_change ON carts (deleted, updated_at);

-- Contacts are written before their checkout begins. Until an order refers to one, this says when it is forgotten.
ALTER TABLE contacts ADD COLUMN checkout BLOB;
ALTER TABLE contacts ADD COLUMN forget_after INTEGER;

CREATE INDEX contacts_without_order ON contacts (forget_after) WHERE forget_after IS NOT NULL;
