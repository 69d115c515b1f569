//! Decodes the bytes of an entry into events.

use std::collections::BTreeMap;

use engine::{id::EntityKey, time::Timestamp};
use minicbor::{Decode, Decoder};

use super::{Place, ProjectError, Record};

/// Passes each event of a record to `take`, in order. The events of an entry are concatenated CBOR items; an item that
/// does not decode as `E` is an error, and so are leftover bytes.
pub(super) fn each_event<E>(place: Place, record: &Record<'_>, mut take: impl FnMut(E)) -> Result<(), ProjectError>
where
    E: for<'b> Decode<'b, ()>,
{
    let mut decoder = Decoder::new(record.events);
    while decoder.position() < record.events.len() {
        let event = decoder.decode().map_err(|error| ProjectError::Undecodable {
            place,
            kind: record.key.kind(),
            why: error.to_string(),
        })?;
        take(event);
    }
    Ok(())
}

/// An event with its position and time.
#[derive(Debug)]
pub(super) struct Happened<E> {
    pub(super) place: Place,
    pub(super) at: Timestamp,
    pub(super) event: E,
}

/// Events grouped by entity, those of each entity in order.
#[derive(Debug)]
pub(super) struct Gathered<E>(BTreeMap<EntityKey, Vec<Happened<E>>>);

impl<E> Default for Gathered<E> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<E> Gathered<E> {
    /// Adds one event.
    pub(super) fn keep(&mut self, place: Place, record: &Record<'_>, event: E) {
        let happened = Happened { place, at: record.at, event };
        match self.0.get_mut(&record.key) {
            Some(events) => events.push(happened),
            None => {
                self.0.insert(record.key.clone(), vec![happened]);
            }
        }
    }

    /// Decodes a record and adds its events.
    pub(super) fn gather(&mut self, place: Place, record: &Record<'_>) -> Result<(), ProjectError>
    where
        E: for<'b> Decode<'b, ()>,
    {
        each_event(place, record, |event| self.keep(place, record, event))
    }

    /// Removes and returns all events.
    pub(super) fn take(&mut self) -> BTreeMap<EntityKey, Vec<Happened<E>>> {
        std::mem::take(&mut self.0)
    }

    /// Discards all events.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
