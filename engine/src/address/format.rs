//! The address formats of countries, read from the data that is compiled in.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

/// One line for each country.
const DATA: &str = include_str!("../../data/address-formats/formats.json");

/// A field of an address as a country writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The recipient.
    Name,
    /// The lines for street and house.
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
    /// The member of an address that has it; of the lines, the first.
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

    /// The field that a letter of a format stands for.
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

/// How a country writes addresses.
#[derive(Debug)]
pub struct AddressFormat {
    /// Lines with `%N`, `%A`, … for fields, separated by `%n`.
    pub(super) layout: String,
    /// The fields that a parcel needs.
    pub required: Vec<Field>,
    /// What postal codes look like; `None` in a country without, or whose postal codes are not known here.
    pub postal_code: Option<PostalCode>,
    /// The regions; empty if they are free text.
    pub regions: Vec<Region>,
    kinds: BTreeMap<Field, String>,
}

impl AddressFormat {
    /// The fields, line by line, as labels have them.
    pub fn rows(&self) -> impl Iterator<Item = Vec<Field>> {
        let fields =
            |row: &str| row.split('%').skip(1).filter_map(|part| Field::of_letter(part.chars().next()?)).collect();
        self.layout.split("%n").map(fields).filter(|row: &Vec<Field>| !row.is_empty())
    }

    /// Whether labels have the field.
    pub fn has(&self, field: Field) -> bool {
        self.rows().any(|row| row.contains(&field))
    }

    /// What the country calls the field: `state`, `province`, `zip`, … `None` for name and lines.
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

/// What the postal codes of a country look like.
#[derive(Debug)]
pub struct PostalCode {
    /// A regular expression for all of it, in upper case.
    pub pattern: String,
    /// One of them.
    pub example: String,
    /// What some write before it, and labels add: the `SE` of `SE-114 55`.
    pub prefix: Option<String>,
    /// Compiled from `pattern`.
    pub(super) regex: Regex,
}

/// A state, province or other region of a country.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    /// Its key: the part of its ISO 3166-2 code after the country, where it has one.
    pub key: String,
    /// Its name in the country.
    pub name: String,
    /// Its name in Latin script, where `name` is in another.
    pub latin_name: Option<String>,
    /// What labels have, where that is not its name: the `CA` of California.
    pub label: Option<String>,
}

/// The countries that have a format, as ISO 3166-1 codes of two letters, in their order.
pub fn countries() -> impl Iterator<Item = &'static str> {
    FORMATS.keys().copied()
}

/// The format of a country, by its code of two upper-case letters. `None`: no country that parcels go to.
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
    // The data is a part of the program: `every_line_of_the_data_is_read` holds that no line is lost.
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
