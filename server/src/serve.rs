//! `fusion serve`: from the first lock to the last checkpoint.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Instant,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    demo::{self, DemoError},
    descriptors::{self, TooFewDescriptors},
    local::{LocalDoors, LocalSocket, SocketError},
    pages, sandbox_page,
    wiring::{House, OpenError},
};

/// Connections that the system keeps for us while we are busy.
const BACKLOG: u32 = 4_096;
/// What a process ends with that a second signal stopped: the shell's way of saying so.
const EXIT_INTERRUPTED: i32 = 130;
/// What a process ends with that could not go on.
const EXIT_FATAL: i32 = 70;

/// What an operator is told at the start, in the log and on the screen: buyers are told by the shop's pages.
const NO_PAYMENTS: &str = "no payment provider is configured: nothing can be bought, and the shop says so; \
    sandbox_payments = true (FUSION_SANDBOX_PAYMENTS=true) switches on the sandbox, which moves no money";

/// A server that did not start, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Someone else listens there.
    #[error(
        "{0} is in use by another program: stop that one, or listen elsewhere with --listen ADDRESS:PORT, FUSION_LISTEN, \
         or `listen` in the configuration file"
    )]
    PortInUse(SocketAddr),
    /// It cannot listen there.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// The system lets this process open too few files.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// The numbers cannot be counted.
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The data folder does not open.
    #[error("{why}{}", .advice.as_ref().map(|advice| format!("\nfusion: {advice}")).unwrap_or_default())]
    Open {
        /// What is wrong.
        why: Box<OpenError>,
        /// What to do.
        advice: Option<String>,
    },
    /// The socket for this machine's commands does not open.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The demo shop could not be set up.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The system gives no signals.
    #[error("signals: {0}")]
    Signals(io::Error),
}

/// Serves until it is told to stop.
pub(crate) async fn run(config: &Config) -> Result<(), ServeError> {
    let began = Instant::now();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), dev = config.dev, "starting");
    if config.dev && !config.listen.ip().is_loopback() {
        tracing::warn!(address = %config.listen, "a development server can be reached from other machines");
    }
    match (config.sandbox, config.dev) {
        (true, false) => tracing::warn!("sandbox_payments is on: orders can be paid without money"),
        (false, _) => tracing::warn!("{NO_PAYMENTS}"),
        (true, true) => {}
    }
    let mut config = config.clone();
    descriptors::bound_connections(&mut config.doors, descriptors::raise_limit())?;
    let stop = stop_on_signals()?;
    // Bound before the folder is opened: that may take long, and would be for nothing.
    let socket = bind(config.listen)?;
    let config = &config.listening_on(socket.local_addr().unwrap_or(config.listen));
    let metrics = gateway::ops::metrics::install()?;
    let mut house = House::open(config, metrics)
        .await
        .map_err(|why| ServeError::Open { advice: why.advice(&config.data_dir), why: Box::new(why) })?;
    let rooms = house.rooms.clone();
    let payment_pages = rooms.sandbox.clone().map(sandbox_page::routes).unwrap_or_default();
    rooms.gateway.add_pages(pages::routes().merge(payment_pages.with_state(())));
    let doors = LocalDoors::new(rooms.clone());
    let demo = match config.dev {
        true => Some(demo::set_up(&rooms, &doors).await?),
        false => None,
    };
    let listener = listen(socket, config.listen)?;
    let local = LocalSocket::open(&config.data_dir, doors)?;
    // The door takes a moment to build: nobody hears of it before it stands.
    let door = gateway::Door::new(rooms.gateway.clone());
    let serving = tokio::spawn(gateway::serve(door, listener, stop.clone().cancelled_owned()));
    tracing::info!(address = %config.listen, start_ms = began.elapsed().as_millis() as u64, "ready");
    let banner = match &demo {
        Some(demo) => demo.banner(config),
        None if config.sandbox => format!("fusion serves on http://{}", config.listen),
        None => format!("warning: {NO_PAYMENTS}\nfusion serves on http://{}", config.listen),
    };
    // Whoever started us may not read on: `fusion serve --dev | head` must not end the server.
    let _ = writeln!(io::stdout(), "{banner}");

    tokio::select! {
        () = stop.cancelled() => {}
        error = house.failed() => {
            tracing::error!(error, "a shard cannot go on");
            // Standard error may be a file on a full disk: what cannot be said must not keep the process.
            let _ = writeln!(
                io::stderr(),
                "fusion: cannot go on: {error}\n\
                 fusion: nothing that was answered is lost. Look at it with `{} doctor`, then start again.",
                crate::program::name()
            );
            std::process::exit(EXIT_FATAL);
        }
    }
    tracing::info!("stopping: no new requests; those under way are finished");
    drop(local);
    if let Err(error) = serving.await {
        tracing::error!(%error, "the door ended badly");
    }
    drop(rooms);
    house.close(config.doors.drain_timeout).await;
    tracing::info!("stopped");
    Ok(())
}

/// Takes the address, without taking connections yet.
fn bind(address: SocketAddr) -> Result<TcpSocket, ServeError> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        // A port whose last connections are still being closed is free.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    });
    bound.map_err(|why| refused(address, why))
}

fn listen(socket: TcpSocket, address: SocketAddr) -> Result<TcpListener, ServeError> {
    socket.listen(BACKLOG).map_err(|why| refused(address, why))
}

fn refused(address: SocketAddr, why: io::Error) -> ServeError {
    match why.kind() {
        io::ErrorKind::AddrInUse => ServeError::PortInUse(address),
        _ => ServeError::Listen { address, why },
    }
}

/// The first SIGTERM or SIGINT stops the server in order, a second one at once.
fn stop_on_signals() -> Result<CancellationToken, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if told.is_cancelled() {
                eprintln!("fusion: stopping at once; nothing that was answered is lost");
                std::process::exit(EXIT_INTERRUPTED);
            }
            told.cancel();
        }
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_the_way_to_change_it() {
        let first = listen(bind(([127, 0, 0, 1], 0).into()).unwrap(), ([127, 0, 0, 1], 0).into()).unwrap();
        let address = first.local_addr().unwrap();
        let refused = bind(address).unwrap_err().to_string();
        assert!(refused.contains(&address.to_string()) && refused.contains("--listen"), "{refused}");
    }
}
