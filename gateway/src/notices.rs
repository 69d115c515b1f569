//! Mails that other people can trigger: links to set a password or to verify an address, and warnings.
//!
//! Anyone who knows an address can trigger them, so one mailbox gets at most a few per hour. Receipts and mails about
//! orders take another path and are never dropped.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use engine::{id::TenantId, time::Timestamp};
use parking_lot::Mutex;
use persistence::sql::normalise_email;

use crate::{
    auth::{Mail, Mailer, email::Email},
    problem::{Code, Problem},
};

/// The maximum number of triggered mails per mailbox and hour: as many as password links are valid at a time, so that
/// the mailbox always has all valid links.
pub(crate) const MAILS_PER_MAILBOX_AN_HOUR: usize = 5;
const HOUR: Duration = Duration::from_secs(3_600);
/// The maximum number of mailboxes that are counted at a time: some 40 MB. Only those of accounts are counted.
const MAILBOXES_MAX: usize = 262_144;
/// Counts the mails that were dropped because their mailbox had reached the limit.
const DROPPED: &str = "fusion_mails_dropped_total";

/// The reason for a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A password reset was requested.
    PasswordReset,
    /// An address is to be verified.
    Verification,
    /// Wrong passwords were tried.
    SignInWarning,
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Why::PasswordReset => "password_reset",
            Why::Verification => "verification",
            Why::SignInWarning => "sign_in_warning",
        }
    }
}

/// The times of the recent mails to each mailbox.
type Mailboxes = HashMap<(TenantId, String), VecDeque<Timestamp>>;

/// Sends mails that other people can trigger, within the limit per mailbox.
pub(crate) struct Notices {
    mailer: Arc<dyn Mailer>,
    mailboxes: Mutex<Mailboxes>,
}

impl Notices {
    pub(crate) fn new(mailer: Arc<dyn Mailer>) -> Self {
        Self { mailer, mailboxes: Mutex::default() }
    }

    /// Counts a mail to a mailbox. `Err`: the mailbox has reached its limit, the mail must not be sent, and the value
    /// is the time until the next one may be.
    pub(crate) fn take_place(&self, why: Why, tenant: &TenantId, to: &str, now: Timestamp) -> Result<(), Duration> {
        let mailbox = Email::new(to).map_or_else(|_| normalise_email(to), |email| email.mailbox());
        let mut mailboxes = self.mailboxes.lock();
        let is_new = !mailboxes.contains_key(&(tenant.clone(), mailbox.clone()));
        let place = if is_new && mailboxes.len() >= MAILBOXES_MAX {
            Err(HOUR)
        } else {
            let sent = mailboxes.entry((tenant.clone(), mailbox)).or_default();
            forget_old(sent, now);
            match sent.front() {
                Some(first) if sent.len() >= MAILS_PER_MAILBOX_AN_HOUR => {
                    Err(HOUR.saturating_sub(Duration::from_millis(now.ms_since(*first))))
                }
                _ => {
                    sent.push_back(now);
                    Ok(())
                }
            }
        };
        std::mem::drop(mailboxes);
        if place.is_err() {
            metrics::counter!(DROPPED, "why" => why.name()).increment(1);
            tracing::warn!(%tenant, why = why.name(), "a mail is dropped: its mailbox has had enough of them in this hour");
        }
        place
    }

    /// Sends a mail that was [counted](Notices::take_place).
    pub(crate) async fn send(&self, mail: Mail) -> Result<(), Problem> {
        self.mailer.send(mail).await.map_err(|error| Problem::new(Code::Unavailable).with_detail(error.to_string()))
    }

    /// Removes mailboxes that got no mail in the last hour.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let mut mailboxes = self.mailboxes.lock();
        mailboxes.retain(|_, sent| {
            forget_old(sent, now);
            !sent.is_empty()
        });
        mailboxes.shrink_to_fit();
    }
}

fn forget_old(sent: &mut VecDeque<Timestamp>, now: Timestamp) {
    while sent.front().is_some_and(|at| now.ms_since(*at) >= HOUR.as_millis() as u64) {
        sent.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::NoMailer;

    const BEGAN: Timestamp = Timestamp(1_790_000_000_000);

    fn at(minutes: u64) -> Timestamp {
        BEGAN.plus_seconds(minutes * 60)
    }

    #[test]
    fn a_mailbox_gets_so_many_mails_in_any_hour_and_no_more() {
        let notices = Notices::new(Arc::new(NoMailer));
        let (acme, bolt) = (TenantId::new("acme").unwrap(), TenantId::new("bolt").unwrap());
        let take = |tenant, to, now| notices.take_place(Why::PasswordReset, tenant, to, now).is_ok();
        let spellings = [
            "kim@münchen.example",
            "KIM@xn--mnchen-3ya.example",
            "kim+a@mu\u{308}nchen.example",
            "Kim@MÜNCHEN.example",
            "kim+b@münchen.example",
        ];
        for (minute, spelling) in spellings.into_iter().enumerate() {
            assert!(take(&acme, spelling, at(minute as u64)), "{spelling}");
        }
        let full = notices.take_place(Why::SignInWarning, &acme, spellings[0], at(59));
        assert_eq!(full, Err(Duration::from_secs(60)));
        assert!(take(&bolt, spellings[0], at(59)) && take(&acme, "lee@münchen.example", at(59)));
        assert!(take(&acme, spellings[1], at(60)), "the first is an hour ago");
        assert!(!take(&acme, spellings[1], at(60)), "the second is not");
        notices.sweep(at(119));
        assert_eq!(notices.mailboxes.lock().len(), 1);
        notices.sweep(at(120));
        assert_eq!(notices.mailboxes.lock().len(), 0);
    }
}
