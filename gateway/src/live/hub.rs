//! The hub: the topics that have subscribers, and the connections.

use std::{net::IpAddr, pin::pin, sync::Arc, time::Duration};

use actors::CommandMeta;
use axum::http::StatusCode;
use dashmap::DashMap;
use engine::{
    id::{DropId, TenantId},
    kinds::Kind,
    time::Timestamp,
};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    JOINED_WITHIN, LINGER, STATE_EVERY, at,
    connection::Connection,
    frames::{Place, Standing},
    send_queue::Backlog,
    topic::{Reader, Reading, Topic},
    topic_channel::TopicChannel,
    unfinished::Unfinished,
};
use crate::{
    auth::Shop,
    edge::{AddressPlace, PerAddress, PublicApi, RequestId},
    problem::{Code, Problem},
};

const LIVE_CONNECTIONS: &str = "fusion_live_connections";
const LIVE_TOPICS: &str = "fusion_live_topics";
/// When to retry where there are too many connections.
const FULL_WAIT: Duration = Duration::from_secs(1);

/// The hub: all topic channels and all connections.
pub(crate) struct Hub {
    hub: DashMap<Name, Arc<RetainedChannel>>,
    /// One permit per connection.
    places: Arc<Semaphore>,
    /// The number of connections per address, with its limit.
    addresses: Arc<PerAddress>,
    /// Bytes of unfinished messages, by address.
    pub(super) unfinished: Arc<Unfinished>,
    /// The bytes in all send queues together.
    pub(super) backlog: Backlog,
    /// Cancelled when the server stops.
    pub(crate) stop: CancellationToken,
    /// The tasks of connections and topic channels.
    pub(crate) tracker: TaskTracker,
}

/// The slot of a connection; dropping it frees the slot.
pub(super) struct ConnectionPlace {
    address: AddressPlace,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionPlace {
    /// The address under which the connection is counted.
    pub(super) fn address(&self) -> u128 {
        self.address.address()
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        metrics::gauge!(LIVE_CONNECTIONS).decrement(1);
    }
}

/// The key of a topic channel. A topic whose state depends on the viewer has a channel per session.
pub(super) type Name = (TenantId, Topic, Option<u128>);

/// A topic channel with the token that its state is read with.
pub(super) struct RetainedChannel {
    pub(super) channel: TopicChannel,
    token: Mutex<Option<(String, Timestamp)>>,
    /// The number of viewers last recorded in the series of the drop; `None`: counting has ended there.
    recorded: Mutex<Option<u32>>,
}

impl Hub {
    pub(crate) fn new(places_max: usize, per_address_max: usize) -> Self {
        Self {
            hub: DashMap::new(),
            places: Arc::new(Semaphore::new(places_max)),
            addresses: Arc::new(PerAddress::new(per_address_max)),
            unfinished: Arc::default(),
            backlog: Backlog::default(),
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
        }
    }

    /// Reserves a slot for a connection from an address. `free`: the address has no limit of its own.
    pub(super) fn place(api: &PublicApi, address: IpAddr, free: bool) -> Result<ConnectionPlace, Problem> {
        let full = |why| Problem::new(Code::Overloaded).with_detail(why).retry_after(FULL_WAIT);
        let hub = api.hub();
        let permit = hub.places.clone().try_acquire_owned();
        let permit = permit.map_err(|_| full("too many live connections"))?;
        let address = hub.addresses.take(address, free);
        let address = address.ok_or_else(|| full("too many live connections from this address"))?;
        metrics::gauge!(LIVE_CONNECTIONS).increment(1);
        Ok(ConnectionPlace { address, _permit: permit })
    }

    /// The number of topic channels.
    #[cfg(test)]
    pub(super) fn topics(&self) -> usize {
        self.hub.len()
    }

    /// The number of connections.
    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.addresses.taken()
    }

