//! The shop's pages, from inside the program.
//!
//! `web/app/dist` is embedded when the program is built. A page of the app ([`Address`]) draws itself from `index.html`, to
//! whose head the server adds what a shared link shows, and what the pages have to know before they ask anything. Any other
//! path that is no file is not found: people who look for a page see the shop's own page for that, and programs a problem.

mod address;
mod preview;

use std::{borrow::Cow, fmt::Write};

use axum::{
    Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Redirect, Response},
    routing::any,
};
use bytes::Bytes;
use engine::id::DropId;
use gateway::{
    Gateway, Settings,
    edge::{ErrorPage, not_by},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use self::{address::Address, preview::Found};
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
/// Where the first page is.
const INDEX: &str = "index.html";
/// How a file was compressed when the pages were built, best first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Said where the pages should be.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><title>No pages in this program</title><p>This program was \
    built without the shop's pages: they need Node when it is built (<code>make run</code>). The API is here all the \
    same: <a href=\"/docs\">its documentation</a>.";

/// A shop that was looked into: where it is reached, and what is at the address.
struct Seen {
    url: String,
    found: Found,
}

/// The pages' routes. Whatever another route answers is not theirs.
pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/", any(page_of_shop))
        .route("/{*path}", any(page_of_shop))
        .route("/robots.txt", any(robots::robots))
        .route("/sitemap.xml", any(robots::sitemap))
}

async fn page_of_shop(
    State(gateway): State<Gateway>,
    decoded: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    show(Some(&gateway), decoded, &request.into_parts().0).await
}

/// Answers a request for a page or a file. Without a shop to look into, what is at an address is not known.
async fn show(shop: Option<&Gateway>, decoded: Result<Path<String>, PathRejection>, request: &Parts) -> Response {
    let path = request.uri.path().trim_start_matches('/');
    let is_api = path == "v1" || path.starts_with("v1/");
    let file = Dist::get(path).filter(|_| !is_inner(path) && !is_api && path != INDEX);
    let address = match decoded {
        Ok(Path(path)) => Address::of(&path),
        Err(_) if path.is_empty() => Address::Page,
        // Percent-encoded bytes that are no text lead nowhere.
        Err(_) => Address::Unknown,
    };
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return match file.is_some() || address != Address::Unknown {
            true => not_by(&request.method, "GET,HEAD,OPTIONS"),
            false => StatusCode::NOT_FOUND.into_response(),
        };
    }
    if let Some(file) = file {
        return answer(path, file, &request.headers);
    }
    if is_api || path.starts_with("assets/") || !wants_page(&request.headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let seen = match shop {
        Some(gateway) => look(gateway, &address, request).await,
        None => None,
    };
    page(&address, seen.as_ref(), shop.map(|gateway| &gateway.settings), &request.headers)
}

fn page(address: &Address, seen: Option<&Seen>, settings: Option<&Settings>, asked: &HeaderMap) -> Response {
    let found = seen.map_or(&Found::Unknown, |seen| &seen.found);
    let preview = match (address, found) {
        (Address::Handle(_), Found::Preview(preview)) => {
            // The browser needs the id, and there shall be one address for each product.
            return Redirect::temporary(&encoded_path(&preview.path)).into_response();
        }
        (_, Found::Preview(preview)) => Some(&**preview),
        (_, Found::Missing | Found::Unknown) => None,
    };
    let is_missing = matches!(found, Found::Missing) || *address == Address::Unknown;
    let Some(index) = Dist::get(INDEX) else {
        return if is_missing { StatusCode::NOT_FOUND.into_response() } else { Html(NOT_BUILT).into_response() };
    };
    let index = String::from_utf8_lossy(&index.data);
    let head = preview.zip(seen).map(|(preview, seen)| preview::head(preview, &seen.url));
    let mut response = whole(with_head(&index, head.as_deref(), settings), asked, is_missing);
    if let (Address::Drop(drop), false) = (address, is_missing) {
        response.headers_mut().extend(first_read(*drop));
    }
    response
}

/// What is at an address of the shop that the request is for. `None` where nothing is to be looked for.
async fn look(gateway: &Gateway, address: &Address, request: &Parts) -> Option<Seen> {
    if matches!(address, Address::Page | Address::Unknown) {
        return None;
    }
    let (uri, headers) = (&request.uri, &request.headers);
    let tenant = gateway.tenants.of_request(&gateway.read_side, &gateway.settings, uri, headers).await.ok()?;
    let url = robots::base(gateway, uri, headers).await;
    Some(Seen { url, found: preview::of(gateway, &tenant, address).await })
}

/// The first page, with what is said of this one in its head.
fn with_head(index: &str, head: Option<&str>, settings: Option<&Settings>) -> String {
    let mut html = match head {
        Some(head) => replaced(&replaced(index, "<meta name=\"description\"", "/>", ""), "<title>", "</title>", head),
        None => index.to_owned(),
    };
    if let (Some(settings), Some(end)) = (settings, html.find("</head>")) {
        let mut meta = String::new();
        // By this the shop says that nothing can be paid before anything is claimed. Writing to a string does not fail.
        let _ = write!(
            meta,
            "  <meta name=\"fusion:payments\" content=\"{}\" />\n  ",
            settings.payment_providers.join(" ")
        );
        html.insert_str(end, &meta);
    }
    html
}

/// `html` with what begins with `start` and ends with `end` replaced, if it is there.
fn replaced(html: &str, start: &str, end: &str, by: &str) -> String {
    let Some(from) = html.find(start) else { return html.to_owned() };
    let Some(length) = html[from..].find(end) else { return html.to_owned() };
    format!("{}{by}{}", &html[..from], &html[from + length + end.len()..])
}

