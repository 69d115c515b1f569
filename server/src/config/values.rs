//! Parsers of setting values.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, ToSocketAddrs},
    num::NonZeroU32,
    time::Duration,
};

use engine::id::TenantId;

/// Parses `true` or `false`, or a synonym that shells use.
pub(crate) fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// Parses a whole number from 1 on.
pub(super) fn positive(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a positive integer".to_owned()),
        Ok(count) => Ok(count),
    }
}

/// Parses a duration such as `500ms`, `30s`, `15m`, `1h 30m`, `30d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "must be a time such as 500ms, 30s, 15m, 1h or 30d".to_owned())
}

/// Parses a size such as `1048576`, `512KiB`, `16MiB`, `1GiB`. All units are powers of 1024, also in `16MB` and `16M`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let fault = || "must be a size such as 1048576, 16MiB or 1GiB".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().map_err(|_| fault())?;
    let each = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(fault()),
    };
    count.checked_mul(each).filter(|bytes| *bytes > 0).ok_or_else(fault)
}

/// Parses an address and a port, with `localhost` allowed as in `localhost:8080`.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let fault = || "must be an address and a port, such as 127.0.0.1:8080".to_owned();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(fault)
}

/// Parses the name of a tenant.
pub(crate) fn parse_tenant(text: &str) -> Result<TenantId, String> {
    TenantId::new(text).map_err(|_| "must be a name of a-z, 0-9 and hyphens, at most 32 characters".to_owned())
}

/// Parses `shop.example=acme,other.example=bolt`.
pub(super) fn tenant_hosts(text: &str) -> Result<BTreeMap<String, TenantId>, String> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (host, tenant) = pair.split_once('=').ok_or_else(|| format!("{pair}: must be HOST=TENANT"))?;
            let tenant = parse_tenant(tenant.trim()).map_err(|why| format!("{pair}: {why}"))?;
            Ok((host.trim().to_ascii_lowercase(), tenant))
        })
        .collect()
}

/// Parses `any`, or origins as browsers send them.
pub(super) fn origins(text: &str) -> Result<gateway::edge::Origins, String> {
    if text == "any" || text == "*" {
        return Ok(gateway::edge::Origins::Any);
    }
    let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(|origin| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        match host {
            Some(host) if !host.is_empty() && !host.contains('/') => Ok(origin.to_owned()),
            _ => Err(format!("{origin}: must be an origin such as https://shop.example")),
        }
    });
    Ok(gateway::edge::Origins::These(origins.collect::<Result<_, String>>()?))
}

/// Parses a rate such as `50/100`: requests per second, and the burst.
pub(super) fn rate(text: &str) -> Result<gateway::Rate, String> {
    let number = |text: &str| text.trim().parse::<NonZeroU32>().ok();
    let pair = text.split_once('/').and_then(|(per_second, burst)| Some((number(per_second)?, number(burst)?)));
    match pair {
        Some((per_second, burst)) => Ok(gateway::Rate { per_second, burst }),
        None => Err("must be requests per second and a burst, such as 50/100".to_owned()),
    }
}
