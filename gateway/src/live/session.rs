//! The session of a connection: its identity, its subscriptions and its commands.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actors::views::oldest_recent;
use engine::{id::TenantId, time::Timestamp};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    CALLS_AT_ONCE, COMMANDS_MAX, Close, EXPIRING, FINISH_TIMEOUT, FRAMES_MAX, PING_EVERY, SUBSCRIPTIONS_MAX,
    connection::Connection,
    frames::{ClientFrame, Command, Frame, Limits, Place, Standing, raw},
    hub::{RetainedChannel, read},
    topic::{Reader, Topic},
};
use crate::{
    auth::{Identity, InvalidToken, Role, Shop, Unrecognised},
    edge::{Arrival, PublicApi},
    problem::{Code, FieldCode, Problem},
};

/// The session of a connection.
pub(super) struct Session {
    pub(super) api: PublicApi,
    pub(super) arrival: Arrival,
    pub(super) connection: Arc<Connection>,
    /// The shop, for clients without a token; `None` where neither the host nor a header names it.
    pub(super) shop: Option<TenantId>,
    who: Mutex<Option<Who>>,
    greeted: std::sync::atomic::AtomicBool,
    listens: Mutex<HashMap<Topic, Arc<RetainedChannel>>>,
    /// Commands without a reply yet.
    pub(super) commands: AtomicUsize,
    /// Permits for commands that run as requests.
    pub(super) calls: Semaphore,
}

#[derive(Clone)]
struct Who {
    identity: Identity,
    token: String,
}

impl Who {
    /// The key of this viewer's private topic channels: its session. For a token without a session, a hash of the
    /// token.
    fn viewer(&self) -> u128 {
        self.identity.session().unwrap_or_else(|| xxh3_128(self.token.as_bytes()))
    }
}

impl Session {
    pub(super) fn new(
        api: PublicApi,
        arrival: Arrival,
        shop: Option<TenantId>,
        connection: Arc<Connection>,
    ) -> Arc<Self> {
        Arc::new(Self {
            api,
            arrival,
            connection,
            shop,
            who: Mutex::default(),
            greeted: false.into(),
            listens: Mutex::default(),
            commands: AtomicUsize::new(0),
            calls: Semaphore::new(CALLS_AT_ONCE),
        })
    }

    /// Whether the client has sent `hello`.
    pub(super) fn is_greeted(&self) -> bool {
        self.greeted.load(Ordering::Acquire)
    }

    /// When the token expires.
    pub(super) fn token_ends(&self) -> Option<Timestamp> {
        self.who.lock().as_ref().map(|who| who.identity.expires_at())
    }

    /// Handles a message. `Err`: the connection is closed with this code.
    pub(super) async fn handle(self: &Arc<Self>, frames: Vec<ClientFrame>) -> Result<(), Close> {
        if frames.len() > FRAMES_MAX {
            return Err(Close::BeyondLimits);
        }
        let mut commands = Vec::new();
        for frame in frames {
            if !matches!(frame, ClientFrame::Command(_)) {
                // Start the commands that came before this frame; they do not wait for it.
                self.commands(std::mem::take(&mut commands))?;
            }
            match frame {
                ClientFrame::Hello { token, client } if !self.is_greeted() => self.hello(token, client).await?,
                _ if !self.is_greeted() => return Err(Close::Malformed),
                ClientFrame::Hello { .. } => return Err(Close::Malformed),
                ClientFrame::Auth { token } => self.auth(token).await?,
                ClientFrame::Subscribe { topic, since } => self.subscribe(&topic, since).await,
                ClientFrame::Unsubscribe { topic } => self.unsubscribe(&topic),
                ClientFrame::Command(command) => commands.push(command),
                ClientFrame::Pong => {}
            }
        }
        self.commands(commands)
    }

    /// Runs commands in a task of their own, concurrently with the frames that follow.
    fn commands(self: &Arc<Self>, commands: Vec<Command>) -> Result<(), Close> {
        let count = commands.len();
        if count == 0 {
            return Ok(());
        }
        let fit = commands.iter().all(|command| command.id.fits());
        if !fit || self.commands.fetch_add(count, Ordering::AcqRel) + count > COMMANDS_MAX {
            return Err(Close::BeyondLimits);
        }
        let session = self.clone();
        self.api.hub().tracker.spawn(async move { session.answer(commands).await });
        Ok(())
    }

