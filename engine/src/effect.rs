//! Effects: requests of an aggregate to other entities and external services, and their outcomes.
//!
//! An event requests effects ([`Saga::effects`](crate::aggregate::Saga::effects)). The runtime delivers each
//! of them at least once and passes the [`Outcome`] back to
//! [`Saga::on_outcome`](crate::aggregate::Saga::on_outcome). A target recognises repeats by the effect's
//! [command id](EffectId::command_id).

use minicbor::{Decode, Encode};

use crate::{
    aggregate::Aggregate,
    for_each_kind,
    id::{CommandId, EntityKey, TenantId, digest128},
    mail::MailRequest,
    payment::{ProviderAnswer, ProviderRequest},
};

/// The id of an effect within its entity.
///
/// A slot can have one outstanding effect at a time. A request with a newer generation replaces the older one in the
/// same slot, and the aggregate ignores outcomes of older generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct EffectId {
    /// What is requested.
    #[n(0)]
    pub slot: u64,
    /// Distinguishes successive requests in the same slot. Not a retry count: a redelivery keeps the generation.
    #[n(1)]
    pub generation: u64,
}

impl EffectId {
    /// The id of the command that the effect of `source` sends to its target. It is the same for every delivery.
    pub fn command_id(self, source: &EntityKey) -> CommandId {
        CommandId(digest128(&[source.as_bytes(), &self.slot.to_be_bytes(), &self.generation.to_be_bytes()]))
    }
}

/// A request to another entity or an external service, delivered at least once.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The id within the requesting entity.
    pub id: EffectId,
    /// The request.
    pub request: Request,
}

/// Defines, for each kind, a request with the entity's id and a command, and an outcome with the entity's reply.
macro_rules! define_requests {
    (() $($number:literal, $variant:ident, $name:literal, $module:ident::$aggregate:ident, $ids:ident::$id:ident, $traits:tt;)*) => {
        /// What an effect requests. Commands go to entities of the same tenant only.
        #[derive(Debug, Clone)]
        pub enum Request {
            $(#[doc = concat!("A command to a [`", stringify!($aggregate), "`](crate::", stringify!($module), "::", stringify!($aggregate), ").")]
            $variant(crate::$ids::$id, <crate::$module::$aggregate as Aggregate>::Command),)*
            /// A request to a payment provider.
            Provider(ProviderRequest),
            /// An e-mail to the mailer.
            Mail(MailRequest),
        }

        impl Request {
            /// The key of the target entity, or `None` for a request to an external service.
            pub fn target(&self, tenant: &TenantId) -> Option<EntityKey> {
                match self {
                    $(Request::$variant(id, _) => Some(id.key(tenant)),)*
                    Request::Provider(_) | Request::Mail(_) => None,
                }
            }
        }

        /// The definite outcome of an effect. As long as there is none, the runtime delivers the effect again.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Outcome {
            $(#[doc = concat!("The answer of a [`", stringify!($aggregate), "`](crate::", stringify!($module), "::", stringify!($aggregate), ").")]
            $variant(
                Result<
                    <crate::$module::$aggregate as Aggregate>::Reply,
                    <crate::$module::$aggregate as Aggregate>::Rejection,
                >,
            ),)*
            /// The definite answer of a payment provider.
            Provider(ProviderAnswer),
            /// The mailer has accepted the e-mail, or there is no recipient.
            Mail,
        }
    };
}

for_each_kind!([define_requests]);
