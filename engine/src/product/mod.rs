//! A product of the catalogue: what it is called, how it looks, and its variants with their SKUs and prices.
//!
//! A product is made and changed by people (`Create`, `Edit`) and by files (`Import`). Every SKU counts for one variant
//! of one tenant only, which the SKU's inventory shard decides. A change that brings new SKUs is therefore journaled
//! first and made when every shard has answered; if one refuses, the others are given up and the product is as before:
//!
//! ```text
//! Asked ── SkuAdopted … ── SkuAdopted ──▶ Created | Changed      (the SKUs that it lost are disowned)
//!      └── SkuAdopted … ── SkuRefused ──▶ Refused                (the SKUs that it got are disowned)
//! ```

mod decide;
mod fold;
mod former;
mod handle;
mod html;
mod pictures;
mod revise;
mod sheet;
mod snapshot;
#[cfg(test)]
mod tests;
mod wish;

use std::sync::Arc;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

pub use self::{
    fold::Product,
    handle::{HANDLE_CHARS_MAX, Handle, InvalidHandle, derived_sku, variant_id},
    html::{DESCRIPTION_CHARS_MAX, DESCRIPTION_ELEMENTS_MAX, InvalidDescription, LeftOut, SafeHtml},
    revise::{image_src_fits, single_line},
    sheet::{Change, Image, OptionView, ProductView, Status, Variant, VariantView},
    wish::{ImageChange, ImageEdit, ImportChange, ImportVariant, NewProduct, NewVariant, ProductEdit, VariantEdit},
};
use crate::{
    aggregate::KeyReused,
    id::{ProductId, Sku, TenantId, VariantId},
    money::{Currency, Money},
    receipts::Receipt,
};
pub(crate) use revise::NO_OPTION;

/// The most variants of one product: Shopify's bound.
pub const VARIANTS_MAX: usize = 2_048;
/// The most images of one product: Shopify's bound.
pub const IMAGES_MAX: usize = 250;
/// The most options (size, colour, …) of one product: Shopify's bound, and what its files have columns for.
pub const OPTIONS_MAX: usize = 3;
/// The most tags of one product: Shopify's bound.
pub const TAGS_MAX: usize = 250;
/// The longest title, vendor, type, tag, option name and option value, in characters: Shopify's bound.
pub const TEXT_CHARS_MAX: usize = 255;
/// The longest text that stands for an image, in characters: Shopify's bound.
pub const ALT_CHARS_MAX: usize = 512;
/// The longest address of an image, in characters: what browsers and proxies carry.
pub const IMAGE_SRC_CHARS_MAX: usize = 2_048;
/// The most bytes of one product with all its variants: the longest description, of characters of four bytes, and a
/// megabyte for the rest. An event that holds all of it fits in a batch of the journal.
pub const PRODUCT_BYTES_MAX: usize = DESCRIPTION_CHARS_MAX * 4 + (1 << 20);
/// The most bytes of earlier versions that a product remembers for 24 hours, to answer a repeat as it answered first:
/// some 10,000 changes of an ordinary product, or 10 of the largest.
pub const ANSWERS_BYTES_MAX: usize = 32 << 20;

/// What can be asked of a product.
#[derive(Debug, Clone)]
pub enum ProductCommand {
    /// Make it. Its id is [`Handle::product`].
    Create {
        /// Whose it is.
        tenant: TenantId,
        /// What it is.
        new: Box<NewProduct>,
    },
    /// Change it. `version` is the one that the vendor saw.
    Edit {
        /// The version to be changed.
        version: u64,
        /// The changes.
        edit: Box<ProductEdit>,
    },
    /// Make it or merge into it what a file says of it.
    Import {
        /// Whose it is.
        tenant: TenantId,
        /// The currency of the file's prices.
        currency: Currency,
        /// What the file says.
        change: Box<ImportChange>,
    },
    /// Take it out of the shop. It keeps its handle and its SKUs, and an edit or an import can bring it back.
    Archive,
    /// Read it, whatever its status.
    View,
    /// What a variant costs now; only of an active product.
    Quote(Wanted),
    /// What a variant is, whatever the status of its product: what a drop sells need not be in the shop.
    Describe(Wanted),
}

/// Which variant is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one with this id.
    Variant(VariantId),
    /// The one with this SKU.
    Sku(Sku),
}

/// A product that is to be made.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Creation {
    /// Whose it is.
    #[n(0)]
    pub tenant: TenantId,
    /// Its id.
    #[n(1)]
    pub product: ProductId,
    /// Its name in URLs.
    #[n(2)]
    pub handle: Handle,
    /// The currency of its prices.
    #[n(3)]
    pub currency: Currency,
}

/// A SKU that a variant wants.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Adoption {
    /// What is counted.
    #[n(0)]
    pub sku: Sku,
    /// Which variant wants it.
    #[n(1)]
    pub variant: VariantId,
}

/// A variant that an import named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, wincode::SchemaRead, wincode::SchemaWrite)]
pub struct ImportedVariant {
    /// Its id.
    #[n(0)]
    pub variant: VariantId,
    /// Whether the import made it.
    #[n(1)]
    pub new: bool,
}

