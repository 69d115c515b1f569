//! Sending e-mails to mail servers and folders.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use engine::time::Timestamp;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use super::*;

fn email(name: &str) -> Email {
    Email {
        name: name.into(),
        recipient: Recipient::Contact(TenantId::new("acme").unwrap(), ContactId(7)),
        to: "ada@example.com".into(),
        subject: "Order 7ZX3K9QD — thank you".into(),
        text: "Two shirts.\n".into(),
    }
}

fn outbox() -> (tempfile::TempDir, MailSender) {
    let folder = tempfile::tempdir().unwrap();
    let route = MailRoute::Outbox { folder: folder.path().join("outbox") };
    let mail_sender = MailSender::open("Demo shop <no-reply@shop.example>", &route).unwrap();
    (folder, mail_sender)
}

#[tokio::test]
async fn a_repeated_mail_is_the_same_file() {
    let (folder, mail_sender) = outbox();
    mail_sender.send(&email("receipt-7")).await.unwrap();
    mail_sender.send(&email("receipt-7")).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path().join("outbox")).unwrap().collect();
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
    assert!(text.contains("Message-ID: <receipt-7@shop.example>\r\n"), "{text}");
    assert!(text.contains("To: ada@example.com\r\n") && text.contains("Two shirts."), "{text}");
}

#[tokio::test]
async fn mail_content_cannot_inject_headers_or_leave_the_folder() {
    let (folder, mail_sender) = outbox();
    let bad_to = Email { to: "ada@example.com\r\nBcc: all@example.com".into(), ..email("a") };
    assert!(matches!(mail_sender.send(&bad_to).await, Err(MailError::Undeliverable(_))));
    let bad_name = Email { name: "../../etc/passwd".into(), ..email("a") };
    assert!(matches!(mail_sender.send(&bad_name).await, Err(MailError::Undeliverable(_))));
    let subject = Email { subject: "hi\r\nBcc: all@example.com".into(), ..email("b") };
    mail_sender.send(&subject).await.unwrap();
    let text = std::fs::read_to_string(folder.path().join("outbox/b.eml")).unwrap();
    assert!(!text.contains("\nBcc:"), "{text}");
}

#[tokio::test]
async fn an_erasure_deletes_only_the_mails_of_the_recipient() {
    let (folder, mail_sender) = outbox();
    let outbox = folder.path().join("outbox");
    let (acme, bolt) = (TenantId::new("acme").unwrap(), TenantId::new("bolt").unwrap());
    let account = |tenant: &TenantId, subject| Recipient::Account(tenant.clone(), SubjectId(subject));
    let emails = [
        email("receipt-7"),
        Email { recipient: account(&acme, 7), ..email("mail-1") },
        Email { recipient: account(&bolt, 7), ..email("mail-2") },
        Email { recipient: account(&acme, 8), ..email("mail-3") },
    ];
    for email in &emails {
        mail_sender.send(email).await.unwrap();
    }
    std::fs::copy(outbox.join("mail-1.eml"), outbox.join("mail-4.part")).unwrap();
    std::fs::write(outbox.join("notes.txt"), "mine").unwrap();
    for _ in 0..2 {
        mail_sender.forget(&[emails[0].recipient.clone(), emails[1].recipient.clone()]).await.unwrap();
    }
    let mut left: Vec<_> =
        std::fs::read_dir(&outbox).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["mail-2.eml", "mail-3.eml", "notes.txt"]);
}

/// The behaviour of a mail server.
#[derive(Clone, Copy)]
struct Manner {
    /// Whether it accepts characters beyond ASCII in addresses.
    has_smtputf8: bool,
    /// Its answer to `MAIL FROM`.
    sender: &'static str,
    /// Its answer to the last command of each e-mail.
    verdict: &'static str,
}

const PLAIN: Manner = Manner { has_smtputf8: false, sender: "250 fine", verdict: "250 queued" };

