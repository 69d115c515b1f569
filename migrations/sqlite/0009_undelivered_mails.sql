-- Mails that have not been handed over: those that are tried again, and those that were given up. Names and reasons hold
-- ids only. Not derived from the journal.
CREATE TABLE undelivered_mails (
    tenant    TEXT    NOT NULL,
    name      TEXT    NOT NULL,               -- what the mail is called: `receipt-{order}`
    recipient TEXT    NOT NULL,               -- whose it is: `contact {tenant} {id}`, `account {tenant} {id}`
    tries     INTEGER NOT NULL,
    reason    TEXT    NOT NULL,               -- why it was not handed over, the last time
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    failed_at INTEGER,                        -- when it was given up; null: it is tried again
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX undelivered_mails_by_age ON undelivered_mails (first_at);
CREATE INDEX undelivered_mails_by_recipient ON undelivered_mails (recipient);
