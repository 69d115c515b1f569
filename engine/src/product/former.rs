//! Reads snapshots of products that earlier versions wrote.

use wincode::SchemaRead;

use super::{
    Image, ImportedVariant, Status,
    snapshot::{DetailsForm, GripForm, PendingForm, ProductForm, VariantForm},
};
use crate::{
    id::{CommandId, ProductId},
    money::Currency,
    processed_commands::ProcessedCommand,
    snapshot::{SnapshotError, read_snapshot},
    time::Timestamp,
};

/// Decodes a snapshot in format 1.
pub(super) fn read_format_1(bytes: &[u8]) -> Result<ProductForm, SnapshotError> {
    read_snapshot::<Product1>(bytes).map(Product1::upcast)
}

/// Format 1, whose images had no variants.
#[derive(SchemaRead)]
struct Product1 {
    details_versions: Vec<Details1>,
    current: Option<u32>,
    grips: Vec<GripForm>,
    next_slot: u64,
    pending: Option<PendingForm>,
    refused: Option<(CommandId, String, Option<ProductId>)>,
    processed_commands: Vec<(ProcessedCommand, u32, Option<Vec<ImportedVariant>>)>,
}

#[derive(SchemaRead)]
struct Details1 {
    tenant: String,
    product: ProductId,
    handle: String,
    currency: Currency,
    title: String,
    description: String,
    vendor: String,
    product_type: String,
    tags: Vec<String>,
    images: Vec<Image1>,
    options: Vec<String>,
    status: Status,
    variants: Vec<VariantForm>,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(SchemaRead)]
struct Image1 {
    src: String,
    alt: String,
    position: u32,
}

impl Product1 {
    fn upcast(self) -> ProductForm {
        let Self { details_versions, current, grips, next_slot, pending, refused, processed_commands } = self;
        let details_versions = details_versions.into_iter().map(Details1::upcast).collect();
        ProductForm { details_versions, current, grips, next_slot, pending, refused, processed_commands }
    }
}

impl Details1 {
    fn upcast(self) -> DetailsForm {
        let image = |Image1 { src, alt, position }| Image { src, alt, position, variants: None };
        DetailsForm {
            tenant: self.tenant,
            product: self.product,
            handle: self.handle,
            currency: self.currency,
            title: self.title,
            description: self.description,
            vendor: self.vendor,
            product_type: self.product_type,
            tags: self.tags,
            images: self.images.into_iter().map(image).collect(),
            options: self.options,
            status: self.status,
            variants: self.variants,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
