//! How a cart decides commands.

use std::{borrow::Cow, sync::Arc};

use super::{
    CHANGES_MAX, Cart, CartCommand, CartEvent, CartLine, CartRejection, CartReply, CartSummary, ENDED_CHECKOUTS_MAX,
    LINES_MAX, NewPrice, TITLE_CHARS_MAX,
    fold::{Details, Ended, Grip, subtotal},
};
use crate::{
    aggregate::{Aggregate, Context, Decision, KeyReused},
    flash_drop::Buyer,
    id::{CheckoutId, LineId},
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    time::Timestamp,
};

type Decided = Result<Decision<CartEvent, CartReply>, CartRejection>;

impl Cart {
    pub(super) fn decide_command(&self, command: &CartCommand, context: &Context) -> Decided {
        match command {
            CartCommand::Create { tenant, cart, buyer, currency } => {
                if let Some(details) = &self.details {
                    if !context.says(details.created.fingerprint, details.created.at) {
                        return Err(KeyReused.into());
                    }
                    return Ok(Decision::duplicate(CartReply::Cart(Arc::new(as_made(details)))));
                }
                let created = CartEvent::Created {
                    tenant: tenant.clone(),
                    cart: *cart,
                    buyer: buyer.subject,
                    currency: *currency,
                    processed: ProcessedCommand::of(context),
                };
                self.accept(created)
            }
            CartCommand::EndCheckout { checkout, attempt, sold, prices, deadline } => Ok(self.end_checkout(
                Grip { checkout: *checkout, attempt: *attempt },
                *sold,
                prices,
                *deadline,
                context.now,
            )),
            CartCommand::Expire { unchanged_since } => {
                self.details.as_ref().ok_or(CartRejection::NotFound)?;
                let is_kept = self.is_deleted() || self.lock.is_some() || self.updated_at() > *unchanged_since;
                Ok(match is_kept {
                    true => Decision::duplicate(CartReply::Done),
                    false => Decision::accept(vec![CartEvent::Expired { at: context.now }], CartReply::Done),
                })
            }
            CartCommand::Delete { buyer } if self.is_deleted() => {
                self.details.as_ref().filter(|details| buyer.is(details.buyer)).ok_or(CartRejection::NotFound)?;
                Ok(Decision::duplicate(CartReply::Done))
            }
            CartCommand::View { buyer } => {
                let details = self.existing().ok_or(CartRejection::NotFound)?;
                if buyer.as_ref().is_some_and(|buyer| !buyer.is(details.buyer)) {
                    return Err(CartRejection::NotFound);
                }
                Ok(Decision::read(CartReply::Cart(Arc::new(self.view(details)))))
            }
            CartCommand::BeginCheckout { buyer, checkout, attempt, deadline } => {
                let details = self.owned_by(buyer)?;
                self.begin_checkout(details, *checkout, *attempt, *deadline, context.now)
            }
            CartCommand::AddLine { buyer, .. }
            | CartCommand::ChangeLine { buyer, .. }
            | CartCommand::RemoveLine { buyer, .. }
            | CartCommand::Delete { buyer } => {
                self.details.as_ref().filter(|details| buyer.is(details.buyer)).ok_or(CartRejection::NotFound)?;
                if let Some(view) = self.earlier(context)? {
                    return Ok(Decision::duplicate(CartReply::Cart(view)));
                }
                self.existing().ok_or(CartRejection::NotFound)?;
                if let Some(grip) = self.lock {
                    return Err(CartRejection::CheckoutInProgress { checkout: grip.checkout });
                }
                if self.changes_remembered(context.now) >= CHANGES_MAX {
                    return Err(CartRejection::TooManyChanges);
                }
                self.change(command, context)
            }
        }
    }

    fn owned_by(&self, buyer: &Buyer) -> Result<&Details, CartRejection> {
        self.existing().filter(|details| buyer.is(details.buyer)).ok_or(CartRejection::NotFound)
    }

