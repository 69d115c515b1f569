//! The session of a connection: its identity, its subscriptions and its commands.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actors::views::VIEW_AGE_MAX;
use engine::{
    id::{DropId, TenantId},
    time::Timestamp,
};
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
    hub::{RetainedChannel, ask, look_at_drop, vendor},
    topic::{State, Topic},
};
use crate::{
    auth::{Identity, InvalidToken, Role, Unrecognised},
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
        let private: Vec<_> =
            listens.keys().copied().filter(|topic| !matches!(topic.state(), State::Public(_))).collect();
        for topic in &private {
            if let Some(retained) = listens.remove(topic) {
                retained.channel.leave(&self.connection);
            }
        }
        private
    }

    pub(super) async fn subscribe(&self, name: &str, since: Option<Place>) {
        if let Err(problem) = self.try_subscribe(name, since.as_ref()).await {
            self.connection.say(Frame::Refused { topic: name, problem: &problem });
        }
    }

    async fn try_subscribe(&self, name: &str, since: Option<&Place>) -> Result<(), Box<RawValue>> {
        let topic = Topic::parse(name)
            .ok_or_else(|| self.problem(&Problem::invalid("/topic", FieldCode::Unknown, "is not a known topic")))?;
        // A subscription counts as a request.
        self.api.gateway().limits.address(self.arrival.address).map_err(|problem| self.problem(&problem))?;
        if !self.has_room_for(topic) {
            return Err(self.problem(&Problem::out_of_range("/topic", "too many topics on this connection")));
        }
        let who = self.who.lock().clone();
        if let Some(who) = &who {
            let limits = &self.api.gateway().limits;
            limits.identity(&who.identity, Some(self.arrival.address)).map_err(|problem| self.problem(&problem))?;
        }
        let tenant = who.as_ref().map(|who| who.identity.tenant()).or(self.shop.as_ref());
        let tenant = tenant.ok_or_else(|| self.problem(&Problem::new(Code::TenantRequired)))?;
        let token = who.as_ref().map(|who| &who.token[..]);
        let refused = |(_, problem)| problem;
        // A client may subscribe to what it may read through REST.
        let state = match topic.state() {
            State::Public(drop) => match self.look_at_drop(tenant, topic, drop).await {
                Some(seen) if !seen.is_draft() => seen,
                // REST decides who may see a draft, and explains why there is nothing to see.
                seen => {
                    let answer = ask(&self.api, &format!("/v1/drops/{drop}"), tenant, token).await.map_err(refused)?;
                    seen.unwrap_or_else(|| Standing::answered(answer))
                }
            },
            State::Answer(path) => Standing::answered(ask(&self.api, &path, tenant, token).await.map_err(refused)?),
            State::Feed => {
                vendor(&self.api, token).await.map_err(refused)?;
                Standing::nothing()
            }
        };
        let viewer = match (topic.state(), &who) {
            (State::Public(_), _) | (_, None) => None,
            (_, Some(who)) => Some(who.viewer()),
        };
        let room_name = (tenant.clone(), topic, viewer);
        let token = who.as_ref().map(|who| (who.token.clone(), who.identity.expires_at()));
        let retained = self.api.hub().join(&self.api, room_name, token, &self.connection, since, state);
        let before = self.listens.lock().insert(topic, retained.clone());
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &retained)) {
            before.channel.leave(&self.connection);
        }
        Ok(())
    }

    /// Reads a drop with one viewer more, unless this client is staff.
    async fn look_at_drop(&self, tenant: &TenantId, topic: Topic, drop: DropId) -> Option<Standing> {
        let others = self.api.hub().viewers(&(tenant.clone(), topic, None));
        let viewers = others + usize::from(!self.connection.is_staff());
        look_at_drop(&self.api, tenant, drop, viewers, lately()).await
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

    fn problem(&self, problem: &Problem) -> Box<RawValue> {
        written(problem, &self.arrival.id.text())
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

/// The oldest time of a state that is good enough for a new subscriber; the current one follows at once.
fn lately() -> Instant {
    let now = Instant::now();
    now.checked_sub(VIEW_AGE_MAX).unwrap_or(now)
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
