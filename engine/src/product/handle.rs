//! Handles of products, and the ids and SKUs derived from them.

use std::{fmt, str::FromStr, sync::Arc};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;

use crate::{
    id::{ProductId, SKU_CHARS_MAX, Sku, TenantId, VariantId, crockford, digest128},
    text::{is_combining_mark, nfc},
};

/// The maximum length of a handle, in characters. Handles are part of URLs; Shopify has the same limit.
pub const HANDLE_CHARS_MAX: usize = 255;
/// The maximum length of a readable derived SKU, in bytes: one line of a label printer.
const READABLE_SKU_BYTES_MAX: usize = 64;

/// The text is not a handle: see [`Handle`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a handle is 1 to {HANDLE_CHARS_MAX} lower-case letters, digits, '-' and '_'")]
pub struct InvalidHandle;

/// A product's name in URLs and files, unique within a tenant: lower-case letters (of any script, with their combining
/// marks), digits, `-` and `_`, at most [`HANDLE_CHARS_MAX`] characters, in Normalization Form C.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(Arc<str>);

/// Whether a character may appear in a word of a handle, on its own.
fn is_plain(c: char) -> bool {
    c == '_' || (c.is_alphanumeric() && c.to_lowercase().eq([c]))
}

impl Handle {
    /// Accepts `text` if it is a handle. The composed and decomposed forms of a text give the same handle.
    pub fn new(text: &str) -> Result<Self, InvalidHandle> {
        let text = nfc(text);
        let mut may_be_marked = false;
        for c in text.chars() {
            let is_mark = is_combining_mark(c) && may_be_marked;
            if !is_mark && c != '-' && !is_plain(c) {
                return Err(InvalidHandle);
            }
            may_be_marked = is_mark || (c != '-' && c != '_');
        }
        if text.is_empty() || text.chars().count() > HANDLE_CHARS_MAX {
            return Err(InvalidHandle);
        }
        Ok(Self(text.as_ref().into()))
    }

    /// Derives a handle from a title: `Ocean Blue Shirt` becomes `ocean-blue-shirt`. Fails if no character of the title
    /// can be part of a handle.
    pub fn from_title(title: &str) -> Result<Self, InvalidHandle> {
        let mut slug = String::with_capacity(title.len());
        let mut may_be_marked = false;
        for c in title.nfc().flat_map(char::to_lowercase) {
            match c {
                // The dot that İ leaves in lower case, and invisible characters, do not end a word.
                '\u{307}' if slug.ends_with('i') => {}
                '\u{200c}' | '\u{200d}' | '\u{ad}' => {}
                _ if is_plain(c) || (may_be_marked && is_combining_mark(c)) => {
                    slug.push(c);
                    may_be_marked = c != '_';
                }
                _ => {
                    if !slug.is_empty() && !slug.ends_with('-') {
                        slug.push('-');
                    }
                    may_be_marked = false;
                }
            }
        }
        let slug: String = nfc(&slug).chars().take(HANDLE_CHARS_MAX).collect();
        Self::new(slug.trim_end_matches('-'))
    }

