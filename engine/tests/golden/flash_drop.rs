//! Samples of drops.

use engine::{
    aggregate::KeyReused,
    flash_drop::{
        Audience, Buyer, ClaimLock, ClaimNetwork, ClaimState, ClaimView, DropCommand, DropEdit, DropEvent,
        DropRejection, DropReply, DropState, DropView, FlashDrop, ItemEdit, ItemTerms, ItemView, NetworkHash,
        NetworkLimit, ReleaseReason, Sale, Terms, Totals,
    },
    id::{CheckoutId, ClaimId, ClaimRef, DropId, EmailHash, Fingerprint, OrderId, ProductId, SubjectId},
    money::Currency,
};

use crate::{
    Golden, Messages, Sampled,
    golden::samples::{at, dollars, id, processed, sku, tenant, units},
};

variants! {
    DropEvent: Created, UnitsAsked, UnitsCame, UnitsRefused, Published, Edited, Ended, Cancelled, Claimed, Released, Expired,
    ClaimLocked, ClaimUnlocked, Sold, Unsold, SettlementAsked, Settled,
}

fn terms() -> Terms {
    Terms {
        title: "Friday night".to_owned(),
        product: Some(ProductId(id(2))),
        per_buyer_max: units(4),
        hold_seconds: 120,
        starts_at: Some(at(60)),
        ends_at: at(3_600),
        audience: Audience::Customers,
        currency: Currency::USD,
        network_limit: None,
    }
}

fn items() -> Vec<ItemTerms> {
    vec![
        ItemTerms { sku: sku("SHIRT-S"), quantity: units(100), price: 2_500, compare_at: Some(3_000) },
        ItemTerms { sku: sku("SHIRT-M"), quantity: units(50), price: 2_600, compare_at: None },
    ]
}

fn created() -> DropEvent {
    DropEvent::Created {
        tenant: tenant(),
        drop: DropId(id(1)),
        terms: terms(),
        items: items(),
        draft: true,
        processed: processed(10, 0),
    }
}

fn edit() -> DropEdit {
    let item = ItemEdit {
        sku: sku("SHIRT-S"),
        add_quantity: Some(units(5)),
        quantity: Some(110),
        price: Some(2_400),
        compare_at: Some(2_900),
    };
    DropEdit {
        title: Some("Saturday night".to_owned()),
        starts_at: Some(at(70)),
        ends_at: Some(at(7_200)),
        per_buyer_max: Some(units(3)),
        hold_seconds: Some(180),
        audience: Some(Audience::Anyone),
        items: vec![item],
        network_limit: None,
    }
}

fn claimed(claim: u8, item: u16, quantity: i64, seconds: u64) -> DropEvent {
    DropEvent::Claimed {
        claim: ClaimId(id(claim)),
        buyer: SubjectId(id(claim + 100)),
        item,
        quantity: units(quantity),
        price: 2_500,
        fingerprint: Fingerprint(id(claim + 50)),
        at: at(seconds),
        until: at(seconds + 120),
        network: None,
        number: None,
    }
}

fn from_network(claim: u8, item: u16, quantity: i64, seconds: u64) -> DropEvent {
    let mut event = claimed(claim, item, quantity, seconds);
    if let DropEvent::Claimed { network, .. } = &mut event {
        *network = Some(NetworkHash(u64::MAX - 1));
    }
    event
}

