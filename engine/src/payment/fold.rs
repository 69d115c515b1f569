//! The state of a payment, and how events change it. Nothing here can fail or reject.

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

use super::{PaymentEvent, PaymentState, PaymentView};
use crate::{
    id::{CommandId, PaymentId, RefundId, TenantId},
    money::Money,
    time::Timestamp,
};

/// A payment. `Default` is a payment that was not requested yet.
#[derive(Debug, Default)]
pub struct Payment {
    pub(super) details: Option<Details>,
    /// The state; `None` until the payment is requested. A payment without details can only be `Voided`.
    pub(super) state: Option<PaymentState>,
    /// The operation that is open at the provider; refunds have slots of their own.
    pub(super) open: Option<Line>,
    /// The number of such operations so far.
    pub(super) generation: u64,
    /// The first outcome of the authorisation: the reply to the command that requested it.
    pub(super) first_answer: Option<PaymentState>,
    pub(super) confirms: Vec<Confirm>,
    pub(super) capture: Option<Capture>,
    pub(super) void: Option<CommandId>,
    pub(super) refunds: Vec<Refund>,
    // The fields below are derived from the refunds, and not in snapshots.
    /// The refunded amount, in minor units.
    pub(super) refunded: i64,
    /// The amount of refunds in progress, in minor units.
    pub(super) refunding: i64,
    pub(super) refunds_open: u32,
}

/// The fields of a payment that are set when it is requested and never change.
#[derive(Debug, Clone, Encode, Decode)]
pub(super) struct Details {
    #[n(0)]
    pub(super) tenant: TenantId,
    #[n(1)]
    pub(super) payment: PaymentId,
    #[n(2)]
    pub(super) provider: String,
    #[n(3)]
    pub(super) token: String,
    #[n(4)]
    pub(super) amount: Money,
    #[n(5)]
    pub(super) command: CommandId,
}

/// The operations of which only one is open at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub(super) enum Line {
    Authorise,
    Confirm,
    Capture,
    Void,
}

/// A confirmation by the buyer that the challenge is passed.
#[derive(Debug, Clone, SchemaRead, SchemaWrite)]
pub(super) struct Confirm {
    pub(super) command: CommandId,
    pub(super) answer: Option<PaymentState>,
}

#[derive(Debug, Clone, SchemaRead, SchemaWrite)]
pub(super) struct Capture {
    pub(super) command: CommandId,
    pub(super) at: Option<Timestamp>,
    /// The error code, if the capture failed.
    pub(super) failed: Option<String>,
}

#[derive(Debug, Clone, SchemaRead, SchemaWrite)]
pub(super) struct Refund {
    pub(super) id: RefundId,
    /// The amount, in minor units.
    pub(super) amount: i64,
    pub(super) command: CommandId,
    pub(super) state: RefundState,
}

#[derive(Debug, Clone, SchemaRead, SchemaWrite)]
pub(super) enum RefundState {
    Open,
    /// The refund was made; `refunded` is the total refunded amount after it, in minor units.
    Done {
        refunded: i64,
    },
    Failed {
        code: String,
    },
}

