#![allow(clippy::unwrap_used)]

use std::io::Read;

use bytes::Bytes;
use engine::{
    id::{OrderId, TenantId},
    time::Timestamp,
};
use tokio::net::{TcpListener, TcpStream};

use super::{super::send_queue::Backlog, *};

/// A connection, and the client's end of its socket.
async fn connection() -> (Arc<Connection>, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let (server, _): (TcpStream, _) = listener.accept().await.unwrap();
    server.writable().await.unwrap();
    (Arc::new(Connection::socket(server.into_split().1, Encoding::Json, Backlog::default())), client)
}

fn orders() -> Topic {
    Topic::parse("orders").unwrap()
}

fn ordered(number: u128) -> Change {
    let key = OrderId(number).key(&TenantId::new("shop").unwrap());
    Change { key, version: 1, at: Timestamp(1), events: Bytes::new() }
}

fn received(client: &mut std::net::TcpStream) -> String {
    let mut bytes = vec![0; 64 * 1024];
    let length = client.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[tokio::test]
async fn facts_dropped_before_delivery_are_a_gap_followed_by_the_state() {
    let (connection, mut client) = connection().await;
    let channel = TopicChannel::new(orders(), "e".to_owned());
    channel.join(&connection, None, Standing::nothing());
    assert!(received(&mut client).contains(r#""op":"subscribed""#));
    for number in 0..FACTS_KEPT as u128 {
        channel.note(&ordered(number));
    }
    channel.broadcast_all(None).await;
    let all = received(&mut client);
    assert_eq!((all.matches(r#""op":"event""#).count(), all.contains(r#""op":"gap""#)), (FACTS_KEPT, false));
    for number in 0..=FACTS_KEPT as u128 {
        channel.note(&ordered(number));
    }
    channel.broadcast_all(None).await;
    let resubscribed = received(&mut client);
    assert!(
        resubscribed.contains(r#""op":"gap""#) && resubscribed.contains(r#""offset":513,"state":{}"#),
        "{resubscribed}"
    );
    assert!(!resubscribed.contains(r#""op":"event""#));
    channel.note(&ordered(9));
    channel.broadcast_all(None).await;
    assert!(received(&mut client).contains(r#""offset":514"#));
}

#[tokio::test]
async fn changes_that_were_not_read_in_time_are_a_gap_and_no_older_position_can_be_resumed() {
    let (connection, mut client) = connection().await;
    let channel = TopicChannel::new(orders(), "e".to_owned());
    channel.join(&connection, None, Standing::nothing());
    assert!(received(&mut client).contains(r#""offset":0"#));
    for number in 0..CHANGES_NOTED_MAX as u128 {
        channel.note(&ordered(number));
    }
    // As many as fit are all facts, though more than are kept for one broadcast.
    channel.read_changes();
    let offset = channel.news.lock().offset;
    assert_eq!(offset, CHANGES_NOTED_MAX as u64);
    channel.broadcast_all(None).await;
    received(&mut client);

    for number in 0..=CHANGES_NOTED_MAX as u128 {
        channel.note(&ordered(number));
    }
    channel.broadcast_all(None).await;
    let resubscribed = received(&mut client);
    let restarted = offset + 1;
    assert!(
        resubscribed.contains(r#""op":"gap""#)
            && resubscribed.contains(&format!(r#""offset":{restarted},"state":{{}}"#)),
        "{resubscribed}"
    );
    assert!(!resubscribed.contains(r#""op":"event""#));
    let (late, mut newcomer) = self::connection().await;
    channel.join(&late, Some(&Place { epoch: "e".to_owned(), offset }), Standing::nothing());
    let subscribed = received(&mut newcomer);
    assert!(subscribed.contains(&format!(r#""offset":{restarted},"state":{{}}"#)), "{subscribed}");
    channel.note(&ordered(9));
    channel.broadcast_all(None).await;
    for client in [&mut client, &mut newcomer] {
        let next = received(client);
        assert!(next.contains(r#""op":"event""#) && next.contains(&format!(r#""offset":{}"#, restarted + 1)), "{next}");
    }
}

#[tokio::test]
async fn a_topic_without_facts_keeps_no_change() {
    let channel = TopicChannel::new(Topic::parse(&format!("order:{}", OrderId(1))).unwrap(), "e".to_owned());
    for number in 0..=CHANGES_NOTED_MAX as u128 {
        channel.note(&ordered(number));
    }
    let noted = channel.noted.lock();
    assert!(noted.changed && noted.changes.is_empty() && !noted.overflowed);
}

fn standing(text: &str, viewers: usize) -> Standing {
    Standing { viewers, ..Standing::of(&text).unwrap() }
}

#[tokio::test]
async fn an_unchanged_state_is_sent_to_new_subscribers_only() {
    let channel = TopicChannel::new(orders(), "e".to_owned());
    let ((one, mut first), (two, mut second)) = (connection().await, connection().await);
    channel.join(&one, None, standing("old", 1));
    channel.broadcast_all(Some(standing("new", 1))).await;
    while !received(&mut first).contains(r#""data":"new""#) {}
    channel.join(&two, None, standing("old", 1));
    assert_eq!(channel.broadcast_all(Some(standing("new", 1))).await, None);
    let mut all = received(&mut second);
    while !all.contains(r#""data":"new""#) {
        all += &received(&mut second);
    }
    assert!(all.contains(r#""state":"old""#));
    // Only the number of viewers has changed, shortly after a state: its publication is deferred.
    let wait = channel.broadcast_all(Some(standing("new", 2))).await.unwrap();
    assert!(wait > Instant::now());
    channel.broadcast_all(Some(standing("last", 2))).await;
    let next = received(&mut first);
    assert!(next.contains(r#""data":"last""#) && !next.contains(r#""data":"new""#), "{next}");
    channel.leave(&one);
    assert!(!channel.has(&one) && channel.has(&two));
}

#[tokio::test]
async fn a_subscriber_that_joins_during_a_broadcast_gets_no_older_state() {
    let channel = TopicChannel::new(orders(), "e".to_owned());
    let ((one, _first), (two, mut second)) = (connection().await, connection().await);
    channel.join(&one, None, standing("old", 1));
    let (broadcast, _) = channel.prepare(Some(standing("new", 1)));
    channel.join(&two, None, standing("newest", 2));
    while channel.send_slice(&broadcast, &mut 0) {}
    channel.broadcast_all(Some(standing("newest", 2))).await;
    let mut all = received(&mut second);
    while !all.contains(r#""data":"newest""#) {
        all += &received(&mut second);
    }
    assert!(all.contains(r#""state":"newest""#) && !all.contains(r#""data":"new""#), "{all}");
}

#[tokio::test]
async fn a_new_subscriber_gets_the_newest_state_before_the_others() {
    let channel = TopicChannel::new(orders(), "e".to_owned());
    let ((one, mut first), (two, mut second)) = (connection().await, connection().await);
    channel.join(&one, None, standing("now", 1));
    channel.broadcast_all(Some(standing("now", 1))).await;
    while !received(&mut first).contains(r#""data":"now""#) {}
    channel.join(&two, None, standing("now", 2));
    // A later state that differs in its viewers only.
    let later = Standing { mark: standing("now", 2).mark, ..standing("later", 2) };
    assert!(channel.broadcast_all(Some(later)).await.is_some());
    let mut all = received(&mut second);
    while !all.contains(r#""op":"state""#) {
        all += &received(&mut second);
    }
    assert!(all.contains(r#""data":"later""#), "{all}");
}

#[tokio::test]
async fn facts_and_state_of_a_tick_are_one_write_and_none_is_lost() {
    let channel = TopicChannel::new(orders(), "e".to_owned());
    let mut clients = Vec::new();
    // More than a slice.
    for _ in 0..SLICE + 3 {
        let (connection, client) = connection().await;
        channel.join(&connection, None, Standing::nothing());
        clients.push(client);
    }
    clients.iter_mut().for_each(|client| assert!(received(client).contains(r#""op":"subscribed""#)));
    channel.note(&ordered(1));
    channel.note(&ordered(2));
    channel.broadcast_all(Some(standing("new", 1))).await;
    for client in &mut clients {
        let all = received(client);
        let places = [r#""offset":1"#, r#""offset":2"#, r#""data":"new""#].map(|text| all.find(text).unwrap());
        assert!(places.is_sorted() && all.matches(r#""op":"event""#).count() == 2, "{all}");
    }
}

#[tokio::test]
async fn a_subscriber_in_a_freed_slot_gets_the_broadcast() {
    let channel = TopicChannel::new(orders(), "e".to_owned());
    let mut all = Vec::new();
    for _ in 0..3 {
        let (connection, client) = connection().await;
        channel.join(&connection, None, Standing::nothing());
        all.push((connection, client));
    }
    // The connection has ended, and the last subscriber moves to its index after that index has been passed.
    all[0].0.end();
    all.iter_mut().for_each(|(_, client)| assert!(received(client).contains(r#""op":"subscribed""#)));
    channel.note(&ordered(1));
    channel.broadcast_all(None).await;
    assert!(all[1..].iter_mut().all(|(_, client)| received(client).contains(r#""op":"event""#)));
    assert!(!channel.has(&all[0].0) && channel.members() == 2);
}

#[tokio::test]
async fn events_without_subscribers_are_not_sent_to_new_ones() {
    let channel = TopicChannel::new(orders(), "e".to_owned());
    for number in 0..=FACTS_KEPT as u128 {
        channel.note(&ordered(number));
    }
    let (connection, mut client) = connection().await;
    channel.join(&connection, None, Standing::nothing());
    channel.broadcast_all(None).await;
    channel.note(&ordered(1));
    channel.broadcast_all(None).await;
    let mut all = received(&mut client);
    while !all.contains(r#""offset":258"#) {
        all += &received(&mut client);
    }
    assert!(!all.contains(r#""op":"gap""#) && all.matches(r#""op":"event""#).count() == 1, "{all}");
}
