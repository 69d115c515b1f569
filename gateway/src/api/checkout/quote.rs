//! `POST /v1/checkouts/quote`: computes the totals of a checkout in advance.

use std::sync::Arc;

use actors::{Answered, AskError};
use axum::{extract::State, response::Response};
use engine::{
    address::Extent,
    cart::{Cart, CartCommand, CartRejection, CartReply, CartView},
    checkout::{CheckoutProblem, ClaimedVariant, Source},
    flash_drop::{Buyer, ClaimState, ClaimView, DropCommand, DropRejection, DropReply, FlashDrop, Terms},
    id::{CartId, ClaimRef, TenantId},
    pricing::{self, PricedLine},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    input::{ShippingAddress, source},
    routes::{ASKED_AT_ONCE, terms},
    wire::CheckoutLineWire,
};
use crate::{
    Gateway, Problem,
    api::{
        flash_drop,
        product::{ask_price, claimed_variant},
        read_meta,
    },
    auth::Identity,
    edge::{Arrival, Json},
    problem::Faults,
    wire::{Address, IdSchema, MoneyWire, OptionValueWire, ok},
};

/// The items to price.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuote {
    /// Everything in this cart.
    #[schema(value_type = Option<IdSchema>)]
    cart_id: Option<CartId>,
    /// The claims to pay, instead of a cart.
    #[schema(min_items = 1, max_items = 20, pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}-[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    claims: Option<Vec<String>>,
    /// Where the parcel goes, as far as that is known.
    #[schema(value_type = Option<ShippingAddress>)]
    shipping_address: Option<Address>,
}

/// The price of a checkout.
#[derive(Serialize, ToSchema)]
#[schema(as = Quote)]
pub(crate) struct QuoteWire {
    /// The lines, at current prices.
    lines: Vec<CheckoutLineWire>,
    /// What the lines come to.
    subtotal: MoneyWire,
    /// Shipping.
    shipping_total: MoneyWire,
    /// The tax on the lines.
    tax_total: MoneyWire,
    /// The total, to be used as `expected_total` of a checkout.
    total: MoneyWire,
}

/// A line with its price.
type QuotedLine = (CheckoutLineWire, PricedLine);

/// Price a checkout
///
/// Computes the totals that a checkout of these claims or this cart would have now. Changes nothing and holds no units.
/// Send the total as `expected_total`, so that a checkout is refused if the price has changed.
#[utoipa::path(post, path = "/v1/checkouts/quote", operation_id = "quote_checkout", tag = "checkouts",
    request_body(content = NewQuote, example = json!({"claims": ["01K3ZV8QJ6M4T9XW2RBD5HCNEF-01K3ZV8QJ6M4T9XW2RBD5HCNEG"]})),
    responses((status = 200, description = "The totals", body = QuoteWire),
        (status = 409, description = "`already_released` {claim_id}, `already_sold` {claim_id}, `cart_empty`, \
            `not_for_sale` {sku}, `mixed_currencies`, `limit_exceeded`")))]
pub(crate) async fn quote_checkout(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    Json(body): Json<NewQuote>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let source = source(body.cart_id, body.claims.as_deref(), &mut faults);
    if let Some(address) = &body.shipping_address {
        address.check_size("/shipping_address", &mut faults);
        // Totals do not depend on the address yet, but a checkout would refuse an invalid one.
        address.read(Extent::SoFar, "/shipping_address", &mut faults);
    }
    let source = faults.give(source)?;
    let (tenant, buyer) = (identity.tenant(), identity.buyer());
    let lines = match &source {
        Source::Claims(claims) => claimed_lines(&gateway, &arrival, tenant, &buyer, claims).await?,
        Source::Cart(cart) => cart_lines(&gateway, &arrival, tenant, buyer, *cart).await?,
    };
    let (lines, priced): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
    let totals = pricing::price(&priced, &terms(&gateway.settings)).map_err(CheckoutProblem::from)?;
    Ok(ok(&QuoteWire {
        lines,
        subtotal: totals.subtotal.into(),
        shipping_total: totals.shipping.into(),
        tax_total: totals.tax.into(),
        total: totals.total.into(),
    }))
}

async fn claimed_lines(
    gateway: &Gateway,
    arrival: &Arrival,
    tenant: &TenantId,
    buyer: &Buyer,
    claims: &[ClaimRef],
) -> Result<Vec<QuotedLine>, Problem> {
    let asked = claims.iter().copied().map(|claim| claimed_line(gateway, arrival, tenant, buyer, claim));
    stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await
}

