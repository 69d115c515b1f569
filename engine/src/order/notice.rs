//! E-mails to the buyer after the receipt: about parcels, refunds and cancellations.

use minicbor::{Decode, Encode};

use super::{Order, OrderEvent, settle::OrderEffect};
use crate::{
    effect::Effect,
    id::FulfillmentId,
    mail::{MailKind, MailRequest},
    money::Money,
    time::Timestamp,
};

/// The first slot of the notices, which have one slot each. It is above all slots of restocks, of which there are at
/// most as many as lines.
pub(super) const NOTICE_SLOTS: u64 = 1 << 32;

/// The subject of an e-mail to the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
pub(super) enum Notice {
    #[n(0)]
    Shipped(#[n(0)] FulfillmentId),
    #[n(1)]
    TrackingChanged(#[n(0)] FulfillmentId),
    #[n(2)]
    Refunded(#[n(0)] Money),
    #[n(3)]
    Cancelled,
}

/// The notices of an order: their number so far, and those that the mailer has not accepted yet.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub(super) struct Notices {
    #[n(0)]
    count: u32,
    #[n(1)]
    open: Vec<(u32, Notice)>,
}

impl Notices {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Opens the notice that an event requires, or closes the notice that was mailed. Events that were written before
    /// notices existed open none, so that buyers get no e-mails about old orders.
    pub(super) fn fold(&mut self, event: &OrderEvent) {
        let notice = match event {
            OrderEvent::Shipped { fulfillment, .. } => Notice::Shipped(*fulfillment),
            OrderEvent::TrackingChanged { fulfillment, .. } => Notice::TrackingChanged(*fulfillment),
            OrderEvent::Refunded { amount, notify: Some(true), .. } => Notice::Refunded(*amount),
            OrderEvent::Cancelled { notify: Some(true), .. } => Notice::Cancelled,
            OrderEvent::NoticeMailed { notice, .. } => {
                self.open.retain(|(number, _)| number != notice);
                return;
            }
            _ => return,
        };
        self.open.push((self.count, notice));
        self.count += 1;
    }
}

impl Order {
    /// Returns the effects of the notices that the mailer has not accepted yet.
    pub(super) fn notice_effects(&self) -> impl Iterator<Item = Effect> {
        self.details.iter().flat_map(|details| {
            self.notices.open.iter().map(|&(number, notice)| {
                let order = details.order;
                let kind = match notice {
                    Notice::Shipped(fulfillment) => MailKind::Shipped { order, fulfillment },
                    Notice::TrackingChanged(fulfillment) => {
                        MailKind::TrackingChanged { order, fulfillment, change: number }
                    }
                    Notice::Refunded(amount) => MailKind::Refunded { order, notice: number, amount },
                    Notice::Cancelled => MailKind::Cancelled { order },
                };
                OrderEffect::Notice(u64::from(number), MailRequest { contact: details.contact, kind }).with(0)
            })
        })
    }

    /// Returns the effect of the newest open notice, which the current event has opened.
    pub(super) fn newest_notice(&self) -> Option<Effect> {
        self.notice_effects().last()
    }

    /// Returns the event for a notice that the mailer has accepted.
    pub(super) fn notice_mailed(&self, number: u64, at: Timestamp) -> Vec<OrderEvent> {
        let number = u32::try_from(number).ok();
        let open = self.notices.open.iter().find(|(open, _)| Some(*open) == number);
        open.map(|(notice, _)| OrderEvent::NoticeMailed { notice: *notice, at }).into_iter().collect()
    }
}
