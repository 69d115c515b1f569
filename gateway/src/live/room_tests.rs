#![allow(clippy::unwrap_used)]

use std::io::Read;

use bytes::Bytes;
use engine::{
    id::{OrderId, TenantId},
    time::Timestamp,
};
use tokio::net::{TcpListener, TcpStream};

use super::{super::waiting::Backlog, *};

/// A peer, and the client's end of its socket.
async fn peer() -> (Arc<Peer>, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let (server, _): (TcpStream, _) = listener.accept().await.unwrap();
    server.writable().await.unwrap();
    (Arc::new(Peer::socket(server.into_split().1, Wire::Json, Backlog::default())), client)
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
    room.tell_all(None).await;
    let all = heard(&mut client);
    assert_eq!((all.matches(r#""op":"event""#).count(), all.contains(r#""op":"gap""#)), (FACTS_KEPT, false));
    for number in 0..=FACTS_KEPT as u128 {
        room.hear(&ordered(number));
    }
    room.tell_all(None).await;
    let anew = heard(&mut client);
    assert!(anew.contains(r#""op":"gap""#) && anew.contains(r#""offset":513,"state":{}"#), "{anew}");
    assert!(!anew.contains(r#""op":"event""#));
    room.hear(&ordered(9));
    room.tell_all(None).await;
    assert!(heard(&mut client).contains(r#""offset":514"#));
}

fn standing(text: &str, viewers: usize) -> Standing {
    Standing { viewers, ..Standing::answered(RawValue::from_string(format!("\"{text}\"")).unwrap()) }
}

#[tokio::test]
async fn a_state_that_is_none_newer_is_told_to_newcomers_alone() {
    let room = Room::new(Topic::Orders, "e".to_owned());
    let ((one, mut first), (two, mut second)) = (peer().await, peer().await);
    room.join(&one, None, standing("old", 1));
    room.tell_all(Some(standing("new", 1))).await;
    while !heard(&mut first).contains(r#""data":"new""#) {}
    room.join(&two, None, standing("old", 1));
    assert_eq!(room.tell_all(Some(standing("new", 1))).await, None);
    let mut all = heard(&mut second);
    while !all.contains(r#""data":"new""#) {
        all += &heard(&mut second);
    }
    assert!(all.contains(r#""state":"old""#));
    // Only who looks has changed, a moment after: that waits.
    let wait = room.tell_all(Some(standing("new", 2))).await.unwrap();
    assert!(wait > Instant::now());
    room.tell_all(Some(standing("last", 2))).await;
    let next = heard(&mut first);
    assert!(next.contains(r#""data":"last""#) && !next.contains(r#""data":"new""#), "{next}");
    room.leave(&one);
    assert!(!room.has(&one) && room.has(&two));
}

#[tokio::test]
async fn who_comes_while_others_are_told_hears_no_older_state() {
    let room = Room::new(Topic::Orders, "e".to_owned());
    let ((one, _first), (two, mut second)) = (peer().await, peer().await);
    room.join(&one, None, standing("old", 1));
    let (telling, _) = room.prepare(Some(standing("new", 1)));
    room.join(&two, None, standing("newest", 2));
    while room.tell_slice(&telling, &mut 0) {}
    room.tell_all(Some(standing("newest", 2))).await;
    let mut all = heard(&mut second);
    while !all.contains(r#""data":"newest""#) {
        all += &heard(&mut second);
    }
    assert!(all.contains(r#""state":"newest""#) && !all.contains(r#""data":"new""#), "{all}");
}

#[tokio::test]
async fn who_comes_hears_the_newest_state_though_the_others_wait_for_it() {
    let room = Room::new(Topic::Orders, "e".to_owned());
    let ((one, mut first), (two, mut second)) = (peer().await, peer().await);
    room.join(&one, None, standing("now", 1));
    room.tell_all(Some(standing("now", 1))).await;
    while !heard(&mut first).contains(r#""data":"now""#) {}
    room.join(&two, None, standing("now", 2));
    // The same but for who looks, as of later.
    let later = Standing { mark: standing("now", 2).mark, ..standing("later", 2) };
    assert!(room.tell_all(Some(later)).await.is_some());
    let mut all = heard(&mut second);
    while !all.contains(r#""op":"state""#) {
        all += &heard(&mut second);
    }
    assert!(all.contains(r#""data":"later""#), "{all}");
}

#[tokio::test]
async fn facts_and_state_of_a_tick_are_one_write_and_nobody_misses_one() {
    let room = Room::new(Topic::Orders, "e".to_owned());
    let mut clients = Vec::new();
    // More than a slice.
    for _ in 0..SLICE + 3 {
        let (peer, client) = peer().await;
        room.join(&peer, None, Standing::nothing());
        clients.push(client);
    }
    clients.iter_mut().for_each(|client| assert!(heard(client).contains(r#""op":"subscribed""#)));
    room.hear(&ordered(1));
    room.hear(&ordered(2));
    room.tell_all(Some(standing("new", 1))).await;
    for client in &mut clients {
        let all = heard(client);
        let places = [r#""offset":1"#, r#""offset":2"#, r#""data":"new""#].map(|text| all.find(text).unwrap());
        assert!(places.is_sorted() && all.matches(r#""op":"event""#).count() == 2, "{all}");
    }
}

#[tokio::test]
async fn who_takes_the_place_of_one_that_left_hears_it_too() {
    let room = Room::new(Topic::Orders, "e".to_owned());
    let mut all = Vec::new();
    for _ in 0..3 {
        let (peer, client) = peer().await;
        room.join(&peer, None, Standing::nothing());
        all.push((peer, client));
    }
    // It hears no more, and the last one moves to its place when that has been passed.
    all[0].0.end();
    all.iter_mut().for_each(|(_, client)| assert!(heard(client).contains(r#""op":"subscribed""#)));
    room.hear(&ordered(1));
    room.tell_all(None).await;
    assert!(all[1..].iter_mut().all(|(_, client)| heard(client).contains(r#""op":"event""#)));
    assert!(!room.has(&all[0].0) && room.members() == 2);
}

#[tokio::test]
async fn what_happened_while_nobody_listened_is_not_told_to_newcomers() {
    let room = Room::new(Topic::Orders, "e".to_owned());
    for number in 0..=FACTS_KEPT as u128 {
        room.hear(&ordered(number));
    }
    let (peer, mut client) = peer().await;
    room.join(&peer, None, Standing::nothing());
    room.tell_all(None).await;
    room.hear(&ordered(1));
    room.tell_all(None).await;
    let mut all = heard(&mut client);
    while !all.contains(r#""offset":258"#) {
        all += &heard(&mut client);
    }
    assert!(!all.contains(r#""op":"gap""#) && all.matches(r#""op":"event""#).count() == 1, "{all}");
}
