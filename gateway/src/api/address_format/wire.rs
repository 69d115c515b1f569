//! The JSON types of address formats.

use engine::address::{self, AddressFormat, Field};
use serde::Serialize;
use utoipa::ToSchema;

/// The countries that the shop can ship to.
#[derive(Serialize, ToSchema)]
#[schema(as = AddressCountries)]
pub(crate) struct CountriesWire {
    /// The ISO 3166-1 codes, in alphabetical order.
    pub(super) countries: Vec<&'static str>,
}

/// The address format of a country.
#[derive(Serialize, ToSchema)]
#[schema(as = AddressFormat)]
pub(crate) struct FormatWire {
    /// The country, as a two-letter ISO 3166-1 code.
    country: String,
    /// The fields of the form, in the order of address labels. The country is always an additional field.
    fields: Vec<FieldWire>,
}

/// A field of an address.
#[derive(Serialize, ToSchema)]
#[schema(as = AddressField)]
struct FieldWire {
    /// The member of an address that the field fills.
    #[schema(value_type = String, pattern = "^(name|line1|line2|district|city|region|postal_code)$")]
    name: &'static str,
    /// The line of the form, starting at 0. Fields of one line are shown side by side.
    row: u32,
    /// Whether the field is required.
    required: bool,
    /// The country's name for the field, such as `state`, `province`, `zip` or `suburb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    kind: Option<&'static str>,
    /// A regular expression that matches a whole postal code in upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pattern: Option<&'static str>,
    /// A postal code of the country.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    example: Option<&'static str>,
    /// The regions to choose from; absent where a region is free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    options: Option<Vec<OptionWire>>,
}

/// A state, province or other region.
#[derive(Serialize, ToSchema)]
#[schema(as = AddressRegion)]
struct OptionWire {
    /// The value for `region` in an address: the subdivision part of the ISO 3166-2 code, if the region has one.
    key: &'static str,
    /// The name used in the country.
    name: &'static str,
    /// The name in Latin script, if `name` is in another script.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    latin_name: Option<&'static str>,
}

impl FormatWire {
    pub(super) fn of(country: &'static str) -> Option<Self> {
        let format = address::format_of(country)?;
        let mut fields = Vec::new();
        let mut row = 0;
        for line in format.rows() {
            for field in line {
                fields.push(FieldWire::of(format, field, row));
                if field == Field::Line {
                    row += 1;
                    fields.push(FieldWire::second_line(row));
                }
            }
            row += 1;
        }
        Some(Self { country: country.to_owned(), fields })
    }
}

impl FieldWire {
    fn of(format: &'static AddressFormat, field: Field, row: u32) -> Self {
        let postal_code = format.postal_code.as_ref().filter(|_| field == Field::PostalCode);
        let regions = (field == Field::Region && !format.regions.is_empty()).then_some(&format.regions);
        let option = |region: &'static address::Region| OptionWire {
            key: &region.key,
            name: &region.name,
            latin_name: region.latin_name.as_deref(),
        };
        Self {
            name: field.member(),
            row,
            required: field == Field::Name || format.required.contains(&field),
            kind: format.kind(field),
            pattern: postal_code.map(|known| known.pattern.as_str()),
            example: postal_code.map(|known| known.example.as_str()),
            options: regions.map(|regions| regions.iter().map(option).collect()),
        }
    }

    fn second_line(row: u32) -> Self {
        Self { name: address::LINE_2, row, required: false, kind: None, pattern: None, example: None, options: None }
    }
}
