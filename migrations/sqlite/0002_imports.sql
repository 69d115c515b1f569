-- Catalogue files that were imported, and the rows that were refused. Written by the gateway, not by projections.

CREATE TABLE imports (
    tenant      TEXT    NOT NULL REFERENCES tenants (tenant),
    import      BLOB    NOT NULL,              -- the id of the command that asked for it
    fingerprint BLOB    NOT NULL,              -- what that command said
    subject     BLOB    NOT NULL,              -- who asked
    currency    TEXT    NOT NULL,
    dry_run     INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
    set_stock   INTEGER NOT NULL CHECK (set_stock IN (0, 1)),
    state       TEXT    NOT NULL CHECK (state IN ('running', 'completed', 'failed')),
    counts      TEXT    NOT NULL,              -- a JSON object
    warnings    TEXT    NOT NULL,              -- a JSON list
    problem     TEXT,                          -- why it failed
    rejected    INTEGER NOT NULL DEFAULT 0,    -- rows below
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    PRIMARY KEY (tenant, import)
) STRICT, WITHOUT ROWID;

CREATE INDEX imports_by_age ON imports (tenant, started_at, import);

CREATE TABLE import_rejected_rows (
    tenant  TEXT    NOT NULL,
    import  BLOB    NOT NULL,
    ordinal INTEGER NOT NULL,                  -- from 1 on, in the order they were refused
    line    INTEGER NOT NULL,                  -- in the file, from 1 on
    field   TEXT,                              -- the column's header; null: the whole row
    reason  TEXT    NOT NULL,
    PRIMARY KEY (tenant, import, ordinal),
    FOREIGN KEY (tenant, import) REFERENCES imports (tenant, import)
) STRICT, WITHOUT ROWID;
