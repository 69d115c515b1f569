//! The JSON types of undelivered mails.

use engine::time::Timestamp;
use persistence::sql::UndeliveredMail;
use serde::Serialize;
use utoipa::ToSchema;

/// The prefix of a receipt's name. The order's id follows.
const RECEIPT: &str = "receipt-";

/// Undelivered e-mails.
#[derive(Serialize, ToSchema)]
pub(crate) struct UndeliveredMails {
    /// The number of e-mails that are retried.
    pub(super) waiting: u64,
    /// The number of e-mails that failed permanently in the last 30 days.
    pub(super) failed: u64,
    /// The e-mails: first those that are retried, oldest first, then those that failed, newest first.
    #[schema(max_items = 200)]
    pub(super) items: Vec<UndeliveredMailWire>,
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
