//! An order's state as it is written down, and the aggregate as the runtime sees it.

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

use super::{
    Change, LineRefund, Order, OrderCommand, OrderEvent, OrderRejection, OrderReply, Sheet, Standing,
    fold::{Pending, Restock, Then},
    notice::Notices,
};
use crate::{
    aggregate::{Aggregate, Context, Decision, SnapshotError, Ticket, read_snapshot, write_part, write_snapshot},
    effect::{Effect, EffectId, Outcome},
    id::{CommandId, Kind, RefundId, Sku},
    receipts::{Receipt, Receipts},
    time::Timestamp,
};

/// An order's state at one version.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct FrozenOrder {
    /// The sheet as events spell it, and behind it, where there is anything of it, what came with parcels: a `Later`.
    /// States without it are written as they were before, so the format stays the same.
    sheet: Option<Vec<u8>>,
    standing: Standing,
    pending: Option<FrozenPending>,
    refunds: u64,
    refused: Option<(CommandId, String)>,
    receipts: Vec<(Receipt, Standing)>,
    mail_open: bool,
    restocks: Vec<(String, u64, bool)>,
}

#[derive(Debug, Clone, SchemaRead, SchemaWrite)]
struct FrozenPending {
    refund: RefundId,
    amount: i64,
    reason: String,
    restock: bool,
    cancel: bool,
    receipt: Receipt,
}

/// What an order has had since there are parcels and notices.
#[derive(Debug, Default, PartialEq, Encode, Decode)]
struct Later {
    #[n(0)]
    changes: Vec<Change>,
    /// How many changes there were at each receipt, in their order.
    #[n(1)]
    receipts: Vec<u32>,
    #[n(2)]
    pending_lines: Option<Vec<LineRefund>>,
    #[n(3)]
    notices: Notices,
}

impl Order {
    fn later(&self, receipts: &[(Receipt, Then)]) -> Option<Later> {
        let later = Later {
            changes: self.changes.clone(),
            receipts: receipts.iter().map(|(_, then)| then.changes as u32).collect(),
            pending_lines: self.pending.as_ref().and_then(|pending| pending.lines.clone()),
            notices: self.notices.clone(),
        };
        let is_empty = later.changes.is_empty() && later.pending_lines.is_none() && later.notices == Notices::default();
        (!is_empty).then_some(later)
    }
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
        self.mail_open || self.pending.is_some() || self.restocks_open > 0 || !self.notices.is_empty()
    }

    fn freeze(&self) -> Result<FrozenOrder, SnapshotError> {
        let restock = |restock: &Restock| (restock.sku.to_string(), restock.total, restock.booked);
        let receipts = self.receipts.to_list();
        let later = self.later(&receipts);
        let mut sheet = self.sheet.as_ref().map(write_part).transpose()?;
        if let (Some(sheet), Some(later)) = (&mut sheet, &later) {
            sheet.extend(write_part(later)?);
        }
        let pending = self.pending.as_ref().map(|pending| FrozenPending {
            refund: pending.refund,
            amount: pending.amount,
            reason: pending.reason.clone(),
            restock: pending.restock,
            cancel: pending.cancel,
            receipt: pending.receipt,
        });
        Ok(FrozenOrder {
            sheet,
            standing: self.standing.clone(),
            pending,
            refunds: self.refunds,
            refused: self.refused.clone(),
            receipts: receipts.into_iter().map(|(receipt, then)| (receipt, then.standing)).collect(),
            mail_open: self.mail_open,
            restocks: self.restocks.iter().map(restock).collect(),
        })
    }

    fn encode_frozen(frozen: &FrozenOrder) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let frozen: FrozenOrder = read_snapshot(bytes)?;
        let (sheet, later) = match &frozen.sheet {
            Some(bytes) => read_sheet(bytes)?,
            None => (None, Later::default()),
        };
        // In snapshots without changes each receipt has none.
        let mut counts = later.receipts.into_iter().map(|count| count as usize).chain(std::iter::repeat(0));
        let mut receipts = Vec::with_capacity(frozen.receipts.len());
        for (receipt, standing) in frozen.receipts {
            let changes = counts.next().unwrap_or_default();
            if changes > later.changes.len() {
                return Err(SnapshotError("a receipt of a change that is not there".to_owned()));
            }
            receipts.push((receipt, Then { standing, changes }));
        }
        let pending = frozen.pending.map(|pending| Pending {
            refund: pending.refund,
            amount: pending.amount,
            reason: pending.reason,
            restock: pending.restock,
            cancel: pending.cancel,
            receipt: pending.receipt,
            lines: later.pending_lines,
        });
        let mut restocks = Vec::with_capacity(frozen.restocks.len());
        for (sku, total, booked) in frozen.restocks {
            let sku = Sku::new(&sku).map_err(|error| SnapshotError(error.to_string()))?;
            restocks.push(Restock { sku, total, booked });
        }
        Ok(Self {
            sheet,
            standing: frozen.standing,
            pending,
            refunds: frozen.refunds,
            refused: frozen.refused,
            receipts: Receipts::from_list(receipts),
            mail_open: frozen.mail_open,
            restocks_open: restocks.iter().filter(|restock| !restock.booked).count() as u32,
            restocks,
            changes: later.changes,
            notices: later.notices,
        })
    }
}

/// The sheet, and what stands behind it.
fn read_sheet(bytes: &[u8]) -> Result<(Option<Sheet>, Later), SnapshotError> {
    let failed = |error: minicbor::decode::Error| SnapshotError(error.to_string());
    let mut decoder = minicbor::Decoder::new(bytes);
    let sheet = decoder.decode().map_err(failed)?;
    let later = if decoder.position() < bytes.len() { decoder.decode().map_err(failed)? } else { Later::default() };
    Ok((Some(sheet), later))
}