async fn claimed_line(
    gateway: &Gateway,
    arrival: &Arrival,
    tenant: &TenantId,
    buyer: &Buyer,
    claim: ClaimRef,
) -> Result<QuotedLine, Problem> {
    let view = payable_claim(gateway, arrival, tenant, buyer, claim).await?;
    let (product_id, title, options) = match claimed_variant(gateway, arrival, tenant, claim.drop, &view.sku).await? {
        Some(ClaimedVariant { product, title, options }) => (Some(product), title, options),
        None => {
            let Terms { title, product, .. } =
                flash_drop::view(gateway, tenant, claim.drop, read_meta(arrival)).await?.terms;
            (product, if title.is_empty() { view.sku.to_string() } else { title }, Vec::new())
        }
    };
    let line = CheckoutLineWire {
        sku: view.sku,
        product_id,
        title,
        options: OptionValueWire::list(Some(&options)),
        quantity: view.quantity.units(),
        unit_price: view.unit_price.into(),
        claim_id: Some(claim.to_string()),
    };
    Ok((line, PricedLine { quantity: view.quantity, unit_price: view.unit_price }))
}

/// Returns a claim of the buyer that can still be paid.
pub(super) async fn payable_claim(
    gateway: &Gateway,
    arrival: &Arrival,
    tenant: &TenantId,
    buyer: &Buyer,
    claim: ClaimRef,
) -> Result<ClaimView, Problem> {
    let command = DropCommand::ViewClaim { claim: claim.claim, buyer: Some(buyer.clone()) };
    let view = match gateway.commerce.ask::<FlashDrop>(&claim.drop.key(tenant), command, read_meta(arrival)).await {
        Ok(Answered { reply: DropReply::Claim(view), .. }) => view,
        Ok(_) => return Err(odd("drop")),
        Err(AskError::Rejected(DropRejection::NotFound | DropRejection::ClaimNotFound)) => {
            return Err(CheckoutProblem::ClaimNotFound { claim }.into());
        }
        Err(error) => return Err(error.into()),
    };
    match view.state {
        ClaimState::Held { .. } => Ok(view),
        ClaimState::Sold { .. } => Err(CheckoutProblem::AlreadySold { claim }.into()),
        ClaimState::Released { .. } => Err(CheckoutProblem::ClaimReleased { claim }.into()),
    }
}

async fn cart_lines(
    gateway: &Gateway,
    arrival: &Arrival,
    tenant: &TenantId,
    buyer: Buyer,
    cart: CartId,
) -> Result<Vec<QuotedLine>, Problem> {
    let view = payable_cart(gateway, arrival, tenant, buyer, cart).await?;
    let asked = view.lines.clone().into_iter().map(|line| async move {
        let price = ask_price(gateway, tenant, line.product, &line.sku).await?;
        let price = price.ok_or_else(|| CheckoutProblem::NotForSale { sku: line.sku.clone() })?.price;
        let quoted = CheckoutLineWire {
            sku: line.sku.clone(),
            product_id: Some(line.product),
            title: line.title.clone(),
            options: OptionValueWire::list(line.options.as_deref()),
            quantity: line.quantity.units(),
            unit_price: price.into(),
            claim_id: None,
        };
        Ok::<_, Problem>((quoted, PricedLine { quantity: line.quantity, unit_price: price }))
    });
    stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await
}

/// Returns a cart of the buyer that is not empty.
pub(super) async fn payable_cart(
    gateway: &Gateway,
    arrival: &Arrival,
    tenant: &TenantId,
    buyer: Buyer,
    cart: CartId,
) -> Result<Arc<CartView>, Problem> {
    let command = CartCommand::View { buyer: Some(buyer) };
    match gateway.commerce.ask::<Cart>(&cart.key(tenant), command, read_meta(arrival)).await {
        Ok(Answered { reply: CartReply::Cart(view), .. }) if view.lines.is_empty() => {
            Err(CheckoutProblem::CartEmpty.into())
        }
        Ok(Answered { reply: CartReply::Cart(view), .. }) => Ok(view),
        Ok(_) => Err(odd("cart")),
        Err(AskError::Rejected(CartRejection::NotFound)) => Err(CheckoutProblem::CartNotFound.into()),
        Err(error) => Err(error.into()),
    }
}

fn odd(kind: &'static str) -> Problem {
    Problem::internal(kind, &"an answer to another question")
}
