//! The JSON types of the caller's data.

use engine::{
    id::{ContactId, SubjectId},
    time::Timestamp,
};
use persistence::sql::Contact;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{auth::Role, wire::IdSchema};

/// The caller.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// The subject of the guest or account.
    #[schema(value_type = IdSchema)]
    pub(super) subject: SubjectId,
    /// The tenant.
    pub(super) tenant: String,
    /// The role. Absent for guests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^(customer|vendor|host|admin)$", nullable = false)]
    pub(super) role: Option<Role>,
    /// The account's e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) email: Option<String>,
    /// Whether the e-mail address is verified. Absent for guests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) verified: Option<bool>,
    /// Whether the shop requires a verified address for claims and checkouts of this account. Absent for guests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) verification_required: Option<bool>,
    /// The creation time of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub(super) created_at: Option<Timestamp>,
}

/// The personal data of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Export {
    /// The account.
    pub(super) me: Me,
    /// All subjects of this person: the account and its former guests.
    #[schema(value_type = Vec<IdSchema>)]
    pub(super) subjects: Vec<SubjectId>,
    /// The contacts of the person's orders.
    pub(super) contacts: Vec<ContactWire>,
    /// The times at which the active sessions were started or last refreshed.
    #[schema(value_type = Vec<String>)]
    pub(super) sessions: Vec<Timestamp>,
}

/// The confirmation of an erasure.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    /// The account's password. Not required for guests, nor within 5 minutes of a sign-in.
    #[schema(min_length = 1, max_length = 256)]
    pub(super) password: Option<String>,
}

/// A contact of a buyer.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactWire {
    /// The id that orders refer to.
    #[schema(value_type = IdSchema)]
    id: ContactId,
    /// The e-mail address.
    email: Option<String>,
    /// The recipient's name.
    name: Option<String>,
    /// The shipping address.
    #[schema(value_type = Option<Object>)]
    address: Option<Map<String, Value>>,
    /// The time at which the contact was stored.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Contact> for ContactWire {
    fn from(contact: Contact) -> Self {
        let Contact { contact: id, subject: _, email, name, address, created_at, erased_at: _, until_order: _ } =
            contact;
        Self { id, email, name, address, created_at }
    }
}
