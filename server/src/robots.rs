//! For search engines: `robots.txt`, and a sitemap of a shop's products and drops.

use std::{
    fmt::Write,
    sync::LazyLock,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use engine::id::TenantId;
use gateway::{Gateway, Problem, edge::not_by};
use persistence::sql::lists::PublicPages;
use quick_cache::sync::Cache;

/// The maximum number of products, and also of drops, in a sitemap. A sitemap may have at most 50,000 URLs
/// (<https://www.sitemaps.org/protocol.html>).
const PAGES_MAX: u32 = 20_000;
/// How long a sitemap is cached: many crawlers cost a single query.
const SITEMAP_TTL: Duration = Duration::from_secs(60);
/// The maximum number of cached sitemaps, of at most 5 MB each. Beyond it the least used are evicted.
const SITEMAPS_MAX: usize = 8;
const ASKED_AGAIN: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A sitemap, and the time of its creation.
type Made = (Instant, Bytes);

/// The cached sitemaps by tenant and base URL.
static SITEMAPS: LazyLock<Cache<(TenantId, String), Made>> = LazyLock::new(|| Cache::new(SITEMAPS_MAX));

/// `GET /robots.txt`: excludes the pages of single buyers, the console and the API.
pub(crate) async fn robots(State(gateway): State<Gateway>, request: Request) -> Response {
    if !is_read(request.method()) {
        return not_by(request.method(), "GET,HEAD,OPTIONS");
    }
    let text = format!(
        "User-agent: *\nDisallow: /console\nDisallow: /checkout\nDisallow: /orders\nDisallow: /account\n\
         Disallow: /reset-password\nDisallow: /verify\nDisallow: /v1/\nDisallow: /*/checkout\n\nSitemap: {}/sitemap.xml\n",
        base(&gateway, request.uri(), request.headers()).await
    );
    answer("text/plain; charset=utf-8", text.into())
}

/// `GET /sitemap.xml`.
pub(crate) async fn sitemap(State(gateway): State<Gateway>, request: Request) -> Result<Response, Problem> {
    if !is_read(request.method()) {
        return Ok(not_by(request.method(), "GET,HEAD,OPTIONS"));
    }
    let (uri, headers) = (request.uri(), request.headers());
    let tenant = gateway.tenants.of_request(&gateway.read_side, &gateway.settings, uri, headers).await?;
    let name = (tenant, base(&gateway, uri, headers).await);
    let text = match SITEMAPS.get(&name).filter(|(made, _)| made.elapsed() < SITEMAP_TTL) {
        Some((_, text)) => text,
        None => {
            let text = Bytes::from(write(&name.1, &gateway.read_side.public_pages(&name.0, PAGES_MAX).await?));
            SITEMAPS.insert(name, (Instant::now(), text.clone()));
            text
        }
    };
    Ok(answer("application/xml; charset=utf-8", text))
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn answer(kind: &'static str, text: Bytes) -> Response {
    let headers: [(HeaderName, HeaderValue); 2] =
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, ASKED_AGAIN)];
    (headers, text).into_response()
}

/// Returns the shop's URL: on the requested host name if it is one of the shop's, else the public URL.
pub(crate) async fn base(gateway: &Gateway, uri: &Uri, headers: &HeaderMap) -> String {
    let public = &gateway.settings.public_url;
    let host = uri.host().or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()));
    let host = host.unwrap_or_default().to_ascii_lowercase();
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    let is_own = gateway.settings.hosts.contains_key(name)
        || gateway.read_side.tenant_of_host(name).await.is_ok_and(|tenant| tenant.is_some());
    let scheme = public.split_once("://").map_or("https", |(scheme, _)| scheme);
    if is_own { format!("{scheme}://{host}") } else { public.clone() }
}

/// Writes a sitemap (protocol 0.9). Ids and timestamps contain nothing that XML must escape, but the base URL may.
fn write(base: &str, pages: &PublicPages) -> String {
    let base = base.replace('&', "&amp;").replace('<', "&lt;");
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n",
    );
    // Writing to a string cannot fail.
    let _ = writeln!(text, "<url><loc>{base}/</loc></url>");
    for (product, changed_at) in &pages.products {
        let _ = writeln!(text, "<url><loc>{base}/products/{product}</loc><lastmod>{changed_at}</lastmod></url>");
    }
    for drop in &pages.drops {
        let _ = writeln!(text, "<url><loc>{base}/drops/{drop}</loc></url>");
    }
    text.push_str("</urlset>\n");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::{
        id::{DropId, ProductId},
        time::Timestamp,
    };

    use super::*;

    #[test]
    fn a_sitemap_names_products_and_drops_and_escapes_its_address() {
        let pages = PublicPages { products: vec![(ProductId(1), Timestamp(0))], drops: vec![DropId(2)] };
        let text = write("https://a.example/?x&y", &pages);
        assert!(text.contains(&format!("<loc>https://a.example/?x&amp;y/products/{}</loc>", ProductId(1))), "{text}");
        assert!(text.contains("<lastmod>1970-01-01T00:00:00.000Z</lastmod>"), "{text}");
        assert!(text.contains(&format!("/drops/{}</loc>", DropId(2))) && text.ends_with("</urlset>\n"), "{text}");
    }
}
