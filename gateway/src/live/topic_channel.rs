//! A topic channel: the subscribers of a topic, its recent facts (events), and its current state.
//!
//! ```text
//!   writer of the shard ─► noted ─► news: facts, encoded once ─► audience: every subscriber
//!       (stores only)          (task of the channel, or a new subscriber)
//! ```
//!
//! There are three locks. `noted` is taken by the writer of a shard, which also answers claims, so it is only held to
//! store a change or to take all of them. `news` guards the facts and is held while they are decoded and encoded.
//! `audience` guards the subscribers and is held while a slice of them is sent to. Lock order: `audience`, `news`,
//! `noted`.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actors::Change;
use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::{sync::Notify, task::yield_now, time::Instant};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::{
    CHANGES_NOTED_MAX, FACTS_KEPT,
    connection::Connection,
    encoding::{Encoding, Shared},
    frames::{Frame, Place, Standing},
    session::written,
    topic::Topic,
};
use crate::{edge::RequestId, problem::Problem};

/// The number of subscribers that are sent to before the task yields.
const SLICE: usize = 256;
/// The minimum interval between two states that differ only in the number of viewers.
const VIEWERS_EVERY: Duration = Duration::from_secs(1);

/// A topic channel.
pub(super) struct TopicChannel {
    pub(super) topic: Topic,
    name: String,
    epoch: String,
    noted: Mutex<Noted>,
    news: Mutex<News>,
    audience: Mutex<Audience>,
    pub(super) wake: Notify,
}

/// What the writer has noted since the channel last looked.
#[derive(Default)]
struct Noted {
    /// The state may have changed, by an accepted change or for another reason.
    changed: bool,
    /// The changes whose facts have not been read yet, at most [`CHANGES_NOTED_MAX`]. A topic without facts needs none.
    changes: Vec<Change>,
    /// A change did not fit.
    overflowed: bool,
}

/// The recent facts of a topic and what of them is not yet published.
#[derive(Default)]
struct News {
    /// The offset of the newest fact: the number of facts so far.
    offset: u64,
    recent: VecDeque<(u64, Shared)>,
    /// How many of the newest facts in `recent` have not been published yet.
    unsent: usize,
    /// Facts were dropped before they were published: every subscriber starts again from the state.
    gap: bool,
}

/// The subscribers, and what each of them has received.
#[derive(Default)]
struct Audience {
    /// The subscribers by the address of their [`Connection`], which is unique per connection.
    members: IndexMap<usize, Member, Xxh3DefaultBuilder>,
    /// The number of subscribers that are staff of the shop.
    staff: usize,
    /// A subscriber has left, and another has been moved to its index.
    moved: bool,
    /// The state that was published last, or the first state that was read.
    state: Option<Arc<Standing>>,
    /// Counts the states that were published to everyone.
    turn: u64,
    /// Counts the broadcasts.
    broadcasts: u64,
    published_at: Option<Instant>,
    empty_since: Option<Instant>,
}

struct Member {
    connection: Arc<Connection>,
    /// The offset of the newest fact that the subscriber has received.
    from: u64,
    /// The `turn` of the newest state that the subscriber has received.
    turn: u64,
    /// The number of the last broadcast that was prepared before this subscriber joined. The state in it may be older
    /// than the one that the subscriber has received.
    came_after: u64,
    /// The subscriber is staff of the shop and not counted as a viewer.
    is_staff: bool,
}

/// A broadcast: what is to be sent to the subscribers.
struct Broadcast {
    facts: Vec<(u64, Shared)>,
    /// All facts in one buffer, for subscribers that have received none of them.
    joined: Shared,
    offset: u64,
    state: Option<Shared>,
    turn: u64,
    number: u64,
    /// Facts are missing: subscribers start again from the state.
    gap: bool,
}

fn address(connection: &Arc<Connection>) -> usize {
    Arc::as_ptr(connection).addr()
}

impl TopicChannel {
    pub(super) fn new(topic: Topic, epoch: String) -> Self {
        let (noted, news, audience) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { topic, name: topic.name(), epoch, noted, news, audience, wake: Notify::new() }
    }

