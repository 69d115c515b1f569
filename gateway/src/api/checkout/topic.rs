//! The topic `checkout:{id}`.

use engine::{id::CheckoutId, kinds::Kind};

use super::routes;
use crate::live::{Scope, Standing, TopicKind, Visibility};

/// A checkout, for its buyer.
pub(crate) const CHECKOUT: TopicKind = TopicKind {
    name: "checkout",
    follows: Kind::Checkout,
    scope: Scope::Entity,
    visibility: Visibility::Private,
    facts: None,
    read: |reading, id| {
        Box::pin(async move {
            let checkout = routes::read(reading.gateway, reading.identity()?, CheckoutId(id), reading.meta).await?;
            Standing::of(&checkout).map(Some)
        })
    },
};
