//! Serves the shop's web pages, which are embedded in the program.
//!
//! `web/app/dist` is embedded at build time. All pages of the app ([`Address`]) use `index.html`. The server adds a
//! link preview to its head, and what the app must know before its first request. Any other path that is not a file is
//! not found: browsers get the shop's own error page, and programs a problem document.

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

/// Scripts only from our own files. Pictures of products may be hosted elsewhere.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data: https:; object-src 'none'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'",
);
/// For files whose name contains a hash of their content: they never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For other files: revalidated each time, and answered with 304 while they are unchanged.
const ASK: HeaderValue = HeaderValue::from_static("no-cache");
/// The file of the app's HTML.
const INDEX: &str = "index.html";
/// The precompressed variants of a file, best first, with their file extensions.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// The page shown if the web app was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><title>No pages in this program</title><p>This program was \
    built without the shop's pages, which require Node (<code>make run</code>). The API is available: \
    <a href=\"/docs\">documentation</a>.";

/// The result of a lookup: the shop's URL, and what is at the address.
struct Seen {
    url: String,
    found: Found,
}

/// The routes of the pages, for all paths that no other route matches.
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

/// Answers a request for a page or a file. Without `shop`, the existence of products and drops is not checked.
async fn show(shop: Option<&Gateway>, decoded: Result<Path<String>, PathRejection>, request: &Parts) -> Response {
    let path = request.uri.path().trim_start_matches('/');
    let is_api = path == "v1" || path.starts_with("v1/");
    let file = Dist::get(path).filter(|_| !is_inner(path) && !is_api && path != INDEX);
    let address = match decoded {
        Ok(Path(path)) => Address::of(&path),
        Err(_) if path.is_empty() => Address::Page,
        // Percent-encoded bytes that are not UTF-8 match no page.
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

fn page(address: &Address, seen: Option<&Seen>, settings: Option<&Settings>, headers: &HeaderMap) -> Response {
    let found = seen.map_or(&Found::Unknown, |seen| &seen.found);
    let preview = match (address, found) {
        (Address::Handle(_), Found::Preview(preview)) => {
            // The app needs the id, and each product should have a single canonical URL.
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
    let mut response = whole(with_head(&index, head.as_deref(), settings), headers, is_missing);
    if let (Address::Drop(drop), false) = (address, is_missing) {
        response.headers_mut().extend(first_read(*drop));
    }
    response
}

/// Looks up the product or drop at an address. `None` if the page needs no lookup.
async fn look(gateway: &Gateway, address: &Address, request: &Parts) -> Option<Seen> {
    if matches!(address, Address::Page | Address::Unknown) {
        return None;
    }
    let (uri, headers) = (&request.uri, &request.headers);
    let tenant = gateway.tenants.of_request(&gateway.read_side, &gateway.settings, uri, headers).await.ok()?;
    let url = robots::base(gateway, uri, headers).await;
    Some(Seen { url, found: preview::of(gateway, &tenant, address).await })
}

/// Returns `index` with the link preview and the settings in its head.
fn with_head(index: &str, head: Option<&str>, settings: Option<&Settings>) -> String {
    let mut html = match head {
        Some(head) => replaced(&replaced(index, "<meta name=\"description\"", "/>", ""), "<title>", "</title>", head),
        None => index.to_owned(),
    };
    if let (Some(settings), Some(end)) = (settings, html.find("</head>")) {
        let mut meta = String::new();
        // Tells the app before anything is claimed whether payments are possible. Writing to a string cannot fail.
        let _ = write!(
            meta,
            "  <meta name=\"fusion:payments\" content=\"{}\" />\n  ",
            settings.payment_providers.join(" ")
        );
        html.insert_str(end, &meta);
    }
    html
}

/// Returns `html` with the first text from `start` through `end` replaced, if there is one.
fn replaced(html: &str, start: &str, end: &str, by: &str) -> String {
    let Some(from) = html.find(start) else { return html.to_owned() };
    let Some(length) = html[from..].find(end) else { return html.to_owned() };
    format!("{}{by}{}", &html[..from], &html[from + length + end.len()..])
}

/// Percent-encodes a path for a header (RFC 3986: characters outside of ASCII).
fn encoded_path(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut encoded, byte| {
        match byte {
            // Writing to a string cannot fail.
            b'%' | b'\x7f'.. => drop(write!(encoded, "%{byte:02X}")),
            _ => encoded.push(byte as char),
        }
        encoded
    })
}

/// Returns a rendered page, or the shop's error page with status 404.
fn whole(html: String, headers: &HeaderMap, is_missing: bool) -> Response {
    let tag = format!("\"{:x}\"", xxhash_rust::xxh3::xxh3_128(html.as_bytes()));
    let mut response = match !is_missing && is_known(&tag, headers) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Html(html).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    if is_missing {
        // Never a 304 here: it would mean that the page exists.
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

/// Whether the client has this version, or sent `*` (RFC 9110, section 13.1.2).
fn is_known(tag: &str, headers: &HeaderMap) -> bool {
    let mut known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    known.any(|tags| {
        tags.split(',')
            .any(|known| matches!(known.trim().trim_start_matches("W/"), known if known == tag || known == "*"))
    })
}

/// Returns a header that lets the browser fetch the drop while the app is still loading.
fn first_read(drop: DropId) -> Option<(HeaderName, HeaderValue)> {
    let link = HeaderValue::from_str(&format!("</v1/drops/{drop}>; rel=preload; as=fetch; crossorigin")).ok()?;
    Some((header::LINK, link))
}

/// Whether the path is an embedded file that is not served by its own name: hidden, or precompressed.
fn is_inner(path: &str) -> bool {
    path.starts_with('.') || ENCODINGS.iter().any(|(_, ending)| path.ends_with(ending))
}

/// Whether the client accepts HTML. Browsers name it, and link preview crawlers accept anything.
fn wants_page(headers: &HeaderMap) -> bool {
    let Some(accept) = headers.get(header::ACCEPT) else { return true };
    accept.to_str().is_ok_and(|accept| accept.contains("text/html") || accept.contains("*/*"))
}

fn answer(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let (encoding, file) = encoded(path, file, headers);
    let tag = format!("\"{:x}\"", u128::from_be_bytes(first_half(file.metadata.sha256_hash())));
    let cache = if path.starts_with("assets/") { FOR_EVER } else { ASK };
    let mut response = match is_known(&tag, headers) {
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

/// Returns the file in the best available encoding that the browser accepts.
fn encoded(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> (Option<&'static str>, EmbeddedFile) {
    let takes = headers.get(header::ACCEPT_ENCODING).and_then(|takes| takes.to_str().ok()).unwrap_or_default();
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
    async fn unknown_paths_are_not_found() {
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
    async fn a_page_is_served_or_names_what_is_missing() {
        let answer = ask("GET", &format!("/drops/{}", DropId(1)), "text/html,*/*").await;
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        assert_eq!(answer.headers().contains_key(header::CONTENT_SECURITY_POLICY), Dist::get(INDEX).is_some());
    }

    #[tokio::test]
    async fn only_the_page_of_a_drop_preloads_the_drop() {
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
    fn the_head_has_the_payment_providers_and_the_preview() {
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
    fn files_have_their_content_type() {
        assert_eq!(kind_of("assets/a.js"), "text/javascript; charset=utf-8");
        assert_eq!(kind_of("assets/a.woff2"), "font/woff2");
        assert!(is_inner(".vite/manifest.json") && is_inner("assets/a.js.br") && !is_inner("assets/a.js"));
    }
}
