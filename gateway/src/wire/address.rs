//! Postal addresses: a map of texts, because the fields differ between countries.

use std::{collections::BTreeMap, fmt};

use engine::address::{self, Extent};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::problem::Faults;

/// The maximum number of fields of an address.
const MEMBERS_MAX: usize = 20;
/// The maximum length of a field's value, and of its name, in characters.
const TEXT_CHARS_MAX: usize = 255;

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Address(BTreeMap<String, String>);

impl Address {
    /// Records violations of the limits: too many fields, or texts that are too long or contain line breaks.
    pub(crate) fn check_size(&self, pointer: &str, faults: &mut Faults) {
        faults.check(pointer, self.0.len() <= MEMBERS_MAX, "must have at most 20 members");
        for (name, text) in self.0.iter().take(MEMBERS_MAX) {
            let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            let fits = name.chars().count() <= TEXT_CHARS_MAX && text.chars().count() <= TEXT_CHARS_MAX;
            faults.check(&pointer, fits, "is longer than 255 characters");
            let is_line = |text: &str| !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
            faults.check(
                &pointer,
                is_line(name) && is_line(text),
                "must not contain line breaks or other control characters",
            );
        }
    }

    /// Returns the address in the stored form, validated by the format of its country, or `None` after recording all
    /// errors.
    pub(crate) fn read(&self, extent: Extent, pointer: &str, faults: &mut Faults) -> Option<Self> {
        match address::check(&self.0, extent) {
            Ok(kept) => Some(Self(kept)),
            Err(found) => {
                for fault in found {
                    let pointer = format!("{pointer}/{}", fault.member);
                    if fault.is_missing {
                        faults.needs(pointer, fault.why)
                    } else {
                        faults.check(pointer, false, fault.why)
                    }
                }
                None
            }
        }
    }

    /// Returns the address as it is stored in a row.
    pub(crate) fn to_map(&self) -> Map<String, Value> {
        self.0.iter().map(|(name, text)| (name.clone(), Value::String(text.clone()))).collect()
    }

    /// Returns the recipient's name.
    pub(crate) fn name(&self) -> Option<String> {
        self.0.get("name").cloned()
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with string values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Address, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, text)) = entries.next_entry::<String, Option<String>>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                    members.insert(name, text);
                }
                Ok(Address(members.into_iter().filter_map(|(name, text)| text.map(|text| (name, text))).collect()))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_object_of_texts() {
        let read = |json: &str| serde_json::from_str::<Address>(json);
        assert_eq!(read(r#"{"name": "Ann", "line2": null}"#).unwrap().name().as_deref(), Some("Ann"));
        assert!(read(r#"{"line2": null}"#).unwrap().to_map().is_empty());
        assert!(read(r#"{"name": 7}"#).is_err() && read("[]").is_err());
        assert!(read(r#"{"name": "a", "name": "b"}"#).unwrap_err().to_string().contains("duplicate field `name`"));
    }
}
