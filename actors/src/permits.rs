//! Bounds on the messages that may wait for an entity, and a way to close it before it leaves memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// The maximum number of callers' commands that may wait for one entity. At 250,000 answers a second that is a wait of
/// 33 ms; more are refused.
pub const ENTITY_CALLERS_MAX: usize = 8_192;
/// Capacity above [`ENTITY_CALLERS_MAX`] that is reserved for wakes, effects and outcomes, so that a flood of claims
/// cannot starve confirms and expiries.
pub const ENTITY_RESERVED: usize = 8_192;
/// The maximum number of callers' commands that may wait on one node.
pub const NODE_CALLERS_MAX: usize = 65_536;

/// Added to the count of a closed gate. It is so far above every limit that no further entry fits, and half of
/// `usize::MAX`, so that entries that are tried and taken back cannot overflow the count.
const CLOSED: usize = usize::MAX / 2;

/// Counts the messages that wait for one entity, or on one node. Closed, it refuses every message. It closes only when
/// nothing waits except the messages of the closer itself.
#[derive(Debug, Default)]
pub struct Permits {
    inside: AtomicUsize,
    touched_ms: AtomicU64,
}

/// The reason why a permit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many messages wait.
    Full,
    /// The entity is leaving memory. The caller should look it up again.
    Closed,
}

/// Permission to wait for an entity. It travels with the message, and is returned when it is dropped.
#[derive(Debug)]
pub struct Permit {
    gates: [Option<Arc<Permits>>; 2],
    places: usize,
}

impl Permits {
    fn enter(&self, places: usize, at_most: usize) -> Result<(), Refused> {
        // Counted first and taken back when it does not fit: a check before the addition would let two callers in on
        // the last place. Meanwhile another caller may be refused for a moment too early, never admitted too many.
        let before = self.inside.fetch_add(places, Ordering::AcqRel);
        if before + places <= at_most {
            return Ok(());
        }
        self.inside.fetch_sub(places, Ordering::AcqRel);
        Err(if before >= CLOSED { Refused::Closed } else { Refused::Full })
    }

    /// Admits a caller with `commands` commands. More than [`ENTITY_CALLERS_MAX`] commands are never admitted.
    pub fn caller(self: &Arc<Self>, node: &Arc<Permits>, commands: usize) -> Result<Permit, Refused> {
        // Entity first, node second. Both only count, so nobody blocks between the two; what was taken of the first is
        // given back when the second is full.
        self.enter(commands, ENTITY_CALLERS_MAX)?;
        if node.enter(commands, NODE_CALLERS_MAX).is_err() {
            self.inside.fetch_sub(commands, Ordering::AcqRel);
            return Err(Refused::Full);
        }
        Ok(Permit { gates: [Some(self.clone()), Some(node.clone())], places: commands })
    }

    /// Admits a wake, an effect or an outcome. It does not count against the node's limit: what an accepted event asks
    /// for must be able to finish while callers fill the node.
    pub fn reserved(self: &Arc<Self>) -> Result<Permit, Refused> {
        self.enter(1, ENTITY_CALLERS_MAX + ENTITY_RESERVED)?;
        Ok(Permit { gates: [Some(self.clone()), None], places: 1 })
    }

    /// Closes the gate if exactly `own` messages are inside: those of the closer itself.
    pub fn close(&self, own: usize) -> bool {
        // One atomic step: between a check and a separate close another caller could enter and never be answered.
        self.inside.compare_exchange(own, CLOSED + own, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Opens a closed gate again.
    pub fn reopen(&self) {
        let before = self.inside.fetch_sub(CLOSED, Ordering::AcqRel);
        debug_assert!(before >= CLOSED, "reopened without being closed");
    }

    /// The number of messages inside.
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire) % CLOSED
    }

    /// Records the time at which the entity was used.
    pub fn touch(&self, now_ms: u64) {
        self.touched_ms.store(now_ms, Ordering::Relaxed);
    }

    /// The time at which the entity was last used.
    pub fn touched_ms(&self) -> u64 {
        self.touched_ms.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for permits in self.gates.iter().flatten() {
            let before = permits.inside.fetch_sub(self.places, Ordering::AcqRel);
            debug_assert!(before % CLOSED >= self.places, "a permit was returned twice");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_gate_refuses_callers_but_not_effects() {
        let (permits, node) = (Arc::new(Permits::default()), Arc::new(Permits::default()));
        let inside: Vec<_> = (0..ENTITY_CALLERS_MAX).map(|_| permits.caller(&node, 1).unwrap()).collect();
        assert_eq!(permits.caller(&node, 1).unwrap_err(), Refused::Full);
        assert!(permits.reserved().is_ok());
        drop(inside);
        assert_eq!((permits.inside(), node.inside()), (0, 0));
    }

    #[test]
    fn a_message_of_many_commands_takes_as_many_permits() {
        let (permits, node) = (Arc::new(Permits::default()), Arc::new(Permits::default()));
        assert_eq!(permits.caller(&node, ENTITY_CALLERS_MAX + 1).unwrap_err(), Refused::Full);
        let most = permits.caller(&node, ENTITY_CALLERS_MAX - 63).unwrap();
        assert_eq!(permits.caller(&node, 64).unwrap_err(), Refused::Full);
        let rest = permits.caller(&node, 63).unwrap();
        assert_eq!((permits.inside(), node.inside()), (ENTITY_CALLERS_MAX, ENTITY_CALLERS_MAX));
        drop((most, rest));
        assert_eq!((permits.inside(), node.inside()), (0, 0));
    }

    #[test]
    fn a_gate_closes_only_without_waiting_callers() {
        let permits = Arc::new(Permits::default());
        let inside = permits.reserved().unwrap();
        assert!(!permits.close(0));
        assert!(permits.close(1));
        assert_eq!(permits.reserved().unwrap_err(), Refused::Closed);
        drop(inside);
        permits.reopen();
        assert!(permits.reserved().is_ok());
    }
}
