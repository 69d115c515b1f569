//! Reads accepted batches on blocking threads, one chunk ahead of the consumer.

use futures::{FutureExt, StreamExt, stream};

use super::{
    store::{RowKey, Store},
    verify,
};
use crate::{
    batch::{Batch, Position, ShardId},
    journal::{BatchStream, JournalError},
};

/// The size of a chunk, in bytes of batches. A chunk holds at least one batch.
const CHUNK_BYTES: usize = 1 << 20;

/// The range that is still to be read.
#[derive(Clone, Copy)]
struct Rest {
    shard: ShardId,
    from: Position,
    end: Position,
}

type Chunk = (Vec<Result<Batch, JournalError>>, Option<Rest>);

/// Streams the batches of a shard that contain or follow `from`, up to `end`.
pub(super) fn read(store: Store, shard: ShardId, from: Position, end: Position) -> BatchStream {
    let first = async move {
        let rest = (from < end).then_some(Rest { shard, from, end });
        // The next chunk is read while the consumer takes this one.
        stream::unfold((store, Ahead::Not(rest)), |(store, ahead)| async move {
            let (batches, rest) = match ahead {
                Ahead::Not(None) => return None,
                Ahead::Not(Some(rest)) => spawn(&store, rest).await,
                Ahead::Reading(chunk) => chunk.await,
            };
            let ahead = match rest {
                Some(rest) => Ahead::Reading(spawn(&store, rest)),
                None => Ahead::Not(None),
            };
            Some((stream::iter(batches), (store, ahead)))
        })
        .flatten()
    };
    first.flatten_stream().boxed()
}

enum Ahead<F> {
    Not(Option<Rest>),
    Reading(F),
}

fn spawn(store: &Store, rest: Rest) -> futures::future::BoxFuture<'static, Chunk> {
    let store = store.clone();
    let chunk = tokio::task::spawn_blocking(move || read_chunk(&store, rest));
    let failed = |error: tokio::task::JoinError| (vec![Err(JournalError::Store(format!("reading: {error}")))], None);
    chunk.map(move |chunk| chunk.unwrap_or_else(failed)).boxed()
}

fn read_chunk(store: &Store, rest: Rest) -> Chunk {
    let mut batches = Vec::new();
    match try_read_chunk(store, rest, &mut batches) {
        Ok(rest) => (batches, rest),
        Err(error) => {
            batches.push(Err(error));
            (batches, None)
        }
    }
}

fn try_read_chunk(
    store: &Store,
    rest: Rest,
    batches: &mut Vec<Result<Batch, JournalError>>,
) -> Result<Option<Rest>, JournalError> {
    let Rest { shard, from, end } = rest;
    let start = start_of(store, shard, from)?;
    let (mut next, mut bytes) = (None, 0);
    for guard in store.rows.range(RowKey::from(shard, start)..RowKey::from(shard, end)) {
        let (key, value) = guard.into_inner().map_err(|error| store.failed(&error))?;
        let position = next.unwrap_or(start);
        let damaged = |why: String| JournalError::Damaged { shard, position, why };
        let key = RowKey::decode(&key).ok_or_else(|| damaged("a row without a readable place".into()))?;
        if key.first != position {
            return Err(damaged(format!("the next batch begins at {}: a gap", key.first)));
        }
        bytes += value.len();
        let batch = verify::decode(key, value.into()).map_err(|error| damaged(error.to_string()))?;
        next = Some(key.end());
        batches.push(Ok(batch));
        if bytes >= CHUNK_BYTES {
            break;
        }
    }
    match next {
        Some(next) if next < end => Ok(Some(Rest { from: next, ..rest })),
        Some(_) => Ok(None),
        None => Err(JournalError::Damaged { shard, position: from, why: format!("no batch before {end}") }),
    }
}

/// Returns the position at which the batch that contains `from` begins.
fn start_of(store: &Store, shard: ShardId, from: Position) -> Result<Position, JournalError> {
    let upto = RowKey::from(shard, Position(0))..=RowKey::upto(shard, from);
    match store.rows.range(upto).next_back() {
        None => Ok(from),
        Some(guard) => {
            let key = guard.key().map_err(|error| store.failed(&error))?;
            Ok(RowKey::decode(&key).filter(|key| key.end() > from).map_or(from, |key| key.first))
        }
    }
}
