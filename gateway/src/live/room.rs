//! A topic in memory: who listens, what happened lately, and how it stands.
//!
//! Two locks: what happened is noted under one that is held for a moment, since whoever notes it answers claims; the
//! listeners are told under the other, a slice of them at a time. Where both are held, that of the listeners comes first.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actors::Change;
use axum::http::StatusCode;
use indexmap::IndexMap;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{sync::Notify, task::yield_now, time::Instant};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::{
    FACTS_KEPT,
    frames::{Frame, Place, Standing},
    peer::Peer,
    topic::Topic,
    wire::{Shared, Wire},
};

/// Listeners that are told before others get their turn.
const SLICE: usize = 256;
/// How often at the most it is told that only the number of those who look has changed.
const VIEWERS_EVERY: Duration = Duration::from_secs(1);

/// A topic in memory.
pub(super) struct Room {
    pub(super) topic: Topic,
    name: String,
    epoch: String,
    news: Mutex<News>,
    audience: Mutex<Audience>,
    pub(super) wake: Notify,
}

/// What happened.
#[derive(Default)]
struct News {
    /// Facts that happened.
    offset: u64,
    kept: VecDeque<(u64, Shared)>,
    /// How many of those that are kept, the newest, have not been told yet.
    untold: usize,
    changed: bool,
    /// Facts were let go before they were told: everyone starts anew from the state.
    gap: bool,
}

/// Who listens, and what they know.
#[derive(Default)]
struct Audience {
    /// By the address of the peer, of which there is one for each connection.
    members: IndexMap<usize, Member, Xxh3DefaultBuilder>,
    /// How many of them are the shop's staff.
    staff: usize,
    /// Someone has left, and another has taken that place.
    moved: bool,
    /// How it stood when it was told last, or looked at first.
    state: Option<Arc<Standing>>,
    /// Counts the states that were told to everyone.
    turn: u64,
    /// Counts the tellings.
    tellings: u64,
    told_at: Option<Instant>,
    empty_since: Option<Instant>,
}

struct Member {
    peer: Arc<Peer>,
    /// Facts up to this one it knows.
    from: u64,
    /// The state of this turn it knows.
    turn: u64,
    /// Tellings up to this one began before it came: what they tell may be older than what it knows.
    came_after: u64,
    /// It is one of the shop's staff, and not counted among those who look.
    is_staff: bool,
}

/// What is to be told.
struct Telling {
    facts: Vec<(u64, Shared)>,
    /// All of them, for those who know none.
    joined: Shared,
    offset: u64,
    state: Option<Shared>,
    turn: u64,
    number: u64,
    /// The facts are not all there: it begins anew.
    gap: bool,
}

fn address(peer: &Arc<Peer>) -> usize {
    Arc::as_ptr(peer).addr()
}

impl Room {
    pub(super) fn new(topic: Topic, epoch: String) -> Self {
        let (news, audience) = (Mutex::default(), Mutex::default());
        Self { topic, name: topic.name(), epoch, news, audience, wake: Notify::new() }
    }

