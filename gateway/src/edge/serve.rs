//! The HTTP server: accepts connections, bounds them, and ends them in order.

use std::{convert::Infallible, net::SocketAddr, os::fd::AsRawFd, pin::pin, sync::Arc, time::Duration};

use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;
use hyper::{
    Request,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    PublicApi,
    activity::Activity,
    client_stream::ClientStream,
    places::{AddressPlace, ConnectionPermit, Full, Places},
    unread,
};

/// The maximum number of headers of a request: browsers send some 20.
const HEADERS_MAX: usize = 64;
/// The maximum size in bytes of a request's head, including what is read ahead of it: a token and the positions in 64
/// topics take 8 KiB. A client that never finishes a head holds as much memory.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long to pause when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long sending the refusal of a connection may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum number of refusals in progress. Connections beyond it are closed without a response.
const REFUSALS_MAX: usize = 256;
/// How long sent data may stay unacknowledged.
#[cfg(target_os = "linux")]
const UNTAKEN_TIMEOUT: Duration = Duration::from_secs(30);

/// The response to a connection that is refused.
fn refusal(detail: &str) -> String {
    let body = format!(
        "{{\"type\":\"/problems/overloaded\",\"code\":\"overloaded\",\"title\":\"Too many requests are waiting\",\"status\":503,\
         \"detail\":\"{detail}\",\"request_id\":\"connection-refused\"}}"
    );
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
         content-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Serves `api` on `listener` until `shutdown` resolves, and then until every request in progress is answered or
/// [`drain_timeout`](crate::Settings::drain_timeout) has passed.
pub async fn serve(api: PublicApi, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let gateway = api.gateway();
    let settings = gateway.settings.clone();
    let upkeep = tokio::spawn(crate::ops::upkeep(gateway.clone()));
    api.hub().tracker.spawn(crate::live::record_viewers(api.clone()));
    let places = Places::new(&settings);
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // `connection` enforces it, with one timer for all requests of a connection.
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
        // Drops a connection whose client does not acknowledge data, even if other activity keeps it busy.
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNTAKEN_TIMEOUT));
        let descriptor = u64::try_from(stream.as_raw_fd()).unwrap_or_default();
        match places.take(peer.ip(), descriptor, gateway.limits.is_free(peer.ip())) {
            Ok(place) => {
                let stop = stop.child_token();
                tracker.spawn(connection(http.clone(), api.clone(), stream, peer, place, stop));
            }
            Err(full) => {
                metrics::counter!("fusion_connections_refused_total", "bound" => full.name()).increment(1);
                let detail = match full {
                    Full::All => "too many connections",
                    Full::Address => "too many connections from this address",
                    // The connection has a descriptor reserved for files: close it without a response.
                    Full::Descriptors => continue,
                };
                if let Ok(permit) = refusals.clone().try_acquire_owned() {
                    tracker.spawn(async move {
                        refuse(stream, detail).await;
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
    let rooms = api.hub();
    rooms.stop.cancel();
    rooms.tracker.close();
    let ended = futures::future::join(tracker.wait(), rooms.tracker.wait());
    if tokio::time::timeout(settings.drain_timeout, ended).await.is_err() {
        tracing::warn!(open = tracker.len(), "connections cut after the drain timeout");
    }
    upkeep.abort();
}

/// Serves one connection until the client ends it, it idles too long, or the server stops.
async fn connection(
    http: http1::Builder,
    api: PublicApi,
    stream: TcpStream,
    peer: SocketAddr,
    (permit, _address): (ConnectionPermit, AddressPlace),
    stop: CancellationToken,
) {
    let (activity, idle_timeout) = (Activity::default(), api.gateway().settings.idle_timeout);
    let service = service_fn(|request: Request<Incoming>| {
        let (api, busy, permit) = (api.clone(), activity.begin(), permit.clone());
        async move {
            let (head, incoming) = request.into_parts();
            let (body, unread) = unread::share(&head.headers, incoming);
            let mut request = Request::from_parts(head, body);
            request.extensions_mut().insert(permit);
            let mut response = api.answer_peer(request, peer).await;
            if let Some(unread) = unread
                && !response.headers().contains_key(CONNECTION)
                && !unread.drain().await
            {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(match response.body().size_hint().exact() {
                Some(_) => response,
                // A stream is in progress as long as its body is.
                None => response.map(|body| {
                    Body::new(body.map_frame(move |frame| {
                        let _ = &busy;
                        frame
                    }))
                }),
            })
        }
    });
    let stream = ClientStream::new(stream, activity.clone());
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    tokio::select! {
        biased;
        // Errors here are the client's: it disconnected or did not speak HTTP, and has its error response where one was
        // possible.
        _ = serving.as_mut() => return,
        () = stop.cancelled() => {}
        () = activity.idled(idle_timeout) => {}
    }
    // A request in progress is finished. A connection that idled too long, or did not finish a head, gets no second
    // timeout.
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = serving.as_mut() => {}
        () = activity.idled(idle_timeout) => {}
    }
}

async fn refuse(mut stream: TcpStream, detail: &str) {
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, async {
        stream.write_all(refusal(detail).as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
}
