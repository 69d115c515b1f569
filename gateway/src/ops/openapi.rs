//! The OpenAPI 3.1 document: generated from the handlers, and completed with what all operations share.

use serde_json::{Map, Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::links::links_of;
pub(crate) use super::links::{BY_ID, BY_VERSION, Link, link};
use crate::{
    api::Slice,
    problem::{FieldErrorDoc, ProblemDoc},
    wire::{AmountSchema, CurrencySchema, IdSchema, MoneyWire, PriceSchema, RecordedCurrencySchema, SkuSchema},
};

/// The description of the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "FusionCommerce",
        description = "Live commerce: flash-sale drops, carts, checkouts, orders, catalogue and inventory.\n\n\
            Every POST that changes data takes an `Idempotency-Key`: requests with the same key and body are the same \
            command and are executed once. Errors are `application/problem+json` with a stable `code` (`/problems` lists them). \
            Money is in integer minor units, times are RFC 3339, ids are opaque.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    components(schemas(ProblemDoc, FieldErrorDoc, IdSchema, SkuSchema, MoneyWire, PriceSchema, AmountSchema, CurrencySchema, RecordedCurrencySchema)),
    security(("bearer" = [])),
    modifiers(&Bearer),
)]
pub(crate) struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("From `POST /v1/sessions`. Scopes are the roles that may use an operation."))
            .build();
        api.components.get_or_insert_with(Default::default).add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// An addition to a derived schema: the name of the schema, or of a part of it (`Order/properties/lines`), and the
/// members that are added or replaced.
pub(crate) type Refinement = (&'static str, Value);

const METHODS: [&str; 6] = ["get", "put", "post", "patch", "delete", "options"];

/// Completes the document with what the slices add to it, and with the responses that every operation of a kind can
/// return.
pub(crate) fn complete(api: &utoipa::openapi::OpenApi, slices: &[Slice]) -> Value {
    let mut document = serde_json::to_value(api).unwrap_or_default();
    let tags = slices.iter().filter_map(|slice| slice.tag);
    document["tags"] = tags.map(|(name, description)| json!({"name": name, "description": description})).collect();
    for (name, members) in slices.iter().flat_map(|slice| (slice.refinements)()) {
        let schema = document.pointer_mut(&format!("/components/schemas/{name}")).and_then(Value::as_object_mut);
        debug_assert!(schema.is_some(), "no schema {name} to refine");
        if let (Some(schema), Value::Object(members)) = (schema, members) {
            schema.extend(members);
        }
    }
    document["components"]["responses"] = json!({
        "Problem": {
            "description": "What went wrong.",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        }
    });
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for method in METHODS {
                if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                    complete_operation(slices, path, method, operation);
                }
            }
        }
    }
    document
}

fn complete_operation(slices: &[Slice], path: &str, method: &str, operation: &mut Map<String, Value>) {
    let name = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let cursor = slices.iter().flat_map(|slice| slice.cursors).find(|(list, _)| *list == name);
    if let Some((_, pattern)) = cursor
        && let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut)
    {
        for parameter in parameters.iter_mut().filter(|parameter| parameter["name"] == "cursor") {
            parameter["schema"]["pattern"] = json!(pattern);
        }
    }
    let has_parameter = |place: &str, name: Option<&str>| {
        operation.get("parameters").and_then(Value::as_array).is_some_and(|parameters| {
            parameters
                .iter()
                .any(|parameter| parameter["in"] == place && name.is_none_or(|name| parameter["name"] == name))
        })
    };
    let has_key = has_parameter("header", Some("Idempotency-Key"));
    let has_version = has_parameter("header", Some("If-Match"));
    let has_path = has_parameter("path", None);
    let has_body = operation.contains_key("requestBody");
    let security = operation.get("security").and_then(Value::as_array);
    let is_public = security.is_some_and(|security| security.is_empty());
    let is_optional =
        security.is_some_and(|security| security.iter().any(|one| one.as_object().is_some_and(Map::is_empty)));
    let roles = security.is_some_and(|security| {
        security.iter().any(|one| one["bearer"].as_array().is_some_and(|scopes| !scopes.is_empty()))
    });
    let changes = matches!(method, "post" | "put" | "patch" | "delete");

    let mut errors: Vec<(&str, &str)> = vec![
        ("429", "Too many requests: `rate_limited`"),
        ("503", "Temporarily unavailable: `overloaded`, `unavailable`"),
    ];
    let mut add = |when: bool, status, description| {
        if when {
            errors.push((status, description));
        }
    };
    let is_api = path.starts_with("/v1/");
    add(is_api, "400", "Invalid request: `invalid_request` and others");
    add(is_api && !is_public, "401", if is_optional { "Invalid token" } else { "Missing or invalid token" });
    add(roles, "403", "The role does not allow it: `forbidden`");
    add(has_path, "404", "`not_found`");
    add(has_body, "408", "The body did not arrive in time");
    add(has_body, "413", "The body is too large");
    add(has_body, "415", "Unsupported media type");
    add(has_body || has_key, "422", "A value is out of range: `out_of_range`; or `idempotency_key_reused`");
    add(has_version, "412", "`stale_version`");
    add(has_version, "428", "`version_required`");
    add(is_api && changes, "504", "`outcome_unknown`: repeat the request with the same key");

    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    for (status, description) in errors {
        responses.entry(status).or_insert_with(|| json!({"description": description}));
    }
    for (status, response) in responses.iter_mut() {
        complete_response(status, response, has_key);
        let links = links_of(slices, &name);
        if !links.is_empty() && status.starts_with('2') {
            response["links"] = Value::Object(links);
        }
    }
    responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/Problem"}));
}

