//! What a SKU is in the catalogue: which product has it, what it costs, what it is called.

use std::time::Duration;

use actors::{Answered, AskError, Call};
use engine::{
    checkout::ClaimedVariant,
    drop::{Drop, DropCommand, DropReply, DropView},
    id::{DropId, ProductId, Sku, TenantId, VariantId},
    inventory::{Inventory, InventoryCommand},
    product::{Product, ProductCommand, ProductRejection, ProductReply, Quote, Wanted},
};

use super::read_call;
use crate::{Gateway, Problem, edge::Arrival, problem::Code};

/// How long the lists may lag behind a SKU that the inventory knows, before it counts as not for sale.
const LISTS_WAIT: Duration = Duration::from_millis(1_500);
const LISTS_EVERY: Duration = Duration::from_millis(50);

/// What a SKU costs now. Its product comes from the lists, the price from the product itself.
pub(super) async fn quote(gateway: &Gateway, tenant: &TenantId, sku: &Sku) -> Result<Quote, Problem> {
    if let Some(product) = gateway.skus.find(tenant, sku) {
        if let Some(quote) = ask_price(gateway, tenant, product, sku).await? {
            return Ok(quote);
        }
        gateway.skus.forget(tenant, sku);
    }
    let quote = match find(gateway, tenant, sku).await? {
        Some((product, _)) => ask_price(gateway, tenant, product, sku).await?,
        None => None,
    };
    let quote = quote.ok_or_else(|| Problem::new(Code::NotForSale).with("sku", sku.as_str()))?;
    gateway.skus.keep(tenant, sku, quote.product);
    Ok(quote)
}

/// What a product takes for a SKU; `None` when it does not sell it.
pub(super) async fn ask_price(
    gateway: &Gateway,
    tenant: &TenantId,
    product: ProductId,
    sku: &Sku,
) -> Result<Option<Quote>, Problem> {
    let wanted = ProductCommand::Quote(Wanted::Sku(sku.clone()));
    match gateway.commerce.ask::<Product>(&product.key(tenant), wanted, Call::read()).await {
        Ok(Answered { reply: ProductReply::Quote(quote), .. }) => Ok(Some(quote)),
        Ok(_) => Err(odd()),
        Err(AskError::Rejected(
            ProductRejection::NotFound | ProductRejection::VariantNotFound | ProductRejection::NotActive { .. },
        )) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The product that has a SKU. The lists may not have it yet when the inventory does.
async fn find(gateway: &Gateway, tenant: &TenantId, sku: &Sku) -> Result<Option<(ProductId, VariantId)>, Problem> {
    let deadline = tokio::time::Instant::now() + LISTS_WAIT;
    loop {
        if let Some(found) = gateway.read_side.variant_of_sku(tenant, sku).await? {
            return Ok(Some(found));
        }
        let asked = gateway.commerce.ask::<Inventory>(&sku.key(tenant), InventoryCommand::View, Call::read()).await;
        if matches!(asked, Err(AskError::Rejected(_))) || tokio::time::Instant::now() >= deadline {
            return Ok(None);
        }
        tokio::time::sleep(LISTS_EVERY).await;
    }
}

/// What the catalogue says of a SKU that was claimed of a drop, whatever the status of its product: what a drop sells need
/// not be in the shop. A SKU of no product is called as the drop's product; `None` when there is none either.
pub(super) async fn claimed_variant(
    gateway: &Gateway,
    arrival: &Arrival,
    tenant: &TenantId,
    drop: DropId,
    sku: &Sku,
) -> Result<Option<ClaimedVariant>, Problem> {
    if let Some(product) = gateway.skus.find(tenant, sku) {
        if let Some(variant) = describe(gateway, tenant, product, sku).await? {
            return Ok(Some(variant));
        }
        gateway.skus.forget(tenant, sku);
    }
    if let Some((product, _)) = gateway.read_side.variant_of_sku(tenant, sku).await?
        && let Some(variant) = describe(gateway, tenant, product, sku).await?
    {
        gateway.skus.keep(tenant, sku, product);
        return Ok(Some(variant));
    }
    // The lists may not have the product yet.
    let Some(product) = drop_view(gateway, arrival, tenant, drop).await?.terms.product else { return Ok(None) };
    if let Some(variant) = describe(gateway, tenant, product, sku).await? {
        return Ok(Some(variant));
    }
    match gateway.commerce.ask::<Product>(&product.key(tenant), ProductCommand::View, Call::read()).await {
        Ok(Answered { reply: ProductReply::Product(view), .. }) => {
            Ok(Some(ClaimedVariant { product, title: view.title.clone(), options: Vec::new() }))
        }
        Ok(_) => Err(odd()),
        Err(AskError::Rejected(_) | AskError::Parked) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a product says of its variant with this SKU. One that is put aside stops no sale.
async fn describe(
    gateway: &Gateway,
    tenant: &TenantId,
    product: ProductId,
    sku: &Sku,
) -> Result<Option<ClaimedVariant>, Problem> {
    let command = ProductCommand::Describe(Wanted::Sku(sku.clone()));
    match gateway.commerce.ask::<Product>(&product.key(tenant), command, Call::read()).await {
        Ok(Answered { reply: ProductReply::Quote(Quote { title, options, .. }), .. }) => {
            Ok(Some(ClaimedVariant { product, title, options }))
        }
        Ok(_) => Err(odd()),
        Err(AskError::Rejected(_) | AskError::Parked) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A drop as it stands.
pub(super) async fn drop_view(
    gateway: &Gateway,
    arrival: &Arrival,
    tenant: &TenantId,
    drop: DropId,
) -> Result<Box<DropView>, Problem> {
    match gateway.commerce.ask::<Drop>(&drop.key(tenant), DropCommand::View, read_call(arrival)).await?.reply {
        DropReply::Drop(view) => Ok(view),
        DropReply::Claim(_) | DropReply::Claims(..) | DropReply::Done => {
            Err(Problem::internal("drop", &"an answer to another question"))
        }
    }
}

fn odd() -> Problem {
    Problem::internal("product", &"an answer to another question")
}
