//! The real-time API: publishes changes of topics to connected clients and answers commands on the same connection.
//!
//! ```text
//!   entity accepted ─► noted by the topic channel (one per topic)
//!                        └─► its task: frame, encoded once ─► the socket of every connection, without waking its task
//!                                                               └─► a socket that would block: its send queue and task
//!   socket ─► session (hello, subscribe) ─► topic (topic.rs), read as its REST route reads it
//!                └─► command ─► PublicApi::answer: the same answer as REST
//! ```

mod answers;
mod binary;
mod connection;
mod encoding;
mod events;
mod frames;
mod hub;
mod operations;
mod send_queue;
mod session;
mod socket;
#[cfg(test)]
mod tests;
mod text;
mod topic;
mod topic_channel;
mod unfinished;
mod viewers;

pub(crate) use self::{
    binary::drop_state,
    events::stream,
    frames::Standing,
    hub::Hub,
    operations::Operations,
    socket::{refuse, upgrade},
    topic::{Fact, Reader, Reading, Scope, TopicKind, Visibility},
    viewers::record_viewers,
};

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The maximum size in bytes of a message from a client: a message with the maximum number of commands fits. A
/// connection may keep a buffer of this size in memory once it has sent such a message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The maximum number of frames in a message from a client.
pub const FRAMES_MAX: usize = 256;
/// The maximum number of topics that a connection subscribes to.
pub const SUBSCRIPTIONS_MAX: usize = 64;
/// The maximum number of commands of a connection that have no reply yet.
pub const COMMANDS_MAX: usize = 256;
/// The maximum number of commands of a connection that run concurrently, not counting claims and releases. As many
/// replies, each of a megabyte and more, may wait to be sent.
pub const CALLS_AT_ONCE: usize = 16;
/// The time within which a client must send `hello`.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval between pings. The server disconnects a client that is silent for twice as long.
pub const PING_EVERY: Duration = Duration::from_secs(25);
/// How long before its token expires the client is notified.
pub const EXPIRING: Duration = Duration::from_secs(60);
/// The minimum interval between two states of a topic: the eye follows 20 a second.
pub const STATE_EVERY: Duration = Duration::from_millis(50);
/// How long a topic must be quiet before its changes are published: a few journal groups. Publication is delayed by
/// [`STATE_EVERY`] at most.
pub const JOINED_WITHIN: Duration = Duration::from_millis(4);
/// The number of facts (events) of a topic that are kept for clients that reconnect.
pub const FACTS_KEPT: usize = 256;
/// The maximum number of accepted changes of a topic whose facts have not been read yet. The busiest drop that was
/// measured takes 30 ms for as many claims, which is longer than the channel's task waits for its turn, and they take
/// some 3 MB. Beyond it the subscribers start again from the state.
pub const CHANGES_NOTED_MAX: usize = 16_384;
/// How long a topic channel stays in memory after its last subscriber has left, so that a reconnecting client can
/// resume.
pub const LINGER: Duration = Duration::from_secs(60);
/// The maximum number of bytes in the send queue of a connection. Beyond it the server disconnects the client.
pub const QUEUE_BYTES_MAX: usize = 1 << 20;
/// The maximum number of messages in the send queue of a connection. With small messages, the bookkeeping for them
/// takes most of the memory.
pub const QUEUE_MESSAGES_MAX: usize = 2_048;
/// The maximum number of bytes in the send queues of all connections together. Beyond it the server disconnects the
/// clients that fall further behind, so that many clients behind one slow network do not exhaust the memory of the
/// server.
pub const BACKLOG_BYTES_MAX: usize = 256 << 20;
/// The bytes reserved for the reply of a running operation: more than most replies take. Over all connections, as many
/// operations run as there are reservations in [`BACKLOG_BYTES_MAX`].
pub const REPLY_BYTES_RESERVED: usize = 256 << 10;
/// How long a client may take less than [`STALL_BYTES`] while data waits for it. After that it is disconnected.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of bytes that a client must take from its queue within [`STALL_TIMEOUT`]. Linux reports a socket as
/// writable when a third of its send buffer is free, so in effect a client has to take some 140 KB, 14 KB a second. A
/// client that takes a byte now and then cannot hold a queue indefinitely.
pub const STALL_BYTES: usize = 16 * 1024;
/// How long running commands may take to finish when the server stops.
pub const FINISH_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of WebSocket frames per second from a client: messages, their continuations, pings and pongs. No
/// client of a shop sends more.
pub const MESSAGES_A_SECOND_MAX: u32 = 2_000;
/// The maximum time between the first and the last byte of a message: 2 KB a second for the largest message.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum number of bytes of unfinished messages from all connections of one address: 64 of the largest messages
/// at once. Clients that share a carrier's address send some hundred bytes each.
pub const UNFINISHED_BYTES_PER_ADDRESS_MAX: usize = 64 * MESSAGE_BYTES_MAX;
/// How long a client may take to receive the last frames of a connection that the server closes.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The time over which reconnects are spread when the server stops.
pub const RECONNECT_SPREAD: Duration = Duration::from_secs(5);

/// The close codes of the server. After 4000 to 4499 the client should reconnect. After 4500 and above, and after the
/// codes of RFC 6455, a reconnect would fail in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// The bytes are not valid WebSocket (RFC 6455).
    Protocol = 1002,
    /// A text message is not UTF-8.
    NotText = 1007,
    /// The server stops.
    Stopping = 4000,
    /// The client reads too slowly.
    Slow = 4001,
    /// The client was silent for too long.
    Silent = 4002,
    /// The client did not send `hello` in time.
    NoHello = 4003,
    /// The token expired.
    TokenEnded = 4004,
    /// The token could not be verified now.
    NotNow = 4005,
    /// A message is not a valid frame.
    Malformed = 4500,
    /// The token is invalid.
    BadToken = 4501,
    /// The client exceeded a limit.
    BeyondLimits = 4502,
}

impl Close {
    /// Counts a connection that is closed with this code.
    pub(crate) fn count(self) {
        metrics::counter!("fusion_live_closed_total", "code" => (self as u16).to_string()).increment(1);
    }

    /// The human-readable reason in the close frame.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Close::Protocol => "WebSocket protocol error",
            Close::NotText => "text is not UTF-8",
            Close::Stopping => "the server is stopping",
            Close::Slow => "the client reads too slowly",
            Close::Silent => "no message within the idle timeout",
            Close::NoHello => "no hello frame in time",
            Close::TokenEnded => "the token has expired",
            Close::NotNow => "the token cannot be verified at present",
            Close::Malformed => "malformed frame",
            Close::BadToken => "the token is not valid",
            Close::BeyondLimits => "exceeds the limits in the welcome frame",
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Returns a random delay within [`RECONNECT_SPREAD`], so that clients do not all reconnect at once.
fn spread() -> u64 {
    let random = crate::auth::keys::random128().unwrap_or_default();
    random as u64 % RECONNECT_SPREAD.as_millis() as u64
}
