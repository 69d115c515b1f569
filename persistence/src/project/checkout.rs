//! Checkouts, for a buyer's list of those that are under way.

use std::collections::BTreeMap;

use engine::{
    checkout::CheckoutEvent,
    id::{CheckoutId, EntityKey, OrderId, SubjectId},
    money::Money,
    time::Timestamp,
};
use sqlx::SqliteConnection;

use super::{
    Place, ProjectError, Projection, Record,
    decode::{Gathered, Happened, each_event},
};
use crate::sql::{
    Cell, Column, RowExt, Table, cells,
    lists::{CheckoutStanding, read_total, spell},
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
    gathered: Gathered<CheckoutEvent>,
}

/// A checkout's row while events are folded into it.
#[derive(Debug)]
struct Sheet {
    buyer: SubjectId,
    state: CheckoutStanding,
    problem: Option<String>,
    order: Option<OrderId>,
    total: Option<Money>,
    started_at: Timestamp,
    updated_at: Timestamp,
}

impl Projection for Checkouts {
    const TABLES: &'static [&'static str] = &[CHECKOUTS.name];

    fn gather(&mut self, place: Place, record: &Record<'_>) -> Result<(), ProjectError> {
        each_event(place, record, |event: CheckoutEvent| match event {
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
            | CheckoutEvent::Refused { .. } => self.gathered.keep(place, record, event),
            CheckoutEvent::Pinned { .. }
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
        let mut sheets = BTreeMap::new();
        for row in CHECKOUTS.read(connection, keys.collect()).await? {
            let sheet = Sheet {
                buyer: SubjectId(row.id("buyer")?),
                state: row.named("state")?,
                problem: row.opt_text("problem")?,
                order: row.opt_id("order_id")?.map(OrderId),
                total: read_total(&row)?,
                started_at: row.time("started_at")?,
                updated_at: row.time("updated_at")?,
            };
            sheets.insert(CheckoutId(row.id("checkout")?).key(&row.parsed("tenant")?), sheet);
        }
        for (key, events) in gathered {
            for happened in events {
                fold(&mut sheets, &key, happened)?;
            }
        }
        let rows = sheets.iter().map(|(key, sheet)| sheet.cells(key));
        CHECKOUTS.put(connection, rows.collect()).await?;
        Ok(())
    }

    fn abandon(&mut self) {
        self.gathered.clear();
    }
}

fn fold(
    sheets: &mut BTreeMap<EntityKey, Sheet>,
    key: &EntityKey,
    happened: Happened<CheckoutEvent>,
) -> Result<(), ProjectError> {
    if let CheckoutEvent::Started { sheet } = happened.event {
        // A refused one may be tried again under its id.
        let sheet = Sheet {
            buyer: sheet.buyer,
            state: CheckoutStanding::Pending,
            problem: None,
            order: None,
            total: None,
            started_at: sheet.receipt.at,
            updated_at: happened.at,
        };
        sheets.insert(key.clone(), sheet);
        return Ok(());
    }
    let sheet = sheets.get_mut(key);
    let sheet = sheet.ok_or_else(|| happened.place.impossible("something happened to a checkout that never began"))?;
    sheet.updated_at = happened.at;
    match happened.event {
        CheckoutEvent::HoldsAsked { totals, .. } | CheckoutEvent::AuthorisationAsked { totals, .. } => {
            sheet.total = Some(totals.total);
        }
        CheckoutEvent::ActionRequired { .. } => sheet.state = CheckoutStanding::RequiresAction,
        CheckoutEvent::ConfirmationAsked { .. }
        | CheckoutEvent::SaleAsked { .. }
        | CheckoutEvent::Stopped { .. }
        | CheckoutEvent::UndoAsked { .. } => sheet.state = CheckoutStanding::Pending,
        CheckoutEvent::Completed { order, .. } => {
            sheet.state = CheckoutStanding::Completed;
            sheet.order = Some(order);
        }
        CheckoutEvent::Failed { problem, .. } => {
            sheet.state = CheckoutStanding::Failed;
            sheet.problem = Some(problem.code().to_owned());
        }
        CheckoutEvent::Refused { problem, .. } => {
            sheet.state = CheckoutStanding::Refused;
            sheet.problem = Some(problem.code().to_owned());
        }
        _ => {}
    }
    Ok(())
}

impl Sheet {
    fn cells(&self, key: &EntityKey) -> Vec<Cell> {
        cells![
            key.tenant().as_str(),
            key.id128().unwrap_or_default(),
            self.buyer.0,
            spell(&self.state),
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
