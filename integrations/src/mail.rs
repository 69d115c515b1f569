//! E-mails: sent by SMTP if it is configured, otherwise written to the outbox folder as `.eml` files.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use engine::id::{ContactId, SubjectId, TenantId};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp,
};

use crate::{
    mail_log::{FAILED, MailLog, NoMailLog, SENT, TRIED_FOR_MS, Undelivered},
    outbox::Outbox,
};

/// The maximum time that a mail server may take for one command.
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);
/// The maximum time that a mail server may take for one e-mail. Less than the caller's own limit, so that the failure
/// is logged.
const SEND_MAX: Duration = Duration::from_secs(50);
/// The number of attempts for an e-mail that no effect repeats, and the first pause. Each further pause is twice as
/// long.
const TRIES: usize = 6;
const PAUSE: Duration = Duration::from_secs(1);

/// Status codes that refuse the sender, not the e-mail: no authentication, a wrong one, no encryption (RFC 4954,
/// section 6), and a host that accepts no mail at present (RFC 7504).
const ACCESS_CODES: [u16; 5] = [521, 530, 534, 535, 538];

/// The owner of an e-mail: what is stored of it is removed when the owner is erased. It consists of ids, so it contains
/// nothing personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A buyer, reached at a contact.
    Contact(TenantId, ContactId),
    /// An account.
    Account(TenantId, SubjectId),
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Recipient::Contact(tenant, contact) => write!(f, "contact {tenant} {contact}"),
            Recipient::Account(tenant, subject) => write!(f, "account {tenant} {subject}"),
        }
    }
}

/// An e-mail in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    /// The name of the e-mail: the same for each repetition, so that mail clients show one copy. Letters, digits, `-`,
    /// `_` and `.`.
    pub name: String,
    /// The owner.
    pub recipient: Recipient,
    /// The recipient's address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

impl std::fmt::Debug for Email {
    /// Omits what is personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Email").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The way in which e-mails are sent.
#[derive(Clone, PartialEq, Eq)]
pub enum MailRoute {
    /// By a mail server: `smtps://user:password@host:465`, or `smtp://host:587?tls=required`. A `smtp://` address
    /// without `tls` is not encrypted: for a server on the same machine.
    Smtp {
        /// The address of the server, which may contain a password.
        url: String,
    },
    /// Into a folder, one file for each e-mail.
    Outbox {
        /// The folder. Created if it does not exist.
        folder: PathBuf,
    },
}

impl std::fmt::Debug for MailRoute {
    /// Omits the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MailRoute::Smtp { .. } => f.write_str("Smtp"),
            MailRoute::Outbox { folder } => f.debug_tuple("Outbox").field(folder).finish(),
        }
    }
}

/// A mail sender that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum MailSenderError {
    /// The sender is not an e-mail address.
    #[error("{0:?} is not a valid sender: use name@example.com or Shop <name@example.com>")]
    Sender(String),
    /// The URL is not that of a mail server.
    #[error("invalid mail server URL: {0}")]
    Url(smtp::Error),
    /// The outbox folder cannot be created.
    #[error("outbox {folder}: {why}")]
    Outbox {
        /// The folder.
        folder: PathBuf,
        /// The error of the operating system.
        why: io::Error,
    },
}

/// An e-mail that was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The e-mail can never be delivered: the address is invalid, or the recipient's server refuses it permanently.
    #[error("the mail cannot be delivered: {0}")]
    Undeliverable(String),
    /// The e-mail may be delivered later. It may also have been delivered already, if only the server's answer is
    /// missing.
    #[error("the mail is not delivered yet: {0}")]
    Later(String),
}

impl MailError {
    /// Whether another attempt may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Later(_))
    }
}

/// Sends e-mails.
pub struct MailSender {
    sender: Mailbox,
    exit: Exit,
    log: Arc<dyn MailLog>,
}

impl std::fmt::Debug for MailSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostOffice").field("exit", &self.exit).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Exit {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Outbox(Outbox),
}

impl MailSender {
    /// Creates a mail sender that sends as `sender`. It connects to a mail server only for the first e-mail.
    pub fn open(sender: &str, route: &MailRoute) -> Result<Self, MailSenderError> {
        let sender: Mailbox = sender.parse().map_err(|_| MailSenderError::Sender(sender.to_owned()))?;
        let sender = Mailbox::new(sender.name, with_ascii_domain(sender.email));
        let exit = match route {
            MailRoute::Smtp { url } => {
                let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(MailSenderError::Url)?;
                Exit::Smtp(server.timeout(Some(SMTP_TIMEOUT)).build())
            }
            MailRoute::Outbox { folder } => {
                let failed = |why| MailSenderError::Outbox { folder: folder.clone(), why };
                Exit::Outbox(Outbox::open(folder).map_err(failed)?)
            }
        };
        Ok(Self { sender, exit, log: Arc::new(NoMailLog) })
    }

    /// Sets the log of undelivered e-mails.
    pub fn with_log(self, log: Arc<dyn MailLog>) -> Self {
        Self { log, ..self }
    }

    /// Hands an e-mail over once. Its `name` becomes its Message-ID, so that a repetition is recognised as the same
    /// e-mail. An e-mail that is refused temporarily fails after [`TRIED_FOR_MS`].
    pub async fn send(&self, email: &Email) -> Result<(), MailError> {
        let sent = self.try_once(email).await;
        self.account(email, sent).await
    }

