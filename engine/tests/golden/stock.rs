//! Samples of stock items.

use engine::{
    aggregate::KeyReused,
    flash_drop::Totals,
    id::{DropId, HoldId, OrderId, ProductId, VariantId},
    stock::{StockChange, StockCommand, StockEvent, StockItem, StockLevels, StockRejection, StockReply},
};

use crate::{
    Golden, Messages, Sampled,
    golden::samples::{at, id, processed, sku, tenant, units},
};

variants! {
    StockEvent: Adopted, Disowned, Adjusted, Allocated, Settled, Reserved, Confirmed, Released, Unsold, Expired,
    Restocked,
}

impl Sampled for StockItem {
    fn golden() -> Golden<Self> {
        let reserved = |hold, quantity, seconds: u64| StockEvent::Reserved {
            hold: HoldId(id(hold)),
            quantity: units(quantity),
            expires_at: at(seconds + 900),
            deadline: at(seconds + 30),
        };
        let history = vec![
            StockEvent::Adopted {
                tenant: tenant(),
                sku: sku("SHIRT-S"),
                product: ProductId(id(1)),
                variant: VariantId(id(2)),
            },
            StockEvent::Adjusted { delta: 1_000, reason: "delivery".to_owned(), processed: processed(3, 0) },
            StockEvent::Allocated { drop: DropId(id(4)), total: 300 },
            StockEvent::Settled { drop: DropId(id(4)), totals: Totals { sold: 120, unsold: 50, returned: 7 } },
            reserved(5, 2, 10),
            reserved(6, 3, 11),
            reserved(7, 4, 12),
            reserved(8, 5, 13),
            StockEvent::Confirmed { hold: HoldId(id(5)), at: at(20) },
            StockEvent::Confirmed { hold: HoldId(id(6)), at: at(21) },
            StockEvent::Unsold { hold: HoldId(id(6)), at: at(22), forgotten: None },
            StockEvent::Released { hold: HoldId(id(7)), at: at(23) },
            StockEvent::Restocked { order: OrderId(id(9)), total: 2 },
        ];
        let others =
            vec![StockEvent::Disowned, StockEvent::Expired { holds: vec![HoldId(id(8)), HoldId(id(7))], at: at(913) }];
        let forgotten = StockEvent::Unsold { hold: HoldId(id(10)), at: at(90_000), forgotten: Some(units(3)) };
        Golden { history, others, sorts: vec![("of-a-forgotten-hold", forgotten)], messages: messages() }
    }
}

variants! {
    StockCommand: Adopt, Disown, Adjust, Allocate, Settle, Reserve, Confirm, Release, Unsell, Restock, View,
}
variants! { StockReply: Done, Levels, Settled }
variants! {
    StockRejection: NotFound, SkuTaken, KeyReused, InsufficientAvailable, UnexpectedLevel, TooMany, TooManyHolds, TooLate,
    HoldEnded, ReportTooLarge,
}

fn messages() -> Messages<StockItem> {
    let (hold, drop, product, variant) = (HoldId(id(5)), DropId(id(4)), ProductId(id(1)), VariantId(id(2)));
    let adjust = |change| StockCommand::Adjust { change, reason: "delivery".to_owned() };
    let totals = Totals { sold: 120, unsold: 50, returned: 7 };
    let levels = StockLevels { on_hand: 1_000, available: 700, held: 50, allocated: 250, sold: 30 };
    let commands = vec![
        ("", StockCommand::Adopt { tenant: tenant(), sku: sku("SHIRT-S"), product, variant }),
        ("", StockCommand::Disown { variant }),
        ("", adjust(StockChange::By(-30))),
        ("to", adjust(StockChange::To { units: 500, expected: Some(470) })),
        ("to-whatever-it-was", adjust(StockChange::To { units: 500, expected: None })),
        ("first", adjust(StockChange::First(900))),
        ("", StockCommand::Allocate { drop, total: 300 }),
        ("", StockCommand::Settle { drop, totals }),
        ("", StockCommand::Reserve { hold, quantity: units(2), expires_at: at(900), deadline: at(30) }),
        ("", StockCommand::Confirm { hold }),
        ("", StockCommand::Release { hold }),
        ("", StockCommand::Unsell { hold, quantity: units(2) }),
        ("", StockCommand::Restock { order: OrderId(id(9)), total: 2 }),
        ("", StockCommand::View),
    ];
    let replies = vec![("", StockReply::Done), ("", StockReply::Levels(levels)), ("", StockReply::Settled(totals))];
    let rejections = vec![
        ("", StockRejection::NotFound),
        ("", StockRejection::SkuTaken { product }),
        ("", StockRejection::KeyReused(KeyReused)),
        ("", StockRejection::InsufficientAvailable { available: 700, levels }),
        ("", StockRejection::UnexpectedLevel { on_hand: 470 }),
        ("", StockRejection::TooMany),
        ("", StockRejection::TooManyHolds),
        ("", StockRejection::TooLate),
        ("", StockRejection::HoldEnded),
        ("", StockRejection::ReportTooLarge),
    ];
    Messages { commands, replies, rejections }
}