fn complete_response(status: &str, response: &mut Value, has_key: bool) {
    let Some(response) = response.as_object_mut() else { return };
    if status.starts_with(['4', '5']) {
        let problem = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        response.entry("content").or_insert(problem);
    }
    let mut header = |name: &str, schema: Value, description: &str| {
        let headers = response.entry("headers").or_insert_with(|| json!({}));
        if let Some(headers) = headers.as_object_mut() {
            headers.entry(name).or_insert_with(|| json!({"description": description, "schema": schema}));
        }
    };
    if status == "201" {
        header("Location", json!({"type": "string", "format": "uri-reference"}), "The URL of the new resource.");
    }
    if matches!(status, "429" | "503") {
        header("Retry-After", json!({"type": "integer", "minimum": 1}), "Seconds to wait before a retry.");
    }
    if has_key && status.starts_with('2') {
        header("Idempotency-Replayed", json!({"type": "string", "const": "true"}), "The response was returned before.");
    }
}

/// The key that every command carries.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes a header that `idempotency::Key` reads")]
pub(crate) struct KeyHeader {
    /// Identifies the command. Use a new key for each new command and the same key for each retry. Printable ASCII.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[!-~](?:[ -~]*[!-~])?$")]
    key: String,
}

/// The key where it is welcome, but not required.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes a header that `idempotency::OptionalKey` reads")]
pub(crate) struct OptionalKeyHeader {
    /// Identifies the command, so that a retry is recognised. Printable ASCII.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~](?:[ -~]*[!-~])?$",
        nullable = false
    )]
    key: Option<String>,
}

/// The version that a change is based on.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes a header that `wire::IfMatch` reads")]
pub(crate) struct VersionHeader {
    /// The `version` that the change is based on, in quotes: `"1"`; or a list of versions, or `*` for any version.
    #[param(
        rename = "If-Match",
        pattern = "^(?:\\*|(?:[0-9]{1,18}|(?:W/)?\"[!#-~]{0,64}\")(?:, ?(?:[0-9]{1,18}|(?:W/)?\"[!#-~]{0,64}\"))*)$",
        example = "\"1\""
    )]
    version: String,
}

/// What names the shop when nothing else does.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes a header that `auth::Tenants` reads")]
pub(crate) struct ShopHeader {
    /// The shop's tenant, for requests without a token to a host name that is not the shop's own.
    #[param(rename = "Fusion-Tenant", max_length = 32, pattern = "^[a-z0-9][a-z0-9-]*$", nullable = false)]
    tenant: Option<String>,
}

/// What a caller has already.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes a header that `wire::IfNoneMatch` reads")]
pub(crate) struct KnownHeader {
    /// The ETags of cached responses. The response is 304 if one is current.
    #[param(rename = "If-None-Match", nullable = false)]
    known: Option<String>,
}