    async fn try_once(&self, email: &Email) -> Result<(), MailError> {
        let message = self.message(email)?;
        match &self.exit {
            Exit::Smtp(server) => {
                let is_ascii = message.envelope().to().iter().all(|to| to.to_string().is_ascii());
                match tokio::time::timeout(SEND_MAX, server.send(message)).await {
                    Ok(sent) => sent.map(drop).map_err(|error| refusal(&error, email, is_ascii)),
                    Err(_) => Err(MailError::Later(format!("the mail server did not respond within {SEND_MAX:?}"))),
                }
            }
            Exit::Outbox(outbox) => {
                let kept = outbox.keep(&email.name, &email.recipient, &message.formatted()).await;
                kept.map_err(|error| MailError::Later(error.to_string()))
            }
        }
    }

    /// Logs the outcome of an attempt.
    async fn account(&self, email: &Email, sent: Result<(), MailError>) -> Result<(), MailError> {
        let (Recipient::Contact(tenant, _) | Recipient::Account(tenant, _)) = &email.recipient;
        let error = match sent {
            Ok(()) => {
                metrics::counter!(SENT).increment(1);
                self.log.delivered(tenant, &email.name).await;
                return Ok(());
            }
            Err(error) => error,
        };
        let (why, is_passing) = match &error {
            MailError::Undeliverable(why) => (why.clone(), false),
            MailError::Later(why) => (why.clone(), true),
        };
        let undelivered = |reason, is_over| Undelivered {
            tenant: tenant.clone(),
            name: email.name.clone(),
            recipient: email.recipient.clone(),
            reason,
            is_over,
        };
        let since = self.log.undelivered(undelivered(why.clone(), !is_passing)).await;
        let tried_ms = since.map_or(0, |since| self.log.now().ms_since(since));
        if is_passing && tried_ms < TRIED_FOR_MS {
            tracing::warn!(%tenant, email = email.name, tried_ms, %error, "mail not delivered yet; retrying");
            return Err(error);
        }
        metrics::counter!(FAILED).increment(1);
        if !is_passing {
            tracing::warn!(%tenant, email = email.name, %error, "mail failed permanently");
            return Err(error);
        }
        let why = format!("not delivered within 5 days: {why}");
        tracing::warn!(%tenant, email = email.name, why, "mail failed permanently");
        self.log.undelivered(undelivered(why.clone(), true)).await;
        Err(MailError::Undeliverable(why))
    }

    /// Removes the e-mails of these owners that are still stored here. Those that a mail server accepted are out of
    /// reach.
    pub async fn forget(&self, recipients: &[Recipient]) -> Result<(), MailError> {
        self.log.forget(recipients).await;
        match &self.exit {
            Exit::Smtp(_) => Ok(()),
            Exit::Outbox(outbox) => {
                outbox.forget(recipients).await.map_err(|error| MailError::Later(format!("outbox: {error}")))
            }
        }
    }

    /// Sends an e-mail that no effect repeats, with several attempts within a minute.
    pub async fn send_patiently(&self, email: &Email) -> Result<(), MailError> {
        let pauses = ExponentialBuilder::default().with_min_delay(PAUSE).with_max_times(TRIES - 1);
        (|| self.send(email)).retry(pauses).when(MailError::is_passing).await
    }

    fn message(&self, email: &Email) -> Result<Message, MailError> {
        let undeliverable = |why: String| MailError::Undeliverable(why);
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if email.name.is_empty() || email.name.starts_with('.') || !email.name.bytes().all(fit) {
            return Err(undeliverable("the mail has an invalid name".into()));
        }
        let to: Address = email.to.parse().map_err(|_| undeliverable("invalid e-mail address".into()))?;
        Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, with_ascii_domain(to)))
            .subject(email.subject.clone())
            .message_id(Some(format!("<{}@{}>", email.name, self.sender.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(email.text.clone())
            .map_err(|error| undeliverable(error.to_string()))
    }
}

/// Converts the domain of an address to A-labels, which every server accepts (RFC 5891). A server without SMTPUTF8
/// accepts no characters beyond ASCII, and with SMTPUTF8 the mailbox is the same.
fn with_ascii_domain(address: Address) -> Address {
    let ascii = idna::domain_to_ascii(address.domain()).ok();
    let ascii = ascii.and_then(|domain| Address::new(address.user(), &domain).ok());
    ascii.unwrap_or(address)
}

/// Decides whether an e-mail was refused permanently or temporarily.
fn refusal(error: &smtp::Error, email: &Email, is_ascii: bool) -> MailError {
    if error.is_client() && !is_ascii {
        let why = "the mail server does not support non-ASCII addresses (SMTPUTF8, RFC 6531)";
        return MailError::Undeliverable(why.into());
    }
    // A refusal of the shop's own access says nothing about the e-mail: it can be sent once the access is right again.
    let is_of_access = error.status().is_some_and(|code| ACCESS_CODES.contains(&u16::from(code)));
    let why = without_address(error, email);
    if error.is_permanent() && !is_of_access { MailError::Undeliverable(why) } else { MailError::Later(why) }
}

/// Removes the recipient's address from a server's answer, which often repeats it: it must not appear in a log.
fn without_address(error: &smtp::Error, email: &Email) -> String {
    let text = error.to_string().replace(&email.to, "<address>");
    match email.to.parse::<Address>() {
        Ok(to) => text.replace(&with_ascii_domain(to).to_string(), "<address>"),
        Err(_) => text,
    }
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
