//! The address of the client of a request.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use axum::http::{HeaderMap, HeaderName, header};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The maximum number of forwarded addresses that are read: chains of proxies are short, headers may not be.
const HOPS_MAX: usize = 16;

/// A network in CIDR notation: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    /// The length of the prefix in an IPv6 address; an IPv4 address is mapped into IPv6.
    bits: u8,
}

/// The text is not a network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a network such as 10.0.0.0/8 or ::1")]
pub struct InvalidNetwork;

impl Network {
    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0)
    }

    /// Whether the network contains `address`.
    pub fn contains(self, address: IpAddr) -> bool {
        bits_of(address) & self.mask() == self.address & self.mask()
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| InvalidNetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let (width, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = bits.unwrap_or(width);
        if bits > width {
            return Err(InvalidNetwork);
        }
        Ok(Self { address: bits_of(address), bits: bits + offset })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Ipv6Addr::from_bits(self.address).to_canonical() {
            IpAddr::V4(v4) => write!(f, "{v4}/{}", self.bits.saturating_sub(96)),
            IpAddr::V6(v6) => write!(f, "{v6}/{}", self.bits),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Returns the client's address: the peer's, or, when the peer is a trusted proxy, the last forwarded address that is
/// not a trusted proxy. The client may have forged every address before that one.
///
/// `X-Forwarded-For` is used where there is one, else `Forwarded` (RFC 7239): a proxy that writes the second must not
/// pass the first on.
pub(crate) fn caller(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted_proxies.iter().any(|network| network.contains(address));
    if trusted_proxies.is_empty() || !is_trusted(peer) {
        return peer;
    }
    let hops = match headers.contains_key(FORWARDED_FOR) {
        true => hops(headers, FORWARDED_FOR, |element| Some(element)),
        false => hops(headers, header::FORWARDED, forwarded_for),
    };
    let mut caller = peer;
    for hop in hops.into_iter().take(HOPS_MAX) {
        let Some(address) = hop.and_then(node) else { return caller };
        caller = address.to_canonical();
        if !is_trusted(caller) {
            return caller;
        }
    }
    caller
}

/// The elements of a list header, the last first, each mapped by `read`.
fn hops(headers: &HeaderMap, name: HeaderName, read: fn(&str) -> Option<&str>) -> Vec<Option<&str>> {
    let lines = headers.get_all(name).iter().rev().filter_map(|line| line.to_str().ok());
    let elements = lines.flat_map(|line| split_quoted(line, ',').into_iter().rev().take(HOPS_MAX));
    // RFC 9110, section 5.6.1: empty elements are ignored.
    elements.map(str::trim).filter(|element| !element.is_empty()).map(read).collect()
}

/// Splits a text at separators that are not quoted.
fn split_quoted(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(move |c: char| {
        let is_plain = !std::mem::take(&mut escaped);
        match c {
            '"' if is_plain => quoted = !quoted,
            '\\' if is_plain && quoted => escaped = true,
            _ => {}
        }
        c == separator && !quoted
    });
    parts.collect()
}

/// Returns the client in an element of `Forwarded`: `for=192.0.2.60;proto=http`.
fn forwarded_for(element: &str) -> Option<&str> {
    let pairs = split_quoted(element, ';');
    let mut pairs = pairs.into_iter().filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value.trim())
}

/// Parses the address of a node, with or without quotes, brackets and port: `198.51.100.7:40001`,
/// `"[2001:db8::7]:443"`. `None` for anything else: `unknown`, `_hidden`.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            (address, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        // A single colon precedes a port; an IPv6 address has more.
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, Some(port)),
            _ => (text, None),
        },
    };
    let is_port =
        |port: &str| !port.is_empty() && port.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
    if !port.is_none_or(is_port) {
        return None;
    }
    // A zone names an interface of the proxy.
    let address = address.split_once('%').map_or(address, |(address, _)| address);
    address.parse().ok()
}

/// The network that the caps of drops count together: the /24 of an IPv4 address, the /48 of an IPv6 address. Either is
/// what a provider gives to some 256 subscribers at most, and the least that a determined buyer gets at one location.
pub(crate) fn claim_network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits() & (u128::MAX << 8),
        IpAddr::V6(v6) => v6.to_bits() & (u128::MAX << 80),
    }
}

