//! The routes of products.

use std::{collections::HashMap, sync::Arc};

use actors::{Answered, AskError, CommandMeta};
use axum::{extract::State, response::Response};
use engine::{
    id::{ProductId, Sku, TenantId},
    product::{Handle, NewProduct, Product, ProductCommand, ProductRejection, ProductReply, ProductView, Status},
};
use persistence::sql::{List, lists::ProductFilter};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    input::{NewProductBody, ProductPatch},
    summary::ProductSummaryWire,
    wire::{ProductPage, ProductWire},
};
use crate::{
    Gateway, Problem,
    api::read_meta,
    auth::{Shop, Vendor},
    edge::{Arrival, FromQuery, Json, PRODUCT_JSON_BYTES_MAX, Parameters, Path, Query},
    idempotency::{Key, OptionalKey},
    ops::openapi::{KeyHeader, KnownHeader, OptionalKeyHeader, ShopHeader, VersionHeader},
    problem::{Code, Faults, FieldCode},
    wire::{IdSchema, IfMatch, IfNoneMatch, PageQuery, PageWire, created, done, fresh, ok, read_sort, replayed},
};

/// The maximum length of a filter's text in characters.
const FILTER_CHARS_MAX: usize = 255;

/// Returns the routes of products.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(create_product, list_products)).routes(routes!(
        get_product,
        update_product,
        archive_product
    ))
}

/// Which products.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the fields describe the parameters")]
pub(crate) struct ProductQuery {
    /// Search words. Each is the beginning of a word of the title, vendor, type or a tag.
    #[param(max_length = 255, nullable = false)]
    query: Option<String>,
    /// The product with this handle.
    #[param(max_length = 255, nullable = false)]
    handle: Option<String>,
    /// The product with a variant of this SKU.
    #[param(max_length = 255, nullable = false)]
    sku: Option<String>,
    /// Products of this type, ignoring case.
    #[param(rename = "type", max_length = 255, nullable = false)]
    kind: Option<String>,
    /// Products with this tag, ignoring case.
    #[param(max_length = 255, nullable = false)]
    tag: Option<String>,
    /// Products of this vendor, ignoring case.
    #[param(max_length = 255, nullable = false)]
    vendor: Option<String>,
    /// Products with this status. For vendors; others see active products only.
    #[param(pattern = "^(active|draft|archived)$", nullable = false)]
    status: Option<String>,
    /// The sort order. A leading `-` sorts the largest or newest first. The price is the lowest of a product's
    /// variants.
    #[param(pattern = "^(created_at|-created_at|title|-title|price|-price|updated_at|-updated_at)$", nullable = false)]
    sort: Option<String>,
    /// The maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 256, nullable = false)]
    cursor: Option<String>,
    #[param(ignore)]
    filter: ProductFilter,
    #[param(ignore)]
    page: PageQuery,
}

impl FromQuery for ProductQuery {
    const NAMES: &'static [&'static str] =
        &["query", "type", "tag", "vendor", "handle", "sku", "status", "sort", "limit", "cursor"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        for name in &Self::NAMES[..6] {
            let fits = parameters.text(name).is_none_or(|text| text.chars().count() <= FILTER_CHARS_MAX);
            faults.check(format!("?{name}"), fits, "is longer than 255 characters");
        }
        let status = parameters.text("status").and_then(|text| match text {
            "active" => Some(Status::Active),
            "draft" => Some(Status::Draft),
            "archived" => Some(Status::Archived),
            _ => {
                faults.add("?status", FieldCode::WrongType, "must be active, draft or archived");
                None
            }
        });
        let text = |name: &str| parameters.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let filter = ProductFilter {
            query: text("query"),
            product_type: text("type"),
            tag: text("tag"),
            vendor: text("vendor"),
            status,
            sort: read_sort(parameters, faults),
            ..ProductFilter::default()
        };
        let page = PageQuery::of(parameters, faults);
        let none = || None::<String>;
        Some(Self {
            query: none(),
            handle: text("handle"),
            sku: text("sku"),
            sort: none(),
            kind: none(),
            tag: none(),
            vendor: none(),
            status: none(),
            limit: None,
            cursor: none(),
            filter,
            page,
        })
    }
}

