//! Projects checkouts, for a buyer's list of those in progress.

use std::collections::BTreeMap;

use engine::{
    checkout::CheckoutEvent,
    id::{CheckoutId, EntityKey, OrderId, SubjectId},
    money::Money,
    time::Timestamp,
};
use sqlx::SqliteConnection;

use super::{
    JournalPosition, ProjectError, Projection, Record,
    decode::{EventsByEntity, JournalEvent, each_event},
};
use crate::sql::{
    Cell, Column, RowExt, Table, cells,
    lists::{CheckoutStatus, read_total, variant_name},
};

const CHECKOUTS: Table = Table {
    name: "checkouts",
    columns: &[
        Column::Plain("tenant"),
        Column::Id("checkout"),
        Column::Id("buyer"),
        Column::Plain("state"),
        Column::Plain("problem"),
        Column::Id("order_id"),
        Column::Plain("currency"),
        Column::Plain("total"),
        Column::Plain("started_at"),
        Column::Plain("updated_at"),
    ],
    key: 2,
};

/// Projects checkouts.
#[derive(Debug, Default)]
pub(super) struct Checkouts {
    gathered: EventsByEntity<CheckoutEvent>,
}

/// A checkout's row while events are folded into it.
#[derive(Debug)]
struct Details {
    buyer: SubjectId,
    state: CheckoutStatus,
    problem: Option<String>,
    order: Option<OrderId>,
    total: Option<Money>,
    started_at: Timestamp,
    updated_at: Timestamp,
}

impl Projection for Checkouts {
    const TABLES: &'static [&'static str] = &[CHECKOUTS.name];

    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
        each_event(position, record, |event: CheckoutEvent| match event {
            CheckoutEvent::Started { .. }
            | CheckoutEvent::HoldsAsked { .. }
            | CheckoutEvent::AuthorisationAsked { .. }
            | CheckoutEvent::ActionRequired { .. }
            | CheckoutEvent::ConfirmationAsked { .. }
            | CheckoutEvent::SaleAsked { .. }
            | CheckoutEvent::Stopped { .. }
            | CheckoutEvent::UndoAsked { .. }
            | CheckoutEvent::Completed { .. }
            | CheckoutEvent::Failed { .. }
            | CheckoutEvent::Refused { .. } => self.gathered.keep(position, record, event),
            CheckoutEvent::ClaimLocked { .. }
            | CheckoutEvent::DropSeen { .. }
            | CheckoutEvent::Locked { .. }
            | CheckoutEvent::Quoted { .. }
            | CheckoutEvent::Done { .. }
            | CheckoutEvent::Denied { .. }
            | CheckoutEvent::Numbered { .. }
            | CheckoutEvent::QuotesAsked
            | CheckoutEvent::OrderAsked { .. }
            | CheckoutEvent::CaptureAsked { .. }
            | CheckoutEvent::FinishAsked { .. }
            | CheckoutEvent::StillPending { .. }
            | CheckoutEvent::SweepAsked { .. }
            | CheckoutEvent::Swept { .. } => {}
        })
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
        let gathered = self.gathered.take();
        if gathered.is_empty() {
            return Ok(());
        }
        let keys = gathered.keys().map(|key| cells![key.tenant().as_str(), key.id128().unwrap_or_default()]);
        let mut details_by_drop = BTreeMap::new();
        for row in CHECKOUTS.read(connection, keys.collect()).await? {
            let details = Details {
                buyer: SubjectId(row.id("buyer")?),
                state: row.named("state")?,
                problem: row.opt_text("problem")?,
                order: row.opt_id("order_id")?.map(OrderId),
                total: read_total(&row)?,
                started_at: row.time("started_at")?,
                updated_at: row.time("updated_at")?,
            };
            details_by_drop.insert(CheckoutId(row.id("checkout")?).key(&row.parsed("tenant")?), details);
        }
        for (key, events) in gathered {
            for journaled in events {
                fold(&mut details_by_drop, &key, journaled)?;
            }
        }
        let rows = details_by_drop.iter().map(|(key, details)| details.cells(key));
        CHECKOUTS.put(connection, rows.collect()).await?;
        Ok(())
    }

    fn discard(&mut self) {
        self.gathered.clear();
    }
}

fn fold(
    details_by_drop: &mut BTreeMap<EntityKey, Details>,
    key: &EntityKey,
    journaled: JournalEvent<CheckoutEvent>,
) -> Result<(), ProjectError> {
    if let CheckoutEvent::Started { details } = journaled.event {
        // A refused checkout may be retried under the same id.
        let details = Details {
            buyer: details.buyer,
            state: CheckoutStatus::Pending,
            problem: None,
            order: None,
            total: None,
            started_at: details.processed.at,
            updated_at: journaled.at,
        };
        details_by_drop.insert(key.clone(), details);
        return Ok(());
    }
    let details = details_by_drop.get_mut(key);
    let details = details.ok_or_else(|| journaled.position.impossible("event of a checkout that was not started"))?;
    details.updated_at = journaled.at;
    match journaled.event {
        CheckoutEvent::HoldsAsked { totals, .. } | CheckoutEvent::AuthorisationAsked { totals, .. } => {
            details.total = Some(totals.total);
        }
        CheckoutEvent::ActionRequired { .. } => details.state = CheckoutStatus::RequiresAction,
        CheckoutEvent::ConfirmationAsked { .. }
        | CheckoutEvent::SaleAsked { .. }
        | CheckoutEvent::Stopped { .. }
        | CheckoutEvent::UndoAsked { .. } => details.state = CheckoutStatus::Pending,
        CheckoutEvent::Completed { order, .. } => {
            details.state = CheckoutStatus::Completed;
            details.order = Some(order);
        }
        CheckoutEvent::Failed { problem, .. } => {
            details.state = CheckoutStatus::Failed;
            details.problem = Some(problem.recorded_name().to_owned());
        }
        CheckoutEvent::Refused { problem, .. } => {
            details.state = CheckoutStatus::Refused;
            details.problem = Some(problem.recorded_name().to_owned());
        }
        _ => {}
    }
    Ok(())
}

impl Details {
    fn cells(&self, key: &EntityKey) -> Vec<Cell> {
        cells![
            key.tenant().as_str(),
            key.id128().unwrap_or_default(),
            self.buyer.0,
            variant_name(&self.state),
            self.problem.as_deref(),
            self.order.map(|order| order.0),
            self.total.as_ref().map(|total| total.currency.code()),
            self.total.map(|total| total.amount),
            self.started_at.0,
            self.updated_at.0,
        ]
    }
}

#[cfg(test)]
mod tests;
