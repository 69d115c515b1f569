//! Samples of products.

use std::sync::Arc;

use engine::{
    aggregate::KeyReused,
    id::{ProductId, VariantId},
    money::Currency,
    product::{
        Adoption, Change, Creation, Handle, Image, ImageChange, ImageEdit, ImportChange, ImportOutcome, ImportVariant,
        Imported, ImportedVariant, NewProduct, NewVariant, OptionValue, OptionView, Product, ProductCommand,
        ProductEdit, ProductEvent, ProductRejection, ProductReply, ProductView, Quote, SafeHtml, Status, Variant,
        VariantEdit, VariantSelector, VariantView,
    },
};

use crate::{
    Golden, Messages, Sampled,
    golden::samples::{at, dollars, id, processed, sku, tenant},
};

variants! { ProductEvent: Asked, SkuAdopted, SkuRefused, Created, Changed, Refused, SkuDisowned }

fn creation() -> Creation {
    Creation {
        tenant: tenant(),
        product: ProductId(id(1)),
        handle: Handle::new("shirt").unwrap(),
        currency: Currency::USD,
    }
}

fn variant(number: u8, name: &str, size: &str) -> Variant {
    let (options, compare_at) = (vec![size.to_owned()], Some(3_000));
    Variant { id: VariantId(id(number)), sku: sku(name), options, price: 2_500, compare_at }
}

fn everything() -> Change {
    let image =
        Image { src: "https://img.test/shirt.jpg".to_owned(), alt: "A shirt".to_owned(), position: 1, variants: None };
    Change {
        title: Some("Shirt".to_owned()),
        description: Some(SafeHtml::clean("<p>Soft.</p>").unwrap()),
        vendor: Some("Acme".to_owned()),
        product_type: Some("Clothing".to_owned()),
        tags: Some(vec!["summer".to_owned(), "new".to_owned()]),
        images: Some(vec![image]),
        options: Some(vec!["Size".to_owned()]),
        status: Some(Status::Draft),
        removed: vec![VariantId(id(9))],
        put: vec![variant(2, "SHIRT-S", "S"), variant(3, "SHIRT-M", "M")],
    }
}

impl Sampled for Product {
    fn golden() -> Golden<Self> {
        let adoption = |name, number| Adoption { sku: sku(name), variant: VariantId(id(number)) };
        let imported = |new| Some(vec![ImportedVariant { variant: VariantId(id(2)), new }]);
        let more =
            Change { put: vec![variant(4, "SHIRT-L", "L")], removed: vec![VariantId(id(3))], ..Change::default() };
        let most = Change { put: vec![variant(5, "SHIRT-XL", "XL")], ..Change::default() };
        let asked = |creation, change, imported, adoptions, processed| ProductEvent::Asked {
            creation,
            change,
            imported,
            adoptions,
            processed,
        };
        let history = vec![
            asked(
                Some(creation()),
                everything(),
                imported(true),
                vec![adoption("SHIRT-S", 2), adoption("SHIRT-M", 3)],
                processed(20, 0),
            ),
            ProductEvent::SkuAdopted { slot: 0 },
            ProductEvent::SkuAdopted { slot: 1 },
            ProductEvent::Created {
                creation: creation(),
                change: everything(),
                imported: imported(true),
                processed: processed(20, 0),
            },
            asked(None, most.clone(), None, vec![adoption("SHIRT-XL", 5)], processed(21, 10)),
            ProductEvent::SkuRefused { slot: 2, product: Some(ProductId(id(8))) },
            ProductEvent::Refused { disown: vec![] },
            asked(None, more.clone(), None, vec![adoption("SHIRT-L", 4)], processed(22, 20)),
            ProductEvent::SkuAdopted { slot: 3 },
            ProductEvent::Changed {
                change: more,
                imported: imported(false),
                disown: vec![1],
                processed: processed(22, 20),
            },
            ProductEvent::SkuDisowned { slot: 1, sku: sku("SHIRT-M") },
            asked(None, most, None, vec![adoption("SHIRT-XL", 5)], processed(23, 30)),
        ];
        let image = Image {
            src: "https://img.test/shirt-s.jpg".to_owned(),
            alt: String::new(),
            position: 1,
            variants: Some(vec![VariantId(id(2)), VariantId(id(4))]),
        };
        let change = Change { images: Some(vec![image]), ..Change::default() };
        let pictured =
            ProductEvent::Changed { change, imported: None, disown: Vec::new(), processed: processed(24, 40) };
        let sorts =
            vec![("with-skus", ProductEvent::Refused { disown: vec![1, 2] }), ("with-variant-images", pictured)];
        Golden { history, others: Vec::new(), sorts, messages: messages() }
    }
}

