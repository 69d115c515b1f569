//! Decodes the bytes of an entry into events.

use std::collections::BTreeMap;

use engine::{id::EntityKey, time::Timestamp};
use minicbor::{Decode, Decoder};

use super::{JournalPosition, ProjectError, Record};

/// Passes each event of a record to `take`, in order. The events of an entry are concatenated CBOR items; an item that
/// does not decode as `E` is an error, and so are leftover bytes.
pub(super) fn each_event<E>(
    position: JournalPosition,
    record: &Record<'_>,
    mut take: impl FnMut(E),
) -> Result<(), ProjectError>
where
    E: for<'b> Decode<'b, ()>,
{
    let mut decoder = Decoder::new(record.events);
    while decoder.position() < record.events.len() {
        let event = decoder.decode().map_err(|error| ProjectError::Undecodable {
            position,
            kind: record.key.kind(),
            why: error.to_string(),
        })?;
        take(event);
    }
    Ok(())
}

/// An event with its position and time.
#[derive(Debug)]
pub(super) struct JournalEvent<E> {
    pub(super) position: JournalPosition,
    pub(super) at: Timestamp,
    pub(super) event: E,
}

/// Events grouped by entity, those of each entity in order.
#[derive(Debug)]
pub(super) struct EventsByEntity<E>(BTreeMap<EntityKey, Vec<JournalEvent<E>>>);

impl<E> Default for EventsByEntity<E> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<E> EventsByEntity<E> {
    /// Adds one event.
    pub(super) fn keep(&mut self, position: JournalPosition, record: &Record<'_>, event: E) {
        let journaled = JournalEvent { position, at: record.at, event };
        match self.0.get_mut(&record.key) {
            Some(events) => events.push(journaled),
            None => {
                self.0.insert(record.key.clone(), vec![journaled]);
            }
        }
    }

    /// Decodes a record and adds its events.
    pub(super) fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError>
    where
        E: for<'b> Decode<'b, ()>,
    {
        each_event(position, record, |event| self.keep(position, record, event))
    }

    /// Removes and returns all events.
    pub(super) fn take(&mut self) -> BTreeMap<EntityKey, Vec<JournalEvent<E>>> {
        std::mem::take(&mut self.0)
    }

    /// Discards all events.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
