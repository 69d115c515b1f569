//! The log of undelivered e-mails.

use engine::{id::TenantId, time::Timestamp};
use futures::future::BoxFuture;

use crate::mail::Recipient;

/// How long an e-mail is tried that its server refuses temporarily: RFC 5321, section 4.5.4.1, recommends at least 4 to
/// 5 days.
pub const TRIED_FOR_MS: u64 = 5 * 24 * 3_600 * 1_000;

/// Names of the mail metrics.
pub(crate) const SENT: &str = "fusion_mails_sent_total";
pub(crate) const FAILED: &str = "fusion_mails_failed_total";

/// An e-mail that was not delivered in this attempt.
#[derive(Debug, Clone)]
pub struct Undelivered {
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// The name of the e-mail.
    pub name: String,
    /// Its owner.
    pub recipient: Recipient,
    /// The reason of the failure. Contains nothing personal.
    pub reason: String,
    /// Whether delivery failed permanently.
    pub is_over: bool,
}

/// Records undelivered e-mails.
pub trait MailLog: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> Timestamp;

    /// Records an undelivered e-mail. Returns the time of its first attempt, or `None` if that cannot be
    /// determined now.
    fn undelivered(&self, mail: Undelivered) -> BoxFuture<'_, Option<Timestamp>>;

    /// Records the delivery of an e-mail whose earlier attempt was recorded, perhaps by another process.
    fn delivered<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> BoxFuture<'a, ()>;

    /// Removes the records of these owners.
    fn forget<'a>(&'a self, recipients: &'a [Recipient]) -> BoxFuture<'a, ()>;
}

/// A log that records nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMailLog;

impl MailLog for NoMailLog {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn undelivered(&self, _: Undelivered) -> BoxFuture<'_, Option<Timestamp>> {
        Box::pin(async { None })
    }

    fn delivered<'a>(&'a self, _: &'a TenantId, _: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn forget<'a>(&'a self, _: &'a [Recipient]) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}
