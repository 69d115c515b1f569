//! What letters need to know, and how the doors send theirs.

use std::sync::{Arc, OnceLock};

use actors::{AskError, Call, Commerce};
use engine::{
    id::{ContactId, OrderId, TenantId, digest128},
    order::{Order, OrderCommand, OrderReply, number},
};
use futures::future::BoxFuture;
use gateway::auth::{Mail, MailError, Mailer};
use integrations::{
    mail::{Letter, PostOffice},
    outside::Correspondence,
    receipt::Receipt,
};
use persistence::sql::ReadSide;

/// Looks up who a receipt goes to, and what it says.
pub(crate) struct Letters {
    read_side: ReadSide,
    shop: OnceLock<Shop>,
}

/// What is known once the node runs. Effects that ask for a letter before are told to ask again.
struct Shop {
    commerce: Commerce,
    order_number_key: [u8; 32],
}

impl Letters {
    pub(crate) fn new(read_side: ReadSide) -> Self {
        Self { read_side, shop: OnceLock::new() }
    }

    /// From now on letters can be written.
    pub(crate) fn open(&self, commerce: Commerce, order_number_key: [u8; 32]) {
        // Opened once, by the wiring; a second time would say the same.
        let _ = self.shop.set(Shop { commerce, order_number_key });
    }

    async fn look_up(&self, tenant: &TenantId, contact: ContactId, order: OrderId) -> Result<Option<Receipt>, String> {
        let shop = self.shop.get().ok_or("starting")?;
        let contact = self.read_side.contact(tenant, contact).await.map_err(|error| error.to_string())?;
        let Some(email) = contact.and_then(|contact| contact.email) else { return Ok(None) };
        let asked = shop.commerce.ask::<Order>(&order.key(tenant), OrderCommand::View { viewer: None }, Call::read());
        match asked.await {
            Ok(answered) => {
                let OrderReply::Order(order) = answered.reply;
                let number = number::spell(&shop.order_number_key, order.number);
                Ok(Some(Receipt { email, number, order: *order, access_url: None }))
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