    /// Takes a handle from the journal or a snapshot without checking it: a handle that was once accepted stays
    /// readable, even if a later Unicode version classifies one of its characters differently.
    pub(super) fn known(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the handle as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id of the tenant's product with this handle.
    pub fn product(&self, tenant: &TenantId) -> ProductId {
        ProductId::derive(&[b"product", tenant.as_str().as_bytes(), self.0.as_bytes()])
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for Handle {
    type Err = InvalidHandle;

    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        Self::new(text)
    }
}

impl<C> Encode<C> for Handle {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Handle {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self::known(d.str()?))
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&<std::borrow::Cow<'de, str>>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Returns the id of a new variant with these option values. `taken` counts up while that id belongs to another
/// variant, whose values were edited after it was created.
pub fn variant_id(product: ProductId, options: &[String], taken: u32) -> VariantId {
    let (product, taken) = (product.to_bytes(), taken.to_be_bytes());
    let mut parts: Vec<&[u8]> = vec![b"variant", &product];
    parts.extend(options.iter().map(String::as_bytes));
    if taken != [0; 4] {
        parts.extend([&b"again"[..], &taken]);
    }
    VariantId::derive(&parts)
}

/// Returns the SKU of a variant without a SKU in the input: always the same for a handle and option values.
///
/// It is readable where that is unambiguous (`classic-varsity-top.Small`); otherwise it is the readable part and a
/// hash.
pub fn derived_sku(handle: &Handle, options: &[String]) -> Sku {
    let parts = || std::iter::once(handle.as_str()).chain(options.iter().map(String::as_str));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let readable = parts().collect::<Vec<_>>().join(".");
    if readable.len() <= READABLE_SKU_BYTES_MAX && parts().all(|part| part.chars().all(plain)) {
        return Sku::new(&readable).expect("plain characters, and short");
    }
    let bytes: Vec<&[u8]> = parts().map(str::as_bytes).collect();
    let hash = crockford::<13>(digest128(&bytes) >> 63);
    let plain: String =
        readable.chars().map(|c| if plain(c) || c == '.' { c } else { '-' }).take(READABLE_SKU_BYTES_MAX).collect();
    Sku::new(&format!("{plain}.{}", hash.as_str())).expect("plain characters, and short")
}

const _: () = assert!(READABLE_SKU_BYTES_MAX + 14 <= SKU_CHARS_MAX);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sku(handle: &str, options: &[&str]) -> String {
        derived_sku(&Handle::new(handle).unwrap(), &options.iter().map(ToString::to_string).collect::<Vec<_>>())
            .to_string()
    }

    #[test]
    fn a_handle_has_edges() {
        assert!(
            Handle::new("ocean-blue_shirt-2").is_ok() && Handle::new("größe").is_ok() && Handle::new("抹茶").is_ok()
        );
        assert!(Handle::new(&"a".repeat(HANDLE_CHARS_MAX)).is_ok());
        assert!(Handle::new(&"a".repeat(HANDLE_CHARS_MAX + 1)).is_err());
        assert!(Handle::new(&"茶".repeat(HANDLE_CHARS_MAX)).is_ok());
        assert!(Handle::new(&"茶".repeat(HANDLE_CHARS_MAX + 1)).is_err());
        for wrong in ["", "Shirt", "a b", "a/b", "a.b", "a,b", "\u{301}a", "a-\u{301}", "_\u{301}", "İ"] {
            assert_eq!(Handle::new(wrong), Err(InvalidHandle), "{wrong:?}");
        }
    }

    #[test]
    fn a_title_makes_a_handle() {
        assert_eq!(Handle::from_title("  Ocean Blue — Shirt! ").unwrap().as_str(), "ocean-blue-shirt");
        assert_eq!(Handle::from_title("Crème BRÛLÉE").unwrap().as_str(), "crème-brûlée");
        assert_eq!(Handle::from_title("!!!"), Err(InvalidHandle));
        assert!(Handle::from_title(&"é".repeat(300)).is_ok());
    }

    #[test]
    fn a_handle_is_the_same_however_its_letters_are_put_together() {
        let (composed, decomposed) = (Handle::new("café").unwrap(), Handle::new("cafe\u{301}").unwrap());
        assert_eq!(composed, decomposed);
        let acme = TenantId::new("acme").unwrap();
        assert_eq!(composed.product(&acme), decomposed.product(&acme));
        assert_eq!(Handle::from_title("Cafe\u{301} Noir").unwrap().as_str(), "café-noir");
        let read: Handle = serde_json::from_str("\"cafe\u{301}\"").unwrap();
        assert_eq!(read, composed);
    }

    #[test]
    fn words_of_every_script_stay_whole() {
        for (title, handle) in [
            ("İstanbul Çay", "istanbul-çay"),
            ("IŞIK", "işik"),
            ("हिन्दी किताब", "हिन्दी-किताब"),
            ("น้ำหอม", "น้ำหอม"),
            ("தமிழ் நூல்", "தமிழ்-நூல்"),
            ("বাংলা বই", "বাংলা-বই"),
            ("ខ្មែរ", "ខ្មែរ"),
            ("မြန်မာ", "မြန်မာ"),
            ("שָׁלוֹם", "שָׁלוֹם"),
            ("می\u{200c}خواهم", "میخواهم"),
            ("京都 抹茶クッキー", "京都-抹茶クッキー"),
            ("Đà Nẵng", "đà-nẵng"),
        ] {
            let made = Handle::from_title(title).unwrap();
            assert_eq!(made, Handle::new(handle).unwrap(), "{title}");
            assert!(!made.as_str().trim_matches('-').is_empty());
        }
    }

    #[test]
    fn a_derived_sku_is_readable_where_it_can_be() {
        assert_eq!(sku("ocean-blue-shirt", &[]), "ocean-blue-shirt");
        assert_eq!(sku("top", &["Small", "Red"]), "top.Small.Red");
        assert!(sku("top", &["Très petit"]).starts_with("top.Tr-s-petit."));
        assert!(sku(&"a".repeat(255), &["b"]).len() <= 78);
    }

    #[test]
    fn derived_skus_do_not_run_into_each_other() {
        assert_ne!(sku("top", &["a.b"]), sku("top", &["a", "b"]));
        assert_ne!(sku("top", &["é"]), sku("top", &["è"]));
        assert_ne!(sku(&"a".repeat(80), &["b"]), sku(&"a".repeat(80), &["c"]));
    }

    proptest! {
        #[test]
        fn every_title_makes_a_handle_or_none(title in "\\PC{0,300}") {
            if let Ok(handle) = Handle::from_title(&title) {
                prop_assert_eq!(Handle::from_title(handle.as_str()).unwrap(), handle.clone());
                prop_assert!(derived_sku(&handle, &[title]).as_str().len() <= READABLE_SKU_BYTES_MAX + 14);
            }
        }
    }
}
