#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::{
    aggregate::{Aggregate, Answer, Context, Timers},
    id::{CommandId, Fingerprint},
    snapshot::Persist,
};

mod bounds;
mod unselling;

const T0: Timestamp = Timestamp(1_000_000);

struct Given(StockItem);

impl Given {
    fn units(count: u64) -> Self {
        let mut given = Given(StockItem::default());
        let adopt = StockCommand::Adopt {
            tenant: TenantId::new("t").unwrap(),
            sku: Sku::new("S").unwrap(),
            product: ProductId(1),
            variant: VariantId(1),
        };
        given.when(1, adopt).unwrap();
        given.when(2, adjust(StockChange::First(count))).unwrap();
        given
    }

    fn at(&mut self, now: Timestamp, id: u128, command: StockCommand) -> Result<Answer<StockReply>, StockRejection> {
        let context = Context {
            now,
            command_id: CommandId(id),
            former_ids: Vec::new(),
            former_fingerprint: None,
            fingerprint: Fingerprint(id),
        };
        let decision = self.0.decide(&command, &context)?;
        for event in &decision.events {
            self.0.apply(event);
        }
        Ok(decision.answer)
    }

    fn when(&mut self, id: u128, command: StockCommand) -> Result<Answer<StockReply>, StockRejection> {
        self.at(T0, id, command)
    }

    fn wake(&mut self, now: Timestamp) {
        for event in self.0.on_wake(now) {
            self.0.apply(&event);
        }
    }

    fn levels(&self) -> (u64, u64, u64, u64, u64) {
        let StockLevels { on_hand, available, held, allocated, sold } = self.0.summary.levels;
        (on_hand, available, held, allocated, sold)
    }
}

fn adjust(change: StockChange) -> StockCommand {
    StockCommand::Adjust { change, reason: "count".into() }
}

fn reserve(hold: u128, units: i64) -> StockCommand {
    StockCommand::Reserve {
        hold: HoldId(hold),
        quantity: Quantity::new(units).unwrap(),
        expires_at: T0.plus_seconds(60),
        deadline: T0.plus_seconds(10),
    }
}

fn unsell(hold: u128, units: i64) -> StockCommand {
    StockCommand::Unsell { hold: HoldId(hold), quantity: Quantity::new(units).unwrap() }
}

#[test]
fn stock_goes_below_nothing_that_is_promised() {
    let mut given = Given::units(10);
    given.when(3, reserve(1, 4)).unwrap();
    given.when(4, StockCommand::Allocate { drop: DropId(1), total: 5 }).unwrap();
    let refused = given.when(5, adjust(StockChange::By(-2))).unwrap_err();
    let levels = StockLevels { on_hand: 10, available: 1, held: 4, allocated: 5, sold: 0 };
    assert_eq!(refused, StockRejection::InsufficientAvailable { available: 1, levels });
    assert!(given.when(6, adjust(StockChange::By(-1))).is_ok());
    assert_eq!(given.levels(), (9, 0, 4, 5, 0));
}

#[test]
fn a_repeated_adjustment_gets_the_same_answer_and_changes_nothing() {
    let mut given = Given::units(10);
    let first = given.when(3, adjust(StockChange::By(5))).unwrap();
    given.when(4, adjust(StockChange::By(-9))).unwrap();
    let (Answer::Now(first), Answer::Duplicate(again)) = (first, given.when(3, adjust(StockChange::By(5))).unwrap())
    else {
        panic!("not a repeat")
    };
    assert_eq!((first, given.levels().0), (again, 6));
}

#[test]
fn a_count_is_refused_when_the_shelf_changed_meanwhile() {
    let mut given = Given::units(10);
    let set = |expected| adjust(StockChange::To { units: 7, expected: Some(expected) });
    assert_eq!(given.when(3, set(9)).unwrap_err(), StockRejection::UnexpectedLevel { on_hand: 10 });
    assert!(given.when(4, set(10)).is_ok());
    assert_eq!(given.levels().0, 7);
}

#[test]
fn an_import_sets_stock_once() {
    let mut given = Given::units(10);
    given.when(9, adjust(StockChange::First(99))).unwrap();
    assert_eq!(given.levels().0, 10);
}

#[test]
fn on_hand_has_an_upper_edge() {
    let mut given = Given::units(ON_HAND_MAX);
    assert_eq!(given.when(3, adjust(StockChange::By(1))).unwrap_err(), StockRejection::TooMany);
}

#[test]
fn a_sku_belongs_to_one_variant() {
    let mut given = Given::units(1);
    let adopt = |product, variant| StockCommand::Adopt {
        tenant: TenantId::new("t").unwrap(),
        sku: Sku::new("S").unwrap(),
        product: ProductId(product),
        variant: VariantId(variant),
    };
    assert!(given.when(3, adopt(1, 1)).is_ok());
    assert_eq!(given.when(4, adopt(2, 2)).unwrap_err(), StockRejection::SkuTaken { product: ProductId(1) });
    given.when(5, StockCommand::Disown { variant: VariantId(1) }).unwrap();
    assert!(given.when(6, adopt(2, 2)).is_ok());
}

