//! Looks up the data of e-mails, and sends the e-mails of the public API.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actors::{AskError, Clock, CommandMeta};
use engine::{
    id::{ContactId, OrderId, SubjectId, TenantId, digest128},
    order::{Order, OrderCommand, OrderReply, number},
    time::Timestamp,
};
use futures::future::BoxFuture;
use gateway::{
    Gateway,
    auth::{Mail, MailError, Mailer},
};
use integrations::{
    external_services::MailDirectory,
    mail::{Email, MailSender, Recipient},
    mail_log::{MailLog, Undelivered},
    order_mail::OrderMail,
};
use parking_lot::Mutex;
use persistence::sql::{ReadSide, StoreError};
use serde_json::{Map, Value};

/// Looks up the recipient and the content of e-mails about orders.
pub(crate) struct MailContents {
    read_side: ReadSide,
    /// The sender's name, used for a shop that has no name.
    sender: String,
    /// Set while the node runs. Effects that need an e-mail earlier are retried. Cleared at the stop, because the
    /// gateway refers to the node, which refers to this value: the cycle would never be freed.
    gateway: Mutex<Option<Gateway>>,
}

impl MailContents {
    /// Creates a value for mails from `sender`, such as `Shop <no-reply@shop.example>`.
    pub(crate) fn new(read_side: ReadSide, sender: &str) -> Self {
        Self { read_side, sender: name_of(sender), gateway: Mutex::new(None) }
    }

    /// Makes order mails available.
    pub(crate) fn open(&self, gateway: Gateway) {
        *self.gateway.lock() = Some(gateway);
    }

    /// Makes order mails unavailable, and frees the gateway.
    pub(crate) fn close(&self) {
        *self.gateway.lock() = None;
    }

    async fn look_up(
        &self,
        tenant: &TenantId,
        contact: ContactId,
        order: OrderId,
    ) -> Result<Option<OrderMail>, String> {
        let gateway = self.gateway.lock().clone().ok_or("starting")?;
        let contact = self.read_side.contact(tenant, contact).await.map_err(|error| error.to_string())?;
        let Some(contact) = contact else { return Ok(None) };
        let Some(email) = contact.email else { return Ok(None) };
        let shop = self.read_side.tenant(tenant).await.map_err(|error| error.to_string())?;
        let shop = shop.and_then(|shop| Some(shop.settings.get("name")?.as_str()?.trim().to_owned()));
        let shop = shop.filter(|name| !name.is_empty()).unwrap_or_else(|| self.sender.clone());
        let address = contact.address.as_ref().map(address_lines).unwrap_or_default();
        let view = OrderCommand::View { viewer: None };
        match gateway.commerce.ask::<Order>(&order.key(tenant), view, CommandMeta::read()).await {
            Ok(answered) => {
                let OrderReply::Order(order) = answered.reply;
                let number = number::spell(&gateway.order_number_key, order.number);
                let shop_url = gateway.shop_url(tenant).await.map_err(|problem| format!("{problem:?}"))?;
                let access_url = Some(gateway.order_access_url(&shop_url, tenant, order.id));
                Ok(Some(OrderMail { email, shop, number, order: *order, address, access_url }))
            }
            Err(AskError::Rejected(rejection)) => Err(rejection.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl MailDirectory for MailContents {
    fn order_mail<'a>(
        &'a self,
        tenant: &'a TenantId,
        contact: ContactId,
        order: OrderId,
    ) -> BoxFuture<'a, Result<Option<OrderMail>, String>> {
        Box::pin(self.look_up(tenant, contact, order))
    }
}

/// Records undelivered mails in the read side.
pub(crate) struct ReadSideMailLog {
    read_side: ReadSide,
    clock: Arc<dyn Clock>,
    /// Whether any mail may be recorded. While none is, a delivered mail costs no query.
    has_any: AtomicBool,
}

impl ReadSideMailLog {
    pub(crate) async fn open(read_side: ReadSide, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let waiting = read_side.undelivered_summary(None).await?.waiting;
        if waiting > 0 {
            tracing::warn!(waiting, "mails of an earlier run are not delivered yet");
        }
        Ok(Self { read_side, clock, has_any: AtomicBool::new(waiting > 0) })
    }
}

impl MailLog for ReadSideMailLog {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn undelivered(&self, mail: Undelivered) -> BoxFuture<'_, Option<Timestamp>> {
        self.has_any.store(true, Ordering::Release);
        Box::pin(async move {
            let Undelivered { tenant, name, recipient, reason, is_over } = mail;
            let recipient = recipient.to_string();
            let noted = self.read_side.note_undelivered(&tenant, &name, &recipient, &reason, self.now(), is_over).await;
            noted.inspect_err(|error| tracing::warn!(%error, "recording an undelivered mail failed")).ok()
        })
    }

    fn delivered<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if !self.has_any.load(Ordering::Acquire) {
                return;
            }
            if let Err(error) = self.read_side.note_delivered(tenant, name).await {
                tracing::warn!(%error, "removing the record of an undelivered mail failed");
            }
        })
    }

    fn forget<'a>(&'a self, recipients: &'a [Recipient]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let recipients: Vec<_> = recipients.iter().map(Recipient::to_string).collect();
            if let Err(error) = self.read_side.forget_undelivered(&recipients).await {
                tracing::warn!(%error, "removing the records of undelivered mails failed");
            }
        })
    }
}

