//! Tests that lists show what the entities themselves return. The simulation of the engine's tests, with random buyers
//! and a random merchant, writes a journal. The projector applies it piece by piece; after each piece, every row is
//! compared with the view of its entity.
#![allow(clippy::unwrap_used)]

#[path = "lists/merchant.rs"]
mod merchant;
#[path = "../../engine/tests/world/mod.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    cart::{CartCommand, CartReply},
    checkout::CheckoutState,
    effect::{Outcome, Request},
    flash_drop::{DropCommand, DropReply, DropState, DropView},
    id::{CartId, DropId, ProductId, Sku},
    kinds::Kind,
    product::{ProductCommand, ProductReply},
    stock::{StockCommand, StockReply},
    time::Timestamp,
};
use persistence::{
    sql::{
        Cursor, LIMIT_MAX, Limit, PageRequest, ReadSide,
        lists::{CheckoutStatus, DropFilter, ListedCheckout},
    },
    views::{Projector, Record, RecordRange},
};

use self::{
    merchant::Merchant,
    world::{Faults, World, shop::Shop},
};

/// The number of random histories.
const HISTORIES: u64 = 12;
/// The number of random actions in a history.
const ACTIONS: usize = 160;

/// A database with the projections of a journal.
struct Lists {
    read_side: ReadSide,
    projector: Projector,
    next: usize,
    /// What was compared, to show that the histories reach every case.
    seen: BTreeSet<String>,
    _folder: tempfile::TempDir,
}

impl Lists {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let read_side = ReadSide::open(&folder.path().join("fusion.sqlite")).await.unwrap();
        let projector = Projector::open(read_side.clone()).await.unwrap();
        Self { read_side, projector, next: 0, seen: BTreeSet::new(), _folder: folder }
    }

    /// Applies all entries that were not applied before.
    async fn project(&mut self, world: &World) {
        let entries = (self.next..).zip(&world.journal[self.next..]);
        let records = entries.map(|(position, entry)| Record {
            position: position as u64,
            key: entry.key.clone(),
            at: entry.at,
            events: &entry.events,
        });
        let range = RecordRange {
            shard: 0,
            first: self.next as u64,
            end: world.journal.len() as u64,
            records: records.collect(),
        };
        self.projector.apply(&[range]).await.unwrap();
        self.next = world.journal.len();
    }

    fn saw(&mut self, what: impl Into<String>) {
        self.seen.insert(what.into());
    }

    /// Asserts that the rows of every kind show what the entities return.
    async fn assert_rows(&mut self, shop: &Shop) {
        self.assert_orders(shop).await;
        self.assert_checkouts(shop).await;
        self.assert_products(&shop.world).await;
        self.assert_drops(&shop.world).await;
        self.assert_carts(&shop.world).await;
        self.assert_stock(&shop.world).await;
    }

    async fn assert_orders(&mut self, shop: &Shop) {
        for order in shop.orders() {
            self.saw(format!("order {:?} {:?}", order.payment_state(), order.fulfillment_state()));
            assert_eq!(self.read_side.order(&shop.world.tenant, order.id).await.unwrap(), Some(order));
        }
    }

    async fn assert_checkouts(&mut self, shop: &Shop) {
        let mut listed = BTreeMap::new();
        let mut page = whole_page(None);
        loop {
            let found = self.read_side.checkouts(&shop.world.tenant, None, None, page).await.unwrap();
            listed.extend(found.items.into_iter().map(|checkout| (checkout.id, checkout)));
            if found.next.is_none() {
                break;
            }
            page = whole_page(found.next);
        }
        let checkouts = shop.checkouts();
        assert_eq!(listed.len(), checkouts.len(), "refused checkouts are not listed");
        for checkout in checkouts {
            let state = match checkout.state {
                CheckoutState::Pending => CheckoutStatus::Pending,
                CheckoutState::RequiresAction { .. } => CheckoutStatus::RequiresAction,
                CheckoutState::Completed { .. } => CheckoutStatus::Completed,
                CheckoutState::Failed { .. } => CheckoutStatus::Failed,
            };
            self.saw(format!("checkout {state:?}"));
            let row = &listed[&checkout.id];
            let expected = ListedCheckout {
                id: checkout.id,
                buyer: checkout.buyer,
                state,
                problem: checkout.problem().map(|problem| problem.recorded_name().to_owned()),
                order: checkout.order(),
                total: checkout.totals.map(|totals| totals.total),
                started_at: checkout.started_at,
                // The checkout itself has no such time.
                updated_at: row.updated_at,
            };
            assert_eq!(*row, expected);
        }
    }

    async fn assert_products(&mut self, world: &World) {
        for key in world.keys(Kind::Product) {
            let product = ProductId(key.id128().unwrap());
            let view = match world.read(Request::Product(product, ProductCommand::View)) {
                Outcome::Product(Ok(ProductReply::Product(view))) => Some((*view).clone()),
                _ => None,
            };
            self.saw(format!("product {:?}", view.as_ref().map(|view| view.status)));
            let row = self.read_side.product(&world.tenant, product).await.unwrap();
            assert_eq!(row.map(|listed| listed.product), view);
        }
    }

    async fn assert_drops(&mut self, world: &World) {
        let filter = DropFilter { with_drafts: true, ..DropFilter::default() };
        let listed = self.read_side.drops(&world.tenant, &filter, whole_page(None)).await.unwrap().items;
        let mut listed: BTreeMap<DropId, _> = listed.into_iter().map(|drop| (drop.id, drop)).collect();
        for key in world.keys(Kind::Drop) {
            let drop = DropId(key.id128().unwrap());
            let row = listed.remove(&drop);
            let Some(view) = drop_view(world, drop) else {
                self.saw("drop None");
                assert_eq!(row, None, "a drop that does not exist is not listed");
                continue;
            };
            self.saw(format!("drop {:?}", view.state));
            let row = row.unwrap();
            let terms = engine::flash_drop::Terms { network_limit: None, ..view.terms.clone() };
            assert_eq!((&row.terms, row.version), (&terms, view.version));
            assert_eq!((row.created_at, row.starts_at()), (view.created_at, view.starts_at));
            // Only the drop itself knows whether it is sold out.
            let state = if view.state == DropState::SoldOut { DropState::Open } else { view.state };
            assert_eq!(row.state_at(world.now), state);
            let shown: Vec<_> = row.items.iter().map(|item| (&item.sku, item.price, item.compare_at)).collect();
            let items = view.items.iter();
            let items = items.map(|item| (&item.sku, item.price.amount, item.compare_at.map(|price| price.amount)));
            assert_eq!(shown, items.collect::<Vec<_>>());
        }
        assert!(listed.is_empty());
    }

    async fn assert_carts(&mut self, world: &World) {
        for key in world.keys(Kind::Cart) {
            let cart = CartId(key.id128().unwrap());
            let unchanged = async |since| {
                let carts = self.read_side.unchanged_guest_carts(since).await.unwrap();
                carts.contains(&(world.tenant.clone(), cart))
            };
            match world.read(Request::Cart(cart, CartCommand::View { buyer: None })) {
                Outcome::Cart(Ok(CartReply::Cart(view))) => {
                    assert!(unchanged(view.updated_at.plus_ms(1)).await);
                    assert!(!unchanged(view.updated_at).await);
                    let own = self.read_side.carts(&world.tenant, &[view.buyer], whole_page(None)).await.unwrap();
                    assert!(own.items.contains(&(cart, view.created_at)));
                    self.saw("cart");
                }
                _ => {
                    assert!(!unchanged(Timestamp(u64::MAX)).await, "a deleted cart is not listed");
                    self.saw("cart deleted");
                }
            }
        }
    }

    async fn assert_stock(&mut self, world: &World) {
        for key in world.keys(Kind::Stock) {
            let sku = Sku::new(std::str::from_utf8(key.id()).unwrap()).unwrap();
            let levels = match world.read(Request::Stock(sku.clone(), StockCommand::View)) {
                Outcome::Stock(Ok(StockReply::Levels(levels))) => Some(levels),
                _ => None,
            };
            let row = self.read_side.stock(&world.tenant, &sku).await.unwrap();
            assert_eq!(row.map(|row| row.levels), levels, "{sku}");
        }
    }
}

