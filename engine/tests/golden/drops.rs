//! Samples of drops.

use engine::{
    flash_drop::{
        Audience, ClaimLock, DropEdit, DropEvent, FlashDrop, ItemEdit, ItemTerms, NetworkHash, NetworkLimit, Sale,
        Terms, Totals,
    },
    id::{CheckoutId, ClaimId, DropId, EmailHash, Fingerprint, OrderId, ProductId, SubjectId},
    money::Currency,
};

use crate::{
    Golden, Sampled,
    samples::{at, id, processed, sku, tenant, units},
};

variants! {
    DropEvent: Created, UnitsAsked, UnitsCame, UnitsRefused, Published, Edited, Ended, Cancelled, Claimed, Released, Expired,
    ClaimLocked, ClaimUnlocked, Sold, Unsold, SettlementAsked, Settled,
}

fn created() -> DropEvent {
    DropEvent::Created {
        tenant: tenant(),
        drop: DropId(id(1)),
        terms: Terms {
            title: "Friday night".to_owned(),
            product: Some(ProductId(id(2))),
            per_buyer_max: units(4),
            hold_seconds: 120,
            starts_at: Some(at(60)),
            ends_at: at(3_600),
            audience: Audience::Customers,
            currency: Currency::USD,
            network_limit: None,
        },
        items: vec![
            ItemTerms { sku: sku("SHIRT-S"), quantity: units(100), price: 2_500, compare_at: Some(3_000) },
            ItemTerms { sku: sku("SHIRT-M"), quantity: units(50), price: 2_600, compare_at: None },
        ],
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
        Golden { history, others, sorts }
    }
}