/// The key that addresses are limited by: an IPv4 address, or the /64 of one IPv6 subscriber.
pub(crate) fn subscriber(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits() & (u128::MAX << 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn seen(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        caller(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(seen("10.1.2.3", &["203.0.113.9"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_callers() {
        let trusted = ["10.0.0.0/8", "::1"];
        assert_eq!(seen("::1", &["6.6.6.6, 203.0.113.9, 10.0.0.7"], &trusted), "203.0.113.9");
        assert_eq!(seen("::1", &["6.6.6.6", "203.0.113.9", "10.0.0.7"], &trusted), "203.0.113.9");
        assert_eq!(seen("::1", &["nonsense, 10.0.0.7"], &trusted), "10.0.0.7");
    }

    #[test]
    fn an_address_is_read_with_port_quotes_and_brackets() {
        for (header, address) in [
            ("198.51.100.7:40001", "198.51.100.7"),
            ("\"198.51.100.7:40001\"", "198.51.100.7"),
            ("\"198.51.100.7\"", "198.51.100.7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("\"[2001:db8::7]:443\"", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("2001:DB8:0::7", "2001:db8::7"),
            ("[fe80::7%eth0]:443", "fe80::7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("[::ffff:198.51.100.7]:1", "198.51.100.7"),
            ("6.6.6.6, , 198.51.100.7:1 ,", "198.51.100.7"),
        ] {
            assert_eq!(seen("10.0.0.1", &[header], &["10.0.0.0/8"]), address, "{header}");
        }
        for odd in ["unknown", "_hidden", "198.51.100.7:", "[2001:db8::7]x", "[2001:db8::7", "198.51.100.7:a b", "x:1"]
        {
            assert_eq!(seen("10.0.0.1", &[odd], &["10.0.0.0/8"]), "10.0.0.1", "{odd}");
        }
    }

    #[test]
    fn the_standard_header_counts_where_the_other_is_not() {
        let of = |forwarded: &[&'static str], also: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append(header::FORWARDED, HeaderValue::from_static(line));
            }
            if let Some(also) = also {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(also));
            }
            caller("10.0.0.1".parse().unwrap(), &headers, &["10.0.0.0/8".parse().unwrap()]).to_string()
        };
        assert_eq!(of(&["for=192.0.2.60;proto=http;by=203.0.113.43"], None), "192.0.2.60");
        assert_eq!(of(&["For=\"[2001:db8:cafe::17]:4711\""], None), "2001:db8:cafe::17");
        assert_eq!(of(&["for=6.6.6.6, for=192.0.2.43;host=\"a,b;for=1.1.1.1\", for=10.0.0.7"], None), "192.0.2.43");
        assert_eq!(of(&["for=6.6.6.6", "proto=https; for=\"192.0.2.43:47011\""], None), "192.0.2.43");
        for odd in ["for=unknown", "for=_gazonk", "proto=http", "host=\"\\\"for=6.6.6.6\"", "192.0.2.60"] {
            assert_eq!(of(&[odd], None), "10.0.0.1", "{odd}");
        }
        assert_eq!(of(&["for=6.6.6.6"], Some("192.0.2.43")), "192.0.2.43");
    }

    #[test]
    fn networks_have_edges() {
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert!(network.contains("10.255.255.255".parse().unwrap()) && !network.contains("11.0.0.0".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!(!"0.0.0.0/0".parse::<Network>().unwrap().contains("2001:db8::1".parse().unwrap()));
        assert!("::/0".parse::<Network>().unwrap().contains("2001:db8::1".parse().unwrap()));
        for odd in ["10.0.0.0/33", "::/129", "10.0.0/8", "", "/8", "10.0.0.0/x"] {
            assert!(odd.parse::<Network>().is_err(), "{odd}");
        }
    }

    #[test]
    fn a_subscriber_of_ipv6_has_a_network() {
        let of = |text: &str| subscriber(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }

    #[test]
    fn a_network_is_a_24_or_a_48() {
        let of = |text: &str| claim_network(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("192.0.2.254"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.9"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8:7:1::1"), of("2001:db8:7:ffff::9"));
        assert_ne!(of("2001:db8:7::1"), of("2001:db8:8::1"));
    }
}