impl Sampled for FlashDrop {
    fn golden() -> Golden<Self> {
        let claim = |number| ClaimId(id(number));
        let lock = |attempt| ClaimLock { checkout: CheckoutId(id(60)), attempt };
        let locked = |number, attempt| DropEvent::ClaimLocked {
            claim: claim(number),
            lock: lock(attempt),
            email: EmailHash(id(61)),
        };
        let asked_units =
            |processed, edit, units: &[(u16, u64)]| DropEvent::UnitsAsked { processed, edit, units: units.to_vec() };
        let history = vec![
            created(),
            asked_units(processed(11, 1), Some(edit()), &[(0, 100), (1, 50)]),
            DropEvent::UnitsCame { item: 0, at: at(2) },
            DropEvent::UnitsRefused { item: 1, available: 49, at: at(3) },
            asked_units(processed(12, 10), None, &[(0, 100), (1, 50)]),
            DropEvent::UnitsCame { item: 0, at: at(11) },
            DropEvent::UnitsCame { item: 1, at: at(12) },
            DropEvent::Published { at: at(12) },
            DropEvent::Edited { edit: edit(), processed: processed(13, 20) },
            claimed(1, 0, 1, 80),
            claimed(2, 1, 2, 81),
            claimed(3, 0, 3, 82),
            claimed(4, 0, 1, 83),
            claimed(5, 1, 1, 84),
            DropEvent::Released { claim: claim(1), at: at(90), quantity: None },
            locked(2, 1),
            DropEvent::ClaimUnlocked { claim: claim(2), lock: lock(1), until: at(690) },
            locked(3, 2),
            DropEvent::Sold { claim: claim(3), order: OrderId(id(62)), at: at(92), sale: None },
            locked(4, 3),
            DropEvent::Sold { claim: claim(4), order: OrderId(id(63)), at: at(93), sale: None },
            DropEvent::Unsold { claim: claim(4), at: at(94), sale: None },
            DropEvent::SettlementAsked { at: at(95) },
            DropEvent::Settled { item: 0, totals: Totals { sold: 4, unsold: 100, returned: 1 } },
            DropEvent::Expired { claims: vec![4, 1], at: at(700), units: None },
            from_network(6, 0, 2, 710),
        ];
        let others = vec![
            DropEvent::Ended { at: at(7_200), processed: Some(processed(14, 7_200)) },
            DropEvent::Cancelled { processed: processed(15, 7_300) },
        ];
        let mut limited = created();
        if let DropEvent::Created { terms, .. } = &mut limited {
            terms.network_limit = Some(NetworkLimit::Units(units(9)));
        }
        let edit = DropEdit { network_limit: Some(NetworkLimit::Standard), ..edit() };
        let edited = DropEvent::Edited { edit, processed: processed(16, 21) };
        let unlimited = DropEdit { network_limit: Some(NetworkLimit::Unlimited), ..DropEdit::default() };
        let unlimited = DropEvent::Edited { edit: unlimited, processed: processed(17, 22) };
        let mut numbered = from_network(8, 1, 2, 712);
        if let DropEvent::Claimed { number, .. } = &mut numbered {
            *number = Some(70_000);
        }
        let sale = Some(Sale { quantity: units(3), price: 2_500 });
        let (order, quantity) = (OrderId(id(64)), Some(units(2)));
        let sorts = vec![
            ("with-network-limit", limited),
            ("from-network", from_network(7, 0, 2, 711)),
            ("with-network-limit", edited),
            ("without-network-limit", unlimited),
            ("numbered", numbered),
            ("with-quantity", DropEvent::Released { claim: claim(8), at: at(713), quantity }),
            ("with-units", DropEvent::Expired { claims: vec![7, 8], at: at(714), units: Some(4) }),
            ("with-sale", DropEvent::Sold { claim: claim(8), order, at: at(715), sale }),
            ("with-sale", DropEvent::Unsold { claim: claim(8), at: at(716), sale }),
        ];
        Golden { history, others, sorts, messages: messages() }
    }
}

variants! {
    DropCommand: Create, Publish, Edit, End, Cancel, Claim, Release, LockClaim, UnlockClaim, Confirm, Unsell, View,
    ViewClaim, ListClaims,
}
variants! { DropReply: Drop, Claim, Claims, Done }
variants! {
    DropRejection: NotFound, ClaimNotFound, ItemNotFound, KeyReused, SoldOut, LimitReached, NetworkLimit, NotOpen, Ended,
    AccountRequired, AlreadySold, AlreadyReleased, CheckoutInProgress, TooManyCheckouts, TooManyClaims, TooManyOwnClaims,
    TooLate, InsufficientStock, StaleVersion, NotAllowed, Invalid,
}

pub(crate) fn buyer() -> Buyer {
    Buyer { subject: SubjectId(id(2)), former: vec![SubjectId(id(3)), SubjectId(id(4))], customer: true }
}

fn commands() -> Vec<(&'static str, DropCommand)> {
    let (claim, order) = (ClaimId(id(5)), OrderId(id(62)));
    let lock = ClaimLock { checkout: CheckoutId(id(60)), attempt: 2 };
    let network = Some(ClaimNetwork { hash: NetworkHash(u64::MAX - 1), exempt: true });
    let of_nobody = DropCommand::Claim { claim, buyer: buyer(), sku: None, quantity: units(1), network: None };
    vec![
        (
            "",
            DropCommand::Create { tenant: tenant(), drop: DropId(id(1)), terms: terms(), items: items(), draft: true },
        ),
        ("", DropCommand::Publish),
        ("", DropCommand::Edit { version: 3, edit: edit() }),
        ("", DropCommand::End),
        ("", DropCommand::Cancel),
        ("", DropCommand::Claim { claim, buyer: buyer(), sku: Some(sku("SHIRT-S")), quantity: units(2), network }),
        ("without-sku", of_nobody),
        ("", DropCommand::Release { claim, buyer: buyer() }),
        ("", DropCommand::LockClaim { claim, buyer: buyer(), lock, email: EmailHash(id(61)), deadline: at(30) }),
        ("", DropCommand::UnlockClaim { claim, lock, started_at: at(1) }),
        ("", DropCommand::Confirm { claim, lock, order }),
        ("", DropCommand::Unsell { claim, order }),
        ("", DropCommand::View),
        ("", DropCommand::ViewClaim { claim, buyer: Some(buyer()) }),
        ("", DropCommand::ListClaims { buyer: Some(buyer()), before: Some(70_000), limit: 50 }),
        ("of-everyone", DropCommand::ListClaims { buyer: None, before: None, limit: 50 }),
    ]
}

