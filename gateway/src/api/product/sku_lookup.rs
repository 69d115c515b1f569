//! Looks up a SKU in the catalogue: its product, price and title.

use std::time::Duration;

use actors::{Answered, AskError, CommandMeta};
use engine::{
    checkout::ClaimedVariant,
    id::{DropId, ProductId, Sku, TenantId, VariantId},
    product::{Product, ProductCommand, ProductRejection, ProductReply, Quote, VariantSelector},
    stock::{StockCommand, StockItem},
};

use crate::{
    Gateway, Problem,
    api::{flash_drop, read_meta},
    edge::Arrival,
    problem::Code,
};

/// How long the lists may lag behind a SKU that has a stock item, before it counts as not for sale.
const LISTS_WAIT: Duration = Duration::from_millis(1_500);
const LISTS_EVERY: Duration = Duration::from_millis(50);

/// Returns the present price of a SKU. The lists know its product, and the product itself knows the price.
pub(in crate::api) async fn quote(gateway: &Gateway, tenant: &TenantId, sku: &Sku) -> Result<Quote, Problem> {
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

/// Returns the price that a product has for a SKU, or `None` if it does not sell the SKU.
pub(in crate::api) async fn ask_price(
    gateway: &Gateway,
    tenant: &TenantId,
    product: ProductId,
    sku: &Sku,
) -> Result<Option<Quote>, Problem> {
    let wanted = ProductCommand::Quote(VariantSelector::Sku(sku.clone()));
    match gateway.commerce.ask::<Product>(&product.key(tenant), wanted, CommandMeta::read()).await {
        Ok(Answered { reply: ProductReply::Quote(quote), .. }) => Ok(Some(quote)),
        Ok(_) => Err(odd()),
        Err(AskError::Rejected(
            ProductRejection::NotFound | ProductRejection::VariantNotFound | ProductRejection::NotActive { .. },
        )) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the product of a SKU. The lists may lag behind the stock item, so this waits for them.
async fn find(gateway: &Gateway, tenant: &TenantId, sku: &Sku) -> Result<Option<(ProductId, VariantId)>, Problem> {
    let deadline = tokio::time::Instant::now() + LISTS_WAIT;
    loop {
        if let Some(found) = gateway.read_side.variant_of_sku(tenant, sku).await? {
            return Ok(Some(found));
        }
        let asked = gateway.commerce.ask::<StockItem>(&sku.key(tenant), StockCommand::View, CommandMeta::read()).await;
        if matches!(asked, Err(AskError::Rejected(_))) || tokio::time::Instant::now() >= deadline {
            return Ok(None);
        }
        tokio::time::sleep(LISTS_EVERY).await;
    }
}

/// Returns the catalogue's data of a claimed SKU, whatever the status of its product: a drop may sell products that are
/// not in the shop. For a SKU without a product, the title is that of the drop's product; `None` if there is none
/// either.
pub(in crate::api) async fn claimed_variant(
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
    // The lists may not include the product yet.
    let Some(product) = flash_drop::view(gateway, tenant, drop, read_meta(arrival)).await?.terms.product else {
        return Ok(None);
    };
    if let Some(variant) = describe(gateway, tenant, product, sku).await? {
        return Ok(Some(variant));
    }
    match gateway.commerce.ask::<Product>(&product.key(tenant), ProductCommand::View, CommandMeta::read()).await {
        Ok(Answered { reply: ProductReply::Product(view), .. }) => {
            Ok(Some(ClaimedVariant { product, title: view.title.clone(), options: Vec::new() }))
        }
        Ok(_) => Err(odd()),
        Err(AskError::Rejected(_) | AskError::Quarantined) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns a product's description of the variant with this SKU. A quarantined product does not prevent the sale.
async fn describe(
    gateway: &Gateway,
    tenant: &TenantId,
    product: ProductId,
    sku: &Sku,
) -> Result<Option<ClaimedVariant>, Problem> {
    let command = ProductCommand::Describe(VariantSelector::Sku(sku.clone()));
    match gateway.commerce.ask::<Product>(&product.key(tenant), command, CommandMeta::read()).await {
        Ok(Answered { reply: ProductReply::Quote(Quote { title, options, .. }), .. }) => {
            Ok(Some(ClaimedVariant { product, title, options }))
        }
        Ok(_) => Err(odd()),
        Err(AskError::Rejected(_) | AskError::Quarantined) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn odd() -> Problem {
    Problem::internal("product", &"an answer to another question")
}
