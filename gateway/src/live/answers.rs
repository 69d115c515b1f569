//! Commands: each is answered as REST answers it, those of one message beside each other.

use std::{panic::AssertUnwindSafe, pin::pin, sync::atomic::Ordering, time::Instant};

use axum::{
    http::{Method, StatusCode, header},
    response::Response,
};
use engine::id::DropId;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use http_body_util::BodyExt;
use tokio::sync::SemaphorePermit;

use super::{
    frames::{Ask, Body, Call, Command, CommandName, Parameter, Reply, raw},
    session::{Session, written},
    waiting::Charge,
};
use crate::{
    auth::Identity,
    edge::{Arrival, RequestId},
    idempotency::{IDEMPOTENCY_REPLAYED, Key},
    ops::metrics::Meter,
    problem::{Code, Problem},
    routes::{self, NewClaim},
    wire::read_claim,
};

/// About how many bytes of replies are joined into a message. What a client does not read is counted by messages.
const JOINED_BYTES: usize = 64 * 1024;
/// The operations that are answered without a detour over HTTP, and where REST has them.
const CLAIM: (Method, &str) = (Method::POST, "/v1/drops/x/claims");
const RELEASE: (Method, &str) = (Method::DELETE, "/v1/drops/x/claims/x");

/// What is asked for at once.
enum Work {
    /// Claims on one drop.
    Claims(DropId, Vec<Claiming>),
    /// To give a claim back.
    Release(CommandName, DropId, String),
    /// Any operation.
    Call(CommandName, Option<String>, Call),
}

struct Claiming {
    id: CommandName,
    key: Option<String>,
    body: NewClaim,
}

/// Replies, and the room that they take until they are said.
struct Done<'a> {
    replies: Vec<Reply>,
    room: Option<(SemaphorePermit<'a>, Charge)>,
}

/// Commands, claims on the same drop together. What names no drop is left to the operation to refuse.
fn sorted(commands: Vec<Command>) -> Vec<Work> {
    let mut all = Vec::new();
    for Command { id, key, ask } in commands {
        match ask {
            Ask::Claim { drop, body } => match drop.parse() {
                Ok(drop) => claims_on(drop, &mut all).push(Claiming { id, key, body }),
                Err(_) => {
                    let body = serde_json::to_vec(&body).unwrap_or_default();
                    all.push(Work::Call(id, key, call("create_claim", [("id", drop)], body)));
                }
            },
            Ask::Release { drop, claim } => match drop.parse() {
                Ok(drop) => all.push(Work::Release(id, drop, claim)),
                Err(_) => {
                    let params = [("id", drop), ("claim_id", claim)];
                    all.push(Work::Call(id, key, call("release_claim", params, Vec::new())));
                }
            },
            Ask::Call(call) => all.push(Work::Call(id, key, call)),
        }
    }
    all
}

/// The place for claims on a drop.
fn claims_on(drop: DropId, all: &mut Vec<Work>) -> &mut Vec<Claiming> {
    let known = all.iter().position(|work| matches!(work, Work::Claims(known, _) if *known == drop));
    let at = known.unwrap_or(all.len());
    if at == all.len() {
        all.push(Work::Claims(drop, Vec::new()));
    }
    match &mut all[at] {
        Work::Claims(_, claims) => claims,
        Work::Release(..) | Work::Call(..) => unreachable!("found or put there as claims"),
    }
}

impl Session {
    /// Answers commands. Replies that are there at the same time are said in one message.
    pub(super) async fn answer(&self, commands: Vec<Command>) {
        let token = self.token();
        let gateway = self.door.gateway();
        let identity = match &token {
            Some(token) => gateway.sessions.identify(token, gateway.now()).await.map(Some),
            None => Ok(None),
        };
        let who = Asking { session: self, token: token.as_deref(), identity };
        let mut asked: FuturesUnordered<_> = sorted(commands).into_iter().map(|work| who.answer(work)).collect();
        while let Some(first) = asked.next().await {
            let mut done = vec![first];
            while !done.is_empty() {
                while let Some(Some(more)) = asked.next().now_or_never() {
                    done.push(more);
                }
                let mut saying = pin!(self.reply(std::mem::take(&mut done)));
                // What else was asked for goes on while the client reads: it may hold what others wait for.
                loop {
                    tokio::select! {
                        () = &mut saying => break,
                        Some(more) = asked.next() => done.push(more),
                    }
                }
                if self.peer.is_ended() {
                    // As when a request's connection breaks: what is under way is asked for again by its key.
                    return;
                }
            }
        }
    }

    /// Says replies, in as few messages as hold them.
    async fn reply(&self, done: Vec<Done<'_>>) {
        let (replies, _room): (Vec<_>, Vec<_>) = done.into_iter().map(|done| (done.replies, done.room)).unzip();
        let mut replies = replies.into_iter().flatten().peekable();
        while let Some(first) = replies.next() {
            let mut weight = first.weight();
            let mut message = vec![first];
            while let Some(reply) = replies.next_if(|_| weight < JOINED_BYTES) {
                weight += reply.weight();
                message.push(reply);
            }
            let count = message.len();
            self.peer.answer(&self.peer.wire.replies(message)).await;
            self.commands.fetch_sub(count, Ordering::AcqRel);
        }
    }
}

/// Who asks, for all commands of a message.
struct Asking<'a> {
    session: &'a Session,
    token: Option<&'a str>,
    identity: Result<Option<Identity>, Problem>,
}

