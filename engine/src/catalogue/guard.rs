//! Guards cells that a spreadsheet would run as formulas.
//!
//! An export prefixes such a cell with an apostrophe, as OWASP's "CSV injection" recommends, and an import removes it.
//! A cell that begins with apostrophes followed by such a character gets one more, so that a round trip returns the
//! same text.

use std::borrow::Cow;

/// The characters that start a formula in spreadsheets: `=`, `+`, `-`, `@`, white space that is skipped before one of
/// these, and the full-width forms that some spreadsheets convert.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Returns the cell as an export writes it.
pub fn guarded(cell: &str) -> Cow<'_, str> {
    if is_formula(cell.trim_start_matches('\'')) { format!("'{cell}").into() } else { cell.into() }
}

/// Returns the cell as it was before [`guarded`].
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest.trim_start_matches('\'')) => rest,
        _ => cell,
    }
}

fn is_formula(text: &str) -> bool {
    text.starts_with(FORMULA_STARTS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_are_exported_as_text() {
        for start in ["=", "+", "-", "@", "\t", "\r"] {
            let cell = format!("{start}cmd|' /C calc'!A0");
            assert_eq!(guarded(&cell), format!("'{cell}"));
        }
        for cell in ["", "a=b", "'quoted'", " =1", "1-2", "O'Neill"] {
            assert_eq!((guarded(cell), unguarded(cell)), (cell.into(), cell), "{cell}");
        }
        assert_eq!((guarded("'=1"), unguarded("'=1"), unguarded("''=1")), ("''=1".into(), "=1", "'=1"));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(cell in "['=+@\\-\t\r\na ]{0,6}") {
            let written = guarded(&cell);
            prop_assert_eq!(unguarded(&written), &cell);
            prop_assert!(!is_formula(&written));
        }
    }
}
