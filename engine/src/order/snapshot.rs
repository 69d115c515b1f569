//! Snapshots of an order.

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

use super::{
    Change, Details, LineRefund, Order, Status,
    fold::{Pending, Restock, Then},
    notice::Notices,
};
use crate::{
    id::{CommandId, RefundId, Sku},
    processed_commands::{ProcessedCommand, ProcessedCommands},
    snapshot::{Persist, SnapshotError, read_snapshot, write_part, write_snapshot},
};

/// A copy of an order's state at one version, for a snapshot.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct FrozenOrder {
    /// The details, encoded as in events, followed by a `Later` with the state that was introduced with parcels, unless
    /// that is empty. Orders without such state are encoded as before, so the snapshot format is unchanged.
    details: Option<Vec<u8>>,
    status: Status,
    pending: Option<FrozenPending>,
    refunds: u64,
    refused: Option<(CommandId, String)>,
    processed_commands: Vec<(ProcessedCommand, Status)>,
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
    processed: ProcessedCommand,
}

/// The state that was introduced with parcels and notices.
#[derive(Debug, Default, PartialEq, Encode, Decode)]
struct Later {
    #[n(0)]
    changes: Vec<Change>,
    /// The number of changes at each processed command, in their order.
    #[n(1)]
    processed_commands: Vec<u32>,
    #[n(2)]
    pending_lines: Option<Vec<LineRefund>>,
    #[n(3)]
    notices: Notices,
}

impl Order {
    fn later(&self, processed_commands: &[(ProcessedCommand, Then)]) -> Option<Later> {
        let later = Later {
            changes: self.changes.clone(),
            processed_commands: processed_commands.iter().map(|(_, then)| then.changes as u32).collect(),
            pending_lines: self.pending.as_ref().and_then(|pending| pending.lines.clone()),
            notices: self.notices.clone(),
        };
        let is_empty = later.changes.is_empty() && later.pending_lines.is_none() && later.notices == Notices::default();
        (!is_empty).then_some(later)
    }
}

impl Persist for Order {
    type Frozen = FrozenOrder;

    fn freeze(&self) -> Result<FrozenOrder, SnapshotError> {
        let restock = |restock: &Restock| (restock.sku.to_string(), restock.total, restock.booked);
        let processed_commands = self.processed_commands.to_list();
        let later = self.later(&processed_commands);
        let mut details = self.details.as_ref().map(write_part).transpose()?;
        if let (Some(details), Some(later)) = (&mut details, &later) {
            details.extend(write_part(later)?);
        }
        let pending = self.pending.as_ref().map(|pending| FrozenPending {
            refund: pending.refund,
            amount: pending.amount,
            reason: pending.reason.clone(),
            restock: pending.restock,
            cancel: pending.cancel,
            processed: pending.processed,
        });
        Ok(FrozenOrder {
            details,
            status: self.status.clone(),
            pending,
            refunds: self.refunds,
            refused: self.refused.clone(),
            processed_commands: processed_commands
                .into_iter()
                .map(|(processed, then)| (processed, then.status))
                .collect(),
            mail_open: self.mail_open,
            restocks: self.restocks.iter().map(restock).collect(),
        })
    }

    fn encode_frozen(frozen: &FrozenOrder) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let frozen: FrozenOrder = read_snapshot(bytes)?;
        let (details, later) = match &frozen.details {
            Some(bytes) => read_details(bytes)?,
            None => (None, Later::default()),
        };
        // Snapshots without a `Later` have no changes, so every processed command has 0.
        let mut counts = later.processed_commands.into_iter().map(|count| count as usize).chain(std::iter::repeat(0));
        let mut processed_commands = Vec::with_capacity(frozen.processed_commands.len());
        for (processed, status) in frozen.processed_commands {
            let changes = counts.next().unwrap_or_default();
            if changes > later.changes.len() {
                return Err(SnapshotError("a receipt of a change that is not there".to_owned()));
            }
            processed_commands.push((processed, Then { status, changes }));
        }
        let pending = frozen.pending.map(|pending| Pending {
            refund: pending.refund,
            amount: pending.amount,
            reason: pending.reason,
            restock: pending.restock,
            cancel: pending.cancel,
            processed: pending.processed,
            lines: later.pending_lines,
        });
        let mut restocks = Vec::with_capacity(frozen.restocks.len());
        for (sku, total, booked) in frozen.restocks {
            let sku = Sku::new(&sku).map_err(|error| SnapshotError(error.to_string()))?;
            restocks.push(Restock { sku, total, booked });
        }
        Ok(Self {
            details,
            status: frozen.status,
            pending,
            refunds: frozen.refunds,
            refused: frozen.refused,
            processed_commands: ProcessedCommands::from_list(processed_commands),
            mail_open: frozen.mail_open,
            restocks_open: restocks.iter().filter(|restock| !restock.booked).count() as u32,
            restocks,
            changes: later.changes,
            notices: later.notices,
        })
    }
}

/// Reads the details and the `Later` that may follow them.
fn read_details(bytes: &[u8]) -> Result<(Option<Details>, Later), SnapshotError> {
    let failed = |error: minicbor::decode::Error| SnapshotError(error.to_string());
    let mut decoder = minicbor::Decoder::new(bytes);
    let details = decoder.decode().map_err(failed)?;
    let later = if decoder.position() < bytes.len() { decoder.decode().map_err(failed)? } else { Later::default() };
    Ok((Some(details), later))
}
