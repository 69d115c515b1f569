//! A dry run: runs the decision logic of a product in memory to determine what an import would do, and changes nothing.
//!
//! An existing product is rebuilt in memory from its view. The read side stands in for its stock items: it knows which
//! product owns a SKU.

use std::sync::Arc;

use actors::{AskError, CommandMeta};
use engine::{
    aggregate::{Aggregate, Answer, Context, Saga},
    effect::{Outcome, Request},
    id::{CommandId, Fingerprint, ProductId},
    product::{
        Image, ImageEdit, ImportChange, Imported, NewProduct, NewVariant, Product, ProductCommand, ProductRejection,
        ProductReply, ProductView,
    },
    stock::{StockCommand, StockRejection, StockReply},
};

use super::job::ImportJob;

/// The maximum number of rounds of effects and outcomes: a change of a product takes two.
const ROUNDS_MAX: usize = 16;

type DryRun = Result<Result<Arc<Imported>, ProductRejection>, String>;

/// Returns what the import of one product would do.
pub(super) async fn import(job: &ImportJob, change: &ImportChange, command: &ProductCommand) -> DryRun {
    let id = change.handle.product(&job.tenant);
    let mut product = Product::default();
    match job.commerce.ask::<Product>(&id.key(&job.tenant), ProductCommand::View, CommandMeta::read()).await {
        Ok(answered) => {
            if let ProductReply::Product(view) = answered.reply {
                let create = ProductCommand::Create { tenant: job.tenant.clone(), new: Box::new(again(&view)) };
                // The product exists with these SKUs, so this cannot be rejected.
                let made = play(job, id, &mut product, &create, 1, true).await?;
                made.map_err(|rejection| rejection.to_string())?;
            }
        }
        Err(AskError::Rejected(ProductRejection::NotFound)) => {}
        Err(error) => return Err(error.to_string()),
    }
    match play(job, id, &mut product, command, 2, false).await? {
        Ok(ProductReply::Imported(imported)) => Ok(Ok(imported)),
        Ok(other) => Err(format!("unexpected reply of a product to an import: {other:?}")),
        Err(rejection) => Ok(Err(rejection)),
    }
}

/// The input that would create the same product again.
fn again(view: &ProductView) -> NewProduct {
    let variant = |variant: &engine::product::VariantView| NewVariant {
        sku: Some(variant.sku.clone()),
        options: variant.options.clone(),
        price: variant.price.amount,
        compare_at: variant.compare_at.map(|money| money.amount),
    };
    let image = |image: &Image| ImageEdit {
        src: image.src.clone(),
        alt: image.alt.clone(),
        position: image.position,
        variants: Some(view.skus_of(image)),
    };
    NewProduct {
        handle: view.handle.clone(),
        title: view.title.clone(),
        description: view.description.clone(),
        vendor: view.vendor.clone(),
        product_type: view.product_type.clone(),
        tags: view.tags.clone(),
        images: view.images.iter().map(image).collect(),
        options: view.options.iter().map(|option| option.name.clone()).collect(),
        status: view.status,
        currency: view.currency,
        variants: view.variants.iter().map(variant).collect(),
    }
}

/// Runs a command and its effects to the end in memory.
async fn play(
    job: &ImportJob,
    id: ProductId,
    product: &mut Product,
    command: &ProductCommand,
    name: u128,
    owns_all: bool,
) -> Result<Result<ProductReply, ProductRejection>, String> {
    let (now, command_id) = (job.clock.now(), CommandId(name));
    let context =
        Context { now, command_id, former_ids: Vec::new(), former_fingerprint: None, fingerprint: Fingerprint(name) };
    let decision = match product.decide(command, &context) {
        Ok(decision) => decision,
        Err(rejection) => return Ok(Err(rejection)),
    };
    decision.events.iter().for_each(|event| product.apply(event));
    for _ in 0..ROUNDS_MAX {
        let effects = product.outstanding();
        if effects.is_empty() {
            break;
        }
        for effect in effects {
            let outcome = shard_says(job, id, &effect.request, owns_all).await?;
            let events =
                product.receive_outcome(effect.id, Outcome::Stock(outcome), now).map_err(|why| why.to_string())?;
            events.iter().for_each(|event| product.apply(event));
        }
    }
    match decision.answer {
        Answer::Now(reply) | Answer::Duplicate(reply) => Ok(Ok(reply)),
        Answer::Deferred(deferred) => {
            product.deferred_reply(&deferred, now).ok_or_else(|| "the dry run did not complete".to_owned())
        }
    }
}

/// Returns what a stock item would answer to a product.
async fn shard_says(
    job: &ImportJob,
    id: ProductId,
    request: &Request,
    owns_all: bool,
) -> Result<Result<StockReply, StockRejection>, String> {
    let Request::Stock(sku, StockCommand::Adopt { .. }) = request else { return Ok(Ok(StockReply::Done)) };
    if owns_all {
        return Ok(Ok(StockReply::Done));
    }
    let owner = job.read_side.variant_of_sku(&job.tenant, sku).await.map_err(|error| error.to_string())?;
    match owner {
        Some((product, _)) if product != id => Ok(Err(StockRejection::SkuTaken { product })),
        _ => Ok(Ok(StockReply::Done)),
    }
}
