//! `/v1/mails`: mails that were not delivered.

use axum::{extract::State, response::Response};
use engine::time::Timestamp;
use persistence::sql::UndeliveredMail;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Gateway, Problem, auth::Vendor, wire::ok};

/// The prefix of a receipt's name. The order's id follows.
const RECEIPT: &str = "receipt-";

/// Undelivered e-mails.
#[derive(Serialize, ToSchema)]
pub(crate) struct UndeliveredMails {
    /// The number of e-mails that are retried.
    waiting: u64,
    /// The number of e-mails that failed permanently in the last 30 days.
    failed: u64,
    /// The e-mails: first those that are retried, oldest first, then those that failed, newest first.
    #[schema(max_items = 200)]
    items: Vec<UndeliveredMailWire>,
}

/// An undelivered e-mail.
#[derive(Serialize, ToSchema)]
pub(crate) struct UndeliveredMailWire {
    /// The title.
    id: String,
    /// `receipt` for e-mails about orders, or `account` for e-mails about accounts.
    #[schema(pattern = "^(receipt|account)$")]
    kind: &'static str,
    /// The order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_id: Option<String>,
    /// `waiting`: delivery is being retried. `failed`: delivery failed permanently.
    #[schema(pattern = "^(waiting|failed)$")]
    state: &'static str,
    /// The reason of the last failure.
    reason: String,
    /// The number of attempts.
    tries: u64,
    /// The time of the first attempt.
    #[schema(value_type = String, format = DateTime)]
    first_tried_at: Timestamp,
    /// The time of the last attempt.
    #[schema(value_type = String, format = DateTime)]
    last_tried_at: Timestamp,
}

impl From<UndeliveredMail> for UndeliveredMailWire {
    fn from(mail: UndeliveredMail) -> Self {
        let order_id = mail.name.strip_prefix(RECEIPT).map(str::to_owned);
        Self {
            kind: if order_id.is_some() { "receipt" } else { "account" },
            order_id,
            id: mail.name,
            state: if mail.failed_at.is_some() { "failed" } else { "waiting" },
            reason: mail.reason,
            tries: mail.tries,
            first_tried_at: mail.first_at,
            last_tried_at: mail.last_at,
        }
    }
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
