//! The shop's pages, from inside the program.
//!
//! `web/app/dist` is embedded when the program is built. A path of [`PAGES`] is a page of the app, which draws itself from
//! `index.html`. Any other that is no file is not found: people who look for a page see the shop's own page for that, and
//! programs a problem.

use std::borrow::Cow;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use engine::id::DropId;
use gateway::{
    Gateway,
    edge::{ErrorPage, not_by},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::robots;

#[derive(RustEmbed)]
#[folder = "../web/app/dist"]
#[allow_missing = true]
struct Dist;

/// Our own files and server; pictures of products may come from where the merchant keeps them.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data: https:; object-src 'none'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'",
);
/// Files named by their content never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Asked for each time, and answered with 304 as long as they are the same.
const ASK: HeaderValue = HeaderValue::from_static("no-cache");
/// The pages of the app, as its router names them; `*` is whatever follows.
const PAGES: [&str; 10] = [
    "/",
    "/products/:id",
    "/drops/:id",
    "/drops/:id/checkout",
    "/checkout",
    "/orders",
    "/orders/:id",
    "/reset-password",
    "/account",
    "/console/*",
];
/// Where the first page is.
const INDEX: &str = "index.html";
/// How a file was compressed when the pages were built, best first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Said where the pages should be.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><title>No pages in this program</title><p>This program was \
    built without the shop's pages: they need Node when it is built (<code>make run</code>). The API is here all the \
    same: <a href=\"/docs\">its documentation</a>.";

/// The pages' routes. Whatever another route answers is not theirs.
pub(crate) fn routes() -> Router<Gateway> {
    files().route("/robots.txt", any(robots::robots)).route("/sitemap.xml", any(robots::sitemap))
}

fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", any(show)).route("/{*path}", any(show))
}

async fn show(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let is_api = path == "v1" || path.starts_with("v1/");
    let file = Dist::get(path).filter(|_| !is_inner(path) && !is_api && path != INDEX);
    let is_page = is_page(request.uri().path());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return match file.is_some() || is_page {
            true => not_by(request.method(), "GET,HEAD,OPTIONS"),
            false => StatusCode::NOT_FOUND.into_response(),
        };
    }
    if let Some(file) = file {
        return answer(path, file, request.headers());
    }
    if is_api || path.starts_with("assets/") || !(path.is_empty() || wants_page(request.headers())) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !is_page {
        return nowhere(request.headers());
    }
    let Some(index) = Dist::get(INDEX) else { return Html(NOT_BUILT).into_response() };
    let mut response = answer(INDEX, index, request.headers());
    if let Some(drop) = path.strip_prefix("drops/").and_then(|id| id.parse::<DropId>().ok()) {
        response.headers_mut().extend(first_read(drop));
    }
    response
}

/// Whether the app has a page at this path.
fn is_page(path: &str) -> bool {
    // A slash at the end is the same page.
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    PAGES.iter().any(|pattern| match pattern.strip_suffix("/*") {
        Some(before) => path.strip_prefix(before).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        None => {
            let (mut parts, mut names) = (path.split('/'), pattern.split('/'));
            let fits = names.by_ref().all(|name| {
                let part = parts.next();
                part.is_some_and(|part| part == name || (name.starts_with(':') && !part.is_empty()))
            });
            fits && parts.next().is_none()
        }
    })
}

/// The shop's own page for what is not there, with the status that says so.
fn nowhere(asked: &HeaderMap) -> Response {
    let Some(index) = Dist::get(INDEX) else { return StatusCode::NOT_FOUND.into_response() };
    let mut unconditional = asked.clone();
    // Nobody has it already: a 304 would say that it is there.
    unconditional.remove(header::IF_NONE_MATCH);
    let mut response = answer(INDEX, index, &unconditional);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().remove(header::ETAG);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(ErrorPage);
    response
}

/// Asks the browser to get the drop while the program that shows it is still on its way.
fn first_read(drop: DropId) -> Option<(HeaderName, HeaderValue)> {
    let link = HeaderValue::from_str(&format!("</v1/drops/{drop}>; rel=preload; as=fetch; crossorigin")).ok()?;
    Some((header::LINK, link))
}

/// What lies among the files and is none of them.
fn is_inner(path: &str) -> bool {
    path.starts_with('.') || ENCODINGS.iter().any(|(_, ending)| path.ends_with(ending))
}

fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

fn answer(path: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let (encoding, file) = encoded(path, file, asked);
    let tag = format!("\"{:x}\"", u128::from_be_bytes(first_half(file.metadata.sha256_hash())));
    let cache = if path.starts_with("assets/") { FOR_EVER } else { ASK };
    let mut known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let is_known = known.any(|tags| {
        tags.split(',')
            .any(|known| matches!(known.trim().trim_start_matches("W/"), known if known == tag || known == "*"))
    });
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => bytes_of(file.data).into_response(),
    };
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&kind_of(path)) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    response
}

