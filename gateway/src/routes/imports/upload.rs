//! A file on its way in: to the disk first, since what a command says must be known before it begins.

use std::{
    fs::File,
    io::{self, BufReader, Seek, Write},
};

use axum::extract::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::{
    Problem,
    edge::{broken, stream},
};

/// Pieces that wait to be written: the network waits when there are more.
const PIECES_MAX: usize = 8;

/// A file that has arrived. It has no name, and is gone when nobody reads it any more.
pub(super) struct Upload {
    /// What it says, from its start.
    pub(super) content: BufReader<File>,
    /// SHA-256 of it.
    pub(super) hash: [u8; 32],
}

/// Takes a body in, `bytes_max` at the most.
pub(super) async fn receive(request: Request, bytes_max: usize) -> Result<Upload, Problem> {
    let mut body = stream(request, bytes_max)?;
    let (pieces, written) = mpsc::channel(PIECES_MAX);
    let writing = tokio::task::spawn_blocking(move || write(written));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error, bytes_max))?;
        let Ok(piece) = frame.into_data() else { continue };
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    drop(pieces);
    let written = writing.await.map_err(|error| Problem::internal("upload", &error))?;
    written.map_err(|error| Problem::internal("upload", &error))
}

fn write(mut pieces: mpsc::Receiver<Bytes>) -> io::Result<Upload> {
    let mut file = tempfile::tempfile()?;
    let mut hasher = Sha256::new();
    while let Some(piece) = pieces.blocking_recv() {
        hasher.update(&piece);
        file.write_all(&piece)?;
    }
    file.rewind()?;
    Ok(Upload { content: BufReader::with_capacity(64 * 1024, file), hash: hasher.finalize().into() })
}
