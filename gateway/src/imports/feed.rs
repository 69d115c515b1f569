//! A file that comes in pieces, as something that can be read.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Pieces that wait to be read: the sender waits when there are more.
pub const FEED_CHUNKS_MAX: usize = 8;

/// Takes the pieces of a file. Dropping it without [`finish`](Feed::finish) is a file that broke off.
#[derive(Debug)]
pub struct Feed {
    pieces: mpsc::Sender<Piece>,
}

/// Nobody reads the file any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody reads the file any more")]
pub struct FeedEnded;

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    End,
}

/// The two ends of a file on its way. The reading end blocks: it belongs on a thread of its own.
pub fn feed() -> (Feed, impl Read + Send + 'static) {
    let (sender, receiver) = mpsc::channel(FEED_CHUNKS_MAX);
    (Feed { pieces: sender }, Pieces { pieces: receiver, rest: Bytes::new(), ended: false })
}

impl Feed {
    /// Hands a piece over; waits while too many are unread.
    pub async fn send(&self, bytes: Bytes) -> Result<(), FeedEnded> {
        self.pieces.send(Piece::Bytes(bytes)).await.map_err(|_| FeedEnded)
    }

    /// Says that this was all.
    pub async fn finish(self) -> Result<(), FeedEnded> {
        self.pieces.send(Piece::End).await.map_err(|_| FeedEnded)
    }
}

struct Pieces {
    pieces: mpsc::Receiver<Piece>,
    rest: Bytes,
    ended: bool,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.rest = bytes,
                Some(Piece::End) => self.ended = true,
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file broke off")),
            }
        }
        let count = self.rest.len().min(into.len());
        into[..count].copy_from_slice(&self.rest[..count]);
        self.rest.advance(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_comes_in_pieces_and_ends() {
        let (feed, mut file) = feed();
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            file.read_to_string(&mut text).map(|_| text)
        });
        for piece in ["Handle,", "", "Title\n"] {
            feed.send(Bytes::from_static(piece.as_bytes())).await.unwrap();
        }
        feed.finish().await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), "Handle,Title\n");
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_is_no_whole_one() {
        let (feed, mut file) = feed();
        feed.send(Bytes::from_static(b"Handle")).await.unwrap();
        drop(feed);
        let read = tokio::task::spawn_blocking(move || io::read_to_string(&mut file)).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