/// What can happen to a product.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ProductEvent {
    /// A change needs SKUs: their inventory shards are asked.
    #[n(0)]
    Asked {
        /// What is to be made, unless the product exists.
        #[n(0)]
        creation: Option<Creation>,
        /// The change that waits.
        #[n(1)]
        change: Change,
        /// The variants that an import named, if it is one.
        #[n(2)]
        imported: Option<Vec<ImportedVariant>>,
        /// The SKUs that it needs.
        #[n(3)]
        adoptions: Vec<Adoption>,
        /// The command that waits.
        #[n(4)]
        receipt: Receipt,
    },
    /// An inventory shard counts its SKU for this product.
    #[n(1)]
    SkuAdopted {
        /// The effect's slot.
        #[n(0)]
        slot: u64,
    },
    /// An inventory shard counts its SKU for another variant.
    #[n(2)]
    SkuRefused {
        /// The effect's slot.
        #[n(0)]
        slot: u64,
        /// Whose SKU it is, if the shard said so.
        #[n(1)]
        product: Option<ProductId>,
    },
    /// The product is there, at version 1.
    #[n(3)]
    Created {
        /// Whose, and what it is called in URLs.
        #[n(0)]
        creation: Creation,
        /// Everything else about it.
        #[n(1)]
        change: Change,
        /// The variants that an import named, if it was one.
        #[n(2)]
        imported: Option<Vec<ImportedVariant>>,
        /// The command that made it.
        #[n(3)]
        receipt: Receipt,
    },
    /// It was changed: one version more.
    #[n(4)]
    Changed {
        /// How.
        #[n(0)]
        change: Change,
        /// The variants that an import named, if it was one.
        #[n(1)]
        imported: Option<Vec<ImportedVariant>>,
        /// The slots of the SKUs that it no longer has.
        #[n(2)]
        disown: Vec<u64>,
        /// The command that changed it.
        #[n(3)]
        receipt: Receipt,
    },
    /// A SKU was refused: the change that waited is not made.
    #[n(5)]
    Refused {
        /// The slots of the SKUs that were got for nothing.
        #[n(0)]
        disown: Vec<u64>,
    },
    /// An inventory shard has let go of a SKU.
    #[n(6)]
    SkuDisowned {
        /// The effect's slot.
        #[n(0)]
        slot: u64,
        /// Which SKU.
        #[n(1)]
        sku: Sku,
    },
}

/// What came of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// The product is new.
    Created,
    /// Something about it changed.
    Updated,
    /// The file said nothing new.
    Unchanged,
}

/// An import's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The product.
    pub product: ProductId,
    /// What came of it.
    pub outcome: ImportOutcome,
    /// The product's version afterwards.
    pub version: u64,
    /// The variants that the import named, in its order: their ids and SKUs, and whether they are new.
    pub variants: Vec<(ImportedVariant, Sku)>,
}

/// What a variant costs, and what a cart says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// The product.
    pub product: ProductId,
    /// The variant.
    pub variant: VariantId,
    /// What is counted.
    pub sku: Sku,
    /// The product's title.
    pub title: String,
    /// The variant's title; empty when the product has no options.
    pub variant_title: String,
    /// For how much.
    pub price: Money,
    /// What it costs elsewhere.
    pub compare_at: Option<Money>,
    /// The variant's first image, else the product's.
    pub image: Option<String>,
    /// The variant's options, in the product's order. Empty when the product has none.
    pub options: Vec<OptionValue>,
}

/// An option of a product and the value that a variant has of it: "Size", "M".
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct OptionValue {
    /// The option.
    #[n(0)]
    pub name: String,
    /// The value.
    #[n(1)]
    pub value: String,
}

/// What a product answers.
#[derive(Debug, Clone, PartialEq)]
pub enum ProductReply {
    /// The product as it stands, or stood when the command was accepted.
    Product(Arc<ProductView>),
    /// What came of an import.
    Imported(Arc<Imported>),
    /// What a variant costs.
    Quote(Quote),
}

/// Why a product refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProductRejection {
    /// There is no such product.
    #[error("no such product")]
    NotFound,
    /// The product has no such variant.
    #[error("no such variant")]
    VariantNotFound,
    /// There is a product with this handle.
    #[error("another product has this handle")]
    HandleTaken {
        /// Which.
        product: ProductId,
    },
    /// Another variant has this SKU: one of another product, or of this one.
    #[error("another variant has the sku {sku}")]
    SkuTaken {
        /// Which SKU.
        sku: Sku,
        /// Whose it is.
        product: ProductId,
    },
    /// The idempotency key was used for another command.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The vendor saw an older version.
    #[error("the product is at version {current}")]
    StaleVersion {
        /// The version there is.
        current: u64,
    },
    /// Another change waits for its SKUs. Ask again in a moment.
    #[error("another change of the product is under way")]
    Busy,
    /// The product is not for sale.
    #[error("the product is not for sale")]
    NotActive {
        /// What it is instead.
        status: Status,
    },
    /// The prices are in another currency than the product's.
    #[error("the product's prices are in {currency}")]
    OtherCurrency {
        /// The product's.
        currency: Currency,
    },
    /// As many changes within 24 hours as the product remembers: [`ANSWERS_BYTES_MAX`].
    #[error("too many changes of the product within 24 hours")]
    TooManyChanges,
    /// The inventory refused a SKU without saying whose it is.
    #[error("the inventory refused the sku {sku}")]
    SkuRefused {
        /// Which SKU.
        sku: Sku,
    },
    /// A value is out of its range, or does not fit the others.
    #[error("{pointer}: {why}")]
    Invalid {
        /// Where in the request, as a JSON pointer.
        pointer: String,
        /// Why.
        why: &'static str,
    },
}
