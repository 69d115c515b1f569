#![allow(clippy::unwrap_used)]

use engine::{
    effect::{Effect, Outcome, Request},
    id::{Sku, TenantId},
    kinds::Kind,
    money::Currency,
    product::{
        Handle, ImageEdit, NewProduct, NewVariant, Product, ProductCommand, ProductEdit, ProductReply, ProductView,
        SafeHtml, Status, VariantEdit,
    },
    stock::{StockChange, StockCommand, StockRejection, StockReply},
    time::Timestamp,
};

use super::super::testing::{Actor, Journal, World, no_outcome};
use crate::sql::{
    Cursor, LIMIT_MAX, Limit, List, PageRequest,
    lists::{ListedProduct, ProductFilter},
    testing::tenant,
};

fn variant(sku: &str, size: &str, price: i64) -> NewVariant {
    NewVariant { sku: Some(Sku::new(sku).unwrap()), options: vec![size.to_owned()], price, compare_at: None }
}

fn shirt(handle: &str, title: &str) -> NewProduct {
    NewProduct {
        handle: Handle::new(handle).unwrap(),
        title: title.to_owned(),
        description: SafeHtml::clean("<p>Soft &amp; <b>warm</b></p>").unwrap(),
        vendor: "Öko Mode".to_owned(),
        product_type: "Shirt".to_owned(),
        tags: vec!["Summer".to_owned(), "organic cotton".to_owned()],
        images: vec![ImageEdit {
            src: "https://cdn.example/a.png".to_owned(),
            alt: "a".to_owned(),
            position: 1,
            variants: Some(vec![Sku::new(&format!("{handle}-m")).unwrap()]),
        }],
        options: vec!["Size".to_owned()],
        status: Status::Active,
        currency: Currency::USD,
        variants: vec![
            variant(&format!("{handle}-s"), "S", 1_900),
            variant(&format!("{handle}-m"), "M", 2_000),
            variant(&format!("{handle}-l"), "L", 2_100),
        ],
    }
}

/// Stock items that grant every SKU.
fn giving(effect: &Effect) -> Option<Outcome> {
    matches!(effect.request, Request::Stock(..)).then_some(Outcome::Stock(Ok(StockReply::Done)))
}

/// Stock items that refuse every SKU.
fn refusing(effect: &Effect) -> Option<Outcome> {
    let taken = StockRejection::SkuTaken { product: engine::id::ProductId(9) };
    match &effect.request {
        Request::Stock(_, StockCommand::Adopt { .. }) => Some(Outcome::Stock(Err(taken))),
        _ => Some(Outcome::Stock(Ok(StockReply::Done))),
    }
}

fn create(journal: &mut Journal, tenant: &TenantId, new: NewProduct, at: u64) -> Actor<Product> {
    let mut actor = Actor::new(new.handle.product(tenant).key(tenant));
    let command = ProductCommand::Create { tenant: tenant.clone(), new: Box::new(new) };
    actor.ask(journal, Timestamp(at), &command, giving).unwrap();
    actor
}

fn view(actor: &mut Actor<Product>, journal: &mut Journal) -> ProductView {
    match actor.ask(journal, Timestamp(0), &ProductCommand::View, no_outcome).unwrap() {
        ProductReply::Product(view) => (*view).clone(),
        other => panic!("{other:?}"),
    }
}

async fn titles(world: &World, filter: ProductFilter) -> Vec<String> {
    let found = world.read_side().products(&tenant("acme"), &filter, PageRequest::default()).await.unwrap();
    found.items.into_iter().map(|listed| listed.product.title).collect()
}

fn words(query: &str) -> ProductFilter {
    ProductFilter { query: Some(query.to_owned()), ..ProductFilter::default() }
}

#[tokio::test]
async fn a_row_equals_the_products_view_after_every_change() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    let mut actor = create(&mut world.journal, &acme, shirt("shirt", "Shirt"), 10);
    let [small, medium] = [0, 1].map(|n| view(&mut actor, &mut world.journal).variants[n].id);
    let edits = [
        ProductEdit { title: Some("Better shirt".to_owned()), ..ProductEdit::default() },
        ProductEdit {
            variants: vec![
                VariantEdit { id: Some(small), price: Some(2), ..VariantEdit::default() },
                VariantEdit { id: Some(medium), price: Some(1), compare_at: Some(Some(5)), ..VariantEdit::default() },
                VariantEdit {
                    sku: Some(Sku::new("shirt-xl").unwrap()),
                    options: Some(vec!["XL".to_owned()]),
                    price: Some(2_500),
                    ..VariantEdit::default()
                },
            ],
            ..ProductEdit::default()
        },
        ProductEdit { remove: vec![medium], tags: Some(vec![]), status: Some(Status::Draft), ..ProductEdit::default() },
        ProductEdit {
            variants: vec![VariantEdit {
                options: Some(vec!["M".to_owned()]),
                price: Some(7),
                ..VariantEdit::default()
            }],
            description: Some(SafeHtml::default()),
            ..ProductEdit::default()
        },
    ];
    for (version, edit) in (1..).zip(edits) {
        world.project().await.unwrap();
        let command = ProductCommand::Edit { version, edit: Box::new(edit) };
        actor.ask(&mut world.journal, Timestamp(20), &command, giving).unwrap();
        let truth = view(&mut actor, &mut world.journal);
        world.project().await.unwrap();
        let listed = world.read_side().product(&acme, truth.id).await.unwrap().unwrap();
        assert_eq!(listed.product, truth);
    }
    // Applied in one call, the journal gives the same rows.
    world.projector.clear_for_rebuild().await.unwrap();
    world.project().await.unwrap();
    let truth = view(&mut actor, &mut world.journal);
    let listed = world.read_side().product(&acme, truth.id).await.unwrap().unwrap();
    assert_eq!(listed, ListedProduct { in_stock: vec![false; truth.variants.len()], product: truth });
}