/// The file in the best encoding that the browser takes and that there is.
fn encoded(path: &str, file: EmbeddedFile, asked: &HeaderMap) -> (Option<&'static str>, EmbeddedFile) {
    let takes = asked.get(header::ACCEPT_ENCODING).and_then(|takes| takes.to_str().ok()).unwrap_or_default();
    let takes = |name: &str| {
        takes.split(',').any(|part| {
            let (token, weight) = part.split_once(';').unwrap_or((part, ""));
            token.trim() == name && !weight.trim().eq_ignore_ascii_case("q=0")
        })
    };
    let smaller = ENCODINGS
        .iter()
        .filter(|(name, _)| takes(name))
        .find_map(|(name, ending)| Dist::get(&format!("{path}{ending}")).map(|file| (Some(*name), file)));
    smaller.unwrap_or((None, file))
}

fn bytes_of(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => data.into(),
    }
}

fn first_half(hash: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|at| hash[at])
}

fn kind_of(path: &str) -> String {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    match kind.type_() == mime_guess::mime::TEXT {
        true => format!("{kind}; charset=utf-8"),
        false => kind.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;

    async fn ask(method: &str, path: &str, accept: &str) -> Response {
        let request = Request::builder().method(method).uri(path).header("accept", accept).body(Body::empty()).unwrap();
        files::<()>().with_state(()).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_no_page_is_not_found() {
        for (method, path, accept) in [
            ("GET", "/v1", "text/html"),
            ("GET", "/v1/nothing", "text/html"),
            ("POST", "/nothing", "text/html"),
            ("OPTIONS", "/v1/nothing", "text/html"),
            ("GET", "/drops/1", "application/json"),
            ("GET", "/assets/nothing.js", "text/html"),
        ] {
            let answer = ask(method, path, accept).await;
            assert_eq!(answer.status(), 404, "{method} {path}");
            assert!(answer.headers().get(header::CONTENT_TYPE).is_none(), "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_page_is_there_or_says_what_it_lacks() {
        let answer = ask("GET", "/drops/1", "text/html,*/*").await;
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        assert_eq!(answer.headers().contains_key(header::CONTENT_SECURITY_POLICY), Dist::get(INDEX).is_some());
    }

    #[tokio::test]
    async fn the_page_of_a_drop_has_the_drop_asked_for_early_and_others_nothing() {
        let drop = DropId(7);
        for (path, early) in [(format!("/drops/{drop}"), true), ("/drops/x".to_owned(), false), ("/".to_owned(), false)]
        {
            let answer = ask("GET", &path, "text/html").await;
            let link = answer.headers().get(header::LINK).map(|link| link.to_str().unwrap().to_owned());
            let expected = format!("</v1/drops/{drop}>; rel=preload; as=fetch; crossorigin");
            assert_eq!(link, Some(expected).filter(|_| early && Dist::get(INDEX).is_some()), "{path}");
        }
    }

    #[tokio::test]
    async fn a_path_that_is_no_page_is_the_shops_own_page_for_that_with_the_status() {
        for path in [
            "/.env",
            "/wp-login.php",
            "/nothing",
            "/drops",
            "/drops/1/nothing",
            "/products/",
            "/orders/1/2",
            "/consoles",
            "/index.html",
        ] {
            let answer = ask("GET", path, "text/html").await;
            assert_eq!(answer.status(), 404, "{path}");
            assert_eq!(answer.extensions().get::<ErrorPage>().is_some(), Dist::get(INDEX).is_some(), "{path}");
            assert!(answer.headers().get(header::ETAG).is_none(), "{path}");
            assert_eq!(ask("GET", path, "*/*").await.status(), 404, "{path}");
        }
        for path in ["/", "/console", "/console/orders/1", "/orders", "/orders/", "/drops/1/checkout", "/account"] {
            assert_eq!(ask("GET", path, "text/html").await.status(), 200, "{path}");
        }
    }

    #[tokio::test]
    async fn pages_tell_their_methods() {
        for path in ["/", "/drops/1", "/console"] {
            let answer = ask("OPTIONS", path, "*/*").await;
            assert_eq!((answer.status().as_u16(), &answer.headers()[header::ALLOW]), (204, &READ_METHODS), "{path}");
            for method in ["POST", "PUT", "DELETE", "TRACE"] {
                let answer = ask(method, path, "text/html").await;
                assert_eq!(
                    (answer.status().as_u16(), &answer.headers()[header::ALLOW]),
                    (405, &READ_METHODS),
                    "{path}"
                );
            }
        }
    }

    const READ_METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,OPTIONS");

    /// The app's router and this list name the same pages.
    #[test]
    fn every_page_of_the_app_is_known() {
        let app = include_str!("../../web/app/src/app.tsx");
        let named = app.lines().filter_map(|line| line.trim().strip_prefix("[\"/")?.split_once('"'));
        let named: Vec<_> = named.map(|(path, _)| format!("/{path}")).collect();
        assert!(named.len() > 5, "{named:?}");
        for path in named {
            assert!(PAGES.contains(&path.as_str()), "{path} is a page of the app, and not among PAGES");
        }
    }

    #[test]
    fn files_are_named_for_what_they_are() {
        assert_eq!(kind_of("assets/a.js"), "text/javascript; charset=utf-8");
        assert_eq!(kind_of("assets/a.woff2"), "font/woff2");
        assert!(is_inner(".vite/manifest.json") && is_inner("assets/a.js.br") && !is_inner("assets/a.js"));
    }
}
