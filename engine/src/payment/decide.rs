//! Decides the commands of a payment, and derives the requests to its provider and the events from the answers.

use super::{
    CODE_BYTES_MAX, CONFIRMS_MAX, PROVIDER_CHARS_MAX, Payment, PaymentCommand, PaymentEvent, PaymentRejection,
    PaymentReply, PaymentState, ProviderAnswer, ProviderOperation, ProviderRequest, REFUNDS_MAX,
    SEALED_TOKEN_BYTES_MAX,
    fold::{Details, Line, Refund, RefundState},
    provider::PaymentEffect,
};
use crate::{
    aggregate::{Context, Decision, KeyReused},
    effect::Effect,
    id::{CommandId, PaymentId, RefundId, TenantId},
    money::{AMOUNT_MAX, Money},
    time::Timestamp,
};

type Decided = Result<Decision<PaymentEvent, PaymentReply>, PaymentRejection>;

impl Payment {
    pub(super) fn decide_command(&self, command: &PaymentCommand, context: &Context) -> Decided {
        match command {
            PaymentCommand::Authorise { tenant, payment, provider, token, amount } => {
                self.authorise(tenant, *payment, provider, token, *amount, context)
            }
            PaymentCommand::Void => self.give_up(context),
            PaymentCommand::Confirm => self.confirm(self.existing()?, context),
            PaymentCommand::Capture => self.take(self.existing()?, context),
            PaymentCommand::Refund { refund, amount } => self.refund(self.existing()?, *refund, *amount, context),
            PaymentCommand::View => Ok(Decision::read(self.reply(self.existing()?))),
        }
    }

    /// Returns the details of a payment that was requested.
    fn existing(&self) -> Result<&Details, PaymentRejection> {
        self.details.as_ref().ok_or(PaymentRejection::NotFound)
    }

    /// Returns the current state of the payment as a reply.
    fn reply(&self, details: &Details) -> PaymentReply {
        let state = self.state.clone().unwrap_or(PaymentState::Pending);
        PaymentReply::Payment(Self::view(details, state, self.captured(), self.refunded))
    }

    fn authorise(
        &self,
        tenant: &TenantId,
        payment: PaymentId,
        provider: &str,
        token: &str,
        amount: Money,
        context: &Context,
    ) -> Decided {
        if let Some(details) = &self.details {
            if (&*details.provider, &*details.token, details.amount) != (provider, token, amount) {
                return Err(KeyReused.into());
            }
            return Ok(self.repeat(details.command));
        }
        if self.void.is_some() {
            return Err(PaymentRejection::Voided);
        }
        if !(0..=AMOUNT_MAX).contains(&amount.amount) {
            return Err(invalid("/amount", "must be between 0 and 9007199254740991"));
        }
        if provider.is_empty() || provider.chars().count() > PROVIDER_CHARS_MAX {
            return Err(invalid("/payment/provider", "must be between 1 and 64 characters long"));
        }
        if token.len() > SEALED_TOKEN_BYTES_MAX {
            return Err(invalid("/payment/token", "is longer than 1024 characters"));
        }
        let (command, at) = (context.command_id, context.now);
        let asked = PaymentEvent::AuthoriseAsked {
            tenant: tenant.clone(),
            payment,
            provider: provider.to_owned(),
            token: token.to_owned(),
            amount,
            command,
            at,
        };
        Ok(Decision::deferred(with_answer(asked, amount, PaymentEvent::Authorised { at }), command))
    }

