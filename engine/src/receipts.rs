//! The memory of accepted commands that have no natural id of their own.

use std::collections::{HashMap, VecDeque};

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

use crate::{
    aggregate::{Context, KeyReused},
    id::{CommandId, Fingerprint},
    time::Timestamp,
};

/// How long an accepted command is remembered: what API.md promises to those who repeat.
pub const RECEIPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// An accepted command, as its event carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Receipt {
    /// Its name.
    #[n(0)]
    pub command_id: CommandId,
    /// What it said.
    #[n(1)]
    pub fingerprint: Fingerprint,
    /// When it was accepted.
    #[n(2)]
    pub at: Timestamp,
}

impl Receipt {
    /// The receipt for the command at hand.
    pub fn of(context: &Context) -> Self {
        Self { command_id: context.command_id, fingerprint: context.fingerprint, at: context.now }
    }
}

/// The receipts of the last 24 hours, each with what is needed to answer the same again.
#[derive(Debug, Clone)]
pub struct Receipts<T> {
    by_id: HashMap<CommandId, (Receipt, T)>,
    oldest_first: VecDeque<CommandId>,
}

impl<T> Default for Receipts<T> {
    fn default() -> Self {
        Self { by_id: HashMap::new(), oldest_first: VecDeque::new() }
    }
}

impl<T: Clone> Receipts<T> {
    /// What an earlier copy of this command left, if there was one.
    pub fn find(&self, context: &Context) -> Result<Option<&T>, KeyReused> {
        for id in context.ids() {
            if let Some((receipt, left)) = self.by_id.get(&id) {
                return if context.says(receipt.fingerprint, receipt.at) { Ok(Some(left)) } else { Err(KeyReused) };
            }
        }
        Ok(None)
    }

    /// What the command with this id left.
    pub fn get(&self, id: CommandId) -> Option<&T> {
        self.by_id.get(&id).map(|(_, left)| left)
    }

    /// Keeps a receipt, and forgets those that are over 24 hours older.
    pub fn keep(&mut self, receipt: Receipt, left: T) {
        while let Some(oldest) = self.oldest_first.front() {
            let expired = self.by_id.get(oldest).is_none_or(|(old, _)| receipt.at.ms_since(old.at) > RECEIPT_MS);
            if !expired {
                break;
            }
            self.by_id.remove(oldest);
            self.oldest_first.pop_front();
        }
        if self.by_id.insert(receipt.command_id, (receipt, left)).is_none() {
            self.oldest_first.push_back(receipt.command_id);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All of them, oldest first, for a snapshot.
    pub fn to_list(&self) -> Vec<(Receipt, T)> {
        self.oldest_first.iter().filter_map(|id| self.by_id.get(id).cloned()).collect()
    }

    /// The memory that [`to_list`](Receipts::to_list) wrote down.
    pub fn from_list(list: Vec<(Receipt, T)>) -> Self {
        let mut receipts = Self::default();
        for (receipt, left) in list {
            receipts.oldest_first.push_back(receipt.command_id);
            receipts.by_id.insert(receipt.command_id, (receipt, left));
        }
        receipts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(id: u128, fingerprint: u128, now: u64) -> Context {
        Context {
            now: Timestamp(now),
            command_id: CommandId(id),
            former_ids: vec![CommandId(id + 100)],
            former_fingerprint: None,
            fingerprint: Fingerprint(fingerprint),
        }
    }

    #[test]
    fn a_command_is_known_under_its_former_ids_too() {
        let mut receipts = Receipts::default();
        receipts.keep(Receipt::of(&context(101, 7, 0)), "left");
        assert_eq!(receipts.find(&context(1, 7, 5)), Ok(Some(&"left")));
        assert_eq!(receipts.find(&context(1, 8, 5)), Err(KeyReused));
        assert_eq!(receipts.find(&context(2, 7, 5)), Ok(None));
    }

    #[test]
    fn a_receipt_lives_for_24_hours() {
        let mut receipts = Receipts::default();
        receipts.keep(Receipt::of(&context(1, 7, 0)), ());
        receipts.keep(Receipt::of(&context(2, 7, RECEIPT_MS)), ());
        assert_eq!(receipts.len(), 2);
        receipts.keep(Receipt::of(&context(3, 7, RECEIPT_MS + 1)), ());
        assert_eq!(receipts.get(CommandId(1)), None);
        assert_eq!(Receipts::from_list(receipts.to_list()).len(), 2);
    }
}
