//! Snapshots in the formats of earlier versions.

use wincode::SchemaRead;

use super::{
    Audience, Claim, ClaimLock, ClaimState, DropState, Terms,
    snapshot::{AnswerForm, DetailsForm, DropRead, Head, ItemAnswerForm, ItemForm, PendingForm, PhaseForm},
};
use crate::{
    id::{ClaimId, CommandId, DropId, EmailHash, Fingerprint, ProductId, SubjectId},
    money::Currency,
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    snapshot::{SnapshotError, read_snapshot},
    time::Timestamp,
};

/// Decodes a snapshot in format 1.
pub(super) fn read_format_1(bytes: &[u8]) -> Result<DropRead, SnapshotError> {
    read_snapshot::<Drop1>(bytes).map(Drop1::upcast)
}

/// Format 1, which had no networks.
#[derive(SchemaRead)]
struct Drop1 {
    head: Head1,
    answers: Vec<Answer1>,
    claims: Vec<Vec<Claim1>>,
}

#[derive(SchemaRead)]
struct Head1 {
    details: Option<Details1>,
    items: Vec<ItemForm>,
    pending: Option<PendingForm>,
    refused: Option<(CommandId, String, u64)>,
    settlement_due: Option<Timestamp>,
    settlement_turn: u64,
}

#[derive(SchemaRead)]
struct Details1 {
    tenant: String,
    drop: DropId,
    terms: Terms1,
    created: ProcessedCommand,
    version: u64,
    phase: PhaseForm,
}

#[derive(SchemaRead)]
struct Terms1 {
    title: String,
    product: Option<ProductId>,
    per_buyer_max: Quantity,
    hold_seconds: u32,
    starts_at: Option<Timestamp>,
    ends_at: Timestamp,
    audience: Audience,
    currency: Currency,
}

#[derive(SchemaRead)]
struct Answer1 {
    processed: ProcessedCommand,
    state: DropState,
    version: u64,
    terms: Terms1,
    starts_at: Option<Timestamp>,
    created_at: Timestamp,
    items: Vec<ItemAnswerForm>,
    as_of: Timestamp,
}

#[derive(SchemaRead)]
struct Claim1 {
    id: ClaimId,
    buyer: SubjectId,
    fingerprint: Fingerprint,
    item: u16,
    checkouts: u8,
    lengthened: bool,
    quantity: Quantity,
    price: i64,
    first_until: Timestamp,
    email: Option<EmailHash>,
    undone: Option<ClaimLock>,
    state: ClaimState,
}

impl Drop1 {
    fn upcast(self) -> DropRead {
        let Head1 { details, items, pending, refused, settlement_due, settlement_turn } = self.head;
        let details = details.map(|details| {
            let Details1 { tenant, drop, terms, created, version, phase } = details;
            DetailsForm { tenant, drop, terms: terms.upcast(), created, version, phase }
        });
        DropRead {
            head: Head { details, items, pending, refused, settlement_due, settlement_turn },
            answers: self.answers.into_iter().map(Answer1::upcast).collect(),
            claims: self.claims.into_iter().map(|page| page.into_iter().map(Claim1::upcast).collect()).collect(),
        }
    }
}

impl Terms1 {
    fn upcast(self) -> Terms {
        let Self { title, product, per_buyer_max, hold_seconds, starts_at, ends_at, audience, currency } = self;
        let network_limit = None;
        Terms { title, product, per_buyer_max, hold_seconds, starts_at, ends_at, audience, currency, network_limit }
    }
}

impl Answer1 {
    fn upcast(self) -> AnswerForm {
        let Self { processed, state, version, terms, starts_at, created_at, items, as_of } = self;
        let (terms, per_network_max) = (terms.upcast(), None);
        AnswerForm { processed, state, version, terms, starts_at, per_network_max, created_at, items, as_of }
    }
}

impl Claim1 {
    fn upcast(self) -> Claim {
        let Self {
            id,
            buyer,
            fingerprint,
            item,
            checkouts,
            lengthened,
            quantity,
            price,
            first_until,
            email,
            undone,
            state,
        } = self;
        Claim {
            id,
            buyer,
            fingerprint,
            item,
            checkouts,
            lengthened,
            quantity,
            price,
            first_until,
            email,
            undone,
            state,
            network: None,
        }
    }
}