    async fn identify(&self, token: &str) -> Result<Identity, Close> {
        let gateway = self.api.gateway();
        gateway.sessions.recognise(token, gateway.now()).await.map_err(|why| match why {
            Unrecognised::Token(InvalidToken::Foreign) => Close::BadToken,
            Unrecognised::Token(InvalidToken::Expired | InvalidToken::Ended) => Close::TokenEnded,
            Unrecognised::Trouble(_) => Close::NotNow,
        })
    }

    /// Sets the identity of a client of an event stream.
    pub(super) fn introduce(&self, identity: Identity, token: String) {
        self.connection.set_staff(is_staff(&identity));
        *self.who.lock() = Some(Who { identity, token });
    }

    /// The token that commands are sent with.
    pub(super) fn token(&self) -> Option<String> {
        self.who.lock().as_ref().map(|who| who.token.clone())
    }

    async fn hello(&self, token: Option<String>, client: Option<String>) -> Result<(), Close> {
        if let Some(token) = token {
            let identity = self.identify(&token).await?;
            self.introduce(identity, token);
        }
        tracing::debug!(request_id = self.arrival.id.text(), client, "hello");
        self.greeted.store(true, Ordering::Release);
        self.welcome();
        Ok(())
    }

    fn welcome(&self) {
        let server_time = self.api.gateway().now().0;
        self.connection.say(Frame::Welcome {
            server_time,
            ping_ms: PING_EVERY.as_millis() as u64,
            limits: Limits::PRESENT,
        });
    }

    /// Replaces the token: by a newer one of the same person, or of the account that the guest has become.
    async fn auth(&self, token: String) -> Result<(), Close> {
        if self.api.gateway().limits.address(self.arrival.address).is_err() {
            return Err(Close::NotNow);
        }
        let identity = self.identify(&token).await?;
        let known = self.who.lock().clone();
        let fits = known.as_ref().is_none_or(|known| {
            let before = known.identity.subject();
            let same = identity.subject() == before || identity.subject_status().former.contains(&before);
            known.identity.tenant() == identity.tenant() && same
        });
        if !fits {
            return Err(Close::BadToken);
        }
        let who = Who { identity, token };
        let is_another_session = known.is_some_and(|known| known.viewer() != who.viewer());
        let moved = if is_another_session { self.leave_private() } else { Vec::new() };
        for retained in self.listens.lock().values() {
            retained.set_token(Some((who.token.clone(), who.identity.expires_at())));
        }
        self.connection.set_staff(is_staff(&who.identity));
        *self.who.lock() = Some(who);
        self.welcome();
        // After the new identity is set, so that REST checks each topic with the new token.
        for topic in moved {
            self.subscribe(&topic.name(), None).await;
        }
        Ok(())
    }

    /// Leaves the private topic channels. Other connections with a token of the former session may share them, and the
    /// new token must not show those connections what they may not see any more.
    fn leave_private(&self) -> Vec<Topic> {
        let mut listens = self.listens.lock();
        let private: Vec<_> = listens.keys().copied().filter(|topic| !topic.is_public()).collect();
        for topic in &private {
            if let Some(retained) = listens.remove(topic) {
                retained.channel.leave(&self.connection);
            }
        }
        private
    }

    pub(super) async fn subscribe(&self, name: &str, since: Option<Place>) {
        if let Err(problem) = self.try_subscribe(name, since.as_ref()).await {
            let problem = written(&problem, &self.arrival.id.text());
            self.connection.say(Frame::Refused { topic: name, problem: &problem });
        }
    }