variants! { ProductCommand: Create, Edit, Import, Archive, View, Quote, Describe }
variants! { ProductReply: Product, Imported, Quote }
variants! {
    ProductRejection: NotFound, VariantNotFound, HandleTaken, SkuTaken, KeyReused, StaleVersion, Busy, NotActive,
    OtherCurrency, TooManyChanges, SkuRefused, Invalid,
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn image(variants: Option<Vec<&str>>) -> ImageEdit {
    let variants = variants.map(|skus| skus.into_iter().map(sku).collect());
    ImageEdit { src: text("https://img.test/shirt.jpg"), alt: text("A shirt"), position: 1, variants }
}

/// A patch of one variant that sets, removes, or keeps what a patch can remove.
fn variant_edit(compare_at: Option<Option<i64>>, image: Option<Option<&str>>) -> VariantEdit {
    VariantEdit {
        id: Some(VariantId(id(2))),
        sku: Some(sku("SHIRT-S")),
        options: Some(vec![text("S")]),
        price: Some(2_500),
        compare_at,
        image: image.map(|src| src.map(text)),
    }
}

fn product_edit() -> ProductEdit {
    ProductEdit {
        title: Some(text("Shirt")),
        description: Some(SafeHtml::clean("<p>Soft.</p>").unwrap()),
        vendor: Some(text("Acme")),
        product_type: Some(text("Clothing")),
        tags: Some(vec![text("summer")]),
        images: Some(vec![image(Some(vec!["SHIRT-S"])), image(None)]),
        options: Some(vec![text("Size")]),
        status: Some(Status::Archived),
        currency: Some(Currency::USD),
        variants: vec![
            variant_edit(Some(Some(3_000)), Some(Some("https://img.test/s.jpg"))),
            variant_edit(Some(None), Some(None)),
            variant_edit(None, None),
        ],
        remove: vec![VariantId(id(9))],
    }
}

fn new_product() -> NewProduct {
    NewProduct {
        handle: Handle::new("shirt").unwrap(),
        title: text("Shirt"),
        description: SafeHtml::clean("<p>Soft.</p>").unwrap(),
        vendor: text("Acme"),
        product_type: text("Clothing"),
        tags: vec![text("summer")],
        images: vec![image(Some(vec!["SHIRT-S"]))],
        options: vec![text("Size")],
        status: Status::Draft,
        currency: Currency::USD,
        variants: vec![
            NewVariant { sku: Some(sku("SHIRT-S")), options: vec![text("S")], price: 2_500, compare_at: Some(3_000) },
            NewVariant { sku: None, options: vec![text("M")], price: 2_600, compare_at: None },
        ],
    }
}

fn import_change(images: ImageChange) -> ImportChange {
    let variant = |compare_at, image: Option<Option<&str>>| ImportVariant {
        options: vec![text("S")],
        sku: Some(sku("SHIRT-S")),
        price: Some(2_500),
        compare_at,
        image: image.map(|src| src.map(text)),
    };
    ImportChange {
        handle: Handle::new("shirt").unwrap(),
        title: Some(text("Shirt")),
        description: Some(SafeHtml::clean("<p>Soft.</p>").unwrap()),
        vendor: Some(text("Acme")),
        product_type: Some(text("Clothing")),
        tags: Some(vec![text("summer")]),
        images,
        options: Some(vec![text("Size")]),
        status: Some(Status::Active),
        variants: vec![
            variant(Some(Some(3_000)), Some(Some("https://img.test/s.jpg"))),
            variant(Some(None), Some(None)),
            variant(None, None),
        ],
    }
}

fn commands() -> Vec<(&'static str, ProductCommand)> {
    let import = |images| ProductCommand::Import {
        tenant: tenant(),
        currency: Currency::USD,
        change: Box::new(import_change(images)),
    };
    let variant = VariantSelector::Variant(VariantId(id(2)));
    vec![
        ("", ProductCommand::Create { tenant: tenant(), new: Box::new(new_product()) }),
        ("", ProductCommand::Edit { version: 3, edit: Box::new(product_edit()) }),
        ("of-nothing", ProductCommand::Edit { version: 3, edit: Box::default() }),
        ("", import(ImageChange::Keep)),
        ("with-images", import(ImageChange::Replace(vec![image(None)]))),
        ("with-more-images", import(ImageChange::Add(vec![image(None)]))),
        ("", ProductCommand::Archive),
        ("", ProductCommand::View),
        ("", ProductCommand::Quote(variant.clone())),
        ("by-sku", ProductCommand::Quote(VariantSelector::Sku(sku("SHIRT-S")))),
        ("", ProductCommand::Describe(variant)),
    ]
}

fn view() -> ProductView {
    let image = Image {
        src: text("https://img.test/shirt.jpg"),
        alt: text("A shirt"),
        position: 1,
        variants: Some(vec![VariantId(id(2))]),
    };
    let variant = VariantView {
        id: VariantId(id(2)),
        sku: sku("SHIRT-S"),
        title: text("S"),
        options: vec![text("S")],
        price: dollars(2_500),
        compare_at: Some(dollars(3_000)),
    };
    ProductView {
        id: ProductId(id(1)),
        handle: Handle::new("shirt").unwrap(),
        title: text("Shirt"),
        description: SafeHtml::clean("<p>Soft.</p>").unwrap(),
        vendor: text("Acme"),
        product_type: text("Clothing"),
        tags: vec![text("summer")],
        images: vec![image],
        options: vec![OptionView { name: text("Size"), values: vec![text("S")] }],
        status: Status::Active,
        currency: Currency::USD,
        version: 3,
        variants: vec![variant],
        created_at: at(0),
        updated_at: at(10),
    }
}

fn replies() -> Vec<(&'static str, ProductReply)> {
    let imported = |outcome| {
        let variants = vec![
            (ImportedVariant { variant: VariantId(id(2)), new: false }, sku("SHIRT-S")),
            (ImportedVariant { variant: VariantId(id(3)), new: true }, sku("SHIRT-M")),
        ];
        ProductReply::Imported(Arc::new(Imported { product: ProductId(id(1)), outcome, version: 3, variants }))
    };
    let quote = Quote {
        product: ProductId(id(1)),
        variant: VariantId(id(2)),
        sku: sku("SHIRT-S"),
        title: text("Shirt"),
        variant_title: text("S"),
        price: dollars(2_500),
        compare_at: Some(dollars(3_000)),
        image: Some(text("https://img.test/shirt.jpg")),
        options: vec![OptionValue { name: text("Size"), value: text("S") }],
    };
    vec![
        ("", ProductReply::Product(Arc::new(view()))),
        ("", imported(ImportOutcome::Updated)),
        ("created", imported(ImportOutcome::Created)),
        ("unchanged", imported(ImportOutcome::Unchanged)),
        ("", ProductReply::Quote(quote)),
    ]
}

fn messages() -> Messages<Product> {
    let product = ProductId(id(8));
    let rejections = vec![
        ("", ProductRejection::NotFound),
        ("", ProductRejection::VariantNotFound),
        ("", ProductRejection::HandleTaken { product }),
        ("", ProductRejection::SkuTaken { sku: sku("SHIRT-S"), product }),
        ("", ProductRejection::KeyReused(KeyReused)),
        ("", ProductRejection::StaleVersion { current: 4 }),
        ("", ProductRejection::Busy),
        ("", ProductRejection::NotActive { status: Status::Draft }),
        ("", ProductRejection::OtherCurrency { currency: Currency::USD }),
        ("", ProductRejection::TooManyChanges),
        ("", ProductRejection::SkuRefused { sku: sku("SHIRT-S") }),
        ("", ProductRejection::Invalid { pointer: text("/title"), why: "is too long".into() }),
    ];
    Messages { commands: commands(), replies: replies(), rejections }
}
