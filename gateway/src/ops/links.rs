//! The links of the OpenAPI document: which operations can follow a response, and with which of its values.

use serde_json::{Map, Value, json};

/// A link from an operation's response to the next operation. Parameters and body members are JSON pointers into the
/// response.
struct Link {
    from: &'static str,
    to: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    /// Members of the next body. A name that ends with `[]` is a list with this single element.
    body: &'static [(&'static str, &'static str)],
}

const fn link(from: &'static str, to: &'static str, parameters: &'static [(&'static str, &'static str)]) -> Link {
    Link { from, to, parameters, body: &[] }
}

const BY_ID: &[(&str, &str)] = &[("id", "/id")];
const VERSION: &str = "header.If-Match";
const BY_VERSION: &[(&str, &str)] = &[("id", "/id"), (VERSION, "/version")];
const BY_CLAIM: &[(&str, &str)] = &[("id", "/drop_id"), ("claim_id", "/id")];
const BY_LINE: &[(&str, &str)] = &[("id", "/id"), ("line_id", "/lines/0/id")];

const LINKS: &[Link] = &[
    link("create_product", "get_product", BY_ID),
    link("create_product", "update_product", BY_VERSION),
    link("create_product", "archive_product", BY_ID),
    link("update_product", "update_product", BY_VERSION),
    link("create_import", "get_import", BY_ID),
    link("create_import", "list_rejected_rows", BY_ID),
    link("create_drop", "get_drop", BY_ID),
    link("create_drop", "update_drop", BY_VERSION),
    link("create_drop", "publish_drop", BY_ID),
    link("create_drop", "create_claim", BY_ID),
    link("create_drop", "list_drop_claims", BY_ID),
    link("create_drop", "get_drop_series", BY_ID),
    link("create_drop", "end_drop", BY_ID),
    link("create_drop", "cancel_drop", BY_ID),
    link("update_drop", "update_drop", BY_VERSION),
    link("create_claim", "get_claim", BY_CLAIM),
    link("create_claim", "release_claim", BY_CLAIM),
    Link { from: "create_claim", to: "create_checkout", parameters: &[], body: &[("claims[]", "/id")] },
    link("create_cart", "get_cart", BY_ID),
    link("create_cart", "add_cart_line", BY_ID),
    link("create_cart", "delete_cart", BY_ID),
    link("add_cart_line", "update_cart_line", BY_LINE),
    link("add_cart_line", "remove_cart_line", BY_LINE),
    Link { from: "add_cart_line", to: "create_checkout", parameters: &[], body: &[("cart_id", "/id")] },
    link("create_checkout", "get_checkout", BY_ID),
    link("create_checkout", "confirm_checkout", BY_ID),
    link("create_checkout", "cancel_checkout", BY_ID),
    // Not to its order: most responses of a checkout have none yet.
    link("create_refund", "get_order", BY_ID),
    Link {
        from: "create_session",
        to: "refresh_session",
        parameters: &[],
        body: &[("refresh_token", "/refresh_token")],
    },
];

fn place(pointer: &str) -> String {
    format!("$response.body#{pointer}")
}

/// The links of an operation's responses, by the operation that each leads to.
pub(super) fn links_of(operation: &str) -> Map<String, Value> {
    let leads = LINKS.iter().filter(|link| link.from == operation);
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
