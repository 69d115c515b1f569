//! What can go wrong in a measurement, in words that say what to do about it.

use std::io;

/// Why a measurement stopped. Nothing is retried: a figure from a run that had to be patched up is worth nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to what.
        what: String,
        /// The refusal.
        source: io::Error,
    },
    /// A server answered something else than its contract says.
    #[error("{what}: unexpected answer {status}: {body}")]
    Unexpected {
        /// The request.
        what: String,
        /// Its HTTP status, or 0 where there is none.
        status: u16,
        /// The answer, cut to a readable length.
        body: String,
    },
    /// A server hung up on a connection that it should have kept.
    #[error("{peer} closed connection {connection} while it was in use")]
    HungUp {
        /// Who.
        peer: String,
        /// Which of the generator's connections.
        connection: usize,
    },
    /// Requests stayed without an answer.
    #[error("{peer}: {unanswered} requests without an answer {seconds} s after the load ended")]
    Unanswered {
        /// Who owes them.
        peer: String,
        /// How many.
        unanswered: usize,
        /// How long they were waited for.
        seconds: u64,
    },
    /// A server's numbers do not add up to what it had acknowledged.
    #[error("{peer} mislaid units: {acknowledged} were acknowledged, {recorded} are recorded")]
    Mislaid {
        /// Who.
        peer: String,
        /// Units that it said yes to.
        acknowledged: u64,
        /// Units that it says are taken.
        recorded: u64,
    },
    /// Someone else uses the machine.
    #[error(
        "the machine is busy: load average {load:.2} over one minute, more than {allowed:.2}; busiest: {busiest}. \
         Wait, or measure anyway with --force (the results will say so)"
    )]
    Busy {
        /// One-minute load average.
        load: f64,
        /// The most that is accepted.
        allowed: f64,
        /// Who keeps it busy, for people.
        busiest: String,
    },
    /// PostgreSQL or the way to it.
    #[error("postgresql: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// Anything that a person has to put right first.
    #[error("{0}")]
    Setup(String),
}

impl BenchError {
    /// An unexpected answer, its body cut to what fits on a screen.
    pub(crate) fn unexpected(what: impl Into<String>, status: u16, body: &[u8]) -> Self {
        const SHOWN_BYTES: usize = 600;
        let shown = &body[..body.len().min(SHOWN_BYTES)];
        Self::Unexpected { what: what.into(), status, body: String::from_utf8_lossy(shown).into_owned() }
    }
}

/// The result of a step of a measurement.
pub(crate) type Result<T> = std::result::Result<T, BenchError>;

/// Says what was being done when the operating system refused.
pub(crate) trait Doing<T> {
    /// Adds `what` to the error.
    fn doing(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| BenchError::Io { what: what.into(), source: source.into() })
    }
}
