//! Sales that are reversed long after they were made.

use super::*;
use crate::processed_commands::PROCESSED_COMMANDS_KEPT_MS;

/// Ten units, four of which were sold by a hold so long ago that the hold is forgotten.
fn given_forgotten_sale() -> (Given, Timestamp) {
    let mut given = Given::units(10);
    given.when(3, reserve(1, 4)).unwrap();
    given.when(4, StockCommand::Confirm { hold: HoldId(1) }).unwrap();
    let later = T0.plus_ms(PROCESSED_COMMANDS_KEPT_MS);
    given.wake(later);
    assert!(given.0.holds.is_empty(), "forgotten");
    assert_eq!(given.levels(), (6, 6, 0, 0, 4));
    (given, later)
}

#[test]
fn units_of_a_capture_that_fails_after_days_come_back_once() {
    let (mut given, mut now) = given_forgotten_sale();
    given.at(now, 5, unsell(1, 4)).unwrap();
    assert_eq!(given.levels(), (10, 10, 0, 0, 0));
    given.0.assert_balanced();

    // The checkout did not receive the reply and retries: immediately, and after this hold is forgotten too.
    for _ in 0..3 {
        given.0 = StockItem::thaw(&given.0.to_snapshot().unwrap()).unwrap();
        given.at(now, 5, unsell(1, 4)).unwrap();
        assert_eq!(given.levels(), (10, 10, 0, 0, 0));
        now = now.plus_ms(2 * PROCESSED_COMMANDS_KEPT_MS);
        given.wake(now);
    }
    assert!(given.0.holds.is_empty());
}

#[test]
fn a_reversed_sale_is_not_reversed_again_after_its_retention() {
    let mut given = Given::units(10);
    for hold in [1, 2] {
        given.when(hold, reserve(hold, 4)).unwrap();
        given.when(10 + hold, StockCommand::Confirm { hold: HoldId(hold) }).unwrap();
    }
    given.when(5, unsell(1, 4)).unwrap();
    let later = T0.plus_ms(2 * PROCESSED_COMMANDS_KEPT_MS);
    given.wake(later);
    assert!(given.0.holds.is_empty());
    given.at(later, 6, unsell(1, 4)).unwrap();
    assert_eq!(given.levels(), (6, 6, 0, 0, 4), "the other sale stands");
}

#[test]
fn no_more_is_taken_back_than_holds_have_sold() {
    let (mut given, now) = given_forgotten_sale();
    given.at(now, 5, StockCommand::Allocate { drop: DropId(1), total: 3 }).unwrap();
    let totals = Totals { sold: 3, unsold: 0, returned: 0 };
    given.at(now, 6, StockCommand::Settle { drop: DropId(1), totals }).unwrap();
    given.at(now, 7, unsell(7, 5)).unwrap();
    assert_eq!(given.levels(), (3, 3, 0, 0, 7), "a drop's sales are not a hold's");
}

#[test]
fn a_late_copy_of_the_reservation_of_a_sale_that_was_taken_back_is_refused() {
    let (mut given, now) = given_forgotten_sale();
    given.at(now, 5, unsell(1, 4)).unwrap();
    assert_eq!(given.at(now, 6, reserve(1, 4)).unwrap_err(), StockRejection::TooLate);
}
