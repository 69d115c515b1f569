//! Translates commands into HTTP requests: the operation's method and path come from the OpenAPI document.

use std::collections::{BTreeMap, HashMap};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, header},
};
use engine::id::TenantId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use utoipa::openapi::{HttpMethod, OpenApi};

use super::frames::{Call, Parameter};
use crate::{
    auth::TENANT,
    idempotency::IDEMPOTENCY_KEY,
    problem::{Code, FieldCode, Problem},
};

/// The characters that a path or query parameter escapes: everything except the unreserved ones (RFC 3986).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// All operations by their ids.
#[derive(Debug)]
pub(crate) struct Operations(HashMap<String, (Method, String)>);

impl Operations {
    /// The operations of a document that are available over a socket: those below `/v1`.
    pub(crate) fn of(api: &OpenApi) -> Self {
        let mut operations = HashMap::new();
        for (path, item) in api.paths.paths.iter().filter(|(path, _)| path.starts_with("/v1/")) {
            let methods = [
                (HttpMethod::Get, Method::GET, &item.get),
                (HttpMethod::Post, Method::POST, &item.post),
                (HttpMethod::Put, Method::PUT, &item.put),
                (HttpMethod::Patch, Method::PATCH, &item.patch),
                (HttpMethod::Delete, Method::DELETE, &item.delete),
            ];
            for (_, method, operation) in methods {
                if let Some(id) = operation.as_ref().and_then(|operation| operation.operation_id.clone()) {
                    operations.insert(id, (method, path.clone()));
                }
            }
        }
        Self(operations)
    }

    /// Builds the request for a command.
    pub(super) fn request(
        &self,
        key: Option<String>,
        call: Call,
        token: Option<&str>,
        shop: Option<&TenantId>,
    ) -> Result<Request, Problem> {
        let Call { name, params, body, if_match } = call;
        let (method, template) = self
            .0
            .get(&name)
            .ok_or_else(|| Problem::invalid("/name", FieldCode::Unknown, "is not a known operation"))?;
        let mut request = Request::builder().method(method).uri(address(template, params)?);
        match (token, shop) {
            (Some(token), _) => request = request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            (None, Some(shop)) => request = request.header(TENANT, shop.as_str()),
            (None, None) => {}
        }
        if let Some(key) = key {
            let key = HeaderValue::from_str(&key).map_err(|_| Problem::new(Code::IdempotencyKeyInvalid))?;
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(version) = if_match {
            request = request.header(header::IF_MATCH, format!("\"{version}\""));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(Body::from(body)).map_err(|error| Problem::invalid("", FieldCode::Malformed, error.to_string()))
    }
}

/// Fills in the path parameters of `/v1/drops/{id}/claims`; the other parameters become the query.
fn address(template: &str, mut params: BTreeMap<String, Parameter>) -> Result<String, Problem> {
    let mut address = String::with_capacity(template.len() + 32);
    for (number, part) in template.split('{').enumerate() {
        match part.split_once('}') {
            Some((name, rest)) if number > 0 => {
                let value = params.remove(name).ok_or_else(|| {
                    Problem::invalid(format!("/params/{name}"), FieldCode::Missing, "is required by this operation")
                })?;
                address.extend(utf8_percent_encode(&value.to_string(), ESCAPED));
                address.push_str(rest);
            }
            _ => address.push_str(part),
        }
    }
    for (number, (name, value)) in params.into_iter().enumerate() {
        address.push(if number == 0 { '?' } else { '&' });
        address.extend(utf8_percent_encode(&name, ESCAPED));
        address.push('=');
        address.extend(utf8_percent_encode(&value.to_string(), ESCAPED));
    }
    Ok(address)
}
