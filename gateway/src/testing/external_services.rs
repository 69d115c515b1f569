//! The external services in tests: the sandbox payment provider, and a mail sender that writes e-mails to a folder.

use std::{path::Path, sync::Arc, time::Duration};

use actors::{Clock, external_services::ExternalServices};
use engine::id::{ContactId, OrderId, TenantId};
use futures::future::BoxFuture;
use integrations::{
    external_services::{MailDirectory, Services},
    mail::{MailRoute, MailSender},
    order_mail::OrderMail,
    payments::{OpenToken, Providers},
    sandbox::Sandbox,
};

use crate::auth::{Keys, sealing::PaymentTokens};

struct Nobody;

impl MailDirectory for Nobody {
    fn order_mail<'a>(
        &'a self,
        _: &'a TenantId,
        _: ContactId,
        _: OrderId,
    ) -> BoxFuture<'a, Result<Option<OrderMail>, String>> {
        Box::pin(async { Ok(None) })
    }
}

pub(super) fn world(folder: &Path, clock: Arc<dyn Clock>) -> Arc<dyn ExternalServices> {
    let sandbox = Arc::new(Sandbox::in_memory("http://shop.example", clock));
    let tokens = PaymentTokens::new(&Keys::open(&folder.join("keys")).unwrap()).unwrap();
    let open: OpenToken = Arc::new(move |tenant, token| tokens.open(tenant, token).ok());
    let providers = Providers::new(Duration::from_secs(5)).opening_tokens(open).with("sandbox", sandbox);
    let route = MailRoute::Outbox { folder: folder.join("outbox") };
    let post = Arc::new(MailSender::open("Shop <shop@acme.example>", &route).unwrap());
    Arc::new(Services::new(providers, post, Arc::new(Nobody)))
}
