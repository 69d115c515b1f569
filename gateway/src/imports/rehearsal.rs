//! A dry run: what an import of a product would come to, decided by the product's own rules and changing nothing.
//!
//! A product that exists is made again from what it shows, in memory; its inventory shards are played by what the lists
//! know of their SKUs.

use std::sync::Arc;

use actors::{AskError, Call};
use engine::{
    aggregate::{Aggregate, Answer, Context},
    effect::{Outcome, Request},
    id::{CommandId, Fingerprint, ProductId},
    inventory::{InventoryCommand, InventoryRejection, InventoryReply},
    product::{
        Image, ImageEdit, ImportChange, Imported, NewProduct, NewVariant, Product, ProductCommand, ProductRejection,
        ProductReply, ProductView,
    },
};

use super::job::ImportJob;

/// Rounds of effects and their outcomes: a change of a product takes two.
const ROUNDS_MAX: usize = 16;

type Rehearsed = Result<Result<Arc<Imported>, ProductRejection>, String>;

/// What the import of one product would come to.
pub(super) async fn import(job: &ImportJob, change: &ImportChange, command: &ProductCommand) -> Rehearsed {
    let id = change.handle.product(&job.tenant);
    let mut product = Product::default();
    match job.commerce.ask::<Product>(&id.key(&job.tenant), ProductCommand::View, Call::read()).await {
        Ok(answered) => {
            if let ProductReply::Product(view) = answered.reply {
                let create = ProductCommand::Create { tenant: job.tenant.clone(), new: Box::new(again(&view)) };
                // What exists has its SKUs, and is good: this cannot be refused.
                let made = play(job, id, &mut product, &create, 1, true).await?;
                made.map_err(|rejection| rejection.to_string())?;
            }
        }
        Err(AskError::Rejected(ProductRejection::NotFound)) => {}
        Err(error) => return Err(error.to_string()),
    }
    match play(job, id, &mut product, command, 2, false).await? {
        Ok(ProductReply::Imported(imported)) => Ok(Ok(imported)),
        Ok(other) => Err(format!("a product answered {other:?} to an import")),
        Err(rejection) => Ok(Err(rejection)),
    }
}

/// A product as its vendor would have to write it to get the same.
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

/// Plays a command to its end in memory.
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
            let events = product.on_outcome(effect.id, &Outcome::Inventory(outcome), now);
            events.iter().for_each(|event| product.apply(event));
        }
    }
    match decision.answer {
        Answer::Now(reply) | Answer::Again(reply) => Ok(Ok(reply)),
        Answer::Later(ticket) => {
            product.settled(&ticket, now).ok_or_else(|| "a dry run did not come to an end".to_owned())
        }
    }
}

/// What an inventory shard would say to a product.
async fn shard_says(
    job: &ImportJob,
    id: ProductId,
    request: &Request,
    owns_all: bool,
) -> Result<Result<InventoryReply, InventoryRejection>, String> {
    let Request::Inventory(sku, InventoryCommand::Adopt { .. }) = request else { return Ok(Ok(InventoryReply::Done)) };
    if owns_all {
        return Ok(Ok(InventoryReply::Done));
    }
    let owner = job.read_side.variant_of_sku(&job.tenant, sku).await.map_err(|error| error.to_string())?;
    match owner {
        Some((product, _)) if product != id => Ok(Err(InventoryRejection::SkuTaken { product })),
        _ => Ok(Ok(InventoryReply::Done)),
    }
}
