//! Samples of checkouts.

use engine::{
    aggregate::KeyReused,
    cart::CartLine,
    checkout::{
        Checkout, CheckoutCommand, CheckoutEvent, CheckoutLine, CheckoutProblem, CheckoutRejection, CheckoutReply,
        CheckoutState, CheckoutTerms, CheckoutView, ClaimedVariant, Details, Grip, Source, StartCheckout, Totals,
    },
    id::{
        CartId, CheckoutId, ClaimId, ClaimRef, ContactId, DropId, EmailHash, HoldId, OrderId, PaymentId, ProductId,
        SubjectId,
    },
    money::Currency,
    product::OptionValue,
};

use crate::{
    Golden, Messages, Named, Sampled,
    golden::{
        cart,
        flash_drop::buyer,
        samples::{at, dollars, id, processed, sku, tenant, units},
    },
};

variants! {
    CheckoutEvent: Started, ClaimLocked, DropSeen, Locked, Quoted, Done, Denied, Numbered, QuotesAsked, HoldsAsked,
    AuthorisationAsked, ActionRequired, ConfirmationAsked, SaleAsked, OrderAsked, CaptureAsked, FinishAsked, Completed,
    Stopped, UndoAsked, Failed, Refused, StillPending, SweepAsked, Swept,
}

variants! {
    CheckoutProblem: ClaimNotFound, ClaimReleased, AlreadySold, CheckoutInProgress, TooManyCheckouts, LimitReached,
    CartNotFound, CartEmpty, NotForSale, InsufficientStock, PriceChanged, MixedCurrencies, TotalTooLarge, PaymentDeclined,
    CaptureFailed, GoodsLost, Cancelled, Expired, Unavailable,
}

#[test]
fn every_problem_has_a_sample() {
    let sampled: Vec<_> = problems().iter().map(|(_, problem)| problem.name()).collect();
    assert_eq!(sampled, CheckoutProblem::ALL);
}

fn claim(number: u8) -> ClaimRef {
    ClaimRef { drop: DropId(id(8)), claim: ClaimId(id(number)) }
}

fn details(source: Source) -> Box<Details> {
    Box::new(Details {
        tenant: tenant(),
        checkout: CheckoutId(id(1)),
        attempt: 2,
        buyer: SubjectId(id(2)),
        former: vec![SubjectId(id(3)), SubjectId(id(4))],
        customer: true,
        source,
        contact: ContactId(id(5)),
        email: EmailHash(id(6)),
        provider: "sandbox".to_owned(),
        token: "tok_challenge".to_owned(),
        expected_total: Some(dollars(6_450)),
        terms: CheckoutTerms { shipping_flat: 500, tax_basis_points: 1_900, currency: Some(Currency::USD) },
        processed: processed(80, 0),
        variants: None,
    })
}

fn totals() -> Totals {
    Totals { subtotal: dollars(5_000), shipping: dollars(500), tax: dollars(950), total: dollars(6_450) }
}

/// All problems: each is written inside `Denied`, `Failed`, and other events.
fn problems() -> Vec<(&'static str, CheckoutProblem)> {
    let all = vec![
        CheckoutProblem::ClaimNotFound { claim: claim(9) },
        CheckoutProblem::ClaimReleased { claim: claim(9) },
        CheckoutProblem::AlreadySold { claim: claim(9) },
        CheckoutProblem::CheckoutInProgress { checkout: CheckoutId(id(7)) },
        CheckoutProblem::TooManyCheckouts,
        CheckoutProblem::LimitReached { remaining: 3 },
        CheckoutProblem::CartNotFound,
        CheckoutProblem::CartEmpty,
        CheckoutProblem::NotForSale { sku: sku("MUG") },
        CheckoutProblem::InsufficientStock { sku: sku("MUG"), available: 1 },
        CheckoutProblem::PriceChanged { total: dollars(6_500) },
        CheckoutProblem::MixedCurrencies,
        CheckoutProblem::TotalTooLarge,
        CheckoutProblem::PaymentDeclined { code: "card_declined".to_owned() },
        CheckoutProblem::CaptureFailed { code: "expired".to_owned() },
        CheckoutProblem::GoodsLost,
        CheckoutProblem::Cancelled,
        CheckoutProblem::Expired,
        CheckoutProblem::Unavailable,
    ];
    all.into_iter().map(|problem| (problem.recorded_name(), problem)).collect()
}

