//! A request that the server has provably received, but not answered yet.

use std::io::{self, ErrorKind};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Answer, Buyer, PATIENCE, fresh_key};

/// The server's interim response when it has read the head of a request and waits for the body (RFC 9110, section
/// 10.1.1).
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A POST request on a separate connection.
pub struct RawRequest {
    stream: TcpStream,
}

impl RawRequest {
    /// Sends a request in two steps, and waits in between for the server's confirmation that it has received the head.
    pub async fn taken(buyer: &Buyer, path: &str, body: &Value) -> Self {
        let mut stream = buyer.api.connect().await.unwrap();
        let (body, token, key) = (body.to_string(), &buyer.token, fresh_key());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nidempotency-key: {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut word = [0; GO_ON.len()];
        let response = tokio::time::timeout(PATIENCE, stream.read_exact(&mut word)).await;
        response.expect("the server does not take the request").unwrap();
        assert_eq!(word, GO_ON, "{}", String::from_utf8_lossy(&word));
        stream.write_all(body.as_bytes()).await.unwrap();
        Self { stream }
    }

    /// Whether no response has arrived and the connection is open.
    pub fn has_no_answer(&mut self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Waits for the complete response. The stopping server closes the connection after it.
    pub async fn answer(mut self) -> Answer {
        let mut response = String::new();
        let read: io::Result<usize> =
            tokio::time::timeout(PATIENCE, self.stream.read_to_string(&mut response)).await.expect("no answer comes");
        read.unwrap();
        let (head, body) =
            response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but the end: {response:?}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap();
        let header = |name: &str| {
            let named = lines.clone().filter_map(|line| line.split_once(": "));
            named.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
        };
        assert_eq!(header("content-length"), Some(body.len().to_string()), "an answer in part: {response:?}");
        Answer {
            status,
            kind: header("content-type").unwrap_or_default(),
            version: header("etag").unwrap_or_default(),
            replayed: header("idempotency-replayed").is_some(),
            body: serde_json::from_str(body).unwrap_or_default(),
        }
    }
}
