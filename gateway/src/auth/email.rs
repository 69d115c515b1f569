//! E-mail addresses: what is one, and the keyed hash that the journal knows them by.

use engine::id::{EmailHash, TenantId};

use super::keys::keyed_hash;

/// The longest address: RFC 5321, section 4.5.3.1.3, less the angle brackets.
pub const EMAIL_CHARS_MAX: usize = 254;
const LOCAL_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 63;

/// Not an address that mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an e-mail address")]
pub struct InvalidEmail;

/// An e-mail address as its owner spells it: a dot-atom at a host name (RFC 5322, section 3.4.1, without quoted strings,
/// comments and addresses of machines).
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(…)")
    }
}

impl Email {
    /// Takes `text`, without surrounding white space, if it is an address.
    pub fn new(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let in_local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        let local_fits = local.len() <= LOCAL_BYTES_MAX
            && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(in_local));
        let label_fits = |label: &str| {
            !label.is_empty()
                && label.len() <= LABEL_BYTES_MAX
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let domain_fits = domain.contains('.') && domain.split('.').all(label_fits);
        if text.chars().count() > EMAIL_CHARS_MAX || !local_fits || !domain_fits {
            return Err(InvalidEmail);
        }
        Ok(Self(text.to_owned()))
    }

    /// The address as its owner spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The mailbox that it leads to, as far as spelling tells: without case and `+tag`, and without the dots that Gmail
    /// ignores. What caps are counted by.
    pub fn mailbox(&self) -> String {
        let address = self.0.to_lowercase();
        let Some((local, domain)) = address.rsplit_once('@') else { return address };
        let local = match local.split_once('+') {
            Some((before, _)) if !before.is_empty() => before,
            _ => local,
        };
        match domain {
            "gmail.com" | "googlemail.com" => format!("{}@gmail.com", local.replace('.', "")),
            _ => format!("{local}@{domain}"),
        }
    }

    /// The hash that the journal knows the mailbox by: keyed, so that nobody can try addresses on it.
    pub fn hash(&self, key: &[u8; 32], tenant: &TenantId) -> EmailHash {
        let hash = keyed_hash(key, &[tenant.as_str().as_bytes(), self.mailbox().as_bytes()]);
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        EmailHash(u128::from_be_bytes(half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_mail_is_sent_to() {
        for good in
            ["ann@example.com", " Ann.B+shop@Mail.Example.co.uk ", "o'neil!#$%@x-y.io", "ä@münchen.example", "1@2.ac"]
        {
            assert!(Email::new(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for odd in [
            "",
            "ann",
            "@x.io",
            "ann@",
            "ann@localhost",
            "a b@x.io",
            "a@b@",
            "a..b@x.io",
            ".a@x.io",
            "a@-x.io",
            "a@x..io",
            "a@x.io\n.b",
            "a\"@x.io",
            &long,
        ] {
            assert!(Email::new(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn one_mailbox_has_one_hash_per_shop() {
        let (acme, bolt) = (TenantId::new("acme").unwrap(), TenantId::new("bolt").unwrap());
        let of = |text: &str, tenant| Email::new(text).unwrap().hash(&[7; 32], tenant);
        assert_eq!(of("Ann@Example.com", &acme), of("ann+sale@example.com", &acme));
        assert_eq!(of("a.n.n@gmail.com", &acme), of("ann@googlemail.com", &acme));
        assert_ne!(of("a.n.n@example.com", &acme), of("ann@example.com", &acme));
        assert_ne!(of("ann@example.com", &acme), of("ann@example.com", &bolt));
        assert_ne!(Email::new("+a@x.io").unwrap().mailbox(), Email::new("+b@x.io").unwrap().mailbox());
    }
}
