//! A minimal HTTP/1.1 client: requests as bytes, answers as a status and a length (RFC 9112). It is enough for the
//! server under test; any other answer is reported, not interpreted.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use crate::{
    driver::{Dialect, Verdict},
    error::{BenchError, Doing, Result},
};

/// The maximum duration of a single set-up request.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    /// The number of bytes before the body.
    pub(crate) head_bytes: usize,
    /// The number of bytes of the body.
    pub(crate) body_bytes: usize,
}

/// Reads the status line and the length of the body. Returns `None` while the head is incomplete.
pub(crate) fn parse_head(input: &[u8]) -> Result<Option<Head>> {
    let mut status = None;
    let mut body_bytes = None;
    let mut at = 0;
    while let Some(end) = memchr::memchr(b'\n', &input[at..]) {
        let line = input[at..at + end].trim_ascii_end();
        at += end + 1;
        if status.is_none() {
            let code = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(number);
            status = Some(code.ok_or_else(|| BenchError::unexpected("status line", 0, input))? as u16);
        } else if line.is_empty() {
            let status = status.unwrap_or_default();
            let body_bytes = match (status, body_bytes) {
                (_, Some(bytes)) => bytes,
                (204 | 304, None) => 0,
                (_, None) => return Err(BenchError::unexpected("answer without content-length", status, input)),
            };
            return Ok(Some(Head { status, head_bytes: at, body_bytes }));
        } else if line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:") {
            body_bytes = number(line[15..].trim_ascii());
        }
    }
    Ok(None)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Appends a request. `headers` are whole lines with their line ends.
pub(crate) fn write_request(out: &mut Vec<u8>, method: &str, path: &str, headers: &[u8], body: Option<&[u8]>) {
    for part in [method.as_bytes(), b" ", path.as_bytes(), b" HTTP/1.1\r\nHost: 127.0.0.1\r\n", headers] {
        out.extend_from_slice(part);
    }
    match body {
        Some(body) => {
            let _ = write!(out, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
            out.extend_from_slice(body);
        }
        None => out.extend_from_slice(b"\r\n"),
    }
}

/// Work over HTTP: the requests of each connection, and the evaluation of the answers.
pub(crate) trait Work {
    /// Appends the connection's next request. Returns `false` if there is no work left.
    fn ask(&mut self, connection: usize, out: &mut Vec<u8>) -> bool;
    /// Evaluates the answer to it.
    fn answered(&mut self, connection: usize, status: u16, body: &[u8]) -> Result<Verdict>;
}

/// HTTP as a protocol of the driver.
pub(crate) struct Http<'a, W> {
    /// The work.
    pub(crate) work: &'a mut W,
}

impl<W: Work> Dialect for Http<'_, W> {
    fn peer(&self) -> &str {
        "fusion"
    }

    fn ask(&mut self, connection: usize, out: &mut Vec<u8>) -> bool {
        self.work.ask(connection, out)
    }

    fn answered(&mut self, connection: usize, input: &[u8]) -> Result<Option<(usize, Verdict)>> {
        let Some(head) = parse_head(input)? else { return Ok(None) };
        let length = head.head_bytes + head.body_bytes;
        if input.len() < length {
            return Ok(None);
        }
        let verdict = self.work.answered(connection, head.status, &input[head.head_bytes..length])?;
        Ok(Some((length, verdict)))
    }
}

/// Evaluates a status: done as expected, refused for now, or an error that ends the run.
pub(crate) fn judge(what: &str, expected: u16, status: u16, body: &[u8]) -> Result<Verdict> {
    match status {
        status if status == expected => Ok(Verdict::Done),
        429 | 503 => Ok(Verdict::Refused),
        status => Err(BenchError::unexpected(what, status, body)),
    }
}

/// An answer to a set-up request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
    what: String,
}

impl Answer {
    /// The body as JSON if the status is `expected`, otherwise an error that shows both.
    pub(crate) fn json(&self, expected: u16) -> Result<Value> {
        let value = (self.status == expected).then(|| serde_json::from_slice(&self.body).ok()).flatten();
        value.ok_or_else(|| BenchError::unexpected(&self.what, self.status, &self.body))
    }

    /// A text field of the JSON body.
    pub(crate) fn text(&self, expected: u16, pointer: &str) -> Result<String> {
        let found = self.json(expected)?.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        found.ok_or_else(|| BenchError::unexpected(format!("{} (no {pointer})", self.what), self.status, &self.body))
    }
}

/// A blocking client for set-up, with one request at a time.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    /// Connects to the server.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).doing(format!("connecting to {address}"))?;
        stream.set_nodelay(true).doing("setting nodelay")?;
        stream.set_read_timeout(Some(CALL_TIMEOUT)).doing("setting a timeout")?;
        Ok(Self { stream, input: Vec::new() })
    }

    /// Sends a request, with a bearer token and an idempotency key if given, and waits for the answer.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut headers = Vec::new();
        if let Some(token) = token {
            let _ = write!(headers, "Authorization: Bearer {token}\r\n");
        }
        if let Some(key) = key {
            let _ = write!(headers, "Idempotency-Key: {key}\r\n");
        }
        let body = body.map(Value::to_string);
        let mut request = Vec::new();
        write_request(&mut request, method, path, &headers, body.as_deref().map(str::as_bytes));
        let what = format!("{method} {path}");
        self.stream.write_all(&request).doing(what.clone())?;
        loop {
            if let Some(head) = parse_head(&self.input)? {
                let length = head.head_bytes + head.body_bytes;
                if self.input.len() >= length {
                    let body = self.input[head.head_bytes..length].to_vec();
                    self.input.drain(..length);
                    return Ok(Answer { status: head.status, body, what });
                }
            }
            let mut chunk = [0; 16_384];
            let read = self.stream.read(&mut chunk).doing(what.clone())?;
            if read == 0 {
                return Err(std::io::Error::from(ErrorKind::UnexpectedEof)).doing(what);
            }
            self.input.extend_from_slice(&chunk[..read]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whatever_the_case_of_its_headers() {
        for name in ["content-length", "Content-Length", "CONTENT-LENGTH"] {
            let answer = format!("HTTP/1.1 201 Created\r\nx: y\r\n{name}:  12 \r\n\r\n");
            let head = parse_head(answer.as_bytes()).expect("valid").expect("whole");
            assert_eq!((head.status, head.head_bytes, head.body_bytes), (201, answer.len(), 12));
        }
    }

    #[test]
    fn an_incomplete_head_waits_and_a_nonsensical_one_is_shown() {
        assert_eq!(parse_head(b"HTTP/1.1 200 OK\r\ncontent-len").expect("so far"), None);
        assert_eq!(parse_head(b"").expect("so far"), None);
        let error = parse_head(b"SSH-2.0-OpenSSH_9.2\r\n").expect_err("not HTTP").to_string();
        assert!(error.contains("SSH-2.0"), "{error}");
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_without_a_body_needs_no_length() {
        let head = parse_head(b"HTTP/1.1 204 No Content\r\ndate: x\r\n\r\n").expect("valid").expect("whole");
        assert_eq!((head.status, head.body_bytes), (204, 0));
    }

    #[test]
    fn only_overload_is_refused_and_every_other_surprise_ends_the_run() {
        assert_eq!(judge("claim", 201, 201, b"").expect("done"), Verdict::Done);
        assert_eq!(judge("claim", 201, 503, b"").expect("refused"), Verdict::Refused);
        let error = judge("claim", 201, 409, b"{\"code\":\"sold_out\"}").expect_err("surprise").to_string();
        assert!(error.contains("409") && error.contains("sold_out"), "{error}");
    }
}
