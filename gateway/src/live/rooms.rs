//! The topics that somebody listens to.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, header},
};
use bytes::Bytes;
use dashmap::DashMap;
use engine::{
    drop::DropState,
    id::{DropId, TenantId},
    time::Timestamp,
};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    JOINED_WITHIN, LINGER, STATE_EVERY, at, binary,
    frames::{Place, Standing, raw},
    peer::Peer,
    room::Room,
    session::written,
    topic::{State, Topic},
    unfinished::Unfinished,
    waiting::Backlog,
};
use crate::{
    auth::TENANT,
    edge::{AddressPlace, Door, PerAddress, RequestId},
    problem::{Code, Problem},
    routes::DropWire,
};

const LIVE_CONNECTIONS: &str = "fusion_live_connections";
const LIVE_TOPICS: &str = "fusion_live_topics";
/// When to come back where there are too many connections.
const FULL_WAIT: Duration = Duration::from_secs(1);

/// The topics that somebody listens to, and the connections there are.
pub(crate) struct Rooms {
    rooms: DashMap<Name, Arc<Kept>>,
    /// Places for connections.
    places: Arc<Semaphore>,
    /// How many of them an address may have.
    addresses: Arc<PerAddress>,
    /// Bytes of messages that have begun and have not ended, by address.
    pub(super) unfinished: Arc<Unfinished>,
    /// What waits for all of them together.
    pub(super) backlog: Backlog,
    /// Ends everything.
    pub(crate) stop: CancellationToken,
    /// Connections and topics under way.
    pub(crate) tracker: TaskTracker,
}

/// A place for a connection, given back when it is dropped.
pub(super) struct ConnectionPlace {
    address: AddressPlace,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionPlace {
    /// The address, as it is counted.
    pub(super) fn address(&self) -> u128 {
        self.address.address()
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        metrics::gauge!(LIVE_CONNECTIONS).decrement(1);
    }
}

/// What is not the same for everyone has a room for each session that looks.
pub(super) type Name = (TenantId, Topic, Option<u128>);

/// A room, and whose token its state is read with.
pub(super) struct Kept {
    pub(super) room: Room,
    token: Mutex<Option<(String, Timestamp)>>,
    /// The viewers that the drop's series says last; `None`: that nobody counts.
    recorded: Mutex<Option<u32>>,
}

impl Rooms {
    pub(crate) fn new(places_max: usize, per_address_max: usize) -> Self {
        Self {
            rooms: DashMap::new(),
            places: Arc::new(Semaphore::new(places_max)),
            addresses: Arc::new(PerAddress::new(per_address_max)),
            unfinished: Arc::default(),
            backlog: Backlog::default(),
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
        }
    }

    /// A place for a connection from an address. `free`: the address has as many as there are.
    pub(super) fn place(door: &Door, address: IpAddr, free: bool) -> Result<ConnectionPlace, Problem> {
        let full = |why| Problem::new(Code::Overloaded).with_detail(why).retry_after(FULL_WAIT);
        let rooms = door.rooms();
        let permit = rooms.places.clone().try_acquire_owned();
        let permit = permit.map_err(|_| full("too many live connections"))?;
        let address = rooms.addresses.take(address, free);
        let address = address.ok_or_else(|| full("too many live connections from this address"))?;
        metrics::gauge!(LIVE_CONNECTIONS).increment(1);
        Ok(ConnectionPlace { address, _permit: permit })
    }

    /// How many topics have a room.
    #[cfg(test)]
    pub(super) fn topics(&self) -> usize {
        self.rooms.len()
    }

    /// How many connections there are.
    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.addresses.taken()
    }

    /// How many visitors listen to a topic.
    pub(super) fn viewers(&self, name: &Name) -> usize {
        self.rooms.get(name).map_or(0, |kept| kept.room.viewers())
    }

    /// The topics of drops. A copy: whoever goes through them keeps none of them closed meanwhile.
    pub(super) fn drops(&self) -> Vec<(Name, Arc<Kept>)> {
        let is_drop = |(_, topic, _): &Name| matches!(topic, Topic::Drop(_));
        let drops = self.rooms.iter().filter(|room| is_drop(room.key()));
        drops.map(|room| (room.key().clone(), room.value().clone())).collect()
    }

    /// Lets a peer listen to a topic that it may have, which stood so a moment ago.
    pub(super) fn join(
        &self,
        door: &Door,
        name: Name,
        token: Option<(String, Timestamp)>,
        peer: &Arc<Peer>,
        since: Option<&Place>,
        state: Standing,
    ) -> Arc<Kept> {
        loop {
            let kept = self.rooms.entry(name.clone()).or_insert_with(|| self.open(door, &name)).clone();
            kept.set_token(token.clone());
            kept.room.join(peer, since, state.clone());
            // It may have been given up just before.
            if self.rooms.get(&name).is_some_and(|known| Arc::ptr_eq(&known, &kept)) {
                return kept;
            }
        }
    }

