//! A client's socket that records activity and fails when the client takes its responses too slowly.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::activity::Activity;

/// How long a client may take less than [`TAKEN_BYTES_MIN`] of a response that waits for it.
pub(super) const TAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// The number of bytes that a client must take of a response within [`TAKE_TIMEOUT`]. Linux reports a socket as
/// writable when a third of its send buffer is free, so in effect a client has to take some 4 KB a second.
pub(super) const TAKEN_BYTES_MIN: usize = 16 * 1024;
/// The size of the system's send buffer per connection. The default would hold megabytes for a client that does not
/// read. With a round trip of 100 ms it allows 2 MB a second.
pub(super) const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// A client's socket.
pub(crate) struct ClientStream {
    stream: TcpStream,
    activity: Activity,
    waiting: Option<Waiting>,
}

/// A response that the client does not take at once.
struct Waiting {
    until: Pin<Box<Sleep>>,
    taken: usize,
}

impl ClientStream {
    pub(super) fn new(stream: TcpStream, activity: Activity) -> Self {
        // If the system rejects this size, its default stays.
        if let Err(error) = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES) {
            tracing::debug!(%error, "the send buffer stays as it is");
        }
        Self { stream, activity, waiting: None }
    }

    /// The underlying socket, for another protocol.
    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        if into.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        match written {
            Poll::Ready(Ok(count)) => {
                self.activity.sent();
                if count == bytes.len() {
                    self.waiting = None;
                } else if let Some(waiting) = &mut self.waiting {
                    waiting.taken += count;
                }
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => {
                let waiting = self.waiting.get_or_insert_with(Waiting::new);
                // The bytes count per period of `TAKE_TIMEOUT`, not per write: a client that takes a byte now and then
                // does not extend its time.
                while waiting.until.as_mut().poll(context).is_ready() {
                    if waiting.taken < TAKEN_BYTES_MIN {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    waiting.taken = 0;
                    waiting.until.as_mut().reset(Instant::now() + TAKE_TIMEOUT);
                }
                Poll::Pending
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Waiting {
    fn new() -> Self {
        Self { until: Box::pin(sleep(TAKE_TIMEOUT)), taken: 0 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// Both ends of a connection. The client's receive buffer is small.
    async fn ends() -> (ClientStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = tokio::net::TcpSocket::new_v4().unwrap();
        client.set_recv_buffer_size(4_096).unwrap();
        let (client, accepted) = tokio::join!(client.connect(listener.local_addr().unwrap()), listener.accept());
        (ClientStream::new(accepted.unwrap().0, Activity::default()), client.unwrap())
    }

    #[tokio::test]
    async fn a_client_that_takes_some_bytes_now_and_then_is_cut() {
        let (mut server, mut client) = ends().await;
        let began = Instant::now();
        let writing = tokio::spawn(async move { server.write_all(&vec![b'x'; 8 << 20]).await });
        // The system's buffers are full; from here on the paused clock is advanced by hand.
        let mut bytes = [0; 16];
        client.read_exact(&mut bytes).await.unwrap();
        tokio::task::yield_now().await;
        tokio::time::pause();
        while !writing.is_finished() {
            client.read_exact(&mut bytes).await.unwrap();
            tokio::time::advance(Duration::from_secs(3)).await;
            assert!(began.elapsed() < 10 * TAKE_TIMEOUT, "it is never cut");
        }
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_reads_gets_all_of_it() {
        let (mut server, mut client) = ends().await;
        let writing = tokio::spawn(async move { server.write_all(&vec![b'x'; 4 << 20]).await });
        let mut read = vec![0; 4 << 20];
        client.read_exact(&mut read).await.unwrap();
        writing.await.unwrap().unwrap();
    }
}
