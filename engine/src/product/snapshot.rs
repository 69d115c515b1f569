//! Snapshots of a product.

use std::{collections::BTreeMap, sync::Arc};

use wincode::{SchemaRead, SchemaWrite};

use super::{
    Handle, Image, ImportedVariant, Product, ProductFields, SafeHtml, Status, Variant,
    details::Details,
    fold::{Grip, Left, Pending, RefusedSku, Stage},
    former,
};
use crate::{
    id::{CommandId, ProductId, Sku, TenantId, VariantId},
    money::Currency,
    processed_commands::{ProcessedCommand, ProcessedCommands},
    snapshot::{Persist, SnapshotError, Upcaster, read_part, read_snapshot, write_part, write_snapshot},
    time::Timestamp,
};

/// A copy of a product's state at one version, for a snapshot.
#[derive(Debug)]
pub struct FrozenProduct {
    details: Option<Arc<Details>>,
    grips: BTreeMap<u64, Grip>,
    next_slot: u64,
    pending: Option<Pending>,
    refused: Option<RefusedSku>,
    processed_commands: Vec<(ProcessedCommand, Left)>,
}

#[derive(SchemaRead, SchemaWrite)]
pub(super) struct ProductForm {
    /// The current version and those that processed commands refer to, each once.
    pub(super) details_versions: Vec<DetailsForm>,
    pub(super) current: Option<u32>,
    pub(super) grips: Vec<GripForm>,
    pub(super) next_slot: u64,
    pub(super) pending: Option<PendingForm>,
    pub(super) refused: Option<(CommandId, String, Option<ProductId>)>,
    pub(super) processed_commands: Vec<(ProcessedCommand, u32, Option<Vec<ImportedVariant>>)>,
}

#[derive(SchemaRead, SchemaWrite)]
pub(super) struct DetailsForm {
    pub(super) tenant: String,
    pub(super) product: ProductId,
    pub(super) handle: String,
    pub(super) currency: Currency,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) vendor: String,
    pub(super) product_type: String,
    pub(super) tags: Vec<String>,
    pub(super) images: Vec<Image>,
    pub(super) options: Vec<String>,
    pub(super) status: Status,
    pub(super) variants: Vec<VariantForm>,
    pub(super) version: u64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

#[derive(SchemaRead, SchemaWrite)]
pub(super) struct VariantForm {
    pub(super) id: VariantId,
    pub(super) sku: String,
    pub(super) options: Vec<String>,
    pub(super) price: i64,
    pub(super) compare_at: Option<i64>,
}

#[derive(SchemaRead, SchemaWrite)]
pub(super) struct GripForm {
    pub(super) slot: u64,
    pub(super) sku: String,
    pub(super) variant: VariantId,
    pub(super) stage: StageForm,
}

#[derive(SchemaRead, SchemaWrite)]
pub(super) enum StageForm {
    Waiting,
    Asked,
    Refused(Option<ProductId>),
    Held,
    Disowning,
}

#[derive(SchemaRead, SchemaWrite)]
pub(super) struct PendingForm {
    /// The creation, encoded as in events.
    pub(super) creation: Option<Vec<u8>>,
    /// The change, encoded as in events.
    pub(super) change: Vec<u8>,
    pub(super) imported: Option<Vec<ImportedVariant>>,
    pub(super) processed: ProcessedCommand,
    pub(super) first_slot: u64,
    pub(super) unanswered: u64,
}

impl Persist for Product {
    type Frozen = FrozenProduct;
    const UPCASTERS: &'static [Upcaster<Self>] = &[|bytes| former::read_format_1(bytes)?.into_product()];

    fn freeze(&self) -> Result<FrozenProduct, SnapshotError> {
        Ok(FrozenProduct {
            details: self.details.clone(),
            grips: self.grips.clone(),
            next_slot: self.next_slot,
            pending: self.pending.clone(),
            refused: self.refused.clone(),
            processed_commands: self.processed_commands.to_list(),
        })
    }

    fn encode_frozen(frozen: &FrozenProduct) -> Result<Vec<u8>, SnapshotError> {
        let mut details_versions: Vec<&Arc<Details>> = Vec::new();
        let mut number = |details| match details_versions.iter().rposition(|known| Arc::ptr_eq(known, details)) {
            Some(index) => index as u32,
            None => {
                details_versions.push(details);
                (details_versions.len() - 1) as u32
            }
        };
        let processed_commands = frozen.processed_commands.iter();
        let processed_commands = processed_commands
            .map(|(processed, left)| {
                (*processed, number(&left.details), left.imported.as_ref().map(|list| list.to_vec()))
            })
            .collect();
        let current = frozen.details.as_ref().map(&mut number);
        write_snapshot(&ProductForm {
            details_versions: details_versions.into_iter().map(|details| DetailsForm::of(details)).collect(),
            current,
            grips: frozen.grips.iter().map(GripForm::of).collect(),
            next_slot: frozen.next_slot,
            pending: frozen.pending.as_ref().map(PendingForm::of).transpose()?,
            refused: frozen
                .refused
                .as_ref()
                .map(|refused| (refused.command_id, refused.sku.to_string(), refused.product)),
            processed_commands,
        })
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        read_snapshot::<ProductForm>(bytes)?.into_product()
    }
}

