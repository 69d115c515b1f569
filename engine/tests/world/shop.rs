//! A small shop in the simulation: two products with stock, a drop, and a varying set of buyers.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    cart::{CartCommand, CartRejection, CartReply, CartView},
    checkout::{
        CheckoutCommand, CheckoutReply, CheckoutState, CheckoutTerms, CheckoutView, Grip, Source, StartCheckout,
    },
    effect::{Outcome, Request},
    flash_drop::{Audience, Buyer, ClaimState, ClaimView, DropCommand, DropReply, DropView, ItemTerms, Terms},
    id::{
        CartId, CheckoutId, ClaimId, ClaimRef, CommandId, ContactId, DropId, EmailHash, OrderId, PaymentId, ProductId,
        Sku, SubjectId,
    },
    kinds::Kind,
    money::{Currency, Money},
    order::{LineSource, OrderCommand, OrderReply, OrderView},
    payment::{PaymentCommand, PaymentReply, PaymentView},
    product::{
        Handle, NewProduct, NewVariant, ProductCommand, ProductEdit, ProductReply, ProductView, SafeHtml, Status,
        VariantEdit, VariantSelector,
    },
    quantity::Quantity,
    stock::{StockChange, StockCommand, StockLevels, StockReply},
    time::Timestamp,
};

use super::{BEGINNING, World};

/// The units of each product at the start.
pub(crate) const SHIRTS: u64 = 6;
/// The units that the drop is allocated.
pub(crate) const SNEAKERS: u64 = 6;
/// The units of the drop's SKU that stay in the stock.
pub(crate) const SNEAKERS_LEFT: u64 = 2;
/// The duration of a claim's hold.
pub(crate) const HOLD_SECONDS: u32 = 120;
/// The duration of the drop.
pub(crate) const DROP_SECONDS: u64 = 3_600;

/// The shop.
pub(crate) struct Shop {
    /// The simulation that the shop is part of.
    pub(crate) world: World,
    /// The drop of the shop.
    pub(crate) drop: DropId,
    next_key: u128,
}

/// Creates an amount of US dollars from cents.
pub(crate) fn cents(amount: i64) -> Money {
    Money::new(amount, Currency::USD).unwrap()
}

/// Creates a SKU.
pub(crate) fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

/// Creates a guest buyer.
pub(crate) fn buyer(number: u128) -> Buyer {
    Buyer { subject: SubjectId(number), former: Vec::new(), customer: false }
}

fn units(units: u64) -> Quantity {
    Quantity::new(units as i64).unwrap()
}

impl Shop {
    /// Opens a shop with `SHIRTS` shirts and socks, and a drop of `SNEAKERS` sneakers, at most 4 for each buyer.
    pub(crate) fn open(seed: u64) -> Self {
        let mut shop = Shop { world: World::new(seed), drop: DropId(500), next_key: 1 };
        shop.add_product("SHIRT", 1_500, SHIRTS);
        shop.add_product("SOCKS", 500, SHIRTS);
        shop.add_product("SNEAKER", 9_900, SNEAKERS + SNEAKERS_LEFT);
        let create = DropCommand::Create {
            tenant: shop.world.tenant.clone(),
            drop: shop.drop,
            terms: Terms {
                title: "Friday sneakers".to_owned(),
                product: Some(product_of("SNEAKER", &shop.world)),
                per_buyer_max: units(4),
                hold_seconds: HOLD_SECONDS,
                starts_at: None,
                ends_at: BEGINNING.plus_seconds(DROP_SECONDS),
                audience: Audience::Anyone,
                currency: Currency::USD,
                network_limit: None,
            },
            items: vec![ItemTerms {
                sku: sku("SNEAKER"),
                quantity: units(SNEAKERS),
                price: 4_900,
                compare_at: Some(9_900),
            }],
            draft: false,
        };
        let drop = shop.drop;
        shop.expect(Request::Drop(drop, create));
        shop
    }

    fn add_product(&mut self, name: &str, price: i64, stock: u64) {
        let new = NewProduct {
            handle: Handle::new(&name.to_lowercase()).unwrap(),
            title: name.to_owned(),
            description: SafeHtml::clean("").unwrap(),
            vendor: String::new(),
            product_type: String::new(),
            tags: Vec::new(),
            images: Vec::new(),
            options: Vec::new(),
            status: Status::Active,
            currency: Currency::USD,
            variants: vec![NewVariant { sku: Some(sku(name)), options: Vec::new(), price, compare_at: None }],
        };
        let (tenant, product) = (self.world.tenant.clone(), product_of(name, &self.world));
        self.expect(Request::Product(product, ProductCommand::Create { tenant, new: Box::new(new) }));
        let adjust = StockCommand::Adjust { change: StockChange::First(stock), reason: "count".to_owned() };
        self.expect(Request::Stock(sku(name), adjust));
    }

