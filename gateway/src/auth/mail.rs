//! The interface to the mailer.

use engine::id::{ContactId, SubjectId, TenantId};
use futures::future::BoxFuture;

/// A mail in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The tenant.
    pub tenant: TenantId,
    /// The account that the mail is about.
    pub recipient: SubjectId,
    /// The address.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
}

impl std::fmt::Debug for Mail {
    /// Omits everything personal or secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// A mail was not sent.
#[derive(Debug, thiserror::Error)]
#[error("mail: {0}")]
pub struct MailError(pub String);

/// Sends mail. After an error the caller may retry.
pub trait Mailer: Send + Sync + 'static {
    /// Sends a mail. Completes when the next server, or the outbox, has it.
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>>;

    /// Deletes what is still stored of the mail to these accounts and to the contacts of their orders.
    fn forget<'a>(
        &'a self,
        tenant: &'a TenantId,
        subjects: &'a [SubjectId],
        contacts: &'a [ContactId],
    ) -> BoxFuture<'a, Result<(), MailError>>;
}

/// A mailer that sends nothing and returns an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMailer;

impl Mailer for NoMailer {
    fn send(&self, _: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(async { Err(MailError("no mailer is configured".to_owned())) })
    }

    fn forget<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a [SubjectId],
        _: &'a [ContactId],
    ) -> BoxFuture<'a, Result<(), MailError>> {
        Box::pin(async { Ok(()) })
    }
}
