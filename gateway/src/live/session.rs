//! A connection's conversation: who it is, what it listens to, what it asks.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{http::header, response::Response};
use engine::{id::TenantId, time::Timestamp};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::value::RawValue;

use super::{
    COMMANDS_MAX, Close, EXPIRING, FRAMES_MAX, PING_EVERY, SUBSCRIPTIONS_MAX,
    frames::{self, Command, Frame, Limits, Place, Said, raw},
    peer::{Peer, message},
    rooms::{Kept, ask, with_viewers},
    topic::{State, Topic},
};
use crate::{
    auth::{Identity, InvalidToken, Unrecognised},
    edge::{Arrival, Door},
    idempotency::IDEMPOTENCY_REPLAYED,
    problem::{Code, FieldCode, Problem},
};

/// A connection's conversation.
pub(super) struct Session {
    door: Door,
    arrival: Arrival,
    pub(super) peer: Arc<Peer>,
    /// Whose shop it is, for those without a token.
    shop: TenantId,
    who: Mutex<Option<Who>>,
    greeted: std::sync::atomic::AtomicBool,
    listens: Mutex<HashMap<Topic, Arc<Kept>>>,
    commands: AtomicUsize,
}

#[derive(Clone)]
struct Who {
    identity: Identity,
    token: String,
}

impl Session {
    pub(super) fn new(door: Door, arrival: Arrival, shop: TenantId, peer: Arc<Peer>) -> Arc<Self> {
        Arc::new(Self {
            door,
            arrival,
            peer,
            shop,
            who: Mutex::default(),
            greeted: false.into(),
            listens: Mutex::default(),
            commands: AtomicUsize::new(0),
        })
    }

    /// Whether it has said `hello`.
    pub(super) fn is_greeted(&self) -> bool {
        self.greeted.load(Ordering::Acquire)
    }

    /// When its token ends.
    pub(super) fn token_ends(&self) -> Option<Timestamp> {
        self.who.lock().as_ref().map(|who| who.identity.expires_at())
    }

    fn say(&self, frame: &Frame<'_>) {
        self.peer.say(&message(frame.to_json()));
    }

    /// Answers a message. `Err`: the connection ends.
    pub(super) async fn hear(self: &Arc<Self>, text: &str) -> Result<(), Close> {
        let frames = frames::read(text).map_err(|_| Close::Malformed)?;
        if frames.len() > FRAMES_MAX {
            return Err(Close::BeyondLimits);
        }
        for frame in frames {
            match frame {
                Said::Hello { token, client } if !self.is_greeted() => self.hello(token, client).await?,
                _ if !self.is_greeted() => return Err(Close::Malformed),
                Said::Hello { .. } => return Err(Close::Malformed),
                Said::Auth { token } => self.auth(token).await?,
                Said::Subscribe { topic, since } => self.subscribe(&topic, since).await,
                Said::Unsubscribe { topic } => self.unsubscribe(&topic),
                Said::Command(command) => self.command(command)?,
                Said::Pong {} => {}
            }
        }
        Ok(())
    }

    async fn identify(&self, token: &str) -> Result<Identity, Close> {
        let gateway = self.door.gateway();
        gateway.sessions.recognise(token, gateway.now()).await.map_err(|why| match why {
            Unrecognised::Token(InvalidToken::Foreign) => Close::BadToken,
            Unrecognised::Token(InvalidToken::Expired | InvalidToken::Ended) => Close::TokenEnded,
            Unrecognised::Trouble(_) => Close::NotNow,
        })
    }

    async fn hello(&self, token: Option<String>, client: Option<String>) -> Result<(), Close> {
        if let Some(token) = token {
            let identity = self.identify(&token).await?;
            *self.who.lock() = Some(Who { identity, token });
        }
        tracing::debug!(request_id = self.arrival.id.text(), client, "hello");
        self.greeted.store(true, Ordering::Release);
        self.welcome();
        Ok(())
    }

    fn welcome(&self) {
        let server_time = self.door.gateway().now().0;
        self.say(&Frame::Welcome { server_time, ping_ms: PING_EVERY.as_millis() as u64, limits: Limits::PRESENT });
    }

    /// A newer token of the same person, or of the account that the guest has become.
    async fn auth(&self, token: String) -> Result<(), Close> {
        let identity = self.identify(&token).await?;
        let known = self.who.lock().clone();
        let fits = known.is_none_or(|known| {
            let before = known.identity.subject();
            let same = identity.subject() == before || identity.standing().former.contains(&before);
            known.identity.tenant() == identity.tenant() && same
        });
        if !fits {
            return Err(Close::BadToken);
        }
        for kept in self.listens.lock().values() {
            kept.set_token(Some(token.clone()));
        }
        *self.who.lock() = Some(Who { identity, token });
        self.welcome();
        Ok(())
    }

    async fn subscribe(self: &Arc<Self>, name: &str, since: Option<Place>) {
        if let Err(problem) = self.try_subscribe(name, since.as_ref()).await {
            self.say(&Frame::Refused { topic: name, problem: &problem });
        }
    }

