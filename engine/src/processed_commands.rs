//! Processed commands: the accepted commands whose events have no natural id, kept for idempotency.

use std::collections::{HashMap, VecDeque};

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

use crate::{
    aggregate::{Context, KeyReused},
    id::{CommandId, Fingerprint},
    time::Timestamp,
};

/// How long an accepted command is remembered, in milliseconds. The API promises this period to clients that retry.
pub const PROCESSED_COMMANDS_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// An accepted command in its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct ProcessedCommand {
    /// The command id.
    #[n(0)]
    pub command_id: CommandId,
    /// The fingerprint of its content.
    #[n(1)]
    pub fingerprint: Fingerprint,
    /// When it was accepted.
    #[n(2)]
    pub at: Timestamp,
}

impl ProcessedCommand {
    /// The record of the command that is being decided.
    pub fn of(context: &Context) -> Self {
        Self { command_id: context.command_id, fingerprint: context.fingerprint, at: context.now }
    }
}

/// The commands of the last 24 hours, each with what is needed to give the same reply again.
#[derive(Debug, Clone)]
pub struct ProcessedCommands<T> {
    by_id: HashMap<CommandId, (ProcessedCommand, T)>,
    oldest_first: VecDeque<CommandId>,
}

impl<T> Default for ProcessedCommands<T> {
    fn default() -> Self {
        Self { by_id: HashMap::new(), oldest_first: VecDeque::new() }
    }
}

impl<T: Clone> ProcessedCommands<T> {
    /// The value kept for an earlier copy of this command, if there was one.
    pub fn find(&self, context: &Context) -> Result<Option<&T>, KeyReused> {
        for id in context.ids() {
            if let Some((processed, left)) = self.by_id.get(&id) {
                return if context.says(processed.fingerprint, processed.at) { Ok(Some(left)) } else { Err(KeyReused) };
            }
        }
        Ok(None)
    }

    /// The value kept for the command with this id.
    pub fn get(&self, id: CommandId) -> Option<&T> {
        self.by_id.get(&id).map(|(_, left)| left)
    }

    /// Keeps a command and forgets commands that are more than 24 hours older.
    pub fn keep(&mut self, processed: ProcessedCommand, left: T) {
        while let Some(oldest) = self.oldest_first.front() {
            let expired = self
                .by_id
                .get(oldest)
                .is_none_or(|(old, _)| processed.at.ms_since(old.at) > PROCESSED_COMMANDS_KEPT_MS);
            if !expired {
                break;
            }
            self.by_id.remove(oldest);
            self.oldest_first.pop_front();
        }
        if self.by_id.insert(processed.command_id, (processed, left)).is_none() {
            self.oldest_first.push_back(processed.command_id);
        }
    }

    /// The number of remembered commands.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no command is remembered.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All commands, oldest first, for a snapshot.
    pub fn to_list(&self) -> Vec<(ProcessedCommand, T)> {
        self.oldest_first.iter().filter_map(|id| self.by_id.get(id).cloned()).collect()
    }

    /// Restores the memory from the output of [`to_list`](ProcessedCommands::to_list).
    pub fn from_list(list: Vec<(ProcessedCommand, T)>) -> Self {
        let mut processed_commands = Self::default();
        for (processed, left) in list {
            processed_commands.oldest_first.push_back(processed.command_id);
            processed_commands.by_id.insert(processed.command_id, (processed, left));
        }
        processed_commands
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
        let mut processed_commands = ProcessedCommands::default();
        processed_commands.keep(ProcessedCommand::of(&context(101, 7, 0)), "left");
        assert_eq!(processed_commands.find(&context(1, 7, 5)), Ok(Some(&"left")));
        assert_eq!(processed_commands.find(&context(1, 8, 5)), Err(KeyReused));
        assert_eq!(processed_commands.find(&context(2, 7, 5)), Ok(None));
    }

    #[test]
    fn a_receipt_lives_for_24_hours() {
        let mut processed_commands = ProcessedCommands::default();
        processed_commands.keep(ProcessedCommand::of(&context(1, 7, 0)), ());
        processed_commands.keep(ProcessedCommand::of(&context(2, 7, PROCESSED_COMMANDS_KEPT_MS)), ());
        assert_eq!(processed_commands.len(), 2);
        processed_commands.keep(ProcessedCommand::of(&context(3, 7, PROCESSED_COMMANDS_KEPT_MS + 1)), ());
        assert_eq!(processed_commands.get(CommandId(1)), None);
        assert_eq!(ProcessedCommands::from_list(processed_commands.to_list()).len(), 2);
    }
}
