//! The address formats of countries, read from the data that is compiled in.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

/// The data, with one line for each country.
const DATA: &str = include_str!("../../data/address-formats/formats.json");

/// A field of an address in a country's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The recipient.
    Name,
    /// The lines for street and house number.
    Line,
    /// A part of a city.
    District,
    /// The city.
    City,
    /// The state, province or other region.
    Region,
    /// The postal code.
    PostalCode,
}

impl Field {
    /// Returns the member of an address with this field; for `Line`, the first line.
    pub fn member(self) -> &'static str {
        match self {
            Self::Name => super::NAME,
            Self::Line => super::LINE_1,
            Self::District => "district",
            Self::City => "city",
            Self::Region => "region",
            Self::PostalCode => "postal_code",
        }
    }

    /// Returns the field that a letter of a format stands for.
    pub(super) fn of_letter(letter: char) -> Option<Self> {
        Some(match letter {
            'N' => Self::Name,
            'A' => Self::Line,
            'D' => Self::District,
            'C' => Self::City,
            'S' => Self::Region,
            'Z' => Self::PostalCode,
            _ => return None,
        })
    }
}

/// The address format of a country.
#[derive(Debug)]
pub struct AddressFormat {
    /// The lines with `%N`, `%A`, … for fields, separated by `%n`.
    pub(super) layout: String,
    /// The fields that a parcel needs.
    pub required: Vec<Field>,
    /// The form of postal codes; `None` if the country has none, or if their form is not known.
    pub postal_code: Option<PostalCode>,
    /// The regions; empty if regions are free text.
    pub regions: Vec<Region>,
    kinds: BTreeMap<Field, String>,
}

impl AddressFormat {
    /// Returns the fields, line by line, as on labels.
    pub fn rows(&self) -> impl Iterator<Item = Vec<Field>> {
        let fields =
            |row: &str| row.split('%').skip(1).filter_map(|part| Field::of_letter(part.chars().next()?)).collect();
        self.layout.split("%n").map(fields).filter(|row: &Vec<Field>| !row.is_empty())
    }

    /// Whether labels have the field.
    pub fn has(&self, field: Field) -> bool {
        self.rows().any(|row| row.contains(&field))
    }

    /// Returns the country's term for the field: `state`, `province`, `zip`, … `None` for name and lines.
    pub fn kind(&self, field: Field) -> Option<&str> {
        let usual = match field {
            Field::Name | Field::Line => return None,
            Field::District => "suburb",
            Field::City => "city",
            Field::Region => "province",
            Field::PostalCode => "postal",
        };
        Some(self.kinds.get(&field).map_or(usual, String::as_str))
    }
}

/// The form of a country's postal codes.
#[derive(Debug)]
pub struct PostalCode {
    /// A regular expression that matches a whole postal code, in upper case.
    pub pattern: String,
    /// An example.
    pub example: String,
    /// The prefix that some people write and that labels have: the `SE` of `SE-114 55`.
    pub prefix: Option<String>,
    /// The regular expression compiled from `pattern`.
    pub(super) regex: Regex,
}

/// A state, province or other region of a country.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    /// The key: the part of the ISO 3166-2 code after the country, if the region has a code.
    pub key: String,
    /// The name in the country's script.
    pub name: String,
    /// The name in Latin script, if `name` is in another script.
    pub latin_name: Option<String>,
    /// The form on labels, if it differs from the name: the `CA` of California.
    pub label: Option<String>,
}

/// Returns the countries that have a format, as two-letter ISO 3166-1 codes, in alphabetical order.
pub fn countries() -> impl Iterator<Item = &'static str> {
    FORMATS.keys().copied()
}

/// Returns the format of a country, by its code of two upper-case letters. `None` if parcels cannot be sent there.
pub fn format_of(country: &str) -> Option<&'static AddressFormat> {
    FORMATS.get(country)
}

/// A line of the data.
#[derive(Deserialize)]
struct Facts {
    format: String,
    required: Vec<Field>,
    postal_code: Option<String>,
    example: Option<String>,
    prefix: Option<String>,
    #[serde(default)]
    kinds: BTreeMap<Field, String>,
    #[serde(default)]
    regions: Vec<Vec<String>>,
}

static FORMATS: LazyLock<BTreeMap<&'static str, AddressFormat>> = LazyLock::new(|| {
    // The data is compiled in; the test `every_line_of_the_data_is_read` proves that it parses and that no line is
    // lost.
    let facts: BTreeMap<&'static str, Facts> = serde_json::from_str(DATA).unwrap_or_default();
    facts.into_iter().map(|(country, facts)| (country, facts.into_format())).collect()
});

impl Facts {
    fn into_format(self) -> AddressFormat {
        let Facts { format, required, postal_code, example, prefix, kinds, regions } = self;
        let postal_code = postal_code.zip(example).and_then(|(pattern, example)| {
            let regex = RegexBuilder::new(&format!("^(?:{pattern})$")).unicode(false).build().ok()?;
            Some(PostalCode { pattern, example, prefix, regex })
        });
        AddressFormat {
            layout: format,
            required,
            postal_code,
            kinds,
            regions: regions.into_iter().map(region).collect(),
        }
    }
}

fn region(parts: Vec<String>) -> Region {
    let mut parts = parts.into_iter();
    let mut next = || parts.next().filter(|part| !part.is_empty());
    Region { key: next().unwrap_or_default(), name: next().unwrap_or_default(), latin_name: next(), label: next() }
}
