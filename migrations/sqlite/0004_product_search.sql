-- Full-text search over products, which PostgreSQL would do with a tsvector column. Derived: emptied by a rebuild.
-- `tenant` holds the tenant's name as one word, so that a search walks through the postings of one tenant only.

CREATE VIRTUAL TABLE products_search USING fts5 (
    tenant, title, vendor, tags, product_type,
    tokenize = 'unicode61 remove_diacritics 2',
    prefix = '2 3'
);