    async fn try_subscribe(&self, name: &str, since: Option<&Place>) -> Result<(), Problem> {
        let topic =
            Topic::parse(name).ok_or_else(|| Problem::invalid("/topic", FieldCode::Unknown, "is not a known topic"))?;
        // A subscription counts as a request.
        let limits = &self.api.gateway().limits;
        limits.address(self.arrival.address)?;
        if !self.has_room_for(topic) {
            return Err(Problem::out_of_range("/topic", "too many topics on this connection"));
        }
        let who = self.who.lock().clone();
        if let Some(who) = &who {
            limits.identity(&who.identity, Some(self.arrival.address))?;
        }
        let tenant = who.as_ref().map(|who| who.identity.tenant()).or(self.shop.as_ref());
        let tenant = tenant.ok_or_else(|| Problem::new(Code::TenantRequired))?;
        // A client may subscribe to what it may read through REST.
        let identity = self.identity_for(topic, who.as_ref()).await?;
        let shop = Shop { tenant: tenant.clone(), identity };
        let viewers = self.viewers_with_this_one(tenant, topic);
        let state = read(&self.api, &topic, Reader::Client(&shop), viewers, oldest_recent()).await?;
        let state = state.unwrap_or_else(Standing::nothing);
        let viewer = who.as_ref().filter(|_| !topic.is_public()).map(Who::viewer);
        let name = (tenant.clone(), topic, viewer);
        let token = who.as_ref().map(|who| (who.token.clone(), who.identity.expires_at()));
        let retained = self.api.hub().join(&self.api, name, token, &self.connection, since, state);
        let before = self.listens.lock().insert(topic, retained.clone());
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &retained)) {
            before.channel.leave(&self.connection);
        }
        Ok(())
    }

    /// The identity that the client's token has now. A public topic needs no token.
    async fn identity_for(&self, topic: Topic, who: Option<&Who>) -> Result<Option<Identity>, Problem> {
        let (Some(who), gateway) = (who, self.api.gateway()) else { return Ok(None) };
        match gateway.sessions.identify(&who.token, gateway.now()).await {
            Ok(identity) => Ok(Some(identity)),
            Err(_) if topic.is_public() => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// The number of viewers of a topic with this client, unless it is staff.
    fn viewers_with_this_one(&self, tenant: &TenantId, topic: Topic) -> usize {
        self.api.hub().viewers(&(tenant.clone(), topic, None)) + usize::from(!self.connection.is_staff())
    }

    /// Whether the client may subscribe to one more topic. Topics that it was removed from do not count.
    fn has_room_for(&self, topic: Topic) -> bool {
        let mut listens = self.listens.lock();
        if listens.len() >= SUBSCRIPTIONS_MAX {
            listens.retain(|_, retained| retained.channel.has(&self.connection));
        }
        listens.len() < SUBSCRIPTIONS_MAX || listens.contains_key(&topic)
    }

    /// Waits until every command has its reply, for at most [`FINISH_TIMEOUT`].
    pub(super) async fn finish(&self) {
        let until = Instant::now() + FINISH_TIMEOUT;
        while self.commands.load(Ordering::Acquire) > 0 && Instant::now() < until {
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn unsubscribe(&self, name: &str) {
        let listened = Topic::parse(name).and_then(|topic| self.listens.lock().remove(&topic));
        if let Some(retained) = listened {
            retained.channel.leave(&self.connection);
        }
    }

    /// Leaves all topics.
    pub(super) fn leave(&self) {
        for (_, retained) in self.listens.lock().drain() {
            retained.channel.leave(&self.connection);
        }
    }

    /// Notifies the client that its token expires soon.
    pub(super) fn expiring(&self) {
        let left = self.token_ends().map_or(0, |ends| ends.ms_since(self.api.gateway().now()));
        self.connection.say(Frame::Expiring { in_ms: left.min(EXPIRING.as_millis() as u64) });
    }

    pub(super) fn ping(&self) {
        self.connection.say(Frame::Ping {});
    }

    pub(super) fn draining(&self, reconnect_in_ms: u64) {
        self.connection.say(Frame::Draining { reconnect_in_ms });
    }
}

impl Drop for Session {
    /// However the session ends, its subscriptions end with it.
    fn drop(&mut self) {
        self.leave();
    }
}

/// Serializes a problem as its JSON document.
pub(super) fn written(problem: &Problem, request_id: &str) -> Box<RawValue> {
    let text = String::from_utf8(problem.to_json(request_id)).unwrap_or_default();
    raw(text).unwrap_or_default()
}

/// Whether the identity is staff of the shop, which is not counted as a viewer.
fn is_staff(identity: &Identity) -> bool {
    matches!(identity.role(), Some(Role::Vendor | Role::Host | Role::Admin))
}
