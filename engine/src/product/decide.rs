//! How a product decides.

use std::{collections::HashMap, sync::Arc};

use super::{
    ANSWERS_BYTES_MAX, Adoption, Change, Creation, ImportChange, ImportOutcome, Imported, ImportedVariant, NewProduct,
    Product, ProductCommand, ProductEdit, ProductEvent, ProductRejection, ProductReply, Status, Wanted,
    fold::{Left, Stage},
    sheet::Sheet,
};
use crate::{
    aggregate::{Context, Decision, KeyReused, Ticket},
    id::{Sku, TenantId, VariantId},
    money::Currency,
    receipts::{RECEIPT_MS, Receipt},
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
            ProductCommand::Quote(wanted) => self.quote(wanted),
            ProductCommand::Describe(wanted) => describe(self.existing()?, wanted),
        }
    }

    fn existing(&self) -> Result<&Arc<Sheet>, ProductRejection> {
        self.sheet.as_ref().ok_or(ProductRejection::NotFound)
    }

    fn create(&self, tenant: &TenantId, new: &NewProduct, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        if let Some(sheet) = &self.sheet {
            return Err(ProductRejection::HandleTaken { product: sheet.product });
        }
        let creation = creation(tenant, &new.handle, new.currency);
        let base = Sheet::blank(&creation, context.now);
        let (change, _) = base.revise(&new.as_edit())?;
        self.make(&base, Some(creation), change, None, context)
    }

    fn edit(&self, version: u64, edit: &ProductEdit, context: &Context) -> Decided {
        let sheet = self.existing()?;
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        if version != sheet.version {
            return Err(ProductRejection::StaleVersion { current: sheet.version });
        }
        let (change, _) = sheet.revise(edit)?;
        if change == Change::default() {
            return Ok(Decision::read(ProductReply::Product(Arc::new(sheet.view()))));
        }
        self.make(sheet, None, change, None, context)
    }

    fn import(&self, tenant: &TenantId, currency: Currency, wish: &ImportChange, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        let creation = self.sheet.is_none().then(|| creation(tenant, &wish.handle, currency));
        let blank = creation.as_ref().map(|creation| Arc::new(Sheet::blank(creation, context.now)));
        let base = blank.as_ref().map_or_else(|| self.existing(), Ok)?;
        let (change, named) = base.revise(&wish.as_edit(base, currency))?;
        let imported =
            named.iter().map(|&variant| ImportedVariant { variant, new: base.variant(variant).is_none() }).collect();
        if creation.is_none() && change == Change::default() {
            return Ok(Decision::read(imported_reply(base, imported, ImportOutcome::Unchanged)));
        }
        self.make(base, creation, change, Some(imported), context)
    }

    fn archive(&self, context: &Context) -> Decided {
        let sheet = self.existing()?;
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        if sheet.status == Status::Archived {
            return Ok(Decision::read(ProductReply::Product(Arc::new(sheet.view()))));
        }
        let change = Change { status: Some(Status::Archived), ..Change::default() };
        self.make(sheet, None, change, None, context)
    }

    fn quote(&self, wanted: &Wanted) -> Decided {
        let sheet = self.existing()?;
        if sheet.status != Status::Active {
            return Err(ProductRejection::NotActive { status: sheet.status });
        }
        describe(sheet, wanted)
    }

    /// What an earlier copy of the command was or will be answered. `Busy` while another change waits: it is decided
    /// from a version that may not stay.
    fn repeat(&self, context: &Context) -> Result<Option<Decision<ProductEvent, ProductReply>>, ProductRejection> {
        if let Some(left) = self.receipts.find(context)? {
            return Ok(Some(Decision::again(left.reply())));
        }
        match &self.pending {
            None => Ok(None),
            Some(pending) if context.ids().any(|id| id == pending.receipt.command_id) => {
                if !context.says(pending.receipt.fingerprint, pending.receipt.at) {
                    return Err(KeyReused.into());
                }
                Ok(Some(Decision::later_again(pending.receipt.command_id)))
            }
            Some(_) => Err(ProductRejection::Busy),
        }
    }

    /// Makes a change that is not empty, at once or when the SKUs that it needs have come.
    fn make(
        &self,
        base: &Sheet,
        creation: Option<Creation>,
        change: Change,
        imported: Option<Vec<ImportedVariant>>,
        context: &Context,
    ) -> Decided {
        let receipt = Receipt::of(context);
        let next = base.with(&change, context.now);
        // Taking a product out of the shop must always work.
        if next.status != Status::Archived && self.remembered_bytes(context.now) + next.bytes() > ANSWERS_BYTES_MAX {
            return Err(ProductRejection::TooManyChanges);
        }
        let adoptions = self.adoptions(&next)?;
        // A product that does not exist has no SKU yet, and none is made without a variant.
        debug_assert!(creation.is_none() || !adoptions.is_empty());
        if !adoptions.is_empty() {
            let asked = ProductEvent::Asked { creation, change, imported, adoptions, receipt };
            return Ok(Decision::later(vec![asked], context.command_id));
        }
        let disown = self.lost(&next);
        let left = Left { sheet: Arc::new(next), imported: imported.clone().map(Arc::new) };
        let changed = ProductEvent::Changed { change, imported, disown, receipt };
        Ok(Decision::accept(vec![changed], left.reply()))
    }

    /// The SKUs of `next` that the product does not have yet.
    fn adoptions(&self, next: &Sheet) -> Result<Vec<Adoption>, ProductRejection> {
        let held = self.grips.values().filter(|grip| grip.stage == Stage::Held);
        let held: HashMap<&Sku, VariantId> = held.map(|grip| (&grip.sku, grip.variant)).collect();
        let mut adoptions = Vec::new();
        for variant in &next.variants {
            match held.get(&variant.sku) {
                Some(&holder) if holder == variant.id => {}
                // A SKU moves in two steps: its shard must have let go of one variant before it takes another.
                Some(_) => return Err(ProductRejection::SkuTaken { sku: variant.sku.clone(), product: next.product }),
                None => adoptions.push(Adoption { sku: variant.sku.clone(), variant: variant.id }),
            }
        }
        Ok(adoptions)
    }

    fn remembered_bytes(&self, now: Timestamp) -> usize {
        let receipts = self.receipts.to_list();
        let alive = receipts.iter().filter(|(receipt, _)| now.ms_since(receipt.at) <= RECEIPT_MS);
        alive.map(|(_, left)| left.sheet.bytes()).sum()
    }

    pub(super) fn answer(&self, ticket: &Ticket) -> Option<Result<ProductReply, ProductRejection>> {
        if self.pending.as_ref().is_some_and(|pending| pending.receipt.command_id == ticket.command_id) {
            return None;
        }
        if let Some(left) = self.receipts.get(ticket.command_id) {
            return Some(Ok(left.reply()));
        }
        let refused = self.refused.as_ref().filter(|refused| refused.command_id == ticket.command_id)?;
        let sku = refused.sku.clone();
        Some(Err(match refused.product {
            Some(product) => ProductRejection::SkuTaken { sku, product },
            None => ProductRejection::SkuRefused { sku },
        }))
    }
}

