//! Kills and stops the built program under load at random moments. Afterwards every response that a client got holds.
//!
//! ```text
//!   buyers at a new drop ─► kill -9 ─► start ─► repeat unanswered requests ─► every response so far still holds
//!        ▲                                                                                │
//!        └───────────────────────────── FUSION_CRASHES times ─────────────────────────────┘
//! ```
//!
//! `FUSION_SEED` reproduces the buyers' choices and the moments. The interleaving of threads is not reproduced.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod black_box;

use std::io::ErrorKind;

use black_box::{
    Buyer, RawRequest, Shop,
    round::{ANSWERS_MAX, BUYERS, Round, number, seed},
    until,
};
use futures::future::join_all;
use serde_json::json;

/// The number of requests in progress at the signal.
const UNDER_WAY: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_is_lost_when_the_server_is_killed() {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut shop = Shop::open().await;
    let mut buyers = shop.guests(BUYERS).await;
    let mut rounds = Vec::new();
    for crash in 0..number("FUSION_CRASHES", 5) {
        let name = format!("CRASH-{crash}");
        let round =
            Round::run(&mut shop, &buyers, &name, &mut random, ANSWERS_MAX, async |shop: &mut Shop| shop.kill()).await;
        round.expect_no_faults();
        rounds.push(round);
        shop.start().await;
        buyers.iter_mut().for_each(|buyer| buyer.api = shop.api().clone());
        for round in &mut rounds {
            round.check(&shop).await;
        }
    }
    for round in &rounds {
        round.sell_the_rest(&shop).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_answers_accepted_requests() {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut shop = Shop::open().await;
    let buyers = shop.guests(BUYERS).await;

    // Payments take 5 s and are answered after 2 s, so they are certainly in progress.
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
    // Meanwhile the other buyers keep shopping.
    let mut under_load = Round::run(&mut shop, &buyers, "STOP", &mut random, ANSWERS_MAX, async |shop: &mut Shop| {
        shop.tell_to_stop();
        assert_eq!(shop.ended().await.code(), Some(0), "it ends well");
    })
    .await;
    under_load.expect_no_faults();
    let checkouts: Vec<_> = join_all(paying).await.into_iter().map(|answered| answered.unwrap()).collect();

    shop.start().await;
    under_load.check(&shop).await;
    for (buyer, checkout) in buyers.iter().zip(checkouts) {
        let buyer = Buyer { api: shop.api().clone(), ..buyer.clone() };
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

/// No sync completes from before the requests are received until the server refuses new ones. So none of the requests
/// can have been answered before the signal, and all were in progress when it came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_at_the_signal_are_answered_and_durable_and_new_ones_find_no_door() {
    let (mut shop, disk) = Shop::open_behind_shim().await;
    let sale = shop.sell("SIGNAL", UNDER_WAY as u64, 1).await;
    let buyers = shop.guests(UNDER_WAY).await;
    let before = disk.held("journal/");
    disk.hold("journal/");
    let (path, one) = (format!("/v1/drops/{}/claims", sale.drop), json!({"quantity": 1}));
    let claims = buyers.iter().map(|buyer| RawRequest::taken(buyer, &path, &one));
    let mut claims = join_all(claims).await;
    disk.until_one_waits("journal/", before).await;

    shop.tell_to_stop();
    until("new connections are refused", async || {
        let refused = shop.api().connect().await.err().filter(|error| error.kind() == ErrorKind::ConnectionRefused);
        refused.map(drop)
    })
    .await;
    assert!(shop.is_running(), "it waits for what it has taken");
    for claim in &mut claims {
        assert!(claim.has_no_answer(), "answered before its sync");
    }
    disk.release();

    let mut given = Vec::new();
    for claim in claims {
        given.push(claim.answer().await.expect(201));
    }
    assert_eq!(shop.ended().await.code(), Some(0), "it ends well");
    shop.start().await;
    for (buyer, claim) in buyers.iter().zip(&given) {
        let buyer = Buyer { api: shop.api().clone(), ..buyer.clone() };
        let path = format!("/v1/drops/{}/claims/{}", sale.drop, claim["id"].as_str().unwrap());
        assert_eq!(buyer.get(&path).await.expect(200), *claim, "the claim is as it was returned");
    }
    let drop = shop.vendor.get(&format!("/v1/drops/{}", sale.drop)).await.expect(200);
    assert_eq!((&drop["held"], &drop["available"]), (&json!(UNDER_WAY), &json!(0)), "{drop}");
}
