//! Tokens from the command line, against the built program: sessions that they end stay ended after a restart.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod black_box;

use black_box::Shop;
use reqwest::Method;

/// Returns the status of a request without a body.
async fn status(shop: &Shop, method: Method, path: &str, token: &str) -> u16 {
    shop.api().try_ask(method, path, Some(token), None, None).await.unwrap().status
}

#[tokio::test]
async fn a_revoked_command_line_token_stays_revoked_after_a_restart() {
    let mut shop = Shop::open().await;
    let [ended, goes_on] = ["vendor"; 2].map(|role| shop.token(role, "demo"));
    let subject = "00000000000000000000000007";
    let customer = |shop: &Shop| {
        let output = shop.run(&["token", "--role", "customer", "--tenant", "demo", "--subject", subject]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let [erased, other] = [(); 2].map(|()| customer(&shop));
    assert_eq!(status(&shop, Method::DELETE, "/v1/sessions/current", &ended).await, 204);
    assert_eq!(status(&shop, Method::DELETE, "/v1/me", &erased).await, 204);
    for restarted in ["not", "in order", "killed"] {
        match restarted {
            "in order" => shop.stop().await,
            "killed" => shop.kill(),
            _ => {}
        }
        if restarted != "not" {
            shop.start().await;
        }
        for token in [&ended, &erased, &other] {
            assert_eq!(status(&shop, Method::GET, "/v1/me", token).await, 401, "restarted: {restarted}");
        }
        assert_eq!(status(&shop, Method::GET, "/v1/orders", &goes_on).await, 200, "restarted: {restarted}");
    }
    assert_eq!(status(&shop, Method::GET, "/v1/me", &customer(&shop)).await, 200, "made after the erasure");
}
