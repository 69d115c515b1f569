//! How a drop decides commands, above all claims.

use super::{
    Audience, Buyer, CHECKOUT_SECONDS, CHECKOUTS_PER_CLAIM_MAX, CLAIMS_PER_BUYER_MAX, CLAIMS_PER_DROP_MAX, Claim,
    ClaimLock, ClaimNetwork, ClaimState, DropCommand, DropEvent, DropRejection, DropReply, FlashDrop, state::Details,
    view::Phase,
};
use crate::{
    aggregate::{Context, Decision, KeyReused},
    fault_injection::{Rule, is_broken},
    id::{ClaimId, EmailHash, OrderId, Sku},
    quantity::Quantity,
    time::Timestamp,
};

pub(super) type Decided = Result<Decision<DropEvent, DropReply>, DropRejection>;

impl FlashDrop {
    pub(super) fn decide_command(&self, command: &DropCommand, context: &Context) -> Decided {
        match command {
            DropCommand::Create { tenant, drop, terms, items, draft } => {
                return self.create(tenant, *drop, terms, items, *draft, context);
            }
            DropCommand::UnlockClaim { .. } if self.existing().is_none() => return Ok(Decision::read(DropReply::Done)),
            _ => {}
        }
        let details = self.existing().ok_or(DropRejection::NotFound)?;
        match command {
            DropCommand::Create { .. } => unreachable!("answered above"),
            DropCommand::Publish => self.publish(details, context),
            DropCommand::Edit { version, edit } => self.edit(details, *version, edit, context),
            DropCommand::End => self.end(details, context),
            DropCommand::Cancel => self.cancel(details, context),
            DropCommand::Claim { claim, buyer, sku, quantity, network } => {
                self.make_claim(details, *claim, buyer, sku.as_ref(), *quantity, *network, context)
            }
            DropCommand::Release { claim, buyer } => self.release(*claim, buyer, context.now),
            DropCommand::LockClaim { claim, buyer, lock, email, deadline } => {
                self.lock(details, *claim, buyer, *lock, *email, *deadline, context.now)
            }
            DropCommand::UnlockClaim { claim, lock, started_at } => self.unlock(*claim, *lock, *started_at),
            DropCommand::Confirm { claim, lock, order } => self.confirm(*claim, *lock, *order, context.now),
            DropCommand::Unsell { claim, order } => self.unsell(*claim, *order, context.now),
            DropCommand::View => Ok(Decision::read(DropReply::Drop(Box::new(self.view(details, context.now))))),
            DropCommand::ViewClaim { claim, buyer } => {
                let (_, claim) = self.claim(*claim).ok_or(DropRejection::ClaimNotFound)?;
                if buyer.as_ref().is_some_and(|buyer| !buyer.is(claim.buyer)) {
                    return Err(DropRejection::ClaimNotFound);
                }
                Ok(Decision::read(DropReply::Claim(self.claim_view(details, claim))))
            }
            DropCommand::ListClaims { buyer, before, limit } => {
                Ok(Decision::read(self.list_claims(details, buyer.as_ref(), *before, *limit as usize)))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one command")]
    fn make_claim(
        &self,
        details: &Details,
        claim: ClaimId,
        buyer: &Buyer,
        sku: Option<&Sku>,
        quantity: Quantity,
        network: Option<ClaimNetwork>,
        context: &Context,
    ) -> Decided {
        // Before all other checks: a duplicate gets its reply even after the drop has ended or sold out.
        for id in std::iter::once(claim).chain(context.former_ids.iter().map(|id| ClaimId(id.0))) {
            if let Some((_, known)) = self.claim(id) {
                let made = self.claim_as_made(details, known);
                if !context.says(known.fingerprint, made.created_at) {
                    return Err(KeyReused.into());
                }
                return Ok(Decision::duplicate(DropReply::Claim(made)));
            }
        }
        self.check_window(details, context.now)?;
        if details.listing.terms.audience == Audience::Customers && !buyer.customer {
            return Err(DropRejection::AccountRequired);
        }
        let index = match sku {
            Some(sku) => self.item_index(sku),
            None => self.only_item(),
        };
        let index = index.ok_or(DropRejection::ItemNotFound { sku: sku.cloned() })?;
        let (item, units) = (&self.items[index as usize], quantity.units());
        let (has, claims_made) = self.buyer_totals(buyer).fold((0, 0), |(units, claims), totals_of_buyer| {
            (units + totals_of_buyer.units, claims + totals_of_buyer.claims.len())
        });
        if claims_made >= CLAIMS_PER_BUYER_MAX {
            return Err(DropRejection::TooManyOwnClaims);
        }
        let remaining = details.listing.terms.per_buyer_max.units().saturating_sub(has);
        if units > remaining {
            return Err(DropRejection::LimitReached { remaining });
        }
        let spare = u64::from(is_broken(Rule::OversellByOne));
        if units > item.available + spare {
            return Err(DropRejection::SoldOut { available: item.available, may_return: item.held > 0 });
        }
        let limit = details.listing.terms.network_limit.unwrap_or_default();
        let left =
            network.and_then(|network| self.left_for_network(limit, details.listing.terms.per_buyer_max, network));
        if let Some(remaining) = left.filter(|left| units > *left) {
            return Err(DropRejection::NetworkLimit { remaining });
        }
        let network = network.map(|network| network.hash);
        if self.claims.len() >= CLAIMS_PER_DROP_MAX as usize {
            return Err(DropRejection::TooManyClaims);
        }
        let until = context.now.plus_seconds(u64::from(details.listing.terms.hold_seconds));
        let made = Claim {
            id: claim,
            buyer: buyer.subject,
            fingerprint: context.fingerprint,
            item: index,
            checkouts: 0,
            lengthened: false,
            quantity,
            price: item.offer.price,
            first_until: until,
            email: None,
            undone: None,
            state: ClaimState::Held { until, lock: None },
            network,
        };
        let event = DropEvent::Claimed {
            claim,
            buyer: buyer.subject,
            item: index,
            quantity,
            price: item.offer.price,
            fingerprint: context.fingerprint,
            at: context.now,
            until,
            network,
            number: Some(self.claims.len() as u32),
        };
        Ok(Decision::accept(vec![event], DropReply::Claim(self.claim_view(details, &made))))
    }

    fn check_window(&self, details: &Details, now: Timestamp) -> Result<(), DropRejection> {
        if Self::is_over(details, now) {
            return Err(DropRejection::Ended);
        }
        let starts_at = Self::starts_at(details);
        match (details.listing.phase, starts_at) {
            (Phase::Published(_), Some(start)) if now >= start => Ok(()),
            (Phase::Published(_), _) => Err(DropRejection::NotOpen { starts_at }),
            // A draft does not disclose its start.
            _ => Err(DropRejection::NotOpen { starts_at: None }),
        }
    }

    fn release(&self, claim: ClaimId, buyer: &Buyer, now: Timestamp) -> Decided {
        let (_, known) =
            self.claim(claim).filter(|(_, known)| buyer.is(known.buyer)).ok_or(DropRejection::ClaimNotFound)?;
        match known.state {
            ClaimState::Sold { .. } => Err(DropRejection::AlreadySold),
            ClaimState::Released { .. } => Ok(Decision::duplicate(DropReply::Done)),
            ClaimState::Held { lock: Some(lock), .. } => {
                Err(DropRejection::CheckoutInProgress { checkout: lock.checkout })
            }
            ClaimState::Held { lock: None, .. } => {
                let quantity = Some(known.quantity);
                Ok(Decision::accept(vec![DropEvent::Released { claim, at: now, quantity }], DropReply::Done))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one command")]
    fn lock(
        &self,
        details: &Details,
        claim: ClaimId,
        buyer: &Buyer,
        lock: ClaimLock,
        email: EmailHash,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Decided {
        let (_, known) =
            self.claim(claim).filter(|(_, known)| buyer.is(known.buyer)).ok_or(DropRejection::ClaimNotFound)?;
        let view = || DropReply::Claim(self.claim_view(details, known));
        match known.state {
            ClaimState::Sold { .. } => Err(DropRejection::AlreadySold),
            ClaimState::Released { .. } => Err(DropRejection::AlreadyReleased),
            ClaimState::Held { lock: Some(held), .. } if held == lock => Ok(Decision::duplicate(view())),
            ClaimState::Held { lock: Some(held), .. } => {
                Err(DropRejection::CheckoutInProgress { checkout: held.checkout })
            }
            // The clock decides, because the event of the expiry may be late.
            ClaimState::Held { until, .. } if now >= until => Err(DropRejection::AlreadyReleased),
            ClaimState::Held { .. } => {
                let undone = known
                    .undone
                    .is_some_and(|undone| undone.checkout == lock.checkout && undone.attempt >= lock.attempt);
                if now > deadline || undone {
                    return Err(DropRejection::TooLate);
                }
                if known.checkouts >= CHECKOUTS_PER_CLAIM_MAX {
                    return Err(DropRejection::TooManyCheckouts);
                }
                // Use the larger of two counts: units taken with this e-mail address, and units taken under all
                // subjects of the buyer. The second one covers guests that claimed before signing in to one account.
                let own: u64 = self.buyer_totals(buyer).map(|totals_of_buyer| totals_of_buyer.taken).sum();
                let others = self.by_email.get(&email).copied().unwrap_or(0).max(own);
                let remaining = details.listing.terms.per_buyer_max.units().saturating_sub(others);
                if known.quantity.units() > remaining {
                    return Err(DropRejection::LimitReached { remaining });
                }
                Ok(Decision::accept(vec![DropEvent::ClaimLocked { claim, lock, email }], view()))
            }
        }
    }

    fn unlock(&self, claim: ClaimId, lock: ClaimLock, started_at: Timestamp) -> Decided {
        // A checkout unlocks every claim that it tried to lock. There is nothing to do if the lock was rejected or has
        // not arrived.
        let Some((_, known)) = self.claim(claim) else { return Ok(Decision::read(DropReply::Done)) };
        match known.state {
            ClaimState::Held { until, lock: Some(held) } if held == lock => {
                // Gives the buyer time to pay by other means. Only once, so that failures cannot keep the units.
                let lengthened = started_at.plus_seconds(CHECKOUT_SECONDS);
                let until = if known.lengthened { until } else { until.max(lengthened) };
                Ok(Decision::accept(vec![DropEvent::ClaimUnlocked { claim, lock, until }], DropReply::Done))
            }
            _ => Ok(Decision::read(DropReply::Done)),
        }
    }

    fn confirm(&self, claim: ClaimId, lock: ClaimLock, order: OrderId, now: Timestamp) -> Decided {
        let (_, known) = self.claim(claim).ok_or(DropRejection::ClaimNotFound)?;
        match known.state {
            ClaimState::Sold { order: sold_to } if sold_to == order => Ok(Decision::duplicate(DropReply::Done)),
            ClaimState::Sold { .. } => Err(DropRejection::AlreadySold),
            ClaimState::Released { .. } => Err(DropRejection::AlreadyReleased),
            ClaimState::Held { lock: Some(held), .. } if held == lock => {
                let sale = Some(known.sale());
                Ok(Decision::accept(vec![DropEvent::Sold { claim, order, at: now, sale }], DropReply::Done))
            }
            ClaimState::Held { .. } => {
                Err(DropRejection::NotAllowed { why: "the claim is not in this checkout".into() })
            }
        }
    }

    fn unsell(&self, claim: ClaimId, order: OrderId, now: Timestamp) -> Decided {
        let (_, known) = self.claim(claim).ok_or(DropRejection::ClaimNotFound)?;
        match known.state {
            ClaimState::Sold { order: sold_to } if sold_to == order => {
                let sale = Some(known.sale());
                Ok(Decision::accept(vec![DropEvent::Unsold { claim, at: now, sale }], DropReply::Done))
            }
            _ => Ok(Decision::duplicate(DropReply::Done)),
        }
    }

    fn list_claims(&self, details: &Details, buyer: Option<&Buyer>, before: Option<u32>, limit: usize) -> DropReply {
        let before = before.unwrap_or(u32::MAX).min(self.claims.len() as u32);
        let mut numbers: Vec<u32> = match buyer {
            None => (0..before).rev().take(limit + 1).collect(),
            Some(buyer) => {
                let mut own: Vec<u32> =
                    self.buyer_totals(buyer).flat_map(|totals_of_buyer| &totals_of_buyer.claims).copied().collect();
                own.sort_unstable_by(|a, b| b.cmp(a));
                own.into_iter().filter(|&number| number < before).take(limit + 1).collect()
            }
        };
        let more = numbers.len() > limit;
        numbers.truncate(limit);
        let next = if more { numbers.last().copied() } else { None };
        DropReply::Claims(numbers.iter().map(|&number| self.claim_view(details, &self.claims[number])).collect(), next)
    }
}