    /// Notes a change and wakes the channel's task, which publishes it. The writer of the shard calls this: nothing is
    /// decoded or encoded here.
    pub(super) fn note(&self, change: &Change) {
        let mut noted = self.noted.lock();
        noted.changed = true;
        if self.topic.kind.facts.is_some() {
            match noted.changes.len() < CHANGES_NOTED_MAX {
                true => noted.changes.push(change.clone()),
                false => noted.overflowed = true,
            }
        }
        drop(noted);
        self.wake.notify_one();
    }

    /// Reads the facts of the changes that were noted so far.
    pub(super) fn read_changes(&self) {
        self.read_changes_into(&mut self.news.lock());
    }

    /// The caller holds the lock of `news`, so that facts are numbered in the order of their changes whoever reads them.
    fn read_changes_into(&self, news: &mut News) {
        let Noted { changes, overflowed, .. } = {
            let mut noted = self.noted.lock();
            let changed = noted.changed;
            std::mem::replace(&mut *noted, Noted { changed, ..Noted::default() })
        };
        if overflowed {
            return news.restart();
        }
        let Some(facts) = self.topic.kind.facts else { return };
        for (r#type, data) in changes.iter().flat_map(facts) {
            let offset = news.offset + 1;
            news.add(offset, Shared::of(|| Frame::Event { topic: &self.name, offset, r#type, data: &data }));
        }
    }

    /// Adds a subscriber. `state` is a recent state of the topic.
    pub(super) fn join(&self, connection: &Arc<Connection>, since: Option<&Place>, state: Standing) {
        let mut audience = self.audience.lock();
        let mut news = self.news.lock();
        // Facts from before the subscription belong to it, not to the next broadcast.
        self.read_changes_into(&mut news);
        let oldest = news.recent.front().map_or(news.offset, |(offset, _)| offset - 1);
        let goes_on = since.filter(|place| place.epoch == self.epoch && (oldest..=news.offset).contains(&place.offset));
        let missed: Vec<_> = match goes_on {
            Some(place) => news.recent.iter().filter(|(number, _)| *number > place.offset).cloned().collect(),
            None => Vec::new(),
        };
        if audience.members.is_empty() {
            // Facts that happened without subscribers are not pushed; a client that resumes receives them with its
            // subscription.
            (news.unsent, news.gap) = (0, false);
        }
        // The number of viewers is part of the state, and a change since the state was read must still be published.
        self.noted.lock().changed = true;
        // `audience` stays locked until the subscriber is inserted, so no broadcast is prepared in between. Facts
        // read after `news` is released have an offset above `newest`, so the next broadcast delivers them.
        let newest = news.offset;
        drop(news);
        let (offset, shown) = goes_on.map_or((newest, Some(&state)), |place| (place.offset, None));
        let subscribed = || Frame::Subscribed { topic: &self.name, epoch: &self.epoch, offset, state: shown };
        self.send_fact(connection, &Shared::for_some(subscribed, |encoding| encoding == connection.encoding), offset);
        if goes_on.is_some() {
            for (number, frame) in &missed {
                self.send_fact(connection, frame, *number);
            }
            connection.say(Frame::State { topic: &self.name, offset: newest, data: &state });
        }
        // This state may be older than the one that the other subscribers have; the next broadcast corrects it.
        let (came_after, is_staff) = (audience.broadcasts, connection.is_staff());
        let member = Member { connection: connection.clone(), from: newest, turn: 0, came_after, is_staff };
        audience.staff += usize::from(is_staff);
        let before = audience.members.insert(address(connection), member);
        audience.staff -= usize::from(before.is_some_and(|before| before.is_staff));
        audience.empty_since = None;
        audience.state.get_or_insert_with(|| state.into());
        drop(audience);
        self.wake.notify_one();
    }

    fn send_fact(&self, connection: &Connection, frame: &Shared, offset: u64) -> bool {
        connection.send_fact(frame, &self.name, &self.epoch, offset)
    }

    pub(super) fn leave(&self, connection: &Arc<Connection>) {
        self.audience.lock().remove(address(connection));
        self.look_again();
    }

    /// Whether a connection is subscribed.
    pub(super) fn has(&self, connection: &Arc<Connection>) -> bool {
        self.audience.lock().members.contains_key(&address(connection))
    }

    /// The number of subscribers.
    pub(super) fn members(&self) -> usize {
        self.audience.lock().members.len()
    }

    /// The number of subscribers that are visitors.
    pub(super) fn viewers(&self) -> usize {
        let audience = self.audience.lock();
        audience.members.len() - audience.staff
    }

    /// The time since which the channel has no subscribers; `None` while it has some.
    pub(super) fn empty_since(&self) -> Option<Instant> {
        let audience = self.audience.lock();
        audience.empty_since.filter(|_| audience.members.is_empty())
    }

    /// Returns whether something changed since the last call, and resets the flag.
    pub(super) fn take_changed(&self) -> bool {
        std::mem::take(&mut self.noted.lock().changed)
    }

    /// Whether enough facts wait that they are published without waiting for more.
    pub(super) fn is_full(&self) -> bool {
        self.news.lock().unsent >= FACTS_KEPT / 2
    }

    /// Requests a new read of the state.
    pub(super) fn look_again(&self) {
        self.noted.lock().changed = true;
        self.wake.notify_one();
    }

    /// Broadcasts the unpublished facts and the current state, joined into one write per connection. Where facts were
    /// dropped, it broadcasts the gap and the state. Returns the time at which a change of the viewers alone may be
    /// published.
    pub(super) async fn broadcast_all(&self, standing: Option<Standing>) -> Option<Instant> {
        let (broadcast, look_at) = self.prepare(standing);
        let mut next = 0;
        while self.send_slice(&broadcast, &mut next) {
            // The lock is released between slices, so that connections can join and leave during a long broadcast.
            yield_now().await;
        }
        look_at
    }

    fn prepare(&self, standing: Option<Standing>) -> (Broadcast, Option<Instant>) {
        let mut audience = self.audience.lock();
        let mut news = self.news.lock();
        self.read_changes_into(&mut news);
        let gap = std::mem::take(&mut news.gap);
        let unsent = std::mem::take(&mut news.unsent);
        let first = if gap { news.recent.len() } else { news.recent.len() - unsent };
        let facts: Vec<_> = news.recent.range(first..).cloned().collect();
        let offset = news.offset;
        drop(news);
        let seen = standing.map(Arc::new);
        let look_at = seen.clone().and_then(|seen| audience.turn_to(seen));
        audience.broadcasts += 1;
        // A new subscriber gets the state just read, even where its publication to the others is deferred.
        let (known, number) = (seen.filter(|_| look_at.is_some()).or(audience.state.clone()), audience.broadcasts);
        let (turn, members) = (audience.turn, &audience.members);
        let has_members = |encoding| members.values().any(|member| member.connection.encoding == encoding);
        if gap {
            let gap = Shared::for_some(|| Frame::Gap { topic: &self.name }, has_members);
            let state = known.as_deref();
            let resubscribed = || Frame::Subscribed { topic: &self.name, epoch: &self.epoch, offset, state };
            let joined = Shared::joined([gap, Shared::for_some(resubscribed, has_members)].iter());
            return (Broadcast { facts, joined, offset, state: None, turn, number, gap: true }, look_at);
        }
        let joined = Shared::joined(facts.iter().map(|(_, frame)| frame));
        let state = known.filter(|_| turn > 0 && members.values().any(|member| member.turn < turn));
        let state = state
            .map(|state| Shared::for_some(|| Frame::State { topic: &self.name, offset, data: &state }, has_members));
        (Broadcast { facts, joined, offset, state, turn, number, gap: false }, look_at)
    }

    /// Sends to a slice of the subscribers that have not received the broadcast, from index `next` on. Returns false
    /// when all of them have it.
    fn send_slice(&self, broadcast: &Broadcast, next: &mut usize) -> bool {
        let mut audience = self.audience.lock();
        if *next == 0 || *next >= audience.members.len() {
            // `swap_remove` may have moved a subscriber to an index that was already passed: start again from the
            // beginning.
            (*next, audience.moved) = (0, false);
        }
        let (mut disconnected, mut sent) = (Vec::new(), 0);
        while sent < SLICE
            && let Some((address, member)) = audience.members.get_index_mut(*next)
        {
            *next += 1;
            if broadcast.concerns(member) {
                sent += 1;
                let is_connected = self.send_to_member(member, broadcast);
                member.from = broadcast.offset.max(member.from);
                if broadcast.is_newer_for(member) {
                    member.turn = broadcast.turn;
                }
                if !is_connected {
                    disconnected.push(*address);
                }
            }
        }
        disconnected.into_iter().for_each(|address| audience.remove(address));
        *next < audience.members.len() || audience.moved
    }

    /// Sends a broadcast to one subscriber. Returns false when the connection has ended.
    fn send_to_member(&self, member: &Member, broadcast: &Broadcast) -> bool {
        let Member { connection, from, .. } = member;
        let state = broadcast.state.as_ref().filter(|_| broadcast.is_newer_for(member));
        let knows_none = broadcast.gap || broadcast.facts.first().is_some_and(|(first, _)| first > from);
        if connection.encoding != Encoding::Events && knows_none {
            return match state {
                Some(state) => {
                    connection.write([broadcast.joined.get(connection.encoding), state.get(connection.encoding)])
                }
                None => connection.write([broadcast.joined.get(connection.encoding)]),
            };
        }
        // An event stream carries its position in the `id` of each fact, so it receives them one by one.
        let mut is_connected = !broadcast.gap || self.send_fact(connection, &broadcast.joined, broadcast.offset);
        for (offset, frame) in broadcast.facts.iter().filter(|(offset, _)| offset > from) {
            is_connected = self.send_fact(connection, frame, *offset);
        }
        state.map_or(is_connected, |state| connection.write([state.get(connection.encoding)]))
    }

    /// Notifies all subscribers that the topic is no longer available and removes them.
    pub(super) fn refuse(&self, problem: &Problem) {
        tracing::debug!(topic = self.name, status = %problem.status(), "topic was removed; its subscribers are unsubscribed");
        let problem = &written(problem, &RequestId::next().text());
        let mut audience = self.audience.lock();
        for (_, Member { connection, .. }) in audience.members.drain(..) {
            connection.say(Frame::Refused { topic: &self.name, problem });
        }
        audience.staff = 0;
        audience.empty_since = Some(Instant::now());
        // No subscriber is left. A later subscriber reads these facts from `recent`.
        let mut news = self.news.lock();
        (news.unsent, news.gap) = (0, false);
    }
}

impl News {
    /// Adds the fact with the next offset.
    fn add(&mut self, offset: u64, frame: Shared) {
        debug_assert_eq!(offset, self.offset + 1);
        self.offset = offset;
        self.recent.push_back((offset, frame));
        self.unsent += 1;
        if self.recent.len() > FACTS_KEPT {
            self.recent.pop_front();
            self.gap |= self.unsent > FACTS_KEPT;
            self.unsent = self.unsent.min(FACTS_KEPT);
        }
    }

    /// Forgets all facts, because some were lost unread. How many is not known: the offset leaves out one, so that no
    /// client can resume from a position before the loss.
    fn restart(&mut self) {
        self.offset += 1;
        self.recent.clear();
        (self.unsent, self.gap) = (0, true);
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

    /// Takes a state if it is new. A change of the viewers alone is published less often: then returns when.
    fn turn_to(&mut self, standing: Arc<Standing>) -> Option<Instant> {
        let same = self.state.as_ref().filter(|before| self.turn > 0 && before.mark == standing.mark);
        let wait_until = match (same, self.published_at) {
            (Some(before), _) if before.viewers == standing.viewers => return None,
            (Some(_), Some(published_at)) => Some(published_at + VIEWERS_EVERY).filter(|at| *at > Instant::now()),
            _ => None,
        };
        if wait_until.is_none() {
            self.turn += 1;
            self.published_at = Some(Instant::now());
            self.state = Some(standing);
        }
        wait_until
    }
}

impl Broadcast {
    fn concerns(&self, member: &Member) -> bool {
        // A subscriber that joined meanwhile with an encoding that no other uses gets the state in the next broadcast.
        let is_spelled = |state: &Shared| !state.get(member.connection.encoding).is_empty();
        member.from < self.offset || (self.is_newer_for(member) && self.state.as_ref().is_some_and(is_spelled))
    }

    /// Whether the state of the broadcast is newer than what the subscriber has.
    fn is_newer_for(&self, member: &Member) -> bool {
        member.turn < self.turn && member.came_after < self.number
    }
}

#[cfg(test)]
#[path = "topic_channel_tests.rs"]
mod tests;