impl Sampled for Checkout {
    fn golden() -> Golden<Self> {
        let locked_claim =
            |slot, name| CheckoutEvent::ClaimLocked { slot, sku: sku(name), quantity: units(1), price: dollars(2_500) };
        let history = vec![
            CheckoutEvent::Started { details: details(Source::Claims(vec![claim(9), claim(10)])) },
            locked_claim(16, "SHIRT-S"),
            CheckoutEvent::DropSeen { slot: 256, title: "Friday night".to_owned(), product: Some(ProductId(id(11))) },
            locked_claim(17, "SHIRT-M"),
            CheckoutEvent::AuthorisationAsked { totals: totals(), at: at(1) },
            CheckoutEvent::ActionRequired { url: "https://bank.test/3ds/1".to_owned(), expires_at: at(900), at: at(2) },
            CheckoutEvent::ConfirmationAsked { processed: processed(81, 60) },
            CheckoutEvent::SaleAsked { at: at(61) },
            CheckoutEvent::Done { slot: 16 },
            CheckoutEvent::Numbered { number: 1_234 },
        ];
        let others = vec![
            CheckoutEvent::Locked { lines: vec![cart::line(3, "MUG"), cart::line(4, "POSTER")] },
            CheckoutEvent::Quoted { slot: 16, price: dollars(1_300) },
            CheckoutEvent::QuotesAsked,
            CheckoutEvent::HoldsAsked { totals: totals(), at: at(1) },
            CheckoutEvent::OrderAsked { at: at(62) },
            CheckoutEvent::CaptureAsked { at: at(63) },
            CheckoutEvent::FinishAsked { at: at(64) },
            CheckoutEvent::Completed { order: OrderId(id(12)), at: at(65) },
            CheckoutEvent::Stopped {
                problem: CheckoutProblem::Cancelled,
                processed: Some(processed(82, 70)),
                at: at(70),
            },
            CheckoutEvent::UndoAsked { problem: CheckoutProblem::Expired, at: at(900) },
            CheckoutEvent::Failed { problem: CheckoutProblem::GoodsLost, at: at(901) },
            CheckoutEvent::Refused { problem: CheckoutProblem::TooManyCheckouts, at: at(3) },
            CheckoutEvent::StillPending { at: at(2) },
            CheckoutEvent::SweepAsked { attempt: 1, at: at(35) },
            CheckoutEvent::Swept { slot: (1 << 63) | (1 << 8) },
            CheckoutEvent::Denied { slot: 17, problem: CheckoutProblem::ClaimReleased { claim: claim(10) } },
        ];
        let denied = |problem| CheckoutEvent::Denied { slot: 16, problem };
        let mut sorts: Vec<_> = problems().into_iter().map(|(code, problem)| (code, denied(problem))).collect();
        sorts.push(("of-a-cart", CheckoutEvent::Started { details: details(Source::Cart(CartId(id(13)))) }));
        let size = |value: &str| OptionValue { name: "Size".to_owned(), value: value.to_owned() };
        let variant =
            ClaimedVariant { product: ProductId(id(11)), title: "Shirt".to_owned(), options: vec![size("S")] };
        let mut with_variants = details(Source::Claims(vec![claim(9), claim(10)]));
        with_variants.variants = Some(vec![Some(variant), None]);
        sorts.push(("with-variants", CheckoutEvent::Started { details: with_variants }));
        let shirt = CartLine { options: Some(vec![size("M")]), ..cart::line(5, "SHIRT-M") };
        sorts.push(("with-options", CheckoutEvent::Locked { lines: vec![cart::line(3, "MUG"), shirt] }));
        Golden { history, others, sorts, messages: messages() }
    }
}

