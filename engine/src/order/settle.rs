//! What an order asks of others, and what their answers change: its payment gives money back, the mail takes the
//! buyer's receipt, the inventory takes units back.

use super::{Order, OrderEvent, OrderRejection, OrderReply, fold::Pending, notice::NOTICE_SLOTS};
use crate::{
    effect::{Effect, EffectId, Outcome, Request},
    id::{CommandId, RefundId},
    inventory::InventoryCommand,
    mail::{MailKind, MailRequest},
    money::Money,
    payment::{PaymentCommand, PaymentRejection, PaymentReply},
    time::Timestamp,
};

/// The slots of an order's effects; restocks have one for each SKU, in the order of its lines.
const MAIL_SLOT: u64 = 0;
const REFUND_SLOT: u64 = 1;
const RESTOCK_SLOTS: u64 = 2;

impl Order {
    /// The id of the next refund. Each attempt has its own: a refund that failed stays failed.
    pub(super) fn next_refund(&self) -> RefundId {
        let order = self.sheet.as_ref().map_or([0; 16], |sheet| sheet.order.to_bytes());
        RefundId::derive(&[b"refund", &order, &(self.refunds + 1).to_be_bytes()])
    }

    fn mail_effect(&self) -> Option<Effect> {
        let sheet = self.sheet.as_ref().filter(|_| self.mail_open)?;
        let request = MailRequest { contact: sheet.contact, kind: MailKind::Receipt { order: sheet.order } };
        Some(Effect { id: EffectId { slot: MAIL_SLOT, turn: 0 }, request: Request::Mail(request) })
    }

    fn refund_effect(&self) -> Option<Effect> {
        let (sheet, pending) = (self.sheet.as_ref()?, self.pending.as_ref().filter(|pending| pending.amount > 0)?);
        let amount = Money { amount: pending.amount, currency: sheet.totals.total.currency };
        let command = PaymentCommand::Refund { refund: pending.refund, amount };
        let id = EffectId { slot: REFUND_SLOT, turn: self.refunds };
        Some(Effect { id, request: Request::Payment(sheet.payment, command) })
    }

    fn restock_effects(&self) -> impl Iterator<Item = Effect> {
        let open = (RESTOCK_SLOTS..).zip(&self.restocks).filter(|(_, restock)| !restock.booked);
        open.filter_map(|(slot, restock)| {
            let command = InventoryCommand::Restock { order: self.sheet.as_ref()?.order, total: restock.total };
            let request = Request::Inventory(restock.sku.clone(), command);
            Some(Effect { id: EffectId { slot, turn: restock.total }, request })
        })
    }

    pub(super) fn effects_of(&self, event: &OrderEvent) -> Vec<Effect> {
        match event {
            OrderEvent::Paid { .. } => self.mail_effect().into_iter().collect(),
            OrderEvent::RefundAsked { .. } => self.refund_effect().into_iter().collect(),
            // What is open of the restocks and of the newest notice is asked for once more, which is harmless.
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

    /// What an answer changes. One to something that is no longer open changes nothing.
    pub(super) fn answered(&self, effect: EffectId, outcome: &Outcome, at: Timestamp) -> Vec<OrderEvent> {
        match (effect.slot, outcome) {
            (MAIL_SLOT, Outcome::Mail) if self.mail_open => vec![OrderEvent::ReceiptMailed { at }],
            (REFUND_SLOT, Outcome::Payment(outcome)) if effect.turn == self.refunds => match &self.pending {
                Some(pending) => self.refund_answered(pending, outcome, at),
                None => Vec::new(),
            },
            (NOTICE_SLOTS.., Outcome::Mail) => self.notice_mailed(effect.slot, at),
            (RESTOCK_SLOTS.., Outcome::Inventory(Ok(_))) => {
                let index = usize::try_from(effect.slot - RESTOCK_SLOTS).unwrap_or(usize::MAX);
                let open = self.restocks.get(index).filter(|restock| !restock.booked && restock.total == effect.turn);
                let booked =
                    open.map(|restock| OrderEvent::Restocked { sku: restock.sku.clone(), total: restock.total, at });
                booked.into_iter().collect()
            }
            // An inventory that refuses is full; it is asked again, since no unit may be mislaid.
            _ => Vec::new(),
        }
    }

    fn refund_answered(
        &self,
        pending: &Pending,
        outcome: &Result<PaymentReply, PaymentRejection>,
        at: Timestamp,
    ) -> Vec<OrderEvent> {
        let Some(sheet) = &self.sheet else { return Vec::new() };
        let Pending { refund, amount, ref reason, restock, cancel, receipt, ref lines } = *pending;
        let code = match outcome {
            Ok(PaymentReply::Payment(_)) => {
                let amount = Money { amount, currency: sheet.totals.total.currency };
                // The buyer hears of a cancellation in one mail, which has the refund too.
                let (restock_now, notify) = (restock && !cancel, Some(!cancel));
                let lines = lines.clone();
                let mut events = vec![OrderEvent::Refunded { refund, amount, restock: restock_now, at, lines, notify }];
                if cancel {
                    let reason = reason.clone();
                    events.push(OrderEvent::Cancelled { reason, restock, receipt, at, notify: Some(true) });
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

    /// The answer to a command that waits for money to be given back, once there is one.
    pub(super) fn answer(&self, command: CommandId) -> Option<Result<OrderReply, OrderRejection>> {
        let sheet = self.sheet.as_ref()?;
        if self.pending.as_ref().is_some_and(|pending| pending.receipt.command_id == command) {
            return None;
        }
        if let Some((_, code)) = self.refused.as_ref().filter(|(refused, _)| *refused == command) {
            return Some(Err(OrderRejection::RefundFailed { code: code.clone() }));
        }
        self.receipts.get(command).map(|then| Ok(self.reply(sheet, &then.standing, then.changes)))
    }
}