/// A path as it may stand in a header (RFC 3986: what is not ASCII is encoded).
fn encoded_path(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut encoded, byte| {
        match byte {
            // Writing to a string does not fail.
            b'%' | b'\x7f'.. => drop(write!(encoded, "%{byte:02X}")),
            _ => encoded.push(byte as char),
        }
        encoded
    })
}

/// A page that was written for this address, or the shop's own page for what is not there.
fn whole(html: String, asked: &HeaderMap, is_missing: bool) -> Response {
    let tag = format!("\"{:x}\"", xxhash_rust::xxh3::xxh3_128(html.as_bytes()));
    let mut response = match !is_missing && is_known(&tag, asked) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Html(html).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    if is_missing {
        // Nobody has it already: a 304 would say that it is there.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        response.extensions_mut().insert(ErrorPage);
        return response;
    }
    headers.insert(header::CACHE_CONTROL, ASK);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether the client has the version of this tag, or any (RFC 9110, section 13.1.2).
fn is_known(tag: &str, asked: &HeaderMap) -> bool {
    let mut known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    known.any(|tags| {
        tags.split(',')
            .any(|known| matches!(known.trim().trim_start_matches("W/"), known if known == tag || known == "*"))
    })
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

/// Browsers name HTML; those who make previews of links take anything.
fn wants_page(headers: &HeaderMap) -> bool {
    let Some(accept) = headers.get(header::ACCEPT) else { return true };
    accept.to_str().is_ok_and(|accept| accept.contains("text/html") || accept.contains("*/*"))
}

fn answer(path: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let (encoding, file) = encoded(path, file, asked);
    let tag = format!("\"{:x}\"", u128::from_be_bytes(first_half(file.metadata.sha256_hash())));
    let cache = if path.starts_with("assets/") { FOR_EVER } else { ASK };
    let mut response = match is_known(&tag, asked) {
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
        let page = any(|decoded, request: Request| async move { show(None, decoded, &request.into_parts().0).await });
        Router::new().route("/", page.clone()).route("/{*path}", page).oneshot(request).await.unwrap()
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
        let answer = ask("GET", &format!("/drops/{}", DropId(1)), "text/html,*/*").await;
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        assert_eq!(answer.headers().contains_key(header::CONTENT_SECURITY_POLICY), Dist::get(INDEX).is_some());
    }

    #[tokio::test]
    async fn the_page_of_a_drop_has_the_drop_asked_for_early_and_others_nothing() {
        let drop = DropId(7);
        let paths = [(format!("/drops/{drop}"), true), (format!("/drops/tee-{drop}"), true)];
        for (path, early) in paths.into_iter().chain([("/drops/x".to_owned(), false), ("/".to_owned(), false)]) {
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
            "/drops/1",
            "/orders/%E0%A4%A",
        ] {
            let answer = ask("GET", path, "text/html").await;
            assert_eq!(answer.status(), 404, "{path}");
            assert_eq!(answer.extensions().get::<ErrorPage>().is_some(), Dist::get(INDEX).is_some(), "{path}");
            assert!(answer.headers().get(header::ETAG).is_none(), "{path}");
            assert_eq!(ask("GET", path, "*/*").await.status(), 404, "{path}");
        }
        let checkout = format!("/drops/{}/checkout", DropId(1));
        for path in ["/", "/console", "/console/orders/1", "/orders", "/orders/", &checkout, "/account"] {
            assert_eq!(ask("GET", path, "text/html").await.status(), 200, "{path}");
            assert_eq!(ask("GET", path, "*/*").await.status(), 200, "{path} for who makes previews");
        }
    }

    #[tokio::test]
    async fn pages_tell_their_methods() {
        let drop = format!("/drops/{}", DropId(1));
        for path in ["/", &drop, "/console"] {
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

    #[test]
    fn every_page_of_the_app_is_known() {
        let app = include_str!("../../../web/app/src/app.tsx");
        let named = app.lines().filter_map(|line| line.trim().strip_prefix("[\"/")?.split_once('"'));
        let named: Vec<_> = named.map(|(path, _)| path.replace(":id", &DropId(1).to_string())).collect();
        assert!(named.len() > 5, "{named:?}");
        for path in named {
            assert_ne!(Address::of(&path), Address::Unknown, "{path} is a page of the app");
        }
    }

    #[test]
    fn the_head_says_what_can_be_paid_with_and_what_a_link_shows() {
        let index = "<head><meta name=\"description\" content=\"a\" /><title>A</title></head><body>";
        let settings = Settings::default();
        let html = with_head(index, None, Some(&settings));
        assert!(html.contains("<meta name=\"fusion:payments\" content=\"\" />"), "{html}");
        let settings = Settings { payment_providers: vec!["sandbox".into()], ..settings };
        let html = with_head(index, Some("<title>B</title>"), Some(&settings));
        assert!(html.contains("content=\"sandbox\" />") && html.contains("<head><title>B</title>"), "{html}");
        assert_eq!(with_head(index, None, None), index);
    }

    #[test]
    fn a_handle_of_any_script_can_be_redirected_to() {
        assert_eq!(encoded_path("/products/łóżko-1"), "/products/%C5%82%C3%B3%C5%BCko-1");
    }

    #[test]
    fn files_are_named_for_what_they_are() {
        assert_eq!(kind_of("assets/a.js"), "text/javascript; charset=utf-8");
        assert_eq!(kind_of("assets/a.woff2"), "font/woff2");
        assert!(is_inner(".vite/manifest.json") && is_inner("assets/a.js.br") && !is_inner("assets/a.js"));
    }
}
