//! A topic in memory: who listens, what happened lately, and how it stands.

use std::{collections::VecDeque, sync::Arc};

use actors::Change;
use axum::http::StatusCode;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{sync::Notify, time::Instant};

use super::{
    FACTS_KEPT,
    frames::{Frame, Place, Standing},
    peer::Peer,
    topic::Topic,
    wire::{Shared, Wire},
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
    kept: VecDeque<(u64, Shared)>,
    /// How many of those that are kept, the newest, have not been told yet.
    untold: usize,
    changed: bool,
    /// Facts were let go before they were told: everyone starts anew from the state.
    gap: bool,
    /// How it stood when it was looked at last.
    state: Option<Arc<Standing>>,
    /// Whether that was told to everyone.
    told: bool,
    empty_since: Option<Instant>,
}

struct Member {
    peer: Arc<Peer>,
    /// Facts up to this one it knows.
    from: u64,
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
            let offset = inner.offset;
            let frame = || Frame::Event { topic: &self.name, offset, r#type, data: &data };
            inner.kept.push_back((offset, Shared::of(frame)));
            inner.untold += 1;
            if inner.kept.len() > FACTS_KEPT {
                inner.kept.pop_front();
                inner.gap |= inner.untold > FACTS_KEPT;
                inner.untold = inner.untold.min(FACTS_KEPT);
            }
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// Lets a peer listen. `state` is how the topic stood a moment ago.
    pub(super) fn join(&self, peer: &Arc<Peer>, since: Option<&Place>, state: Standing) {
        let mut inner = self.inner.lock();
        let oldest = inner.kept.front().map_or(inner.offset, |(offset, _)| offset - 1);
        let goes_on =
            since.filter(|place| place.epoch == self.epoch && (oldest..=inner.offset).contains(&place.offset));
        let (offset, shown) = match goes_on {
            Some(place) => (place.offset, None),
            None => (inner.offset, Some(&state)),
        };
        let subscribed = || Frame::Subscribed { topic: &self.name, epoch: &self.epoch, offset, state: shown };
        self.tell(peer, &Shared::for_some(subscribed, |wire| wire == peer.wire), offset);
        if goes_on.is_some() {
            for (number, frame) in inner.kept.iter().filter(|(number, _)| *number > offset) {
                self.tell(peer, frame, *number);
            }
            peer.say(Frame::State { topic: &self.name, offset: inner.offset, data: &state });
        }
        if inner.members.is_empty() {
            // What nobody heard is told to nobody but those who ask for it.
            (inner.untold, inner.gap) = (0, false);
        }
        let from = inner.offset;
        inner.members.retain(|member| !Arc::ptr_eq(&member.peer, peer) && !member.peer.is_ended());
        inner.members.push(Member { peer: peer.clone(), from });
        inner.empty_since = None;
        inner.state.get_or_insert_with(|| state.into());
        // Who looks is a part of the state, and what changed since it was read is told, to a newcomer also what the others
        // know.
        (inner.changed, inner.told) = (true, false);
        drop(inner);
        self.wake.notify_one();
    }

    fn tell(&self, peer: &Peer, frame: &Shared, offset: u64) {
        peer.tell(frame, &self.name, &self.epoch, offset);
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

    /// Tells the facts that were not told yet, joined into one write for each peer; where some were let go, that there is
    /// a gap, and how it stands.
    pub(super) fn tell_facts(&self) {
        let mut inner = self.inner.lock();
        if std::mem::take(&mut inner.gap) {
            return self.tell_gap(&mut inner);
        }
        let untold = std::mem::take(&mut inner.untold);
        if untold == 0 {
            return;
        }
        let first = inner.kept.len() - untold;
        let news: Vec<_> = inner.kept.range(first..).cloned().collect();
        let joined = Shared::joined(news.iter().map(|(_, frame)| frame));
        for Member { peer, from } in &inner.members {
            // A stream of events names its place after each fact, so it hears them one by one.
            match news[0].0 > *from && peer.wire != Wire::Events {
                true => self.tell(peer, &joined, inner.offset),
                false => {
                    let unheard = news.iter().filter(|(offset, _)| offset > from);
                    unheard.for_each(|(offset, frame)| self.tell(peer, frame, *offset));
                }
            }
        }
    }

    fn tell_gap(&self, inner: &mut Inner) {
        inner.untold = 0;
        let (offset, state) = (inner.offset, inner.state.clone());
        let gap = Shared::of(|| Frame::Gap { topic: &self.name });
        let anew = || Frame::Subscribed { topic: &self.name, epoch: &self.epoch, offset, state: state.as_deref() };
        let joined = Shared::joined([gap, Shared::of(anew)].iter());
        for member in &mut inner.members {
            self.tell(&member.peer, &joined, offset);
            member.from = offset;
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
        if inner.told && inner.state.as_ref().is_some_and(|before| before.mark == standing.mark) {
            return;
        }
        let frame = || Frame::State { topic: &self.name, offset: inner.offset, data: &standing };
        let shared = Shared::for_some(frame, |wire| inner.members.iter().any(|member| member.peer.wire == wire));
        inner.members.iter().for_each(|member| member.peer.write(shared.get(member.peer.wire)));
        inner.told = true;
        inner.state = Some(standing.into());
    }

    /// Tells everyone that the topic cannot be had any more, and lets them go.
    pub(super) fn refuse(&self, status: StatusCode, problem: &RawValue) {
        tracing::debug!(topic = self.name, %status, "topic is gone for those who listened");
        let mut inner = self.inner.lock();
        for Member { peer, .. } in inner.members.drain(..) {
            peer.say(Frame::Refused { topic: &self.name, problem });
        }
        // Nobody is left to be told; whoever may listen again finds them among those that are kept.
        (inner.untold, inner.gap) = (0, false);
        inner.empty_since = Some(Instant::now());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use bytes::Bytes;
    use engine::{
        id::{OrderId, TenantId},
        time::Timestamp,
    };
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A peer, and the client's end of its socket.
    async fn peer() -> (Arc<Peer>, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let (server, _): (TcpStream, _) = listener.accept().await.unwrap();
        (Arc::new(Peer::socket(server.into_split().1, Wire::Json)), client)
    }

    fn ordered(number: u128) -> Change {
        let key = OrderId(number).key(&TenantId::new("shop").unwrap());
        Change { key, version: 1, at: Timestamp(1), events: Bytes::new() }
    }

    fn heard(client: &mut std::net::TcpStream) -> String {
        let mut bytes = vec![0; 64 * 1024];
        let length = client.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[tokio::test]
    async fn facts_that_were_let_go_untold_are_a_gap_and_the_state_comes_anew() {
        let (peer, mut client) = peer().await;
        let room = Room::new(Topic::Orders, "e".to_owned());
        room.join(&peer, None, Standing::nothing());
        assert!(heard(&mut client).contains(r#""op":"subscribed""#));
        for number in 0..FACTS_KEPT as u128 {
            room.hear(&ordered(number));
        }
        room.tell_facts();
        let all = heard(&mut client);
        assert_eq!((all.matches(r#""op":"event""#).count(), all.contains(r#""op":"gap""#)), (FACTS_KEPT, false));
        for number in 0..=FACTS_KEPT as u128 {
            room.hear(&ordered(number));
        }
        room.tell_facts();
        let anew = heard(&mut client);
        assert!(anew.contains(r#""op":"gap""#) && anew.contains(r#""offset":513,"state":{}"#), "{anew}");
        assert!(!anew.contains(r#""op":"event""#));
        room.hear(&ordered(9));
        room.tell_facts();
        assert!(heard(&mut client).contains(r#""offset":514"#));
    }

    #[tokio::test]
    async fn what_happened_while_nobody_listened_is_not_told_to_newcomers() {
        let room = Room::new(Topic::Orders, "e".to_owned());
        for number in 0..=FACTS_KEPT as u128 {
            room.hear(&ordered(number));
        }
        let (peer, mut client) = peer().await;
        room.join(&peer, None, Standing::nothing());
        room.tell_facts();
        room.hear(&ordered(1));
        room.tell_facts();
        let mut all = heard(&mut client);
        while !all.contains(r#""offset":258"#) {
            all += &heard(&mut client);
        }
        assert!(!all.contains(r#""op":"gap""#) && all.matches(r#""op":"event""#).count() == 1, "{all}");
    }
}
