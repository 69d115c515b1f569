//! Frames as protobuf: `schemas/fusion.v1.proto`.

use bytes::Bytes;
use prost::{DecodeError, Message};

use super::frames::{
    Ask, Body, Call, ClientFrame, Command, CommandName, Frame, Limits, Parameter, Place, Reply, Standing,
};
use crate::{
    api::{ClaimWire, DropWire, NewClaim},
    wire::MoneyWire,
};

/// The code generated from the schema.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
pub(crate) mod proto {
    include!(concat!(env!("OUT_DIR"), "/fusion.v1.rs"));
}

use proto::{command, data, frame::Op, reply};

/// Parses a message.
pub(super) fn read(bytes: Bytes) -> Result<Vec<ClientFrame>, Malformed> {
    proto::Frames::decode(bytes)?.frames.into_iter().map(client_frame).collect()
}

/// A message that is not valid.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    #[error("the frame contains no client operation")]
    NoOperation,
}

fn client_frame(frame: proto::Frame) -> Result<ClientFrame, Malformed> {
    Ok(match frame.op.ok_or(Malformed::NoOperation)? {
        Op::Hello(proto::Hello { token, client }) => ClientFrame::Hello { token, client },
        Op::Auth(proto::Auth { token }) => ClientFrame::Auth { token },
        Op::Subscribe(proto::Subscribe { topic, since }) => ClientFrame::Subscribe {
            topic,
            since: since.map(|place| Place { epoch: place.epoch, offset: place.offset }),
        },
        Op::Unsubscribe(proto::Unsubscribe { topic }) => ClientFrame::Unsubscribe { topic },
        Op::Pong(proto::Pong {}) => ClientFrame::Pong,
        Op::Command(proto::Command { id, key, ask }) => {
            let ask = match ask.ok_or(Malformed::NoOperation)? {
                command::Ask::CreateClaim(proto::CreateClaim { drop_id, sku, quantity }) => {
                    Ask::Claim { drop: drop_id, body: NewClaim { sku, quantity } }
                }
                command::Ask::ReleaseClaim(proto::ReleaseClaim { drop_id, claim_id }) => {
                    Ask::Release { drop: drop_id, claim: claim_id }
                }
                command::Ask::Call(proto::Call { name, params, body, if_match }) => {
                    let params = params.into_iter().map(|(name, text)| (name, Parameter::Text(text))).collect();
                    Ask::Call(Call { name, params, body, if_match })
                }
            };
            ClientFrame::Command(Command { id: CommandName::Number(id), key, ask })
        }
        _ => return Err(Malformed::NoOperation),
    })
}

/// Serializes frames as one message.
pub(super) fn write(frames: impl Iterator<Item = proto::Frame>) -> Vec<u8> {
    proto::Frames { frames: frames.collect() }.encode_to_vec()
}

/// Converts a frame to its protobuf message.
pub(super) fn message(frame: Frame<'_>) -> proto::Frame {
    let bytes = |json: &serde_json::value::RawValue| Bytes::from(json.get().to_owned());
    let op = match frame {
        Frame::Welcome { server_time, ping_ms, limits } => Op::Welcome(proto::Welcome {
            server_time: server_time as i64,
            ping_ms: ping_ms as u32,
            limits: Some(limits.into()),
        }),
        Frame::Subscribed { topic, epoch, offset, state } => Op::Subscribed(proto::Subscribed {
            topic: topic.to_owned(),
            epoch: epoch.to_owned(),
            offset,
            state: state.map(data_of),
        }),
        Frame::Refused { topic, problem } => {
            Op::Refused(proto::Refused { topic: topic.to_owned(), problem: bytes(problem) })
        }
        Frame::Event { topic, offset, r#type, data } => Op::Event(proto::Event {
            topic: topic.to_owned(),
            offset,
            r#type: r#type.to_owned(),
            data: data.to_string().into(),
        }),
        Frame::State { topic, offset, data } => {
            Op::State(proto::State { topic: topic.to_owned(), offset, data: Some(data_of(data)) })
        }
        Frame::Gap { topic } => Op::Gap(proto::Gap { topic: topic.to_owned() }),
        Frame::Reply(reply) => Op::Reply(reply_of(reply)),
        Frame::Expiring { in_ms } => Op::Expiring(proto::Expiring { in_ms: in_ms as u32 }),
        Frame::Draining { reconnect_in_ms } => {
            Op::Draining(proto::Draining { reconnect_in_ms: reconnect_in_ms as u32 })
        }
        Frame::Ping {} => Op::Ping(proto::Ping {}),
    };
    proto::Frame { op: Some(op) }
}

