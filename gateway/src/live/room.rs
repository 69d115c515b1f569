//! A topic in memory: who listens, what happened lately, and how it stands.

use std::{collections::VecDeque, sync::Arc};

use actors::Change;
use axum::http::StatusCode;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{sync::Notify, time::Instant};

use super::{
    FACTS_KEPT,
    frames::{Frame, Place},
    peer::{Peer, message},
    topic::Topic,
};

/// A topic in memory.
pub(super) struct Room {
    pub(super) topic: Topic,
    name: String,
    epoch: String,
    inner: Mutex<Inner>,
    pub(super) wake: Notify,
}

#[derive(Default)]
struct Inner {
    members: Vec<Member>,
    /// Facts that happened.
    offset: u64,
    kept: VecDeque<(u64, Bytes)>,
    /// How many of those that are kept, the newest, have not been told yet.
    untold: usize,
    changed: bool,
    state: Option<Arc<RawValue>>,
    mark: Vec<u8>,
    empty_since: Option<Instant>,
}

struct Member {
    peer: Arc<Peer>,
    /// Facts up to this one it knows.
    from: u64,
}

/// A state, and what of it tells whether it is another one.
pub(super) struct Standing {
    pub(super) json: Box<RawValue>,
    pub(super) mark: Vec<u8>,
}

impl Room {
    pub(super) fn new(topic: Topic, epoch: String) -> Self {
        Self { topic, name: topic.name(), epoch, inner: Mutex::default(), wake: Notify::new() }
    }

    /// Notes a change; it is told by the room's task.
    pub(super) fn hear(&self, change: &Change) {
        let facts = self.topic.facts(change);
        let mut inner = self.inner.lock();
        inner.changed = true;
        for (r#type, data) in facts {
            inner.offset += 1;
            let frame = Frame::Event { topic: &self.name, offset: inner.offset, r#type, data: &data }.to_json();
            let offset = inner.offset;
            inner.kept.push_back((offset, message(frame)));
            inner.untold += 1;
            while inner.kept.len() > FACTS_KEPT.max(inner.untold) {
                inner.kept.pop_front();
            }
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// Lets a peer listen. `state` is how the topic stood a moment ago.
    pub(super) fn join(&self, peer: &Arc<Peer>, since: Option<&Place>, state: &RawValue) {
        let mut inner = self.inner.lock();
        let oldest = inner.kept.front().map_or(inner.offset, |(offset, _)| offset - 1);
        let goes_on =
            since.filter(|place| place.epoch == self.epoch && (oldest..=inner.offset).contains(&place.offset));
        let (offset, shown) = match goes_on {
            Some(place) => (place.offset, None),
            None => (inner.offset, Some(state)),
        };
        let subscribed = Frame::Subscribed { topic: &self.name, epoch: &self.epoch, offset, state: shown };
        peer.say(&message(subscribed.to_json()));
        if goes_on.is_some() {
            for (_, frame) in inner.kept.iter().filter(|(number, _)| *number > offset) {
                peer.say(frame);
            }
            let state = Frame::State { topic: &self.name, offset: inner.offset, data: state };
            peer.say(&message(state.to_json()));
        }
        let from = inner.offset;
        inner.members.retain(|member| !Arc::ptr_eq(&member.peer, peer) && !member.peer.is_ended());
        inner.members.push(Member { peer: peer.clone(), from });
        inner.empty_since = None;
        // Who looks is a part of the state, and what changed since it was read is told.
        inner.changed = true;
        drop(inner);
        self.wake.notify_one();
    }

    pub(super) fn leave(&self, peer: &Arc<Peer>) {
        let mut inner = self.inner.lock();
        inner.members.retain(|member| !Arc::ptr_eq(&member.peer, peer));
        if inner.members.is_empty() {
            inner.empty_since = Some(Instant::now());
        }
        inner.changed = true;
        drop(inner);
        self.wake.notify_one();
    }

    /// How many listen.
    pub(super) fn members(&self) -> usize {
        self.inner.lock().members.len()
    }

    /// Since when nobody listens.
    pub(super) fn empty_since(&self) -> Option<Instant> {
        let inner = self.inner.lock();
        inner.empty_since.filter(|_| inner.members.is_empty())
    }

    /// Tells the facts that were not told yet, joined into one write for each peer.
    pub(super) fn tell_facts(&self) {
        let mut inner = self.inner.lock();
        let untold = std::mem::take(&mut inner.untold);
        if untold == 0 {
            return;
        }
        let first = inner.kept.len() - untold;
        let news: Vec<_> = inner.kept.range(first..).cloned().collect();
        let joined = news.iter().map(|(_, frame)| &frame[..]).collect::<Vec<_>>().concat();
        for member in &inner.members {
            match news[0].0 > member.from {
                true => member.peer.say(&joined),
                false => news.iter().filter(|(offset, _)| *offset > member.from).for_each(|(_, f)| member.peer.say(f)),
            }
        }
    }

    /// Whether something changed since this was asked last.
    pub(super) fn take_changed(&self) -> bool {
        std::mem::take(&mut self.inner.lock().changed)
    }

    /// Asks to look again.
    pub(super) fn look_again(&self) {
        self.inner.lock().changed = true;
        self.wake.notify_one();
    }

    /// Tells everyone how it stands, if that is something new.
    pub(super) fn tell_state(&self, standing: Standing) {
        let mut inner = self.inner.lock();
        if inner.state.is_some() && inner.mark == standing.mark {
            return;
        }
        let frame = Frame::State { topic: &self.name, offset: inner.offset, data: &standing.json };
        let frame = message(frame.to_json());
        inner.members.iter().for_each(|member| member.peer.say(&frame));
        inner.mark = standing.mark;
        inner.state = Some(standing.json.into());
    }

    /// Tells everyone that the topic cannot be had any more, and lets them go.
    pub(super) fn refuse(&self, status: StatusCode, problem: &RawValue) {
        tracing::debug!(topic = self.name, %status, "topic is gone for those who listened");
        let frame = message(Frame::Refused { topic: &self.name, problem }.to_json());
        let mut inner = self.inner.lock();
        inner.members.drain(..).for_each(|member| member.peer.say(&frame));
        inner.empty_since = Some(Instant::now());
    }
}