async fn ask(
    gateway: &Gateway,
    tenant: &TenantId,
    product: ProductId,
    command: ProductCommand,
    meta: CommandMeta,
) -> Result<(Arc<ProductView>, bool), Problem> {
    let Answered { reply, duplicate } = gateway.commerce.ask::<Product>(&product.key(tenant), command, meta).await?;
    match reply {
        ProductReply::Product(view) => Ok((view, duplicate)),
        ProductReply::Imported(_) | ProductReply::Quote(_) => {
            Err(Problem::internal("product", &"an answer to another question"))
        }
    }
}

/// Returns the product with the stock information of the lists.
async fn write(gateway: &Gateway, tenant: &TenantId, view: &ProductView) -> Result<ProductWire, Problem> {
    let skus: Vec<Sku> = view.variants.iter().map(|variant| variant.sku.clone()).collect();
    let mut available = HashMap::new();
    for some in skus.chunks(persistence::sql::lists::SKUS_AT_ONCE_MAX) {
        available.extend(gateway.read_side.available_units(tenant, some).await?);
    }
    Ok(ProductWire::of(view, |_, sku| available.get(sku).is_some_and(|&units| units > 0)))
}

/// List products
///
/// Newest first by default. Vendors see all products, others the active ones. A change may take a moment to appear.
/// Items are summaries: `get_product` has the description, all images and the options.
#[utoipa::path(get, path = "/v1/products", operation_id = "list_products", tag = "products", security((), ("bearer" = [])),
    params(ProductQuery, ShopHeader), responses((status = 200, description = "A page of products", body = ProductPage)))]
pub(crate) async fn list_products(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    shop: Shop,
    Query(query): Query<ProductQuery>,
) -> Result<Response, Problem> {
    let mut filter = query.filter;
    let nothing = || Ok(ok(&PageWire::<ProductSummaryWire> { items: Vec::new(), next_cursor: None }));
    // An invalid handle or SKU matches no product.
    if let Some(handle) = &query.handle {
        let Ok(handle) = Handle::new(handle) else { return nothing() };
        filter.product = Some(handle.product(&shop.tenant));
    }
    if let Some(sku) = &query.sku {
        let Ok(sku) = Sku::new(sku) else { return nothing() };
        filter.sku = Some(sku);
    }
    if !shop.is_vendors() {
        filter.status = match filter.status {
            None | Some(Status::Active) => Some(Status::Active),
            Some(Status::Draft | Status::Archived) => {
                return nothing();
            }
        };
    }
    let request = query.page.request_sorted(List::Products, filter.sort.number())?;
    let _turn = gateway.listing.take(arrival.address).await?;
    let page = gateway.read_side.product_summaries(&shop.tenant, &filter, request).await?;
    let items = page.items.into_iter().map(ProductSummaryWire::from).collect();
    Ok(ok(&PageWire { items, next_cursor: page.next.map(|cursor| cursor.to_string()) }))
}

/// Get a product
#[utoipa::path(get, path = "/v1/products/{id}", operation_id = "get_product", tag = "products", security((), ("bearer" = [])),
    params(("id" = IdSchema, Path, description = "The product."), ShopHeader, KnownHeader),
    responses((status = 200, description = "The product", body = ProductWire, headers(("ETag" = String))),
        (status = 304, description = "Not modified")))]
pub(crate) async fn get_product(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    shop: Shop,
    known: IfNoneMatch,
    Path(product): Path<ProductId>,
) -> Result<Response, Problem> {
    let (view, _) = ask(&gateway, &shop.tenant, product, ProductCommand::View, read_meta(&arrival)).await?;
    if view.status != Status::Active && !shop.is_vendors() {
        return Err(Problem::not_found());
    }
    let wire = write(&gateway, &shop.tenant, &view).await?;
    let body = serde_json::to_vec(&wire).unwrap_or_default();
    Ok(fresh(&known, &crate::wire::etag(view.version, &body), body, shop.identity.is_none()))
}

/// Create a product
///
/// The id is derived from the handle, and a missing handle from the title. A variant without a SKU gets one. The text
/// of a product is limited to three megabytes (422), and the body to eight (413).
#[utoipa::path(post, path = "/v1/products", operation_id = "create_product", tag = "products", security(("bearer" = ["vendor"])),
    params(KeyHeader), request_body(content = NewProductBody, example = json!({"title": "Ocean Blue Shirt", "options": ["Size"],
        "variants": [{"options": ["S"], "sku": "SHIRT-S", "price": {"amount": 1999, "currency": "USD"}}]})),
    responses((status = 201, description = "The product", body = ProductWire),
        (status = 409, description = "`handle_taken`, `sku_taken` {product_id}, `limit_exceeded`")))]
