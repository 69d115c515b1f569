//! What the doors ask of whoever sends mail.

use futures::future::BoxFuture;

/// A mail in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
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
}

/// Sends nothing, and says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMailer;

impl Mailer for NoMailer {
    fn send(&self, _: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        Box::pin(async { Err(MailError("no mail is configured".to_owned())) })
    }
}
