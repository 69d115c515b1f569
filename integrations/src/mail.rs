//! Letters: by SMTP where it is configured, else into the outbox folder as `.eml` files.

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

/// How long a mail server may take for one command.
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a mail server may take for a letter. Less than whoever asks for it waits, so that it is noted.
const SEND_MAX: Duration = Duration::from_secs(50);
/// How often a letter that nobody else asks for again is tried, and the first pause; each further one is twice as long.
const TRIES: usize = 6;
const PAUSE: Duration = Duration::from_secs(1);

/// Refusals of the one who sends, not of the letter: no sign-in, a wrong one, no encryption (RFC 4954, section 6), and a
/// host that takes no mail at present (RFC 7504).
const ACCESS_CODES: [u16; 5] = [521, 530, 534, 535, 538];

/// Whose a letter is: what is kept of it goes when its owner is erased. Ids, so that it says nothing personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// A buyer's, reached at a contact.
    Contact(TenantId, ContactId),
    /// An account's.
    Account(TenantId, SubjectId),
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Whose::Contact(tenant, contact) => write!(f, "contact {tenant} {contact}"),
            Whose::Account(tenant, subject) => write!(f, "account {tenant} {subject}"),
        }
    }
}

/// A letter in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Names it: the same at each repetition, so that mailboxes show one copy. Letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Whose it is.
    pub whose: Whose,
    /// To whom.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
}

impl std::fmt::Debug for Letter {
    /// Without what is personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where letters go.
#[derive(Clone, PartialEq, Eq)]
pub enum MailRoute {
    /// A mail server: `smtps://user:password@host:465`, or `smtp://host:587?tls=required`. Without `tls` a `smtp://`
    /// address speaks in the clear: for a server on the same machine.
    Smtp {
        /// Its address, with a password perhaps.
        url: String,
    },
    /// A folder, one file a letter.
    Outbox {
        /// Which folder. Made when there is none.
        folder: PathBuf,
    },
}

impl std::fmt::Debug for MailRoute {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MailRoute::Smtp { .. } => f.write_str("Smtp"),
            MailRoute::Outbox { folder } => f.debug_tuple("Outbox").field(folder).finish(),
        }
    }
}

/// A post office that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PostOfficeError {
    /// The sender is no address.
    #[error("{0:?} is no sender: write name@example.com, or Shop <name@example.com>")]
    Sender(String),
    /// The server's address is none.
    #[error("not the address of a mail server: {0}")]
    Url(smtp::Error),
    /// The outbox cannot be made.
    #[error("outbox {folder}: {why}")]
    Outbox {
        /// Which folder.
        folder: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

/// A letter that was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It never will be: the address is none, or its server refuses it for good.
    #[error("the letter cannot be delivered: {0}")]
    Undeliverable(String),
    /// It may be later; or it was, and only the answer is missing.
    #[error("the letter is not handed over yet: {0}")]
    Later(String),
}

impl MailError {
    /// Whether trying again may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Later(_))
    }
}

/// Hands letters over.
pub struct PostOffice {
    sender: Mailbox,
    exit: Exit,
    log: Arc<dyn MailLog>,
}

impl std::fmt::Debug for PostOffice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostOffice").field("exit", &self.exit).finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Exit {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Outbox(Outbox),
}

impl PostOffice {
    /// One that sends as `sender`. A mail server is not asked before the first letter.
    pub fn open(sender: &str, route: &MailRoute) -> Result<Self, PostOfficeError> {
        let sender: Mailbox = sender.parse().map_err(|_| PostOfficeError::Sender(sender.to_owned()))?;
        let sender = Mailbox::new(sender.name, with_ascii_domain(sender.email));
        let exit = match route {
            MailRoute::Smtp { url } => {
                let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(PostOfficeError::Url)?;
                Exit::Smtp(server.timeout(Some(SMTP_TIMEOUT)).build())
            }
            MailRoute::Outbox { folder } => {
                let failed = |why| PostOfficeError::Outbox { folder: folder.clone(), why };
                Exit::Outbox(Outbox::open(folder).map_err(failed)?)
            }
        };
        Ok(Self { sender, exit, log: Arc::new(NoMailLog) })
    }

    /// The same, which keeps account of what it does not hand over.
    pub fn with_log(self, log: Arc<dyn MailLog>) -> Self {
        Self { log, ..self }
    }