fn whole_page(after: Option<Cursor>) -> PageRequest {
    PageRequest { limit: Limit::new(LIMIT_MAX).unwrap(), after }
}

fn drop_view(world: &World, drop: DropId) -> Option<DropView> {
    match world.read(Request::Drop(drop, DropCommand::View)) {
        Outcome::Drop(Ok(DropReply::Drop(view))) => Some(*view),
        _ => None,
    }
}

#[tokio::test]
async fn lists_show_what_entities_return_after_any_prefix_of_a_history() {
    let mut seen = BTreeSet::new();
    for seed in 0..HISTORIES {
        let mut merchant = Merchant::new(seed);
        merchant.crowd.shop.world.faults = Faults { copied: 15, lost: 10 };
        let mut lists = Lists::open().await;
        for _ in 0..ACTIONS {
            merchant.act();
            // Several actions in one call of the projector take other paths than one at a time.
            if merchant.crowd.shop.world.chance.percent(40) {
                lists.project(&merchant.crowd.shop.world).await;
                lists.assert_rows(&merchant.crowd.shop).await;
            }
        }
        merchant.crowd.shop.settle();
        lists.project(&merchant.crowd.shop.world).await;
        lists.assert_rows(&merchant.crowd.shop).await;

        // Applied in one call after a rebuild, the journal gives the same rows.
        lists.projector.clear_for_rebuild().await.unwrap();
        lists.next = 0;
        lists.project(&merchant.crowd.shop.world).await;
        lists.assert_rows(&merchant.crowd.shop).await;
        seen.append(&mut lists.seen);
    }
    for what in [
        "cart",
        "cart deleted",
        "checkout Completed",
        "checkout Failed",
        "checkout Pending",
        "checkout RequiresAction",
        "drop Cancelled",
        "drop Draft",
        "drop Ended",
        "drop None",
        "drop Open",
        "drop Scheduled",
        "order Authorized Unfulfilled",
        "order Failed Cancelled",
        "order Paid Fulfilled",
        "order PartiallyRefunded Fulfilled",
        "order Refunded Fulfilled",
        "product None",
        "product Some(Active)",
        "product Some(Archived)",
        "product Some(Draft)",
    ] {
        assert!(seen.contains(what), "no history reaches {what}: {seen:#?}");
    }
}
