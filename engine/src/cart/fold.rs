//! The state of a cart, and how events change it.

use std::{collections::VecDeque, sync::Arc};

use minicbor::{Decode, Encode};

use super::{CartEvent, CartLine, CartSummary, CartView};
use crate::{
    aggregate::{Context, KeyReused},
    id::{CartId, CheckoutId, LineId, Sku, SubjectId, TenantId},
    money::{Currency, Money, MoneyError},
    pricing::{PricedLine, goods},
    processed_commands::{PROCESSED_COMMANDS_KEPT_MS, ProcessedCommand},
    time::Timestamp,
    view::View,
};

/// A shopping cart. `Default` is a cart that does not exist yet.
#[derive(Debug, Default)]
pub struct Cart {
    pub(super) details: Option<Details>,
    /// The part of the cart that lists show. `None` only for a cart that does not exist yet.
    pub(super) summary: Option<CartSummary>,
    pub(super) lines: Vec<Arc<CartLine>>,
    /// The checkout that has locked the cart.
    pub(super) lock: Option<Grip>,
    /// Ended checkouts, kept while a delayed copy of their `BeginCheckout` may arrive.
    pub(super) ended: Vec<Ended>,
    /// The changes of the last 24 hours with their replies, oldest first.
    pub(super) answers: VecDeque<(ProcessedCommand, Arc<CartView>)>,
}

/// The details of a cart, fixed at its creation.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Details {
    #[n(0)]
    pub(super) tenant: TenantId,
    #[n(1)]
    pub(super) cart: CartId,
    #[n(2)]
    pub(super) buyer: SubjectId,
    #[n(3)]
    pub(super) currency: Option<Currency>,
    #[n(4)]
    pub(super) created: ProcessedCommand,
}

/// A checkout at one of its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct Grip {
    #[n(0)]
    pub(super) checkout: CheckoutId,
    #[n(1)]
    pub(super) attempt: u32,
}

/// A checkout attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct Ended {
    #[n(0)]
    pub(super) grip: Grip,
    /// A delayed copy of its `BeginCheckout` is rejected after this instant.
    #[n(1)]
    pub(super) until: Timestamp,
}

impl Cart {
    /// The details of a cart that exists and is not deleted.
    pub(super) fn existing(&self) -> Option<&Details> {
        self.details.as_ref().filter(|_| !self.is_deleted())
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.summary.is_some_and(|summary| summary.deleted)
    }

    /// The time of the buyer's last change; the default for a cart that does not exist yet.
    pub(super) fn updated_at(&self) -> Timestamp {
        self.summary.map(|summary| summary.updated_at).unwrap_or_default()
    }

    pub(super) fn line(&self, id: LineId) -> Option<&Arc<CartLine>> {
        self.lines.iter().find(|line| line.id == id)
    }

    pub(super) fn line_of(&self, sku: &Sku) -> Option<&Arc<CartLine>> {
        self.lines.iter().find(|line| line.sku == *sku)
    }

    /// The currency that a new line must have, if it is fixed.
    pub(super) fn currency(&self) -> Option<Currency> {
        let said = self.details.as_ref().and_then(|details| details.currency);
        said.or_else(|| self.lines.first().map(|line| line.price.currency))
    }

    /// The reply to an earlier copy of the command, if there was one.
    pub(super) fn earlier(&self, context: &Context) -> Result<Option<Arc<CartView>>, KeyReused> {
        let known =
            |(processed, _): &&(ProcessedCommand, Arc<CartView>)| context.ids().any(|id| id == processed.command_id);
        match self.answers.iter().find(known) {
            None => Ok(None),
            Some((processed, _)) if !context.says(processed.fingerprint, processed.at) => Err(KeyReused),
            Some((_, view)) => Ok(Some(view.clone())),
        }
    }

    /// The number of remembered changes within the last 24 hours.
    pub(super) fn changes_remembered(&self, now: Timestamp) -> usize {
        let expired = self
            .answers
            .iter()
            .take_while(|(processed, _)| now.ms_since(processed.at) > PROCESSED_COMMANDS_KEPT_MS)
            .count();
        self.answers.len() - expired
    }

    pub(super) fn view(&self, details: &Details) -> CartView {
        CartView {
            id: details.cart,
            buyer: details.buyer,
            currency: self.currency(),
            lines: self.lines.clone(),
            subtotal: self.currency().and_then(|currency| subtotal(currency, &self.lines).ok()),
            checkout: self.lock.map(|grip| grip.checkout),
            created_at: details.created.at,
            updated_at: self.updated_at(),
        }
    }

    pub(super) fn fold(&mut self, event: &CartEvent) {
        // First, because the replies that are kept below contain the time of the change.
        CartSummary::fold(&mut self.summary, event);
        match event {
            CartEvent::Created { tenant, cart, buyer, currency, processed } => {
                self.details = Some(Details {
                    tenant: tenant.clone(),
                    cart: *cart,
                    buyer: *buyer,
                    currency: *currency,
                    created: *processed,
                });
                self.changed_by(processed);
            }
            CartEvent::LinePut { line, processed } => {
                let line = Arc::new(line.clone());
                match self.lines.iter_mut().find(|known| known.id == line.id) {
                    Some(known) => *known = line,
                    None => self.lines.push(line),
                }
                self.changed_by(processed);
            }
            CartEvent::LineChanged { line, quantity, processed } => {
                if let Some(known) = self.lines.iter_mut().find(|known| known.id == *line) {
                    Arc::make_mut(known).quantity = *quantity;
                }
                self.changed_by(processed);
            }
            CartEvent::LineRemoved { line, processed } => {
                self.lines.retain(|known| known.id != *line);
                self.changed_by(processed);
            }
            CartEvent::Deleted { processed } => {
                self.lines.clear();
                self.changed_by(processed);
            }
            CartEvent::Expired { .. } => {
                self.lines.clear();
                // Duplicates of earlier commands are rejected with `NotFound`, like any other command.
                self.answers.clear();
            }
            CartEvent::CheckoutBegan { checkout, attempt, .. } => {
                self.lock = Some(Grip { checkout: *checkout, attempt: *attempt });
            }
            CartEvent::CheckoutEnded { checkout, attempt, sold, prices, until, at } => {
                let grip = Grip { checkout: *checkout, attempt: *attempt };
                if self.lock == Some(grip) {
                    self.lock = None;
                    if *sold {
                        self.lines.clear();
                    }
                    for line in &mut self.lines {
                        let price = prices.iter().find(|new| new.sku == line.sku).map(|new| new.price);
                        if let Some(price) = price.filter(|price| *price != line.price) {
                            Arc::make_mut(line).price = price;
                        }
                    }
                }
                self.ended.retain(|ended| ended.until >= *at && ended.grip != grip);
                self.ended.push(Ended { grip, until: *until });
            }
        }
    }

    fn changed_by(&mut self, processed: &ProcessedCommand) {
        while self
            .answers
            .front()
            .is_some_and(|(oldest, _)| processed.at.ms_since(oldest.at) > PROCESSED_COMMANDS_KEPT_MS)
        {
            self.answers.pop_front();
        }
        if let Some(details) = &self.details {
            let view = Arc::new(self.view(details));
            self.answers.push_back((*processed, view));
        }
    }
}

/// The sum of lines in one currency.
pub(super) fn subtotal(currency: Currency, lines: &[Arc<CartLine>]) -> Result<Money, MoneyError> {
    let lines: Vec<PricedLine> = lines.iter().map(|line| PricedLine::from(&**line)).collect();
    goods(currency, &lines)
}
