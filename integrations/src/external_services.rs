//! The implementation of the runtime's external services.

use std::{sync::Arc, time::Duration};

use actors::external_services::{ExternalServices, OutcomeUnknown};
use engine::{
    effect::{Outcome, Request},
    id::{ContactId, OrderId, TenantId},
    mail::MailRequest,
};
use futures::future::BoxFuture;

use crate::{
    mail::{Email, MailSender, Recipient},
    order_mail::OrderMail,
    payments::Providers,
};

/// How long composing and sending an e-mail may take before its outcome is reported as unknown.
const MAIL_MAX: Duration = Duration::from_secs(60);

/// The source of the data in an e-mail: the address of a contact, and the content of an order. Requests carry only ids,
/// so that personal data can be erased.
pub trait MailDirectory: Send + Sync + 'static {
    /// Returns the data of an e-mail about an order. `None`: there is no recipient, or the address was erased.
    ///
    /// An error means that the data cannot be read now. The effect is tried again.
    fn order_mail<'a>(
        &'a self,
        tenant: &'a TenantId,
        contact: ContactId,
        order: OrderId,
    ) -> BoxFuture<'a, Result<Option<OrderMail>, String>>;
}

/// Payment providers and the mail sender.
pub struct Services {
    inner: Arc<Inner>,
}

struct Inner {
    providers: Providers,
    mail_sender: Arc<MailSender>,
    correspondence: Arc<dyn MailDirectory>,
}

impl Services {
    /// Creates the external services from these parts.
    pub fn new(providers: Providers, mail_sender: Arc<MailSender>, correspondence: Arc<dyn MailDirectory>) -> Self {
        Self { inner: Arc::new(Inner { providers, mail_sender, correspondence }) }
    }
}

impl ExternalServices for Services {
    fn perform(&self, tenant: &TenantId, request: &Request) -> BoxFuture<'_, Result<Outcome, OutcomeUnknown>> {
        let (inner, tenant) = (self.inner.clone(), tenant.clone());
        match request.clone() {
            Request::Provider(request) => {
                Box::pin(async move { inner.providers.perform(&request).await.map(Outcome::Provider) })
            }
            Request::Mail(request) => Box::pin(async move {
                let mailed = tokio::time::timeout(MAIL_MAX, inner.mail(&tenant, request));
                mailed.await.unwrap_or_else(|_| Err(OutcomeUnknown(format!("no e-mail within {MAIL_MAX:?}"))))
            }),
            // The runtime sends requests for entities itself. A request that does not belong here is never settled by a
            // guess.
            other => Box::pin(async move { Err(OutcomeUnknown(format!("no external service performs {other:?}"))) }),
        }
    }
}

impl Inner {
    /// Sends an e-mail. One that can never be delivered counts as done, like a delivered one.
    async fn mail(&self, tenant: &TenantId, request: MailRequest) -> Result<Outcome, OutcomeUnknown> {
        let Some(email) = self.email(tenant, request).await.map_err(OutcomeUnknown)? else {
            tracing::info!(contact = %request.contact, "the contact has no e-mail address");
            return Ok(Outcome::Mail);
        };
        match self.mail_sender.send(&email).await {
            Ok(()) => {
                tracing::info!(email = email.name, "mail delivered");
                Ok(Outcome::Mail)
            }
            Err(error) if error.is_passing() => Err(OutcomeUnknown(error.to_string())),
            // The mail sender has logged it.
            Err(_) => Ok(Outcome::Mail),
        }
    }

    async fn email(&self, tenant: &TenantId, request: MailRequest) -> Result<Option<Email>, String> {
        let mail = self.correspondence.order_mail(tenant, request.contact, request.kind.order()).await?;
        Ok(mail.map(|mail| mail.email(request.kind, Recipient::Contact(tenant.clone(), request.contact))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use engine::{
        id::PaymentId,
        mail::MailKind,
        money::{Currency, Money},
        payment::{ProviderAnswer, ProviderOperation, ProviderRequest},
    };

    use super::*;
    use crate::{mail::MailRoute, order_mail::tests::order_mail, payments::ANSWER_MAX};

    fn dollars(amount: i64) -> Money {
        Money::new(amount, Currency::USD).unwrap()
    }

    /// Fails at first; then knows every contact except contact 1, whose data is erased.
    #[derive(Default)]
    struct Files {
        asked: AtomicUsize,
    }

    impl MailDirectory for Files {
        fn order_mail<'a>(
            &'a self,
            _: &'a TenantId,
            contact: ContactId,
            _: OrderId,
        ) -> BoxFuture<'a, Result<Option<OrderMail>, String>> {
            let first = self.asked.fetch_add(1, Ordering::SeqCst) == 0;
            Box::pin(async move {
                if first {
                    return Err("starting".to_owned());
                }
                Ok((contact != ContactId(1)).then(order_mail))
            })
        }
    }

    fn services() -> (tempfile::TempDir, Services) {
        let folder = tempfile::tempdir().unwrap();
        let route = MailRoute::Outbox { folder: folder.path().to_owned() };
        let mail_sender = Arc::new(MailSender::open("no-reply@shop.example", &route).unwrap());
        (folder, Services::new(Providers::new(ANSWER_MAX), mail_sender, Arc::new(Files::default())))
    }

    async fn mail(services: &Services, contact: u128) -> Result<Outcome, OutcomeUnknown> {
        let kind = MailKind::Receipt { order: OrderId(42) };
        let request = Request::Mail(MailRequest { contact: ContactId(contact), kind });
        services.perform(&TenantId::new("demo").unwrap(), &request).await
    }

    #[tokio::test]
    async fn a_receipt_is_written_when_its_data_is_available() {
        let (folder, services) = services();
        assert_eq!(mail(&services, 9).await.unwrap_err().0, "starting");
        assert_eq!(mail(&services, 9).await.unwrap(), Outcome::Mail);
        let email = std::fs::read_to_string(folder.path().join(format!("receipt-{}.eml", OrderId(42)))).unwrap();
        for part in ["Subject: Your order 7ZX3K9QD from Ocean", "$19.50", "Tax", "$46.41"] {
            assert!(email.contains(part), "{part} is missing: {email}");
        }
        assert!(!email.contains("Shipping"), "nothing to pay is not named");
    }

    #[tokio::test]
    async fn an_erased_contact_gets_no_mail_and_the_effect_completes() {
        let (folder, services) = services();
        let _ = mail(&services, 1).await;
        assert_eq!(mail(&services, 1).await.unwrap(), Outcome::Mail);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_payment_goes_to_its_provider() {
        let (_folder, services) = services();
        let tenant = TenantId::new("demo").unwrap();
        let request = Request::Provider(ProviderRequest {
            provider: "nobody".into(),
            tenant: tenant.clone(),
            payment: PaymentId(3),
            key: "3-authorise".into(),
            operation: ProviderOperation::Authorise { token: "tok_approve".into(), amount: dollars(100) },
        });
        let declined = ProviderAnswer::Declined { code: "unknown_provider".into() };
        assert_eq!(services.perform(&tenant, &request).await.unwrap(), Outcome::Provider(declined));
    }
}
