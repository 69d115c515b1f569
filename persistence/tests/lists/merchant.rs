//! A random merchant, beside the random buyers of the simulation.

use engine::{
    cart::CartCommand,
    effect::{Outcome, Request},
    flash_drop::{Audience, DropCommand, DropEdit, ItemEdit, ItemTerms, Terms},
    id::{CartId, DropId, ProductId, Sku},
    kinds::Kind,
    money::Currency,
    order::{OrderCommand, line_id},
    product::{
        Handle, NewProduct, NewVariant, ProductCommand, ProductEdit, ProductReply, SafeHtml, Status, VariantEdit,
    },
    quantity::Quantity,
    stock::{StockChange, StockCommand},
    time::Timestamp,
};

use crate::world::{
    crowd::Crowd,
    shop::{buyer, cents, product_of, sku},
};

/// The number of drops and of products that the merchant creates and changes.
const THINGS: usize = 3;

/// A merchant with a crowd of buyers.
pub(crate) struct Merchant {
    /// The buyers, and the shop.
    pub(crate) crowd: Crowd,
}

impl Merchant {
    /// Opens the shop.
    pub(crate) fn new(seed: u64) -> Self {
        Self { crowd: Crowd::new(seed) }
    }

    /// Takes one random action, as a buyer or as the merchant.
    pub(crate) fn act(&mut self) {
        match self.below(10) {
            0..6 => self.crowd.act(),
            6 => self.change_product(),
            7 => self.change_drop(),
            8 => self.change_order(),
            _ => self.change_stock_or_cart(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.crowd.shop.world.chance.below(bound)
    }

    fn units(&mut self, max: usize) -> Quantity {
        Quantity::new(1 + self.below(max) as i64).unwrap()
    }

    fn name(&mut self) -> Sku {
        sku(["SHIRT", "SOCKS", "SNEAKER"][self.below(3)])
    }

    /// Sends a command without waiting for its reply.
    fn send(&mut self, request: Request) {
        let key = self.crowd.shop.new_key();
        self.crowd.shop.world.send(key, request);
    }

    fn change_product(&mut self) {
        let handle = format!("hat-{}", self.below(THINGS));
        let product = match self.below(4) {
            0 => product_of("SHIRT", &self.crowd.shop.world),
            _ => product_of(&handle, &self.crowd.shop.world),
        };
        let view = match self.crowd.shop.world.read(Request::Product(product, ProductCommand::View)) {
            Outcome::Product(Ok(ProductReply::Product(view))) => view,
            _ => return self.create_product(product, &handle),
        };
        let text = format!("Title {}", self.below(100));
        let mut edit = ProductEdit::default();
        match self.below(6) {
            0 => edit.title = Some(text),
            1 => edit.description = Some(SafeHtml::clean(&text).unwrap()),
            2 => edit.tags = Some(vec![text]),
            3 => (edit.vendor, edit.product_type) = (Some(text.clone()), Some(text)),
            // The buyers need the shirt with its only variant.
            _ if view.options.is_empty() => edit.title = Some(text),
            4 => edit.status = Some([Status::Active, Status::Draft, Status::Archived][self.below(3)]),
            _ => self.change_variants(&view.variants.iter().map(|variant| variant.id).collect::<Vec<_>>(), &mut edit),
        }
        self.send(Request::Product(product, ProductCommand::Edit { version: view.version, edit: Box::new(edit) }));
    }

    fn create_product(&mut self, product: ProductId, handle: &str) {
        // A taken SKU makes the stock item refuse the product.
        let first = if self.below(3) == 0 { sku("SHIRT") } else { sku(&format!("{handle}-s")) };
        let variant = |sku: Sku, size: &str| NewVariant {
            sku: Some(sku),
            options: vec![size.to_owned()],
            price: 700,
            compare_at: None,
        };
        let new = NewProduct {
            handle: Handle::new(handle).unwrap(),
            title: "Hat".to_owned(),
            description: SafeHtml::clean("<p>Warm</p>").unwrap(),
            vendor: String::new(),
            product_type: "Hat".to_owned(),
            tags: vec!["winter".to_owned()],
            images: Vec::new(),
            options: vec!["Size".to_owned()],
            status: Status::Active,
            currency: Currency::USD,
            variants: vec![variant(first, "S"), variant(sku(&format!("{handle}-m")), "M")],
        };
        let tenant = self.crowd.shop.world.tenant.clone();
        self.send(Request::Product(product, ProductCommand::Create { tenant, new: Box::new(new) }));
    }

    fn change_variants(&mut self, known: &[engine::id::VariantId], edit: &mut ProductEdit) {
        let some = known[self.below(known.len())];
        let change = VariantEdit { id: Some(some), price: Some(self.below(900) as i64), ..VariantEdit::default() };
        match self.below(3) {
            0 => edit.variants = vec![change],
            1 if known.len() > 1 => edit.remove = vec![some],
            _ => {
                let size = format!("X{}", self.below(20));
                let new = VariantEdit { options: Some(vec![size]), price: Some(900), ..VariantEdit::default() };
                edit.variants = vec![new];
            }
        }
    }

    fn change_drop(&mut self) {
        let drop = DropId(600 + self.below(THINGS) as u128);
        let Some(view) = super::drop_view(&self.crowd.shop.world, drop) else { return self.create_drop(drop) };
        let command = match self.below(12) {
            0..3 => DropCommand::Publish,
            3 => DropCommand::End,
            4 => DropCommand::Cancel,
            _ => DropCommand::Edit { version: view.version, edit: self.drop_edit() },
        };
        self.send(Request::Drop(drop, command));
    }

    fn create_drop(&mut self, drop: DropId) {
        let now = self.crowd.shop.world.now;
        let item = |sku: Sku, quantity: Quantity| ItemTerms { sku, quantity, price: 800, compare_at: Some(1_500) };
        let create = DropCommand::Create {
            tenant: self.crowd.shop.world.tenant.clone(),
            drop,
            terms: Terms {
                title: "Monday".to_owned(),
                product: None,
                per_buyer_max: Quantity::ONE,
                hold_seconds: 60,
                starts_at: (self.below(2) == 0).then(|| now.plus_seconds(60)),
                ends_at: now.plus_seconds(2_000),
                audience: Audience::Anyone,
                currency: Currency::USD,
                network_limit: None,
            },
            items: vec![item(sku("SHIRT"), self.units(4)), item(sku("SOCKS"), self.units(9))],
            draft: self.below(2) == 0,
        };
        self.send(Request::Drop(drop, create));
    }

    fn drop_edit(&mut self) -> DropEdit {
        let mut edit = DropEdit::default();
        match self.below(5) {
            0 => edit.title = Some(format!("Title {}", self.below(100))),
            1 => edit.per_buyer_max = Some(self.units(5)),
            2 => edit.ends_at = Some(self.crowd.shop.world.now.plus_seconds(3_000)),
            _ => {
                let item = ItemEdit {
                    sku: self.name(),
                    add_quantity: (self.below(2) == 0).then(|| self.units(3)),
                    quantity: (self.below(2) == 0).then(|| self.below(5) as u32),
                    price: Some(500 + self.below(500) as i64),
                    compare_at: (self.below(3) == 0).then_some(2_000),
                };
                edit.items = vec![item];
            }
        }
        edit
    }

    fn change_order(&mut self) {
        let orders = self.crowd.shop.orders();
        if orders.is_empty() {
            return;
        }
        let order = &orders[self.below(orders.len())];
        let line = line_id(order.id, 0);
        let command = match self.below(5) {
            0 => OrderCommand::Fulfil { lines: None, tracking: Some("1Z999".to_owned()) },
            1 => OrderCommand::Fulfil { lines: Some(vec![(line, Quantity::ONE)]), tracking: None },
            2 => OrderCommand::Refund { amount: cents(100), reason: "late".to_owned(), restock: false },
            3 => OrderCommand::RefundLines {
                lines: vec![(line, Quantity::ONE, self.below(2) == 0)],
                reason: "bent".to_owned(),
            },
            _ => OrderCommand::ChangeTracking {
                fulfillment: order.fulfillments().first().map_or(engine::id::FulfillmentId(1), |parcel| parcel.id),
                tracking: Some("2Z111".to_owned()),
            },
        };
        self.send(Request::Order(order.id, command));
    }

    fn change_stock_or_cart(&mut self) {
        if self.below(3) == 0 {
            let change = StockChange::By(self.below(5) as i64 - 2);
            let name = self.name();
            let reason = "count".to_owned();
            return self.send(Request::Stock(name, StockCommand::Adjust { change, reason }));
        }
        let carts = self.crowd.shop.world.keys(Kind::Cart);
        if carts.is_empty() {
            return;
        }
        let cart = CartId(carts[self.below(carts.len())].id128().unwrap());
        let Some(view) = self.crowd.shop.cart_view(cart) else { return };
        let owner = buyer(view.buyer.0);
        let line = view.lines.first().map(|line| line.id);
        let command = match (self.below(8), line) {
            (0..3, Some(line)) => CartCommand::ChangeLine { buyer: owner, line, quantity: self.units(3) },
            (3, Some(line)) => CartCommand::RemoveLine { buyer: owner, line },
            (4, _) => CartCommand::Delete { buyer: owner },
            (5, _) => CartCommand::Expire { unchanged_since: Timestamp(u64::MAX) },
            _ => return,
        };
        self.send(Request::Cart(cart, command));
    }
}