#[tokio::test]
async fn a_product_whose_skus_are_refused_is_not_shown() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    let new = shirt("shirt", "Shirt");
    let mut actor = Actor::<Product>::new(new.handle.product(&acme).key(&acme));
    let command = ProductCommand::Create { tenant: acme.clone(), new: Box::new(new) };
    assert!(actor.ask(&mut world.journal, Timestamp(1), &command, refusing).is_none());
    world.project().await.unwrap();
    assert_eq!(titles(&world, ProductFilter::default()).await, [""; 0]);
}

#[tokio::test]
async fn products_are_found_by_the_beginnings_of_words() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    create(&mut world.journal, &acme, shirt("blue", "Ocean blue shirt"), 10);
    create(&mut world.journal, &acme, shirt("red", "Café red \"Rosso\" shirt"), 20);
    world.project().await.unwrap();
    for (query, found) in [
        ("shirt", vec!["Café red \"Rosso\" shirt", "Ocean blue shirt"]),
        ("SHI oce", vec!["Ocean blue shirt"]),
        ("cafe", vec!["Café red \"Rosso\" shirt"]),
        ("oko mode red", vec!["Café red \"Rosso\" shirt"]),
        ("cotton summer blue", vec!["Ocean blue shirt"]),
        ("rosso", vec!["Café red \"Rosso\" shirt"]),
        ("cean", vec![]),
        ("title:ocean", vec![]),
        ("\"* AND -", vec![]),
        ("", vec![]),
        ("acme", vec![]),
    ] {
        assert_eq!(titles(&world, words(query)).await, found, "{query}");
    }
}

#[tokio::test]
async fn a_changed_product_is_found_by_its_new_words_only() {
    let mut world = World::new().await;
    let mut actor = create(&mut world.journal, &tenant("acme"), shirt("blue", "Ocean shirt"), 10);
    world.project().await.unwrap();
    let edit = ProductEdit {
        title: Some("Forest shirt".to_owned()),
        tags: Some(vec!["Winter".to_owned()]),
        ..ProductEdit::default()
    };
    let command = ProductCommand::Edit { version: 1, edit: Box::new(edit) };
    actor.ask(&mut world.journal, Timestamp(20), &command, giving).unwrap();
    world.project().await.unwrap();
    assert_eq!(titles(&world, words("ocean")).await, [""; 0]);
    assert_eq!(titles(&world, words("forest winter")).await, ["Forest shirt"]);
    let tagged = |tag: &str| ProductFilter { tag: Some(tag.to_owned()), ..ProductFilter::default() };
    assert_eq!(titles(&world, tagged("summer")).await, [""; 0]);
    assert_eq!(titles(&world, tagged(" WINTER ")).await, ["Forest shirt"]);
}

#[tokio::test]
async fn filters_narrow_a_list_together() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    create(&mut world.journal, &acme, shirt("a", "A"), 10);
    let hidden = NewProduct { status: Status::Draft, ..shirt("b", "B") };
    create(&mut world.journal, &acme, hidden, 20);
    let cup = NewProduct { product_type: "Cup".to_owned(), vendor: "Töpfer".to_owned(), ..shirt("c", "C") };
    create(&mut world.journal, &acme, cup, 30);
    world.project().await.unwrap();
    let all = ProductFilter::default();
    let active = ProductFilter { status: Some(Status::Active), ..all.clone() };
    let shirts = ProductFilter { product_type: Some("shirt".to_owned()), ..active.clone() };
    let potters = ProductFilter { vendor: Some("TÖPFER".to_owned()), ..active.clone() };
    let none = ProductFilter { tag: Some("summer".to_owned()), product_type: Some("Hat".to_owned()), ..all.clone() };
    assert_eq!(titles(&world, all).await, ["C", "B", "A"]);
    assert_eq!(titles(&world, active).await, ["C", "A"]);
    assert_eq!(titles(&world, shirts).await, ["A"]);
    assert_eq!(titles(&world, potters).await, ["C"]);
    assert_eq!(titles(&world, none).await, [""; 0]);
}

