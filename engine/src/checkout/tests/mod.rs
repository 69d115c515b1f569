#![allow(clippy::unwrap_used)]

mod answering;
mod model;
mod rules;

use super::*;
use crate::{
    aggregate::{Aggregate, Saga, Timers},
    cart::{CartLine, CartReply, CartView},
    effect::{Effect, Outcome, Request},
    flash_drop::{Audience, ClaimLock, ClaimState, ClaimView, DropReply, DropState, DropView, Terms},
    id::{ClaimId, CommandId, DropId, LineId, VariantId},
    money::Currency,
    order::{OrderReply, OrderView},
    order_numbers::OrderNumbersReply,
    payment::{PaymentReply, PaymentState, PaymentView},
    product::{ProductReply, Quote},
    stock::StockReply,
    testing::History,
};

type Shop = History<Checkout>;

const CHECKOUT: CheckoutId = CheckoutId(77);
const CART: CartId = CartId(5);
const START: CommandId = CommandId(1_000);

fn dollars(amount: i64) -> Money {
    Money::new(amount, Currency::USD).unwrap()
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

fn claim(number: u128) -> ClaimRef {
    ClaimRef { drop: DropId(number / 10), claim: ClaimId(number) }
}

fn buyer() -> Buyer {
    Buyer { subject: SubjectId(1), former: vec![SubjectId(2)], customer: false }
}

fn start(source: Source) -> StartCheckout {
    StartCheckout {
        tenant: TenantId::new("demo").unwrap(),
        checkout: CHECKOUT,
        buyer: buyer(),
        source,
        contact: ContactId(3),
        email: EmailHash(4),
        provider: "sandbox".to_owned(),
        token: "tok_approve".to_owned(),
        expected_total: None,
        terms: CheckoutTerms::default(),
        variants: Vec::new(),
    }
}

fn of_claims() -> StartCheckout {
    start(Source::Claims(vec![claim(11), claim(12)]))
}

fn of_cart() -> StartCheckout {
    start(Source::Cart(CART))
}

fn given(start: StartCheckout) -> Shop {
    let mut shop = Shop::default();
    assert_eq!(begin(&mut shop, start), None, "others have to answer first");
    shop
}

type Told = Option<Result<CheckoutReply, CheckoutRejection>>;

fn begin(shop: &mut Shop, start: StartCheckout) -> Told {
    shop.ask_as(START, CheckoutCommand::Start(Box::new(start)))
}

/// The answer of a target that accepts the request.
fn consent(request: &Request) -> Outcome {
    match request {
        Request::Drop(drop, crate::flash_drop::DropCommand::LockClaim { claim, lock: claim_lock, .. }) => {
            Outcome::Drop(Ok(DropReply::Claim(locked_claim(*drop, *claim, *claim_lock))))
        }
        Request::Drop(drop, crate::flash_drop::DropCommand::View) => {
            Outcome::Drop(Ok(DropReply::Drop(Box::new(drop_view(*drop)))))
        }
        Request::Drop(..) => Outcome::Drop(Ok(DropReply::Done)),
        Request::Cart(_, crate::cart::CartCommand::BeginCheckout { .. }) => {
            Outcome::Cart(Ok(CartReply::Cart(std::sync::Arc::new(cart_view()))))
        }
        Request::Cart(..) => Outcome::Cart(Ok(CartReply::Done)),
        Request::Product(
            product,
            crate::product::ProductCommand::Quote(crate::product::VariantSelector::Sku(wanted)),
        ) => {
            let line = cart_view().lines.iter().find(|line| line.sku == *wanted).unwrap().clone();
            Outcome::Product(Ok(ProductReply::Quote(quote(*product, &line, line.price))))
        }
        Request::Stock(..) => Outcome::Stock(Ok(StockReply::Done)),
        Request::OrderNumbers(..) => Outcome::OrderNumbers(Ok(OrderNumbersReply::Number(42))),
        Request::Order(order, _) => Outcome::Order(Ok(OrderReply::Order(Box::new(order_view(*order))))),
        Request::Payment(payment, command) => match command {
            crate::payment::PaymentCommand::Void => Outcome::Payment(Ok(PaymentReply::Voided)),
            crate::payment::PaymentCommand::Capture => pays(*payment, PaymentState::Captured),
            _ => pays(*payment, PaymentState::Authorised),
        },
        other => panic!("a checkout does not ask {other:?}"),
    }
}

fn pays(id: PaymentId, state: PaymentState) -> Outcome {
    let (amount, zero) = (dollars(0), dollars(0));
    let view = PaymentView { id, provider: "sandbox".into(), state, amount, captured: zero, refunded: zero };
    Outcome::Payment(Ok(PaymentReply::Payment(view)))
}

fn locked_claim(drop: DropId, claim: ClaimId, claim_lock: ClaimLock) -> ClaimView {
    ClaimView {
        id: ClaimRef { drop, claim },
        buyer: SubjectId(1),
        sku: sku(&format!("DROP-{}", claim.0)),
        quantity: quantity(2),
        unit_price: dollars(1_000),
        state: ClaimState::Held { until: Timestamp(2_000_000), lock: Some(claim_lock) },
        expires_at: Timestamp(2_000_000),
        created_at: Timestamp(1_000_000),
    }
}

fn drop_view(id: DropId) -> DropView {
    DropView {
        id,
        state: DropState::Open,
        version: 1,
        terms: Terms {
            title: "Friday".to_owned(),
            product: Some(ProductId(8)),
            per_buyer_max: quantity(5),
            hold_seconds: 120,
            starts_at: None,
            ends_at: Timestamp(9_000_000),
            audience: Audience::Anyone,
            currency: Currency::USD,
            network_limit: None,
        },
        starts_at: None,
        per_network_max: None,
        created_at: Timestamp(1),
        items: Vec::new(),
        as_of: Timestamp(1),
    }
}

fn cart_line(number: u128, name: &str, units: i64, price: i64) -> std::sync::Arc<CartLine> {
    std::sync::Arc::new(CartLine {
        id: LineId(number),
        sku: sku(name),
        product: ProductId(9),
        variant: VariantId(number),
        title: name.to_lowercase(),
        quantity: quantity(units),
        price: dollars(price),
        options: Some(vec![size(name)]),
    })
}

fn size(value: &str) -> OptionValue {
    OptionValue { name: "Size".to_owned(), value: value.to_owned() }
}

fn cart_view() -> CartView {
    CartView {
        id: CART,
        buyer: SubjectId(1),
        currency: Some(Currency::USD),
        lines: vec![cart_line(1, "SHIRT", 2, 1_500), cart_line(2, "SOCKS", 1, 500)],
        subtotal: Some(dollars(3_500)),
        checkout: Some(CHECKOUT),
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
    }
}

fn quote(product: ProductId, line: &CartLine, price: Money) -> Quote {
    Quote {
        product,
        variant: line.variant,
        sku: line.sku.clone(),
        title: line.title.clone(),
        variant_title: String::new(),
        price,
        compare_at: None,
        image: None,
        options: Vec::new(),
    }
}

fn order_view(id: OrderId) -> OrderView {
    let zero = dollars(0);
    OrderView {
        id,
        number: 42,
        buyer: SubjectId(1),
        contact: ContactId(3),
        checkout: CHECKOUT,
        payment: PaymentId(1),
        lines: Vec::new(),
        totals: crate::order::OrderTotals { subtotal: zero, shipping: zero, tax: zero, total: zero },
        refunded: zero,
        placed_at: Timestamp(1),
        status: crate::order::Status::default(),
        changes: Vec::new(),
    }
}

/// The outstanding requests, in words.
fn asks(shop: &Shop) -> Vec<String> {
    shop.open.values().map(|effect| described(&effect.request)).collect()
}

/// A request in two words: its target and its command.
fn described(request: &Request) -> String {
    let text = format!("{request:?}");
    let (kind, rest) = text.split_once('(').unwrap();
    let command = match request {
        Request::Stock(_, command) => format!("{command:?}"),
        Request::Drop(_, command) => format!("{command:?}"),
        Request::Cart(_, command) => format!("{command:?}"),
        Request::Order(_, command) => format!("{command:?}"),
        Request::Payment(_, command) => format!("{command:?}"),
        Request::Product(_, command) => format!("{command:?}"),
        Request::OrderNumbers(_, command) => format!("{command:?}"),
        _ => rest.to_owned(),
    };
    let command = command.split([' ', '(', ')']).next().unwrap_or_default();
    format!("{kind} {command}")
}

/// Every target accepts its outstanding request, once.
fn consent_all(shop: &mut Shop) {
    let open: Vec<Effect> = shop.open.values().cloned().collect();
    for effect in open {
        shop.answer(effect.id, &consent(&effect.request));
    }
}

/// Every target accepts, until this request is outstanding.
fn consent_until(shop: &mut Shop, wanted: &str) -> Effect {
    for _ in 0..10 {
        if let Some(effect) = shop.open.values().find(|effect| described(&effect.request) == wanted) {
            return effect.clone();
        }
        consent_all(shop);
    }
    panic!("{wanted} is never asked for, but {:?}", asks(shop));
}

/// Answers the request with this name after every other target has accepted.
fn answer(shop: &mut Shop, wanted: &str, outcome: &Outcome) {
    let effect = consent_until(shop, wanted);
    let others: Vec<Effect> = shop.open.values().filter(|other| other.id != effect.id).cloned().collect();
    for other in others {
        shop.answer(other.id, &consent(&other.request));
    }
    shop.answer(effect.id, outcome);
}

fn finish(shop: &mut Shop) {
    for _ in 0..10 {
        consent_all(shop);
    }
    assert_eq!(asks(shop), Vec::<String>::new());
}

fn wake(shop: &mut Shop, later_ms: u64) {
    shop.now = shop.now.plus_ms(later_ms);
    for event in shop.state.on_wake(shop.now) {
        shop.given(event);
    }
    assert!(shop.state.wake_at().is_none_or(|at| at > shop.now), "a wake does what was due");
}

fn view(shop: &Shop) -> CheckoutView {
    shop.state.existing().unwrap().view()
}

fn failed(problem: CheckoutProblem) -> CheckoutState {
    CheckoutState::Failed { problem }
}

fn settled(shop: &Shop, command: CommandId) -> Told {
    shop.state.deferred_reply(&crate::aggregate::DeferredReply { command_id: command, duplicate: true }, shop.now)
}

fn told_state(told: Told) -> CheckoutState {
    match told {
        Some(Ok(CheckoutReply::Checkout(view))) => view.state,
        other => panic!("not a checkout: {other:?}"),
    }
}
