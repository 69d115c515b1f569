//! Unicode text: normalisation for storage, and folding for search.

use std::borrow::Cow;

pub use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// `text` in Unicode Normalization Form C: composed where a composed form exists. Some keyboards and file systems write
/// `é` as two characters, others as one.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfc().collect())
}

/// `text` in Unicode Normalization Form D: decomposed. Only for finding text that was stored in that form.
pub fn nfd(text: &str) -> String {
    text.nfd().collect()
}

/// Folds text for search: removes case, accents of Latin, Greek, Cyrillic, Hebrew and Arabic letters, and differences
/// of width. Marks that are letters in their own right, as in Hindi and Thai, are kept.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Upper case first: `ß` becomes `ss` and a final sigma an ordinary one. This covers most of full case folding.
    let lower = text.nfkd().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    lower.nfkd().filter(|&c| !is_accent(c)).flat_map(plain_letter).nfc().collect()
}

/// Whether a combining mark is an accent, a vowel point or a tatweel, which people leave out of search terms.
fn is_accent(c: char) -> bool {
    matches!(c,
        // Latin, Greek, Cyrillic.
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
        // Hebrew points.
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        // Arabic vowel signs and the tatweel.
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        // Joiners and soft hyphens are invisible.
        | '\u{200c}' | '\u{200d}' | '\u{ad}')
}

/// Replaces letters that Unicode does not decompose, such as letters with a stroke, by what people type instead.
fn plain_letter(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ł' => ('l', None),
        'ø' => ('o', None),
        'đ' | 'ð' => ('d', None),
        'ħ' => ('h', None),
        'ı' => ('i', None),
        'ŧ' => ('t', None),
        'þ' => ('t', Some('h')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        // Arabic: variants of alef, yeh and teh marbuta that are typed in place of each other.
        'ٱ' => ('ا', None),
        'ى' => ('ي', None),
        'ة' => ('ه', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn visually_equal_handles_are_equal() {
        assert_eq!(nfc("e\u{301}"), "é");
        assert_eq!(nfc("ｱ\u{ff9e}"), "ｱ\u{ff9e}", "a width is a difference that is kept");
        assert!(matches!(nfc("plain"), Cow::Borrowed(_)) && matches!(nfc("日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn case_and_accents_of_every_script_fold_away() {
        for (one, other) in [
            ("ŁUKASZ", "łukasz"),
            ("Łóżko", "lozko"),
            ("ПЕТРОВ", "петров"),
            ("Ёлка", "елка"),
            ("Straße", "STRASSE"),
            ("ΟΔΟΣ", "οδός"),
            ("İstanbul", "istanbul"),
            ("IŞIK", "ışık"),
            ("Crème Brûlée", "creme brulee"),
            ("cre\u{300}me", "crème"),
            ("Smørrebrød", "smorrebrod"),
            ("ＡＢＣ１２", "abc12"),
            ("ｶﾞｰﾄﾞ", "ガード"),
            ("שָׁלוֹם", "שלום"),
            ("مُحَمَّد", "محمد"),
            ("Đorđe", "dorde"),
            ("Æsir", "aesir"),
            ("Việt", "viet"),
            ("ﬁlm", "film"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn letters_that_only_look_like_marks_stay() {
        for (one, other) in [("हिन्दी", "हन्द"), ("น้ำหอม", "นำหอม"), ("が", "か"), ("말차", "말")]
        {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
        assert_eq!(fold("말차"), "말차");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,60}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
