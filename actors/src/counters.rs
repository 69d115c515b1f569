//! Counters of what the runtime does.

use engine::kinds::Kind;

use crate::ask::{Answered, AskError};

/// Counters of command outcomes by kind, and of written bytes. The handles are looked up once, not for each command.
pub(crate) struct Counters {
    by_kind: Vec<[metrics::Counter; 6]>,
    snapshot_bytes: metrics::Counter,
}

impl Default for Counters {
    fn default() -> Self {
        let outcomes = ["accepted", "again", "rejected", "overloaded", "unknown", "unavailable"];
        let handles = |kind: Kind| {
            outcomes
                .map(|outcome| metrics::counter!("fusion_commands_total", "kind" => kind.name(), "outcome" => outcome))
        };
        let by_kind = Kind::ALL.into_iter().map(handles).collect();
        Self { by_kind, snapshot_bytes: metrics::counter!("fusion_snapshot_bytes_total") }
    }
}

impl Counters {
    pub(crate) fn count<R, J>(&self, kind: Kind, asked: &Result<Answered<R>, AskError<J>>) {
        let outcome = match asked {
            Ok(answered) => usize::from(answered.duplicate),
            Err(AskError::Rejected(_)) => 2,
            Err(AskError::Overloaded { .. }) => 3,
            Err(AskError::Unknown) => 4,
            Err(AskError::Quarantined | AskError::Unavailable { .. }) => 5,
        };
        self.by_kind[kind.index()][outcome].increment(1);
    }

    /// Counts a snapshot that was stored.
    pub(crate) fn snapshot_written(&self, bytes: usize) {
        self.snapshot_bytes.increment(bytes as u64);
    }
}