fn describe(sheet: &Sheet, wanted: &Wanted) -> Decided {
    let variant = sheet.variants.iter().find(|variant| match wanted {
        Wanted::Variant(id) => variant.id == *id,
        Wanted::Sku(sku) => variant.sku == *sku,
    });
    let variant = variant.ok_or(ProductRejection::VariantNotFound)?;
    Ok(Decision::read(ProductReply::Quote(sheet.quote(variant))))
}

fn creation(tenant: &TenantId, handle: &super::Handle, currency: Currency) -> Creation {
    Creation { tenant: tenant.clone(), product: handle.product(tenant), handle: handle.clone(), currency }
}

impl Left {
    fn reply(&self) -> ProductReply {
        match &self.imported {
            None => ProductReply::Product(Arc::new(self.sheet.view())),
            Some(variants) => {
                let outcome = if self.sheet.version == 1 { ImportOutcome::Created } else { ImportOutcome::Updated };
                imported_reply(&self.sheet, variants.to_vec(), outcome)
            }
        }
    }
}

fn imported_reply(sheet: &Sheet, variants: Vec<ImportedVariant>, outcome: ImportOutcome) -> ProductReply {
    let skus: HashMap<VariantId, &Sku> = sheet.variants.iter().map(|variant| (variant.id, &variant.sku)).collect();
    let variants = variants.into_iter().filter_map(|named| skus.get(&named.variant).map(|&sku| (named, sku.clone())));
    ProductReply::Imported(Arc::new(Imported {
        product: sheet.product,
        outcome,
        version: sheet.version,
        variants: variants.collect(),
    }))
}
