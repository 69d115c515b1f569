//! The links of the OpenAPI document: which operations can follow a response, and with which of its values.

use serde_json::{Map, Value, json};

use crate::api::Slice;

/// A link from an operation's response to the next operation. Parameters and body members are JSON pointers into the
/// response.
pub(crate) struct Link {
    /// The operation whose responses have the link.
    pub(crate) from: &'static str,
    /// The operation that the link leads to.
    pub(crate) to: &'static str,
    /// The parameters of the next operation.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    /// Members of the next body. A name that ends with `[]` is a list with this single element.
    pub(crate) body: &'static [(&'static str, &'static str)],
}

/// A link without a body.
pub(crate) const fn link(
    from: &'static str,
    to: &'static str,
    parameters: &'static [(&'static str, &'static str)],
) -> Link {
    Link { from, to, parameters, body: &[] }
}

/// The path parameters of a resource that the response has.
pub(crate) const BY_ID: &[(&str, &str)] = &[("id", "/id")];
/// The parameters of a change of the resource that the response has.
pub(crate) const BY_VERSION: &[(&str, &str)] = &[("id", "/id"), (VERSION, "/version")];
const VERSION: &str = "header.If-Match";

fn place(pointer: &str) -> String {
    format!("$response.body#{pointer}")
}

/// The links of an operation's responses, by the operation that each leads to.
pub(super) fn links_of(slices: &[Slice], operation: &str) -> Map<String, Value> {
    let leads = slices.iter().flat_map(|slice| slice.links).filter(|link| link.from == operation);
    leads
        .map(|link| {
            let parameters: Map<_, _> = link
                .parameters
                .iter()
                .map(|(name, pointer)| {
                    // `If-Match` is a string, so the number must be embedded in one: OpenAPI replaces expressions in
                    // braces.
                    let expression = if *name == VERSION {
                        json!(format!("\"{{{}}}\"", place(pointer)))
                    } else {
                        json!(place(pointer))
                    };
                    ((*name).to_owned(), expression)
                })
                .collect();
            let mut written = json!({"operationId": link.to, "parameters": parameters});
            if !link.body.is_empty() {
                let body: Map<_, _> = link.body.iter().map(|(name, pointer)| member(name, pointer)).collect();
                written["requestBody"] = Value::Object(body);
            }
            (link.to.to_owned(), written)
        })
        .collect()
}

fn member(name: &str, pointer: &str) -> (String, Value) {
    match name.strip_suffix("[]") {
        Some(name) => (name.to_owned(), json!([place(pointer)])),
        None => (name.to_owned(), json!(place(pointer))),
    }
}