fn replies() -> Vec<(&'static str, DropReply)> {
    let item = ItemView {
        sku: sku("SHIRT-S"),
        quantity: 100,
        price: dollars(2_500),
        compare_at: Some(dollars(3_000)),
        available: 40,
        held: 10,
        sold: 30,
        returned: 20,
    };
    let drop = |state| DropView {
        id: DropId(id(1)),
        state,
        version: 4,
        terms: terms(),
        starts_at: Some(at(60)),
        per_network_max: Some(25),
        created_at: at(0),
        items: vec![item.clone()],
        as_of: at(90),
    };
    let claim = |state| ClaimView {
        id: ClaimRef { drop: DropId(id(1)), claim: ClaimId(id(5)) },
        buyer: SubjectId(id(2)),
        sku: sku("SHIRT-S"),
        quantity: units(2),
        unit_price: dollars(2_500),
        state,
        expires_at: at(200),
        created_at: at(80),
    };
    let lock = Some(ClaimLock { checkout: CheckoutId(id(60)), attempt: 2 });
    let sold = claim(ClaimState::Sold { order: OrderId(id(62)) });
    let released = |why| claim(ClaimState::Released { why });
    let all = vec![
        sold,
        released(ReleaseReason::GivenBack),
        released(ReleaseReason::Expired),
        released(ReleaseReason::CaptureFailed),
    ];
    vec![
        ("", DropReply::Drop(Box::new(drop(DropState::Open)))),
        ("draft", DropReply::Drop(Box::new(drop(DropState::Draft)))),
        ("scheduled", DropReply::Drop(Box::new(drop(DropState::Scheduled)))),
        ("sold-out", DropReply::Drop(Box::new(drop(DropState::SoldOut)))),
        ("ended", DropReply::Drop(Box::new(drop(DropState::Ended)))),
        ("cancelled", DropReply::Drop(Box::new(drop(DropState::Cancelled)))),
        ("", DropReply::Claim(claim(ClaimState::Held { until: at(200), lock }))),
        ("", DropReply::Claims(all, Some(17))),
        ("last-page", DropReply::Claims(Vec::new(), None)),
        ("", DropReply::Done),
    ]
}

fn messages() -> Messages<FlashDrop> {
    let rejections = vec![
        ("", DropRejection::NotFound),
        ("", DropRejection::ClaimNotFound),
        ("", DropRejection::ItemNotFound { sku: Some(sku("MUG")) }),
        ("without-sku", DropRejection::ItemNotFound { sku: None }),
        ("", DropRejection::KeyReused(KeyReused)),
        ("", DropRejection::SoldOut { available: 1, may_return: true }),
        ("", DropRejection::LimitReached { remaining: 2 }),
        ("", DropRejection::NetworkLimit { remaining: 3 }),
        ("", DropRejection::NotOpen { starts_at: Some(at(60)) }),
        ("not-published", DropRejection::NotOpen { starts_at: None }),
        ("", DropRejection::Ended),
        ("", DropRejection::AccountRequired),
        ("", DropRejection::AlreadySold),
        ("", DropRejection::AlreadyReleased),
        ("", DropRejection::CheckoutInProgress { checkout: CheckoutId(id(60)) }),
        ("", DropRejection::TooManyCheckouts),
        ("", DropRejection::TooManyClaims),
        ("", DropRejection::TooManyOwnClaims),
        ("", DropRejection::TooLate),
        ("", DropRejection::InsufficientStock { sku: sku("SHIRT-M"), available: 49 }),
        ("", DropRejection::StaleVersion { current: 5 }),
        ("", DropRejection::NotAllowed { why: "a draft cannot end".into() }),
        ("", DropRejection::Invalid { pointer: "/ends_at".to_owned(), why: "is out of range".into() }),
    ];
    Messages { commands: commands(), replies: replies(), rejections }
}
