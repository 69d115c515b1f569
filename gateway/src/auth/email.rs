//! E-mail addresses: their validation, and the keyed hash that stands for them in the journal.

use engine::{
    id::{EmailHash, TenantId},
    text::{is_combining_mark, nfc},
};
use persistence::sql::{ascii_domain, normalise_email};

use super::keys::keyed_hash;

/// The maximum length of an address: RFC 5321, section 4.5.3.1.3, less the angle brackets.
pub const EMAIL_CHARS_MAX: usize = 254;
const LOCAL_BYTES_MAX: usize = 64;

/// The text is not an address that mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an e-mail address")]
pub struct InvalidEmail;

/// An e-mail address as its owner writes it, in Normalization Form C: a dot-atom at a host name (RFC 5322, section
/// 3.4.1, and RFC 6532, section 3.2, without quoted strings, comments and address literals).
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(…)")
    }
}

impl Email {
    /// Parses `text`, without surrounding white space.
    pub fn new(text: &str) -> Result<Self, InvalidEmail> {
        let text = nfc(text.trim());
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let atom_fits =
            |atom: &str| !atom.is_empty() && !atom.starts_with(is_combining_mark) && atom.chars().all(is_in_atom);
        let local_fits = local.len() <= LOCAL_BYTES_MAX && local.split('.').all(atom_fits);
        let domain_fits = ascii_domain(domain).is_some_and(|ascii| ascii.contains('.'));
        if text.chars().count() > EMAIL_CHARS_MAX || !local_fits || !domain_fits {
            return Err(InvalidEmail);
        }
        Ok(Self(text.into_owned()))
    }

    /// The address as its owner writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The mailbox that the address leads to, as far as can be derived from the text: without case and `+tag`, with the
    /// domain's A-labels, and without the dots that Gmail ignores. Caps are counted by it.
    pub fn mailbox(&self) -> String {
        let address = normalise_email(&self.0);
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

    /// The hash that stands for the mailbox in the journal. It is keyed, so that addresses cannot be guessed from it.
    pub fn hash(&self, key: &[u8; 32], tenant: &TenantId) -> EmailHash {
        let hash = keyed_hash(key, &[tenant.as_str().as_bytes(), self.mailbox().as_bytes()]);
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        EmailHash(u128::from_be_bytes(half))
    }
}

/// Whether a character may be part of an atom: those of RFC 5322, and of the other characters (RFC 6531, section 3.3)
/// all that are visible or belong to a word.
fn is_in_atom(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    }
    let is_private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    // Direction marks and byte order marks would make an address look like another.
    let is_hidden = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}');
    !c.is_control() && !c.is_whitespace() && !is_private && !is_hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_addresses_are_deliverable() {
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
    fn addresses_of_every_script_are_taken() {
        for good in [
            "हिन्दी@उदाहरण.भारत",
            "สมชาย.ใจดี@ตัวอย่าง.ไทย",
            "น้ำ@example.co.th",
            "שָׁלוֹם@דוגמה.ישראל",
            "محمد@مثال.السعودية",
            "用户@例子.广告",
            "rene\u{301}@example.com",
            "kim@mu\u{308}nchen.example",
        ] {
            assert!(Email::new(good).is_ok(), "{good}");
        }
        let mark_first = "\u{301}a@x.io";
        for odd in
            [mark_first, "a\u{202e}b@x.io", "a\u{a0}b@x.io", "a\u{feff}@x.io", "a@x\u{2028}.io", "a@xn--a.io\u{7}"]
        {
            assert!(Email::new(odd).is_err(), "{odd:?}");
        }
        assert_eq!(Email::new("rene\u{301}@x.io").unwrap().as_str(), "rené@x.io");
    }

    #[test]
    fn one_mailbox_has_one_hash_per_shop() {
        let (acme, bolt) = (TenantId::new("acme").unwrap(), TenantId::new("bolt").unwrap());
        let of = |text: &str, tenant| Email::new(text).unwrap().hash(&[7; 32], tenant);
        assert_eq!(of("Ann@Example.com", &acme), of("ann+sale@example.com", &acme));
        assert_eq!(of("a.n.n@gmail.com", &acme), of("ann@googlemail.com", &acme));
        assert_eq!(of("kim@münchen.example", &acme), of("Kim+x@xn--mnchen-3ya.example", &acme));
        assert_eq!(of("rene\u{301}@x.io", &acme), of("René@x.io", &acme));
        assert_ne!(of("a.n.n@example.com", &acme), of("ann@example.com", &acme));
        assert_ne!(of("ann@example.com", &acme), of("ann@example.com", &bolt));
        assert_ne!(Email::new("+a@x.io").unwrap().mailbox(), Email::new("+b@x.io").unwrap().mailbox());
    }
}