variants! { CheckoutCommand: Start, Confirm, Cancel, View }
variants! { CheckoutReply: Checkout }
variants! { CheckoutRejection: NotFound, KeyReused, Refused, NotAllowed, TooManyAttempts, Invalid }

fn messages() -> Messages<Checkout> {
    let size = OptionValue { name: "Size".to_owned(), value: "S".to_owned() };
    let variant = ClaimedVariant { product: ProductId(id(11)), title: "Shirt".to_owned(), options: vec![size.clone()] };
    let start = StartCheckout {
        tenant: tenant(),
        checkout: CheckoutId(id(1)),
        buyer: buyer(),
        source: Source::Claims(vec![claim(9), claim(10)]),
        contact: ContactId(id(5)),
        email: EmailHash(id(6)),
        provider: "sandbox".to_owned(),
        token: "tok_challenge".to_owned(),
        expected_total: Some(dollars(6_450)),
        terms: CheckoutTerms { shipping_flat: 500, tax_basis_points: 1_900, currency: Some(Currency::USD) },
        variants: vec![Some(variant), None],
    };
    let of_a_cart = StartCheckout {
        source: Source::Cart(CartId(id(13))),
        expected_total: None,
        variants: Vec::new(),
        ..start.clone()
    };
    let commands = vec![
        ("", CheckoutCommand::Start(Box::new(start))),
        ("of-a-cart", CheckoutCommand::Start(Box::new(of_a_cart))),
        ("", CheckoutCommand::Confirm { buyer: buyer() }),
        ("", CheckoutCommand::Cancel { buyer: buyer() }),
        ("", CheckoutCommand::View { buyer: Some(buyer()) }),
        ("of-the-merchant", CheckoutCommand::View { buyer: None }),
    ];
    let line = |grip| CheckoutLine {
        sku: sku("SHIRT-S"),
        product: Some(ProductId(id(11))),
        title: "Shirt".to_owned(),
        quantity: units(2),
        unit_price: dollars(2_500),
        grip,
        options: Some(vec![size.clone()]),
    };
    let seen = |state| {
        CheckoutReply::Checkout(Box::new(CheckoutView {
            id: CheckoutId(id(1)),
            buyer: SubjectId(id(2)),
            state,
            lines: vec![line(Grip::Claim(claim(9))), line(Grip::Hold(HoldId(id(14))))],
            totals: Some(totals()),
            payment: Some(PaymentId(id(15))),
            started_at: at(0),
            expires_at: at(900),
        }))
    };
    let replies = vec![
        ("", seen(CheckoutState::Pending)),
        (
            "requires-action",
            seen(CheckoutState::RequiresAction { url: "https://bank.test/3ds/1".to_owned(), expires_at: at(800) }),
        ),
        ("completed", seen(CheckoutState::Completed { order: OrderId(id(12)) })),
        ("failed", seen(CheckoutState::Failed { problem: CheckoutProblem::Expired })),
    ];
    let mut rejections = vec![
        ("", CheckoutRejection::NotFound),
        ("", CheckoutRejection::KeyReused(KeyReused)),
        ("", CheckoutRejection::Refused(CheckoutProblem::TooManyCheckouts)),
        ("", CheckoutRejection::NotAllowed { why: "the checkout has expired".into() }),
        ("", CheckoutRejection::TooManyAttempts { retry_at: at(60) }),
        ("", CheckoutRejection::Invalid { pointer: "/claims".into(), why: "is out of range".into() }),
    ];
    rejections.extend(problems().into_iter().map(|(code, problem)| (code, CheckoutRejection::Refused(problem))));
    Messages { commands, replies, rejections }
}
