//! Validation of `Host`: RFC 9112, section 3.2, and RFC 3986, section 3.2.2.

use std::net::Ipv6Addr;

use axum::http::{HeaderMap, Version, header};

use crate::problem::{Code, Problem};

/// The maximum length of a host name: that of the DNS (RFC 1035, section 2.3.4).
pub(crate) const HOST_BYTES_MAX: usize = 255;

/// Rejects an HTTP/1.1 request without exactly one valid `Host`.
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let why = match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => return Ok(()),
        (None, _) => "the request has no Host header",
        (Some(_), Some(_)) => "the request has more than one Host header",
        (Some(host), None) if is_host(host.as_bytes()) => return Ok(()),
        (Some(_), None) => "Host is not a valid host name, or is longer than 255 bytes",
    };
    Err(Problem::new(Code::InvalidRequest).with_detail(why))
}

/// Whether it is `uri-host [":" port]`, and the host is not empty.
fn is_host(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, rest)) if address.parse::<Ipv6Addr>().is_ok() => (address, rest),
            _ => return false,
        },
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            if !is_name(name.as_bytes()) {
                return false;
            }
            (name, rest)
        }
    };
    let is_port = match port.strip_prefix(':') {
        Some("") => true,
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    !host.is_empty() && host.len() <= HOST_BYTES_MAX && is_port
}

/// Whether it is a `reg-name`: unreserved, percent-encoded, or sub-delims.
fn is_name(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                let mut digit = || bytes.next().is_some_and(u8::is_ascii_hexdigit);
                digit() && digit()
            }
            byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::http::HeaderValue;

    fn refused(version: Version, hosts: &[&[u8]]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_bytes(host).unwrap());
        }
        check(version, &headers).is_err()
    }

    #[test]
    fn exactly_one_host_is_required_except_for_http_1_0() {
        assert!(refused(Version::HTTP_11, &[]) && !refused(Version::HTTP_10, &[]));
        assert!(refused(Version::HTTP_11, &[b"a", b"a"]) && refused(Version::HTTP_10, &[b"a", b"b"]));
        assert!(!refused(Version::HTTP_11, &[b"a"]));
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_port() {
        for host in ["a", "shop.example", "shop.example.", "127.0.0.1:8080", "[::1]", "[2001:db8::1]:443", "a:", "x_y"]
        {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in
            ["", ":80", "a b", "a/b", "a@b", "a:b", "a:99999", "[::1", "[::1]x", "[]", "::1", "a%2", "a,b c", "<a>"]
        {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert!(!is_host("münchen.example".as_bytes()), "a name travels as its A-label");
    }

    #[test]
    fn a_name_has_the_length_of_the_dns() {
        let name = "a".repeat(HOST_BYTES_MAX);
        assert!(is_host(name.as_bytes()) && is_host(format!("{name}:65535").as_bytes()));
        assert!(!is_host(format!("{name}a").as_bytes()));
    }
}
