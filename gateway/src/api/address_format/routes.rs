//! `/v1/address-formats`: the address formats of all countries, for forms.

use std::{collections::HashMap, sync::LazyLock};

use axum::response::Response;
use engine::address::{self, AddressFormat, Field};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    edge::Path,
    wire::{IfNoneMatch, etag, fresh},
};

/// The countries that parcels can go to.
#[derive(Serialize, ToSchema)]
#[schema(as = AddressCountries)]
pub(crate) struct CountriesWire {
    /// Their ISO 3166-1 codes, in their order.
    countries: Vec<&'static str>,
}

/// How addresses are written in a country.
#[derive(Serialize, ToSchema)]
#[schema(as = AddressFormat)]
pub(crate) struct FormatWire {
    /// The country, as ISO 3166-1 spells it in two letters.
    country: String,
    /// The fields that a form has, in the order of labels. Beside them there is always the country.
    fields: Vec<FieldWire>,
}

/// A field of an address.
#[derive(Serialize, ToSchema)]
#[schema(as = AddressField)]
struct FieldWire {
    /// The member of an address that it fills.
    #[schema(value_type = String, pattern = "^(name|line1|line2|district|city|region|postal_code)$")]
    name: &'static str,
    /// The line of the form, from 0 on: fields of one line stand beside each other.
    row: u32,
    /// Whether an address needs it.
    required: bool,
    /// What the country calls it, such as `state`, `province`, `zip` or `suburb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    kind: Option<&'static str>,
    /// A regular expression for the whole of a postal code in upper case.
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
    /// What an address has in `region`: the part of its ISO 3166-2 code after the country, where it has one.
    key: &'static str,
    /// Its name in the country.
    name: &'static str,
    /// Its name in Latin script, where `name` is in another.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    latin_name: Option<&'static str>,
}

/// A body that stays the same while the server runs, and its ETag.
type Kept = (Vec<u8>, String);

static FORMATS: LazyLock<HashMap<&'static str, Kept>> =
    LazyLock::new(|| address::countries().filter_map(|code| Some((code, keep(&FormatWire::of(code)?)))).collect());

static COUNTRIES: LazyLock<Kept> = LazyLock::new(|| keep(&CountriesWire { countries: address::countries().collect() }));

fn keep(body: &impl Serialize) -> Kept {
    // Texts and numbers only: serialising them cannot fail.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let tag = etag(0, &bytes);
    (bytes, tag)
}

/// Countries
///
/// Where parcels can go. A browser knows their names: `Intl.DisplayNames`.
#[utoipa::path(get, path = "/v1/address-formats", operation_id = "list_address_countries", tag = "checkouts", security(()),
    responses((status = 200, description = "The countries", body = CountriesWire)))]
pub(crate) async fn list_address_countries(known: IfNoneMatch) -> Response {
    let (body, tag) = &*COUNTRIES;
    fresh(&known, tag, body.clone(), true)
}

/// The address format of a country
///
/// What a form asks for, and what `shipping_address` of a checkout is checked by.
#[utoipa::path(get, path = "/v1/address-formats/{country}", operation_id = "get_address_format", tag = "checkouts", security(()),
    params(("country" = String, Path, description = "The country, as ISO 3166-1 spells it in two letters.")),
    responses((status = 200, description = "The format", body = FormatWire)))]
pub(crate) async fn get_address_format(known: IfNoneMatch, Path(country): Path<String>) -> Result<Response, Problem> {
    let (body, tag) = FORMATS.get(country.to_ascii_uppercase().as_str()).ok_or_else(Problem::not_found)?;
    Ok(fresh(&known, tag, body.clone(), true))
}

impl FormatWire {
    fn of(country: &'static str) -> Option<Self> {
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
