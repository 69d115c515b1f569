-- Parcels, corrections of tracking and refunds of lines, oldest first: a JSON list. The projections fill it when they read
-- the journal again.
ALTER TABLE orders ADD COLUMN changes TEXT NOT NULL DEFAULT '[]';
