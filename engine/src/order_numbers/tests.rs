#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{OrderNumbersCommand, OrderNumbersEvent, OrderNumbersRejection, OrderNumbersReply};
use crate::{
    aggregate::{Aggregate, Context, Decision},
    id::{CommandId, Fingerprint, OrderId, TenantId},
    order::number::NUMBER_MAX,
    processed_commands::PROCESSED_COMMANDS_KEPT_MS,
    snapshot::Persist,
    testing::History,
    time::Timestamp,
};

type OrderNumbers = History<super::OrderNumbers>;

fn assign(order: u128) -> OrderNumbersCommand {
    OrderNumbersCommand::Assign { tenant: TenantId::new("demo").unwrap(), order: OrderId(order) }
}

fn number(numbers: &mut OrderNumbers, order: u128) -> u64 {
    let Some(Ok(OrderNumbersReply::Number(number))) = numbers.ask(assign(order)) else { panic!("no number") };
    number
}

#[test]
fn numbers_count_from_one_and_the_same_order_keeps_its_number() {
    let mut numbers = OrderNumbers::default();
    assert_eq!([7, 8, 7, 9, 8].map(|order| number(&mut numbers, order)), [1, 2, 1, 3, 2]);
    assert_eq!(numbers.events.len(), 3);
    numbers.repeat_all();
}

#[test]
fn a_number_that_cannot_be_spelled_is_not_given_out() {
    let mut numbers = OrderNumbers::default();
    numbers.given(OrderNumbersEvent::Assigned { order: OrderId(1), number: NUMBER_MAX, at: Timestamp(0) });
    assert_eq!(numbers.ask(assign(2)), Some(Err(OrderNumbersRejection::Exhausted)));
    assert_eq!(number(&mut numbers, 1), NUMBER_MAX);
}

/// Returns an id with well-spread bits, as real ids have. (Deriving a million ids would take most of the test's time.)
fn spread(number: u64) -> OrderId {
    OrderId(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

/// Returns the counter after `orders` orders, one every `every_ms` milliseconds.
fn given_orders(orders: u64, every_ms: u64) -> super::OrderNumbers {
    let mut numbers = super::OrderNumbers::default();
    for number in 1..=orders {
        let order = spread(number);
        numbers.apply(&OrderNumbersEvent::Assigned { order, number, at: Timestamp(number * every_ms) });
    }
    numbers
}

#[test]
fn orders_of_the_last_24_hours_are_remembered() {
    let every_ms = PROCESSED_COMMANDS_KEPT_MS / 5_000;
    let numbers = given_orders(20_000, every_ms);
    assert!((5_000..8_000).contains(&numbers.remembered()), "{}", numbers.remembered());

    let order = spread(15_001);
    let asked = OrderNumbersCommand::Assign { tenant: TenantId::new("demo").unwrap(), order };
    let now = Timestamp(20_000 * every_ms);
    let context = Context {
        now,
        command_id: CommandId(1),
        former_ids: vec![],
        former_fingerprint: None,
        fingerprint: Fingerprint(1),
    };
    let reloaded = super::OrderNumbers::thaw(&numbers.to_snapshot().unwrap()).unwrap();
    for numbers in [numbers, reloaded] {
        let decision = numbers.decide(&asked, &context).unwrap();
        assert_eq!(decision, Decision::duplicate(OrderNumbersReply::Number(15_001)));
    }
}

#[test]
fn memory_is_bounded_however_many_orders_there_are() {
    let orders = super::ORDERS_REMEMBERED_MAX as u64 + 10_000;
    let numbers = given_orders(orders, 0);
    assert!(numbers.remembered() <= super::ORDERS_REMEMBERED_MAX + 1_024);
    assert!(numbers.remembered() >= super::ORDERS_REMEMBERED_MAX - 1_024);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_order_has_one_number_and_no_number_is_left_out(orders in prop::collection::vec((0..40u128, any::<bool>()), 1..80)) {
        let mut numbers = OrderNumbers::default();
        let mut known = std::collections::BTreeMap::new();
        for (order, reload) in orders {
            let given = number(&mut numbers, order);
            let next = known.len() as u64 + 1;
            prop_assert_eq!(*known.entry(order).or_insert(next), given);
            if reload {
                numbers.reload();
            }
        }
        numbers.repeat_all();
    }
}