/// Starts a mail server, and records the commands that it receives.
async fn server_of(manner: Manner) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let transcript = Arc::new(Mutex::new(Vec::new()));
    let log = transcript.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let log = log.clone();
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                write.write_all(b"220 test\r\n").await.unwrap();
                let mut in_data = false;
                while let Ok(Some(line)) = lines.next_line().await {
                    log.lock().push(line.clone());
                    let answer = match line.as_str() {
                        "." => manner.verdict,
                        _ if in_data => continue,
                        "DATA" => "354 go on",
                        "QUIT" => "221 bye",
                        ehlo if ehlo.starts_with("EHLO") && manner.has_smtputf8 => {
                            "250-test\r\n250-8BITMIME\r\n250 SMTPUTF8"
                        }
                        ehlo if ehlo.starts_with("EHLO") => "250-test\r\n250 8BITMIME",
                        from if from.starts_with("MAIL FROM") => manner.sender,
                        _ => "250 fine",
                    };
                    in_data = line == "DATA";
                    write.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                }
            });
        }
    });
    (format!("smtp://{address}"), transcript)
}

async fn server(verdict: &'static str) -> String {
    server_of(Manner { verdict, ..PLAIN }).await.0
}

/// A log in memory, with its own clock.
#[derive(Default)]
struct Book {
    now: AtomicU64,
    noted: Mutex<BTreeMap<String, (Timestamp, Undelivered)>>,
}

impl MailLog for Book {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn undelivered(&self, mail: Undelivered) -> BoxFuture<'_, Option<Timestamp>> {
        let mut noted = self.noted.lock();
        let since = noted.get(&mail.name).map_or(self.now(), |(since, _)| *since);
        noted.insert(mail.name.clone(), (since, mail));
        Box::pin(async move { Some(since) })
    }

    fn delivered<'a>(&'a self, _: &'a TenantId, name: &'a str) -> BoxFuture<'a, ()> {
        self.noted.lock().remove(name);
        Box::pin(async {})
    }

    fn forget<'a>(&'a self, recipients: &'a [Recipient]) -> BoxFuture<'a, ()> {
        self.noted.lock().retain(|_, (_, mail)| !recipients.contains(&mail.recipient));
        Box::pin(async {})
    }
}

#[tokio::test]
async fn a_non_ascii_domain_is_sent_as_a_labels() {
    for has_smtputf8 in [false, true] {
        let (url, transcript) = server_of(Manner { has_smtputf8, ..PLAIN }).await;
        let mail_sender = MailSender::open("Laden <no-reply@bücher.example>", &MailRoute::Smtp { url }).unwrap();
        for to in ["kim@münchen.example", "Kim@MU\u{308}NCHEN.example", "kim@xn--mnchen-3ya.example"] {
            mail_sender.send(&Email { to: to.into(), ..email("receipt-7") }).await.unwrap();
        }
        let transcript = transcript.lock();
        let lines: Vec<_> =
            transcript.iter().filter(|line| line.starts_with("RCPT") || line.starts_with("MAIL")).collect();
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|line| line.is_ascii() && !line.contains("SMTPUTF8")), "{lines:?}");
        let to_all = |line: &&&String| line.to_lowercase().contains("rcpt to:<kim@xn--mnchen-3ya.example>");
        assert_eq!(lines.iter().filter(to_all).count(), 3, "{lines:?}");
        assert!(transcript.iter().any(|line| line.to_lowercase() == "to: kim@xn--mnchen-3ya.example"));
    }
}

#[tokio::test]
async fn a_mailbox_beyond_ascii_needs_a_server_that_takes_it_and_is_given_up_elsewhere() {
    let rene = Email { to: "rené@münchen.example".into(), ..email("receipt-7") };
    let (url, transcript) = server_of(Manner { has_smtputf8: true, ..PLAIN }).await;
    MailSender::open("no-reply@shop.example", &MailRoute::Smtp { url }).unwrap().send(&rene).await.unwrap();
    let lines = transcript.lock().iter().find(|line| line.starts_with("RCPT")).cloned().unwrap();
    assert!(lines.contains("rené@xn--mnchen-3ya.example"), "{lines}");

    let (url, _) = server_of(PLAIN).await;
    let book = Arc::new(Book::default());
    let mail_sender =
        MailSender::open("no-reply@shop.example", &MailRoute::Smtp { url }).unwrap().with_log(book.clone());
    let refused = mail_sender.send(&rene).await.unwrap_err();
    assert!(!refused.is_passing() && refused.to_string().contains("SMTPUTF8"), "{refused}");
    let (_, noted) = book.noted.lock().get("receipt-7").cloned().unwrap();
    assert!(noted.is_over && noted.reason.contains("SMTPUTF8") && !noted.reason.contains("ren"), "{noted:?}");
}

