//! A product of the catalogue: its texts, its images, and its variants with their SKUs and prices.
//!
//! Products are created and changed by merchants (`Create`, `Edit`) and by files (`Import`). Within a tenant, a SKU
//! belongs to one variant only; the stock item of the SKU decides to which. A change that needs new SKUs is therefore
//! journaled first, as a pending change, and applied when every stock item has answered. If one of them refuses, the
//! product releases the SKUs that it received and is unchanged:
//!
//! ```text
//! Asked ── SkuAdopted … ── SkuAdopted ──▶ Created | Changed      (SKUs no longer in use are disowned)
//!      └── SkuAdopted … ── SkuRefused ──▶ Refused                (SKUs already received are disowned)
//! ```

mod aggregate;
mod decide;
mod details;
mod fold;
mod former;
mod handle;
mod html;
mod input;
mod pictures;
mod revise;
mod snapshot;
#[cfg(test)]
mod tests;
mod view;

use std::{borrow::Cow, sync::Arc};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

pub use self::{
    details::{Change, Image, OptionView, ProductView, Status, Variant, VariantView},
    fold::{Product, ProductOutcome},
    handle::{HANDLE_CHARS_MAX, Handle, InvalidHandle, derived_sku, variant_id},
    html::{DESCRIPTION_CHARS_MAX, DESCRIPTION_ELEMENTS_MAX, InvalidDescription, LeftOut, SafeHtml},
    input::{ImageChange, ImageEdit, ImportChange, ImportVariant, NewProduct, NewVariant, ProductEdit, VariantEdit},
    revise::{image_src_fits, single_line},
    view::ProductFields,
};
use crate::{
    aggregate::KeyReused,
    id::{ProductId, Sku, TenantId, VariantId},
    money::{Currency, Money},
    processed_commands::ProcessedCommand,
};
pub(crate) use revise::NO_OPTION;

/// The maximum number of variants of a product: Shopify's limit.
pub const VARIANTS_MAX: usize = 2_048;
/// The maximum number of images of a product: Shopify's limit.
pub const IMAGES_MAX: usize = 250;
/// The maximum number of options (size, colour, …) of a product: Shopify's limit. Its CSV files have columns for three.
pub const OPTIONS_MAX: usize = 3;
/// The maximum number of tags of a product: Shopify's limit.
pub const TAGS_MAX: usize = 250;
/// The maximum length of a title, vendor, type, tag, option name or option value, in characters: Shopify's limit.
pub const TEXT_CHARS_MAX: usize = 255;
/// The maximum length of an image's alternative text, in characters: Shopify's limit.
pub const ALT_CHARS_MAX: usize = 512;
/// The maximum length of an image's URL, in characters: what browsers and proxies accept.
pub const IMAGE_SRC_CHARS_MAX: usize = 2_048;
/// The maximum size of a product with all its variants, in bytes: the longest description at four bytes per character,
/// plus one megabyte for the rest. An event that carries a whole product fits in one batch of the journal.
pub const PRODUCT_BYTES_MAX: usize = DESCRIPTION_CHARS_MAX * 4 + (1 << 20);
/// The maximum total size of the earlier versions that a product keeps for 24 hours, in bytes. They are the replies to
/// duplicate commands. The bound allows some 10,000 changes of an ordinary product, or 10 of the largest.
pub const ANSWERS_BYTES_MAX: usize = 32 << 20;