    fn confirm(&self, details: &Details, context: &Context) -> Decided {
        if let Some(known) = context.ids().find(|&id| self.confirms.iter().any(|confirm| confirm.command == id)) {
            return Ok(self.repeat(known));
        }
        if self.void.is_some() {
            return Err(PaymentRejection::Voided);
        }
        match (&self.state, self.open) {
            (_, Some(Line::Confirm)) => {
                let open = self.confirms.last().map_or(context.command_id, |confirm| confirm.command);
                Ok(Decision::deferred_duplicate(open))
            }
            (Some(PaymentState::RequiresAction { .. }), None) => {
                if self.confirms.len() >= CONFIRMS_MAX {
                    return Err(not_allowed("too many confirmations of the challenge"));
                }
                let asked = PaymentEvent::ConfirmAsked { command: context.command_id, at: context.now };
                Ok(Decision::deferred(vec![asked], context.command_id))
            }
            (Some(PaymentState::Declined { .. }), _) => Ok(Decision::read(self.reply(details))),
            // Always `Authorised`, whatever happened to the money later.
            (Some(PaymentState::Authorised | PaymentState::Captured | PaymentState::Failed { .. }), _) => {
                Ok(Decision::read(PaymentReply::Payment(Self::view(details, PaymentState::Authorised, 0, 0))))
            }
            _ => Err(not_allowed("the payment has no challenge to confirm")),
        }
    }

    fn take(&self, details: &Details, context: &Context) -> Decided {
        if let Some(capture) = &self.capture {
            return match &capture.failed {
                Some(code) => Err(PaymentRejection::CaptureFailed { code: code.clone() }),
                None => Ok(self.repeat(capture.command)),
            };
        }
        if self.void.is_some() {
            return Err(PaymentRejection::Voided);
        }
        if self.state != Some(PaymentState::Authorised) {
            return Err(not_allowed("the payment is not authorised"));
        }
        let (command, at) = (context.command_id, context.now);
        let captured = PaymentEvent::Captured { amount: details.amount, at };
        Ok(Decision::deferred(
            with_answer(PaymentEvent::CaptureAsked { command, at }, details.amount, captured),
            command,
        ))
    }

    fn give_up(&self, context: &Context) -> Decided {
        if let (Some(known), true) = (self.void, self.state != Some(PaymentState::Captured)) {
            return Ok(self.repeat(known));
        }
        let (command, at) = (context.command_id, context.now);
        let asked = PaymentEvent::VoidAsked { command, at };
        let events = match (&self.state, &self.details) {
            (Some(PaymentState::Captured), _) => return Err(PaymentRejection::AlreadyCaptured),
            (Some(PaymentState::Declined { .. }), _) => return Ok(Decision::read(PaymentReply::Voided)),
            (_, Some(details)) => with_answer(asked, details.amount, PaymentEvent::Voided { at }),
            // The void came first: it is recorded, so that an `Authorise` that arrives later is rejected.
            (_, None) => vec![asked, PaymentEvent::Voided { at }],
        };
        Ok(Decision::deferred(events, command))
    }

    fn refund(&self, details: &Details, id: RefundId, amount: Money, context: &Context) -> Decided {
        if let Some(known) = self.refunds.iter().find(|refund| refund.id == id) {
            if known.amount != amount.amount || details.amount.currency != amount.currency {
                return Err(KeyReused.into());
            }
            return match &known.state {
                RefundState::Failed { code } => Err(PaymentRejection::RefundFailed { code: code.clone() }),
                RefundState::Open | RefundState::Done { .. } => Ok(self.repeat(known.command)),
            };
        }
        if self.state != Some(PaymentState::Captured) {
            return Err(not_allowed("the payment is not captured"));
        }
        if amount.currency != details.amount.currency {
            return Err(invalid("/amount/currency", "must be the currency of the payment"));
        }
        if amount.amount < 1 {
            return Err(invalid("/amount/amount", "must be at least 1"));
        }
        let refundable = self.captured() - self.refunded - self.refunding;
        if amount.amount > refundable {
            return Err(PaymentRejection::RefundTooLarge { refundable: Money { amount: refundable, ..amount } });
        }
        if self.refunds.len() >= REFUNDS_MAX {
            return Err(PaymentRejection::TooManyRefunds);
        }
        let command = context.command_id;
        let asked = PaymentEvent::RefundAsked { refund: id, amount, command, at: context.now };
        Ok(Decision::deferred(vec![asked], command))
    }

