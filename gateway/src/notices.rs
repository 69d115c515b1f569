//! Mails that others can cause: links to set a password or to verify an address, and warnings.
//!
//! Whoever knows an address can ask for them, so that one mailbox gets a few in an hour at the most. Receipts and what is
//! said about orders go another way, and are never dropped.

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

/// The most mails that others can cause of one mailbox in an hour: as many as links to set a password are open at a time,
/// so that whoever has them all in the mailbox needs no more.
pub(crate) const MAILS_PER_MAILBOX_AN_HOUR: usize = 5;
const HOUR: Duration = Duration::from_secs(3_600);
/// The most mailboxes that are counted at a time: some 40 MB. Only those of accounts are.
const MAILBOXES_MAX: usize = 262_144;
/// Counts the mails that were not sent because their mailbox has had enough.
const DROPPED: &str = "fusion_mails_dropped_total";

/// Why a mail is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A new password is asked for.
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

/// When a mailbox was last written to.
type Mailboxes = HashMap<(TenantId, String), VecDeque<Timestamp>>;

/// Sends mails that others can cause.
pub(crate) struct Notices {
    mailer: Arc<dyn Mailer>,
    mailboxes: Mutex<Mailboxes>,
}

impl Notices {
    pub(crate) fn new(mailer: Arc<dyn Mailer>) -> Self {
        Self { mailer, mailboxes: Mutex::default() }
    }

    /// Takes one of a mailbox's places for mails. `Err`: it has had enough, no mail is to be written, and so long it takes
    /// until one may be.
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

    /// Sends a mail for which a place was [taken](Notices::take_place).
    pub(crate) async fn send(&self, mail: Mail) -> Result<(), Problem> {
        self.mailer.send(mail).await.map_err(|error| Problem::new(Code::Unavailable).with_detail(error.to_string()))
    }

    /// Forgets mailboxes that were not written to in the last hour.
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
