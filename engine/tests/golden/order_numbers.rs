//! Samples of the counter of order numbers.

use engine::{
    id::OrderId,
    order_numbers::{OrderNumbers, OrderNumbersCommand, OrderNumbersEvent, OrderNumbersRejection, OrderNumbersReply},
};

use crate::{
    Golden, Messages, Sampled,
    golden::samples::{at, id, tenant},
};

variants! { OrderNumbersEvent: Assigned }
variants! { OrderNumbersCommand: Assign }
variants! { OrderNumbersReply: Number }
variants! { OrderNumbersRejection: Exhausted }

impl Sampled for OrderNumbers {
    fn golden() -> Golden<Self> {
        let assigned =
            |order, number, seconds| OrderNumbersEvent::Assigned { order: OrderId(id(order)), number, at: at(seconds) };
        Golden {
            history: vec![assigned(1, 1, 0), assigned(2, 2, 1), assigned(3, 3, 5)],
            others: Vec::new(),
            sorts: Vec::new(),
            messages: Messages {
                commands: vec![("", OrderNumbersCommand::Assign { tenant: tenant(), order: OrderId(id(1)) })],
                replies: vec![("", OrderNumbersReply::Number(1_234))],
                rejections: vec![("", OrderNumbersRejection::Exhausted)],
            },
        }
    }
}
