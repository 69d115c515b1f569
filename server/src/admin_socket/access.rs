//! How a command reaches the shop: through the server that uses the data folder, or by opening the folder itself.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{Method, Request, StatusCode, header},
};
use backon::{ConstantBuilder, Retryable};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use streaming::embedded::FolderError;
use tokio::net::UnixStream;

use super::{AdminSocket, SOCKET_FILE, TENANT_HEADER};
use crate::{
    app::{App, OpenError},
    config::Config,
};

/// How long to retry while a server uses the folder but does not listen yet because it is starting.
const STARTING_MAX: Duration = Duration::from_secs(30);
/// The pause before such a retry.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How long closing the folder may take.
const CLOSING_MAX: Duration = Duration::from_secs(30);
/// The maximum size of a response kept in memory. Lists are paginated.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection to the shop.
pub(crate) enum ShopAccess {
    /// The socket of a running server.
    Socket(PathBuf),
    /// The folder, opened by this process.
    Here(Box<App>, AdminSocket),
}

/// A request that got no response, or an error response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShopAccessError {
    /// The folder cannot be opened, and no server that uses it responds.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A server uses the folder, but does not respond on its socket.
    #[error("{in_use}, which does not respond on {}: {why}", .socket.display())]
    NoAnswer {
        /// The error that names the process that uses the folder.
        in_use: FolderError,
        /// The path of the admin socket.
        socket: PathBuf,
        /// The system's error.
        why: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to the server was lost: {0}")]
    Broken(String),
    /// The server refused the request.
    #[error("{0}")]
    Refused(String),
    /// The response cannot be parsed.
    #[error("the response cannot be read: {0}")]
    Unreadable(String),
}

/// A response whose body has not been read yet.
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: StatusCode,
    /// The body.
    pub(crate) body: Body,
}

impl ShopAccess {
    /// Connects to the server that uses the folder, or opens the folder if there is none.
    pub(crate) async fn open(config: &Config) -> Result<Self, ShopAccessError> {
        let socket = config.data_dir.join(SOCKET_FILE);
        let deadline = tokio::time::Instant::now() + STARTING_MAX;
        // A server that uses the folder may be starting.
        (|| Self::try_open(config, &socket))
            .retry(ConstantBuilder::default().with_delay(RETRY_AFTER).without_max_times())
            .when(|error| matches!(error, ShopAccessError::NoAnswer { .. }) && tokio::time::Instant::now() < deadline)
            .await
    }

    async fn try_open(config: &Config, socket: &Path) -> Result<Self, ShopAccessError> {
        let why = match UnixStream::connect(socket).await {
            Ok(_) => return Ok(Self::Socket(socket.to_owned())),
            Err(why) => why,
        };
        match App::open(config, gateway::ops::metrics::detached()).await {
            Ok(app) => {
                let api = AdminSocket::new(app.backends.clone());
                Ok(Self::Here(Box::new(app), api))
            }
            Err(OpenError::Folder(in_use @ FolderError::InUse { .. })) => {
                Err(ShopAccessError::NoAnswer { in_use, socket: socket.to_owned(), why })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a request and returns when the response starts.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Answer, ShopAccessError> {
        let response = match self {
            Self::Here(_, api) => api.answer(request).await,
            Self::Socket(socket) => through(socket, request).await?,
        };
        let (parts, body) = response.into_parts();
        Ok(Answer { status: parts.status, body })
    }

    /// Sends a GET request and parses the JSON response.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        tenant: Option<&str>,
        path: &str,
    ) -> Result<T, ShopAccessError> {
        self.send(request(Method::GET, tenant, path, Body::empty())?).await?.json().await
    }

    /// Posts JSON and parses the JSON response.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ShopAccessError> {
        let body = serde_json::to_vec(body).map_err(|error| ShopAccessError::Unreadable(error.to_string()))?;
        let mut request = request(Method::POST, None, path, body.into())?;
        request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        self.send(request).await?.json().await
    }

    /// Sends a DELETE request.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), ShopAccessError> {
        self.send(request(Method::DELETE, None, path, Body::empty())?).await?.accepted().await.map(drop)
    }

    /// Returns what the running server of a folder responds, or `None` if none runs or it has no answer.
    pub(crate) async fn ask_running<T: DeserializeOwned>(data_dir: &Path, path: &str) -> Option<T> {
        let socket = data_dir.join(SOCKET_FILE);
        let response = through(&socket, request(Method::GET, None, path, Body::empty()).ok()?).await.ok()?;
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, body }.json().await.ok()
    }

    /// Closes the folder, if this process opened it.
    pub(crate) async fn close(self) {
        if let Self::Here(app, api) = self {
            drop(api);
            app.close(CLOSING_MAX).await;
        }
    }
}

/// Builds a request for a tenant.
pub(crate) fn request(
    method: Method,
    tenant: Option<&str>,
    path: &str,
    body: Body,
) -> Result<Request<Body>, ShopAccessError> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "local");
    if let Some(tenant) = tenant {
        request = request.header(TENANT_HEADER, tenant);
    }
    request.body(body).map_err(|error| ShopAccessError::Unreadable(error.to_string()))
}

async fn through(socket: &Path, request: Request<Body>) -> Result<axum::http::Response<Body>, ShopAccessError> {
    let broken = |error: &dyn std::error::Error| ShopAccessError::Broken(error.to_string());
    let stream = UnixStream::connect(socket).await.map_err(|error| broken(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    Ok(response.map(Body::new))
}

impl Answer {
    /// Returns the whole body.
    pub(crate) async fn bytes(self) -> Result<Bytes, ShopAccessError> {
        let limited = http_body_util::Limited::new(self.body, ANSWER_BYTES_MAX).collect().await;
        limited.map(|body| body.to_bytes()).map_err(|error| ShopAccessError::Broken(error.to_string()))
    }

    /// Returns the response itself, or an error if it is a problem document.
    pub(crate) async fn accepted(self) -> Result<Self, ShopAccessError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let status = self.status;
        let problem: serde_json::Value = serde_json::from_slice(&self.bytes().await?).unwrap_or_default();
        Err(ShopAccessError::Refused(refusal(status, &problem)))
    }

    /// Returns the parsed JSON body, or an error if it is a problem document.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, ShopAccessError> {
        let bytes = self.accepted().await?.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| ShopAccessError::Unreadable(error.to_string()))
    }
}

/// Returns a problem document as text for people: its detail or title, and the errors of its fields.
fn refusal(status: StatusCode, problem: &serde_json::Value) -> String {
    let text =
        |value: &serde_json::Value, name: &str| value.get(name).and_then(|text| text.as_str()).map(str::to_owned);
    let mut message = text(problem, "detail").or_else(|| text(problem, "title")).unwrap_or_else(|| status.to_string());
    let fields = problem.get("errors").and_then(|errors| errors.as_array()).into_iter().flatten();
    for field in fields {
        let (pointer, detail) = (text(field, "pointer").unwrap_or_default(), text(field, "detail").unwrap_or_default());
        message.push_str(&format!("\n  {pointer}: {detail}"));
    }
    message
}
