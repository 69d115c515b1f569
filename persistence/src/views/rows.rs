//! Projects public views that have one row for each entity.

use std::collections::BTreeMap;

use engine::{id::EntityKey, time::Timestamp, view::View};
use minicbor::Decode;
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{
    JournalPosition, ProjectError, Projection, Record,
    decode::{EventsByEntity, each_event},
};
use crate::sql::{Cell, Table, cells};

/// A row that stores the public view of one entity.
pub(super) trait Row: Sized + Send {
    /// The view that the row stores.
    type View: View<Event: for<'b> Decode<'b, ()> + Send>;

    /// The table. Its key is the tenant and the id of the entity.
    const TABLE: Table;
    /// The error for an event of an entity that was not created.
    const NOT_CREATED: &'static str;

    /// Whether the event creates the entity whatever its row contains, so that the row need not be read.
    fn creates(event: &EventOf<Self>) -> bool;

    /// Applies an event at its time with the fold of the view.
    fn fold(row: &mut Option<Self>, at: Timestamp, event: &EventOf<Self>);

    /// Reads a row.
    fn read(row: &SqliteRow) -> sqlx::Result<(EntityKey, Self)>;

    /// Returns the cells of the row, in the order of the table's columns.
    fn cells(&self, key: &EntityKey) -> Vec<Cell>;
}

/// The events that change a row.
pub(super) type EventOf<R> = <<R as Row>::View as View>::Event;

/// Projects one kind of entity to its rows.
#[derive(Debug)]
pub(super) struct Rows<R: Row> {
    events: EventsByEntity<EventOf<R>>,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self { events: EventsByEntity::default() }
    }
}

impl<R: Row> Rows<R> {
    /// Keeps an event until the next write, unless it does not change the view.
    pub(super) fn keep(&mut self, position: JournalPosition, record: &Record<'_>, event: EventOf<R>) {
        if R::View::concerns(&event) {
            self.events.keep(position, record, event);
        }
    }
}

impl<R: Row> Projection for Rows<R> {
    const TABLES: &'static [&'static str] = &[R::TABLE.name];

    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
        each_event(position, record, |event| self.keep(position, record, event))
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
        let events = self.events.take();
        if events.is_empty() {
            return Ok(());
        }
        let known = events.iter().filter(|(_, events)| !events.first().is_some_and(|first| R::creates(&first.event)));
        let known = known.map(|(key, _)| row_key(key)).collect();
        let mut rows: BTreeMap<EntityKey, Option<R>> = BTreeMap::new();
        for row in R::TABLE.read(connection, known).await? {
            let (key, row) = R::read(&row)?;
            rows.insert(key, Some(row));
        }
        for (key, events) in &events {
            let row = rows.entry(key.clone()).or_default();
            for journaled in events {
                R::fold(row, journaled.at, &journaled.event);
                if row.is_none() {
                    return Err(journaled.position.impossible(R::NOT_CREATED));
                }
            }
        }
        let cells = rows.iter().filter_map(|(key, row)| Some(row.as_ref()?.cells(key)));
        R::TABLE.put(connection, cells.collect()).await?;
        Ok(())
    }

    fn discard(&mut self) {
        self.events.clear();
    }
}

/// Returns the key of an entity's row: its tenant and its id.
pub(super) fn row_key(key: &EntityKey) -> Vec<Cell> {
    cells![key.tenant().as_str(), key.id128().unwrap_or_default()]
}
