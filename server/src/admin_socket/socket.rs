//! The admin socket in the data folder.

use std::{
    convert::Infallible,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::body::Body;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixListener, sync::Semaphore};

use super::AdminSocket;

/// The socket's name in the data folder.
pub(crate) const SOCKET_FILE: &str = "fusion.sock";
/// The maximum number of connections at the same time.
const CONNECTIONS_MAX: usize = 64;

/// The admin socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("local socket {path}: {why}")]
pub(crate) struct SocketError {
    path: PathBuf,
    why: io::Error,
}

/// The open socket. Its file is removed on drop.
#[derive(Debug)]
pub(crate) struct LocalSocket {
    path: PathBuf,
    serving: tokio::task::JoinHandle<()>,
}

impl LocalSocket {
    /// Opens the socket in the data folder, which this process has locked, and serves `api` on it.
    pub(crate) fn open(data_dir: &Path, api: AdminSocket) -> Result<Self, SocketError> {
        let path = data_dir.join(SOCKET_FILE);
        let listener = listen(&path).map_err(|why| SocketError { path: path.clone(), why })?;
        Ok(Self { serving: tokio::spawn(serve(listener, api)), path })
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        self.serving.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens under a temporary name, which is renamed once the mode is set: the socket is never open to other users.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let aside = path.with_extension("new");
    for left_over in [path, &aside] {
        match std::fs::remove_file(left_over) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let folder = path.parent().map(std::fs::metadata).transpose()?;
    let listener = match bind(&aside) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput && folder.is_some() => {
            return Err(io::Error::new(error.kind(), "the path is too long for a socket: use a shorter --data-dir"));
        }
        bound => bound?,
    };
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&aside, path)?;
    Ok(listener)
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    UnixListener::bind(path)
}

async fn serve(listener: UnixListener, api: AdminSocket) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // The permit is taken before accepting, so that connections beyond the maximum wait in the kernel's queue.
    while let Ok(place) = places.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accepting on the local socket");
                // Errors such as a lack of file descriptors persist for a while: do not spin.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let api = api.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let api = api.clone();
                async move { Ok::<_, Infallible>(api.answer(request.map(Body::new)).await) }
            });
            // An error here means that the command closed the connection.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}
