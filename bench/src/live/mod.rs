//! The real-time API: reservations over WebSocket, the cost of a broadcast, the memory of an idle connection, and a
//! rush with many onlookers.

mod broadcast;
mod claims;
mod crowd;
mod encoding;
mod fan_out;
mod idle;
pub(crate) mod report;
mod rush;
mod websocket;

use self::{claims::LiveClaims, fan_out::FanOut, idle::Idle, rush::Rush};
use crate::{
    error::Result,
    options::{Broadcasting, LiveOptions, LivePart, Options},
    process::raise_connections,
};

/// The answer to a ping.
const PONG_JSON: &[u8] = b"{\"op\":\"pong\"}";

/// The results.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Reservations.
    pub(crate) claims: Option<LiveClaims>,
    /// Broadcasts.
    pub(crate) fan_out: Option<FanOut>,
    /// Idle connections.
    pub(crate) idle: Option<Idle>,
    /// Buyers with onlookers.
    pub(crate) rush: Option<Rush>,
}

/// Installs what is missing before anything is measured, so that a missing npm is reported at once and not after half
/// an hour.
pub(crate) fn prepare(options: &Options, wanted: &LiveOptions) -> Result<()> {
    let broadcasts = wanted.parts.iter().any(|part| matches!(part, LivePart::FanOut | LivePart::Idle));
    if broadcasts && wanted.broadcasters.iter().any(|which| *which != Broadcasting::Fusion) {
        broadcast::installed(options)?;
    }
    Ok(())
}

/// Measures the real-time API.
pub(crate) fn live(options: &Options, wanted: &LiveOptions) -> Result<Live> {
    let mut live = Live::default();
    // Before any server is started, because a server inherits the limit of this process.
    let connections_max = raise_connections();
    for part in &wanted.parts {
        match part {
            LivePart::Claims => live.claims = Some(claims::claims(options, wanted)?),
            LivePart::FanOut => live.fan_out = Some(fan_out::fan_out(options, wanted)?),
            LivePart::Idle => live.idle = Some(idle::idle(options, wanted, connections_max)?),
            LivePart::Rush => live.rush = Some(rush::rush(options, wanted, connections_max)?),
        }
    }
    Ok(live)
}

/// Returns the wanted number of connections, or the possible one, and reports the difference.
fn within(wanted: usize, connections_max: usize) -> usize {
    if wanted > connections_max {
        eprintln!("RLIMIT_NOFILE allows {connections_max} connections and not {wanted}: measuring with those");
    }
    wanted.min(connections_max)
}