    /// Returns the reply to a command that was accepted before, or the deferred reply while it is open.
    fn repeat(&self, command: CommandId) -> Decision<PaymentEvent, PaymentReply> {
        match self.answer(command) {
            Some(Ok(reply)) => Decision::duplicate(reply),
            Some(Err(_)) | None => Decision::deferred_duplicate(command),
        }
    }

    /// Returns the reply to a command that waited for the provider, or `None` while its operation is open.
    pub(super) fn answer(&self, command: CommandId) -> Option<Result<PaymentReply, PaymentRejection>> {
        let voided = || match self.state {
            // The void waits for the open operation, which may turn out to be a successful capture.
            _ if self.open.is_some() => None,
            Some(PaymentState::Captured) => Some(Err(PaymentRejection::AlreadyCaptured)),
            _ => Some(Ok(PaymentReply::Voided)),
        };
        let Some(details) = &self.details else { return if self.void == Some(command) { voided() } else { None } };
        let reply = |state: &PaymentState, captured, refunded| {
            Ok(PaymentReply::Payment(Self::view(details, state.clone(), captured, refunded)))
        };
        if details.command == command {
            return self.first_answer.as_ref().map(|state| reply(state, 0, 0));
        }
        if let Some(confirm) = self.confirms.iter().find(|confirm| confirm.command == command) {
            return confirm.answer.as_ref().map(|state| reply(state, 0, 0));
        }
        if let Some(capture) = self.capture.as_ref().filter(|capture| capture.command == command) {
            return match (&capture.failed, capture.at) {
                (Some(code), _) => Some(Err(PaymentRejection::CaptureFailed { code: code.clone() })),
                (None, Some(_)) => Some(reply(&PaymentState::Captured, details.amount.amount, 0)),
                (None, None) => None,
            };
        }
        if let Some(refund) = self.refunds.iter().find(|refund| refund.command == command) {
            return match &refund.state {
                RefundState::Open => None,
                RefundState::Done { refunded } => {
                    Some(reply(&PaymentState::Captured, details.amount.amount, *refunded))
                }
                RefundState::Failed { code } => Some(Err(PaymentRejection::RefundFailed { code: code.clone() })),
            };
        }
        if self.void == Some(command) { voided() } else { None }
    }

    /// Returns the events that an answer to an operation causes. An answer to an older operation, or one that does not
    /// fit the open operation, causes none.
    pub(super) fn answered(&self, generation: u64, answer: ProviderAnswer, at: Timestamp) -> Vec<PaymentEvent> {
        let Some(details) = &self.details else { return Vec::new() };
        let Some(open) = self.open.filter(|_| generation == self.generation) else { return Vec::new() };
        let event = match (open, answer) {
            (Line::Authorise | Line::Confirm, ProviderAnswer::Authorised) => PaymentEvent::Authorised { at },
            (Line::Authorise | Line::Confirm, ProviderAnswer::RequiresAction { url, expires_at }) => {
                PaymentEvent::ActionRequired { url, expires_at, at }
            }
            (Line::Authorise | Line::Confirm, ProviderAnswer::Declined { code }) => {
                PaymentEvent::Declined { code: cut(&code), at }
            }
            (Line::Capture, ProviderAnswer::Captured) => PaymentEvent::Captured { amount: details.amount, at },
            (Line::Capture, ProviderAnswer::CaptureFailed { code } | ProviderAnswer::Declined { code }) => {
                PaymentEvent::CaptureFailed { code: cut(&code), at }
            }
            (Line::Void, ProviderAnswer::Voided | ProviderAnswer::Declined { .. }) => PaymentEvent::Voided { at },
            _ => return Vec::new(),
        };
        vec![event]
    }

