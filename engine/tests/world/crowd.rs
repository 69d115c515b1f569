//! Random buyers in the small shop.

use engine::{
    checkout::{CheckoutCommand, Source},
    effect::{Outcome, Request},
    flash_drop::{Buyer, DropCommand},
    id::{CartId, CheckoutId, ClaimRef},
    order::OrderCommand,
};

use super::shop::{Shop, buyer};

/// A few buyers with random actions, in a simulation with random faults.
pub(crate) struct Crowd {
    /// The shop.
    pub(crate) shop: Shop,
    claims: Vec<(Buyer, ClaimRef)>,
    carts: Vec<(Buyer, CartId)>,
    /// The checkouts that were started, with their calls.
    begun: Vec<(Buyer, CheckoutId, usize)>,
}

impl Crowd {
    /// Opens the shop.
    pub(crate) fn new(seed: u64) -> Self {
        Self { shop: Shop::open(seed), claims: Vec::new(), carts: Vec::new(), begun: Vec::new() }
    }

    fn anyone(&mut self) -> Buyer {
        buyer(1 + self.shop.world.chance.below(3) as u128)
    }

    fn some<T: Clone>(&mut self, of: fn(&Self) -> &Vec<T>) -> Option<T> {
        let count = of(self).len();
        let which = self.shop.world.chance.below(count);
        of(self).get(which).cloned()
    }

    /// Takes one random action, or lets messages arrive.
    pub(crate) fn act(&mut self) {
        let what = self.shop.world.chance.below(100);
        match what {
            0..10 => {
                let (buyer, quantity) = (self.anyone(), 1 + self.shop.world.chance.below(3) as u64);
                let claim = self.shop.claim(&buyer, quantity);
                self.claims.extend(claim.map(|claim| (buyer, claim)));
            }
            10..18 => {
                let (buyer, quantity) = (self.anyone(), 1 + self.shop.world.chance.below(3) as u64);
                let name = ["SHIRT", "SOCKS", "SNEAKER"][self.shop.world.chance.below(3)];
                let cart = match self.some(|crowd| &crowd.carts).filter(|(owner, _)| *owner == buyer) {
                    Some((_, cart)) => cart,
                    None => self.shop.new_cart(&buyer),
                };
                let _ = self.shop.add_line(&buyer, cart, name, quantity);
                self.carts.push((buyer, cart));
            }
            18..40 => self.begin(),
            40..46 => self.begin_again(),
            46..53 => {
                if let Some((buyer, checkout, _)) = self.some(|crowd| &crowd.begun) {
                    let key = self.shop.new_key();
                    self.shop.world.send(key, Request::Checkout(checkout, CheckoutCommand::Confirm { buyer }));
                }
            }
            53..55 => {
                if let Some((buyer, checkout, _)) = self.some(|crowd| &crowd.begun) {
                    let key = self.shop.new_key();
                    self.shop.world.send(key, Request::Checkout(checkout, CheckoutCommand::Cancel { buyer }));
                }
            }
            55..58 => {
                if let Some((buyer, claim)) = self.some(|crowd| &crowd.claims) {
                    let release = DropCommand::Release { claim: claim.claim, buyer };
                    self.shop.ask(Request::Drop(claim.drop, release));
                }
            }
            58..60 => {
                let price = 1_000 + self.shop.world.chance.below(1_000) as i64;
                self.shop.set_price("SHIRT", price);
            }
            60..63 => {
                let orders = self.shop.orders();
                let which = self.shop.world.chance.below(orders.len());
                if let Some(order) = orders.get(which) {
                    let restock = self.shop.world.chance.percent(50);
                    let cancel = OrderCommand::Cancel { reason: "changed my mind".to_owned(), restock };
                    let key = self.shop.new_key();
                    self.shop.world.send(key, Request::Order(order.id, cancel));
                }
            }
            63..67 => self.shop.world.snapshot_one(),
            67..73 => self.shop.world.crash_one(),
            73..77 => {
                let ms = [50, 50, 500, 500, 2_000, 2_000, 20_000, 400_000][self.shop.world.chance.below(8)];
                self.shop.world.wait(ms);
            }
            77..81 => {
                self.shop.world.resume();
            }
            _ => {
                for _ in 0..self.shop.world.chance.below(80) {
                    self.shop.world.deliver_one();
                }
            }
        }
    }

    fn begin(&mut self) {
        let from_cart = self.shop.world.chance.percent(40);
        let (buyer, source) = match from_cart {
            true => {
                let Some((buyer, cart)) = self.some(|crowd| &crowd.carts) else { return };
                (buyer, Source::Cart(cart))
            }
            false => {
                let Some((buyer, claim)) = self.some(|crowd| &crowd.claims) else { return };
                let mut claims = vec![claim];
                let other = self.some(|crowd| &crowd.claims).map(|(_, claim)| claim);
                claims.extend(other.filter(|other| *other != claim));
                (buyer, Source::Claims(claims))
            }
        };
        let tokens = [
            "tok_approve",
            "tok_approve",
            "tok_decline",
            "tok_challenge",
            "tok_refused_challenge",
            "tok_unknown",
            "tok_no_capture",
        ];
        let token = tokens[self.shop.world.chance.below(tokens.len())];
        let (key, checkout, request) = self.shop.checkout_of(&buyer, source, token);
        let call = self.shop.world.send(key, request);
        self.begun.push((buyer, checkout, call));
    }

    fn begin_again(&mut self) {
        let Some((buyer, checkout, call)) = self.some(|crowd| &crowd.begun) else { return };
        let (key, request) = (self.shop.world.calls[call].key, self.shop.world.calls[call].request.clone());
        let call = self.shop.world.send(key, request);
        self.begun.push((buyer, checkout, call));
    }

    /// Asserts that all successful replies to the same checkout are equal.
    pub(crate) fn assert_answers_are_the_same(&self) {
        for (index, (_, checkout, call)) in self.begun.iter().enumerate() {
            let Some(first @ Outcome::Checkout(Ok(_))) = &self.shop.world.calls[*call].told else { continue };
            for (_, other, call) in &self.begun[index + 1..] {
                if let Some(again @ Outcome::Checkout(Ok(_))) = &self.shop.world.calls[*call].told {
                    assert!(other != checkout || first == again, "{first:?}\n{again:?}");
                }
            }
        }
    }
}
