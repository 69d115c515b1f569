//! The effects of an order and what their outcomes change: refunds by its payment, e-mails to the buyer, and restocks
//! by stock items.

use super::{Order, OrderEvent, OrderRejection, OrderReply, fold::Pending, notice::NOTICE_SLOTS};
use crate::{
    effect::{Effect, EffectId, Outcome, Request},
    id::{CommandId, RefundId},
    mail::{MailKind, MailRequest},
    money::Money,
    payment::{PaymentCommand, PaymentRejection, PaymentReply},
    stock::StockCommand,
    time::Timestamp,
};

/// The slots of an order's effects. Restocks have one slot for each SKU, from `RESTOCK_SLOTS` on.
const MAIL_SLOT: u64 = 0;
const REFUND_SLOT: u64 = 1;
const RESTOCK_SLOTS: u64 = 2;

impl Order {
    /// Returns the id of the next refund. Each attempt has its own id, because a failed refund stays failed.
    pub(super) fn next_refund(&self) -> RefundId {
        let order = self.details.as_ref().map_or([0; 16], |details| details.order.to_bytes());
        RefundId::derive(&[b"refund", &order, &(self.refunds + 1).to_be_bytes()])
    }

    fn mail_effect(&self) -> Option<Effect> {
        let details = self.details.as_ref().filter(|_| self.mail_open)?;
        let request = MailRequest { contact: details.contact, kind: MailKind::Receipt { order: details.order } };
        Some(Effect { id: EffectId { slot: MAIL_SLOT, generation: 0 }, request: Request::Mail(request) })
    }

    fn refund_effect(&self) -> Option<Effect> {
        let (details, pending) = (self.details.as_ref()?, self.pending.as_ref().filter(|pending| pending.amount > 0)?);
        let amount = Money { amount: pending.amount, currency: details.totals.total.currency };
        let command = PaymentCommand::Refund { refund: pending.refund, amount };
        let id = EffectId { slot: REFUND_SLOT, generation: self.refunds };
        Some(Effect { id, request: Request::Payment(details.payment, command) })
    }

    fn restock_effects(&self) -> impl Iterator<Item = Effect> {
        let open = (RESTOCK_SLOTS..).zip(&self.restocks).filter(|(_, restock)| !restock.booked);
        open.filter_map(|(slot, restock)| {
            // The total is also the generation: an answer for a smaller total does not settle a larger one.
            let command = StockCommand::Restock { order: self.details.as_ref()?.order, total: restock.total };
            let request = Request::Stock(restock.sku.clone(), command);
            Some(Effect { id: EffectId { slot, generation: restock.total }, request })
        })
    }

    pub(super) fn effects_of(&self, event: &OrderEvent) -> Vec<Effect> {
        match event {
            OrderEvent::Paid { .. } => self.mail_effect().into_iter().collect(),
            OrderEvent::RefundAsked { .. } => self.refund_effect().into_iter().collect(),
            // This may repeat open restocks and the newest notice, which is harmless: effects are idempotent by their
            // ids.
            OrderEvent::Refunded { .. } | OrderEvent::Cancelled { .. } => {
                self.restock_effects().chain(self.newest_notice()).collect()
            }
            OrderEvent::Shipped { .. } | OrderEvent::TrackingChanged { .. } => {
                self.newest_notice().into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn outstanding_effects(&self) -> Vec<Effect> {
        let mails = self.mail_effect().into_iter().chain(self.notice_effects());
        mails.chain(self.refund_effect()).chain(self.restock_effects()).collect()
    }

    /// Returns the events that an outcome causes: none if its effect is no longer open.
    pub(super) fn answered(&self, effect: EffectId, outcome: &Outcome, at: Timestamp) -> Vec<OrderEvent> {
        match (effect.slot, outcome) {
            (MAIL_SLOT, Outcome::Mail) if self.mail_open => vec![OrderEvent::ReceiptMailed { at }],
            (REFUND_SLOT, Outcome::Payment(outcome)) if effect.generation == self.refunds => match &self.pending {
                Some(pending) => self.refund_answered(pending, outcome, at),
                None => Vec::new(),
            },
            (NOTICE_SLOTS.., Outcome::Mail) => self.notice_mailed(effect.slot, at),
            (RESTOCK_SLOTS.., Outcome::Stock(Ok(_))) => {
                let index = usize::try_from(effect.slot - RESTOCK_SLOTS).unwrap_or(usize::MAX);
                let open =
                    self.restocks.get(index).filter(|restock| !restock.booked && restock.total == effect.generation);
                let booked =
                    open.map(|restock| OrderEvent::Restocked { sku: restock.sku.clone(), total: restock.total, at });
                booked.into_iter().collect()
            }
            // A stock item that refuses is full. The effect stays open and is retried, because no unit may get lost.
            _ => Vec::new(),
        }
    }

    fn refund_answered(
        &self,
        pending: &Pending,
        outcome: &Result<PaymentReply, PaymentRejection>,
        at: Timestamp,
    ) -> Vec<OrderEvent> {
        let Some(details) = &self.details else { return Vec::new() };
        let Pending { refund, amount, ref reason, restock, cancel, processed, ref lines } = *pending;
        let code = match outcome {
            Ok(PaymentReply::Payment(_)) => {
                let amount = Money { amount, currency: details.totals.total.currency };
                // A cancellation is notified by one e-mail, which also mentions the refund.
                let (restock_now, notify) = (restock && !cancel, Some(!cancel));
                let lines = lines.clone();
                let mut events = vec![OrderEvent::Refunded { refund, amount, restock: restock_now, at, lines, notify }];
                if cancel {
                    let reason = reason.clone();
                    events.push(OrderEvent::Cancelled { reason, restock, processed, at, notify: Some(true) });
                }
                return events;
            }
            Ok(PaymentReply::Voided) => return Vec::new(),
            Err(PaymentRejection::RefundFailed { code }) => code.clone(),
            Err(PaymentRejection::RefundTooLarge { .. }) => "refund_too_large".to_owned(),
            Err(PaymentRejection::TooManyRefunds) => "too_many_refunds".to_owned(),
            Err(_) => "refund_refused".to_owned(),
        };
        vec![OrderEvent::RefundFailed { refund, code, at }]
    }

    /// Returns the reply to a command that waits for a refund, or `None` while the refund is in progress.
    pub(super) fn answer(&self, command: CommandId) -> Option<Result<OrderReply, OrderRejection>> {
        let details = self.details.as_ref()?;
        if self.pending.as_ref().is_some_and(|pending| pending.processed.command_id == command) {
            return None;
        }
        if let Some((_, code)) = self.refused.as_ref().filter(|(refused, _)| *refused == command) {
            return Some(Err(OrderRejection::RefundFailed { code: code.clone() }));
        }
        self.processed_commands.get(command).map(|then| Ok(self.reply(details, &then.status, then.changes)))
    }
}