    /// Returns an unused command id.
    pub(crate) fn new_key(&mut self) -> CommandId {
        self.next_key += 1;
        CommandId(self.next_key)
    }

    /// Sends a request with a new command id, and waits for the reply.
    pub(crate) fn ask(&mut self, request: Request) -> Outcome {
        let key = self.new_key();
        self.world.ask(key, request)
    }

    fn expect(&mut self, request: Request) {
        let told = self.ask(request);
        let accepted = matches!(
            told,
            Outcome::Stock(Ok(_)) | Outcome::Drop(Ok(_)) | Outcome::Product(Ok(_)) | Outcome::Cart(Ok(_))
        );
        assert!(accepted, "refused: {told:?}");
    }

    /// Changes the price of a product.
    pub(crate) fn set_price(&mut self, name: &str, price: i64) {
        let product = product_of(name, &self.world);
        let Outcome::Product(Ok(ProductReply::Product(view))) =
            self.ask(Request::Product(product, ProductCommand::View))
        else {
            panic!("no product")
        };
        let view: &ProductView = &view;
        let change = VariantEdit { id: Some(view.variants[0].id), price: Some(price), ..VariantEdit::default() };
        let edit = ProductEdit { variants: vec![change], ..ProductEdit::default() };
        self.ask(Request::Product(product, ProductCommand::Edit { version: view.version, edit: Box::new(edit) }));
    }

    /// Claims sneakers. Returns `None` if the claim is rejected.
    pub(crate) fn claim(&mut self, buyer: &Buyer, quantity: u64) -> Option<ClaimRef> {
        let key = self.new_key();
        let (drop, claim) = (self.drop, ClaimId(key.0));
        let command =
            DropCommand::Claim { claim, buyer: buyer.clone(), sku: None, quantity: units(quantity), network: None };
        match self.world.ask(key, Request::Drop(drop, command)) {
            Outcome::Drop(Ok(DropReply::Claim(_))) => Some(ClaimRef { drop, claim }),
            _ => None,
        }
    }

    /// Creates a cart.
    pub(crate) fn new_cart(&mut self, buyer: &Buyer) -> CartId {
        let key = self.new_key();
        let (tenant, cart) = (self.world.tenant.clone(), CartId(key.0));
        let create = CartCommand::Create { tenant, cart, buyer: buyer.clone(), currency: None };
        assert!(matches!(self.world.ask(key, Request::Cart(cart, create)), Outcome::Cart(Ok(_))));
        cart
    }

    /// Adds a line to a cart at the catalogue's price.
    pub(crate) fn add_line(
        &mut self,
        buyer: &Buyer,
        cart: CartId,
        name: &str,
        quantity: u64,
    ) -> Result<(), CartRejection> {
        let product = product_of(name, &self.world);
        let quote = self.world.read(Request::Product(product, ProductCommand::Quote(VariantSelector::Sku(sku(name)))));
        let Outcome::Product(Ok(ProductReply::Quote(quote))) = quote else { panic!("not for sale: {quote:?}") };
        let add = CartCommand::AddLine {
            buyer: buyer.clone(),
            sku: sku(name),
            product,
            variant: quote.variant,
            title: quote.title,
            options: quote.options,
            quantity: units(quantity),
            price: quote.price,
        };
        match self.ask(Request::Cart(cart, add)) {
            Outcome::Cart(told) => told.map(|_| ()),
            other => panic!("not a cart's answer: {other:?}"),
        }
    }

    /// Returns the request to start a checkout, with a new command id.
    pub(crate) fn checkout_of(
        &mut self,
        buyer: &Buyer,
        source: Source,
        token: &str,
    ) -> (CommandId, CheckoutId, Request) {
        let key = self.new_key();
        let checkout = CheckoutId(key.0);
        let start = StartCheckout {
            tenant: self.world.tenant.clone(),
            checkout,
            buyer: buyer.clone(),
            source,
            contact: ContactId(buyer.subject.0),
            email: EmailHash(buyer.subject.0),
            provider: "sandbox".to_owned(),
            token: token.to_owned(),
            expected_total: None,
            terms: CheckoutTerms { shipping_flat: 300, tax_basis_points: 700, currency: None },
            variants: Vec::new(),
        };
        (key, checkout, Request::Checkout(checkout, CheckoutCommand::Start(Box::new(start))))
    }

