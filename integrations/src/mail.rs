//! Letters: by SMTP where it is configured, else into the outbox folder as `.eml` files.

use std::{io, path::PathBuf, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use engine::id::{ContactId, SubjectId, TenantId};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp,
};

use crate::outbox::Outbox;

/// How long a mail server may take for one command.
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a letter that nobody else asks for again is tried, and the first pause; each further one is twice as long.
const TRIES: usize = 6;
const PAUSE: Duration = Duration::from_secs(1);

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
#[derive(Debug)]
pub struct PostOffice {
    sender: Mailbox,
    exit: Exit,
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
        Ok(Self { sender, exit })
    }

    /// Hands a letter over once. Its `name` is its Message-ID, so that a repetition is the same letter.
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let message = self.message(letter)?;
        match &self.exit {
            Exit::Smtp(server) => match server.send(message).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_permanent() => Err(MailError::Undeliverable(without_address(&error, letter))),
                Err(error) => Err(MailError::Later(without_address(&error, letter))),
            },
            Exit::Outbox(outbox) => {
                let kept = outbox.keep(&letter.name, &letter.whose, &message.formatted()).await;
                kept.map_err(|error| MailError::Later(error.to_string()))
            }
        }
    }

    /// Removes the letters of these people, as far as they are still here: a mail server has taken them away.
    pub async fn forget(&self, whose: &[Whose]) -> Result<(), MailError> {
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
            .to(Mailbox::new(None, to))
            .subject(letter.subject.clone())
            .message_id(Some(format!("<{}@{}>", letter.name, self.sender.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())
            .map_err(|error| undeliverable(error.to_string()))
    }
}

/// What a server says often repeats the address, which does not belong into a log.
fn without_address(error: &smtp::Error, letter: &Letter) -> String {
    error.to_string().replace(&letter.to, "<address>")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };

    use super::*;

    fn letter(name: &str) -> Letter {
        Letter {
            name: name.into(),
            whose: Whose::Contact(TenantId::new("acme").unwrap(), ContactId(7)),
            to: "ada@example.com".into(),
            subject: "Order 7ZX3K9QD — thank you".into(),
            text: "Two shirts.\n".into(),
        }
    }

    fn outbox() -> (tempfile::TempDir, PostOffice) {
        let folder = tempfile::tempdir().unwrap();
        let route = MailRoute::Outbox { folder: folder.path().join("outbox") };
        let office = PostOffice::open("Demo shop <no-reply@shop.example>", &route).unwrap();
        (folder, office)
    }

    #[tokio::test]
    async fn a_letter_that_is_sent_again_is_the_same_file() {
        let (folder, office) = outbox();
        office.send(&letter("receipt-7")).await.unwrap();
        office.send(&letter("receipt-7")).await.unwrap();
        let files: Vec<_> = std::fs::read_dir(folder.path().join("outbox")).unwrap().collect();
        assert_eq!(files.len(), 1);
        let text = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
        assert!(text.contains("Message-ID: <receipt-7@shop.example>\r\n"), "{text}");
        assert!(text.contains("To: ada@example.com\r\n") && text.contains("Two shirts."), "{text}");
    }

    #[tokio::test]
    async fn nothing_in_a_letter_can_become_a_header_or_leave_the_folder() {
        let (folder, office) = outbox();
        let bad_to = Letter { to: "ada@example.com\r\nBcc: all@example.com".into(), ..letter("a") };
        assert!(matches!(office.send(&bad_to).await, Err(MailError::Undeliverable(_))));
        let bad_name = Letter { name: "../../etc/passwd".into(), ..letter("a") };
        assert!(matches!(office.send(&bad_name).await, Err(MailError::Undeliverable(_))));
        let subject = Letter { subject: "hi\r\nBcc: all@example.com".into(), ..letter("b") };
        office.send(&subject).await.unwrap();
        let text = std::fs::read_to_string(folder.path().join("outbox/b.eml")).unwrap();
        assert!(!text.contains("\nBcc:"), "{text}");
    }

    #[tokio::test]
    async fn who_is_erased_loses_the_letters_and_nobody_else() {
        let (folder, office) = outbox();
        let outbox = folder.path().join("outbox");
        let (acme, bolt) = (TenantId::new("acme").unwrap(), TenantId::new("bolt").unwrap());
        let account = |tenant: &TenantId, subject| Whose::Account(tenant.clone(), SubjectId(subject));
        let letters = [
            letter("receipt-7"),
            Letter { whose: account(&acme, 7), ..letter("mail-1") },
            Letter { whose: account(&bolt, 7), ..letter("mail-2") },
            Letter { whose: account(&acme, 8), ..letter("mail-3") },
        ];
        for letter in &letters {
            office.send(letter).await.unwrap();
        }
        std::fs::copy(outbox.join("mail-1.eml"), outbox.join("mail-4.part")).unwrap();
        std::fs::write(outbox.join("notes.txt"), "mine").unwrap();
        for _ in 0..2 {
            office.forget(&[letters[0].whose.clone(), letters[1].whose.clone()]).await.unwrap();
        }
        let mut left: Vec<_> =
            std::fs::read_dir(&outbox).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["mail-2.eml", "mail-3.eml", "notes.txt"]);
    }

    /// A mail server that answers the last command of each letter with `verdict`.
    async fn server(verdict: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (read, mut write) = stream.into_split();
                    let mut lines = BufReader::new(read).lines();
                    write.write_all(b"220 test\r\n").await.unwrap();
                    let mut in_letter = false;
                    while let Ok(Some(line)) = lines.next_line().await {
                        let answer = match line.as_str() {
                            "." => verdict,
                            _ if in_letter => continue,
                            "DATA" => "354 go on",
                            "QUIT" => "221 bye",
                            _ => "250 fine",
                        };
                        in_letter = line == "DATA";
                        write.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                    }
                });
            }
        });
        format!("smtp://{address}")
    }

    async fn send_by(verdict: &'static str) -> Result<(), MailError> {
        let route = MailRoute::Smtp { url: server(verdict).await };
        PostOffice::open("no-reply@shop.example", &route).unwrap().send(&letter("receipt-7")).await
    }

    #[tokio::test]
    async fn a_mail_server_takes_a_letter_refuses_it_or_is_asked_again() {
        send_by("250 queued").await.unwrap();
        let refused = send_by("550 no mailbox ada@example.com here").await.unwrap_err();
        assert!(matches!(&refused, MailError::Undeliverable(why) if !why.contains("ada@")), "{refused}");
        assert!(send_by("451 try again later").await.unwrap_err().is_passing());
        let nobody = MailRoute::Smtp { url: "smtp://127.0.0.1:1".into() };
        let office = PostOffice::open("no-reply@shop.example", &nobody).unwrap();
        assert!(office.send(&letter("receipt-7")).await.unwrap_err().is_passing());
    }

    #[test]
    fn what_is_configured_wrongly_is_said_at_once() {
        let route = MailRoute::Smtp { url: "http://mail.example".into() };
        assert!(matches!(PostOffice::open("no-reply@shop.example", &route), Err(PostOfficeError::Url(_))));
        let route = MailRoute::Smtp { url: "smtp://mail.example".into() };
        assert!(matches!(PostOffice::open("nobody", &route), Err(PostOfficeError::Sender(_))));
        assert!(!format!("{:?}", MailRoute::Smtp { url: "smtp://u:secret@h".into() }).contains("secret"));
    }
}
