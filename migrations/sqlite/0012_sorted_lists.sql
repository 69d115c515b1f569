-- What lists of products and orders can be sorted by. The projections fill it when they read the journal again.
ALTER TABLE products ADD COLUMN title_folded TEXT NOT NULL DEFAULT '';
ALTER TABLE products ADD COLUMN price_min INTEGER NOT NULL DEFAULT 0;   -- the lowest price of its variants, minor units

CREATE INDEX products_by_title ON products (tenant, title_folded, product);
CREATE INDEX products_by_price ON products (tenant, price_min, product);
CREATE INDEX products_by_change ON products (tenant, updated_at, product);
CREATE INDEX orders_by_total ON orders (tenant, total, order_id);