    /// The number of visitors subscribed to a topic.
    pub(super) fn viewers(&self, name: &Name) -> usize {
        self.hub.get(name).map_or(0, |retained| retained.channel.viewers())
    }

    /// The channels of drops, as a copy, so that the caller holds no lock of the map while it iterates.
    pub(super) fn drops(&self) -> Vec<(TenantId, DropId, Arc<RetainedChannel>)> {
        let drops = self.hub.iter().filter_map(|channel| {
            let (tenant, topic, _) = channel.key();
            Some((tenant.clone(), DropId(topic.entity(Kind::Drop)?), channel.value().clone()))
        });
        drops.collect()
    }

    /// Subscribes a connection that is authorized for the topic. `state` is a recent state of it.
    pub(super) fn join(
        &self,
        api: &PublicApi,
        name: Name,
        token: Option<(String, Timestamp)>,
        connection: &Arc<Connection>,
        since: Option<&Place>,
        state: Standing,
    ) -> Arc<RetainedChannel> {
        loop {
            let retained = self.hub.entry(name.clone()).or_insert_with(|| self.open(api, &name)).clone();
            retained.set_token(token.clone());
            retained.channel.join(connection, since, state.clone());
            // The channel's task may have removed it from the map just before: then try again with a new one.
            if self.hub.get(&name).is_some_and(|known| Arc::ptr_eq(&known, &retained)) {
                return retained;
            }
        }
    }

    fn open(&self, api: &PublicApi, name: &Name) -> Arc<RetainedChannel> {
        let epoch = format!("{:x}", crate::auth::keys::random128().unwrap_or_default());
        let retained = Arc::new(RetainedChannel {
            channel: TopicChannel::new(name.1, epoch),
            token: Mutex::default(),
            recorded: Mutex::default(),
        });
        // Weak: the subscription to the change feed must not keep the channel in memory.
        let noting = Arc::downgrade(&retained);
        let subscription = api.gateway().commerce.subscribe(
            name.1.interest(&name.0),
            Arc::new(move |change| {
                if let Some(retained) = noting.upgrade() {
                    retained.channel.note(change);
                }
            }),
        );
        let (api, name, opened) = (api.clone(), name.clone(), retained.clone());
        metrics::gauge!(LIVE_TOPICS).increment(1);
        self.tracker.spawn(async move {
            let stop = api.hub().stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = keep(&api, &name, &opened) => {}
            }
            drop(subscription);
        });
        retained
    }
}