/// A command to a product.
#[derive(Debug, Clone, Encode, Decode)]
pub enum ProductCommand {
    /// Creates the product. Its id is [`Handle::product`].
    #[n(0)]
    Create {
        /// The tenant that owns the product.
        #[n(0)]
        tenant: TenantId,
        /// The fields of the product.
        #[n(1)]
        new: Box<NewProduct>,
    },
    /// Changes the product. `version` is the version that the merchant's edit is based on.
    #[n(1)]
    Edit {
        /// The version that the edit applies to.
        #[n(0)]
        version: u64,
        /// The changes.
        #[n(1)]
        edit: Box<ProductEdit>,
    },
    /// Creates the product from a file, or merges the file's values into it.
    #[n(2)]
    Import {
        /// The tenant that owns the product.
        #[n(0)]
        tenant: TenantId,
        /// The currency of the file's prices.
        #[n(1)]
        currency: Currency,
        /// The values in the file.
        #[n(2)]
        change: Box<ImportChange>,
    },
    /// Removes the product from the shop. It keeps its handle and its SKUs; an edit or an import can reactivate it.
    #[n(3)]
    Archive,
    /// Reads the product, whatever its status.
    #[n(4)]
    View,
    /// Reads the current price of a variant. Accepted only when the product is active.
    #[n(5)]
    Quote(#[n(0)] VariantSelector),
    /// Reads a variant, whatever the product's status: a product sold in a drop need not be listed in the shop.
    #[n(6)]
    Describe(#[n(0)] VariantSelector),
}

/// Selects a variant of a product.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum VariantSelector {
    /// The variant with this id.
    #[n(0)]
    Variant(#[n(0)] VariantId),
    /// The variant with this SKU.
    #[n(1)]
    Sku(#[n(0)] Sku),
}

/// The immutable fields of a product that is being created.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Creation {
    /// The tenant that owns the product.
    #[n(0)]
    pub tenant: TenantId,
    /// The id of the product.
    #[n(1)]
    pub product: ProductId,
    /// The name of the product in URLs.
    #[n(2)]
    pub handle: Handle,
    /// The currency of the product's prices.
    #[n(3)]
    pub currency: Currency,
}

/// A request for a SKU on behalf of a variant.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Adoption {
    /// The SKU.
    #[n(0)]
    pub sku: Sku,
    /// The variant that needs the SKU.
    #[n(1)]
    pub variant: VariantId,
}

/// A variant that an import mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, wincode::SchemaRead, wincode::SchemaWrite)]
pub struct ImportedVariant {
    /// The id of the variant.
    #[n(0)]
    pub variant: VariantId,
    /// Whether the import created the variant.
    #[n(1)]
    pub new: bool,
}

/// An event of a product.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ProductEvent {
    /// A change needs SKUs: their stock items are asked to adopt them.
    #[n(0)]
    Asked {
        /// The product to create; `None` if it exists.
        #[n(0)]
        creation: Option<Creation>,
        /// The pending change.
        #[n(1)]
        change: Change,
        /// The variants that the import mentions; `None` if the command is not an import.
        #[n(2)]
        imported: Option<Vec<ImportedVariant>>,
        /// The SKUs that the change needs.
        #[n(3)]
        adoptions: Vec<Adoption>,
        /// The pending command.
        #[n(4)]
        processed: ProcessedCommand,
    },
    /// A stock item now counts its SKU for this product.
    #[n(1)]
    SkuAdopted {
        /// The slot of the effect.
        #[n(0)]
        slot: u64,
    },
    /// A stock item refused: its SKU belongs to another variant.
    #[n(2)]
    SkuRefused {
        /// The slot of the effect.
        #[n(0)]
        slot: u64,
        /// The product that owns the SKU, if the stock item named it.
        #[n(1)]
        product: Option<ProductId>,
    },
    /// The product was created, at version 1.
    #[n(3)]
    Created {
        /// The immutable fields.
        #[n(0)]
        creation: Creation,
        /// All other fields.
        #[n(1)]
        change: Change,
        /// The variants that the import mentions; `None` if the command was not an import.
        #[n(2)]
        imported: Option<Vec<ImportedVariant>>,
        /// The command that created the product.
        #[n(3)]
        processed: ProcessedCommand,
    },
    /// The product was changed, and its version incremented.
    #[n(4)]
    Changed {
        /// The difference from the version before.
        #[n(0)]
        change: Change,
        /// The variants that the import mentions; `None` if the command was not an import.
        #[n(1)]
        imported: Option<Vec<ImportedVariant>>,
        /// The slots of the SKUs that the product no longer uses.
        #[n(2)]
        disown: Vec<u64>,
        /// The command that changed the product.
        #[n(3)]
        processed: ProcessedCommand,
    },
    /// A SKU was refused: the pending change is dropped.
    #[n(5)]
    Refused {
        /// The slots of the SKUs that were adopted for the dropped change.
        #[n(0)]
        disown: Vec<u64>,
    },
    /// A stock item has released a SKU.
    #[n(6)]
    SkuDisowned {
        /// The slot of the effect.
        #[n(0)]
        slot: u64,
        /// The SKU.
        #[n(1)]
        sku: Sku,
    },
}

/// The outcome of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum ImportOutcome {
    /// The product was created.
    #[n(0)]
    Created,
    /// The product was changed.
    #[n(1)]
    Updated,
    /// The file had no differences from the product.
    #[n(2)]
    Unchanged,
}

/// The reply to an import.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Imported {
    /// The id of the product.
    #[n(0)]
    pub product: ProductId,
    /// The outcome.
    #[n(1)]
    pub outcome: ImportOutcome,
    /// The version of the product after the import.
    #[n(2)]
    pub version: u64,
    /// The variants that the import mentions, in its order: their ids and SKUs, and whether they are new.
    #[n(3)]
    pub variants: Vec<(ImportedVariant, Sku)>,
}

