//! Commands: each gets the same answer as from REST, and those of one message run concurrently.

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
    send_queue::Charge,
    session::{Session, written},
};
use crate::{
    api::{self, NewClaim},
    auth::Identity,
    edge::{Arrival, RequestId},
    idempotency::{IDEMPOTENCY_REPLAYED, Key},
    ops::metrics::Meter,
    problem::{Code, Problem},
    wire::read_claim,
};

/// The approximate number of bytes of replies that are joined into a message. The queue of a client that does not read
/// is bounded by messages, too.
const JOINED_BYTES: usize = 64 * 1024;
/// The operations that are executed without a detour over HTTP, with their REST method and path for the metrics.
const CLAIM: (Method, &str) = (Method::POST, "/v1/drops/x/claims");
const RELEASE: (Method, &str) = (Method::DELETE, "/v1/drops/x/claims/x");

/// A unit of work.
enum Work {
    /// Claims on one drop.
    Claims(DropId, Vec<Claiming>),
    /// The release of a claim.
    Release(CommandName, DropId, String),
    /// Any other operation.
    Call(CommandName, Option<String>, Call),
}

struct Claiming {
    id: CommandName,
    key: Option<String>,
    body: NewClaim,
}

/// Replies, and the memory and permit that they hold until they are sent.
struct Done<'a> {
    replies: Vec<Reply>,
    channel: Option<(SemaphorePermit<'a>, Charge)>,
}

/// Groups commands: claims on the same drop run together. A command with an invalid drop id is left to the operation to
/// reject.
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

/// Finds or adds the group of claims on a drop.
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
    /// Answers commands. Replies that are ready at the same time are sent in one message.
    pub(super) async fn answer(&self, commands: Vec<Command>) {
        let token = self.token();
        let gateway = self.api.gateway();
        let identity = match &token {
            Some(token) => gateway.sessions.identify(token, gateway.now()).await.map(Some),
            None => Ok(None),
        };
        let who = Asking { session: self, token: token.as_deref(), identity };
        let mut running: FuturesUnordered<_> = sorted(commands).into_iter().map(|work| who.answer(work)).collect();
        while let Some(first) = running.next().await {
            let mut done = vec![first];
            while !done.is_empty() {
                while let Some(Some(more)) = running.next().now_or_never() {
                    done.push(more);
                }
                let mut saying = pin!(self.reply(std::mem::take(&mut done)));
                // The other commands must make progress while the client reads: they may hold what others wait for.
                loop {
                    tokio::select! {
                        () = &mut saying => break,
                        Some(more) = running.next() => done.push(more),
                    }
                }
                if self.connection.is_ended() {
                    // As when a request's connection breaks: the client retries what is in progress with its
                    // idempotency key.
                    return;
                }
            }
        }
    }

    /// Sends replies in as few messages as hold them.
    async fn reply(&self, done: Vec<Done<'_>>) {
        let (replies, _room): (Vec<_>, Vec<_>) = done.into_iter().map(|done| (done.replies, done.channel)).unzip();
        let mut replies = replies.into_iter().flatten().peekable();
        while let Some(first) = replies.next() {
            let mut weight = first.weight();
            let mut message = vec![first];
            while let Some(reply) = replies.next_if(|_| weight < JOINED_BYTES) {
                weight += reply.weight();
                message.push(reply);
            }
            let count = message.len();
            self.connection.answer(&self.connection.encoding.replies(message)).await;
            self.commands.fetch_sub(count, Ordering::AcqRel);
        }
    }
}

/// The caller of all commands of a message.
struct Asking<'a> {
    session: &'a Session,
    token: Option<&'a str>,
    identity: Result<Option<Identity>, Problem>,
}

impl Asking<'_> {
    /// Boxed, because the future is moved while it waits for others.
    fn answer(&self, work: Work) -> BoxFuture<'_, Done<'_>> {
        match work {
            Work::Claims(drop, claims) => {
                self.claims(drop, claims).map(|replies| Done { replies, channel: None }).boxed()
            }
            Work::Release(id, drop, claim) => {
                self.release(id, drop, claim).map(|reply| Done { replies: vec![reply], channel: None }).boxed()
            }
            Work::Call(id, key, call) => self.call(id, key, call).boxed(),
        }
    }

    /// Returns the caller's identity, if the rate limits allow a command now.
    fn identity(&self, arrival: &Arrival) -> Result<&Identity, Problem> {
        let limits = &self.session.api.gateway().limits;
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
                    let (gateway, address) = (self.session.api.gateway(), self.session.arrival.address);
                    api::claim_many(gateway, identity, drop, address, wanted.into_iter()).await
                }
                // The identity was refused, so every claim already has its error.
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
            api::release(self.session.api.gateway(), identity, drop, claim, api::read_meta(&arrival)).await
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

    /// Runs `count` operations in process and counts each of them as the request that it stands for.
    async fn counted<T>(
        &self,
        (method, path): &(Method, &str),
        count: usize,
        outcomes: impl Future<Output = Vec<Result<T, Problem>>>,
        done: StatusCode,
    ) -> Vec<Result<T, Problem>> {
        let started = Instant::now();
        // A panic becomes an internal error, as in the HTTP pipeline.
        let outcomes = AssertUnwindSafe(outcomes).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(path, "a command panicked");
            (0..count).map(|_| Err(Problem::new(Code::Internal))).collect()
        });
        let meter: &Meter = self.session.api.meters().of_request(method, path);
        for outcome in &outcomes {
            let status = outcome.as_ref().map_or_else(Problem::status, |_| done);
            meter.record(status, started.elapsed());
        }
        outcomes
    }

    /// Runs an operation as a request, once a permit is free and the client has read enough of its earlier replies.
    async fn call(&self, id: CommandName, key: Option<String>, call: Call) -> Done<'_> {
        let session = self.session;
        let place = session.calls.acquire().await;
        let Some(mut channel) = session.connection.room_for_a_reply().await else {
            return Done { replies: Vec::new(), channel: None };
        };
        let reply = match session.api.operations().request(key, call, self.token, session.shop.as_ref()) {
            Ok(request) => reply(id, session.api.answer_from(request, session.arrival.address).await).await,
            Err(problem) => refused(id, &problem, &session.arrival.id),
        };
        channel.grow_to(reply.weight());
        Done { replies: vec![reply], channel: place.ok().map(|place| (place, channel)) }
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

/// Converts a response to a reply.
async fn reply(id: CommandName, response: Response) -> Reply {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let is_json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.to_str().is_ok_and(|kind| kind.starts_with("application/json") || kind.ends_with("+json"))
    });
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let content = match (is_json, text.is_empty()) {
        (_, true) => None,
        (true, false) => raw(text),
        // Any other content type is sent as a string.
        (false, false) => raw(serde_json::Value::String(text).to_string()),
    };
    let replayed = parts.headers.contains_key(IDEMPOTENCY_REPLAYED);
    let (body, problem) = if parts.status.is_success() { (content, None) } else { (None, content) };
    Reply { id, status: parts.status.as_u16(), replayed, body: body.map(Body::Json), problem }
}
