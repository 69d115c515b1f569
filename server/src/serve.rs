//! `fusion serve`: runs the server, from locking the data folder to the last checkpoint.

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
    admin_socket::{AdminSocket, LocalSocket, SocketError},
    app::{App, OpenError},
    config::Config,
    demo::{self, DemoError},
    descriptors::{self, TooFewDescriptors},
    pages, sandbox_page,
};

/// The maximum number of connections that the kernel queues until they are accepted.
const BACKLOG: u32 = 4_096;
/// The exit code after a second signal, as shells report SIGINT (128 + 2).
const EXIT_INTERRUPTED: i32 = 130;
/// The exit code after a fatal error (`EX_SOFTWARE` of sysexits.h).
const EXIT_FATAL: i32 = 70;

/// The warning for operators, in the log and on the terminal. Buyers see it on the shop's pages.
const NO_PAYMENTS: &str = "no payment provider is configured, so orders cannot be paid; \
    sandbox_payments = true (FUSION_SANDBOX_PAYMENTS=true) enables the sandbox, which moves no money";

/// A server that did not start, or did not stop in order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Another program listens on the address.
    #[error(
        "{0} is in use by another program: stop it, or use another address with --listen ADDRESS:PORT, FUSION_LISTEN \
         or `listen` in the configuration file"
    )]
    PortInUse(SocketAddr),
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        why: io::Error,
    },
    /// The limit of open files is too low.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// The metrics recorder cannot be installed.
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The data folder cannot be opened.
    #[error("{why}{}", .advice.as_ref().map(|advice| format!("\nfusion: {advice}")).unwrap_or_default())]
    Open {
        /// The error.
        why: Box<OpenError>,
        /// What the operator can do about it.
        advice: Option<String>,
    },
    /// The admin socket cannot be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The demo shop could not be set up.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// Signal handlers cannot be installed.
    #[error("signals: {0}")]
    Signals(io::Error),
}

/// Serves until a signal stops the server or a shard fails.
pub(crate) async fn run(config: &Config) -> Result<(), ServeError> {
    let began = Instant::now();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), dev = config.dev, "starting");
    if config.dev && !config.listen.ip().is_loopback() {
        tracing::warn!(address = %config.listen, "a development server is reachable from other machines");
    }
    match (config.sandbox, config.dev) {
        (true, false) => tracing::warn!("sandbox_payments is enabled: orders can be paid without money"),
        (false, _) => tracing::warn!("{NO_PAYMENTS}"),
        (true, true) => {}
    }
    let mut config = config.clone();
    descriptors::bound_connections(&mut config.api, descriptors::raise_limit())?;
    let stop = stop_on_signals()?;
    // Bound before the folder is opened: opening may take long, and would be in vain if the address is in use.
    let socket = bind(config.listen)?;
    let config = &config.listening_on(socket.local_addr().unwrap_or(config.listen));
    let metrics = gateway::ops::metrics::install()?;
    let mut app = App::open(config, metrics)
        .await
        .map_err(|why| ServeError::Open { advice: why.advice(&config.data_dir), why: Box::new(why) })?;
    let backends = app.backends.clone();
    let payment_pages = backends.sandbox.clone().map(sandbox_page::routes).unwrap_or_default();
    backends.gateway.add_pages(pages::routes().merge(payment_pages.with_state(())));
    let api = AdminSocket::new(backends.clone());
    let demo = match config.dev {
        true => Some(demo::set_up(&backends, &api).await?),
        false => None,
    };
    // Listening starts only now that the shards are led and the demo shop exists: earlier requests would fail.
    let listener = listen(socket, config.listen)?;
    let admin_socket = LocalSocket::open(&config.data_dir, api)?;
    // Building the public API takes a moment, so it is ready before `ready` is logged and the banner is printed.
    let api = gateway::PublicApi::new(backends.gateway.clone());
    let serving = tokio::spawn(gateway::serve(api, listener, stop.clone().cancelled_owned()));
    tracing::info!(address = %config.listen, start_ms = began.elapsed().as_millis() as u64, "ready");
    let banner = match &demo {
        Some(demo) => demo.banner(config),
        None if config.sandbox => format!("fusion serves on http://{}", config.listen),
        None => format!("warning: {NO_PAYMENTS}\nfusion serves on http://{}", config.listen),
    };
    // Standard output may be closed, as in `fusion serve --dev | head`: that must not end the server.
    let _ = writeln!(io::stdout(), "{banner}");

    tokio::select! {
        () = stop.cancelled() => {}
        error = app.failed() => {
            tracing::error!(error, "a shard failed");
            // Standard error may be a file on a full disk: a failed write must not keep the process alive.
            let _ = writeln!(
                io::stderr(),
                "fusion: stopping after an error: {error}\n\
                 fusion: no answered command is lost. Check the data with `{} doctor`, then restart.",
                crate::program::name()
            );
            std::process::exit(EXIT_FATAL);
        }
    }
    tracing::info!("stopping: new requests are refused, running requests complete");
    drop(admin_socket);
    // Requests first, then the folder: a request that is being handled still needs the node.
    if let Err(error) = serving.await {
        tracing::error!(%error, "the admin socket failed");
    }
    drop(backends);
    app.close(config.api.drain_timeout).await;
    tracing::info!("stopped");
    Ok(())
}

/// Binds the address without accepting connections yet.
fn bind(address: SocketAddr) -> Result<TcpSocket, ServeError> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        // A port whose last connections are still closing counts as free.
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

/// Returns a token that the first SIGTERM or SIGINT cancels for an orderly stop. A second signal exits at once.
fn stop_on_signals() -> Result<CancellationToken, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if signalled.is_cancelled() {
                eprintln!("fusion: stopping immediately; no answered command is lost");
                std::process::exit(EXIT_INTERRUPTED);
            }
            signalled.cancel();
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
