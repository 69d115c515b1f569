//! The limits of a stock item and its behaviour at each limit.

use super::*;
use crate::{
    processed_commands::PROCESSED_COMMANDS_KEPT_MS,
    stock::{fold::HoldState, memory::Newest},
};

#[test]
fn sales_of_the_day_do_not_count_as_holds_at_one_time() {
    let mut given = Given::units(5);
    let sold = HoldState::Sold { units: 1, forget_at: T0.plus_ms(PROCESSED_COMMANDS_KEPT_MS) };
    given.0.holds.extend((1_000..1_000 + HOLDS_MAX as u128).map(|hold| (HoldId(hold), sold)));
    assert!(given.when(3, reserve(1, 1)).is_ok(), "so many were sold today, and none is held");
}

#[test]
fn holds_at_one_time_have_an_edge() {
    let mut given = Given::units(9);
    given.0.held = HOLDS_MAX - 1;
    given.when(3, reserve(1, 1)).unwrap();
    assert_eq!(given.when(4, reserve(2, 1)).unwrap_err(), StockRejection::TooManyHolds);
    given.when(5, StockCommand::Confirm { hold: HoldId(1) }).unwrap();
    assert!(given.when(6, reserve(2, 1)).is_ok(), "a sale makes room");
    given.when(7, StockCommand::Release { hold: HoldId(2) }).unwrap();
    assert!(given.when(8, reserve(3, 1)).is_ok(), "and so does a release");
    given.wake(T0.plus_seconds(60));
    assert_eq!(given.0.held, HOLDS_MAX - 1, "and an expiry");
}

#[test]
fn a_snapshot_knows_how_many_are_held() {
    let mut given = Given::units(9);
    for hold in 1..=3 {
        given.when(hold, reserve(hold, 1)).unwrap();
    }
    given.when(5, StockCommand::Confirm { hold: HoldId(2) }).unwrap();
    let thawed = StockItem::thaw(&given.0.to_snapshot().unwrap()).unwrap();
    assert_eq!((given.0.held, thawed.held), (2, 2));
}

#[test]
fn a_drop_that_is_known_gets_more_units_though_no_other_drop_may_come() {
    let mut given = Given::units(9);
    let drops = 100..100 + ALLOCATIONS_MAX as u128 - 1;
    given.0.allocations.extend(drops.map(|drop| (DropId(drop), Default::default())));
    let allocate = |drop, total| StockCommand::Allocate { drop: DropId(drop), total };
    given.when(3, allocate(1, 2)).unwrap();
    assert_eq!(given.when(4, allocate(2, 1)).unwrap_err(), StockRejection::TooManyHolds);
    assert!(given.when(5, allocate(1, 4)).is_ok());
    assert!(given.when(6, allocate(150, 1)).is_ok());
    assert_eq!(given.levels(), (9, 4, 0, 5, 0));
}

#[test]
fn so_many_orders_are_remembered_as_having_given_units_back_and_no_more() {
    let mut given = Given::units(1);
    let order = |n: usize| OrderId(n as u128);
    given.0.restocked = Newest::from_list((0..RESTOCKS_KNOWN_MAX).map(|n| (order(n), 1)).collect());
    let restock = |n| StockCommand::Restock { order: order(n), total: 1 };
    given.when(3, restock(0)).unwrap();
    assert_eq!(given.levels().0, 1, "the oldest is known still");
    given.when(4, restock(RESTOCKS_KNOWN_MAX)).unwrap();
    assert_eq!(given.levels().0, 2);
    assert_eq!(given.0.restocked.to_list().len(), RESTOCKS_KNOWN_MAX);
    assert_eq!((given.0.restocked.get(order(0)), given.0.restocked.get(order(1))), (None, Some(1)));
}
