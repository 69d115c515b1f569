//! Mails to the buyer after the receipt: something was sent, given back or cancelled.

use minicbor::{Decode, Encode};

use super::{Order, OrderEvent};
use crate::{
    effect::{Effect, EffectId, Request},
    id::FulfillmentId,
    mail::{MailKind, MailRequest},
    money::Money,
    time::Timestamp,
};

/// The first slot of the notices' mails, one for each: past those of the restocks, of which there are as many as lines.
pub(super) const NOTICE_SLOTS: u64 = 1 << 32;

/// What a mail to the buyer is about.
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

/// The notices of an order: how many there were, and those whose mail is not handed over yet.
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

    /// Opens the notice that an event asks for, or closes the one that was mailed. Events from before there were notices
    /// ask for none: nobody is written to about what happened long ago.
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
    /// The mails that are not handed over yet.
    pub(super) fn notice_effects(&self) -> impl Iterator<Item = Effect> {
        self.sheet.iter().flat_map(|sheet| {
            self.notices.open.iter().map(|&(number, notice)| {
                let order = sheet.order;
                let kind = match notice {
                    Notice::Shipped(fulfillment) => MailKind::Shipped { order, fulfillment },
                    Notice::TrackingChanged(fulfillment) => {
                        MailKind::TrackingChanged { order, fulfillment, change: number }
                    }
                    Notice::Refunded(amount) => MailKind::Refunded { order, notice: number, amount },
                    Notice::Cancelled => MailKind::Cancelled { order },
                };
                let id = EffectId { slot: NOTICE_SLOTS + u64::from(number), turn: 0 };
                Effect { id, request: Request::Mail(MailRequest { contact: sheet.contact, kind }) }
            })
        })
    }

    /// The newest of them: what the event at hand has asked for.
    pub(super) fn newest_notice(&self) -> Option<Effect> {
        self.notice_effects().last()
    }

    /// The mail in this slot was handed over.
    pub(super) fn notice_mailed(&self, slot: u64, at: Timestamp) -> Vec<OrderEvent> {
        let number = u32::try_from(slot - NOTICE_SLOTS).ok();
        let open = self.notices.open.iter().find(|(open, _)| Some(*open) == number);
        open.map(|(notice, _)| OrderEvent::NoticeMailed { notice: *notice, at }).into_iter().collect()
    }
}