    fn open(&self, door: &Door, name: &Name) -> Arc<Kept> {
        let epoch = format!("{:x}", crate::auth::keys::random128().unwrap_or_default());
        let kept =
            Arc::new(Kept { room: Room::new(name.1, epoch), token: Mutex::default(), recorded: Mutex::default() });
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
        metrics::gauge!(LIVE_TOPICS).increment(1);
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
    /// How many visitors listen.
    pub(super) fn viewers(&self) -> u32 {
        u32::try_from(self.room.viewers()).unwrap_or(u32::MAX)
    }

    pub(super) fn recorded(&self) -> Option<u32> {
        *self.recorded.lock()
    }

    pub(super) fn set_recorded(&self, viewers: Option<u32>) {
        *self.recorded.lock() = viewers;
    }

    fn token(&self) -> Option<String> {
        self.token.lock().as_ref().map(|(token, _)| token.clone())
    }

    /// Takes a token, unless the one that is known lasts longer.
    pub(super) fn set_token(&self, token: Option<(String, Timestamp)>) {
        let mut known = self.token.lock();
        let lasts = |known: &Option<(String, Timestamp)>| known.as_ref().map(|(_, ends)| *ends);
        if token.is_some() && lasts(&token) >= lasts(&known) {
            *known = token;
        }
    }
}

/// Tells what happens in a room, until nobody has listened for a while.
async fn keep(door: &Door, name: &Name, kept: &Arc<Kept>) {
    let (room, clock) = (&kept.room, door.gateway().clock());
    let in_ms = |ms| Instant::now() + Duration::from_millis(ms);
    // When it is another one by the clock alone, and when to look at who looks.
    let (mut turns_at, mut viewers_at): (Option<Timestamp>, Option<Instant>) = (None, None);
    let mut next_at = Instant::now();
    loop {
        let alone_until = room.empty_since().map(|since| since + LINGER);
        tokio::select! {
            () = room.wake.notified() => {}
            () = at(turns_at.map(|turns| in_ms(turns.ms_since(clock.now())))) => room.look_again(),
            () = at(viewers_at) => room.look_again(),
            () = at(alone_until) => {
                let gone = |_: &Name, known: &Arc<Kept>| Arc::ptr_eq(known, kept) && room.members() == 0;
                if door.rooms().rooms.remove_if(name, gone).is_some() {
                    metrics::gauge!(LIVE_TOPICS).decrement(1);
                    return;
                }
            }
        }
        join_more(room, next_at).await;
        next_at = Instant::now() + STATE_EVERY;
        let changed = room.take_changed();
        if room.members() == 0 {
            // Whoever joins asks to look.
            (turns_at, viewers_at) = (None, None);
            continue;
        }
        if !changed {
            continue;
        }
        let token = kept.token();
        // Looked at first: whoever may not see it any more hears no fact of it either.
        match look(door, name, kept, token.as_deref()).await {
            Ok(standing) => {
                turns_at = standing.as_ref().and_then(|standing| standing.turns_at);
                viewers_at = room.tell_all(standing).await;
            }
            // Somebody came with a better token meanwhile.
            Err(_) if token != kept.token() => {
                sleep_until(next_at).await;
                room.look_again();
            }
            Err((status, problem)) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                room.refuse(status, &problem);
            }
            // Not now: it is looked at again.
            Err(_) => {
                sleep_until(next_at).await;
                room.look_again();
            }
        }
    }
}

/// Waits until nothing more has happened for a moment: what comes together goes out in the same write. Not before `next_at`,
/// not longer than a state waits for the next one, and never for more facts than are kept.
async fn join_more(room: &Room, next_at: Instant) {
    let at_latest = next_at.max(Instant::now() + STATE_EVERY);
    while !room.is_full() {
        let quiet_at = next_at.max(Instant::now() + JOINED_WITHIN).min(at_latest);
        if timeout_at(quiet_at, room.wake.notified()).await.is_err() {
            return;
        }
    }
}

type Refusal = (StatusCode, Box<RawValue>);

/// How a topic stands.
async fn look(door: &Door, name: &Name, kept: &Kept, token: Option<&str>) -> Result<Option<Standing>, Refusal> {
    match name.1.state() {
        State::Feed => vendor(door, token).await.map(|()| None),
        State::Public(drop) => {
            // With what was heard until now: nobody looks again if nothing more happens.
            let seen = look_at_drop(door, &name.0, drop, kept.room.viewers(), Instant::now()).await;
            seen.map(Some).ok_or_else(|| nothing(StatusCode::SERVICE_UNAVAILABLE))
        }
        State::Answer(path) => ask(door, &path, &name.0, token).await.map(|json| Some(Standing::answered(json))),
    }
}

/// Whether a token is of someone who runs the shop.
pub(super) async fn vendor(door: &Door, token: Option<&str>) -> Result<(), Refusal> {
    let gateway = door.gateway();
    let identity = match token {
        Some(token) => gateway.sessions.identify(token, gateway.now()).await,
        None => Err(Problem::new(Code::AuthenticationRequired)),
    };
    let allowed = identity.and_then(|identity| match identity.is_vendor() {
        true => Ok(()),
        false => Err(Problem::new(Code::Forbidden)),
    });
    allowed.map_err(|problem| (problem.status(), written(&problem, &RequestId::next().text())))
}

fn nothing(status: StatusCode) -> Refusal {
    (status, raw("{}".to_owned()).unwrap_or_default())
}

/// A drop, as `viewers` look at it. `None`: it cannot be seen now.
pub(super) async fn look_at_drop(
    door: &Door,
    tenant: &TenantId,
    drop: DropId,
    viewers: usize,
    since: Instant,
) -> Option<Standing> {
    let view = door.gateway().commerce.drop_view_since(tenant, drop, since).await.ok()?;
    let turns_at = match view.state {
        DropState::Scheduled => view.starts_at,
        DropState::Open | DropState::SoldOut => Some(view.terms.ends_at),
        DropState::Draft | DropState::Ended | DropState::Cancelled => None,
    };
    let wire = DropWire::of(&view);
    let mark = wire.etag().into_bytes();
    let json = String::from_utf8(wire.to_json()).ok()?;
    let json = raw(format!("{},\"viewers\":{viewers}}}", json.strip_suffix('}')?))?;
    Some(Standing { json, drop: Some(binary::drop_state(wire, viewers).into()), mark, viewers, turns_at })
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
