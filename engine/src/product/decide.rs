//! Decides the commands of a product.

use std::{collections::HashMap, sync::Arc};

use super::{
    ANSWERS_BYTES_MAX, Adoption, Change, Creation, ImportChange, ImportOutcome, Imported, ImportedVariant, NewProduct,
    Product, ProductCommand, ProductEdit, ProductEvent, ProductRejection, ProductReply, Status, VariantSelector,
    details::Details,
    fold::{Left, Stage},
};
use crate::{
    aggregate::{Context, Decision, DeferredReply, KeyReused},
    id::{Sku, TenantId, VariantId},
    money::Currency,
    processed_commands::{PROCESSED_COMMANDS_KEPT_MS, ProcessedCommand},
    time::Timestamp,
};

type Decided = Result<Decision<ProductEvent, ProductReply>, ProductRejection>;

impl Product {
    pub(super) fn decide_command(&self, command: &ProductCommand, context: &Context) -> Decided {
        match command {
            ProductCommand::Create { tenant, new } => self.create(tenant, new, context),
            ProductCommand::Edit { version, edit } => self.edit(*version, edit, context),
            ProductCommand::Import { tenant, currency, change } => self.import(tenant, *currency, change, context),
            ProductCommand::Archive => self.archive(context),
            ProductCommand::View => Ok(Decision::read(ProductReply::Product(Arc::new(self.existing()?.view())))),
            ProductCommand::Quote(selector) => self.quote(selector),
            ProductCommand::Describe(selector) => describe(self.existing()?, selector),
        }
    }

    fn existing(&self) -> Result<&Arc<Details>, ProductRejection> {
        self.details.as_ref().ok_or(ProductRejection::NotFound)
    }

    fn create(&self, tenant: &TenantId, new: &NewProduct, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        if let Some(details) = &self.details {
            return Err(ProductRejection::HandleTaken { product: details.product });
        }
        let creation = creation(tenant, &new.handle, new.currency);
        let base = Details::blank(&creation, context.now);
        let (change, _) = base.revise(&new.as_edit())?;
        self.make(&base, Some(creation), change, None, context)
    }

    fn edit(&self, version: u64, edit: &ProductEdit, context: &Context) -> Decided {
        let details = self.existing()?;
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        if version != details.fields.version {
            return Err(ProductRejection::StaleVersion { current: details.fields.version });
        }
        let (change, _) = details.revise(edit)?;
        if change == Change::default() {
            return Ok(Decision::read(ProductReply::Product(Arc::new(details.view()))));
        }
        self.make(details, None, change, None, context)
    }

    fn import(&self, tenant: &TenantId, currency: Currency, input: &ImportChange, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        let creation = self.details.is_none().then(|| creation(tenant, &input.handle, currency));
        let blank = creation.as_ref().map(|creation| Arc::new(Details::blank(creation, context.now)));
        let base = blank.as_ref().map_or_else(|| self.existing(), Ok)?;
        let (change, named) = base.revise(&input.as_edit(base, currency))?;
        let imported =
            named.iter().map(|&variant| ImportedVariant { variant, new: base.variant(variant).is_none() }).collect();
        if creation.is_none() && change == Change::default() {
            return Ok(Decision::read(imported_reply(base, imported, ImportOutcome::Unchanged)));
        }
        self.make(base, creation, change, Some(imported), context)
    }

    fn archive(&self, context: &Context) -> Decided {
        let details = self.existing()?;
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        if details.fields.status == Status::Archived {
            return Ok(Decision::read(ProductReply::Product(Arc::new(details.view()))));
        }
        let change = Change { status: Some(Status::Archived), ..Change::default() };
        self.make(details, None, change, None, context)
    }

    fn quote(&self, selector: &VariantSelector) -> Decided {
        let details = self.existing()?;
        if details.fields.status != Status::Active {
            return Err(ProductRejection::NotActive { status: details.fields.status });
        }
        describe(details, selector)
    }

    /// Finds the reply to a duplicate, which may still be deferred. Returns `Busy` while a different change is pending,
    /// because a new change would be decided from a version that may not be the current one for long.
    fn repeat(&self, context: &Context) -> Result<Option<Decision<ProductEvent, ProductReply>>, ProductRejection> {
        if let Some(left) = self.processed_commands.find(context)? {
            return Ok(Some(Decision::duplicate(left.reply())));
        }
        match &self.pending {
            None => Ok(None),
            Some(pending) if context.ids().any(|id| id == pending.processed.command_id) => {
                if !context.says(pending.processed.fingerprint, pending.processed.at) {
                    return Err(KeyReused.into());
                }
                Ok(Some(Decision::deferred_duplicate(pending.processed.command_id)))
            }
            Some(_) => Err(ProductRejection::Busy),
        }
    }

