//! Bounds on what may wait for an entity, and the way to close it for good.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Callers that may wait for one entity. At 250,000 answers a second that is a wait of 33 ms; more is refused.
pub const ENTITY_CALLERS_MAX: usize = 8_192;
/// Room above that for wakes, effects and outcomes, so that a flood of claims cannot starve confirms and expiries.
pub const ENTITY_RESERVED: usize = 8_192;
/// Callers that may wait on one node.
pub const NODE_CALLERS_MAX: usize = 65_536;

const CLOSED: usize = usize::MAX / 2;

/// Counts those that wait for one entity. Closed, it lets nobody in, and closes only when nobody is in.
#[derive(Debug, Default)]
pub struct Gate {
    inside: AtomicUsize,
    touched_ms: AtomicU64,
}

/// Who was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many wait.
    Full,
    /// The entity is leaving memory; look it up again.
    Closed,
}

/// A place among those that wait. Dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    gates: [Option<Arc<Gate>>; 2],
    places: usize,
}

impl Gate {
    fn enter(&self, places: usize, at_most: usize) -> Result<(), Refused> {
        let before = self.inside.fetch_add(places, Ordering::AcqRel);
        if before + places <= at_most {
            return Ok(());
        }
        self.inside.fetch_sub(places, Ordering::AcqRel);
        Err(if before >= CLOSED { Refused::Closed } else { Refused::Full })
    }

    /// Lets a caller in who has so many commands. More than [`ENTITY_CALLERS_MAX`] never get in.
    pub fn caller(self: &Arc<Self>, node: &Arc<Gate>, commands: usize) -> Result<Permit, Refused> {
        self.enter(commands, ENTITY_CALLERS_MAX)?;
        if node.enter(commands, NODE_CALLERS_MAX).is_err() {
            self.inside.fetch_sub(commands, Ordering::AcqRel);
            return Err(Refused::Full);
        }
        Ok(Permit { gates: [Some(self.clone()), Some(node.clone())], places: commands })
    }

    /// Lets a wake, an effect or an outcome in.
    pub fn reserved(self: &Arc<Self>) -> Result<Permit, Refused> {
        self.enter(1, ENTITY_CALLERS_MAX + ENTITY_RESERVED)?;
        Ok(Permit { gates: [Some(self.clone()), None], places: 1 })
    }

    /// Closes the gate if at most `own` are inside: those of the closer itself.
    pub fn close(&self, own: usize) -> bool {
        self.inside.compare_exchange(own, CLOSED + own, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Opens a closed gate again.
    pub fn reopen(&self) {
        self.inside.fetch_sub(CLOSED, Ordering::AcqRel);
    }

    /// How many are inside.
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire) % CLOSED
    }

    /// Notes that the entity was used.
    pub fn touch(&self, now_ms: u64) {
        self.touched_ms.store(now_ms, Ordering::Relaxed);
    }

    /// When the entity was last used.
    pub fn touched_ms(&self) -> u64 {
        self.touched_ms.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for gate in self.gates.iter().flatten() {
            gate.inside.fetch_sub(self.places, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_gate_refuses_callers_but_not_effects() {
        let (gate, node) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
        let inside: Vec<_> = (0..ENTITY_CALLERS_MAX).map(|_| gate.caller(&node, 1).unwrap()).collect();
        assert_eq!(gate.caller(&node, 1).unwrap_err(), Refused::Full);
        assert!(gate.reserved().is_ok());
        drop(inside);
        assert_eq!((gate.inside(), node.inside()), (0, 0));
    }

    #[test]
    fn who_has_many_commands_takes_as_many_places() {
        let (gate, node) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
        assert_eq!(gate.caller(&node, ENTITY_CALLERS_MAX + 1).unwrap_err(), Refused::Full);
        let most = gate.caller(&node, ENTITY_CALLERS_MAX - 63).unwrap();
        assert_eq!(gate.caller(&node, 64).unwrap_err(), Refused::Full);
        let rest = gate.caller(&node, 63).unwrap();
        assert_eq!((gate.inside(), node.inside()), (ENTITY_CALLERS_MAX, ENTITY_CALLERS_MAX));
        drop((most, rest));
        assert_eq!((gate.inside(), node.inside()), (0, 0));
    }

    #[test]
    fn a_gate_closes_only_when_nobody_waits() {
        let gate = Arc::new(Gate::default());
        let inside = gate.reserved().unwrap();
        assert!(!gate.close(0));
        assert!(gate.close(1));
        assert_eq!(gate.reserved().unwrap_err(), Refused::Closed);
        drop(inside);
        gate.reopen();
        assert!(gate.reserved().is_ok());
    }
}
