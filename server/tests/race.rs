//! Many buyers claim few units over HTTP, against the built program.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod black_box;

use std::collections::HashSet;

use black_box::{Answer, Shop, in_seconds};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

fn count(answers: &[Answer], status: u16, code: &str) -> usize {
    answers.iter().filter(|answer| answer.status == status && answer.code() == code).count()
}

#[tokio::test]
async fn five_hundred_buyers_get_exactly_fifty_units() {
    let shop = Shop::open().await;
    let sale = shop.sell("RACE", 50, 1).await;
    let buyers = shop.guests(500).await;

    let answers = join_all(buyers.iter().map(|buyer| buyer.claim(&sale.drop, 1))).await;

    assert_eq!(count(&answers, 201, ""), 50);
    assert_eq!(
        count(&answers, 409, "sold_out"),
        450,
        "{:?}",
        answers.iter().find(|a| a.status != 201 && a.code() != "sold_out")
    );
    for refused in answers.iter().filter(|answer| answer.status == 409) {
        refused.expect_problem(409, "sold_out");
        assert_eq!(
            (&refused.body["available"], &refused.body["may_return"]),
            (&json!(0), &json!(true)),
            "{}",
            refused.body
        );
    }
    let ids: HashSet<_> = answers.iter().filter_map(|answer| answer.body["id"].as_str()).collect();
    assert_eq!(ids.len(), 50, "every claim is another one");
    let drop = shop.vendor.get(&format!("/v1/drops/{}", sale.drop)).await.expect(200);
    assert_eq!((&drop["available"], &drop["held"], &drop["sold"]), (&json!(0), &json!(50), &json!(0)));
    let claims = shop.vendor.get(&format!("/v1/drops/{}/claims?limit=200", sale.drop)).await.expect(200);
    let listed: HashSet<_> =
        claims["items"].as_array().unwrap().iter().filter_map(|claim| claim["id"].as_str()).collect();
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn a_buyer_in_a_hurry_gets_no_more_than_the_cap() {
    let shop = Shop::open().await;
    let sale = shop.sell("CAP", 50, 3).await;
    let buyer = shop.api().guest().await;

    let answers = join_all((0..20).map(|_| buyer.claim(&sale.drop, 1))).await;

    assert_eq!((count(&answers, 201, ""), count(&answers, 409, "limit_reached")), (3, 17), "{answers:?}");
    assert!(answers.iter().filter(|answer| answer.status == 409).all(|answer| answer.body["remaining"] == 0));
    let given_back = answers.iter().find(|answer| answer.status == 201).unwrap().body["id"].as_str().unwrap();
    let path = format!("/v1/drops/{}/claims/{given_back}", sale.drop);
    assert_eq!(buyer.ask(Method::DELETE, &path, None, None).await.status, 204);
    assert_eq!(buyer.claim(&sale.drop, 2).await.code(), "limit_reached");
    buyer.claim(&sale.drop, 1).await.expect(201);
}

#[tokio::test]
async fn the_cap_holds_by_email_across_guests() {
    let shop = Shop::open().await;
    let sale = shop.sell("EMAIL", 10, 1).await;
    let (first, second) = (shop.api().guest().await, shop.api().guest().await);
    let one = first.claim(&sale.drop, 1).await.expect(201);
    let other = second.claim(&sale.drop, 1).await.expect(201);

    let paid = first.pay(&[one["id"].as_str().unwrap()], "tok_approve", "ann@example.com").await.expect(201);
    assert_eq!(paid["state"], "completed", "{paid}");
    let refused = second.pay(&[other["id"].as_str().unwrap()], "tok_approve", " Ann@Example.com ").await;
    let code = if refused.status == 201 { &refused.body["problem"]["code"] } else { &refused.body["code"] };
    assert_eq!(code, "limit_reached", "{}: {}", refused.status, refused.body);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let shop = Shop::open().await;
    let sale = shop.sell("AGAIN", 50, 5).await;
    let buyer = shop.api().guest().await;
    let path = format!("/v1/drops/{}/claims", sale.drop);
    let (one, two) = (json!({"quantity": 1}), json!({"quantity": 2}));
    let claim = |key, body| buyer.ask(Method::POST, &path, Some(key), Some(body));

    let first = claim("first", &one).await;
    assert_eq!((first.status, first.replayed), (201, false), "{}", first.body);
    let again = claim("first", &one).await;
    assert_eq!((again.status, again.replayed, &again.body), (201, true, &first.body));
    claim("first", &two).await.expect_problem(422, "idempotency_key_reused");
    buyer.ask(Method::POST, &path, None, Some(&one)).await.expect_problem(400, "idempotency_key_required");

    let at_once = join_all((0..16).map(|_| claim("second", &two))).await;
    assert!(at_once.iter().all(|answer| answer.status == 201 && answer.body == at_once[0].body), "{at_once:?}");
    assert_eq!(at_once.iter().filter(|answer| !answer.replayed).count(), 1, "one of them was the first");
    let drop = shop.vendor.get(&format!("/v1/drops/{}", sale.drop)).await.expect(200);
    assert_eq!(drop["held"], 3);
}

#[tokio::test]
async fn a_drop_does_not_open_early_nor_sell_late() {
    let shop = Shop::open().await;
    let starts_at = in_seconds(3_600);
    let early = shop.sell_with("EARLY", 5, 1, json!({"starts_at": starts_at})).await;
    let buyers = shop.guests(20).await;
    for answer in join_all(buyers.iter().map(|buyer| buyer.claim(&early.drop, 1))).await {
        answer.expect_problem(409, "not_open");
        assert!(answer.body["starts_at"].is_string(), "{}", answer.body);
    }

    let late = shop.sell("LATE", 5, 1).await;
    let claim = buyers[0].claim(&late.drop, 1).await.expect(201);
    shop.vendor.post(&format!("/v1/drops/{}/end", late.drop), &json!({})).await.expect(200);
    buyers[1].claim(&late.drop, 1).await.expect_problem(409, "ended");
    let paid = buyers[0].pay(&[claim["id"].as_str().unwrap()], "tok_approve", "late@example.com").await.expect(201);
    assert_eq!(paid["state"], "completed", "what was claimed before the end stays payable: {paid}");
}

#[tokio::test]
async fn a_purchase_ends_in_an_order_and_a_declined_one_leaves_the_claim() {
    let shop = Shop::open().await;
    let sale = shop.sell("BUY", 5, 2).await;
    let buyer = shop.api().guest().await;
    let claim = buyer.claim(&sale.drop, 2).await.expect(201);
    let id = claim["id"].as_str().unwrap();
    let path = format!("/v1/drops/{}/claims/{id}", sale.drop);

    let declined = buyer.pay(&[id], "tok_decline", "buyer@example.com").await.expect(201);
    assert_eq!(
        (&declined["state"], &declined["problem"]["code"]),
        (&json!("failed"), &json!("payment_declined")),
        "{declined}"
    );
    let held = buyer.get(&path).await.expect(200);
    assert_eq!((&held["state"], held.get("checkout_id")), (&json!("held"), None), "{held}");

    let paid = buyer.pay(&[id], "tok_approve", "buyer@example.com").await.expect(201);
    assert_eq!((&paid["state"], &paid["total"]["amount"]), (&json!("completed"), &json!(5000)), "{paid}");
    let order = buyer.get(&format!("/v1/orders/{}", paid["order_id"].as_str().unwrap())).await.expect(200);
    let number = order["number"].as_str().unwrap();
    assert!(
        number.len() == 8 && number.bytes().all(|byte| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&byte)),
        "{number}"
    );
    assert_eq!((&order["payment_state"], &order["checkout_id"]), (&json!("paid"), &paid["id"]), "{order}");
    let sold = buyer.get(&path).await.expect(200);
    assert_eq!((&sold["state"], &sold["order_id"]), (&json!("sold"), &paid["order_id"]));
    buyer.ask(Method::DELETE, &path, None, None).await.expect_problem(409, "already_sold");
    let drop = buyer.get(&format!("/v1/drops/{}", sale.drop)).await.expect(200);
    assert_eq!((&drop["available"], &drop["held"], &drop["sold"]), (&json!(3), &json!(0), &json!(2)));
}
