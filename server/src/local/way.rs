//! How a command reaches the shop: through the server that has the data folder, or by opening the folder itself.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{Method, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use streaming::embedded::FolderError;
use tokio::net::UnixStream;

use super::{LocalDoors, SOCKET_FILE, TENANT_HEADER};
use crate::{
    config::Config,
    wiring::{House, OpenError},
};

/// How long to wait for a server that has the folder and does not listen yet: it is starting.
const STARTING_MAX: Duration = Duration::from_secs(30);
/// How long a folder that was opened here may take to be closed.
const CLOSING_MAX: Duration = Duration::from_secs(30);
/// The most of an answer that is kept in memory: lists have pages.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A way into the shop.
pub(crate) enum Way {
    /// The socket of a running server.
    Socket(PathBuf),
    /// The folder, opened by this process.
    Here(Box<House>, LocalDoors),
}

/// A request that was not answered, or not with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WayError {
    /// The folder cannot be opened, and no server that has it answers.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A server has the folder, and does not answer on its socket.
    #[error("{in_use}, which does not answer on {}: {why}", .socket.display())]
    NoAnswer {
        /// Who has the folder.
        in_use: FolderError,
        /// Its socket.
        socket: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// The connection broke.
    #[error("the server broke off: {0}")]
    Broken(String),
    /// The server refused.
    #[error("{0}")]
    Refused(String),
    /// The answer is not what it should be.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

/// An answer whose body has not been read.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its body.
    pub(crate) body: Body,
}

impl Way {
    /// Finds the server that has the folder, else opens the folder.
    pub(crate) async fn open(config: &Config) -> Result<Self, WayError> {
        let socket = config.data_dir.join(SOCKET_FILE);
        let deadline = tokio::time::Instant::now() + STARTING_MAX;
        loop {
            let why = match UnixStream::connect(&socket).await {
                Ok(_) => return Ok(Self::Socket(socket)),
                Err(why) => why,
            };
            match House::open(config, gateway::ops::metrics::detached()).await {
                Ok(house) => {
                    let doors = LocalDoors::new(house.rooms.clone());
                    return Ok(Self::Here(Box::new(house), doors));
                }
                Err(OpenError::Folder(in_use @ FolderError::InUse { .. })) => {
                    if tokio::time::Instant::now() >= deadline {
                        return Err(WayError::NoAnswer { in_use, socket, why });
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a request and returns when its answer begins.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Answer, WayError> {
        let response = match self {
            Self::Here(_, doors) => doors.answer(request).await,
            Self::Socket(socket) => through(socket, request).await?,
        };
        let (parts, body) = response.into_parts();
        Ok(Answer { status: parts.status, body })
    }

    /// Sends a request without a body and reads the JSON that it is answered with.
    pub(crate) async fn get<T: DeserializeOwned>(&self, tenant: Option<&str>, path: &str) -> Result<T, WayError> {
        self.send(request(Method::GET, tenant, path, Body::empty())?).await?.json().await
    }

    /// Posts JSON and reads the JSON that it is answered with.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, WayError> {
        let body = serde_json::to_vec(body).map_err(|error| WayError::Unreadable(error.to_string()))?;
        let mut request = request(Method::POST, None, path, body.into())?;
        request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        self.send(request).await?.json().await
    }

    /// Asks for something to be removed.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), WayError> {
        self.send(request(Method::DELETE, None, path, Body::empty())?).await?.accepted().await.map(drop)
    }

    /// What the running server of a folder answers; `None` when none runs, or it does not know.
    pub(crate) async fn ask_running<T: DeserializeOwned>(data_dir: &Path, path: &str) -> Option<T> {
        let socket = data_dir.join(SOCKET_FILE);
        let response = through(&socket, request(Method::GET, None, path, Body::empty()).ok()?).await.ok()?;
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, body }.json().await.ok()
    }

    /// Closes a folder that was opened here.
    pub(crate) async fn close(self) {
        if let Self::Here(house, doors) = self {
            drop(doors);
            house.close(CLOSING_MAX).await;
        }
    }
}

/// A request for a tenant.
pub(crate) fn request(method: Method, tenant: Option<&str>, path: &str, body: Body) -> Result<Request<Body>, WayError> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "local");
    if let Some(tenant) = tenant {
        request = request.header(TENANT_HEADER, tenant);
    }
    request.body(body).map_err(|error| WayError::Unreadable(error.to_string()))
}

async fn through(socket: &Path, request: Request<Body>) -> Result<axum::http::Response<Body>, WayError> {
    let broken = |error: &dyn std::error::Error| WayError::Broken(error.to_string());
    let stream = UnixStream::connect(socket).await.map_err(|error| broken(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    Ok(response.map(Body::new))
}

impl Answer {
    /// The whole body.
    pub(crate) async fn bytes(self) -> Result<Bytes, WayError> {
        let limited = http_body_util::Limited::new(self.body, ANSWER_BYTES_MAX).collect().await;
        limited.map(|body| body.to_bytes()).map_err(|error| WayError::Broken(error.to_string()))
    }

    /// Itself, unless it is a problem.
    pub(crate) async fn accepted(self) -> Result<Self, WayError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let status = self.status;
        let problem: serde_json::Value = serde_json::from_slice(&self.bytes().await?).unwrap_or_default();
        Err(WayError::Refused(refusal(status, &problem)))
    }

    /// The JSON that it holds, unless it is a problem.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, WayError> {
        let bytes = self.accepted().await?.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| WayError::Unreadable(error.to_string()))
    }
}

/// What a problem document says, for people: its detail or title, and each field's.
fn refusal(status: StatusCode, problem: &serde_json::Value) -> String {
    let text =
        |value: &serde_json::Value, name: &str| value.get(name).and_then(|text| text.as_str()).map(str::to_owned);
    let mut said = text(problem, "detail").or_else(|| text(problem, "title")).unwrap_or_else(|| status.to_string());
    let fields = problem.get("errors").and_then(|errors| errors.as_array()).into_iter().flatten();
    for field in fields {
        let (pointer, detail) = (text(field, "pointer").unwrap_or_default(), text(field, "detail").unwrap_or_default());
        said.push_str(&format!("\n  {pointer}: {detail}"));
    }
    said
}