/// The price of a variant, with the texts that a cart shows for it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Quote {
    /// The id of the product.
    #[n(0)]
    pub product: ProductId,
    /// The id of the variant.
    #[n(1)]
    pub variant: VariantId,
    /// The SKU of the variant.
    #[n(2)]
    pub sku: Sku,
    /// The title of the product.
    #[n(3)]
    pub title: String,
    /// The title of the variant; empty when the product has no options.
    #[n(4)]
    pub variant_title: String,
    /// The price of one unit.
    #[n(5)]
    pub price: Money,
    /// The compare-at price.
    #[n(6)]
    pub compare_at: Option<Money>,
    /// The URL of the variant's first image, or else of the product's first image.
    #[n(7)]
    pub image: Option<String>,
    /// The options of the variant, in the product's order. Empty when the product has none.
    #[n(8)]
    pub options: Vec<OptionValue>,
}

/// An option of a product and its value for a variant: "Size", "M".
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct OptionValue {
    /// The name of the option.
    #[n(0)]
    pub name: String,
    /// The value.
    #[n(1)]
    pub value: String,
}

/// A reply of a product.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ProductReply {
    /// The product now or, for a duplicate, at the time when the command was accepted.
    #[n(0)]
    Product(#[cbor(n(0), with = "crate::codec::shared")] Arc<ProductView>),
    /// The outcome of an import.
    #[n(1)]
    Imported(#[cbor(n(0), with = "crate::codec::shared")] Arc<Imported>),
    /// The price of a variant.
    #[n(2)]
    Quote(#[n(0)] Quote),
}

/// The reason why a product rejects a command.
#[derive(Debug, Clone, PartialEq, Encode, Decode, thiserror::Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum ProductRejection {
    /// The product does not exist.
    #[error("no such product")]
    #[n(0)]
    NotFound,
    /// The product does not have this variant.
    #[error("no such variant")]
    #[strum(serialize = "not_found")]
    #[n(1)]
    VariantNotFound,
    /// A product with this handle exists. Choose another handle.
    #[error("another product has this handle")]
    #[n(2)]
    HandleTaken {
        /// The id of that product.
        #[n(0)]
        product: ProductId,
    },
    /// Another variant has this SKU, of another product or of this one. Choose another SKU.
    #[error("another variant has the sku {sku}")]
    #[n(3)]
    SkuTaken {
        /// The SKU.
        #[n(0)]
        sku: Sku,
        /// The product that has it.
        #[n(1)]
        product: ProductId,
    },
    /// The idempotency key was used for a different command.
    #[error(transparent)]
    #[strum(serialize = "idempotency_key_reused")]
    #[n(4)]
    KeyReused(
        #[n(0)]
        #[from]
        KeyReused,
    ),
    /// The edit is based on an older version. Read the product and retry.
    #[error("the product is at version {current}")]
    #[n(5)]
    StaleVersion {
        /// The current version.
        #[n(0)]
        current: u64,
    },
    /// Another change is waiting for its SKUs. Retry shortly.
    #[error("another change of the product is under way")]
    #[n(6)]
    Busy,
    /// The product is not active, so it cannot be sold.
    #[error("the product is not for sale")]
    #[n(7)]
    NotActive {
        /// The status of the product.
        #[n(0)]
        status: Status,
    },
    /// The prices are in a currency other than the product's.
    #[error("the product's prices are in {currency}")]
    #[strum(serialize = "out_of_range")]
    #[n(8)]
    OtherCurrency {
        /// The currency of the product.
        #[n(0)]
        currency: Currency,
    },
    /// The versions kept for duplicates within 24 hours have reached [`ANSWERS_BYTES_MAX`]. Retry later.
    #[error("too many changes of the product within 24 hours")]
    #[strum(serialize = "limit_exceeded")]
    #[n(9)]
    TooManyChanges,
    /// The stock item refused a SKU without naming its owner.
    #[error("the inventory refused the sku {sku}")]
    #[strum(serialize = "limit_exceeded")]
    #[n(10)]
    SkuRefused {
        /// The SKU.
        #[n(0)]
        sku: Sku,
    },
    /// A value is out of range, or conflicts with other values.
    #[error("{pointer}: {why}")]
    #[strum(serialize = "out_of_range")]
    #[n(11)]
    Invalid {
        /// A JSON pointer to the value in the request.
        #[n(0)]
        pointer: String,
        /// The reason.
        #[n(1)]
        why: Cow<'static, str>,
    },
}
