//! Verification of accounts' e-mail addresses by a mailed link.

use std::time::Duration;

use engine::id::{SubjectId, TenantId};

use super::{Identity, Mail, new_secret, token_hash};
use crate::{
    Gateway,
    notices::Why,
    problem::{Code, Problem},
};

/// The lifetime of a verification link: mail may be read on the next day.
const VERIFICATION_TTL: Duration = Duration::from_secs(24 * 3_600);

impl Gateway {
    /// Whether claims and checkouts of an account must wait until its address is verified.
    pub(crate) fn must_verify(&self, identity: &Identity) -> bool {
        let subject_status = identity.subject_status();
        self.settings.require_verified_email && subject_status.customer && !subject_status.verified
    }

    /// Rejects an account without a verified address, where the shop requires one.
    pub(crate) fn check_verified(&self, identity: &Identity) -> Result<(), Problem> {
        if self.must_verify(identity) { Err(Problem::new(Code::EmailUnverified)) } else { Ok(()) }
    }

    /// Mails a verification link for an account's address. 429 when its mailbox has reached the limit of mails.
    pub(crate) async fn send_verification(&self, tenant: &TenantId, subject: SubjectId) -> Result<(), Problem> {
        let account = self.read_side.account(tenant, subject).await?;
        let Some(to) = account.and_then(|account| account.email) else { return Ok(()) };
        let now = self.now();
        let place = self.notices.take_place(Why::Verification, tenant, &to, now);
        place.map_err(|wait| Problem::new(Code::RateLimited).retry_after(wait))?;
        let (secret, expires_at) = (new_secret()?, now.plus_seconds(VERIFICATION_TTL.as_secs()));
        self.read_side.create_email_verification(tenant, subject, token_hash(&secret), now, expires_at).await?;
        // In the fragment, so that it reaches no server log and no other site in a `Referer`.
        let link = format!("{}/verify#token={secret}", self.shop_url(tenant).await?);
        let hours = VERIFICATION_TTL.as_secs() / 3_600;
        let mail = Mail {
            tenant: tenant.clone(),
            recipient: subject,
            to,
            subject: "Verify your e-mail address".to_owned(),
            body: format!(
                "An account was created with this e-mail address. To verify the address, follow this link within {hours} \
                 hours:\n\n{link}\n\nIf you did not create the account, ignore this e-mail. An account with an unverified \
                 address cannot place orders in this shop.\n"
            ),
        };
        self.notices.send(mail).await
    }

    /// Mails the link to a new account, if the shop requires verified addresses. In a task, since the account exists by
    /// now.
    pub(crate) fn greet(&self, tenant: &TenantId, subject: SubjectId) {
        if !self.settings.require_verified_email {
            return;
        }
        let (gateway, tenant) = (self.clone(), tenant.clone());
        tokio::spawn(async move {
            if let Err(problem) = gateway.send_verification(&tenant, subject).await {
                tracing::warn!(%tenant, code = problem.code().entry().code, "sending a verification e-mail failed");
            }
        });
    }
}
