//! Snapshots of a payment.

use wincode::{SchemaRead, SchemaWrite};

use super::{
    Payment, PaymentState,
    fold::{Capture, Confirm, Line, Refund},
};
use crate::{
    id::CommandId,
    snapshot::{Persist, SnapshotError, read_part, read_snapshot, write_part, write_snapshot},
};

/// A copy of a payment's state at one version, for a snapshot.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct FrozenPayment {
    /// The details, encoded as in events.
    details: Option<Vec<u8>>,
    state: Option<PaymentState>,
    open: Option<Line>,
    generation: u64,
    first_answer: Option<PaymentState>,
    confirms: Vec<Confirm>,
    capture: Option<Capture>,
    void: Option<CommandId>,
    refunds: Vec<Refund>,
}

impl Persist for Payment {
    type Frozen = FrozenPayment;

    fn freeze(&self) -> Result<FrozenPayment, SnapshotError> {
        Ok(FrozenPayment {
            details: self.details.as_ref().map(write_part).transpose()?,
            state: self.state.clone(),
            open: self.open,
            generation: self.generation,
            first_answer: self.first_answer.clone(),
            confirms: self.confirms.clone(),
            capture: self.capture.clone(),
            void: self.void,
            refunds: self.refunds.clone(),
        })
    }

    fn encode_frozen(frozen: &FrozenPayment) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let frozen: FrozenPayment = read_snapshot(bytes)?;
        let mut payment = Payment {
            details: frozen.details.map(|bytes| read_part(&bytes)).transpose()?,
            state: frozen.state,
            open: frozen.open,
            generation: frozen.generation,
            first_answer: frozen.first_answer,
            confirms: frozen.confirms,
            capture: frozen.capture,
            void: frozen.void,
            ..Payment::default()
        };
        for refund in frozen.refunds {
            payment.index_refund(refund);
        }
        Ok(payment)
    }
}
