-- Lists of orders and checkouts. Derived from the journal, as everything in 0003.

CREATE TABLE orders (
    tenant            TEXT    NOT NULL,
    order_id          BLOB    NOT NULL,
    number            INTEGER NOT NULL,              -- in the tenant's count; people read it spelled
    buyer             BLOB    NOT NULL,
    contact           BLOB    NOT NULL,              -- the row of `contacts`
    checkout          BLOB    NOT NULL,
    payment           BLOB    NOT NULL,
    lines             TEXT    NOT NULL,              -- a JSON list
    currency          TEXT    NOT NULL,
    subtotal          INTEGER NOT NULL,              -- minor units
    shipping          INTEGER NOT NULL,
    tax               INTEGER NOT NULL,
    total             INTEGER NOT NULL,
    refunded          INTEGER NOT NULL,
    payment_state     TEXT    NOT NULL,
    fulfillment_state TEXT    NOT NULL,
    tracking          TEXT,
    restocked         INTEGER NOT NULL,
    placed_at         INTEGER NOT NULL,
    paid_at           INTEGER,
    fulfilled_at      INTEGER,
    cancelled_at      INTEGER,
    PRIMARY KEY (tenant, order_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX orders_by_age ON orders (tenant, placed_at, order_id);
CREATE INDEX orders_by_buyer ON orders (tenant, buyer, placed_at, order_id);
CREATE INDEX orders_by_number ON orders (tenant, number);

CREATE TABLE checkouts (
    tenant     TEXT    NOT NULL,
    checkout   BLOB    NOT NULL,
    buyer      BLOB    NOT NULL,
    state      TEXT    NOT NULL,                     -- pending, requires_action, completed, failed, refused
    problem    TEXT,                                 -- the code of why it failed
    order_id   BLOB,
    currency   TEXT,
    total      INTEGER,                              -- minor units, once known
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, checkout)
) STRICT, WITHOUT ROWID;

CREATE INDEX checkouts_by_age ON checkouts (tenant, started_at, checkout);
CREATE INDEX checkouts_by_state ON checkouts (tenant, state, started_at, checkout);
CREATE INDEX checkouts_by_buyer ON checkouts (tenant, buyer, state, started_at, checkout);
