//! Limits count characters in every script, as the OpenAPI document says.

use engine::{
    payment::{PROVIDER_CHARS_MAX, TOKEN_CHARS_MAX},
    product::{DESCRIPTION_CHARS_MAX, IMAGE_SRC_CHARS_MAX},
};
use serde_json::{Value, json};

use super::shop::{cart_with, shirt, usd};
use crate::testing::{Answer, Shop, payment};

/// Characters of one to four bytes.
const LETTERS: [&str; 4] = ["a", "ł", "抹", "😀"];

/// Returns the pointer of the only error.
fn wrong_at(answer: Answer) -> String {
    let answer = answer.refuses(422, "out_of_range");
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 1, "{}", answer.body);
    answer.text("/errors/0/pointer").to_owned()
}

#[tokio::test]
async fn a_description_and_an_image_s_address_are_counted_in_characters() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    for (index, letter) in LETTERS.into_iter().enumerate() {
        let text = letter.repeat(DESCRIPTION_CHARS_MAX);
        let src = format!("/{}", letter.repeat(IMAGE_SRC_CHARS_MAX - 1));
        let product = |text: &str, src: &str| {
            json!({"title": "Long", "handle": format!("long-{index}"), "description_html": text,
                "images": [{"src": src}], "variants": [{"price": usd(1)}]})
        };
        let post = |key: &str, body: Value| {
            let (vendor, key) = (&vendor, format!("{key} {index}"));
            async move { vendor.post("/v1/products", &key, body).await }
        };
        assert_eq!(wrong_at(post("text", product(&format!("{text}a"), &src)).await), "/description_html");
        assert_eq!(wrong_at(post("src", product("", &format!("{src}a"))).await), "/images/0/src");
        let made = post("both", product(&text, &src)).await.has(201);
        let shown = shop.nobody().get(&format!("/v1/products/{}", made.text("/id"))).await.has(200);
        assert!(shown.text("/description_html") == text && shown.text("/images/0/src") == src, "{letter}");

        let (place, tag) = (format!("/v1/products/{}", made.text("/id")), "\"1\"");
        let longer = json!({"description_html": format!("{text}a")});
        assert_eq!(wrong_at(vendor.patch(&place, tag, longer).await), "/description_html");
        let other = format!("{}b", letter.repeat(DESCRIPTION_CHARS_MAX - 1));
        vendor.patch(&place, tag, json!({"description_html": other})).await.has(200);
    }
}

#[tokio::test]
async fn the_longest_description_may_be_written_in_escapes() {
    let shop = Shop::open().await;
    let text = "\\ud83d\\ude00".repeat(DESCRIPTION_CHARS_MAX);
    let body =
        format!("{{\"title\": \"Long\", \"description_html\": \"{text}\", \"variants\": [{{\"price\": {}}}]}}", usd(1));
    let made = shop.vendor().post_text("/v1/products", "k", body).await.has(201);
    assert!(made.text("/description_html").chars().all(|letter| letter == '😀'));
}

#[tokio::test]
async fn provider_and_token_are_counted_in_characters() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let ann = shop.guest().await;
    let cart = cart_with(&ann, 1).await;
    let paying = |provider: &str, token: &str| {
        let mut body = payment(token, json!({"cart_id": cart}));
        body["payment"]["provider"] = provider.into();
        body
    };
    for letter in LETTERS {
        let (provider, token) = (letter.repeat(PROVIDER_CHARS_MAX), letter.repeat(TOKEN_CHARS_MAX));
        let post = |body: Value| {
            let (ann, key) = (&ann, body["payment"].to_string().len().to_string());
            async move { ann.post("/v1/checkouts", &key, body).await }
        };
        post(paying(&provider, "tok")).await.refuses(422, "payment_provider_unknown");
        assert_eq!(wrong_at(post(paying(&format!("{provider}a"), "tok")).await), "/payment/provider");
        assert_eq!(wrong_at(post(paying("sandbox", &format!("{token}a"))).await), "/payment/token");
        // The provider refuses an unknown token.
        assert_eq!(post(paying("sandbox", &token)).await.has(201).text("/state"), "failed");
    }
}
