//! `/v1/mails`: mails that were not delivered.

use axum::{extract::State, response::Response};
use engine::time::Timestamp;
use persistence::sql::UndeliveredMail;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Gateway, Problem, auth::Vendor, wire::ok};

/// The prefix of a receipt's name. The order's id follows.
const RECEIPT: &str = "receipt-";

/// Mails that have not been handed over.
#[derive(Serialize, ToSchema)]
pub(crate) struct UndeliveredMails {
    /// How many are tried again.
    waiting: u64,
    /// How many were given up within the last 30 days.
    failed: u64,
    /// The mails: first those that are tried again, the oldest first; then those that were given up, the newest first.
    #[schema(max_items = 200)]
    items: Vec<UndeliveredMailWire>,
}

/// A mail that has not been handed over.
#[derive(Serialize, ToSchema)]
pub(crate) struct UndeliveredMailWire {
    /// What it is called.
    id: String,
    /// `receipt`, or `account` for links to set a password and the like.
    #[schema(pattern = "^(receipt|account)$")]
    kind: &'static str,
    /// The order of a receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_id: Option<String>,
    /// `waiting`: it is tried again. `failed`: it was given up.
    #[schema(pattern = "^(waiting|failed)$")]
    state: &'static str,
    /// Why it was not handed over, the last time.
    reason: String,
    /// How often it was tried.
    tries: u64,
    /// When it was tried first.
    #[schema(value_type = String, format = DateTime)]
    first_tried_at: Timestamp,
    /// When it was tried last.
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

/// Mails that have not been handed over
///
/// Receipts and account mails that the mail server has not taken, with the reason. A mail that is refused for the moment is
/// tried for 5 days.
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
