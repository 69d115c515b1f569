//! What the doors ask of whoever sends mail.

use engine::id::{ContactId, SubjectId, TenantId};
use futures::future::BoxFuture;

/// A mail in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Of which shop.
    pub tenant: TenantId,
    /// Whose it is.
    pub whose: SubjectId,
    /// To whom.
    pub to: String,
    /// About what.
    pub subject: String,
    /// What it says.
    pub body: String,
}

impl std::fmt::Debug for Mail {
    /// Without what is personal or secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// A mail that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("mail: {0}")]
pub struct MailError(pub String);

/// Sends mail. A mail that could not be sent may be tried again by whoever asked for it.
pub trait Mailer: Send + Sync + 'static {
    /// Hands a mail over; done when the next server, or the outbox, has it.
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>>;

    /// Removes what is still kept of the mail to these people: to their accounts, and to where their orders went.
    fn forget<'a>(
        &'a self,
        tenant: &'a TenantId,
        subjects: &'a [SubjectId],
        contacts: &'a [ContactId],
    ) -> BoxFuture<'a, Result<(), MailError>>;
}

/// Sends nothing, and says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMailer;

impl Mailer for NoMailer {
    fn send(&self, _: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(async { Err(MailError("no mail is configured".to_owned())) })
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
