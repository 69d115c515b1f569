//! The effects of an order and what their outcomes change: refunds by its payment, e-mails to the buyer, and restocks
//! by stock items.

use super::{Order, OrderEvent, OrderRejection, OrderReply, fold::Pending, notice::NOTICE_SLOTS};
use crate::{
    effect::{Effect, EffectId, Mailer, Slots, effects},
    id::{CommandId, RefundId},
    mail::{MailKind, MailRequest},
    money::Money,
    payment::{Payment, PaymentCommand, PaymentRejection, PaymentReply},
    stock::{StockCommand, StockItem},
    time::Timestamp,
};

effects! {
    OrderEffect, OrderOutcome:
    /// The receipt.
    Receipt = Slots::one(0) => Mailer;
    /// The refund in progress. Its generation is the number of refunds.
    Refund = Slots::one(1) => Payment;
    /// The return of units of the SKU with this index to the stock. Its generation is the total number of units.
    Restock(index: u64) = Slots::range(2, NOTICE_SLOTS) => StockItem;
    /// The notice with this number.
    Notice(number: u64) = Slots::from(NOTICE_SLOTS) => Mailer;
}

impl Order {
    /// Returns the id of the next refund. Each attempt has its own id, because a failed refund stays failed.
    pub(super) fn next_refund(&self) -> RefundId {
        let order = self.details.as_ref().map_or([0; 16], |details| details.order.to_bytes());
        RefundId::derive(&[b"refund", &order, &(self.refunds + 1).to_be_bytes()])
    }

    fn mail_effect(&self) -> Option<Effect> {
        let details = self.details.as_ref().filter(|_| self.mail_open)?;
        let request = MailRequest { contact: details.contact, kind: MailKind::Receipt { order: details.order } };
        Some(OrderEffect::Receipt(request).with(0))
    }

    fn refund_effect(&self) -> Option<Effect> {
        let (details, pending) = (self.details.as_ref()?, self.pending.as_ref().filter(|pending| pending.amount > 0)?);
        let amount = Money { amount: pending.amount, currency: details.totals.total.currency };
        let command = PaymentCommand::Refund { refund: pending.refund, amount };
        Some(OrderEffect::Refund((details.payment, command)).with(self.refunds))
    }

    fn restock_effects(&self) -> impl Iterator<Item = Effect> {
        let open = (0..).zip(&self.restocks).filter(|(_, restock)| !restock.booked);
        open.filter_map(|(index, restock)| {
            // The total is also the generation: an answer for a smaller total does not settle a larger one.
            let command = StockCommand::Restock { order: self.details.as_ref()?.order, total: restock.total };
            Some(OrderEffect::Restock(index, (restock.sku.clone(), command)).with(restock.total))
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
    pub(super) fn answered(&self, effect: EffectId, outcome: OrderOutcome, at: Timestamp) -> Vec<OrderEvent> {
        match outcome {
            OrderOutcome::Receipt(()) if self.mail_open => vec![OrderEvent::ReceiptMailed { at }],
            OrderOutcome::Receipt(()) => Vec::new(),
            OrderOutcome::Refund(answer) => match &self.pending {
                Some(pending) if effect.generation == self.refunds => self.refund_answered(pending, answer, at),
                Some(_) | None => Vec::new(),
            },
            OrderOutcome::Notice(number, ()) => self.notice_mailed(number, at),
            OrderOutcome::Restock(index, Ok(_)) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let open =
                    self.restocks.get(index).filter(|restock| !restock.booked && restock.total == effect.generation);
                let booked =
                    open.map(|restock| OrderEvent::Restocked { sku: restock.sku.clone(), total: restock.total, at });
                booked.into_iter().collect()
            }
            // A stock item that refuses is full. The effect stays open and is retried, because no unit may get lost.
            OrderOutcome::Restock(_, Err(_)) => Vec::new(),
        }
    }

    fn refund_answered(
        &self,
        pending: &Pending,
        outcome: Result<PaymentReply, PaymentRejection>,
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
            Err(PaymentRejection::RefundFailed { code }) => code,
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
