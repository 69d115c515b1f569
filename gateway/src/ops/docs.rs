//! Documentation pages: the problem codes, the OpenAPI document, and a viewer for it that needs no network.

use axum::{
    extract::Path,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{
    Problem,
    problem::{Code, pages},
};

const READER: &str = include_str!("../../assets/reader.html");
const READER_SCRIPT: &str = include_str!("../../assets/reader.js");
const READER_STYLE: &str = include_str!("../../assets/reader.css");

/// Allows only our own script, style and document.
const READER_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
/// Allows inline style and no script.
const PAGE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'");
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

type Page = ([(HeaderName, HeaderValue); 3], String);

fn page(html: String, policy: HeaderValue) -> Page {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, policy), (header::CACHE_CONTROL, CACHE)], html)
}

/// API documentation
#[utoipa::path(get, path = "/docs", operation_id = "read_docs", tag = "operations", security(),
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn reader() -> Page {
    page(READER.to_owned(), READER_POLICY)
}

pub(crate) async fn reader_script() -> Response {
    asset("text/javascript; charset=utf-8", READER_SCRIPT)
}

pub(crate) async fn reader_style() -> Response {
    asset("text/css; charset=utf-8", READER_STYLE)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, CACHE)], text).into_response()
}

/// List problems
#[utoipa::path(get, path = "/problems", operation_id = "list_problems", tag = "operations", security(),
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn problems() -> Page {
    page(pages::index(), PAGE_POLICY)
}

/// Describe a problem
#[utoipa::path(get, path = "/problems/{code}", operation_id = "get_problem", tag = "operations", security(),
    params(("code" = String, Path, description = "The problem's `code`.", max_length = 64)),
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn problem(Path(code): Path<String>) -> Result<Page, Problem> {
    let code = Code::from_name(&code).ok_or_else(Problem::not_found)?;
    Ok(page(pages::of(code), PAGE_POLICY))
}
