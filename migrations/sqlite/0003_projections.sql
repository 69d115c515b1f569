-- What lists are made of. Every row here is derived from the journal: `fusion rebuild` empties all of these tables and
-- reads the journal again. Rows and positions change in one transaction.

-- How far each shard's journal has been taken in: the next position, everything before it is in the tables below.
CREATE TABLE projection_positions (
    shard INTEGER NOT NULL PRIMARY KEY,
    next  INTEGER NOT NULL
) STRICT;

-- The layout that the rows below follow. A program with another one rebuilds.
CREATE TABLE projection_layout (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    layout INTEGER NOT NULL
) STRICT;

CREATE TABLE products (
    number           INTEGER NOT NULL PRIMARY KEY,   -- for the search index only
    tenant           TEXT    NOT NULL,
    product          BLOB    NOT NULL,
    handle           TEXT    NOT NULL,
    title            TEXT    NOT NULL,
    description_html TEXT    NOT NULL,
    vendor           TEXT    NOT NULL,
    vendor_folded    TEXT    NOT NULL,               -- as filters compare it
    product_type     TEXT    NOT NULL,
    type_folded      TEXT    NOT NULL,
    tags             TEXT    NOT NULL,               -- JSON lists
    images           TEXT    NOT NULL,
    options          TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    currency         TEXT    NOT NULL,
    version          INTEGER NOT NULL,
    next_ordinal     INTEGER NOT NULL,               -- of the next new variant
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    UNIQUE (tenant, product)
) STRICT;

CREATE INDEX products_by_age ON products (tenant, created_at, product);
CREATE INDEX products_by_vendor ON products (tenant, vendor_folded, created_at, product);
CREATE INDEX products_by_type ON products (tenant, type_folded, created_at, product);

CREATE TABLE product_tags (
    tenant     TEXT NOT NULL,
    tag_folded TEXT NOT NULL,
    product    BLOB NOT NULL,
    PRIMARY KEY (tenant, tag_folded, product)
) STRICT, WITHOUT ROWID;

CREATE INDEX product_tags_by_product ON product_tags (tenant, product);

CREATE TABLE product_variants (
    tenant     TEXT    NOT NULL,
    product    BLOB    NOT NULL,
    variant    BLOB    NOT NULL,
    ordinal    INTEGER NOT NULL,
    sku        TEXT    NOT NULL,                     -- unique once all shards have caught up, not at every instant
    options    TEXT    NOT NULL,                     -- a JSON list
    price      INTEGER NOT NULL,                     -- minor units of the product's currency
    compare_at INTEGER,
    PRIMARY KEY (tenant, product, variant)
) STRICT, WITHOUT ROWID;

CREATE INDEX product_variants_by_sku ON product_variants (tenant, sku);

-- The numbers of each SKU: on_hand = available + held + allocated.
CREATE TABLE stock (
    tenant     TEXT    NOT NULL,
    sku        TEXT    NOT NULL,
    product    BLOB,                                 -- who has the SKU, if anyone
    variant    BLOB,
    counted    INTEGER NOT NULL,                     -- whether the merchant ever said how many there are
    on_hand    INTEGER NOT NULL,
    available  INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    allocated  INTEGER NOT NULL,
    sold       INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, sku)
) STRICT, WITHOUT ROWID;

-- Units that checkouts hold or have just bought: what a later event may give back.
CREATE TABLE stock_holds (
    tenant TEXT    NOT NULL,
    sku    TEXT    NOT NULL,
    hold   BLOB    NOT NULL,
    units  INTEGER NOT NULL,
    sold   INTEGER NOT NULL,
    PRIMARY KEY (tenant, sku, hold)
) STRICT, WITHOUT ROWID;

-- Units that drops have had, and what they reported. Totals only grow.
CREATE TABLE stock_allocations (
    tenant   TEXT    NOT NULL,
    sku      TEXT    NOT NULL,
    drop_id  BLOB    NOT NULL,
    total    INTEGER NOT NULL,
    sold     INTEGER NOT NULL,
    unsold   INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    PRIMARY KEY (tenant, sku, drop_id)
) STRICT, WITHOUT ROWID;

-- Units of orders that came back, in all.
CREATE TABLE stock_restocks (
    tenant   TEXT    NOT NULL,
    sku      TEXT    NOT NULL,
    order_id BLOB    NOT NULL,
    total    INTEGER NOT NULL,
    PRIMARY KEY (tenant, sku, order_id)
) STRICT, WITHOUT ROWID;

-- Flash sales, without their counts: those change with each claim, and are read from memory.
CREATE TABLE drops (
    tenant          TEXT    NOT NULL,
    drop_id         BLOB    NOT NULL,
    title           TEXT    NOT NULL,
    product         BLOB,
    per_buyer_max   INTEGER NOT NULL,
    hold_seconds    INTEGER NOT NULL,
    starts_at       INTEGER,
    ends_at         INTEGER NOT NULL,
    audience        TEXT    NOT NULL,
    currency        TEXT    NOT NULL,
    items           TEXT    NOT NULL,                -- a JSON list
    phase           TEXT    NOT NULL,                -- draft, published, ended, cancelled, void
    published_at    INTEGER,
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    created_command BLOB    NOT NULL,
    pending_command BLOB,                            -- the command that waits for units
    PRIMARY KEY (tenant, drop_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX drops_by_age ON drops (tenant, created_at, drop_id);

-- Who has claimed in which drop, one by one.
CREATE TABLE drop_buyers (
    tenant  TEXT NOT NULL,
    subject BLOB NOT NULL,
    drop_id BLOB NOT NULL,
    PRIMARY KEY (tenant, subject, drop_id)
) STRICT, WITHOUT ROWID;

-- The same for those who came in a rush: thousands of subjects at once, side by side in few rows. A subject's bucket
-- follows from its id. A pair may stand in several rows, and here and above.
CREATE TABLE drop_crowds (
    number   INTEGER NOT NULL PRIMARY KEY,
    tenant   TEXT    NOT NULL,
    bucket   INTEGER NOT NULL,
    drop_id  BLOB    NOT NULL,
    subjects BLOB    NOT NULL                        -- 16 bytes each
) STRICT;

CREATE INDEX drop_crowds_by_bucket ON drop_crowds (tenant, bucket);
