//! Connections: accepted, bounded, and ended in order.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Door;

/// The most headers of a request: browsers send some 20.
const HEADERS_MAX: usize = 64;
/// The most bytes of a request's head, and of what is read ahead of it.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long to pause when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection beyond the bound may take to hear so.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Refusals under way at once; connections beyond that are closed without a word.
const REFUSALS_MAX: usize = 256;
/// How long what was sent may wait to be taken.
#[cfg(target_os = "linux")]
const UNTAKEN_TIMEOUT: Duration = Duration::from_secs(30);

const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/problem+json\r\ncontent-length: 160\r\n\r\n\
    {\"type\":\"/problems/overloaded\",\"code\":\"overloaded\",\"title\":\"Too much is waiting\",\"status\":503,\
    \"detail\":\"too many connections\",\"request_id\":\"connection-refused\"}";

/// Answers at `door` whoever connects to `listener`, until `shutdown` ends, and then until every request under way is
/// answered, or [`drain_timeout`](crate::Settings::drain_timeout) has passed.
pub async fn serve(door: Door, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let gateway = door.gateway();
    let settings = gateway.settings.clone();
    let upkeep = tokio::spawn(crate::ops::upkeep(gateway.clone()));
    let connections = Arc::new(Semaphore::new(settings.connections_max));
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // Watched over by `connection`, with one timer for all of its requests.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .writev(false)
        .max_buf_size(HEAD_BYTES_MAX);

    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let _ = stream.set_nodelay(true);
        // One that takes nothing of what is sent is given up, whoever else keeps the connection busy.
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNTAKEN_TIMEOUT));
        match connections.clone().try_acquire_owned() {
            Ok(permit) => {
                let serving =
                    connection(http.clone(), door.clone(), stream, peer, stop.child_token(), settings.idle_timeout);
                tracker.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(_) => {
                if let Ok(permit) = refusals.clone().try_acquire_owned() {
                    tracker.spawn(async move {
                        refuse(stream).await;
                        drop(permit);
                    });
                }
            }
        }
    }
    drop(listener);
    let open = tracker.len();
    tracing::info!(open, "draining connections");
    stop.cancel();
    tracker.close();
    let rooms = door.rooms();
    rooms.stop.cancel();
    rooms.tracker.close();
    let ended = futures::future::join(tracker.wait(), rooms.tracker.wait());
    if tokio::time::timeout(settings.drain_timeout, ended).await.is_err() {
        tracing::warn!(open = tracker.len(), "connections cut after the drain timeout");
    }
    upkeep.abort();
}

/// Serves one connection until its peer ends it, it idles too long, or the server stops.
async fn connection(
    http: http1::Builder,
    door: Door,
    stream: TcpStream,
    peer: SocketAddr,
    stop: CancellationToken,
    idle_timeout: Duration,
) {
    let activity = Activity::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (door, busy) = (door.clone(), activity.begin());
        async move {
            let response = door.answer(request.map(Body::new), peer).await;
            Ok::<_, Infallible>(match response.body().size_hint().exact() {
                Some(_) => response,
                // A stream is under way as long as it flows.
                None => response.map(|body| {
                    Body::new(body.map_frame(move |frame| {
                        let _ = &busy;
                        frame
                    }))
                }),
            })
        }
    });
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    tokio::select! {
        biased;
        // Errors here are the peer's: it broke off, or did not speak HTTP, and has been told what could be told.
        _ = serving.as_mut() => return,
        () = stop.cancelled() => {}
        () = activity.idled(idle_timeout) => {}
    }
    // What is being answered still is, to its end. A head that was begun and never ends is not waited for any longer.
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = serving.as_mut() => {}
        () = activity.idled(idle_timeout) => {}
    }
}

/// When a connection last had a request that was answered. A head that does not end is none.
#[derive(Default)]
struct Activity(Arc<Mutex<Seen>>);

#[derive(Clone, Copy)]
enum Seen {
    Busy,
    IdleSince(Instant),
}

impl Default for Seen {
    fn default() -> Self {
        Self::IdleSince(Instant::now())
    }
}

/// A request under way.
struct Busy(Arc<Mutex<Seen>>);

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.lock() = Seen::default();
    }
}

impl Activity {
    fn begin(&self) -> Busy {
        *self.0.lock() = Seen::Busy;
        Busy(self.0.clone())
    }

    /// Ends when nothing was asked for `timeout`.
    async fn idled(&self, timeout: Duration) {
        let mut look_at = Instant::now() + timeout;
        loop {
            tokio::time::sleep_until(look_at).await;
            look_at = match *self.0.lock() {
                Seen::Busy => Instant::now() + timeout,
                Seen::IdleSince(at) if at.elapsed() >= timeout => return,
                Seen::IdleSince(at) => at + timeout,
            };
        }
    }
}

async fn refuse(mut stream: TcpStream) {
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, async {
        stream.write_all(REFUSAL).await?;
        stream.shutdown().await
    })
    .await;
}

#[cfg(test)]
pub(super) const REFUSAL_TEXT: &[u8] = REFUSAL;
