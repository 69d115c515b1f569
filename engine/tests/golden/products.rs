//! Samples of products.

use engine::{
    id::{ProductId, VariantId},
    money::Currency,
    product::{
        Adoption, Change, Creation, Handle, Image, ImportedVariant, Product, ProductEvent, SafeHtml, Status, Variant,
    },
};

use crate::{
    Golden, Sampled,
    samples::{id, processed, sku, tenant},
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
        Golden { history, others: Vec::new(), sorts }
    }
}