    async fn try_subscribe(&self, name: &str, since: Option<&Place>) -> Result<(), Box<RawValue>> {
        let topic = Topic::parse(name)
            .ok_or_else(|| self.problem(&Problem::invalid("/topic", FieldCode::Unknown, "no such topic")))?;
        if self.listens.lock().len() >= SUBSCRIPTIONS_MAX && !self.listens.lock().contains_key(&topic) {
            return Err(self.problem(&Problem::out_of_range("/topic", "more topics than a connection may have")));
        }
        let who = self.who.lock().clone();
        let tenant = who.as_ref().map_or(&self.shop, |who| who.identity.tenant());
        let token = who.as_ref().map(|who| &who.token[..]);
        let (path, viewer) = match topic.state() {
            State::Public(drop) => (format!("/v1/drops/{drop}"), None),
            State::Answer(path) => (path, who.as_ref().map(|who| who.identity.subject())),
            State::Feed(path) => {
                if !who.as_ref().is_some_and(|who| who.identity.is_vendor()) {
                    let code = if who.is_some() { Code::Forbidden } else { Code::AuthenticationRequired };
                    return Err(self.problem(&Problem::new(code)));
                }
                (path.to_owned(), who.as_ref().map(|who| who.identity.subject()))
            }
        };
        // What REST lets this one read, it may listen to.
        let answer = ask(&self.door, &path, tenant, token).await.map_err(|(_, problem)| problem)?;
        let state = match topic.state() {
            State::Public(_) => with_viewers(answer.get(), 1).unwrap_or(answer),
            State::Answer(_) => answer,
            State::Feed(_) => raw("{}".to_owned()).unwrap_or_default(),
        };
        let room_name = (tenant.clone(), topic, viewer);
        let token = token.map(str::to_owned);
        let kept = self.door.rooms().join(&self.door, room_name, token, &self.peer, since, &state);
        self.listens.lock().insert(topic, kept);
        Ok(())
    }

    fn unsubscribe(&self, name: &str) {
        let listened = Topic::parse(name).and_then(|topic| self.listens.lock().remove(&topic));
        if let Some(kept) = listened {
            kept.room.leave(&self.peer);
        }
    }

    /// Leaves everything.
    pub(super) fn leave(&self) {
        for (_, kept) in self.listens.lock().drain() {
            kept.room.leave(&self.peer);
        }
    }

    fn problem(&self, problem: &Problem) -> Box<RawValue> {
        raw(String::from_utf8_lossy(&problem.to_json(&self.arrival.id.text())).into_owned()).unwrap_or_default()
    }

    /// Asks what a command asks, beside the others.
    fn command(self: &Arc<Self>, command: Command) -> Result<(), Close> {
        if !command.id.fits() || self.commands.fetch_add(1, Ordering::AcqRel) >= COMMANDS_MAX {
            return Err(Close::BeyondLimits);
        }
        let session = self.clone();
        self.door.rooms().tracker.spawn(async move {
            session.answer(command).await;
            session.commands.fetch_sub(1, Ordering::AcqRel);
        });
        Ok(())
    }

    async fn answer(&self, command: Command) {
        let id = command.id.clone();
        let token = self.who.lock().as_ref().map(|who| who.token.clone());
        let request = self.door.operations().request(command, token.as_deref(), &self.shop);
        let response = match request {
            Ok(request) => self.door.answer_from(request, self.arrival.address).await,
            Err(problem) => {
                let status = problem.status().as_u16();
                let problem = self.problem(&problem);
                return self.say(&Frame::Reply {
                    id: &id,
                    status,
                    replayed: false,
                    body: None,
                    problem: Some(&problem),
                });
            }
        };
        self.reply(&id, response).await;
    }

    async fn reply(&self, id: &frames::CommandName, response: Response) {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let is_json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
            kind.to_str().is_ok_and(|kind| kind.starts_with("application/json") || kind.ends_with("+json"))
        });
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let said = match (is_json, text.is_empty()) {
            (_, true) => None,
            (true, false) => raw(text),
            // Anything else is said as a text.
            (false, false) => raw(serde_json::Value::String(text).to_string()),
        };
        let (body, problem) = if parts.status.is_success() { (said, None) } else { (None, said) };
        self.say(&Frame::Reply {
            id,
            status: parts.status.as_u16(),
            replayed: parts.headers.contains_key(IDEMPOTENCY_REPLAYED),
            body: body.as_deref(),
            problem: problem.as_deref(),
        });
    }

    /// Says that the token ends soon, or that the server asks whether anyone is there.
    pub(super) fn expiring(&self) {
        self.say(&Frame::Expiring { in_ms: EXPIRING.as_millis() as u64 });
    }

    pub(super) fn ping(&self) {
        self.say(&Frame::Ping {});
    }

    pub(super) fn draining(&self, reconnect_in_ms: u64) {
        self.say(&Frame::Draining { reconnect_in_ms });
    }
}
