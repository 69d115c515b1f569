//! Warns an account's owner of password attempts.

use super::{
    Mail, Refused,
    attempts::{Attempt, FREE_TRIES},
};
use crate::{
    Gateway,
    problem::{Code, Problem},
};

impl Gateway {
    /// Returns the problem for a refused password. Warns the owner when the next attempt has to wait.
    pub(crate) fn refused(&self, why: Refused) -> Problem {
        match why {
            Refused::Otherwise(problem) => problem,
            Refused::WrongPassword(attempt) => {
                if attempt.makes_delay() {
                    // In a task, so that the response takes as long for an address without an account.
                    let gateway = self.clone();
                    tokio::spawn(async move {
                        if let Err(problem) = warn(&gateway, &attempt).await {
                            let code = problem.code().entry().code;
                            tracing::warn!(tenant = %attempt.tenant, code, "sending a sign-in warning failed");
                        }
                    });
                }
                Problem::new(Code::InvalidCredentials)
            }
        }
    }
}

async fn warn(gateway: &Gateway, attempt: &Attempt) -> Result<(), Problem> {
    let (tenant, now) = (&attempt.tenant, gateway.now());
    let account = gateway.read_side.account_by_email(tenant, &attempt.email).await?;
    let Some((subject, to)) = account.and_then(|account| Some((account.subject, account.email?))) else {
        return Ok(());
    };
    // Once a day, so that it needs no other limit.
    if !gateway.sessions.attempts.is_news(attempt, now).await? {
        return Ok(());
    }
    let link = format!("{}/reset-password", gateway.shop_url(tenant).await?);
    let mail = Mail {
        tenant: tenant.clone(),
        recipient: subject,
        to,
        subject: "Failed sign-in attempts on your account".to_owned(),
        body: format!(
            "There were {FREE_TRIES} or more sign-in attempts with a wrong password on your account. Further attempts are \
             delayed by up to 15 minutes each.\n\nIf this was you: wait a moment and try again, or set a new password, which \
             you can use immediately:\n\n{link}\n\nIf this was not you: no one has signed in. If your password is short, or \
             if you use it elsewhere, set a new one with the same link. Your current sessions stay signed in.\n\nWe send \
             this e-mail at most once a day.\n"
        ),
    };
    gateway.notices.send(mail).await
}
