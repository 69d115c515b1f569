//! Compares a drop's own numbers and lists with the responses of all its buyers, for every unit and every claim.

use std::{collections::HashMap, time::Duration};

use serde_json::Value;

use super::{Buyer, PATIENCE, Sale, checker::Customer, until_within};

/// A drop's own numbers and lists, as its vendor reads them.
pub struct Books<'a> {
    vendor: &'a Buyer,
    sale: &'a Sale,
    quantity: u64,
    patience: Duration,
}

impl<'a> Books<'a> {
    /// Creates the check of a drop with `quantity` units.
    pub fn new(vendor: &'a Buyer, sale: &'a Sale, quantity: u64) -> Self {
        Self { vendor, sale, quantity, patience: PATIENCE }
    }

    /// Sets how long the numbers may take to become correct. Errors that time cannot correct are reported at once.
    pub fn looked_at_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Asserts that they match these customers, who made all claims of the drop and have no unanswered request.
    pub async fn check(&self, customers: &[Customer]) {
        let mut known_claims = HashMap::new();
        let (mut held, mut sold) = (0, 0);
        for customer in customers {
            let units = customer.units();
            (held, sold) = (held + units.0, sold + units.1);
            for (id, units, state) in customer.claims() {
                assert!(known_claims.insert(id, (units, state.name())).is_none(), "claim {id} was given to two buyers");
            }
        }
        assert!(held + sold <= self.quantity, "oversold: {held} held and {sold} sold of {}", self.quantity);
        self.check_numbers(held, sold).await;
        self.check_claims(known_claims).await;
    }

    async fn check_numbers(&self, held: u64, sold: u64) {
        let path = format!("/v1/drops/{}", self.sale.drop);
        let expected = (self.quantity, self.quantity - held - sold, held, sold);
        let is_expected = async || {
            let drop = self.vendor.get(&path).await.expect(200);
            let number = |name: &str| drop[name].as_u64().unwrap();
            let seen = (number("quantity"), number("available"), number("held"), number("sold"));
            assert_eq!(seen.0, seen.1 + seen.2 + seen.3, "the drop's numbers do not add up: {drop}");
            (seen == expected).then_some(())
        };
        until_within(self.patience, &format!("quantity, available, held and sold are {expected:?}"), is_expected).await;
        let stock = self.vendor.get(&format!("/v1/inventory/{}", self.sale.sku)).await.expect(200);
        let number = |name: &str| stock[name].as_u64().unwrap();
        let parts = number("available") + number("held") + number("allocated");
        assert_eq!(number("on_hand"), parts, "the stock does not add up: {stock}");
    }

    /// Asserts that every claim is listed exactly once, with the known quantity and state, and that no other claim is.
    async fn check_claims(&self, mut known_claims: HashMap<&str, (u64, &'static str)>) {
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/drops/{}/claims?limit=200{cursor}", self.sale.drop);
            let page = self.vendor.get(&path).await.expect(200);
            for claim in page["items"].as_array().unwrap() {
                let known = known_claims.remove(claim["id"].as_str().unwrap());
                let (units, state) = known.unwrap_or_else(|| panic!("the claim is unknown or listed twice: {claim}"));
                assert_eq!(
                    (claim["quantity"].as_u64(), claim["state"].as_str()),
                    (Some(units), Some(state)),
                    "{claim}"
                );
            }
            match &page["next_cursor"] {
                Value::String(next) => cursor = format!("&cursor={next}"),
                _ => break,
            }
        }
        assert!(known_claims.is_empty(), "claims are not listed: {known_claims:?}");
    }
}
