//! Projects flash sale drops, for lists. Their counts are not stored: they change with each claim and are read from
//! memory.

use std::collections::BTreeMap;

use engine::{
    flash_drop::{DropEdit, DropEvent, ItemTerms, Terms},
    id::{CommandId, DropId, EntityKey},
    time::Timestamp,
};
use sqlx::SqliteConnection;

use super::{
    JournalPosition, ProjectError, Projection, Record,
    decode::{EventsByEntity, JournalEvent, each_event},
    drop_buyers::{self, DropBuyers},
    drop_series::{self, Series},
};
use crate::sql::{
    Cell, Column, RowExt, Table, cells,
    lists::{DropPhase, ListedItem, read_terms, variant_name},
};

const DROPS: Table = Table {
    name: "drops",
    columns: &[
        Column::Plain("tenant"),
        Column::Id("drop_id"),
        Column::Plain("title"),
        Column::Id("product"),
        Column::Plain("per_buyer_max"),
        Column::Plain("hold_seconds"),
        Column::Plain("starts_at"),
        Column::Plain("ends_at"),
        Column::Plain("audience"),
        Column::Plain("currency"),
        Column::Plain("items"),
        Column::Plain("phase"),
        Column::Plain("published_at"),
        Column::Plain("version"),
        Column::Plain("created_at"),
        Column::Id("created_command"),
        Column::Id("pending_command"),
    ],
    key: 2,
};

/// Projects drops, their buyers, and their series over time.
#[derive(Debug, Default)]
pub(super) struct Drops {
    gathered: EventsByEntity<DropEvent>,
    drop_buyers: DropBuyers,
    series: Series,
}

/// A drop's row while events are folded into it.
#[derive(Debug)]
struct Details {
    terms: Terms,
    items: Vec<ListedItem>,
    phase: DropPhase,
    published_at: Option<Timestamp>,
    version: u64,
    created_at: Timestamp,
    created: CommandId,
    pending: Option<CommandId>,
}

impl Projection for Drops {
    const TABLES: &'static [&'static str] = &[
        drop_buyers::TABLES[0],
        drop_buyers::TABLES[1],
        drop_series::TABLES[0],
        drop_series::TABLES[1],
        drop_series::TABLES[2],
        DROPS.name,
    ];

    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
        let Self { gathered, drop_buyers, series } = self;
        each_event(position, record, |event: DropEvent| {
            series.note(record, &event);
            match event {
                DropEvent::Claimed { buyer, .. } => drop_buyers.note(&record.key, buyer),
                DropEvent::Created { .. }
                | DropEvent::UnitsAsked { .. }
                | DropEvent::UnitsRefused { .. }
                | DropEvent::Published { .. }
                | DropEvent::Edited { .. }
                | DropEvent::Ended { .. }
                | DropEvent::Cancelled { .. } => gathered.keep(position, record, event),
                DropEvent::UnitsCame { .. }
                | DropEvent::Released { .. }
                | DropEvent::Expired { .. }
                | DropEvent::ClaimLocked { .. }
                | DropEvent::ClaimUnlocked { .. }
                | DropEvent::Sold { .. }
                | DropEvent::Unsold { .. }
                | DropEvent::SettlementAsked { .. }
                | DropEvent::Settled { .. } => {}
            }
        })
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
        self.drop_buyers.write(connection).await?;
        self.series.write(connection).await?;
        let gathered = self.gathered.take();
        if gathered.is_empty() {
            return Ok(());
        }
        let keys = gathered.keys().map(|key| cells![key.tenant().as_str(), key.id128().unwrap_or_default()]);
        let mut details_by_drop = BTreeMap::new();
        for row in DROPS.read(connection, keys.collect()).await? {
            let details = Details {
                terms: read_terms(&row)?,
                items: row.json("items")?,
                phase: row.named("phase")?,
                published_at: row.opt_time("published_at")?,
                version: row.count("version")?,
                created_at: row.time("created_at")?,
                created: CommandId(row.id("created_command")?),
                pending: row.opt_id("pending_command")?.map(CommandId),
            };
            details_by_drop.insert(DropId(row.id("drop_id")?).key(&row.parsed("tenant")?), details);
        }
        for (key, events) in gathered {
            for journaled in events {
                fold(&mut details_by_drop, &key, journaled)?;
            }
        }
        let rows = details_by_drop.iter().map(|(key, details)| details.cells(key));
        DROPS.put(connection, rows.collect()).await?;
        Ok(())
    }

    fn committed(&mut self) {
        self.drop_buyers.committed();
    }

    fn discard(&mut self) {
        self.gathered.clear();
        self.drop_buyers.discard();
        self.series.discard();
    }
}

