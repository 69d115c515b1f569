//! The built program under load, killed and stopped at random moments: what anyone was told is there afterwards.
//!
//! ```text
//!   buyers at a new drop ─► kill -9 ─► start ─► ask again what had no answer ─► every answer ever given still holds
//!        ▲                                                                                 │
//!        └───────────────────────────── FUSION_CRASHES times ──────────────────────────────┘
//! ```
//!
//! `FUSION_SEED` repeats the choices of the buyers and the moments; how the threads interleave is the machine's.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod outside;

use std::{env, sync::atomic::Ordering};

use futures::future::join_all;
use outside::{
    Buyer, Sale, Shop,
    checker::{CAP, Customer, Load, check_numbers},
    until,
};
use serde_json::json;

const BUYERS: usize = 32;
/// Fewer than the buyers may have: 32 × 3.
const UNITS: u64 = 70;
/// A round ends after some number of answers up to this.
const ANSWERS_MAX: u64 = 500;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

fn seed() -> u64 {
    let seed = number("FUSION_SEED", fastrand::u64(..));
    println!("FUSION_SEED={seed} repeats the buyers' choices");
    seed
}

/// A drop, and everyone who was there.
struct Round {
    sale: Sale,
    customers: Vec<Customer>,
}

/// Buyers at a new drop, until some number of answers was given and `end` has ended the server.
async fn round(
    shop: &mut Shop,
    buyers: &[Buyer],
    name: &str,
    random: &mut fastrand::Rng,
    end: impl AsyncFnOnce(&mut Shop),
) -> Round {
    let sale = shop.sell(name, UNITS, CAP).await;
    let load = Load::default();
    let customers: Vec<_> = buyers.iter().map(|buyer| Customer::new(buyer.clone(), &sale, random.u64(..))).collect();
    let shopping: Vec<_> = customers.into_iter().map(|customer| tokio::spawn(customer.shop(load.clone()))).collect();
    let moment = random.u64(1..=ANSWERS_MAX);
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
    Round { sale, customers }
}

impl Round {
    /// After a start: finds out what is not known, and compares all that is.
    async fn check(&mut self, shop: &Shop) {
        let door = shop.door();
        join_all(self.customers.iter_mut().map(|customer| async {
            customer.buyer.door = door.clone();
            customer.settle().await;
            customer.check().await;
        }))
        .await;
        let units: Vec<_> = self.customers.iter().map(Customer::units).collect();
        let (held, sold) = (units.iter().map(|units| units.0).sum(), units.iter().map(|units| units.1).sum());
        check_numbers(shop, &self.sale, UNITS, held, sold).await;
    }

    /// What is left can be had by others, and not a unit more.
    async fn sell_the_rest(&self, shop: &Shop) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_is_lost_when_the_server_is_killed() {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut shop = Shop::open().await;
    let mut buyers = shop.guests(BUYERS).await;
    let mut rounds = Vec::new();
    for crash in 0..number("FUSION_CRASHES", 5) {
        let ended =
            round(&mut shop, &buyers, &format!("CRASH-{crash}"), &mut random, async |shop: &mut Shop| shop.kill())
                .await;
        rounds.push(ended);
        shop.start().await;
        buyers.iter_mut().for_each(|buyer| buyer.door = shop.door().clone());
        for round in &mut rounds {
            round.check(&shop).await;
        }
    }
    for round in &rounds {
        round.sell_the_rest(&shop).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_stop_answers_what_it_has_taken() {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut shop = Shop::open().await;
    let buyers = shop.guests(BUYERS).await;

    // Payments that take 5 s, of which the answer comes after 2: they are under way for certain.
    let slow = shop.sell("SLOW", 16, 1).await;
    let paying = buyers.iter().take(16).map(|buyer| {
        let (buyer, drop) = (buyer.clone(), slow.drop.clone());
        tokio::spawn(async move {
            let claim = buyer.claim(&drop, 1).await.expect(201);
            let id = claim["id"].as_str().unwrap();
            buyer.pay(&[id], "tok_slow", &format!("{id}@example.com")).await.expect(201)
        })
    });
    let paying: Vec<_> = paying.collect();
    let claims = format!("/v1/drops/{}/claims?limit=200", slow.drop);
    until("sixteen are paying", async || {
        let claims = shop.vendor.get(&claims).await.expect(200);
        let pinned =
            claims["items"].as_array().unwrap().iter().filter(|claim| claim["checkout_id"].is_string()).count();
        (pinned == 16).then_some(())
    })
    .await;
    // The others come and go meanwhile.
    let mut under_load = round(&mut shop, &buyers, "STOP", &mut random, async |shop: &mut Shop| {
        shop.tell_to_stop();
        assert_eq!(shop.ended().await.code(), Some(0), "it ends well");
    })
    .await;
    let checkouts: Vec<_> = join_all(paying).await.into_iter().map(|answered| answered.unwrap()).collect();

    shop.start().await;
    under_load.check(&shop).await;
    for (buyer, checkout) in buyers.iter().zip(checkouts) {
        let buyer = Buyer { door: shop.door().clone(), ..buyer.clone() };
        let path = format!("/v1/checkouts/{}", checkout["id"].as_str().unwrap());
        until("a payment that was begun is ended", async || {
            let now = buyer.get(&path).await.expect(200);
            assert_ne!(now["state"], "failed", "{now}");
            (now["state"] == "completed").then_some(())
        })
        .await;
    }
    let drop = shop.vendor.get(&format!("/v1/drops/{}", slow.drop)).await.expect(200);
    assert_eq!((&drop["sold"], &drop["state"]), (&json!(16), &json!("sold_out")), "{drop}");
}