#[test]
fn a_release_that_overtakes_its_reserve_wins() {
    let mut given = Given::units(10);
    given.when(3, StockCommand::Release { hold: HoldId(1) }).unwrap();
    assert_eq!(given.when(4, reserve(1, 2)).unwrap_err(), StockRejection::TooLate);
    assert_eq!(given.levels(), (10, 10, 0, 0, 0));
}

#[test]
fn a_reserve_after_its_deadline_is_refused() {
    let mut given = Given::units(10);
    assert!(given.at(T0.plus_seconds(10), 3, reserve(1, 2)).is_ok());
    assert_eq!(given.at(T0.plus_ms(10_001), 4, reserve(2, 2)).unwrap_err(), StockRejection::TooLate);
}

#[test]
fn a_hold_is_sold_once_or_expires() {
    let mut given = Given::units(10);
    given.when(3, reserve(1, 2)).unwrap();
    given.when(4, reserve(2, 3)).unwrap();
    given.when(5, StockCommand::Confirm { hold: HoldId(1) }).unwrap();
    given.when(6, StockCommand::Confirm { hold: HoldId(1) }).unwrap();
    given.wake(T0.plus_seconds(60));
    assert_eq!(given.levels(), (8, 8, 0, 0, 2));
    assert_eq!(given.when(7, StockCommand::Confirm { hold: HoldId(2) }).unwrap_err(), StockRejection::HoldEnded);
    given.when(8, unsell(1, 2)).unwrap();
    given.when(9, unsell(1, 2)).unwrap();
    assert_eq!(given.levels(), (10, 10, 0, 0, 0));
}

#[test]
fn a_report_that_comes_twice_or_late_adds_nothing() {
    let mut given = Given::units(10);
    given.when(3, StockCommand::Allocate { drop: DropId(1), total: 6 }).unwrap();
    given.when(4, StockCommand::Allocate { drop: DropId(1), total: 6 }).unwrap();
    let report = |sold, unsold| StockCommand::Settle { drop: DropId(1), totals: Totals { sold, unsold, returned: 0 } };
    given.when(5, report(2, 0)).unwrap();
    given.when(6, report(3, 3)).unwrap();
    given.when(7, report(2, 0)).unwrap();
    assert_eq!(given.levels(), (7, 7, 0, 0, 3));
    assert_eq!(given.when(8, report(4, 3)).unwrap_err(), StockRejection::ReportTooLarge);
}

#[test]
fn units_of_an_order_come_back_once() {
    let mut given = Given::units(10);
    given.when(3, StockCommand::Restock { order: OrderId(1), total: 2 }).unwrap();
    given.when(4, StockCommand::Restock { order: OrderId(1), total: 2 }).unwrap();
    given.when(5, StockCommand::Restock { order: OrderId(1), total: 3 }).unwrap();
    assert_eq!(given.levels().0, 13);
}

fn commands() -> impl Strategy<Value = StockCommand> {
    prop_oneof![
        (-20..20i64).prop_map(|delta| adjust(StockChange::By(delta))),
        (0..4u128, 1..30u64).prop_map(|(drop, total)| StockCommand::Allocate { drop: DropId(drop), total }),
        (0..4u128, 0..20u64, 0..20u64, 0..5u64).prop_map(|(drop, sold, unsold, returned)| StockCommand::Settle {
            drop: DropId(drop),
            totals: Totals { sold, unsold, returned },
        }),
        (0..12u128, 1..6i64).prop_map(|(hold, units)| reserve(hold, units)),
        (0..12u128).prop_map(|hold| StockCommand::Confirm { hold: HoldId(hold) }),
        (0..12u128).prop_map(|hold| StockCommand::Release { hold: HoldId(hold) }),
        (0..12u128, 1..6i64).prop_map(|(hold, units)| unsell(hold, units)),
        (0..3u128, 1..9u64).prop_map(|(order, total)| StockCommand::Restock { order: OrderId(order), total }),
    ]
}

proptest! {
    /// No sequence of commands loses or creates a unit, duplicates change nothing, and reading a snapshot changes
    /// nothing.
    #[test]
    fn promises_hold_over_any_history(steps in proptest::collection::vec((commands(), 0..20_000u64), 1..100)) {
        let (mut given, mut now) = (Given::units(25), T0);
        for (id, (command, wait)) in steps.into_iter().enumerate() {
            now = now.plus_ms(wait);
            given.wake(now);
            let id = 100 + id as u128;
            if given.at(now, id, command.clone()).is_ok() {
                let before = given.0.to_snapshot().unwrap();
                let _ = given.at(now, id, command);
                prop_assert_eq!(before, given.0.to_snapshot().unwrap(), "a repeat changed something");
            }
            given.0.assert_balanced();
            let thawed = StockItem::thaw(&given.0.to_snapshot().unwrap()).unwrap();
            prop_assert_eq!(thawed.wake_at(), given.0.wake_at());
            given.0 = thawed;
        }
    }
}