impl ProductForm {
    fn into_product(self) -> Result<Product, SnapshotError> {
        let form = self;
        let details_versions = form
            .details_versions
            .into_iter()
            .map(|details| details.into_details().map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let details =
            |index: u32| details_versions.get(index as usize).cloned().ok_or_else(|| damaged("no such version"));
        let mut processed_commands = Vec::with_capacity(form.processed_commands.len());
        for (processed, index, imported) in form.processed_commands {
            processed_commands.push((processed, Left { details: details(index)?, imported: imported.map(Arc::new) }));
        }
        let refused = form.refused.map(|(command_id, sku, product)| {
            Ok::<_, SnapshotError>(RefusedSku { command_id, sku: read_sku(&sku)?, product })
        });
        let mut product = Product {
            details: form.current.map(details).transpose()?,
            next_slot: form.next_slot,
            pending: form.pending.map(PendingForm::into_pending).transpose()?,
            refused: refused.transpose()?,
            processed_commands: ProcessedCommands::from_list(processed_commands),
            ..Product::default()
        };
        for grip in form.grips {
            let (slot, grip) = grip.into_grip()?;
            product.set_grip(slot, grip);
        }
        Ok(product)
    }
}

fn damaged(error: impl ToString) -> SnapshotError {
    SnapshotError(error.to_string())
}

fn read_sku(text: &str) -> Result<Sku, SnapshotError> {
    Sku::new(text).map_err(damaged)
}

impl DetailsForm {
    fn of(details: &Details) -> Self {
        let Details { tenant, product, fields, variants } = details.clone();
        Self {
            tenant: tenant.to_string(),
            product,
            handle: fields.handle.to_string(),
            currency: fields.currency,
            title: fields.title,
            description: fields.description.as_str().to_owned(),
            vendor: fields.vendor,
            product_type: fields.product_type,
            tags: fields.tags,
            images: fields.images,
            options: fields.options,
            status: fields.status,
            variants: variants.into_iter().map(VariantForm::of).collect(),
            version: fields.version,
            created_at: fields.created_at,
            updated_at: fields.updated_at,
        }
    }

    fn into_details(self) -> Result<Details, SnapshotError> {
        let fields = ProductFields {
            handle: Handle::known(&self.handle),
            title: self.title,
            description: SafeHtml::known(&self.description),
            vendor: self.vendor,
            product_type: self.product_type,
            tags: self.tags,
            images: self.images,
            options: self.options,
            status: self.status,
            currency: self.currency,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        Ok(Details {
            tenant: TenantId::new(&self.tenant).map_err(damaged)?,
            product: self.product,
            fields,
            variants: self.variants.into_iter().map(VariantForm::into_variant).collect::<Result<_, _>>()?,
        })
    }
}

impl VariantForm {
    fn of(variant: Variant) -> Self {
        let Variant { id, sku, options, price, compare_at } = variant;
        Self { id, sku: sku.to_string(), options, price, compare_at }
    }

    fn into_variant(self) -> Result<Variant, SnapshotError> {
        let Self { id, sku, options, price, compare_at } = self;
        Ok(Variant { id, sku: read_sku(&sku)?, options, price, compare_at })
    }
}

impl GripForm {
    fn of((&slot, grip): (&u64, &Grip)) -> Self {
        let stage = match grip.stage {
            Stage::Waiting => StageForm::Waiting,
            Stage::Asked => StageForm::Asked,
            Stage::Refused(product) => StageForm::Refused(product),
            Stage::Held => StageForm::Held,
            Stage::Disowning => StageForm::Disowning,
        };
        Self { slot, sku: grip.sku.to_string(), variant: grip.variant, stage }
    }

    fn into_grip(self) -> Result<(u64, Grip), SnapshotError> {
        let stage = match self.stage {
            StageForm::Waiting => Stage::Waiting,
            StageForm::Asked => Stage::Asked,
            StageForm::Refused(product) => Stage::Refused(product),
            StageForm::Held => Stage::Held,
            StageForm::Disowning => Stage::Disowning,
        };
        Ok((self.slot, Grip { sku: read_sku(&self.sku)?, variant: self.variant, stage }))
    }
}

impl PendingForm {
    fn of(pending: &Pending) -> Result<Self, SnapshotError> {
        Ok(Self {
            creation: pending.creation.as_ref().map(write_part).transpose()?,
            change: write_part(&pending.change)?,
            imported: pending.imported.clone(),
            processed: pending.processed,
            first_slot: pending.first_slot,
            unanswered: pending.unanswered,
        })
    }

    fn into_pending(self) -> Result<Pending, SnapshotError> {
        Ok(Pending {
            creation: self.creation.map(|bytes| read_part(&bytes)).transpose()?,
            change: read_part(&self.change)?,
            imported: self.imported,
            processed: self.processed,
            first_slot: self.first_slot,
            unanswered: self.unanswered,
        })
    }
}