    /// Starts a checkout and waits for its first reply.
    pub(crate) fn check_out(&mut self, buyer: &Buyer, source: Source, token: &str) -> (CheckoutId, Outcome) {
        let (key, checkout, request) = self.checkout_of(buyer, source, token);
        (checkout, self.world.ask(key, request))
    }

    /// Returns the stock levels of a SKU.
    pub(crate) fn levels(&self, name: &str) -> StockLevels {
        match self.world.read(Request::Stock(sku(name), StockCommand::View)) {
            Outcome::Stock(Ok(StockReply::Levels(levels))) => levels,
            other => panic!("no levels: {other:?}"),
        }
    }

    /// Returns the drop.
    pub(crate) fn drop_view(&self) -> DropView {
        match self.world.read(Request::Drop(self.drop, DropCommand::View)) {
            Outcome::Drop(Ok(DropReply::Drop(view))) => *view,
            other => panic!("no drop: {other:?}"),
        }
    }

    /// Returns a claim.
    pub(crate) fn claim_view(&self, claim: ClaimRef) -> ClaimView {
        let view = DropCommand::ViewClaim { claim: claim.claim, buyer: None };
        match self.world.read(Request::Drop(claim.drop, view)) {
            Outcome::Drop(Ok(DropReply::Claim(view))) => view,
            other => panic!("no claim: {other:?}"),
        }
    }

    /// Returns all claims of the drop.
    pub(crate) fn claims(&self) -> Vec<ClaimView> {
        match self
            .world
            .read(Request::Drop(self.drop, DropCommand::ListClaims { buyer: None, before: None, limit: 10_000 }))
        {
            Outcome::Drop(Ok(DropReply::Claims(claims, None))) => claims,
            other => panic!("no claims: {other:?}"),
        }
    }

    /// Returns a cart, unless it was deleted.
    pub(crate) fn cart_view(&self, cart: CartId) -> Option<std::sync::Arc<CartView>> {
        match self.world.read(Request::Cart(cart, CartCommand::View { buyer: None })) {
            Outcome::Cart(Ok(CartReply::Cart(view))) => Some(view),
            _ => None,
        }
    }

    /// Returns a checkout, unless it was rejected.
    pub(crate) fn checkout_view(&self, checkout: CheckoutId) -> Option<CheckoutView> {
        match self.world.read(Request::Checkout(checkout, CheckoutCommand::View { buyer: None })) {
            Outcome::Checkout(Ok(CheckoutReply::Checkout(view))) => Some(*view),
            _ => None,
        }
    }

    /// Returns an order.
    pub(crate) fn order_view(&self, order: OrderId) -> Option<OrderView> {
        match self.world.read(Request::Order(order, OrderCommand::View { viewer: None })) {
            Outcome::Order(Ok(OrderReply::Order(view))) => Some(*view),
            _ => None,
        }
    }

    /// Returns a payment.
    pub(crate) fn payment_view(&self, payment: PaymentId) -> Option<PaymentView> {
        match self.world.read(Request::Payment(payment, PaymentCommand::View)) {
            Outcome::Payment(Ok(PaymentReply::Payment(view))) => Some(view),
            _ => None,
        }
    }

    /// Returns all checkouts that were not rejected.
    pub(crate) fn checkouts(&self) -> Vec<CheckoutView> {
        let ids = self.world.keys(Kind::Checkout).into_iter().filter_map(|key| key.id128());
        ids.filter_map(|id| self.checkout_view(CheckoutId(id))).collect()
    }

    /// Returns all orders.
    pub(crate) fn orders(&self) -> Vec<OrderView> {
        let ids = self.world.keys(Kind::Order).into_iter().filter_map(|key| key.id128());
        ids.filter_map(|id| self.order_view(OrderId(id))).collect()
    }

