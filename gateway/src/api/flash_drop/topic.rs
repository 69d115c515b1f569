//! The topic `drop:{id}`.

use actors::Change;
use engine::{
    flash_drop::{DropEvent, FlashDrop},
    id::DropId,
    kinds::Kind,
    public_view::PublicView,
};
use serde::Serialize;
use serde_json::json;

use super::{routes, wire::DropWire};
use crate::{
    live::{Fact, Reader, Reading, Scope, Standing, TopicKind, Visibility, drop_state},
    problem::Problem,
};

/// A drop with its number of viewers, for everyone.
pub(crate) const DROP: TopicKind = TopicKind {
    name: "drop",
    follows: Kind::Drop,
    scope: Scope::Entity,
    visibility: Visibility::Public,
    facts: Some(drop_facts),
    read: |reading, id| Box::pin(read(reading, DropId(id))),
};

/// A drop as REST shows it, and its viewers.
#[derive(Serialize)]
struct WatchedDrop<'a> {
    #[serde(flatten)]
    drop: &'a DropWire,
    viewers: usize,
}

async fn read(reading: Reading<'_>, drop: DropId) -> Result<Option<Standing>, Problem> {
    let Reading { gateway, reader, viewers, since, meta: _ } = reading;
    let view = match reader {
        Reader::Client(shop) => routes::read(gateway, shop, drop, since).await?,
        Reader::Subscribers(tenant) => gateway.commerce.view_since::<FlashDrop>(&drop.key(tenant), since).await?,
    };
    let drop = DropWire::of(&view);
    let state = Standing::of(&WatchedDrop { drop: &drop, viewers })?;
    Ok(Some(Standing {
        // Of the drop without its viewers and `as_of`.
        mark: drop.etag().into_bytes(),
        drop: Some(drop_state(drop, viewers).into()),
        viewers,
        turns_at: FlashDrop::changes_at(&view),
        ..state
    }))
}

/// The facts about a drop as a whole. Claims show in its state.
fn drop_facts(change: &Change) -> Vec<Fact> {
    let (mut decoder, mut facts) = (minicbor::Decoder::new(&change.events), Vec::new());
    while decoder.position() < change.events.len() {
        let Ok(event) = decoder.decode::<DropEvent>() else { break };
        let kind = match event {
            DropEvent::Published { .. } => "drop_published",
            DropEvent::Edited { .. } => "drop_edited",
            DropEvent::Ended { .. } => "drop_ended",
            DropEvent::Cancelled { .. } => "drop_cancelled",
            _ => continue,
        };
        facts.push((kind, json!({"at": change.at})));
    }
    facts
}