    /// Returns the events that an answer to a refund causes: none if the refund has an outcome already.
    pub(super) fn refund_answered(&self, index: u64, answer: ProviderAnswer, at: Timestamp) -> Vec<PaymentEvent> {
        let Some(details) = &self.details else { return Vec::new() };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let open = |refund: &&Refund| matches!(refund.state, RefundState::Open);
        let Some(refund) = self.refunds.get(index).filter(open) else { return Vec::new() };
        let amount = Money { amount: refund.amount, currency: details.amount.currency };
        match answer {
            ProviderAnswer::Refunded => vec![PaymentEvent::Refunded { refund: refund.id, amount, at }],
            ProviderAnswer::RefundFailed { code } | ProviderAnswer::Declined { code } => {
                vec![PaymentEvent::RefundFailed { refund: refund.id, code: cut(&code), at }]
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn effects_of(&self, event: &PaymentEvent) -> Vec<Effect> {
        let asks = match event {
            PaymentEvent::RefundAsked { .. } => {
                return self.refund_effect(self.refunds.len().saturating_sub(1)).into_iter().collect();
            }
            PaymentEvent::Refunded { .. } | PaymentEvent::RefundFailed { .. } => false,
            // A void may have to wait for the operation that is open.
            PaymentEvent::VoidAsked { .. } => self.open == Some(Line::Void),
            _ => true,
        };
        if asks { self.line_effect().into_iter().collect() } else { Vec::new() }
    }

    pub(super) fn outstanding_effects(&self) -> Vec<Effect> {
        if self.refunds_open == 0 {
            return self.line_effect().into_iter().collect();
        }
        self.line_effect()
            .into_iter()
            .chain((0..self.refunds.len()).filter_map(|index| self.refund_effect(index)))
            .collect()
    }

    fn line_effect(&self) -> Option<Effect> {
        // An amount of zero never goes to a provider: `with_answer` has settled the operation in the same decision.
        let details = self.details.as_ref().filter(|details| details.amount.amount > 0)?;
        let (name, operation) = match self.open? {
            Line::Authorise => (
                "authorise".to_owned(),
                ProviderOperation::Authorise { token: details.token.clone(), amount: details.amount },
            ),
            // Each confirmation is a new operation: with the same key, the provider would only repeat its first answer.
            Line::Confirm => (format!("confirm-{}", self.confirms.len()), ProviderOperation::Confirm),
            Line::Capture => ("capture".to_owned(), ProviderOperation::Capture { amount: details.amount }),
            Line::Void => ("void".to_owned(), ProviderOperation::Void),
        };
        Some(PaymentEffect::Operation(provider_request(details, &name, operation)).with(self.generation))
    }

    fn refund_effect(&self, index: usize) -> Option<Effect> {
        let (details, refund) = (self.details.as_ref()?, self.refunds.get(index)?);
        if !matches!(refund.state, RefundState::Open) {
            return None;
        }
        let amount = Money { amount: refund.amount, currency: details.amount.currency };
        let operation = ProviderOperation::Refund { refund: refund.id, amount };
        let request = provider_request(details, &format!("refund-{}", refund.id), operation);
        Some(PaymentEffect::Refund(index as u64, request).with(0))
    }
}

fn provider_request(details: &Details, name: &str, operation: ProviderOperation) -> ProviderRequest {
    ProviderRequest {
        provider: details.provider.clone(),
        tenant: details.tenant.clone(),
        payment: details.payment,
        key: format!("{}-{name}", details.payment),
        operation,
    }
}

/// Returns the event of a request, followed by its answer if the amount is zero.
fn with_answer(asked: PaymentEvent, amount: Money, answer: PaymentEvent) -> Vec<PaymentEvent> {
    if amount.amount == 0 { vec![asked, answer] } else { vec![asked] }
}

/// Truncates a provider's code to [`CODE_BYTES_MAX`] bytes.
fn cut(code: &str) -> String {
    code[..code.floor_char_boundary(CODE_BYTES_MAX)].to_owned()
}

fn invalid(pointer: &'static str, why: &'static str) -> PaymentRejection {
    PaymentRejection::Invalid { pointer: pointer.into(), why: why.into() }
}

fn not_allowed(why: &'static str) -> PaymentRejection {
    PaymentRejection::NotAllowed { why: why.into() }
}
