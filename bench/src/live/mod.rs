//! The live doors: reservations over WebSocket, what it costs to tell many, what a silent connection costs, and a rush
//! that many look at.

mod broadcast;
mod claims;
mod crowd;
mod fan_out;
mod idle;
pub(crate) mod report;
mod rush;
mod speech;
mod websocket;

use self::{claims::LiveClaims, fan_out::FanOut, idle::Idle, rush::Rush};
use crate::{
    error::Result,
    options::{Broadcasting, LiveOptions, LivePart, Options},
    process::raise_connections,
};

/// The answer to a ping.
const PONG_JSON: &[u8] = b"{\"op\":\"pong\"}";

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Reservations.
    pub(crate) claims: Option<LiveClaims>,
    /// Telling many.
    pub(crate) fan_out: Option<FanOut>,
    /// Silent connections.
    pub(crate) idle: Option<Idle>,
    /// Buyers, and those who look at them.
    pub(crate) rush: Option<Rush>,
}

/// Gets what is not here yet, before anything is measured: nobody waits half an hour to hear that npm is missing.
pub(crate) fn prepare(options: &Options, wanted: &LiveOptions) -> Result<()> {
    let told = wanted.parts.iter().any(|part| matches!(part, LivePart::FanOut | LivePart::Idle));
    if told && wanted.broadcasters.iter().any(|which| *which != Broadcasting::Fusion) {
        broadcast::installed(options)?;
    }
    Ok(())
}

/// Measures.
pub(crate) fn live(options: &Options, wanted: &LiveOptions) -> Result<Live> {
    let mut live = Live::default();
    // Before any server is started: it may have as many as we.
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

/// As many connections as wanted, or as there can be, which is then said.
fn within(wanted: usize, connections_max: usize) -> usize {
    if wanted > connections_max {
        eprintln!("RLIMIT_NOFILE allows {connections_max} connections and not {wanted}: measuring with those");
    }
    wanted.min(connections_max)
}
