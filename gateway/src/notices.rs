//! Mails that other people can trigger: links to set a password or to verify an address, and warnings.
//!
//! Anyone who knows an address can trigger them, so one mailbox gets at most a few per hour. Receipts and mails about
//! orders take another path and are never dropped.
//!
//! The plain address of a mailbox has a limit of its own beside that of all spellings with a tag: otherwise an account
//! for `kim+1@shop.example` could use up the mails of `kim@shop.example`. Each reason has its own limit as well, and a
//! warning, which is sent once a day, has none.

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

/// The maximum number of mails of a reason to an address in an hour: as many as password links are valid at a time, so
/// that the mailbox always has all valid links.
pub(crate) const MAILS_PER_MAILBOX_AN_HOUR: usize = 5;
const HOUR: Duration = Duration::from_secs(3_600);
/// The maximum number of mailboxes that are counted at a time: some 40 MB. Only those of accounts are counted.
const MAILBOXES_MAX: usize = 262_144;
/// Counts the mails that were dropped because their mailbox had reached the limit.
const DROPPED: &str = "fusion_mails_dropped_total";

/// The reason for a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    /// A password reset was requested.
    PasswordReset,
    /// An address is to be verified.
    Verification,
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Why::PasswordReset => "password_reset",
            Why::Verification => "verification",
        }
    }
}

/// A tenant's mailbox, whether it is addressed with a tag or another spelling, and the reason.
type Counted = (TenantId, String, bool, Why);

/// The times of the recent mails.
type Mailboxes = HashMap<Counted, VecDeque<Timestamp>>;

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
        let address = normalise_email(to);
        let mailbox = Email::new(to).map_or_else(|_| address.clone(), |email| email.mailbox());
        let counted = (tenant.clone(), mailbox.clone(), address != mailbox, why);
        let mut mailboxes = self.mailboxes.lock();
        let is_new = !mailboxes.contains_key(&counted);
        let place = if is_new && mailboxes.len() >= MAILBOXES_MAX {
            Err(HOUR)
        } else {
            let sent = mailboxes.entry(counted).or_default();
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
            tracing::warn!(%tenant, why = why.name(), "mail not sent: the mailbox has reached its hourly limit");
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
    fn an_address_gets_so_many_mails_in_any_hour_and_no_more() {
        let notices = Notices::new(Arc::new(NoMailer));
        let (acme, bolt) = (TenantId::new("acme").unwrap(), TenantId::new("bolt").unwrap());
        let take = |tenant, to, now| notices.take_place(Why::PasswordReset, tenant, to, now).is_ok();
        let spellings = [
            "kim@münchen.example",
            "KIM@xn--mnchen-3ya.example",
            "kim@mu\u{308}nchen.example",
            "Kim@MÜNCHEN.example",
            "kim@münchen.example",
        ];
        for (minute, spelling) in spellings.into_iter().enumerate() {
            assert!(take(&acme, spelling, at(minute as u64)), "{spelling}");
        }
        let full = notices.take_place(Why::PasswordReset, &acme, spellings[0], at(59));
        assert_eq!(full, Err(Duration::from_secs(60)));
        assert!(take(&bolt, spellings[0], at(59)) && take(&acme, "lee@münchen.example", at(59)));
        assert!(take(&acme, spellings[1], at(60)), "the first is an hour ago");
        assert!(!take(&acme, spellings[1], at(60)), "the second is not");
        notices.sweep(at(119));
        assert_eq!(notices.mailboxes.lock().len(), 1);
        notices.sweep(at(120));
        assert_eq!(notices.mailboxes.lock().len(), 0);
    }

    #[test]
    fn tagged_spellings_and_other_reasons_do_not_use_up_the_mails_of_an_address() {
        let notices = Notices::new(Arc::new(NoMailer));
        let acme = TenantId::new("acme").unwrap();
        let take = |why, to: &str| notices.take_place(why, &acme, to, at(0)).is_ok();
        for n in 0..MAILS_PER_MAILBOX_AN_HOUR {
            assert!(take(Why::PasswordReset, &format!("kim+{n}@shop.example")));
        }
        assert!(!take(Why::PasswordReset, "kim+more@shop.example"), "all tags of a mailbox together");
        for _ in 0..MAILS_PER_MAILBOX_AN_HOUR {
            assert!(take(Why::PasswordReset, "kim@shop.example"));
        }
        assert!(!take(Why::PasswordReset, "Kim@shop.example"));
        assert!(take(Why::Verification, "kim@shop.example"));
    }
}
