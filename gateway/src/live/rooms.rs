//! The topics that somebody listens to.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, header},
};
use bytes::Bytes;
use dashmap::DashMap;
use engine::id::{DropId, SubjectId, TenantId};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    LINGER, STATE_EVERY,
    frames::{Place, raw},
    peer::Peer,
    room::{Room, Standing},
    topic::{State, Topic},
};
use crate::{auth::TENANT, edge::Door, routes::drop_state};

/// The topics that somebody listens to, and the connections there are.
pub(crate) struct Rooms {
    rooms: DashMap<Name, Arc<Kept>>,
    /// Places for connections.
    pub(super) sockets: Arc<Semaphore>,
    /// Ends everything.
    pub(crate) stop: CancellationToken,
    /// Connections and topics under way.
    pub(crate) tracker: TaskTracker,
}

/// What is not the same for everyone has a room for each who looks.
type Name = (TenantId, Topic, Option<SubjectId>);

/// A room, and whose token its state is read with.
pub(super) struct Kept {
    pub(super) room: Room,
    token: Mutex<Option<String>>,
}

impl Rooms {
    pub(crate) fn new(sockets_max: usize) -> Self {
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        Self { rooms: DashMap::new(), sockets: Arc::new(Semaphore::new(sockets_max)), stop, tracker }
    }

    /// Lets a peer listen to a topic that it may have, which stood so a moment ago.
    pub(super) fn join(
        &self,
        door: &Door,
        name: Name,
        token: Option<String>,
        peer: &Arc<Peer>,
        since: Option<&Place>,
        state: &RawValue,
    ) -> Arc<Kept> {
        loop {
            let kept = self.rooms.entry(name.clone()).or_insert_with(|| self.open(door, &name)).clone();
            kept.set_token(token.clone());
            kept.room.join(peer, since, state);
            // It may have been given up just before.
            if self.rooms.get(&name).is_some_and(|known| Arc::ptr_eq(&known, &kept)) {
                return kept;
            }
        }
    }

    fn open(&self, door: &Door, name: &Name) -> Arc<Kept> {
        let epoch = format!("{:x}", crate::auth::keys::random128().unwrap_or_default());
        let kept = Arc::new(Kept { room: Room::new(name.1, epoch), token: Mutex::default() });
        let ear = Arc::downgrade(&kept);
        let listening = door.gateway().commerce.listen(
            name.1.interest(&name.0),
            Arc::new(move |change| {
                if let Some(kept) = ear.upgrade() {
                    kept.room.hear(change);
                }
            }),
        );
        let (door, name, opened) = (door.clone(), name.clone(), kept.clone());
        self.tracker.spawn(async move {
            let stop = door.rooms().stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = keep(&door, &name, &opened) => {}
            }
            drop(listening);
        });
        kept
    }
}

impl Kept {
    pub(super) fn set_token(&self, token: Option<String>) {
        if token.is_some() {
            *self.token.lock() = token;
        }
    }
}

/// Tells what happens in a room, until nobody has listened for a while.
async fn keep(door: &Door, name: &Name, kept: &Arc<Kept>) {
    let room = &kept.room;
    loop {
        let alone_until = room.empty_since().map(|since| since + LINGER);
        tokio::select! {
            () = room.wake.notified() => {}
            () = until(alone_until) => {
                let gone = |_: &Name, known: &Arc<Kept>| Arc::ptr_eq(known, kept) && room.members() == 0;
                if door.rooms().rooms.remove_if(name, gone).is_some() {
                    return;
                }
            }
        }
        if !room.take_changed() || room.members() == 0 {
            continue;
        }
        // Looked at first: whoever may not see it any more hears no fact of it either.
        match look(door, name, kept).await {
            Ok(standing) => {
                room.tell_facts();
                standing.into_iter().for_each(|standing| room.tell_state(standing));
            }
            Err((status, problem)) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                room.refuse(status, &problem);
            }
            // Not now: it is looked at again.
            Err(_) => room.look_again(),
        }
        tokio::time::sleep(STATE_EVERY).await;
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

type Refusal = (StatusCode, Box<RawValue>);

/// How a topic stands.
async fn look(door: &Door, name: &Name, kept: &Kept) -> Result<Option<Standing>, Refusal> {
    match name.1.state() {
        State::Feed(path) => {
            let token = kept.token.lock().clone();
            ask(door, path, &name.0, token.as_deref()).await.map(|_| None)
        }
        State::Public(drop) => Ok(look_at_drop(door, &name.0, drop, kept.room.members()).await),
        State::Answer(path) => {
            let token = kept.token.lock().clone();
            let json = ask(door, &path, &name.0, token.as_deref()).await?;
            let mark = xxh3_128(json.get().as_bytes()).to_le_bytes().to_vec();
            Ok(Some(Standing { json, mark }))
        }
    }
}

async fn look_at_drop(door: &Door, tenant: &TenantId, drop: DropId, viewers: usize) -> Option<Standing> {
    let view = door.gateway().commerce.drop_view(tenant, drop).await.ok()?;
    let (json, mut mark) = drop_state(&view);
    mark.extend(viewers.to_le_bytes());
    Some(Standing { json: with_viewers(&json, viewers)?, mark })
}

/// What REST answers to a drop, and how many look at it.
pub(super) fn with_viewers(json: &str, viewers: usize) -> Option<Box<RawValue>> {
    let fields = json.trim_end().strip_suffix('}')?;
    raw(format!("{fields},\"viewers\":{viewers}}}"))
}

/// What REST answers to a read.
pub(super) async fn ask(
    door: &Door,
    path: &str,
    tenant: &TenantId,
    token: Option<&str>,
) -> Result<Box<RawValue>, Refusal> {
    let mut request = Request::get(path);
    match token {
        Some(token) => request = request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        None => request = request.header(TENANT, tenant.as_str()),
    }
    let nothing = |status| (status, raw("{}".to_owned()).unwrap_or_default());
    let Ok(request) = request.body(Body::empty()) else { return Err(nothing(StatusCode::BAD_REQUEST)) };
    let response = door.answer_inside(request).await;
    let status = response.status();
    let body = match response.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let json = String::from_utf8(body.into()).ok().and_then(raw);
    match json {
        Some(json) if status.is_success() => Ok(json),
        Some(problem) => Err((status, problem)),
        None => Err(nothing(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}
