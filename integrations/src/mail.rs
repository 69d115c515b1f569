//! Letters: by SMTP where it is configured, else into the outbox folder as `.eml` files.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp,
};
use tokio::io::AsyncWriteExt;

/// How long a mail server may take for one command.
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a letter that nobody else asks for again is tried, and the first pause; each further one is twice as long.
const TRIES: usize = 6;
const PAUSE: Duration = Duration::from_secs(1);

/// A letter in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Names it: the same at each repetition, so that mailboxes show one copy. Letters, digits, `-`, `_` and `.`.
    pub name: String,
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
    Outbox(PathBuf),
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
                make_private(folder).map_err(failed)?;
                Exit::Outbox(folder.clone())
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
            Exit::Outbox(folder) => {
                let path = folder.join(format!("{}.eml", letter.name));
                write_whole(&path, &message.formatted()).await.map_err(|error| MailError::Later(error.to_string()))
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

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file so that nobody ever sees a part of it; readable by its owner alone.
async fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&part).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(&part, path).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::{
        io::{AsyncBufReadExt, BufReader},
        net::TcpListener,
    };

    use super::*;

    fn letter(name: &str) -> Letter {
        Letter {
            name: name.into(),
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
