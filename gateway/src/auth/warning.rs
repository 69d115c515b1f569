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
                            tracing::warn!(tenant = %attempt.tenant, code, "a sign-in warning was not sent");
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
        whose: subject,
        to,
        subject: "Someone tries to sign in to your account".to_owned(),
        body: format!(
            "Wrong passwords were given for your account, {FREE_TRIES} or more in a row. The next ones have to wait, up to \
             15 minutes each.\n\nIf it was you: wait a moment and try again, or set a new password, which works at \
             once:\n\n{link}\n\nIf it was not you: nobody has got in. If your password is short, or you use it elsewhere \
             too, set a new one by the same link. Where you are signed in, you stay so.\n\nWe write this once a day at the \
             most.\n"
        ),
    };
    gateway.notices.send(mail).await
}