    /// Hands a letter over once. Its `name` is its Message-ID, so that a repetition is the same letter. One that is
    /// refused for the moment is given up when it has been tried for [`TRIED_FOR_MS`].
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let sent = self.try_once(letter).await;
        self.account(letter, sent).await
    }

    async fn try_once(&self, letter: &Letter) -> Result<(), MailError> {
        let message = self.message(letter)?;
        match &self.exit {
            Exit::Smtp(server) => {
                let is_ascii = message.envelope().to().iter().all(|to| to.to_string().is_ascii());
                match tokio::time::timeout(SEND_MAX, server.send(message)).await {
                    Ok(sent) => sent.map(drop).map_err(|error| refusal(&error, letter, is_ascii)),
                    Err(_) => Err(MailError::Later(format!("the mail server takes longer than {SEND_MAX:?}"))),
                }
            }
            Exit::Outbox(outbox) => {
                let kept = outbox.keep(&letter.name, &letter.whose, &message.formatted()).await;
                kept.map_err(|error| MailError::Later(error.to_string()))
            }
        }
    }

    /// Notes what became of a letter.
    async fn account(&self, letter: &Letter, sent: Result<(), MailError>) -> Result<(), MailError> {
        let (Whose::Contact(tenant, _) | Whose::Account(tenant, _)) = &letter.whose;
        let error = match sent {
            Ok(()) => {
                metrics::counter!(SENT).increment(1);
                self.log.delivered(tenant, &letter.name).await;
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
            name: letter.name.clone(),
            whose: letter.whose.clone(),
            reason,
            is_over,
        };
        let since = self.log.undelivered(undelivered(why.clone(), !is_passing)).await;
        let tried_ms = since.map_or(0, |since| self.log.now().ms_since(since));
        if is_passing && tried_ms < TRIED_FOR_MS {
            tracing::warn!(%tenant, letter = letter.name, tried_ms, %error, "letter not handed over yet");
            return Err(error);
        }
        metrics::counter!(FAILED).increment(1);
        if !is_passing {
            tracing::warn!(%tenant, letter = letter.name, %error, "letter given up");
            return Err(error);
        }
        let why = format!("given up after 5 days: {why}");
        tracing::warn!(%tenant, letter = letter.name, why, "letter given up");
        self.log.undelivered(undelivered(why.clone(), true)).await;
        Err(MailError::Undeliverable(why))
    }

    /// Removes the letters of these people, as far as they are still here: a mail server has taken them away.
    pub async fn forget(&self, whose: &[Whose]) -> Result<(), MailError> {
        self.log.forget(whose).await;
        match &self.exit {
            Exit::Smtp(_) => Ok(()),
            Exit::Outbox(outbox) => {
                outbox.forget(whose).await.map_err(|error| MailError::Later(format!("outbox: {error}")))
            }
        }
    }

    /// Hands over a letter that nobody asks for again: tries several times within a minute.
    pub async fn send_patiently(&self, letter: &Letter) -> Result<(), MailError> {
        let pauses = ExponentialBuilder::default().with_min_delay(PAUSE).with_max_times(TRIES - 1);
        (|| self.send(letter)).retry(pauses).when(MailError::is_passing).await
    }

    fn message(&self, letter: &Letter) -> Result<Message, MailError> {
        let undeliverable = |why: String| MailError::Undeliverable(why);
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if letter.name.is_empty() || letter.name.starts_with('.') || !letter.name.bytes().all(fit) {
            return Err(undeliverable("the letter has no proper name".into()));
        }
        let to: Address = letter.to.parse().map_err(|_| undeliverable("not an e-mail address".into()))?;
        Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, with_ascii_domain(to)))
            .subject(letter.subject.clone())
            .message_id(Some(format!("<{}@{}>", letter.name, self.sender.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())
            .map_err(|error| undeliverable(error.to_string()))
    }
}

/// The address with its domain as A-labels, which every server takes (RFC 5891). Without SMTPUTF8 a server takes no other
/// letters, and with it the mailbox is the same.
fn with_ascii_domain(address: Address) -> Address {
    let ascii = idna::domain_to_ascii(address.domain()).ok();
    let ascii = ascii.and_then(|domain| Address::new(address.user(), &domain).ok());
    ascii.unwrap_or(address)
}

/// Whether a letter is refused for good, or for the moment.
fn refusal(error: &smtp::Error, letter: &Letter, is_ascii: bool) -> MailError {
    if error.is_client() && !is_ascii {
        let why = "the mail server does not take addresses with letters beyond ASCII (SMTPUTF8, RFC 6531)";
        return MailError::Undeliverable(why.into());
    }
    // What is said of the shop's own access is not said of the letter: it goes out once the access is right again.
    let is_of_access = error.status().is_some_and(|code| ACCESS_CODES.contains(&u16::from(code)));
    let why = without_address(error, letter);
    if error.is_permanent() && !is_of_access { MailError::Undeliverable(why) } else { MailError::Later(why) }
}

/// What a server says often repeats the address, which does not belong into a log.
fn without_address(error: &smtp::Error, letter: &Letter) -> String {
    let text = error.to_string().replace(&letter.to, "<address>");
    match letter.to.parse::<Address>() {
        Ok(to) => text.replace(&with_ascii_domain(to).to_string(), "<address>"),
        Err(_) => text,
    }
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
