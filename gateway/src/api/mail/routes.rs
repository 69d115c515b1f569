//! The routes of mails.

use axum::{extract::State, response::Response};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::wire::{UndeliveredMailWire, UndeliveredMails};
use crate::{Gateway, Problem, auth::Vendor, wire::ok};

/// Returns the routes of mails.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list_undelivered_mails))
}

/// List undelivered e-mails
///
/// Order and account e-mails that the mail server has not accepted, with the reason. Delivery is retried for 5 days
/// after a temporary failure.
#[utoipa::path(get, path = "/v1/mails/undelivered", operation_id = "list_undelivered_mails", tag = "orders",
    security(("bearer" = ["vendor"])),
    responses((status = 200, description = "At most 200 of them", body = UndeliveredMails)))]
pub(crate) async fn list_undelivered_mails(
    State(gateway): State<Gateway>,
    vendor: Vendor,
) -> Result<Response, Problem> {
    let tenant = Some(vendor.0.tenant());
    let summary = gateway.read_side.undelivered_summary(tenant).await?;
    let mails = gateway.read_side.undelivered_mails(tenant).await?;
    let items = mails.into_iter().map(UndeliveredMailWire::from).collect();
    Ok(ok(&UndeliveredMails { waiting: summary.waiting, failed: summary.failed, items }))
}
