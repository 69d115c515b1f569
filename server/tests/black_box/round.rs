//! A round: buyers shop at a drop until the server ends, and their responses are checked afterwards.

use std::{env, sync::atomic::Ordering};

use futures::future::join_all;

use super::{
    Books, Buyer, Sale, Shop,
    checker::{CAP, Customer, Load},
    until,
};

/// The number of buyers in a round.
pub const BUYERS: usize = 32;
/// The units of a round's drop: fewer than the buyers may have, which is 32 × 3.
pub const UNITS: u64 = 70;
/// The maximum number of responses before a round ends.
pub const ANSWERS_MAX: u64 = 500;

/// Returns a number that the environment can override.
pub fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Returns the seed that reproduces the buyers' choices and the moments.
pub fn seed() -> u64 {
    let seed = number("FUSION_SEED", fastrand::u64(..));
    println!("FUSION_SEED={seed} repeats the buyers' choices");
    seed
}

/// A drop with its customers.
#[derive(Clone)]
pub struct Round {
    pub sale: Sale,
    pub customers: Vec<Customer>,
}

impl Round {
    /// Lets buyers shop at a new drop until a random number of responses up to `answers_max`, when `end` ends the
    /// server.
    pub async fn run(
        shop: &mut Shop,
        buyers: &[Buyer],
        name: &str,
        random: &mut fastrand::Rng,
        answers_max: u64,
        end: impl AsyncFnOnce(&mut Shop),
    ) -> Self {
        let sale = shop.sell(name, UNITS, CAP).await;
        let load = Load::default();
        let customers: Vec<_> =
            buyers.iter().map(|buyer| Customer::new(buyer.clone(), &sale, random.u64(..))).collect();
        let shopping: Vec<_> =
            customers.into_iter().map(|customer| tokio::spawn(customer.shop(load.clone()))).collect();
        let moment = random.u64(1..=answers_max);
        until("enough answers", async || {
            let failed = shopping.iter().any(tokio::task::JoinHandle::is_finished);
            (failed || load.answers.load(Ordering::Relaxed) >= moment).then_some(())
        })
        .await;
        end(shop).await;
        load.over.store(true, Ordering::Relaxed);
        let customers: Vec<_> = join_all(shopping).await.into_iter().map(|ended| ended.unwrap()).collect();
        let open = customers.iter().filter(|customer| customer.has_no_answer()).count();
        println!("{name}: ended after {} answers, {open} requests without one", load.answers.load(Ordering::Relaxed));
        Self { sale, customers }
    }

    /// Asserts that no response was an internal error.
    pub fn expect_no_faults(&self) {
        let faults: Vec<_> = self.customers.iter().flat_map(|customer| &customer.faults).collect();
        assert!(faults.is_empty(), "{faults:?}");
    }

    /// After a restart: repeats unanswered requests, and compares all responses with the server's data.
    pub async fn check(&mut self, shop: &Shop) {
        let api = shop.api();
        join_all(self.customers.iter_mut().map(|customer| async {
            customer.buyer.api = api.clone();
            customer.settle().await;
            customer.check().await;
        }))
        .await;
        Books::new(&shop.vendor, &self.sale, UNITS).check(&self.customers).await;
    }

    /// Asserts that exactly the remaining units can be claimed by others.
    pub async fn sell_the_rest(&self, shop: &Shop) {
        let drop = shop.vendor.get(&format!("/v1/drops/{}", self.sale.drop)).await.expect(200);
        let left = drop["available"].as_u64().unwrap();
        let guests = shop.guests(left as usize + 4).await;
        let answers = join_all(guests.iter().map(|guest| guest.claim(&self.sale.drop, 1))).await;
        let had = answers.iter().filter(|answer| answer.status == 201).count() as u64;
        assert_eq!(had, left, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.expect_problem(409, "sold_out");
            assert_eq!(answer.body["available"], 0);
        }
    }
}