impl RetainedChannel {
    /// The number of visitors subscribed.
    pub(super) fn viewers(&self) -> u32 {
        u32::try_from(self.channel.viewers()).unwrap_or(u32::MAX)
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

    /// Stores a token, unless the stored one expires later.
    pub(super) fn set_token(&self, token: Option<(String, Timestamp)>) {
        let mut known = self.token.lock();
        let lasts = |known: &Option<(String, Timestamp)>| known.as_ref().map(|(_, ends)| *ends);
        if token.is_some() && lasts(&token) >= lasts(&known) {
            *known = token;
        }
    }
}

/// Publishes the changes of a topic until it has had no subscriber for [`LINGER`].
async fn keep(api: &PublicApi, name: &Name, retained: &Arc<RetainedChannel>) {
    let (channel, clock) = (&retained.channel, api.gateway().clock());
    let in_ms = |ms| Instant::now() + Duration::from_millis(ms);
    // When the state changes by the clock alone, and when a change of the viewers may be published.
    let (mut turns_at, mut viewers_at): (Option<Timestamp>, Option<Instant>) = (None, None);
    let mut next_at = Instant::now();
    loop {
        let alone_until = channel.empty_since().map(|since| since + LINGER);
        tokio::select! {
            () = channel.wake.notified() => {}
            () = at(turns_at.map(|turns| in_ms(turns.ms_since(clock.now())))) => channel.look_again(),
            () = at(viewers_at) => channel.look_again(),
            () = at(alone_until) => {
                let gone = |_: &Name, known: &Arc<RetainedChannel>| Arc::ptr_eq(known, retained) && channel.members() == 0;
                if api.hub().hub.remove_if(name, gone).is_some() {
                    metrics::gauge!(LIVE_TOPICS).decrement(1);
                    return;
                }
            }
        }
        join_more(channel, next_at).await;
        next_at = Instant::now() + STATE_EVERY;
        let changed = channel.take_changed();
        if channel.members() == 0 {
            // The next subscriber requests a new read.
            (turns_at, viewers_at) = (None, None);
            continue;
        }
        if !changed {
            continue;
        }
        let token = retained.token();
        // Read the state first: a subscriber that lost access must not receive the facts either.
        match reading_changes(channel, look(api, name, retained, token.as_deref())).await {
            Ok(standing) => {
                turns_at = standing.as_ref().and_then(|standing| standing.turns_at);
                viewers_at = reading_changes(channel, channel.broadcast_all(standing)).await;
            }
            // A subscriber brought a better token meanwhile.
            Err(_) if token != retained.token() => {
                sleep_until(next_at).await;
                channel.look_again();
            }
            Err(problem) if problem.status().is_client_error() && problem.status() != StatusCode::TOO_MANY_REQUESTS => {
                channel.refuse(&problem);
            }
            // A temporary failure: retry.
            Err(_) => {
                sleep_until(next_at).await;
                channel.look_again();
            }
        }
    }
}

/// Waits until the topic is quiet for a moment, so that changes that come together go out in one write. It waits at
/// least until `next_at`, at most [`STATE_EVERY`], and stops early when the channel has many unpublished facts.
async fn join_more(channel: &TopicChannel, next_at: Instant) {
    let at_latest = next_at.max(Instant::now() + STATE_EVERY);
    loop {
        channel.read_changes();
        if channel.is_full() {
            return;
        }
        let quiet_at = next_at.max(Instant::now() + JOINED_WITHIN).min(at_latest);
        if timeout_at(quiet_at, channel.wake.notified()).await.is_err() {
            return;
        }
    }
}

/// Waits for `work` and meanwhile reads the changes that are noted, so that their queue does not fill while a state is
/// read or sent to many subscribers.
async fn reading_changes<T>(channel: &TopicChannel, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut has_read = false;
    let done = loop {
        tokio::select! {
            biased;
            done = &mut work => break done,
            () = channel.wake.notified() => channel.read_changes(),
        }
        has_read = true;
    };
    if has_read {
        // The changes have used up their wake-up, but are not published yet.
        channel.wake.notify_one();
    }
    done
}

/// Reads the state of a topic for its subscribers. `Ok(None)`: the topic has facts only.
async fn look(
    api: &PublicApi,
    (tenant, topic, _): &Name,
    retained: &RetainedChannel,
    token: Option<&str>,
) -> Result<Option<Standing>, Problem> {
    // The state must include every change up to now: without a further change nothing triggers another read.
    let since = Instant::now();
    if topic.is_public() {
        return read(api, topic, Reader::Subscribers(tenant), retained.channel.viewers(), since).await;
    }
    let gateway = api.gateway();
    let identity = match token {
        Some(token) => Some(gateway.sessions.identify(token, gateway.now()).await?),
        None => None,
    };
    read(api, topic, Reader::Client(&Shop { tenant: tenant.clone(), identity }), 0, since).await
}

/// Reads the state of a topic as a request is answered.
pub(super) async fn read(
    api: &PublicApi,
    topic: &Topic,
    reader: Reader<'_>,
    viewers: usize,
    since: Instant,
) -> Result<Option<Standing>, Problem> {
    let id = RequestId::next();
    let meta = CommandMeta { request_id: id.number(), ..CommandMeta::read() };
    let reading = Reading { gateway: api.gateway(), reader, meta, viewers, since };
    api.read_inside(&id, topic.read(reading)).await
}
