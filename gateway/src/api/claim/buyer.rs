//! The buyer of a claim, as the vendor sees it.

use engine::{
    flash_drop::ClaimView,
    id::{SubjectId, TenantId},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::ClaimWire;
use crate::{Gateway, Problem};

/// The buyer of a claim, masked: enough to distinguish buyers, but not to contact them.
#[derive(Serialize, ToSchema)]
#[schema(as = ClaimBuyer)]
pub(crate) struct ClaimBuyerWire {
    /// Whether the buyer has an account.
    #[schema(value_type = String, pattern = "^(guest|customer)$")]
    kind: &'static str,
    /// The last four characters of the buyer's id.
    #[schema(min_length = 4, max_length = 4)]
    id_ending: String,
    /// The account's e-mail address, masked: `k…@example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
}

impl ClaimBuyerWire {
    fn of(buyer: SubjectId, email: Option<&String>) -> Self {
        let id = buyer.to_string();
        let id_ending = id.get(id.len().saturating_sub(4)..).unwrap_or_default().to_owned();
        let kind = if email.is_some() { "customer" } else { "guest" };
        Self { kind, id_ending, email: email.map(|email| mask(email)) }
    }
}

/// Masks an e-mail address: shows the first character of its mailbox, or none if there is only one.
fn mask(email: &str) -> String {
    let (mailbox, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    let mut characters = mailbox.chars();
    let first = characters.next().filter(|_| characters.next().is_some());
    format!("{}…@{domain}", first.map(String::from).unwrap_or_default())
}

/// Returns claims with their buyers, for vendors.
pub(super) async fn with_buyers(
    gateway: &Gateway,
    tenant: &TenantId,
    claims: Vec<ClaimView>,
) -> Result<Vec<ClaimWire>, Problem> {
    let buyers: Vec<_> = claims.iter().map(|claim| claim.buyer).collect();
    let emails = gateway.read_side.emails_of(tenant, &buyers).await?;
    let wire = |claim: ClaimView| {
        let buyer = ClaimBuyerWire::of(claim.buyer, emails.get(&claim.buyer));
        ClaimWire { buyer: Some(buyer), ..ClaimWire::from(claim) }
    };
    Ok(claims.into_iter().map(wire).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_masked_but_for_its_first_character() {
        assert_eq!(mask("kim@example.com"), "k…@example.com");
        assert_eq!(mask("łukasz@example.com"), "ł…@example.com");
        assert_eq!(mask("k@example.com"), "…@example.com");
        assert_eq!(mask("\"a@b\"@example.com"), "\"…@example.com");
    }
}
