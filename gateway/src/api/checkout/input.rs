//! The request bodies of checkouts.

use engine::{
    address::Extent,
    checkout::{CLAIMS_MAX, Source},
    id::{CartId, ClaimRef},
    money::Money,
    payment::{PROVIDER_CHARS_MAX, TOKEN_CHARS_MAX},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    Problem,
    auth::email::Email,
    ops::openapi::Refinement,
    problem::{Faults, FieldCode, all_of},
    wire::{Address, IdSchema, MoneyWire, PriceSchema},
};

/// What is to be paid, and how.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCheckout {
    /// Everything in this cart.
    #[schema(value_type = Option<IdSchema>)]
    cart_id: Option<CartId>,
    /// In place of a cart: these claims of drops.
    #[schema(min_items = 1, max_items = 20, pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}-[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    claims: Option<Vec<String>>,
    /// The means of payment.
    pub(super) payment: PaymentMeans,
    /// Where the receipt goes.
    #[schema(format = "email", max_length = 254)]
    email: String,
    /// Where the parcel goes.
    #[schema(value_type = ShippingAddress)]
    pub(in crate::api) shipping_address: Address,
    /// The total that the buyer has seen: 409 `price_changed` when it is another.
    #[schema(value_type = Option<PriceSchema>)]
    expected_total: Option<MoneyWire>,
}

/// A means of payment.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaymentMeans {
    /// The payment provider. `sandbox` is built in, and moves no money: it is for development, unless the shop's operator
    /// has switched it on.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) provider: String,
    /// What the provider calls the means of payment. The sandbox has `tok_approve`, `tok_decline`, `tok_slow`,
    /// `tok_unknown` and `tok_challenge`.
    #[schema(min_length = 1, max_length = 1024)]
    pub(super) token: String,
}

/// The validated content of a request.
pub(in crate::api) struct Said {
    pub(super) source: Source,
    pub(super) email: Email,
    pub(super) expected_total: Option<Money>,
    /// The stored form of the address, or its errors. An invalid address does not fail a repeated request whose
    /// checkout was accepted.
    pub(super) address: Result<Address, Problem>,
}

/// An address for a parcel, in the format of its country: `GET /v1/address-formats/{country}`. Other members are texts
/// too, and are kept.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `Address`")]
pub(crate) struct ShippingAddress {
    /// Who gets it. Required.
    #[schema(max_length = 255)]
    name: Option<String>,
    /// The first line. Required.
    #[schema(max_length = 255)]
    line1: Option<String>,
    /// The second line.
    #[schema(max_length = 255)]
    line2: Option<String>,
    /// A part of the city.
    // Newer than the other fields: a null for it would change the fingerprints of requests to earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    district: Option<String>,
    /// The city. Required in most countries.
    #[schema(max_length = 255)]
    city: Option<String>,
    /// The state, province or other region: its key, or its name. Required in some countries.
    #[schema(max_length = 255)]
    region: Option<String>,
    /// The postal code. Required in most countries.
    #[schema(max_length = 255)]
    postal_code: Option<String>,
    /// The country, as ISO 3166-1 spells it in two letters. Required.
    #[schema(max_length = 255)]
    country: Option<String>,
    /// Whom to call.
    #[schema(max_length = 255)]
    phone: Option<String>,
}

pub(crate) fn refinements() -> Vec<Refinement> {
    let either = json!([
        {"title": "cart", "required": ["cart_id"], "properties": {"cart_id": {"type": "string"}, "claims": {"type": "null"}}},
        {"title": "claims", "required": ["claims"], "properties": {"claims": {"type": "array"}, "cart_id": {"type": "null"}}}
    ]);
    let others = json!({"type": ["string", "null"], "maxLength": 255});
    vec![
        ("NewCheckout", json!({"oneOf": either})),
        ("NewCheckout/properties/claims", json!({"uniqueItems": true})),
        ("NewQuote", json!({"oneOf": either})),
        ("NewQuote/properties/claims", json!({"uniqueItems": true})),
        ("ShippingAddress", json!({"additionalProperties": others, "maxProperties": 20})),
    ]
}

impl NewCheckout {
    /// Returns the validated content, or all errors.
    pub(in crate::api) fn read(&self) -> Result<Said, Problem> {
        let mut faults = Faults::default();
        let source = source(self.cart_id, self.claims.as_deref(), &mut faults);
        let email = faults.range("/email", Email::new(&self.email));
        let PaymentMeans { provider, token } = &self.payment;
        let has = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
        faults.check("/payment/provider", has(provider, PROVIDER_CHARS_MAX), "has from 1 to 64 characters");
        faults.check("/payment/token", has(token, TOKEN_CHARS_MAX), "has from 1 to 1024 characters");
        self.shipping_address.check_size("/shipping_address", &mut faults);
        let expected_total = self.expected_total.as_ref().and_then(|total| total.read("/expected_total", &mut faults));
        if faults.is_empty() {
            let address = self.shipping_address.read(Extent::Whole, "/shipping_address", &mut faults);
            let address = faults.give(address);
            let said = source.zip(email).map(|(source, email)| Said { source, email, expected_total, address });
            return Faults::default().give(said);
        }
        // All errors are reported at once.
        self.shipping_address.read(Extent::Whole, "/shipping_address", &mut faults);
        faults.give(None)
    }
}

/// Returns what is to be paid, or records all errors in how it is named.
pub(super) fn source(cart: Option<CartId>, claims: Option<&[String]>, faults: &mut Faults) -> Option<Source> {
    match (cart, claims) {
        (Some(cart), None) => Some(Source::Cart(cart)),
        (None, Some(claims)) => {
            faults.check("/claims", (1..=CLAIMS_MAX).contains(&claims.len()), "names from 1 to 20 claims");
            let claims = claims.iter().take(CLAIMS_MAX).enumerate();
            let read =
                |(index, claim): (usize, &String)| faults.range(format!("/claims/{index}"), claim.parse::<ClaimRef>());
            let claims = all_of(claims.map(read))?;
            for (index, claim) in claims.iter().enumerate() {
                faults.check(format!("/claims/{index}"), !claims[..index].contains(claim), "is duplicated");
            }
            Some(Source::Claims(claims))
        }
        (Some(_), Some(_)) => {
            faults.add("/claims", FieldCode::Unknown, "stands in place of cart_id");
            None
        }
        (None, None) => faults.present("/cart_id", None),
    }
}
