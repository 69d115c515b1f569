//! A client's socket, which notes what comes and goes, and ends when the client takes its answers too slowly.

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

/// How long a client may take less than [`TAKEN_BYTES_MIN`] of an answer that waits for it.
pub(super) const TAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// What the slowest line takes of an answer in [`TAKE_TIMEOUT`]. Linux says that a socket has room when a third of its
/// buffer is free, so it is some 4 KB a second that a client has to take.
pub(super) const TAKEN_BYTES_MIN: usize = 16 * 1024;
/// What the system may hold of answers for a connection: left alone it holds megabytes for a client that does not read.
/// Lines with a round trip of 100 ms get 2 MB a second through it.
pub(super) const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// A client's socket.
pub(crate) struct ClientStream {
    stream: TcpStream,
    activity: Activity,
    waiting: Option<Waiting>,
}

/// An answer that the client does not take at once.
struct Waiting {
    until: Pin<Box<Sleep>>,
    taken: usize,
}

impl ClientStream {
    pub(super) fn new(stream: TcpStream, activity: Activity) -> Self {
        // If the system knows no such bound, its own stays.
        if let Err(error) = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES) {
            tracing::debug!(%error, "the send buffer stays as it is");
        }
        Self { stream, activity, waiting: None }
    }

    /// The socket itself, for another protocol.
    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        if into.filled().len() > before {
            self.activity.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        match written {
            Poll::Ready(Ok(count)) => {
                self.activity.told();
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

    /// Both ends of a connection; the client's end holds little that it has not read.
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
        // What the system holds is full; from here on the clock runs by itself.
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
