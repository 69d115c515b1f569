//! Shopify's product CSV.
