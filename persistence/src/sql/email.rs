//! Normalisation of e-mail addresses: every spelling of one mailbox has the same normal form.

use engine::text::nfc;
use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};

/// Returns a domain in its A-label form, in lower case (UTS #46, without transitional mappings): `münchen.example` and
/// `xn--mnchen-3ya.example` are the same domain. `None` if it is not a host name.
pub fn ascii_domain(domain: &str) -> Option<String> {
    let ascii =
        Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    ascii.ok().map(|ascii| ascii.into_owned())
}

/// Returns the normal form of an address: without surrounding white space, in lower case, composed, with the domain as
/// A-labels. Does not check that it is an address; the gateway does.
pub fn normalise_email(email: &str) -> String {
    let lower = |text: &str| nfc(&nfc(text).to_lowercase()).into_owned();
    match email.trim().rsplit_once('@') {
        Some((local, domain)) => {
            format!("{}@{}", lower(local), ascii_domain(domain).unwrap_or_else(|| lower(domain)))
        }
        None => lower(email.trim()),
    }
}

/// Returns the normal form that earlier versions used. Some accounts are still stored under theirs.
pub(super) fn former_norm(email: &str) -> String {
    email.trim().to_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_compares_as_one() {
        for (one, other) in [
            (" Ann@Example.COM ", "ann@example.com"),
            ("kim@münchen.example", "KIM@XN--MNCHEN-3YA.example"),
            ("kim@mu\u{308}nchen.example", "kim@xn--mnchen-3ya.example"),
            ("rene\u{301}@example.com", "RENÉ@example.com"),
            ("info@правда.example", "info@ПРАВДА.example"),
            ("info@例え。example", "info@xn--r8jz45g.example"),
        ] {
            assert_eq!(normalise_email(one), normalise_email(other), "{one} {other}");
        }
        assert_ne!(normalise_email("ann@example.com"), normalise_email("ann@example.org"));
        assert_eq!(normalise_email("kim@straße.example"), "kim@xn--strae-oqa.example", "not strasse.example");
        assert_eq!(normalise_email("No Address"), "no address");
    }

    #[test]
    fn an_invalid_host_name_has_no_ascii_form() {
        assert_eq!(ascii_domain("Shop.Example").as_deref(), Some("shop.example"));
        let long = format!("{}.example", "a".repeat(64));
        for wrong in ["", "a..b", "-a.example", "a_b.example", "a b.example", "xn--zzzzzz99999.example", &long] {
            assert_eq!(ascii_domain(wrong), None, "{wrong}");
        }
    }
}
