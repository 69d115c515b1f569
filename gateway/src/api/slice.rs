//! The interface of a slice: what a kind of resource adds to the API.

use engine::time::Timestamp;
use futures::future::BoxFuture;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    Gateway, Problem,
    live::TopicKind,
    ops::openapi::{Link, Refinement},
};

/// Deletes what has expired by a time.
pub(crate) type Expire = for<'a> fn(&'a Gateway, Timestamp) -> BoxFuture<'a, Result<(), Problem>>;

/// What a kind of resource adds to the API.
pub(crate) struct Slice {
    /// The tag that the kind adds to the OpenAPI document, with its description. `None`: its operations have the tag of
    /// another kind.
    pub(crate) tag: Option<(&'static str, &'static str)>,
    /// Returns the kind's routes with their documentation.
    pub(crate) router: fn() -> OpenApiRouter<Gateway>,
    /// Returns additions to the derived schemas of the kind.
    pub(crate) refinements: fn() -> Vec<Refinement>,
    /// Which operations can follow the responses of the kind's operations.
    pub(crate) links: &'static [Link],
    /// The patterns of the cursors of the kind's lists, by operation. Cursors of the read side begin with the number of
    /// their list and of its order.
    pub(crate) cursors: &'static [(&'static str, &'static str)],
    /// The kind's topics in the real-time API.
    pub(crate) topics: &'static [&'static TopicKind],
    /// Deletes the kind's expired data. Called once a minute.
    pub(crate) expire: Option<Expire>,
}

impl Slice {
    /// A slice that adds nothing.
    pub(crate) const EMPTY: Self = Self {
        tag: None,
        router: OpenApiRouter::new,
        refinements: Vec::new,
        links: &[],
        cursors: &[],
        topics: &[],
        expire: None,
    };
}
