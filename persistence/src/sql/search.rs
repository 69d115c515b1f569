//! Full-text search over products: this program splits and folds the words, and SQLite's FTS5 indexes them
//! (<https://sqlite.org/fts5.html>).
//!
//! Text in scripts without spaces between words is split into overlapping pairs of letters, and a part of it is found
//! as a phrase of its pairs. Other words are found by their beginning.

use engine::{
    id::TenantId,
    text::{fold, is_combining_mark},
};
use sqlx::SqliteConnection;

use super::{
    RowExt,
    bulk::{self, Cell},
    cells,
};

/// The maximum number of words in a query. Further words are ignored.
const WORDS_MAX: usize = 16;
/// The separator between the texts of a product, so that no phrase spans two.
const BETWEEN: &str = "\u{a6}";

/// A part of a text that is matched as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// A word in a script with spaces between words.
    Spaced(String),
    /// Letters of scripts without spaces between words.
    Dense(Vec<char>),
}

/// Whether a letter belongs to a script that is written without spaces between words, or with so few that words are
/// searched inside of others: Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese, Tibetan and their neighbours.
fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}' | '\u{1950}'..='\u{19ff}'
        | '\u{1a20}'..='\u{1aaf}' | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{31ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{a000}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}' | '\u{a980}'..='\u{a9ff}'
        | '\u{aa60}'..='\u{aadf}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut goes_on = false;
    for c in fold(text).chars() {
        if !c.is_alphanumeric() && !is_combining_mark(c) {
            goes_on = false;
            continue;
        }
        match (words.last_mut(), is_dense(c)) {
            (Some(Word::Spaced(word)), false) if goes_on => word.push(c),
            (Some(Word::Dense(letters)), true) if goes_on => letters.push(c),
            (_, false) => words.push(Word::Spaced(c.to_string())),
            (_, true) => words.push(Word::Dense(vec![c])),
        }
        goes_on = true;
    }
    words
}

fn pairs(letters: &[char]) -> String {
    letters.windows(2).map(|pair| pair.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// Returns the words of these texts in the form that the index stores.
fn indexed<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut index = String::new();
    for text in texts {
        for word in words(text) {
            match word {
                Word::Spaced(word) => index.push_str(&word),
                // The last letter is indexed alone too, so that every letter begins a term.
                Word::Dense(letters) => {
                    index.push_str(&pairs(&letters));
                    index.push(' ');
                    index.extend(letters.last());
                }
            }
            index.push(' ');
        }
        index.push_str(BETWEEN);
        index.push(' ');
    }
    index
}

/// Updates the index for these products, given by tenant and id.
pub(crate) async fn index_products(connection: &mut SqliteConnection, products: &[Vec<Cell>]) -> sqlx::Result<()> {
    if products.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "SELECT p.number, 't' || lower(hex(p.tenant)) AS tenant, p.title, p.vendor, p.tags, p.product_type, p.handle,
             (SELECT group_concat(v.sku, char(10)) FROM product_variants v
              WHERE v.tenant = p.tenant AND v.product = p.product) AS skus
         FROM json_each(?1) j
         CROSS JOIN products p ON p.tenant = j.value ->> 0 AND p.product = unhex(j.value ->> 1)",
    )
    .bind(bulk::document(products))
    .fetch_all(&mut *connection)
    .await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let tags: Vec<String> = row.json("tags")?;
        let (title, vendor, product_type) = (row.text("title")?, row.text("vendor")?, row.text("product_type")?);
        let (handle, skus) = (row.text("handle")?, row.opt_text("skus")?.unwrap_or_default());
        let texts = [&title, &vendor, &product_type, &handle].into_iter().chain(&tags).map(String::as_str);
        let words = indexed(texts.chain(skus.lines()));
        entries.push(cells![row.count("number")?, row.text("tenant")?, words]);
    }
    for sql in [
        "DELETE FROM products_search WHERE rowid IN (SELECT j.value ->> 0 FROM json_each(?1) j)",
        "INSERT INTO products_search (rowid, tenant, words)
         SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM json_each(?1) j",
    ] {
        sqlx::query(sql).bind(bulk::document(&entries)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Returns the `MATCH` expression for products in which each word of `text` begins a term, or occurs inside a text
/// without spaces. `None` if `text` has no word, in which case nothing matches.
pub(crate) fn expression(tenant: &TenantId, text: &str) -> Option<String> {
    // A word has only letters, digits and their marks: it cannot end the quotes.
    let parts: Vec<_> = words(text)
        .into_iter()
        .take(WORDS_MAX)
        .map(|word| match word {
            Word::Spaced(word) => format!("\"{word}\" *"),
            Word::Dense(letters) if letters.len() == 1 => format!("\"{}\" *", letters[0]),
            Word::Dense(letters) => format!("\"{}\"", pairs(&letters)),
        })
        .collect();
    if parts.is_empty() {
        return None;
    }
    let tenant = data_encoding::HEXLOWER.encode(tenant.as_str().as_bytes());
    Some(format!("tenant : \"t{tenant}\" AND words : ({})", parts.join(" AND ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::tenant;

    #[test]
    fn a_query_is_words_and_nothing_else() {
        let found = expression(&tenant("ab"), "Red \"shirt\" OR -x").unwrap();
        assert_eq!(found, "tenant : \"t6162\" AND words : (\"red\" * AND \"shirt\" * AND \"or\" * AND \"x\" *)");
        assert_eq!(expression(&tenant("ab"), " \"*:()\" "), None);
        assert_eq!(expression(&tenant("ab"), &"x ".repeat(100)).unwrap().matches("\"x\"").count(), WORDS_MAX);
    }

    #[test]
    fn scripts_without_spaces_are_cut_into_pairs() {
        assert_eq!(indexed(["京都Tea 2"]), "京都 都 tea 2 \u{a6} ");
        assert_eq!(indexed(["抹茶ク"]), "抹茶 茶ク ク \u{a6} ");
        assert!(expression(&tenant("ab"), "抹茶ク").unwrap().ends_with("(\"抹茶 茶ク\")"));
        assert!(expression(&tenant("ab"), "茶").unwrap().ends_with("(\"茶\" *)"));
        assert_eq!(words("हिन्दी"), [Word::Spaced("हिन्दी".to_owned())]);
    }
}