#[tokio::test]
async fn pages_go_on_where_they_ended_though_products_come_in_between() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    for n in 0..7 {
        create(&mut world.journal, &acme, shirt(&format!("p{n}"), &n.to_string()), 10 + n / 3);
    }
    world.project().await.unwrap();
    let mut page = PageRequest { limit: Limit::new(3).unwrap(), after: None };
    let mut seen = Vec::new();
    loop {
        let found = world.read_side().products(&acme, &ProductFilter::default(), page).await.unwrap();
        seen.extend(found.items.into_iter().map(|listed| listed.product.title));
        let Some(next) = found.next else { break };
        page.after = Some(Cursor::read(List::Products, &next.to_string()).unwrap());
        create(&mut world.journal, &acme, shirt(&format!("late{}", seen.len()), "late"), 99);
        world.project().await.unwrap();
    }
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);

    let most = PageRequest { limit: Limit::new(LIMIT_MAX).unwrap(), after: None };
    let all = world.read_side().products(&acme, &ProductFilter::default(), most).await.unwrap();
    assert_eq!((all.items.len(), all.next), (9, None));
}

#[tokio::test]
async fn stock_shows_on_each_variant() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    let mut actor = create(&mut world.journal, &acme, shirt("blue", "Blue"), 10);
    let product = view(&mut actor, &mut world.journal);
    let middle = &product.variants[1];
    let mut stock = Actor::<engine::stock::StockItem>::new(middle.sku.key(&acme));
    let adopt =
        StockCommand::Adopt { tenant: acme.clone(), sku: middle.sku.clone(), product: product.id, variant: middle.id };
    stock.ask(&mut world.journal, Timestamp(1), &adopt, no_outcome).unwrap();
    let delivery = StockCommand::Adjust { change: StockChange::By(3), reason: "delivery".to_owned() };
    stock.ask(&mut world.journal, Timestamp(1), &delivery, no_outcome).unwrap();
    world.project().await.unwrap();
    let listed = world.read_side().product(&acme, product.id).await.unwrap().unwrap();
    assert_eq!(listed.in_stock, [false, true, false]);
}

#[tokio::test]
async fn a_sku_leads_to_the_variant_that_the_inventory_counts_it_for() {
    let mut world = World::new().await;
    let (acme, contested) = (tenant("acme"), Sku::new("contested").unwrap());
    let mut views = Vec::new();
    for handle in ["a", "b"] {
        let mut new = shirt(handle, handle);
        new.variants[0].sku = Some(contested.clone());
        let mut actor = create(&mut world.journal, &acme, new, 10);
        views.push(view(&mut actor, &mut world.journal));
    }
    for owner in [&views[1], &views[0]] {
        let (product, variant) = (owner.id, owner.variants[0].id);
        let mut stock = Actor::<engine::stock::StockItem>::new(contested.key(&acme));
        let adopt = StockCommand::Adopt { tenant: acme.clone(), sku: contested.clone(), product, variant };
        stock.ask(&mut world.journal, Timestamp(1), &adopt, no_outcome).unwrap();
        world.project().await.unwrap();
        let found = world.read_side().variant_of_sku(&acme, &contested).await.unwrap();
        assert_eq!(found, Some((product, variant)));
    }
    assert_eq!(world.read_side().variant_of_sku(&tenant("bolt"), &contested).await.unwrap(), None);
    assert_eq!(world.read_side().variant_of_sku(&acme, &Sku::new("none").unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn tenants_never_see_each_others_products() {
    let mut world = World::new().await;
    let mut ids = Vec::new();
    for name in ["acme", "bolt"] {
        let mut actor = create(&mut world.journal, &tenant(name), shirt("same", &format!("Shirt of {name}")), 10);
        ids.push(view(&mut actor, &mut world.journal).id);
    }
    world.project().await.unwrap();
    for filter in [
        ProductFilter::default(),
        words("shirt"),
        words("of"),
        ProductFilter { tag: Some("summer".to_owned()), ..ProductFilter::default() },
        ProductFilter { vendor: Some("öko mode".to_owned()), ..ProductFilter::default() },
        ProductFilter { product_type: Some("shirt".to_owned()), ..ProductFilter::default() },
    ] {
        assert_eq!(titles(&world, filter).await, ["Shirt of acme"]);
    }
    assert_eq!(world.read_side().product(&tenant("acme"), ids[1]).await.unwrap(), None);
    assert!(world.journal.all().records.iter().all(|record| record.key.kind() == Kind::Product));
}