pub(crate) async fn create_product(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    idempotency: Key,
    Json(body): Json<NewProductBody, PRODUCT_JSON_BYTES_MAX>,
) -> Result<Response, Problem> {
    let new = body.read()?;
    let meta = idempotency.meta(&vendor.0, "create_product", b"", &body);
    let tenant = vendor.0.tenant();
    let product = new.handle.product(tenant);
    // Serialises repetitions of the command between `note` and its acceptance: otherwise two of them could create
    // different products.
    let _turn = gateway.making.take(meta.command_id).await;
    note(&gateway, tenant, product, &new, &meta).await?;
    let command = ProductCommand::Create { tenant: tenant.clone(), new: Box::new(new) };
    let (view, duplicate) = ask(&gateway, tenant, product, command, meta).await?;
    let wire = write(&gateway, tenant, &view).await?;
    Ok(replayed(created(&format!("/v1/products/{product}"), &wire), duplicate))
}

/// Records that the command is about to create this product, and refuses if it has created another one. Product ids are
/// derived from handles, so the two products cannot detect the reuse of the key themselves.
async fn note(
    gateway: &Gateway,
    tenant: &TenantId,
    product: ProductId,
    new: &NewProduct,
    meta: &CommandMeta,
) -> Result<(), Problem> {
    let names = std::iter::once(meta.command_id).chain(meta.former_ids.iter().copied());
    let noted = gateway.read_side.made_product(tenant, names).await?;
    if noted == Some(product) {
        return Ok(());
    }
    if let Some(other) = noted {
        // The same command id without variants: a product that does not know the id rejects it and does not change.
        let new = Box::new(NewProduct { variants: Vec::new(), ..new.clone() });
        let recall = ProductCommand::Create { tenant: tenant.clone(), new };
        match gateway.commerce.ask::<Product>(&other.key(tenant), recall, meta.clone()).await {
            // Only a rejected creation has left no trace.
            Err(AskError::Rejected(ProductRejection::KeyReused(reused))) => return Err(reused.into()),
            Ok(_) => return Err(Problem::new(Code::IdempotencyKeyReused)),
            Err(AskError::Rejected(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(gateway.read_side.note_made_product(tenant, meta.command_id, product, gateway.now()).await?)
}

/// Update a product
///
/// Omitted fields are unchanged. Variants with an `id` are changed, variants without one are added, those in
/// `remove_variants` are removed, and the others are unchanged.
#[utoipa::path(patch, path = "/v1/products/{id}", operation_id = "update_product", tag = "products",
    security(("bearer" = ["vendor"])),
    params(("id" = IdSchema, Path, description = "The product."), VersionHeader, OptionalKeyHeader),
    request_body(content = ProductPatch, example = json!({"title": "Ocean Blue T-Shirt"})),
    responses((status = 200, description = "The product", body = ProductWire),
        (status = 409, description = "`sku_taken` {product_id}, `busy`, `limit_exceeded`")))]
pub(crate) async fn update_product(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    idempotency: OptionalKey,
    if_match: IfMatch,
    Path(product): Path<ProductId>,
    Json(body): Json<ProductPatch, PRODUCT_JSON_BYTES_MAX>,
) -> Result<Response, Problem> {
    let edit = Box::new(body.read()?);
    let meta = idempotency.0.meta(&vendor.0, "update_product", &product.to_bytes(), &body);
    let tenant = vendor.0.tenant();
    let latest =
        async { Ok(ask(&gateway, tenant, product, ProductCommand::View, CommandMeta::read()).await?.0.version) };
    let version = if_match.version(latest).await?;
    let (view, duplicate) = ask(&gateway, tenant, product, ProductCommand::Edit { version, edit }, meta).await?;
    Ok(replayed(ok(&write(&gateway, tenant, &view).await?), duplicate))
}

/// Archive a product
///
/// An archived product keeps its handle and SKUs. A change of `status` restores it.
#[utoipa::path(delete, path = "/v1/products/{id}", operation_id = "archive_product", tag = "products",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The product."), OptionalKeyHeader),
    responses((status = 204, description = "The product is archived"), (status = 409, description = "`busy`")))]
pub(crate) async fn archive_product(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    idempotency: OptionalKey,
    Path(product): Path<ProductId>,
) -> Result<Response, Problem> {
    let meta = idempotency.0.meta(&vendor.0, "archive_product", &product.to_bytes(), &"archive_product");
    ask(&gateway, vendor.0.tenant(), product, ProductCommand::Archive, meta).await?;
    Ok(done())
}
