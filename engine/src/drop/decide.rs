//! How a drop decides about claims.

use super::{
    Audience, Buyer, CHECKOUT_SECONDS, CHECKOUTS_PER_CLAIM_MAX, CLAIMS_PER_BUYER_MAX, CLAIMS_PER_DROP_MAX, Claim,
    ClaimNetwork, ClaimState, Drop, DropCommand, DropEvent, DropRejection, DropReply, Pin,
    state::{Phase, Sheet},
};
use crate::{
    aggregate::{Context, Decision, KeyReused},
    id::{ClaimId, EmailHash, OrderId, Sku},
    quantity::Quantity,
    sabotage::{Rule, is_broken},
    time::Timestamp,
};

pub(super) type Decided = Result<Decision<DropEvent, DropReply>, DropRejection>;

impl Drop {
    pub(super) fn decide_command(&self, command: &DropCommand, context: &Context) -> Decided {
        match command {
            DropCommand::Create { tenant, drop, terms, items, draft } => {
                return self.create(tenant, *drop, terms, items, *draft, context);
            }
            DropCommand::Unpin { .. } if self.existing().is_none() => return Ok(Decision::read(DropReply::Done)),
            _ => {}
        }
        let sheet = self.existing().ok_or(DropRejection::NotFound)?;
        match command {
            DropCommand::Create { .. } => unreachable!("answered above"),
            DropCommand::Publish => self.publish(sheet, context),
            DropCommand::Edit { version, edit } => self.edit(sheet, *version, edit, context),
            DropCommand::End => self.end(sheet, context),
            DropCommand::Cancel => self.cancel(sheet, context),
            DropCommand::Claim { claim, buyer, sku, quantity, network } => {
                self.make_claim(sheet, *claim, buyer, sku.as_ref(), *quantity, *network, context)
            }
            DropCommand::Release { claim, buyer } => self.release(*claim, buyer, context.now),
            DropCommand::Pin { claim, buyer, pin, email, deadline } => {
                self.pin(sheet, *claim, buyer, *pin, *email, *deadline, context.now)
            }
            DropCommand::Unpin { claim, pin, started_at } => self.unpin(*claim, *pin, *started_at),
            DropCommand::Confirm { claim, pin, order } => self.confirm(*claim, *pin, *order, context.now),
            DropCommand::Unsell { claim, order } => self.unsell(*claim, *order, context.now),
            DropCommand::View => Ok(Decision::read(DropReply::Drop(Box::new(self.view(sheet, context.now))))),
            DropCommand::ViewClaim { claim, buyer } => {
                let (_, claim) = self.claim(*claim).ok_or(DropRejection::ClaimNotFound)?;
                if buyer.as_ref().is_some_and(|buyer| !buyer.is(claim.buyer)) {
                    return Err(DropRejection::ClaimNotFound);
                }
                Ok(Decision::read(DropReply::Claim(self.claim_view(sheet, claim))))
            }
            DropCommand::ListClaims { buyer, before, limit } => {
                Ok(Decision::read(self.list_claims(sheet, buyer.as_ref(), *before, *limit as usize)))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one command")]
    fn make_claim(
        &self,
        sheet: &Sheet,
        claim: ClaimId,
        buyer: &Buyer,
        sku: Option<&Sku>,
        quantity: Quantity,
        network: Option<ClaimNetwork>,
        context: &Context,
    ) -> Decided {
        for id in std::iter::once(claim).chain(context.former_ids.iter().map(|id| ClaimId(id.0))) {
            if let Some((_, known)) = self.claim(id) {
                let made = self.claim_as_made(sheet, known);
                if !context.says(known.fingerprint, made.created_at) {
                    return Err(KeyReused.into());
                }
                return Ok(Decision::again(DropReply::Claim(made)));
            }
        }
        self.check_window(sheet, context.now)?;
        if sheet.terms.audience == Audience::Customers && !buyer.customer {
            return Err(DropRejection::AccountRequired);
        }
        let index = match sku {
            Some(sku) => self.item_index(sku),
            None => self.only_item(),
        };
        let index = index.ok_or(DropRejection::ItemNotFound { sku: sku.cloned() })?;
        let (item, units) = (&self.items[index as usize], quantity.units());
        let (has, claims_made) = self
            .standings(buyer)
            .fold((0, 0), |(units, claims), standing| (units + standing.units, claims + standing.claims.len()));
        if claims_made >= CLAIMS_PER_BUYER_MAX {
            return Err(DropRejection::TooManyOwnClaims);
        }
        let remaining = sheet.terms.per_buyer_max.units().saturating_sub(has);
        if units > remaining {
            return Err(DropRejection::LimitReached { remaining });
        }
        let spare = u64::from(is_broken(Rule::OversellByOne));
        if units > item.available + spare {
            return Err(DropRejection::SoldOut { available: item.available, may_return: item.held > 0 });
        }
        let limit = sheet.terms.network_limit.unwrap_or_default();
        let left = network.and_then(|network| self.left_for_network(limit, sheet.terms.per_buyer_max, network));
        if let Some(remaining) = left.filter(|left| units > *left) {
            return Err(DropRejection::NetworkLimit { remaining });
        }
        let network = network.map(|network| network.hash);
        if self.claims.len() >= CLAIMS_PER_DROP_MAX as usize {
            return Err(DropRejection::TooManyClaims);
        }
        let until = context.now.plus_seconds(u64::from(sheet.terms.hold_seconds));
        let made = Claim {
            id: claim,
            buyer: buyer.subject,
            fingerprint: context.fingerprint,
            item: index,
            checkouts: 0,
            lengthened: false,
            quantity,
            price: item.price,
            first_until: until,
            email: None,
            undone: None,
            state: ClaimState::Held { until, pin: None },
            network,
        };
        let event = DropEvent::Claimed {
            claim,
            buyer: buyer.subject,
            item: index,
            quantity,
            price: item.price,
            fingerprint: context.fingerprint,
            at: context.now,
            until,
            network,
            number: Some(self.claims.len() as u32),
        };
        Ok(Decision::accept(vec![event], DropReply::Claim(self.claim_view(sheet, &made))))
    }

    fn check_window(&self, sheet: &Sheet, now: Timestamp) -> Result<(), DropRejection> {
        if Self::is_over(sheet, now) {
            return Err(DropRejection::Ended);
        }
        let starts_at = Self::starts_at(sheet);
        match (sheet.phase, starts_at) {
            (Phase::Published(_), Some(start)) if now >= start => Ok(()),
            (Phase::Published(_), _) => Err(DropRejection::NotOpen { starts_at }),
            // A draft tells no one when it will start.
            _ => Err(DropRejection::NotOpen { starts_at: None }),
        }
    }

    fn release(&self, claim: ClaimId, buyer: &Buyer, now: Timestamp) -> Decided {
        let (_, known) =
            self.claim(claim).filter(|(_, known)| buyer.is(known.buyer)).ok_or(DropRejection::ClaimNotFound)?;
        match known.state {
            ClaimState::Sold { .. } => Err(DropRejection::AlreadySold),
            ClaimState::Released { .. } => Ok(Decision::again(DropReply::Done)),
            ClaimState::Held { pin: Some(pin), .. } => {
                Err(DropRejection::CheckoutInProgress { checkout: pin.checkout })
            }
            ClaimState::Held { pin: None, .. } => {
                let quantity = Some(known.quantity);
                Ok(Decision::accept(vec![DropEvent::Released { claim, at: now, quantity }], DropReply::Done))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one command")]
    fn pin(
        &self,
        sheet: &Sheet,
        claim: ClaimId,
        buyer: &Buyer,
        pin: Pin,
        email: EmailHash,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Decided {
        let (_, known) =
            self.claim(claim).filter(|(_, known)| buyer.is(known.buyer)).ok_or(DropRejection::ClaimNotFound)?;
        let view = || DropReply::Claim(self.claim_view(sheet, known));
        match known.state {
            ClaimState::Sold { .. } => Err(DropRejection::AlreadySold),
            ClaimState::Released { .. } => Err(DropRejection::AlreadyReleased),
            ClaimState::Held { pin: Some(held), .. } if held == pin => Ok(Decision::again(view())),
            ClaimState::Held { pin: Some(held), .. } => {
                Err(DropRejection::CheckoutInProgress { checkout: held.checkout })
            }
            ClaimState::Held { until, .. } if now >= until => Err(DropRejection::AlreadyReleased),
            ClaimState::Held { .. } => {
                let undone =
                    known.undone.is_some_and(|undone| undone.checkout == pin.checkout && undone.attempt >= pin.attempt);
                if now > deadline || undone {
                    return Err(DropRejection::TooLate);
                }
                if known.checkouts >= CHECKOUTS_PER_CLAIM_MAX {
                    return Err(DropRejection::TooManyCheckouts);
                }
                // Of the mailbox, and of everyone whom the account has been: guests may have claimed before they were one.
                let own: u64 = self.standings(buyer).map(|standing| standing.taken).sum();
                let others = self.by_email.get(&email).copied().unwrap_or(0).max(own);
                let remaining = sheet.terms.per_buyer_max.units().saturating_sub(others);
                if known.quantity.units() > remaining {
                    return Err(DropRejection::LimitReached { remaining });
                }
                Ok(Decision::accept(vec![DropEvent::Pinned { claim, pin, email }], view()))
            }
        }
    }

    fn unpin(&self, claim: ClaimId, pin: Pin, started_at: Timestamp) -> Decided {
        // A checkout unpins what it asked to pin, also when the pin was refused or has not arrived: nothing to undo.
        let Some((_, known)) = self.claim(claim) else { return Ok(Decision::read(DropReply::Done)) };
        match known.state {
            ClaimState::Held { until, pin: Some(held) } if held == pin => {
                let lengthened = started_at.plus_seconds(CHECKOUT_SECONDS);
                let until = if known.lengthened { until } else { until.max(lengthened) };
                Ok(Decision::accept(vec![DropEvent::Unpinned { claim, pin, until }], DropReply::Done))
            }
            _ => Ok(Decision::read(DropReply::Done)),
        }
    }

    fn confirm(&self, claim: ClaimId, pin: Pin, order: OrderId, now: Timestamp) -> Decided {
        let (_, known) = self.claim(claim).ok_or(DropRejection::ClaimNotFound)?;
        match known.state {
            ClaimState::Sold { order: sold_to } if sold_to == order => Ok(Decision::again(DropReply::Done)),
            ClaimState::Sold { .. } => Err(DropRejection::AlreadySold),
            ClaimState::Released { .. } => Err(DropRejection::AlreadyReleased),
            ClaimState::Held { pin: Some(held), .. } if held == pin => {
                let sale = Some(known.sale());
                Ok(Decision::accept(vec![DropEvent::Sold { claim, order, at: now, sale }], DropReply::Done))
            }
            ClaimState::Held { .. } => Err(DropRejection::NotAllowed { why: "the claim is not in this checkout" }),
        }
    }

    fn unsell(&self, claim: ClaimId, order: OrderId, now: Timestamp) -> Decided {
        let (_, known) = self.claim(claim).ok_or(DropRejection::ClaimNotFound)?;
        match known.state {
            ClaimState::Sold { order: sold_to } if sold_to == order => {
                let sale = Some(known.sale());
                Ok(Decision::accept(vec![DropEvent::Unsold { claim, at: now, sale }], DropReply::Done))
            }
            _ => Ok(Decision::again(DropReply::Done)),
        }
    }

    fn list_claims(&self, sheet: &Sheet, buyer: Option<&Buyer>, before: Option<u32>, limit: usize) -> DropReply {
        let before = before.unwrap_or(u32::MAX).min(self.claims.len() as u32);
        let mut numbers: Vec<u32> = match buyer {
            None => (0..before).rev().take(limit + 1).collect(),
            Some(buyer) => {
                let mut own: Vec<u32> = self.standings(buyer).flat_map(|standing| &standing.claims).copied().collect();
                own.sort_unstable_by(|a, b| b.cmp(a));
                own.into_iter().filter(|&number| number < before).take(limit + 1).collect()
            }
        };
        let more = numbers.len() > limit;
        numbers.truncate(limit);
        let next = if more { numbers.last().copied() } else { None };
        DropReply::Claims(numbers.iter().map(|&number| self.claim_view(sheet, &self.claims[number])).collect(), next)
    }
}
