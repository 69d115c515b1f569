//! The state of the counter, its decisions, and how events change it.

use std::{collections::VecDeque, sync::Arc};

use wincode::{SchemaRead, SchemaWrite};

use super::{ORDERS_REMEMBERED_MAX, OrderNumbersCommand, OrderNumbersEvent, OrderNumbersRejection, OrderNumbersReply};
use crate::{
    aggregate::{Aggregate, Context, Decision},
    id::OrderId,
    order::number::NUMBER_MAX,
    processed_commands::PROCESSED_COMMANDS_KEPT_MS,
    shards::ShardedMap,
    snapshot::{Persist, SnapshotError, read_snapshot, write_snapshot},
    time::Timestamp,
};

/// The number of orders in a page. Orders are dropped by pages, and a frozen copy shares the pages.
const PAGE_ORDERS: usize = 1_024;

/// A tenant's counter of order numbers. `Default` has assigned none.
#[derive(Debug, Default)]
pub struct OrderNumbers {
    /// The last number assigned; the next number is one higher.
    given: u64,
    /// The orders with the newest numbers, oldest first.
    pages: VecDeque<Arc<Vec<Remembered>>>,
    // Derived from the pages, and not in snapshots.
    by_order: ShardedMap<OrderId, u64>,
}

#[derive(Debug, Clone, Copy, SchemaRead, SchemaWrite)]
struct Remembered {
    order: OrderId,
    number: u64,
    at: Timestamp,
}

impl OrderNumbers {
    fn remember(&mut self, remembered: Remembered) {
        self.by_order.insert(remembered.order, remembered.number);
        match self.pages.back_mut() {
            Some(last) if last.len() < PAGE_ORDERS => Arc::make_mut(last).push(remembered),
            _ => {
                let mut page = Vec::with_capacity(PAGE_ORDERS);
                page.push(remembered);
                self.pages.push_back(Arc::new(page));
            }
        }
    }

    /// Drops the oldest page if it is older than 24 hours, or if there are too many pages.
    fn forget(&mut self, now: Timestamp) {
        let too_many = self.pages.len() > ORDERS_REMEMBERED_MAX / PAGE_ORDERS;
        let Some(oldest) = self.pages.front().filter(|_| self.pages.len() > 1) else { return };
        let expired = oldest.last().is_none_or(|newest| now.ms_since(newest.at) > PROCESSED_COMMANDS_KEPT_MS);
        if !expired && !too_many {
            return;
        }
        for forgotten in oldest.iter() {
            self.by_order.remove(&forgotten.order);
        }
        self.pages.pop_front();
    }

    /// Returns the number of orders that are kept for duplicates.
    pub fn remembered(&self) -> usize {
        self.pages.iter().map(|page| page.len()).sum()
    }
}

/// A copy of the counter's state at one version, for a snapshot. Its pages are shared with the live counter until the
/// counter changes them.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct FrozenOrderNumbers {
    given: u64,
    pages: VecDeque<Arc<Vec<Remembered>>>,
}

impl Aggregate for OrderNumbers {
    type Command = OrderNumbersCommand;
    type Event = OrderNumbersEvent;
    type Reply = OrderNumbersReply;
    type Rejection = OrderNumbersRejection;

    fn decide(
        &self,
        command: &OrderNumbersCommand,
        context: &Context,
    ) -> Result<Decision<OrderNumbersEvent, OrderNumbersReply>, OrderNumbersRejection> {
        let OrderNumbersCommand::Assign { order, .. } = command;
        if let Some(&number) = self.by_order.get(order) {
            return Ok(Decision::duplicate(OrderNumbersReply::Number(number)));
        }
        let number = self.given + 1;
        if number > NUMBER_MAX {
            return Err(OrderNumbersRejection::Exhausted);
        }
        let assigned = OrderNumbersEvent::Assigned { order: *order, number, at: context.now };
        Ok(Decision::accept(vec![assigned], OrderNumbersReply::Number(number)))
    }

    fn apply(&mut self, event: &OrderNumbersEvent) {
        let OrderNumbersEvent::Assigned { order, number, at } = *event;
        self.given = number;
        self.remember(Remembered { order, number, at });
        self.forget(at);
    }
}

impl Persist for OrderNumbers {
    type Frozen = FrozenOrderNumbers;

    fn freeze(&self) -> Result<FrozenOrderNumbers, SnapshotError> {
        Ok(FrozenOrderNumbers { given: self.given, pages: self.pages.clone() })
    }

    fn encode_frozen(frozen: &FrozenOrderNumbers) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let frozen: FrozenOrderNumbers = read_snapshot(bytes)?;
        let mut numbers = Self { given: frozen.given, ..Self::default() };
        for remembered in frozen.pages.iter().flat_map(|page| page.iter()) {
            numbers.remember(*remembered);
        }
        Ok(numbers)
    }
}
