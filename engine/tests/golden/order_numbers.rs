//! Samples of the counter of order numbers.

use engine::{
    id::OrderId,
    order_numbers::{OrderNumbers, OrderNumbersEvent},
};

use crate::{
    Golden, Sampled,
    samples::{at, id},
};

variants! { OrderNumbersEvent: Assigned }

impl Sampled for OrderNumbers {
    fn golden() -> Golden<Self> {
        let assigned =
            |order, number, seconds| OrderNumbersEvent::Assigned { order: OrderId(id(order)), number, at: at(seconds) };
        Golden {
            history: vec![assigned(1, 1, 0), assigned(2, 2, 1), assigned(3, 3, 5)],
            others: Vec::new(),
            sorts: Vec::new(),
        }
    }
}