impl Payment {
    pub(super) fn fold(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::AuthoriseAsked { tenant, payment, provider, token, amount, command, .. } => {
                self.details = Some(Details {
                    tenant: tenant.clone(),
                    payment: *payment,
                    provider: provider.clone(),
                    token: token.clone(),
                    amount: *amount,
                    command: *command,
                });
                self.state = Some(PaymentState::Pending);
                self.start(Line::Authorise);
            }
            PaymentEvent::Authorised { .. } => self.settle(PaymentState::Authorised),
            PaymentEvent::ActionRequired { url, expires_at, .. } => {
                self.settle(PaymentState::RequiresAction { url: url.clone(), expires_at: *expires_at });
            }
            PaymentEvent::Declined { code, .. } => self.settle(PaymentState::Declined { code: code.clone() }),
            PaymentEvent::ConfirmAsked { command, .. } => {
                self.confirms.push(Confirm { command: *command, answer: None });
                self.start(Line::Confirm);
            }
            PaymentEvent::CaptureAsked { command, .. } => {
                self.capture = Some(Capture { command: *command, at: None, failed: None });
                self.start(Line::Capture);
            }
            PaymentEvent::Captured { at, .. } => {
                if let Some(capture) = &mut self.capture {
                    capture.at = Some(*at);
                }
                self.settle(PaymentState::Captured);
            }
            PaymentEvent::CaptureFailed { code, .. } => {
                if let Some(capture) = &mut self.capture {
                    capture.failed = Some(code.clone());
                }
                self.settle(PaymentState::Failed { code: code.clone() });
            }
            PaymentEvent::VoidAsked { command, .. } => {
                self.void = Some(*command);
                if self.details.is_some() && self.open.is_none() {
                    self.start(Line::Void);
                }
            }
            PaymentEvent::Voided { .. } => self.settle(PaymentState::Voided),
            PaymentEvent::RefundAsked { refund, amount, command, .. } => self.index_refund(Refund {
                id: *refund,
                amount: amount.amount,
                command: *command,
                state: RefundState::Open,
            }),
            PaymentEvent::Refunded { refund, .. } => {
                let refunded = self.refunded;
                let amount = self.settle_refund(*refund, |amount| RefundState::Done { refunded: refunded + amount });
                self.refunded += amount;
            }
            PaymentEvent::RefundFailed { refund, code, .. } => {
                self.settle_refund(*refund, |_| RefundState::Failed { code: code.clone() });
            }
        }
        #[cfg(debug_assertions)]
        self.assert_balanced();
    }

    fn start(&mut self, line: Line) {
        // A new generation, so that late answers to the operation before it are ignored.
        self.generation += 1;
        self.open = Some(line);
    }

    /// Ends the open operation with this state, and starts a void that was waiting for it.
    fn settle(&mut self, state: PaymentState) {
        match self.open.take() {
            Some(Line::Authorise) => self.first_answer = Some(state.clone()),
            Some(Line::Confirm) => {
                if let Some(confirm) = self.confirms.last_mut() {
                    confirm.answer = Some(state.clone());
                }
            }
            Some(Line::Capture | Line::Void) | None => {}
        }
        let to_give_up = matches!(
            state,
            PaymentState::Authorised | PaymentState::RequiresAction { .. } | PaymentState::Failed { .. }
        );
        self.state = Some(state);
        if self.void.is_some() && to_give_up {
            self.start(Line::Void);
        }
    }

    /// Adds a refund to the list and to the fields derived from it.
    pub(super) fn index_refund(&mut self, refund: Refund) {
        match refund.state {
            RefundState::Open => {
                self.refunding += refund.amount;
                self.refunds_open += 1;
            }
            RefundState::Done { .. } => self.refunded += refund.amount,
            RefundState::Failed { .. } => {}
        }
        self.refunds.push(refund);
    }

    /// Ends an open refund and returns its amount, or 0 if no such refund is open.
    fn settle_refund(&mut self, id: RefundId, state: impl FnOnce(i64) -> RefundState) -> i64 {
        let open = |refund: &&mut Refund| refund.id == id && matches!(refund.state, RefundState::Open);
        let Some(refund) = self.refunds.iter_mut().find(open) else { return 0 };
        refund.state = state(refund.amount);
        let amount = refund.amount;
        self.refunding -= amount;
        self.refunds_open -= 1;
        amount
    }

    /// Returns the captured amount, in minor units.
    pub(super) fn captured(&self) -> i64 {
        match (&self.state, &self.details) {
            (Some(PaymentState::Captured), Some(details)) => details.amount.amount,
            _ => 0,
        }
    }

    pub(super) fn view(details: &Details, state: PaymentState, captured: i64, refunded: i64) -> PaymentView {
        let money = |amount| Money { amount, currency: details.amount.currency };
        PaymentView {
            id: details.payment,
            provider: details.provider.clone(),
            state,
            amount: details.amount,
            captured: money(captured),
            refunded: money(refunded),
        }
    }

    /// Asserts what must hold after every event: refunds do not exceed the captured amount.
    pub fn assert_balanced(&self) {
        assert!(self.refunded >= 0 && self.refunding >= 0, "refunds below nothing");
        assert!(self.refunded + self.refunding <= self.captured(), "more refunded than was captured");
    }
}
