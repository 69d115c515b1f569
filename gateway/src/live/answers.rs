//! Commands: each is answered as REST answers it, those of one message beside each other.

use std::{panic::AssertUnwindSafe, sync::atomic::Ordering, time::Instant};

use axum::{
    http::{Method, StatusCode, header},
    response::Response,
};
use engine::id::DropId;
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use http_body_util::BodyExt;

use super::{
    frames::{Ask, Body, Call, Command, CommandName, Parameter, Reply, raw},
    session::{Session, written},
};
use crate::{
    auth::Identity,
    edge::{Arrival, RequestId},
    idempotency::{IDEMPOTENCY_REPLAYED, Key},
    ops::metrics::Meter,
    problem::{Code, Problem},
    routes::{self, ClaimWire, NewClaim},
    wire::read_claim,
};

/// About how many bytes of replies are joined into a message. What a client does not read is counted by messages.
const JOINED_BYTES: usize = 64 * 1024;
/// The operations that are answered without a detour over HTTP, and where REST has them.
const CLAIM: (Method, &str) = (Method::POST, "/v1/drops/x/claims");
const RELEASE: (Method, &str) = (Method::DELETE, "/v1/drops/x/claims/x");

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
        let mut asked: FuturesUnordered<_> = commands.into_iter().map(|command| who.answer(command)).collect();
        while let Some(first) = asked.next().await {
            let mut weight = first.weight();
            let mut replies = vec![first];
            while weight < JOINED_BYTES
                && let Some(Some(reply)) = asked.next().now_or_never()
            {
                weight += reply.weight();
                replies.push(reply);
            }
            let count = replies.len();
            self.peer.answer(&self.peer.wire.replies(replies)).await;
            self.commands.fetch_sub(count, Ordering::AcqRel);
            if self.peer.is_ended() {
                // As when a request's connection breaks: what is under way is asked for again by its key.
                return;
            }
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
    async fn answer(&self, command: Command) -> Reply {
        let Command { id, key, ask } = command;
        match ask {
            Ask::Claim { drop, body } => match drop.parse() {
                Ok(drop) => self.counted(id, &CLAIM, |arrival| self.claim(key, drop, body, arrival)).await,
                Err(_) => {
                    let body = serde_json::to_vec(&body).unwrap_or_default();
                    self.call(id, key, call("create_claim", [("id", drop)], body)).await
                }
            },
            Ask::Release { drop, claim } => match drop.parse() {
                Ok(drop) => self.counted(id, &RELEASE, |arrival| self.release(drop, claim, arrival)).await,
                Err(_) => {
                    let params = [("id", drop), ("claim_id", claim)];
                    self.call(id, key, call("release_claim", params, Vec::new())).await
                }
            },
            Ask::Call(call) => self.call(id, key, call).await,
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

    async fn claim(
        &self,
        key: Option<String>,
        drop: DropId,
        body: NewClaim,
        arrival: Arrival,
    ) -> Result<(Option<ClaimWire>, bool), Problem> {
        let identity = self.identity(&arrival)?;
        let key = key.ok_or_else(|| Problem::new(Code::IdempotencyKeyRequired))?;
        let key = Key::new(&key, arrival.id.number())?;
        let (claim, again) = routes::claim(self.session.door.gateway(), identity, &key, drop, &body).await?;
        Ok((Some(claim), again))
    }

    async fn release(
        &self,
        drop: DropId,
        claim: String,
        arrival: Arrival,
    ) -> Result<(Option<ClaimWire>, bool), Problem> {
        let identity = self.identity(&arrival)?;
        let claim = read_claim(drop, &claim)?.claim;
        let call = routes::read_call(&arrival);
        routes::release(self.session.door.gateway(), identity, drop, claim, call).await?;
        Ok((None, false))
    }

    /// Answers an operation here, and counts it as the request that it would be.
    async fn counted<F>(
        &self,
        id: CommandName,
        (method, path): &(Method, &str),
        ask: impl FnOnce(Arrival) -> F,
    ) -> Reply
    where
        F: Future<Output = Result<(Option<ClaimWire>, bool), Problem>>,
    {
        let started = Instant::now();
        let arrival = Arrival { id: RequestId::next(), address: self.session.arrival.address };
        let request_id = arrival.id.clone();
        // An operation that panics is one that has no outcome, as behind every other door.
        let outcome = AssertUnwindSafe(ask(arrival)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!(request_id = request_id.text(), "a command panicked");
            Err(Problem::new(Code::Internal))
        });
        let status = match &outcome {
            Ok((Some(_), _)) => StatusCode::CREATED,
            Ok((None, _)) => StatusCode::NO_CONTENT,
            Err(problem) => problem.status(),
        };
        let meter: &Meter = self.session.door.meters().of_request(method, path);
        meter.record(status, started.elapsed());
        match outcome {
            Ok((claim, replayed)) => {
                let body = claim.map(|claim| Body::Claim(claim.into()));
                Reply { id, status: status.as_u16(), replayed, body, problem: None }
            }
            Err(problem) => refused(id, &problem, &request_id),
        }
    }

    /// Asks as a request would.
    async fn call(&self, id: CommandName, key: Option<String>, call: Call) -> Reply {
        let session = self.session;
        match session.door.operations().request(key, call, self.token, &session.shop) {
            Ok(request) => reply(id, session.door.answer_from(request, session.arrival.address).await).await,
            Err(problem) => refused(id, &problem, &session.arrival.id),
        }
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
