//! The snapshot format of a drop.

use std::sync::Arc;

use wincode::{SchemaRead, SchemaWrite};

use super::{
    Claim, DropState, DropView, FlashDrop, ItemView, Terms, Totals, former,
    settle::Settlement,
    state::{Details, Item, Pending, Refused},
    view::{ItemOffer, Listing, Phase},
};
use crate::{
    id::{CommandId, DropId, Sku, TenantId},
    money::Money,
    paged_list::PagedList,
    processed_commands::{ProcessedCommand, ProcessedCommands},
    snapshot::{Persist, SnapshotError, Upcaster, read_part, read_snapshot, write_part, write_snapshot},
    time::Timestamp,
};

/// A frozen state of a drop. It shares the claims with the live drop until the live drop changes them.
#[derive(Debug)]
pub struct FrozenDrop {
    head: Head,
    answers: Vec<(ProcessedCommand, Arc<DropView>)>,
    claims: PagedList<Claim>,
}

/// All fields except the replies and the claims. Small.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Head {
    pub(super) details: Option<DetailsForm>,
    pub(super) items: Vec<ItemForm>,
    pub(super) pending: Option<PendingForm>,
    pub(super) refused: Option<(CommandId, String, u64)>,
    pub(super) settlement_due: Option<Timestamp>,
    pub(super) settlement_turn: u64,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct DetailsForm {
    pub(super) tenant: String,
    pub(super) drop: DropId,
    pub(super) terms: Terms,
    pub(super) created: ProcessedCommand,
    pub(super) version: u64,
    pub(super) phase: PhaseForm,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) enum PhaseForm {
    Draft,
    Published(Timestamp),
    Ended,
    Cancelled,
    Void,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct ItemForm {
    pub(super) sku: String,
    pub(super) price: i64,
    pub(super) compare_at: Option<i64>,
    pub(super) wanted: u64,
    pub(super) allocated: u64,
    pub(super) available: u64,
    pub(super) held: u64,
    pub(super) totals: Totals,
    pub(super) reporting: Totals,
    pub(super) booked: Totals,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct PendingForm {
    pub(super) processed: ProcessedCommand,
    /// The edit in the encoding of events.
    pub(super) edit: Option<Vec<u8>>,
    pub(super) units: Vec<(u16, u64, bool)>,
    pub(super) came_at: Timestamp,
}

/// The reply to a command. The drop's id is in [`DetailsForm`].
#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct AnswerForm {
    pub(super) processed: ProcessedCommand,
    pub(super) state: DropState,
    pub(super) version: u64,
    pub(super) terms: Terms,
    pub(super) starts_at: Option<Timestamp>,
    pub(super) per_network_max: Option<u64>,
    pub(super) created_at: Timestamp,
    pub(super) items: Vec<ItemAnswerForm>,
    pub(super) as_of: Timestamp,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct ItemAnswerForm {
    pub(super) sku: String,
    pub(super) quantity: u64,
    pub(super) price: i64,
    pub(super) compare_at: Option<i64>,
    pub(super) available: u64,
    pub(super) held: u64,
    pub(super) sold: u64,
    pub(super) returned: u64,
}

#[derive(SchemaWrite)]
struct DropForm<'a> {
    head: &'a Head,
    answers: Vec<AnswerForm>,
    claims: &'a [Arc<Vec<Claim>>],
}

/// A decoded snapshot.
#[derive(SchemaRead)]
pub(super) struct DropRead {
    pub(super) head: Head,
    pub(super) answers: Vec<AnswerForm>,
    pub(super) claims: Vec<Vec<Claim>>,
}

impl Persist for FlashDrop {
    type Frozen = FrozenDrop;
    const UPCASTERS: &'static [Upcaster<Self>] = &[|bytes| former::read_format_1(bytes)?.into_drop()];

    fn freeze(&self) -> Result<FrozenDrop, SnapshotError> {
        let head = Head {
            details: self.details.as_ref().map(DetailsForm::of),
            items: self.items.iter().map(ItemForm::of).collect(),
            pending: self.pending.as_ref().map(PendingForm::of).transpose()?,
            refused: self
                .refused
                .as_ref()
                .map(|refused| (refused.command_id, refused.sku.to_string(), refused.available)),
            settlement_due: self.settlement.due,
            settlement_turn: self.settlement.generation,
        };
        Ok(FrozenDrop { head, answers: self.processed_commands.to_list(), claims: self.claims.clone() })
    }

    fn encode_frozen(frozen: &FrozenDrop) -> Result<Vec<u8>, SnapshotError> {
        let answers = frozen.answers.iter().map(|(processed, view)| AnswerForm::of(*processed, view)).collect();
        write_snapshot(&DropForm { head: &frozen.head, answers, claims: frozen.claims.pages() })
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        read_snapshot::<DropRead>(bytes)?.into_drop()
    }
}

impl DropRead {
    fn into_drop(self) -> Result<FlashDrop, SnapshotError> {
        let DropRead { head, answers, claims } = self;
        let id = head.details.as_ref().map_or(DropId(0), |details| details.drop);
        let answers = answers.into_iter().map(|answer| answer.into_answer(id)).collect::<Result<_, _>>()?;
        let mut drop = FlashDrop {
            details: head.details.map(DetailsForm::into_details).transpose()?,
            items: head.items.into_iter().map(ItemForm::into_item).collect::<Result<_, _>>()?,
            processed_commands: ProcessedCommands::from_list(answers),
            pending: head.pending.map(PendingForm::into_pending).transpose()?,
            refused: match head.refused {
                Some((command_id, sku, available)) => Some(Refused { command_id, sku: read_sku(&sku)?, available }),
                None => None,
            },
            settlement: Settlement { due: head.settlement_due, generation: head.settlement_turn, open: 0 },
            ..FlashDrop::default()
        };
        drop.settlement.open = drop.items.iter().filter(|item| item.reporting != item.booked).count() as u32;
        for claim in claims.into_iter().flatten() {
            drop.index_claim(claim);
        }
        Ok(drop)
    }
}

fn read_sku(text: &str) -> Result<Sku, SnapshotError> {
    Sku::new(text).map_err(|error| SnapshotError(error.to_string()))
}

impl DetailsForm {
    fn of(details: &Details) -> Self {
        let phase = match details.listing.phase {
            Phase::Draft => PhaseForm::Draft,
            Phase::Published(at) => PhaseForm::Published(at),
            Phase::Ended => PhaseForm::Ended,
            Phase::Cancelled => PhaseForm::Cancelled,
            Phase::Void => PhaseForm::Void,
        };
        let tenant = details.tenant.to_string();
        Self {
            tenant,
            drop: details.drop,
            terms: details.listing.terms.clone(),
            created: details.created,
            version: details.listing.version,
            phase,
        }
    }

    fn into_details(self) -> Result<Details, SnapshotError> {
        let phase = match self.phase {
            PhaseForm::Draft => Phase::Draft,
            PhaseForm::Published(at) => Phase::Published(at),
            PhaseForm::Ended => Phase::Ended,
            PhaseForm::Cancelled => Phase::Cancelled,
            PhaseForm::Void => Phase::Void,
        };
        let tenant = TenantId::new(&self.tenant).map_err(|error| SnapshotError(error.to_string()))?;
        let listing = Listing { terms: self.terms, phase, version: self.version };
        Ok(Details { tenant, drop: self.drop, created: self.created, listing })
    }
}

impl ItemForm {
    fn of(item: &Item) -> Self {
        let Item { offer, allocated, available, held, totals, reporting, booked } = item.clone();
        let ItemOffer { sku, price, compare_at, quantity: wanted } = offer;
        let sku = sku.to_string();
        Self { sku, price, compare_at, wanted, allocated, available, held, totals, reporting, booked }
    }

    fn into_item(self) -> Result<Item, SnapshotError> {
        let Self { sku, price, compare_at, wanted, allocated, available, held, totals, reporting, booked } = self;
        let offer = ItemOffer { sku: read_sku(&sku)?, price, compare_at, quantity: wanted };
        Ok(Item { offer, allocated, available, held, totals, reporting, booked })
    }
}

impl PendingForm {
    fn of(pending: &Pending) -> Result<Self, SnapshotError> {
        let Pending { processed, edit, units, came_at } = pending;
        let edit = edit.as_ref().map(write_part).transpose()?;
        Ok(Self { processed: *processed, edit, units: units.clone(), came_at: *came_at })
    }

    fn into_pending(self) -> Result<Pending, SnapshotError> {
        let edit = self.edit.map(|bytes| read_part(&bytes)).transpose()?;
        Ok(Pending { processed: self.processed, edit, units: self.units, came_at: self.came_at })
    }
}

impl AnswerForm {
    fn of(processed: ProcessedCommand, view: &DropView) -> Self {
        let DropView { id: _, state, version, ref terms, starts_at, per_network_max, created_at, ref items, as_of } =
            *view;
        let item = |item: &ItemView| ItemAnswerForm {
            sku: item.sku.to_string(),
            quantity: item.quantity,
            price: item.price.amount,
            compare_at: item.compare_at.map(|price| price.amount),
            available: item.available,
            held: item.held,
            sold: item.sold,
            returned: item.returned,
        };
        let items = items.iter().map(item).collect();
        Self { processed, state, version, terms: terms.clone(), starts_at, per_network_max, created_at, items, as_of }
    }

    fn into_answer(self, id: DropId) -> Result<(ProcessedCommand, Arc<DropView>), SnapshotError> {
        let Self { processed, state, version, terms, starts_at, per_network_max, created_at, items, as_of } = self;
        let money = |amount| Money { amount, currency: terms.currency };
        let item = |item: ItemAnswerForm| {
            Ok(ItemView {
                sku: read_sku(&item.sku)?,
                quantity: item.quantity,
                price: money(item.price),
                compare_at: item.compare_at.map(money),
                available: item.available,
                held: item.held,
                sold: item.sold,
                returned: item.returned,
            })
        };
        let items = items.into_iter().map(item).collect::<Result<_, SnapshotError>>()?;
        let view = DropView { id, state, version, terms, starts_at, per_network_max, created_at, items, as_of };
        Ok((processed, Arc::new(view)))
    }
}
