//! Matches the texts that people write with the data.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{AddressFormat, PostalCode, Region};

/// Removes everything that does not matter when names are compared: case, accents, spaces, punctuation, full width.
fn folded(text: &str) -> String {
    let base = |letter| match letter {
        'ı' => 'i',
        'ł' => 'l',
        'đ' => 'd',
        'ø' => 'o',
        other => other,
    };
    let letters = text.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase);
    // The lower case of some letters adds combining marks: İ.
    letters.filter(|letter| letter.is_alphanumeric()).map(base).collect()
}

impl AddressFormat {
    /// Finds a region by its key, its ISO 3166-2 code, its name in either script, or its form on labels.
    pub(super) fn region(&self, country: &str, text: &str) -> Option<&Region> {
        let wanted = folded(text);
        let is_key = |region: &&Region| folded(&region.key) == wanted;
        let is_code = |region: &&Region| folded(country) + &folded(&region.key) == wanted;
        let is_name = |region: &&Region| {
            let names = [Some(&region.name), region.latin_name.as_ref(), region.label.as_ref()];
            names.into_iter().flatten().any(|name| folded(name) == wanted)
        };
        // Keys first: `AD` is the label of a region of Somalia, and not its key.
        let find = |rule: &dyn Fn(&&Region) -> bool| self.regions.iter().find(rule);
        find(&is_key).or_else(|| find(&is_name)).or_else(|| find(&is_code))
    }
}

impl PostalCode {
    /// Returns the postal code as written on labels; `None` if it is not a postal code of the country.
    ///
    /// Accepts the variants that people write: lower case, full width, the country's prefix, and separators that are
    /// missing or different from the example's.
    pub(super) fn read(&self, country: &str, text: &str) -> Option<String> {
        let upper = text.nfkc().collect::<String>().trim().to_uppercase();
        let bare = self.prefix.as_deref().and_then(|prefix| upper.strip_prefix(prefix)).unwrap_or(&upper);
        let bare = bare.trim_start_matches([' ', '-']).to_owned();
        let compact: String = bare.chars().filter(char::is_ascii_alphanumeric).collect();
        let is_plain = bare.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '‐' | '–'));
        if !is_plain {
            return None;
        }
        let spaced = self.like_example(&compact);
        let with_country = self.like_example(&format!("{country}{compact}"));
        let candidates = [Some(bare), spaced, with_country, Some(compact)];
        candidates.into_iter().flatten().find(|candidate| self.regex.is_match(candidate))
    }

    /// Inserts the separators of the example between the letters and digits, if their number is the same.
    fn like_example(&self, compact: &str) -> Option<String> {
        let mut rest = compact.chars();
        let filled: Option<String> =
            self.example.chars().map(|c| if c.is_ascii_alphanumeric() { rest.next() } else { Some(c) }).collect();
        filled.filter(|_| rest.next().is_none())
    }
}
