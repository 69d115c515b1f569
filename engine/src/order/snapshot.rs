//! An order's state as it is written down, and the aggregate as the runtime sees it.

use wincode::{SchemaRead, SchemaWrite};

use super::{
    Order, OrderCommand, OrderEvent, OrderRejection, OrderReply, Standing,
    fold::{Pending, Restock},
};
use crate::{
    aggregate::{Aggregate, Context, Decision, SnapshotError, Ticket, read_snapshot, write_part, write_snapshot},
    effect::{Effect, EffectId, Outcome},
    id::{CommandId, Kind, Sku},
    receipts::{Receipt, Receipts},
    time::Timestamp,
};

/// An order's state at one version.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct FrozenOrder {
    /// The sheet as events spell it.
    sheet: Option<Vec<u8>>,
    standing: Standing,
    pending: Option<Pending>,
    refunds: u64,
    refused: Option<(CommandId, String)>,
    receipts: Vec<(Receipt, Standing)>,
    mail_open: bool,
    restocks: Vec<(String, u64, bool)>,
}

impl Aggregate for Order {
    const KIND: Kind = Kind::Order;
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Reply = OrderReply;
    type Rejection = OrderRejection;
    type Frozen = FrozenOrder;

    fn decide(
        &self,
        command: &OrderCommand,
        context: &Context,
    ) -> Result<Decision<OrderEvent, OrderReply>, OrderRejection> {
        self.decide_command(command, context)
    }

    fn settled(&self, ticket: &Ticket, _now: Timestamp) -> Option<Result<OrderReply, OrderRejection>> {
        self.answer(ticket.command_id)
    }

    fn on_outcome(&self, effect: EffectId, outcome: &Outcome, now: Timestamp) -> Vec<OrderEvent> {
        self.answered(effect, outcome, now)
    }

    fn apply(&mut self, event: &OrderEvent) {
        self.fold(event);
    }

    fn effects(&self, event: &OrderEvent) -> Vec<Effect> {
        self.effects_of(event)
    }

    fn outstanding(&self) -> Vec<Effect> {
        self.outstanding_effects()
    }

    fn has_outstanding(&self) -> bool {
        self.mail_open || self.pending.is_some() || self.restocks_open > 0
    }

    fn freeze(&self) -> Result<FrozenOrder, SnapshotError> {
        let restock = |restock: &Restock| (restock.sku.to_string(), restock.total, restock.booked);
        Ok(FrozenOrder {
            sheet: self.sheet.as_ref().map(write_part).transpose()?,
            standing: self.standing.clone(),
            pending: self.pending.clone(),
            refunds: self.refunds,
            refused: self.refused.clone(),
            receipts: self.receipts.to_list(),
            mail_open: self.mail_open,
            restocks: self.restocks.iter().map(restock).collect(),
        })
    }

    fn encode_frozen(frozen: &FrozenOrder) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let frozen: FrozenOrder = read_snapshot(bytes)?;
        let sheet = frozen.sheet.map(|bytes| minicbor::decode(&bytes)).transpose();
        let mut restocks = Vec::with_capacity(frozen.restocks.len());
        for (sku, total, booked) in frozen.restocks {
            let sku = Sku::new(&sku).map_err(|error| SnapshotError(error.to_string()))?;
            restocks.push(Restock { sku, total, booked });
        }
        Ok(Self {
            sheet: sheet.map_err(|error| SnapshotError(error.to_string()))?,
            standing: frozen.standing,
            pending: frozen.pending,
            refunds: frozen.refunds,
            refused: frozen.refused,
            receipts: Receipts::from_list(frozen.receipts),
            mail_open: frozen.mail_open,
            restocks_open: restocks.iter().filter(|restock| !restock.booked).count() as u32,
            restocks,
        })
    }
}
