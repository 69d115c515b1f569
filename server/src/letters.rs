//! What letters need to know, and how the doors send theirs.

use std::sync::Arc;

use actors::{AskError, Call};
use engine::{
    id::{ContactId, OrderId, TenantId, digest128},
    order::{Order, OrderCommand, OrderReply, number},
};
use futures::future::BoxFuture;
use gateway::{
    Gateway,
    auth::{Mail, MailError, Mailer},
};
use integrations::{
    mail::{Letter, PostOffice},
    outside::Correspondence,
    receipt::Receipt,
};
use parking_lot::Mutex;
use persistence::sql::ReadSide;

/// Looks up who a receipt goes to, and what it says.
pub(crate) struct Letters {
    read_side: ReadSide,
    /// Known once the node runs: effects that ask for a letter before are told to ask again. Forgotten when it stops,
    /// because the node that the gateway has also has these letters.
    gateway: Mutex<Option<Gateway>>,
}

impl Letters {
    pub(crate) fn new(read_side: ReadSide) -> Self {
        Self { read_side, gateway: Mutex::new(None) }
    }

    /// From now on letters can be written.
    pub(crate) fn open(&self, gateway: Gateway) {
        *self.gateway.lock() = Some(gateway);
    }

    /// From now on none can be.
    pub(crate) fn close(&self) {
        *self.gateway.lock() = None;
    }

    async fn look_up(&self, tenant: &TenantId, contact: ContactId, order: OrderId) -> Result<Option<Receipt>, String> {
        let gateway = self.gateway.lock().clone().ok_or("starting")?;
        let contact = self.read_side.contact(tenant, contact).await.map_err(|error| error.to_string())?;
        let Some(email) = contact.and_then(|contact| contact.email) else { return Ok(None) };
        let view = OrderCommand::View { viewer: None };
        match gateway.commerce.ask::<Order>(&order.key(tenant), view, Call::read()).await {
            Ok(answered) => {
                let OrderReply::Order(order) = answered.reply;
                let number = number::spell(&gateway.order_number_key, order.number);
                let access_url = Some(gateway.order_access_url(tenant, order.id));
                Ok(Some(Receipt { email, number, order: *order, access_url }))
            }
            Err(AskError::Rejected(rejection)) => Err(rejection.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Correspondence for Letters {
    fn receipt<'a>(
        &'a self,
        tenant: &'a TenantId,
        contact: ContactId,
        order: OrderId,
    ) -> BoxFuture<'a, Result<Option<Receipt>, String>> {
        Box::pin(self.look_up(tenant, contact, order))
    }
}

/// Sends what the doors write: links to set a new password.
pub(crate) struct DoorPost(pub(crate) Arc<PostOffice>);

impl Mailer for DoorPost {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        let name = digest128(&[mail.to.as_bytes(), mail.subject.as_bytes(), mail.body.as_bytes()]);
        let letter = Letter { name: format!("mail-{name:032x}"), to: mail.to, subject: mail.subject, text: mail.body };
        Box::pin(async move { self.0.send_patiently(&letter).await.map_err(|error| MailError(error.to_string())) })
    }
}
