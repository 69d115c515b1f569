//! Snapshots of drops as earlier versions wrote them.

use wincode::SchemaRead;

use super::{
    Audience, Claim, ClaimState, DropState, Pin, Terms,
    snapshot::{AnswerForm, DropRead, Head, ItemAnswerForm, ItemForm, PendingForm, PhaseForm, SheetForm},
};
use crate::{
    aggregate::{SnapshotError, read_snapshot},
    id::{ClaimId, CommandId, DropId, EmailHash, Fingerprint, ProductId, SubjectId},
    money::Currency,
    quantity::Quantity,
    receipts::Receipt,
    time::Timestamp,
};

/// Reads a snapshot of a format before the present one.
pub(super) fn read(format: u8, bytes: &[u8]) -> Result<DropRead, SnapshotError> {
    match format {
        1 => read_snapshot::<Drop1>(bytes).map(Drop1::upcast),
        _ => Err(SnapshotError(format!("there is no format {format} of drops"))),
    }
}

/// Format 1: without networks.
#[derive(SchemaRead)]
struct Drop1 {
    head: Head1,
    answers: Vec<Answer1>,
    claims: Vec<Vec<Claim1>>,
}

#[derive(SchemaRead)]
struct Head1 {
    sheet: Option<Sheet1>,
    items: Vec<ItemForm>,
    pending: Option<PendingForm>,
    refused: Option<(CommandId, String, u64)>,
    settlement_due: Option<Timestamp>,
    settlement_turn: u64,
}

#[derive(SchemaRead)]
struct Sheet1 {
    tenant: String,
    drop: DropId,
    terms: Terms1,
    created: Receipt,
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
    receipt: Receipt,
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
    undone: Option<Pin>,
    state: ClaimState,
}

impl Drop1 {
    fn upcast(self) -> DropRead {
        let Head1 { sheet, items, pending, refused, settlement_due, settlement_turn } = self.head;
        let sheet = sheet.map(|sheet| {
            let Sheet1 { tenant, drop, terms, created, version, phase } = sheet;
            SheetForm { tenant, drop, terms: terms.upcast(), created, version, phase }
        });
        DropRead {
            head: Head { sheet, items, pending, refused, settlement_due, settlement_turn },
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
        let Self { receipt, state, version, terms, starts_at, created_at, items, as_of } = self;
        let (terms, per_network_max) = (terms.upcast(), None);
        AnswerForm { receipt, state, version, terms, starts_at, per_network_max, created_at, items, as_of }
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