    /// Asserts what must hold at any time: money is captured only for an order whose claims are all sold, and no unit
    /// is created or lost.
    pub(crate) fn assert_sound(&self) {
        let orders: BTreeMap<PaymentId, OrderView> =
            self.orders().into_iter().map(|order| (order.payment, order)).collect();
        for (payment, account) in self.world.bank.accounts.iter().filter(|(_, account)| account.captures > 0) {
            let order = orders.get(payment).expect("money is taken for an order alone");
            assert_eq!((account.captures, account.captured), (1, order.totals.total.amount), "once, and all of it");
            for line in &order.lines {
                if let LineSource::Claim(claim) = line.source {
                    let sold = matches!(self.claim_view(claim).state, ClaimState::Sold { order: to } if to == order.id);
                    assert!(sold, "what is paid is sold");
                }
            }
        }
        for (name, stock) in [("SHIRT", SHIRTS), ("SOCKS", SHIRTS), ("SNEAKER", SNEAKERS + SNEAKERS_LEFT)] {
            let levels = self.levels(name);
            assert!(levels.on_hand + levels.sold >= stock, "units of {name} are lost: {levels:?}");
            let back = if self.anything_restocked() { stock } else { 0 };
            assert!(levels.on_hand + levels.sold <= stock + back, "units of {name} were made: {levels:?}");
        }
    }

    fn anything_restocked(&self) -> bool {
        self.orders().iter().any(|order| order.status.restocked)
    }

    /// Asserts what must hold when everything is settled and the drop is over.
    pub(crate) fn assert_settled(&self) {
        self.assert_sound();
        let (mut sold, mut restocked) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
        let (mut paid, mut numbers, mut claimed) = (BTreeSet::new(), BTreeSet::new(), 0);
        for checkout in self.checkouts() {
            match &checkout.state {
                CheckoutState::Completed { order } => {
                    let order = self.order_view(*order).expect("a completed checkout has its order");
                    assert_eq!(Some(order.totals.total), checkout.totals.map(|totals| totals.total));
                    assert_eq!(order.lines.len(), checkout.lines.len());
                    assert!(order.status.paid_at.is_some(), "it is paid: {:?}", order.status);
                    assert!(numbers.insert(order.number), "the number {} is given twice", order.number);
                    let account = self.world.bank.accounts.get(&order.payment).copied().unwrap_or_default();
                    assert_eq!((account.captures, account.captured), (1, order.totals.total.amount));
                    assert_eq!(account.refunded, order.refunded.amount);
                    paid.insert(order.payment);
                    for line in &checkout.lines {
                        *sold.entry(line.sku.to_string()).or_default() += line.quantity.units();
                        if order.status.restocked {
                            *restocked.entry(line.sku.to_string()).or_default() += line.quantity.units();
                        }
                        if let Grip::Claim(claim) = line.grip {
                            claimed += line.quantity.units();
                            assert!(
                                matches!(self.claim_view(claim).state, ClaimState::Sold { order: to } if to == order.id)
                            );
                        }
                    }
                }
                CheckoutState::Failed { .. } => {}
                other => panic!("a checkout has not settled: {other:?}"),
            }
        }
        for (payment, account) in &self.world.bank.accounts {
            assert_eq!(account.authorised, 0, "no authorisation remains");
            assert!(paid.contains(payment) || account.captured == 0, "what did not complete was not paid");
        }
        for order in self.orders() {
            assert!(paid.contains(&order.payment) || order.status.cancelled_at.is_some(), "an order is left over");
        }
        for claim in self.claims() {
            assert!(!matches!(claim.state, ClaimState::Held { .. }), "a claim is still held: {claim:?}");
        }
        for key in self.world.keys(Kind::Cart) {
            let cart = self.cart_view(CartId(key.id128().unwrap()));
            assert_eq!(cart.and_then(|cart| cart.checkout), None, "a cart is still locked");
        }
        let item = &self.drop_view().items[0];
        let all = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
        assert_eq!((item.available, item.held, item.sold), (0, 0, claimed), "the drop adds up");
        for (name, stock) in [("SHIRT", SHIRTS), ("SOCKS", SHIRTS), ("SNEAKER", SNEAKERS + SNEAKERS_LEFT)] {
            let levels = self.levels(name);
            assert_eq!((levels.held, levels.allocated), (0, 0), "nothing of {name} is held: {levels:?}");
            assert_eq!(levels.sold, all(&sold, name), "{name}: what is sold is ordered");
            assert_eq!(levels.on_hand + levels.sold, stock + all(&restocked, name), "units of {name} add up");
        }
    }

    /// Runs the simulation until all messages are delivered, all holds have ended, and the drop is over.
    pub(crate) fn settle(&mut self) {
        let horizon: Timestamp = self.world.now.plus_seconds(DROP_SECONDS + 3_600);
        self.world.settle(horizon);
    }
}

/// Returns the product id of a SKU of this shop.
pub(crate) fn product_of(name: &str, world: &World) -> ProductId {
    Handle::new(&name.to_lowercase()).unwrap().product(&world.tenant)
}
