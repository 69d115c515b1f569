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

/// A new checkout.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCheckout {
    /// Everything in this cart.
    #[schema(value_type = Option<IdSchema>)]
    cart_id: Option<CartId>,
    /// The claims to pay, instead of a cart.
    #[schema(min_items = 1, max_items = 20, pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}-[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    claims: Option<Vec<String>>,
    /// The payment method.
    pub(super) payment: PaymentMeans,
    /// The e-mail address for the receipt.
    #[schema(format = "email", max_length = 254)]
    email: String,
    /// The shipping address.
    #[schema(value_type = ShippingAddress)]
    pub(in crate::api) shipping_address: Address,
    /// The total that the buyer has seen: 409 `price_changed` when it is another.
    #[schema(value_type = Option<PriceSchema>)]
    expected_total: Option<MoneyWire>,
}

/// A payment method.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaymentMeans {
    /// The payment provider. The built-in `sandbox` moves no money and is for development, unless the shop's operator
    /// enables it.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) provider: String,
    /// The provider's token for the payment method. The sandbox accepts `tok_approve`, `tok_decline`, `tok_slow`,
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

/// A shipping address, in the format of its country (`GET /v1/address-formats/{country}`). Additional members must be
/// strings and are stored.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `Address`")]
pub(crate) struct ShippingAddress {
    /// The recipient. Required.
    #[schema(max_length = 255)]
    name: Option<String>,
    /// The first line. Required.
    #[schema(max_length = 255)]
    line1: Option<String>,
    /// The second line.
    #[schema(max_length = 255)]
    line2: Option<String>,
    /// A district of the city.
    // Newer than the other fields: a null for it would change the fingerprints of requests to earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    district: Option<String>,
    /// The city. Required in most countries.
    #[schema(max_length = 255)]
    city: Option<String>,
    /// The key or name of the state, province or other region. Required in some countries.
    #[schema(max_length = 255)]
    region: Option<String>,
    /// The postal code. Required in most countries.
    #[schema(max_length = 255)]
    postal_code: Option<String>,
    /// The country, as a two-letter ISO 3166-1 code. Required.
    #[schema(max_length = 255)]
    country: Option<String>,
    /// The telephone number.
    #[schema(max_length = 255)]
    phone: Option<String>,
}

pub(super) fn refinements() -> Vec<Refinement> {
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
        faults.check(
            "/payment/provider",
            has(provider, PROVIDER_CHARS_MAX),
            "must be between 1 and 64 characters long",
        );
        faults.check("/payment/token", has(token, TOKEN_CHARS_MAX), "must be between 1 and 1024 characters long");
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
            faults.check("/claims", (1..=CLAIMS_MAX).contains(&claims.len()), "must have between 1 and 20 claims");
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
            faults.add("/claims", FieldCode::Unknown, "cannot be combined with cart_id");
            None
        }
        (None, None) => faults.present("/cart_id", None),
    }
}