    /// Decides a buyer's change of a cart that is not locked.
    fn change(&self, command: &CartCommand, context: &Context) -> Decided {
        let processed = ProcessedCommand::of(context);
        match command {
            CartCommand::AddLine { sku, product, variant, title, options, quantity, price, .. } => {
                let known = self.line_of(sku);
                if let Some(currency) = self.currency().filter(|currency| *currency != price.currency) {
                    return Err(CartRejection::OtherCurrency { currency });
                }
                if known.is_none() && self.lines.len() >= LINES_MAX {
                    return Err(CartRejection::TooManyLines);
                }
                if price.amount < 0 || title.chars().count() > TITLE_CHARS_MAX {
                    return Err(CartRejection::Invalid {
                        pointer: "/sku".into(),
                        why: "has no price, or its title is too long".into(),
                    });
                }
                let units = known.map_or(0, |line| line.quantity.units()) + quantity.units();
                let quantity = i64::try_from(units).ok().and_then(|units| Quantity::new(units).ok());
                let line = CartLine {
                    id: known.map_or(LineId(context.command_id.0), |line| line.id),
                    sku: sku.clone(),
                    product: *product,
                    variant: *variant,
                    title: title.clone(),
                    quantity: quantity.ok_or(TOO_MUCH)?,
                    price: *price,
                    options: (!options.is_empty()).then(|| options.clone()),
                };
                self.check_subtotal(&line)?;
                self.accept(CartEvent::LinePut { line, processed })
            }
            CartCommand::ChangeLine { line, quantity, .. } => {
                let known = self.line(*line).ok_or(CartRejection::LineNotFound)?;
                self.check_subtotal(&CartLine { quantity: *quantity, ..(**known).clone() })?;
                self.accept(CartEvent::LineChanged { line: *line, quantity: *quantity, processed })
            }
            CartCommand::RemoveLine { line, .. } => {
                self.line(*line).ok_or(CartRejection::LineNotFound)?;
                self.accept(CartEvent::LineRemoved { line: *line, processed })
            }
            CartCommand::Delete { .. } => Ok(Decision::accept(vec![CartEvent::Deleted { processed }], CartReply::Done)),
            CartCommand::Create { .. }
            | CartCommand::View { .. }
            | CartCommand::Expire { .. }
            | CartCommand::BeginCheckout { .. }
            | CartCommand::EndCheckout { .. } => unreachable!("answered above"),
        }
    }

    /// Checks that the subtotal with this line does not overflow.
    fn check_subtotal(&self, line: &CartLine) -> Result<(), CartRejection> {
        let mut lines: Vec<_> = self.lines.iter().filter(|known| known.id != line.id).cloned().collect();
        lines.push(Arc::new(line.clone()));
        subtotal(line.price.currency, &lines).map(|_| ()).map_err(|_| TOO_MUCH)
    }

    fn begin_checkout(
        &self,
        details: &Details,
        checkout: CheckoutId,
        attempt: u32,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Decided {
        let grip = Grip { checkout, attempt };
        if self.lock == Some(grip) {
            return Ok(Decision::duplicate(CartReply::Cart(Arc::new(self.view(details)))));
        }
        let over = |ended: &Ended| ended.grip.checkout == checkout && ended.grip.attempt >= attempt;
        if now > deadline || self.ended.iter().any(over) {
            return Err(CartRejection::TooLate);
        }
        if let Some(grip) = self.lock {
            return Err(CartRejection::CheckoutInProgress { checkout: grip.checkout });
        }
        if self.lines.is_empty() {
            return Err(CartRejection::Empty);
        }
        if self.ended.iter().filter(|ended| ended.until >= now).count() >= ENDED_CHECKOUTS_MAX {
            return Err(CartRejection::TooManyChanges);
        }
        self.accept(CartEvent::CheckoutBegan { checkout, attempt, at: now })
    }

    fn end_checkout(
        &self,
        grip: Grip,
        sold: bool,
        prices: &[NewPrice],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Decision<CartEvent, CartReply> {
        let known = self.ended.iter().any(|ended| ended.grip == grip);
        // After the deadline there is nothing to remember: the deadline itself bars a delayed `BeginCheckout`.
        let late = self.lock != Some(grip) && now > deadline;
        if self.details.is_none() || known || late {
            return Decision::duplicate(CartReply::Done);
        }
        let ended = CartEvent::CheckoutEnded {
            checkout: grip.checkout,
            attempt: grip.attempt,
            sold,
            prices: prices.to_vec(),
            until: deadline,
            at: now,
        };
        Decision::accept(vec![ended], CartReply::Done)
    }

    /// Accepts the event, with the cart after the event as the reply.
    fn accept(&self, event: CartEvent) -> Decided {
        let mut after = Cart {
            details: self.details.clone(),
            lines: self.lines.clone(),
            lock: self.lock,
            summary: self.summary,
            ..Cart::default()
        };
        after.apply(&event);
        let view = after.details.as_ref().map(|details| after.view(details)).ok_or(CartRejection::NotFound)?;
        Ok(Decision::accept(vec![event], CartReply::Cart(Arc::new(view))))
    }
}

const TOO_MUCH: CartRejection = CartRejection::Invalid {
    pointer: Cow::Borrowed("/quantity"),
    why: Cow::Borrowed("exceeds the maximum total of a cart"),
};

/// The cart as the reply to its creation showed it.
fn as_made(details: &Details) -> super::CartView {
    let at = details.created.at;
    let summary = CartSummary { buyer: details.buyer, deleted: false, created_at: at, updated_at: at };
    let cart = Cart { summary: Some(summary), ..Cart::default() };
    cart.view(details)
}