/// Returns the name in front of a sender's address, or the address if there is no name.
fn name_of(sender: &str) -> String {
    let name = sender.split('<').next().unwrap_or_default().trim().trim_matches('"');
    if name.is_empty() { sender.trim_matches(['<', '>', ' ']).to_owned() } else { name.to_owned() }
}

/// Returns the lines of a postal address as on a shipping label.
fn address_lines(address: &Map<String, Value>) -> Vec<String> {
    let texts = address.iter().filter_map(|(member, text)| Some((member.clone(), text.as_str()?.to_owned())));
    engine::address::lines(&texts.collect())
}

/// Sends the e-mails of the public API: links to set a new password.
pub(crate) struct AccountMailer(pub(crate) Arc<MailSender>);

impl Mailer for AccountMailer {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        let name = digest128(&[mail.to.as_bytes(), mail.subject.as_bytes(), mail.body.as_bytes()]);
        let email = Email {
            name: format!("mail-{name:032x}"),
            recipient: Recipient::Account(mail.tenant, mail.recipient),
            to: mail.to,
            subject: mail.subject,
            text: mail.body,
        };
        Box::pin(async move { self.0.send_patiently(&email).await.map_err(|error| MailError(error.to_string())) })
    }

    fn forget<'a>(
        &'a self,
        tenant: &'a TenantId,
        subjects: &'a [SubjectId],
        contacts: &'a [ContactId],
    ) -> BoxFuture<'a, Result<(), MailError>> {
        let accounts = subjects.iter().map(|subject| Recipient::Account(tenant.clone(), *subject));
        let buyers = contacts.iter().map(|contact| Recipient::Contact(tenant.clone(), *contact));
        let recipients: Vec<_> = accounts.chain(buyers).collect();
        Box::pin(async move { self.0.forget(&recipients).await.map_err(|error| MailError(error.to_string())) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use integrations::mail::MailRoute;

    use super::*;

    #[test]
    fn a_shop_without_a_name_has_that_of_the_sender() {
        assert_eq!(name_of("Ocean <no-reply@ocean.example>"), "Ocean");
        assert_eq!(name_of("no-reply@ocean.example"), "no-reply@ocean.example");
        assert_eq!(name_of("<no-reply@ocean.example>"), "no-reply@ocean.example");
    }

    #[tokio::test]
    async fn mails_to_an_account_or_contact_can_be_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let route = MailRoute::Outbox { folder: folder.path().to_owned() };
        let mail_sender = AccountMailer(Arc::new(MailSender::open("no-reply@shop.example", &route).unwrap()));
        let tenant = TenantId::new("acme").unwrap();
        let mail = |subject: u128| Mail {
            tenant: tenant.clone(),
            recipient: SubjectId(subject),
            to: "ann@example.com".into(),
            subject: "Set a new password".into(),
            body: format!("for {subject}"),
        };
        let contact = ContactId(3);
        let recipient = Recipient::Contact(tenant.clone(), contact);
        let receipt =
            Email { name: "receipt-1".into(), recipient, to: "a@b.io".into(), subject: "s".into(), text: "t".into() };
        mail_sender.0.send(&receipt).await.unwrap();
        for subject in [1, 2] {
            mail_sender.send(mail(subject)).await.unwrap();
        }
        mail_sender.forget(&tenant, &[SubjectId(1)], &[contact]).await.unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        let [left] = &left[..] else { panic!("one is left: {left:?}") };
        assert!(std::fs::read_to_string(left).unwrap().contains("for 2"));
    }
}