#[tokio::test]
async fn a_waiting_mail_is_recorded_until_it_is_delivered_or_five_days_have_passed() {
    let book = Arc::new(Book::default());
    let open = async |verdict| {
        let route = MailRoute::Smtp { url: server(verdict).await };
        MailSender::open("no-reply@shop.example", &route).unwrap().with_log(book.clone())
    };
    let (busy, free) = (open("451 try again later").await, open("250 queued").await);
    assert!(busy.send(&email("a")).await.unwrap_err().is_passing());
    assert!(book.noted.lock()["a"].1.reason.contains("try again later") && !book.noted.lock()["a"].1.is_over);
    free.send(&email("a")).await.unwrap();
    assert!(book.noted.lock().is_empty());

    busy.send(&email("b")).await.unwrap_err();
    book.now.store(TRIED_FOR_MS - 1, Ordering::SeqCst);
    assert!(busy.send(&email("b")).await.unwrap_err().is_passing());
    book.now.store(TRIED_FOR_MS, Ordering::SeqCst);
    let over = busy.send(&email("b")).await.unwrap_err();
    assert!(!over.is_passing() && over.to_string().contains("5 days"), "{over}");
    assert!(book.noted.lock()["b"].1.is_over);
    busy.forget(&[email("b").recipient]).await.unwrap();
    assert!(book.noted.lock().is_empty());
}

#[tokio::test]
async fn errors_of_the_shops_own_access_are_temporary() {
    for sender in ["530 authentication required", "535 bad credentials", "538 encryption required", "521 no mail here"]
    {
        let (url, _) = server_of(Manner { sender, ..PLAIN }).await;
        let mail_sender = MailSender::open("no-reply@shop.example", &MailRoute::Smtp { url }).unwrap();
        assert!(mail_sender.send(&email("receipt-7")).await.unwrap_err().is_passing(), "{sender}");
    }
}

async fn send_by(verdict: &'static str) -> Result<(), MailError> {
    let route = MailRoute::Smtp { url: server(verdict).await };
    MailSender::open("no-reply@shop.example", &route).unwrap().send(&email("receipt-7")).await
}

#[tokio::test]
async fn a_mail_is_accepted_refused_or_retried() {
    send_by("250 queued").await.unwrap();
    let refused = send_by("550 no mailbox ada@example.com here").await.unwrap_err();
    assert!(matches!(&refused, MailError::Undeliverable(why) if !why.contains("ada@")), "{refused}");
    assert!(send_by("451 try again later").await.unwrap_err().is_passing());
    let nobody = MailRoute::Smtp { url: "smtp://127.0.0.1:1".into() };
    let mail_sender = MailSender::open("no-reply@shop.example", &nobody).unwrap();
    assert!(mail_sender.send(&email("receipt-7")).await.unwrap_err().is_passing());
}

#[test]
fn an_invalid_configuration_is_refused() {
    let route = MailRoute::Smtp { url: "http://mail.example".into() };
    assert!(matches!(MailSender::open("no-reply@shop.example", &route), Err(MailSenderError::Url(_))));
    let route = MailRoute::Smtp { url: "smtp://mail.example".into() };
    assert!(matches!(MailSender::open("nobody", &route), Err(MailSenderError::Sender(_))));
    assert!(!format!("{:?}", MailRoute::Smtp { url: "smtp://u:secret@h".into() }).contains("secret"));
}
