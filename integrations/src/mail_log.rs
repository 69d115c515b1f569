//! What becomes of mails, for whoever keeps account of those that are not handed over.

use engine::{id::TenantId, time::Timestamp};
use futures::future::BoxFuture;

use crate::mail::Whose;

/// How long a mail is tried that its server refuses for the moment: RFC 5321, section 4.5.4.1, asks for at least 4 to 5
/// days.
pub const TRIED_FOR_MS: u64 = 5 * 24 * 3_600 * 1_000;

/// Metrics of mail.
pub(crate) const SENT: &str = "fusion_mails_sent_total";
pub(crate) const FAILED: &str = "fusion_mails_failed_total";

/// A mail that was not handed over this time.
#[derive(Debug, Clone)]
pub struct Undelivered {
    /// Which shop's.
    pub tenant: TenantId,
    /// What it is called.
    pub name: String,
    /// Whose it is.
    pub whose: Whose,
    /// Why it was not handed over. Nothing personal.
    pub reason: String,
    /// Whether it is given up.
    pub is_over: bool,
}

/// Keeps account of mails that are not handed over.
pub trait MailLog: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Notes a mail that was not handed over. Says since when it is tried; `None` when that cannot be known now.
    fn undelivered(&self, mail: Undelivered) -> BoxFuture<'_, Option<Timestamp>>;

    /// Notes that a mail has been handed over which was noted before, perhaps by another process.
    fn delivered<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> BoxFuture<'a, ()>;

    /// Forgets the mails of these people.
    fn forget<'a>(&'a self, whose: &'a [Whose]) -> BoxFuture<'a, ()>;
}

/// Keeps no account.
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

    fn forget<'a>(&'a self, _: &'a [Whose]) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}
