//! The live doors: what happens is told as it happens, and commands come back on the same connection.
//!
//! ```text
//!   entity accepted ─► room (one a topic) ─► frame, once ─► every peer's socket, without waking its task
//!                                                               │ a socket that would block
//!                                                               └─► its queue, and its task
//!   socket ─► session (hello, subscribe, command) ─► Door::answer: what REST answers
//! ```

mod answers;
mod binary;
mod events;
mod frames;
mod operations;
mod peer;
mod room;
mod rooms;
mod session;
mod socket;
#[cfg(test)]
mod tests;
mod text;
mod topic;
mod unfinished;
mod viewers;
mod waiting;
mod wire;

pub(crate) use self::{
    events::stream,
    operations::Operations,
    rooms::Rooms,
    socket::{refuse, upgrade},
    viewers::record_viewers,
};

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Bytes of a message from a client: a full one of commands fits. What a connection has said once, it may keep in memory.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Frames of a message from a client.
pub const FRAMES_MAX: usize = 256;
/// Topics of a connection.
pub const SUBSCRIPTIONS_MAX: usize = 64;
/// Commands of a connection without a reply yet.
pub const COMMANDS_MAX: usize = 256;
/// Commands of a connection that are carried out at once; claims and releases are not counted. As many replies, of a
/// megabyte and more, may wait to be said.
pub const CALLS_AT_ONCE: usize = 16;
/// How long a client may take to say `hello`.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a client is asked whether it is there. One that is silent for twice as long is cut.
pub const PING_EVERY: Duration = Duration::from_secs(25);
/// How long before its token ends a client is told.
pub const EXPIRING: Duration = Duration::from_secs(60);
/// The shortest time between two states of a topic: 20 a second are what an eye follows.
pub const STATE_EVERY: Duration = Duration::from_millis(50);
/// For how long nothing more has to happen before the news of a topic is told: a few groups of the journal. It waits for
/// [`STATE_EVERY`] at the most.
pub const JOINED_WITHIN: Duration = Duration::from_millis(4);
/// Facts of a topic that are kept for those who come back.
pub const FACTS_KEPT: usize = 256;
/// How long a topic is kept after the last has left it: a reconnect finds its place.
pub const LINGER: Duration = Duration::from_secs(60);
/// Bytes that may wait for a client that reads slowly. Beyond that it is cut.
pub const QUEUE_BYTES_MAX: usize = 1 << 20;
/// Messages that may wait for a client that reads slowly: of small ones the memory for keeping them is the most.
pub const QUEUE_MESSAGES_MAX: usize = 2_048;
/// Bytes that may wait for all clients together. Beyond that those are cut who fall behind further: a crowd behind one bad
/// line does not take the memory that the shop runs in.
pub const BACKLOG_BYTES_MAX: usize = 256 << 20;
/// The room that is kept for the reply of an operation under way: more than most take. As many are under way over all
/// connections as fit into [`BACKLOG_BYTES_MAX`].
pub const REPLY_BYTES_RESERVED: usize = 256 << 10;
/// How long a client may take less than [`STALL_BYTES`] while something waits for it. Then it is cut.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// What the slowest line takes of its queue in that time. Linux says that a socket has room when a third of its buffer is
/// free: so it is some 140 KB that a client has to take, 14 KB a second. Who takes a byte now and then holds no queue for ever.
pub const STALL_BYTES: usize = 16 * 1024;
/// How long commands under way have to be answered when the server stops.
pub const FINISH_TIMEOUT: Duration = Duration::from_secs(5);
/// WebSocket frames of a client in a second: messages, their continuations, pings and pongs. Whoever says more is no
/// shop's page.
pub const MESSAGES_A_SECOND_MAX: u32 = 2_000;
/// How long a message may take from its first byte to its last: of the largest that is 2 KB a second.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of messages that have begun and have not ended, of all connections from one address: 64 of the largest at once,
/// where the crowd behind one carrier's address says some hundred bytes each.
pub const UNFINISHED_BYTES_PER_ADDRESS_MAX: usize = 64 * MESSAGE_BYTES_MAX;
/// How long a client may take to hear what was said last.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Over what time clients come back that are told that the server stops.
pub const RECONNECT_SPREAD: Duration = Duration::from_secs(5);

/// Why the server ends a connection. 4000 to 4499: come back; from 4500 on, and with those of RFC 6455, it would happen
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// What no WebSocket says (RFC 6455).
    Protocol = 1002,
    /// A text that is not UTF-8.
    NotText = 1007,
    /// The server stops.
    Stopping = 4000,
    /// The client reads too slowly.
    Slow = 4001,
    /// The client was silent for too long.
    Silent = 4002,
    /// No `hello` in time.
    NoHello = 4003,
    /// The token ended.
    TokenEnded = 4004,
    /// It could not be found out whose the token is.
    NotNow = 4005,
    /// A message that is no frame.
    Malformed = 4500,
    /// The token is not good.
    BadToken = 4501,
    /// More than the limits.
    BeyondLimits = 4502,
}

impl Close {
    /// Counts one that is said.
    pub(crate) fn count(self) {
        metrics::counter!("fusion_live_closed_total", "code" => (self as u16).to_string()).increment(1);
    }

    /// For people who look at the connection.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Close::Protocol => "not the WebSocket protocol",
            Close::NotText => "a text that is not UTF-8",
            Close::Stopping => "the server stops",
            Close::Slow => "reads too slowly",
            Close::Silent => "silent for too long",
            Close::NoHello => "no hello in time",
            Close::TokenEnded => "the token ended",
            Close::NotNow => "cannot tell now whose the token is",
            Close::Malformed => "not a frame of this protocol",
            Close::BadToken => "the token is not good",
            Close::BeyondLimits => "beyond the limits in welcome",
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Some time within the spread, so that not everyone comes back at once.
fn spread() -> u64 {
    let random = crate::auth::keys::random128().unwrap_or_default();
    random as u64 % RECONNECT_SPREAD.as_millis() as u64
}
