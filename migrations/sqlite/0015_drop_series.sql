-- How each drop went over time. Derived from the journal, as everything in 0003.

-- Only intervals in which something happened have a row. Older rows are joined into wider ones.
CREATE TABLE drop_series (
    tenant        TEXT    NOT NULL,
    drop_id       BLOB    NOT NULL,
    at            INTEGER NOT NULL,                  -- the interval's first second, since 1970
    seconds       INTEGER NOT NULL,                  -- its length
    claims        INTEGER NOT NULL,                  -- units claimed in it
    released      INTEGER NOT NULL,                  -- units given back or expired in it
    sold          INTEGER NOT NULL,                  -- units sold in it, less those whose sale was taken back
    revenue       INTEGER NOT NULL,                  -- their price, in minor units of the drop's currency
    held          INTEGER NOT NULL,                  -- at its end
    sold_total    INTEGER NOT NULL,                  -- at its end
    revenue_total INTEGER NOT NULL,                  -- at its end
    PRIMARY KEY (tenant, drop_id, at)
) STRICT, WITHOUT ROWID;

-- Where the series of each drop ends.
CREATE TABLE drop_series_ends (
    tenant      TEXT    NOT NULL,
    drop_id     BLOB    NOT NULL,
    as_of       INTEGER NOT NULL,                    -- the newest event, in milliseconds
    second      INTEGER NOT NULL,                    -- that of the newest row
    claims_made INTEGER NOT NULL,                    -- claims, not units
    held        INTEGER NOT NULL,
    sold        INTEGER NOT NULL,
    revenue     INTEGER NOT NULL,
    PRIMARY KEY (tenant, drop_id)
) STRICT, WITHOUT ROWID;

-- Claims from the journals of earlier versions, in which the end of a claim does not say how many units it had.
CREATE TABLE drop_series_claims (
    tenant  TEXT    NOT NULL,
    drop_id BLOB    NOT NULL,
    claim   BLOB    NOT NULL,
    number  INTEGER NOT NULL,                        -- in the drop's list of claims
    units   INTEGER NOT NULL,
    price   INTEGER NOT NULL,
    PRIMARY KEY (tenant, drop_id, claim)
) STRICT, WITHOUT ROWID;

CREATE INDEX drop_series_claims_by_number ON drop_series_claims (tenant, drop_id, number);

-- How many watch a drop. The journal does not know it: a rebuild leaves this table alone.
CREATE TABLE drop_viewers (
    tenant  TEXT    NOT NULL,
    drop_id BLOB    NOT NULL,
    at      INTEGER NOT NULL,                        -- as in drop_series
    seconds INTEGER NOT NULL,
    viewers INTEGER,                                 -- at the interval's end; NULL: from then on nobody counted
    PRIMARY KEY (tenant, drop_id, at)
) STRICT, WITHOUT ROWID;