impl Asking<'_> {
    /// On the heap: what is asked for is moved about while it waits for others.
    fn answer(&self, work: Work) -> BoxFuture<'_, Done<'_>> {
        match work {
            Work::Claims(drop, claims) => self.claims(drop, claims).map(|replies| Done { replies, room: None }).boxed(),
            Work::Release(id, drop, claim) => {
                self.release(id, drop, claim).map(|reply| Done { replies: vec![reply], room: None }).boxed()
            }
            Work::Call(id, key, call) => self.call(id, key, call).boxed(),
        }
    }

    /// Whoever may ask now.
    fn identity(&self, arrival: &Arrival) -> Result<&Identity, Problem> {
        let limits = &self.session.door.gateway().limits;
        limits.address(arrival.address)?;
        let identity = self.identity.as_ref().map_err(Clone::clone)?;
        let identity = identity.as_ref().ok_or_else(|| Problem::new(Code::AuthenticationRequired))?;
        limits.identity(identity, Some(arrival.address))?;
        Ok(identity)
    }

    async fn claims(&self, drop: DropId, claims: Vec<Claiming>) -> Vec<Reply> {
        let (mut named, mut wanted) = (Vec::with_capacity(claims.len()), Vec::with_capacity(claims.len()));
        for Claiming { id, key, body } in claims {
            let arrival = self.arrival();
            let key = self.identity(&arrival).and_then(|_| {
                let key = key.ok_or_else(|| Problem::new(Code::IdempotencyKeyRequired))?;
                Key::new(&key, arrival.id.number())
            });
            wanted.push(key.map(|key| (key, body)));
            named.push((id, arrival.id));
        }
        let claimed = async {
            match &self.identity {
                Ok(Some(identity)) => {
                    let (gateway, address) = (self.session.door.gateway(), self.session.arrival.address);
                    routes::claim_many(gateway, identity, drop, address, wanted.into_iter()).await
                }
                // Each was refused for it.
                _ => wanted.into_iter().map(|wanted| wanted.and_then(|_| Err(Problem::new(Code::Internal)))).collect(),
            }
        };
        let outcomes = self.counted(&CLAIM, named.len(), claimed, StatusCode::CREATED).await;
        let replies = named.into_iter().zip(outcomes).map(|((id, request_id), outcome)| match outcome {
            Ok((claim, replayed)) => {
                let body = Some(Body::Claim(claim.into()));
                Reply { id, status: StatusCode::CREATED.as_u16(), replayed, body, problem: None }
            }
            Err(problem) => refused(id, &problem, &request_id),
        });
        replies.collect()
    }

    async fn release(&self, id: CommandName, drop: DropId, claim: String) -> Reply {
        let arrival = self.arrival();
        let released = async {
            let identity = self.identity(&arrival)?;
            let claim = read_claim(drop, &claim)?.claim;
            routes::release(self.session.door.gateway(), identity, drop, claim, routes::read_call(&arrival)).await
        };
        let status = StatusCode::NO_CONTENT;
        match self.counted(&RELEASE, 1, released.map(|outcome| vec![outcome]), status).await.pop() {
            Some(Ok(())) => Reply { id, status: status.as_u16(), replayed: false, body: None, problem: None },
            Some(Err(problem)) => refused(id, &problem, &arrival.id),
            None => refused(id, &Problem::new(Code::Internal), &arrival.id),
        }
    }

    fn arrival(&self) -> Arrival {
        Arrival { id: RequestId::next(), address: self.session.arrival.address }
    }

    /// The outcomes of `count` operations that are done here, each counted as the request that it would be.
    async fn counted<T>(
        &self,
        (method, path): &(Method, &str),
        count: usize,
        outcomes: impl Future<Output = Vec<Result<T, Problem>>>,
        done: StatusCode,
    ) -> Vec<Result<T, Problem>> {
        let started = Instant::now();
        // An operation that panics is one that has no outcome, as behind every other door.
        let outcomes = AssertUnwindSafe(outcomes).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(path, "a command panicked");
            (0..count).map(|_| Err(Problem::new(Code::Internal))).collect()
        });
        let meter: &Meter = self.session.door.meters().of_request(method, path);
        for outcome in &outcomes {
            let status = outcome.as_ref().map_or_else(Problem::status, |_| done);
            meter.record(status, started.elapsed());
        }
        outcomes
    }

    /// Asks as a request would, when there is a place for it and the client takes what it has asked for before.
    async fn call(&self, id: CommandName, key: Option<String>, call: Call) -> Done<'_> {
        let session = self.session;
        let place = session.calls.acquire().await;
        let Some(mut room) = session.peer.room_for_a_reply().await else {
            return Done { replies: Vec::new(), room: None };
        };
        let reply = match session.door.operations().request(key, call, self.token, session.shop.as_ref()) {
            Ok(request) => reply(id, session.door.answer_from(request, session.arrival.address).await).await,
            Err(problem) => refused(id, &problem, &session.arrival.id),
        };
        room.grow_to(reply.weight());
        Done { replies: vec![reply], room: place.ok().map(|place| (place, room)) }
    }
}

fn call<const N: usize>(name: &str, params: [(&str, String); N], body: Vec<u8>) -> Call {
    let params = params.into_iter().map(|(name, text)| (name.to_owned(), Parameter::Text(text))).collect();
    Call { name: name.to_owned(), params, body: body.into(), if_match: None }
}

fn refused(id: CommandName, problem: &Problem, request_id: &RequestId) -> Reply {
    let status = problem.status().as_u16();
    Reply { id, status, replayed: false, body: None, problem: Some(written(problem, &request_id.text())) }
}

/// What a response says.
async fn reply(id: CommandName, response: Response) -> Reply {
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
    let replayed = parts.headers.contains_key(IDEMPOTENCY_REPLAYED);
    let (body, problem) = if parts.status.is_success() { (said, None) } else { (None, said) };
    Reply { id, status: parts.status.as_u16(), replayed, body: body.map(Body::Json), problem }
}
