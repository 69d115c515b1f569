//! The topic `cart:{id}`.

use engine::{id::CartId, kinds::Kind};

use super::routes;
use crate::live::{Scope, Standing, TopicKind, Visibility};

/// A cart, for its buyer.
pub(crate) const CART: TopicKind = TopicKind {
    name: "cart",
    follows: Kind::Cart,
    scope: Scope::Entity,
    visibility: Visibility::Private,
    facts: None,
    read: |reading, id| {
        Box::pin(async move {
            let cart = routes::read(reading.gateway, reading.identity()?, CartId(id), reading.meta).await?;
            Standing::of(&cart).map(Some)
        })
    },
};
