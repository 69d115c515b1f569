//! Full-text search over products: SQLite's way, with FTS5 (<https://sqlite.org/fts5.html>).

use engine::id::TenantId;
use sqlx::SqliteConnection;

use super::bulk::{self, Cell};

/// Words of a query that count; the others are ignored.
const WORDS_MAX: usize = 16;

/// Brings the index up to date with these products, named by tenant and id.
pub(crate) async fn index_products(connection: &mut SqliteConnection, products: &[Vec<Cell>]) -> sqlx::Result<()> {
    for sql in [
        "DELETE FROM products_search WHERE rowid IN
         (SELECT p.number FROM json_each(?1) j
          CROSS JOIN products p ON p.tenant = j.value ->> 0 AND p.product = unhex(j.value ->> 1))",
        "INSERT INTO products_search (rowid, tenant, title, vendor, tags, product_type)
         SELECT p.number, 't' || lower(hex(p.tenant)), p.title, p.vendor, p.tags, p.product_type FROM json_each(?1) j
         CROSS JOIN products p ON p.tenant = j.value ->> 0 AND p.product = unhex(j.value ->> 1)",
    ] {
        sqlx::query(sql).bind(bulk::document(products)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// What to `MATCH`, for products that have a word beginning with each word of `text`. `None` when there is no word in
/// it, which nothing matches.
pub(crate) fn expression(tenant: &TenantId, text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(WORDS_MAX);
    // Letters and digits only: nothing in a quoted word can end the quotes.
    let words: Vec<_> = words.map(|word| format!("\"{word}\" *")).collect();
    if words.is_empty() {
        return None;
    }
    let tenant: String = tenant.as_str().bytes().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("tenant : \"t{tenant}\" AND {{title vendor tags product_type}} : ({})", words.join(" AND ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::tenant;

    #[test]
    fn a_query_is_words_and_nothing_else() {
        let found = expression(&tenant("ab"), "red \"shirt\" OR -x").unwrap();
        assert_eq!(
            found,
            "tenant : \"t6162\" AND {title vendor tags product_type} : (\"red\" * AND \"shirt\" * AND \"OR\" * AND \"x\" *)"
        );
        assert_eq!(expression(&tenant("ab"), " \"*:()\" "), None);
        assert_eq!(expression(&tenant("ab"), &"x ".repeat(100)).unwrap().matches("\"x\"").count(), WORDS_MAX);
    }
}
