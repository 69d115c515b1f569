//! The challenge page for payments with `tok_challenge`, as a bank would show it.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use engine::id::{PaymentId, TenantId};
use integrations::sandbox::{CHALLENGE_PATH, Challenge, ChallengeState, Sandbox};
use serde::Deserialize;

/// No scripts and no foreign content. The form is only sent to this page.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";

/// The page's routes.
pub(crate) fn routes(sandbox: Arc<Sandbox>) -> Router {
    Router::new().route(&format!("{CHALLENGE_PATH}/{{tenant}}/{{payment}}"), get(show).post(answer)).with_state(sandbox)
}

/// The buyer's answer.
#[derive(Debug, Deserialize)]
struct ChallengeAnswer {
    answer: String,
}

async fn show(State(sandbox): State<Arc<Sandbox>>, Path(place): Path<(String, String)>) -> Response {
    page(&sandbox, &place)
}

async fn answer(
    State(sandbox): State<Arc<Sandbox>>,
    Path(place): Path<(String, String)>,
    Form(form): Form<ChallengeAnswer>,
) -> Response {
    let Some((tenant, payment)) = read(&place) else { return nothing() };
    if sandbox.challenge(&tenant, payment).is_none() {
        return nothing();
    }
    // The page shows the result.
    if let Err(unknown) = sandbox.answer_challenge(&tenant, payment, form.answer == "approve").await {
        tracing::warn!(%payment, %unknown, "answering a challenge failed");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    page(&sandbox, &place)
}

fn read((tenant, payment): &(String, String)) -> Option<(TenantId, PaymentId)> {
    Some((TenantId::new(tenant).ok()?, payment.parse().ok()?))
}

fn page(sandbox: &Sandbox, place: &(String, String)) -> Response {
    let challenge = read(place).and_then(|(tenant, payment)| sandbox.challenge(&tenant, payment));
    match challenge {
        Some(challenge) => {
            ([(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)], Html(html(&challenge))).into_response()
        }
        None => nothing(),
    }
}

fn nothing() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

fn html(challenge: &Challenge) -> String {
    let amount = challenge.amount;
    let body = match challenge.state {
        ChallengeState::Open => format!(
            "<p>Pay <strong>{amount}</strong>?</p><form method=\"post\"><button name=\"answer\" value=\"approve\">Approve\
             </button> <button name=\"answer\" value=\"refuse\">Decline</button></form>"
        ),
        ChallengeState::Passed => format!("<p>{amount} approved. Return to the shop to complete the order.</p>"),
        ChallengeState::Refused => format!("<p>{amount} declined. No payment was made.</p>"),
        ChallengeState::Expired => "<p>This page has expired.</p>".to_owned(),
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Sandbox bank</title><style>body{{font:1.1rem system-ui;max-width:30rem;\
         margin:4rem auto;padding:0 1rem}}button{{font:inherit;padding:.5rem 1rem}}</style><h1>Sandbox bank</h1>{body}\
         <p><small>No money moves here.</small></p></html>"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::{
        body::Body,
        http::{Method, Request},
    };
    use engine::money::{Currency, Money};
    use http_body_util::BodyExt;
    use integrations::payments::{Charge, PaymentProvider};
    use tower::ServiceExt;

    use super::*;

    async fn ask(routes: &Router, method: Method, path: &str, body: &'static str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(text.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_buyer_approves_on_the_page() {
        let sandbox = Arc::new(Sandbox::in_memory("http://shop.example", Arc::new(actors::SystemClock)));
        let tenant = TenantId::new("demo").unwrap();
        let charge = Charge { tenant, payment: PaymentId(7), key: "7-authorise".into() };
        sandbox.authorise(&charge, "tok_challenge", Money::new(1_999, Currency::USD).unwrap()).await.unwrap();
        let routes = routes(sandbox);
        let path = format!("/sandbox/challenge/demo/{}", PaymentId(7));
        let (status, text) = ask(&routes, Method::GET, &path, "").await;
        assert!(status.is_success() && text.contains("19.99 USD"), "{text}");
        let (_, text) = ask(&routes, Method::POST, &path, "answer=approve").await;
        assert!(text.contains("approved"), "{text}");
        let (_, text) = ask(&routes, Method::POST, &path, "answer=refuse").await;
        assert!(text.contains("approved"), "the answer is final: {text}");
        for odd in [
            "/sandbox/challenge/other/00000000000000000000000007",
            "/sandbox/challenge/demo/x",
            "/sandbox/challenge/%2e%2e/x",
        ] {
            assert_eq!(ask(&routes, Method::GET, odd, "").await.0, StatusCode::NOT_FOUND, "{odd}");
        }
    }
}