    /// Makes a non-empty change: at once, or when the SKUs that it needs have been adopted.
    fn make(
        &self,
        base: &Details,
        creation: Option<Creation>,
        change: Change,
        imported: Option<Vec<ImportedVariant>>,
        context: &Context,
    ) -> Decided {
        let processed = ProcessedCommand::of(context);
        let next = base.with(&change, context.now);
        // Archiving is exempt from the limit: removing a product from the shop must always work.
        if next.fields.status != Status::Archived
            && self.remembered_bytes(context.now) + next.bytes() > ANSWERS_BYTES_MAX
        {
            return Err(ProductRejection::TooManyChanges);
        }
        // SKUs are adopted before the change is made and disowned after it, so that every variant always has its SKU.
        let adoptions = self.adoptions(&next)?;
        // A product that does not exist has no SKUs, and creating one without variants is rejected.
        debug_assert!(creation.is_none() || !adoptions.is_empty());
        if !adoptions.is_empty() {
            let asked = ProductEvent::Asked { creation, change, imported, adoptions, processed };
            return Ok(Decision::deferred(vec![asked], context.command_id));
        }
        let disown = self.lost(&next);
        let left = Left { details: Arc::new(next), imported: imported.clone().map(Arc::new) };
        let changed = ProductEvent::Changed { change, imported, disown, processed };
        Ok(Decision::accept(vec![changed], left.reply()))
    }

    /// Returns the SKUs of `next` that the product does not have yet.
    fn adoptions(&self, next: &Details) -> Result<Vec<Adoption>, ProductRejection> {
        let held = self.grips.values().filter(|grip| grip.stage == Stage::Held);
        let held: HashMap<&Sku, VariantId> = held.map(|grip| (&grip.sku, grip.variant)).collect();
        let mut adoptions = Vec::new();
        for variant in &next.variants {
            match held.get(&variant.sku) {
                Some(&holder) if holder == variant.id => {}
                // A SKU moves in two changes: its stock item must release one variant before it adopts another.
                Some(_) => return Err(ProductRejection::SkuTaken { sku: variant.sku.clone(), product: next.product }),
                None => adoptions.push(Adoption { sku: variant.sku.clone(), variant: variant.id }),
            }
        }
        Ok(adoptions)
    }

    fn remembered_bytes(&self, now: Timestamp) -> usize {
        let processed_commands = self.processed_commands.to_list();
        let alive =
            processed_commands.iter().filter(|(processed, _)| now.ms_since(processed.at) <= PROCESSED_COMMANDS_KEPT_MS);
        alive.map(|(_, left)| left.details.bytes()).sum()
    }

    pub(super) fn answer(&self, deferred: &DeferredReply) -> Option<Result<ProductReply, ProductRejection>> {
        if self.pending.as_ref().is_some_and(|pending| pending.processed.command_id == deferred.command_id) {
            return None;
        }
        if let Some(left) = self.processed_commands.get(deferred.command_id) {
            return Some(Ok(left.reply()));
        }
        let refused = self.refused.as_ref().filter(|refused| refused.command_id == deferred.command_id)?;
        let sku = refused.sku.clone();
        Some(Err(match refused.product {
            Some(product) => ProductRejection::SkuTaken { sku, product },
            None => ProductRejection::SkuRefused { sku },
        }))
    }
}

fn describe(details: &Details, selector: &VariantSelector) -> Decided {
    let variant = details.variants.iter().find(|variant| match selector {
        VariantSelector::Variant(id) => variant.id == *id,
        VariantSelector::Sku(sku) => variant.sku == *sku,
    });
    let variant = variant.ok_or(ProductRejection::VariantNotFound)?;
    Ok(Decision::read(ProductReply::Quote(details.quote(variant))))
}

fn creation(tenant: &TenantId, handle: &super::Handle, currency: Currency) -> Creation {
    Creation { tenant: tenant.clone(), product: handle.product(tenant), handle: handle.clone(), currency }
}

impl Left {
    fn reply(&self) -> ProductReply {
        match &self.imported {
            None => ProductReply::Product(Arc::new(self.details.view())),
            Some(variants) => {
                let outcome =
                    if self.details.fields.version == 1 { ImportOutcome::Created } else { ImportOutcome::Updated };
                imported_reply(&self.details, variants.to_vec(), outcome)
            }
        }
    }
}

fn imported_reply(details: &Details, variants: Vec<ImportedVariant>, outcome: ImportOutcome) -> ProductReply {
    let skus: HashMap<VariantId, &Sku> = details.variants.iter().map(|variant| (variant.id, &variant.sku)).collect();
    let variants = variants.into_iter().filter_map(|named| skus.get(&named.variant).map(|&sku| (named, sku.clone())));
    ProductReply::Imported(Arc::new(Imported {
        product: details.product,
        outcome,
        version: details.fields.version,
        variants: variants.collect(),
    }))
}
