//! Samples of stock items.

use engine::{
    flash_drop::Totals,
    id::{DropId, HoldId, OrderId, ProductId, VariantId},
    stock::{StockEvent, StockItem},
};

use crate::{
    Golden, Sampled,
    samples::{at, id, processed, sku, tenant, units},
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
        Golden { history, others, sorts: vec![("of-a-forgotten-hold", forgotten)] }
    }
}