fn fold(
    details_by_drop: &mut BTreeMap<EntityKey, Details>,
    key: &EntityKey,
    journaled: JournalEvent<DropEvent>,
) -> Result<(), ProjectError> {
    if let DropEvent::Created { terms, items, processed, .. } = journaled.event {
        // A refused creation leaves its id free. Items of an earlier attempt stay in the row with no units, and are not
        // listed.
        let old = details_by_drop.remove(key).map(|details| details.items).unwrap_or_default();
        let details = Details {
            terms,
            items: merge_items(&items, old),
            phase: DropPhase::Draft,
            published_at: None,
            version: 1,
            created_at: processed.at,
            created: processed.command_id,
            pending: None,
        };
        details_by_drop.insert(key.clone(), details);
        return Ok(());
    }
    let details = details_by_drop.get_mut(key);
    let details = details.ok_or_else(|| journaled.position.impossible("event of a drop that was not created"))?;
    details.fold(journaled.event);
    Ok(())
}

/// Returns the items of a new creation, followed by those of earlier attempts that it does not contain.
fn merge_items(items: &[ItemTerms], old: Vec<ListedItem>) -> Vec<ListedItem> {
    let new = items.iter().map(|item| ListedItem {
        sku: item.sku.clone(),
        price: item.price,
        compare_at: item.compare_at,
        quantity: item.quantity.units(),
    });
    let mut merged: Vec<ListedItem> = new.collect();
    let unnamed = old.into_iter().filter(|old| items.iter().all(|item| item.sku != old.sku));
    merged.extend(unnamed.map(|old| ListedItem { quantity: 0, ..old }).collect::<Vec<_>>());
    merged
}

impl Details {
    /// Applies an event as the aggregate itself would.
    fn fold(&mut self, event: DropEvent) {
        match event {
            DropEvent::UnitsAsked { processed, edit, .. } => {
                if let Some(edit) = &edit {
                    self.add_new_items(edit);
                }
                self.pending = Some(processed.command_id);
            }
            DropEvent::UnitsRefused { .. } => {
                let is_creation = self.pending.take() == Some(self.created);
                self.phase = if is_creation { DropPhase::Void } else { self.phase };
            }
            DropEvent::Published { at } => {
                let pending = self.pending.take();
                if pending.is_some_and(|command| command != self.created) {
                    self.version += 1;
                }
                self.phase = DropPhase::Published;
                self.terms.starts_at.get_or_insert(at);
                self.published_at = Some(at);
            }
            DropEvent::Edited { edit, .. } => {
                self.add_new_items(&edit);
                self.edit(edit);
                self.pending = None;
                self.version += 1;
            }
            DropEvent::Ended { processed, .. } => {
                self.phase = DropPhase::Ended;
                self.version += u64::from(processed.is_some());
            }
            DropEvent::Cancelled { .. } => {
                self.phase = DropPhase::Cancelled;
                self.version += 1;
            }
            _ => {}
        }
    }

    fn add_new_items(&mut self, edit: &DropEdit) {
        for change in &edit.items {
            if self.items.iter().all(|item| item.sku != change.sku) {
                self.items.push(ListedItem {
                    sku: change.sku.clone(),
                    price: change.price.unwrap_or(0),
                    compare_at: change.compare_at,
                    quantity: 0,
                });
            }
        }
    }

    fn edit(&mut self, edit: DropEdit) {
        let terms = &mut self.terms;
        if let Some(title) = edit.title {
            terms.title = title;
        }
        terms.starts_at = edit.starts_at.or(terms.starts_at);
        terms.ends_at = edit.ends_at.unwrap_or(terms.ends_at);
        terms.per_buyer_max = edit.per_buyer_max.unwrap_or(terms.per_buyer_max);
        terms.hold_seconds = edit.hold_seconds.unwrap_or(terms.hold_seconds);
        terms.audience = edit.audience.unwrap_or(terms.audience);
        for change in edit.items {
            let Some(item) = self.items.iter_mut().find(|item| item.sku == change.sku) else { continue };
            item.price = change.price.unwrap_or(item.price);
            item.compare_at = change.compare_at.or(item.compare_at);
            let quantity = change.quantity.map_or(item.quantity, u64::from);
            item.quantity = quantity + change.add_quantity.map_or(0, |more| more.units());
        }
    }

    fn cells(&self, key: &EntityKey) -> Vec<Cell> {
        let terms = &self.terms;
        cells![
            key.tenant().as_str(),
            key.id128().unwrap_or_default(),
            terms.title.as_str(),
            terms.product.map(|product| product.0),
            terms.per_buyer_max.units(),
            terms.hold_seconds,
            terms.starts_at.map(|at| at.0),
            terms.ends_at.0,
            variant_name(&terms.audience),
            terms.currency.code(),
            serde_json::json!(self.items).to_string(),
            variant_name(&self.phase),
            self.published_at.map(|at| at.0),
            self.version,
            self.created_at.0,
            self.created.0,
            self.pending.map(|command| command.0),
        ]
    }
}

#[cfg(test)]
mod tests;
