//! Path parameters.

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts, uri::PathAndQuery},
};
use engine::text::nfc;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters of a path. An invalid id names nothing: 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(named)) => Ok(Self(named)),
            Err(_) => Err(Problem::not_found()),
        }
    }
}

/// Returns the URI with its path in Normalization Form C, if it is not: paths that look the same are the same.
pub(super) fn composed(uri: &Uri) -> Option<Uri> {
    if !uri.path().contains('%') {
        return None;
    }
    let mut has_changed = false;
    let segment = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8().ok();
        match decoded.as_deref().map(nfc) {
            Some(std::borrow::Cow::Owned(composed)) => {
                has_changed = true;
                utf8_percent_encode(&composed, NON_ALPHANUMERIC).to_string()
            }
            _ => segment.to_owned(),
        }
    };
    let path = uri.path().split('/').map(segment).collect::<Vec<_>>().join("/");
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    has_changed.then(|| Uri::from_parts(parts).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_composed_where_it_is_not() {
        let of = |uri: &str| composed(&uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(of("/v1/inventory/cafe%CC%81?a=%CC%81").as_deref(), Some("/v1/inventory/caf%C3%A9?a=%CC%81"));
        assert_eq!(of("http://shop.example/a%2Fe%CC%81").as_deref(), Some("http://shop.example/a%2F%C3%A9"));
        for same in ["/v1/inventory/caf%C3%A9", "/v1/drops", "/%FF%CC%81", "/%E0%A4%A"] {
            assert_eq!(of(same), None, "{same}");
        }
    }
}
