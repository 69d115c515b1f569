//! The routes of address formats.

use std::{collections::HashMap, sync::LazyLock};

use axum::response::Response;
use engine::address;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::wire::{CountriesWire, FormatWire};
use crate::{
    Gateway, Problem,
    edge::Path,
    wire::{IfNoneMatch, etag, fresh},
};

/// Returns the routes of address formats.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list_address_countries)).routes(routes!(get_address_format))
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

/// List countries
///
/// The countries that the shop can ship to. Browsers provide their names through `Intl.DisplayNames`.
#[utoipa::path(get, path = "/v1/address-formats", operation_id = "list_address_countries", tag = "checkouts", security(()),
    responses((status = 200, description = "The countries", body = CountriesWire)))]
pub(crate) async fn list_address_countries(known: IfNoneMatch) -> Response {
    let (body, tag) = &*COUNTRIES;
    fresh(&known, tag, body.clone(), true)
}

/// Get the address format of a country
///
/// Describes the fields of an address form. A checkout's `shipping_address` is validated against it.
#[utoipa::path(get, path = "/v1/address-formats/{country}", operation_id = "get_address_format", tag = "checkouts", security(()),
    params(("country" = String, Path, description = "The country, as a two-letter ISO 3166-1 code.")),
    responses((status = 200, description = "The format", body = FormatWire)))]
pub(crate) async fn get_address_format(known: IfNoneMatch, Path(country): Path<String>) -> Result<Response, Problem> {
    let (body, tag) = FORMATS.get(country.to_ascii_uppercase().as_str()).ok_or_else(Problem::not_found)?;
    Ok(fresh(&known, tag, body.clone(), true))
}
