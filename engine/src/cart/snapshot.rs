//! The snapshot format of a cart.

use std::{collections::HashMap, sync::Arc};

use minicbor::{Decode, Encode};

use super::{
    Cart, CartLine, CartSummary, CartView,
    fold::{Details, Ended, Grip},
};
use crate::{
    id::CheckoutId,
    money::Currency,
    processed_commands::ProcessedCommand,
    snapshot::{EncodedState, Persist, SnapshotError, read_snapshot, write_snapshot},
    time::Timestamp,
};

/// A cart whose lines are each written once, however many replies contain them.
#[derive(Debug, Encode, Decode)]
struct Form {
    #[n(0)]
    details: Option<Details>,
    #[n(1)]
    deleted: bool,
    /// Every version of a line that the cart or a reply contains.
    #[n(2)]
    written: Vec<CartLine>,
    /// The cart's lines, as indexes into `written`.
    #[n(3)]
    lines: Vec<u32>,
    #[n(4)]
    lock: Option<Grip>,
    #[n(5)]
    ended: Vec<Ended>,
    #[n(6)]
    answers: Vec<AnswerForm>,
    #[n(7)]
    updated_at: Timestamp,
}

#[derive(Debug, Encode, Decode)]
struct AnswerForm {
    #[n(0)]
    processed: ProcessedCommand,
    #[n(1)]
    lines: Vec<u32>,
    #[n(2)]
    currency: Option<Currency>,
    #[n(3)]
    checkout: Option<CheckoutId>,
    #[n(4)]
    updated_at: Timestamp,
}

#[derive(Default)]
struct Writing {
    written: Vec<CartLine>,
    places: HashMap<*const CartLine, u32>,
}

impl Writing {
    fn places(&mut self, lines: &[Arc<CartLine>]) -> Vec<u32> {
        let place = |line: &Arc<CartLine>| {
            *self.places.entry(Arc::as_ptr(line)).or_insert_with(|| {
                self.written.push((**line).clone());
                self.written.len() as u32 - 1
            })
        };
        lines.iter().map(place).collect()
    }
}

impl Persist for Cart {
    type Frozen = EncodedState;

    fn freeze(&self) -> Result<EncodedState, SnapshotError> {
        let mut writing = Writing::default();
        let lines = writing.places(&self.lines);
        let answers = self.answers.iter().map(|(processed, view)| AnswerForm {
            processed: *processed,
            lines: writing.places(&view.lines),
            currency: view.currency,
            checkout: view.checkout,
            updated_at: view.updated_at,
        });
        let answers = answers.collect();
        let form = Form {
            details: self.details.clone(),
            deleted: self.is_deleted(),
            written: writing.written,
            lines,
            lock: self.lock,
            ended: self.ended.clone(),
            answers,
            updated_at: self.updated_at(),
        };
        EncodedState::of(&form)
    }

    fn encode_frozen(frozen: &EncodedState) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let form: Form = read_snapshot::<EncodedState>(bytes)?.decode()?;
        let written: Vec<Arc<CartLine>> = form.written.into_iter().map(Arc::new).collect();
        let read = |places: &[u32]| -> Result<Vec<Arc<CartLine>>, SnapshotError> {
            let line = |place: &u32| written.get(*place as usize).cloned();
            let lines: Option<Vec<_>> = places.iter().map(line).collect();
            lines.ok_or_else(|| SnapshotError("a line that is not there".to_owned()))
        };
        let summary = form.details.as_ref().map(|details| CartSummary {
            buyer: details.buyer,
            deleted: form.deleted,
            created_at: details.created.at,
            updated_at: form.updated_at,
        });
        let mut cart = Cart {
            details: form.details,
            summary,
            lines: read(&form.lines)?,
            lock: form.lock,
            ended: form.ended,
            ..Cart::default()
        };
        for answer in form.answers {
            let lines = read(&answer.lines)?;
            let Some(details) = &cart.details else { break };
            let subtotal = answer.currency.and_then(|currency| super::fold::subtotal(currency, &lines).ok());
            let view = CartView {
                id: details.cart,
                buyer: details.buyer,
                currency: answer.currency,
                lines,
                subtotal,
                checkout: answer.checkout,
                created_at: details.created.at,
                updated_at: answer.updated_at,
            };
            cart.answers.push_back((answer.processed, Arc::new(view)));
        }
        Ok(cart)
    }
}