fn data_of(standing: &Standing) -> proto::Data {
    let of = match &standing.drop {
        Some(drop) => data::Of::Drop((**drop).clone()),
        None => data::Of::Json(standing.json.get().to_owned().into()),
    };
    proto::Data { of: Some(of) }
}

fn reply_of(reply: Reply) -> proto::Reply {
    let id = match reply.id {
        CommandName::Number(number) => number,
        // Clients of this encoding use numbers only.
        CommandName::Text(_) => 0,
    };
    let bytes = |json: Box<serde_json::value::RawValue>| Bytes::from(String::from(Box::<str>::from(json)));
    let answer = match (reply.body, reply.problem) {
        (Some(Body::Claim(claim)), _) => Some(reply::Answer::Claim((*claim).into())),
        (Some(Body::Json(body)), _) => Some(reply::Answer::Body(bytes(body))),
        (None, problem) => problem.map(|problem| reply::Answer::Problem(bytes(problem))),
    };
    proto::Reply { id, status: u32::from(reply.status), replayed: reply.replayed, answer }
}

impl From<Limits> for proto::Limits {
    fn from(limits: Limits) -> Self {
        Self {
            message_bytes: limits.message_bytes as u32,
            frames: limits.frames as u32,
            subscriptions: limits.subscriptions as u32,
            commands_in_flight: limits.commands_in_flight as u32,
        }
    }
}

impl From<MoneyWire> for proto::Money {
    fn from(money: MoneyWire) -> Self {
        Self { amount: money.amount, currency: money.currency }
    }
}

impl From<ClaimWire> for proto::Claim {
    fn from(claim: ClaimWire) -> Self {
        Self {
            id: claim.id,
            drop_id: claim.drop_id.to_string(),
            sku: claim.sku.to_string(),
            quantity: claim.quantity,
            unit_price: Some(claim.unit_price.into()),
            state: claim.state.to_owned(),
            expires_at: claim.expires_at.0 as i64,
            created_at: claim.created_at.0 as i64,
            checkout_id: claim.checkout_id,
            order_id: claim.order_id.map(|order| order.to_string()),
            released: claim.released.and_then(named),
        }
    }
}

/// The state of a drop with its number of viewers.
pub(crate) fn drop_state(drop: DropWire, viewers: usize) -> proto::DropState {
    let items = drop.items.into_iter().map(|item| proto::DropItem {
        sku: item.sku.to_string(),
        quantity: item.quantity,
        price: Some(item.price.into()),
        compare_at_price: item.compare_at_price.map(Into::into),
        available: item.available,
        held: item.held,
        sold: item.sold,
    });
    proto::DropState {
        id: drop.id.to_string(),
        state: drop.state.to_owned(),
        version: drop.version,
        title: drop.title,
        product_id: drop.product_id.map(|product| product.to_string()),
        audience: named(drop.audience).unwrap_or_default(),
        per_buyer_max: drop.per_buyer_max,
        per_network_max: drop.per_network_max,
        hold_seconds: drop.hold_seconds,
        starts_at: drop.starts_at.map(|at| at.0 as i64),
        ends_at: drop.ends_at.0 as i64,
        created_at: drop.created_at.0 as i64,
        items: items.collect(),
        quantity: drop.quantity,
        available: drop.available,
        held: drop.held,
        sold: drop.sold,
        as_of: drop.as_of.0 as i64,
        viewers: viewers as u64,
    }
}

/// Returns the JSON name of an enum value.
fn named(name: impl serde::Serialize) -> Option<String> {
    match serde_json::to_value(name) {
        Ok(serde_json::Value::String(name)) => Some(name),
        _ => None,
    }
}
