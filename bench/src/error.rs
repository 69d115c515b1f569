//! The errors of a measurement, with what to do about them.

use std::io;

/// The reason why a measurement stopped. Nothing is retried: a figure from a run that needed repair is worthless.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The operating system refused an operation.
    #[error("{what}: {source}")]
    Io {
        /// The operation and its object.
        what: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// A server's answer differs from its contract.
    #[error("{what}: unexpected answer {status}: {body}")]
    Unexpected {
        /// The request.
        what: String,
        /// Its HTTP status, or 0 where there is none.
        status: u16,
        /// The answer, cut to a readable length.
        body: String,
    },
    /// A server closed a connection that it should have kept.
    #[error("{peer} closed connection {connection} while it was in use")]
    HungUp {
        /// The server.
        peer: String,
        /// The number of the generator's connection.
        connection: usize,
    },
    /// Requests remained without an answer.
    #[error("{peer}: {unanswered} requests without an answer {seconds} s after the load ended")]
    Unanswered {
        /// The server that did not answer.
        peer: String,
        /// The number of requests.
        unanswered: usize,
        /// How long the generator waited, in seconds.
        seconds: u64,
    },
    /// A server's numbers do not match what it had acknowledged.
    #[error("{peer} mislaid units: {acknowledged} were acknowledged, {recorded} are recorded")]
    Mislaid {
        /// The server.
        peer: String,
        /// The units that it acknowledged.
        acknowledged: u64,
        /// The units that it reports as taken.
        recorded: u64,
    },
    /// Other programs use the machine.
    #[error(
        "the machine is busy: load average {load:.2} over one minute, more than {allowed:.2}; busiest: {busiest}. \
         Wait, or measure anyway with --force (the results will say so)"
    )]
    Busy {
        /// The one-minute load average.
        load: f64,
        /// The highest load average that is accepted.
        allowed: f64,
        /// The busiest processes, as text.
        busiest: String,
    },
    /// PostgreSQL, or the connection to it, failed.
    #[error("postgresql: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// Anything that the user has to set up first.
    #[error("{0}")]
    Setup(String),
}

impl BenchError {
    /// An unexpected answer, with its body cut to what fits on a screen.
    pub(crate) fn unexpected(what: impl Into<String>, status: u16, body: &[u8]) -> Self {
        const SHOWN_BYTES: usize = 600;
        let shown = &body[..body.len().min(SHOWN_BYTES)];
        Self::Unexpected { what: what.into(), status, body: String::from_utf8_lossy(shown).into_owned() }
    }
}

/// The result of a step of a measurement.
pub(crate) type Result<T> = std::result::Result<T, BenchError>;

/// Adds a description of the operation to an error of the operating system.
pub(crate) trait Doing<T> {
    /// Adds `what` to the error.
    fn doing(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| BenchError::Io { what: what.into(), source: source.into() })
    }
}
