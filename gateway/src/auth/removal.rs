//! Removal of an account by an operator.

use engine::id::{SubjectId, TenantId};

use crate::{Gateway, Problem, problem::Code};

impl Gateway {
    /// Erases an account as its owner could: addresses, names, queued mail and the password are deleted, and every
    /// token of it is invalid at once. Orders keep their numbers.
    pub async fn remove_account(&self, tenant: &TenantId, subject: SubjectId) -> Result<(), Problem> {
        let data = self.read_side.personal_data(tenant, subject).await?;
        let contacts: Vec<_> = data.contacts.iter().map(|contact| contact.contact).collect();
        let forget = async || {
            let forgotten = self.mailer.forget(tenant, &data.subjects, &contacts).await;
            forgotten.map_err(|error| Problem::new(Code::Unavailable).with_detail(error.to_string()))
        };
        // Before the erasure, so that a failure can be retried; and after it, because a mail may have been queued
        // meanwhile.
        forget().await?;
        if let Some(email) = data.account.as_ref().and_then(|account| account.email.as_deref()) {
            self.sessions.attempts.forget(tenant, email).await?;
        }
        self.read_side.erase_personal_data(tenant, subject, self.now()).await?;
        self.sessions.account_changed(tenant, subject).await?;
        forget().await
    }
}
