//! Strict JSON, as the schemas define it.
//!
//! serde accepts an array in place of a struct and an object in place of an enum's name, and rejects `1.0` where JSON
//! Schema sees an integer. This deserializer wraps another one and closes these gaps at every depth. Strings are
//! converted to Normalization Form C, so that strings that look the same are the same in the rest of the program.

use std::{borrow::Cow, fmt};

use engine::text::nfc;
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor, value::CowStrDeserializer,
};

/// Wraps deserializers, visitors, seeds and accessors alike.
pub(super) struct Strict<T>(pub(super) T);

macro_rules! forward {
    ($($method:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(Strict(visitor))
        }
    )*};
}

macro_rules! integers {
    ($($method:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(Whole(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    forward! {
        deserialize_any, deserialize_bool, deserialize_f32, deserialize_f64, deserialize_char, deserialize_str,
        deserialize_string, deserialize_bytes, deserialize_byte_buf, deserialize_option, deserialize_unit,
        deserialize_seq, deserialize_map, deserialize_identifier, deserialize_ignored_any,
    }

    integers! {
        deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_i128,
        deserialize_u8, deserialize_u16, deserialize_u32, deserialize_u64, deserialize_u128,
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, Strict(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Strict(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, Strict(visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, len, Strict(visitor))
    }

    /// Accepts an object only.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Strict(visitor))
    }

    /// Accepts the name of a variant only.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let name = <Cow<'de, str>>::deserialize(self.0)?;
        let name: CowStrDeserializer<'_, D::Error> = name.into_deserializer();
        visitor.visit_enum(name)
    }
}

macro_rules! visit {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool: bool, visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128, visit_f32: f32, visit_f64: f64,
        visit_char: char, visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        self.0.visit_str(&nfc(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<V::Value, E> {
        match nfc(value) {
            Cow::Borrowed(value) => self.0.visit_borrowed_str(value),
            Cow::Owned(value) => self.0.visit_string(value),
        }
    }

    fn visit_string<E: Error>(self, value: String) -> Result<V::Value, E> {
        match nfc(&value) {
            Cow::Borrowed(_) => self.0.visit_string(value),
            Cow::Owned(composed) => self.0.visit_string(composed),
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(deserializer))
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Strict(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Strict(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Strict(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(variant)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}

/// Accepts whole numbers in any JSON notation.
struct Whole<V>(V);

/// Forwards what a visitor expects to its error messages.
struct Expecting<'a, V>(&'a V);

impl<'de, V: Visitor<'de>> Expected for Expecting<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Whole<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }

    visit! {
        visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128,
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        /// 2⁵³: beyond it not every whole number has a float.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
            // Exact, because it is whole and far below 2⁶³.
            #[allow(clippy::cast_possible_truncation)]
            return self.0.visit_i64(value as i64);
        }
        let expected = Expecting(&self.0);
        let unexpected = Unexpected::Float(value);
        Err(if value.fract() == 0.0 {
            Error::invalid_value(unexpected, &expected)
        } else {
            Error::invalid_type(unexpected, &expected)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        items: Vec<Inner>,
        color: Option<Color>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: i64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Color {
        Red,
    }

    fn read(json: &str) -> Result<Outer, String> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        Outer::deserialize(Strict(&mut deserializer)).map_err(|error| error.to_string())
    }

    #[test]
    fn values_allowed_by_the_schema_are_accepted() {
        let outer = read(r#"{"items": [{"count": 1}, {"count": 2.0}, {"count": -1e3}], "color": "red"}"#).unwrap();
        assert_eq!(outer.items.iter().map(|item| item.count).collect::<Vec<_>>(), [1, 2, -1_000]);
        assert_eq!(outer.color, Some(Color::Red));
        assert_eq!(read(r#"{"items": [], "color": null}"#).unwrap().color, None);
        let large = read(r#"{"items": [{"count": 1840341367649071.0}, {"count": 9007199254740991.0}]}"#).unwrap();
        assert_eq!(large.items, [Inner { count: 1_840_341_367_649_071 }, Inner { count: 9_007_199_254_740_991 }]);
    }

    #[test]
    fn texts_come_out_composed() {
        let read = |json: &str| {
            let mut deserializer = serde_json::Deserializer::from_str(json);
            <(String, Cow<'_, str>, serde_json::Value)>::deserialize(Strict(&mut deserializer)).unwrap()
        };
        let (one, two, three) = read("[\"cafe\u{301}\", \"cafe\\u0301\", {\"deep\": [\"cafe\u{301}\"]}]");
        assert_eq!((&one[..], &two[..], &three["deep"][0]), ("café", "café", &"café".into()));
    }

    #[test]
    fn arrays_are_no_objects_and_objects_no_names() {
        assert!(read(r"[[], null]").unwrap_err().contains("invalid type: sequence"));
        assert!(read(r#"{"items": [[1]]}"#).unwrap_err().contains("invalid type: sequence"));
        assert!(read(r#"{"items": [], "color": {"red": null}}"#).unwrap_err().contains("invalid type: map"));
    }

    #[test]
    fn numbers_are_whole_or_refused() {
        assert!(read(r#"{"items": [{"count": 1.5}]}"#).unwrap_err().contains("invalid type: floating point"));
        assert!(read(r#"{"items": [{"count": 1e30}]}"#).unwrap_err().contains("invalid value: floating point"));
        assert!(
            read(r#"{"items": [{"count": 18446744073709551615}]}"#).unwrap_err().contains("invalid value: integer")
        );
    }
}
