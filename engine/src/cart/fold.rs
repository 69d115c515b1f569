//! What a cart remembers, and how events change it.

use std::{collections::VecDeque, sync::Arc};

use minicbor::{Decode, Encode};

use super::{CartEvent, CartLine, CartView};
use crate::{
    aggregate::{Context, KeyReused},
    id::{CartId, CheckoutId, LineId, Sku, SubjectId, TenantId},
    money::{Currency, Money, MoneyError},
    pricing::{PricedLine, goods},
    receipts::{RECEIPT_MS, Receipt},
    time::Timestamp,
};

/// What a buyer means to buy. `Default` is a cart that nobody has made.
#[derive(Debug, Default)]
pub struct Cart {
    pub(super) sheet: Option<Sheet>,
    pub(super) deleted: bool,
    pub(super) lines: Vec<Arc<CartLine>>,
    /// The checkout that has hold of it.
    pub(super) lock: Option<Grip>,
    /// Checkouts that are over, while a late copy of their beginning may come.
    pub(super) ended: Vec<Ended>,
    /// The changes of the last 24 hours, oldest first, with what was answered.
    pub(super) answers: VecDeque<(Receipt, Arc<CartView>)>,
    pub(super) updated_at: Timestamp,
}

/// What is said of a cart when it is made.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Sheet {
    #[n(0)]
    pub(super) tenant: TenantId,
    #[n(1)]
    pub(super) cart: CartId,
    #[n(2)]
    pub(super) buyer: SubjectId,
    #[n(3)]
    pub(super) currency: Option<Currency>,
    #[n(4)]
    pub(super) created: Receipt,
}

/// A checkout, at one of its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct Grip {
    #[n(0)]
    pub(super) checkout: CheckoutId,
    #[n(1)]
    pub(super) attempt: u32,
}

/// A checkout that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct Ended {
    #[n(0)]
    pub(super) grip: Grip,
    /// No late copy of its beginning is accepted after this instant.
    #[n(1)]
    pub(super) until: Timestamp,
}

impl Cart {
    /// The sheet of a cart that is there.
    pub(super) fn existing(&self) -> Option<&Sheet> {
        self.sheet.as_ref().filter(|_| !self.deleted)
    }

    pub(super) fn line(&self, id: LineId) -> Option<&Arc<CartLine>> {
        self.lines.iter().find(|line| line.id == id)
    }

    pub(super) fn line_of(&self, sku: &Sku) -> Option<&Arc<CartLine>> {
        self.lines.iter().find(|line| line.sku == *sku)
    }

    /// The currency that a new line must have, if that is settled.
    pub(super) fn currency(&self) -> Option<Currency> {
        let said = self.sheet.as_ref().and_then(|sheet| sheet.currency);
        said.or_else(|| self.lines.first().map(|line| line.price.currency))
    }

    /// What an earlier copy of the command was answered.
    pub(super) fn earlier(&self, context: &Context) -> Result<Option<Arc<CartView>>, KeyReused> {
        let known = |(receipt, _): &&(Receipt, Arc<CartView>)| context.ids().any(|id| id == receipt.command_id);
        match self.answers.iter().find(known) {
            None => Ok(None),
            Some((receipt, _)) if !context.says(receipt.fingerprint, receipt.at) => Err(KeyReused),
            Some((_, view)) => Ok(Some(view.clone())),
        }
    }

    /// How many changes of the last 24 hours are remembered.
    pub(super) fn changes_remembered(&self, now: Timestamp) -> usize {
        let expired = self.answers.iter().take_while(|(receipt, _)| now.ms_since(receipt.at) > RECEIPT_MS).count();
        self.answers.len() - expired
    }

    pub(super) fn view(&self, sheet: &Sheet) -> CartView {
        CartView {
            id: sheet.cart,
            buyer: sheet.buyer,
            currency: self.currency(),
            lines: self.lines.clone(),
            subtotal: self.currency().and_then(|currency| subtotal(currency, &self.lines).ok()),
            checkout: self.lock.map(|grip| grip.checkout),
            created_at: sheet.created.at,
            updated_at: self.updated_at,
        }
    }

    pub(super) fn fold(&mut self, event: &CartEvent) {
        match event {
            CartEvent::Created { tenant, cart, buyer, currency, receipt } => {
                self.sheet = Some(Sheet {
                    tenant: tenant.clone(),
                    cart: *cart,
                    buyer: *buyer,
                    currency: *currency,
                    created: *receipt,
                });
                self.changed_by(receipt);
            }
            CartEvent::LinePut { line, receipt } => {
                let line = Arc::new(line.clone());
                match self.lines.iter_mut().find(|known| known.id == line.id) {
                    Some(known) => *known = line,
                    None => self.lines.push(line),
                }
                self.changed_by(receipt);
            }
            CartEvent::LineChanged { line, quantity, receipt } => {
                if let Some(known) = self.lines.iter_mut().find(|known| known.id == *line) {
                    Arc::make_mut(known).quantity = *quantity;
                }
                self.changed_by(receipt);
            }
            CartEvent::LineRemoved { line, receipt } => {
                self.lines.retain(|known| known.id != *line);
                self.changed_by(receipt);
            }
            CartEvent::Deleted { receipt } => {
                self.deleted = true;
                self.lines.clear();
                self.changed_by(receipt);
            }
            CartEvent::Expired { .. } => {
                self.deleted = true;
                self.lines.clear();
                // Whoever asks again hears that there is no such cart.
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

    fn changed_by(&mut self, receipt: &Receipt) {
        self.updated_at = receipt.at;
        while self.answers.front().is_some_and(|(oldest, _)| receipt.at.ms_since(oldest.at) > RECEIPT_MS) {
            self.answers.pop_front();
        }
        if let Some(sheet) = &self.sheet {
            let view = Arc::new(self.view(sheet));
            self.answers.push_back((*receipt, view));
        }
    }
}

/// What lines of one currency come to.
pub(super) fn subtotal(currency: Currency, lines: &[Arc<CartLine>]) -> Result<Money, MoneyError> {
    let lines: Vec<PricedLine> = lines.iter().map(|line| PricedLine::from(&**line)).collect();
    goods(currency, &lines)
}