    /// Notes a change; it is told by the room's task.
    pub(super) fn hear(&self, change: &Change) {
        let facts = self.topic.facts(change);
        let mut news = self.news.lock();
        news.changed = true;
        for (r#type, data) in facts {
            news.offset += 1;
            let offset = news.offset;
            let frame = || Frame::Event { topic: &self.name, offset, r#type, data: &data };
            news.kept.push_back((offset, Shared::of(frame)));
            news.untold += 1;
            if news.kept.len() > FACTS_KEPT {
                news.kept.pop_front();
                news.gap |= news.untold > FACTS_KEPT;
                news.untold = news.untold.min(FACTS_KEPT);
            }
        }
        drop(news);
        self.wake.notify_one();
    }

    /// Lets a peer listen. `state` is how the topic stood a moment ago.
    pub(super) fn join(&self, peer: &Arc<Peer>, since: Option<&Place>, state: Standing) {
        let mut audience = self.audience.lock();
        let mut news = self.news.lock();
        let oldest = news.kept.front().map_or(news.offset, |(offset, _)| offset - 1);
        let goes_on = since.filter(|place| place.epoch == self.epoch && (oldest..=news.offset).contains(&place.offset));
        let missed: Vec<_> = match goes_on {
            Some(place) => news.kept.iter().filter(|(number, _)| *number > place.offset).cloned().collect(),
            None => Vec::new(),
        };
        if audience.members.is_empty() {
            // What nobody heard is told to nobody but those who ask for it.
            (news.untold, news.gap) = (0, false);
        }
        // Who looks is a part of the state, and what changed since it was read is told.
        news.changed = true;
        let newest = news.offset;
        drop(news);
        let (offset, shown) = goes_on.map_or((newest, Some(&state)), |place| (place.offset, None));
        let subscribed = || Frame::Subscribed { topic: &self.name, epoch: &self.epoch, offset, state: shown };
        self.tell(peer, &Shared::for_some(subscribed, |wire| wire == peer.wire), offset);
        if goes_on.is_some() {
            for (number, frame) in &missed {
                self.tell(peer, frame, *number);
            }
            peer.say(Frame::State { topic: &self.name, offset: newest, data: &state });
        }
        // The state that it was given may be older than what the others know: it is told with the next look.
        let (came_after, is_staff) = (audience.tellings, peer.is_staff());
        let member = Member { peer: peer.clone(), from: newest, turn: 0, came_after, is_staff };
        audience.staff += usize::from(is_staff);
        let before = audience.members.insert(address(peer), member);
        audience.staff -= usize::from(before.is_some_and(|before| before.is_staff));
        audience.empty_since = None;
        audience.state.get_or_insert_with(|| state.into());
        drop(audience);
        self.wake.notify_one();
    }

    fn tell(&self, peer: &Peer, frame: &Shared, offset: u64) -> bool {
        peer.tell(frame, &self.name, &self.epoch, offset)
    }

    pub(super) fn leave(&self, peer: &Arc<Peer>) {
        self.audience.lock().remove(address(peer));
        self.look_again();
    }

    /// Whether a peer listens.
    pub(super) fn has(&self, peer: &Arc<Peer>) -> bool {
        self.audience.lock().members.contains_key(&address(peer))
    }

    /// How many listen.
    pub(super) fn members(&self) -> usize {
        self.audience.lock().members.len()
    }

    /// How many of them are visitors.
    pub(super) fn viewers(&self) -> usize {
        let audience = self.audience.lock();
        audience.members.len() - audience.staff
    }

    /// Since when nobody listens.
    pub(super) fn empty_since(&self) -> Option<Instant> {
        let audience = self.audience.lock();
        audience.empty_since.filter(|_| audience.members.is_empty())
    }

    /// Whether something changed since this was asked last.
    pub(super) fn take_changed(&self) -> bool {
        std::mem::take(&mut self.news.lock().changed)
    }

    /// Whether enough has happened that it is told without waiting for more.
    pub(super) fn is_full(&self) -> bool {
        self.news.lock().untold >= FACTS_KEPT / 2
    }

    /// Asks to look again.
    pub(super) fn look_again(&self) {
        self.news.lock().changed = true;
        self.wake.notify_one();
    }

    /// Tells the facts that were not told yet and how it stands now, joined into one write for each peer; where facts were
    /// let go, that there is a gap, and how it stands. Gives back when to look again at those who look.
    pub(super) async fn tell_all(&self, standing: Option<Standing>) -> Option<Instant> {
        let (telling, look_at) = self.prepare(standing);
        let mut next = 0;
        while self.tell_slice(&telling, &mut next) {
            yield_now().await;
        }
        look_at
    }

    fn prepare(&self, standing: Option<Standing>) -> (Telling, Option<Instant>) {
        let mut audience = self.audience.lock();
        let mut news = self.news.lock();
        let gap = std::mem::take(&mut news.gap);
        let untold = std::mem::take(&mut news.untold);
        let first = if gap { news.kept.len() } else { news.kept.len() - untold };
        let facts: Vec<_> = news.kept.range(first..).cloned().collect();
        let offset = news.offset;
        drop(news);
        let seen = standing.map(Arc::new);
        let look_at = seen.clone().and_then(|seen| audience.turn_to(seen));
        audience.tellings += 1;
        // Whoever is new is told what was seen, also where that waits for the others.
        let (known, number) = (seen.filter(|_| look_at.is_some()).or(audience.state.clone()), audience.tellings);
        let (turn, members) = (audience.turn, &audience.members);
        let is_heard = |wire| members.values().any(|member| member.peer.wire == wire);
        if gap {
            let gap = Shared::for_some(|| Frame::Gap { topic: &self.name }, is_heard);
            let state = known.as_deref();
            let anew = || Frame::Subscribed { topic: &self.name, epoch: &self.epoch, offset, state };
            let joined = Shared::joined([gap, Shared::for_some(anew, is_heard)].iter());
            return (Telling { facts, joined, offset, state: None, turn, number, gap: true }, look_at);
        }
        let joined = Shared::joined(facts.iter().map(|(_, frame)| frame));
        let state = known.filter(|_| turn > 0 && members.values().any(|member| member.turn < turn));
        let state =
            state.map(|state| Shared::for_some(|| Frame::State { topic: &self.name, offset, data: &state }, is_heard));
        (Telling { facts, joined, offset, state, turn, number, gap: false }, look_at)
    }

    /// Tells some of those who have not heard it yet, from the `next` on. False: there are no more.
    fn tell_slice(&self, telling: &Telling, next: &mut usize) -> bool {
        let mut audience = self.audience.lock();
        if *next == 0 || *next >= audience.members.len() {
            // Whoever has moved to a place that was passed already has not heard it: from the beginning again.
            (*next, audience.moved) = (0, false);
        }
        let (mut gone, mut told) = (Vec::new(), 0);
        while told < SLICE
            && let Some((address, member)) = audience.members.get_index_mut(*next)
        {
            *next += 1;
            if telling.concerns(member) {
                told += 1;
                let hears_on = self.tell_member(member, telling);
                member.from = telling.offset.max(member.from);
                if telling.is_newer_for(member) {
                    member.turn = telling.turn;
                }
                if !hears_on {
                    gone.push(*address);
                }
            }
        }
        gone.into_iter().for_each(|address| audience.remove(address));
        *next < audience.members.len() || audience.moved
    }

    /// Tells one who listens. False: it hears no more.
    fn tell_member(&self, member: &Member, telling: &Telling) -> bool {
        let Member { peer, from, .. } = member;
        let state = telling.state.as_ref().filter(|_| telling.is_newer_for(member));
        let knows_none = telling.gap || telling.facts.first().is_some_and(|(first, _)| first > from);
        if peer.wire != Wire::Events && knows_none {
            return match state {
                Some(state) => peer.write([telling.joined.get(peer.wire), state.get(peer.wire)]),
                None => peer.write([telling.joined.get(peer.wire)]),
            };
        }
        // A stream of events names its place after each fact, so it hears them one by one.
        let mut hears_on = !telling.gap || self.tell(peer, &telling.joined, telling.offset);
        for (offset, frame) in telling.facts.iter().filter(|(offset, _)| offset > from) {
            hears_on = self.tell(peer, frame, *offset);
        }
        state.map_or(hears_on, |state| peer.write([state.get(peer.wire)]))
    }

    /// Tells everyone that the topic cannot be had any more, and lets them go.
    pub(super) fn refuse(&self, status: StatusCode, problem: &RawValue) {
        tracing::debug!(topic = self.name, %status, "topic is gone for those who listened");
        let mut audience = self.audience.lock();
        for (_, Member { peer, .. }) in audience.members.drain(..) {
            peer.say(Frame::Refused { topic: &self.name, problem });
        }
        audience.staff = 0;
        audience.empty_since = Some(Instant::now());
        // Nobody is left to be told; whoever may listen again finds them among those that are kept.
        let mut news = self.news.lock();
        (news.untold, news.gap) = (0, false);
    }
}

impl Audience {
    fn remove(&mut self, address: usize) {
        let removed = self.members.swap_remove(&address);
        self.moved |= removed.is_some();
        self.staff -= usize::from(removed.is_some_and(|member| member.is_staff));
        if self.members.is_empty() {
            self.empty_since = Some(Instant::now());
        }
    }

    /// Takes a state, if it is something new. Who looks is told of less often: then when.
    fn turn_to(&mut self, standing: Arc<Standing>) -> Option<Instant> {
        let same = self.state.as_ref().filter(|before| self.turn > 0 && before.mark == standing.mark);
        let wait_until = match (same, self.told_at) {
            (Some(before), _) if before.viewers == standing.viewers => return None,
            (Some(_), Some(told_at)) => Some(told_at + VIEWERS_EVERY).filter(|at| *at > Instant::now()),
            _ => None,
        };
        if wait_until.is_none() {
            self.turn += 1;
            self.told_at = Some(Instant::now());
            self.state = Some(standing);
        }
        wait_until
    }
}

impl Telling {
    fn concerns(&self, member: &Member) -> bool {
        // Who joined meanwhile and speaks otherwise than all others is told with the next look.
        let is_spelled = |state: &Shared| !state.get(member.peer.wire).is_empty();
        member.from < self.offset || (self.is_newer_for(member) && self.state.as_ref().is_some_and(is_spelled))
    }

    /// Whether its state is news for one who listens.
    fn is_newer_for(&self, member: &Member) -> bool {
        member.turn < self.turn && member.came_after < self.number
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
