-- Texts that are derived from others by rules of the program, such as how an address is compared. A program with newer
-- rules derives them anew when it opens the database.
CREATE TABLE derived_texts (
    name    TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A contact's name and address, folded for search; null once erased.
ALTER TABLE contacts ADD COLUMN search TEXT;

-- What was bought, folded for search.
ALTER TABLE orders ADD COLUMN search TEXT NOT NULL DEFAULT '';

-- The words of the products, cut and folded by the program: a word of scripts without spaces is a pair of letters.
-- `ascii` splits at spaces only, and takes every other letter as it is.
DROP TABLE products_search;
CREATE VIRTUAL TABLE products_search USING fts5 (tenant, words, tokenize = 'ascii', prefix = '2 3');
