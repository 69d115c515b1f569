//! Deletion of contacts that led to no order: a contact is stored before its checkout begins.

use engine::{
    id::{CheckoutId, ContactId, TenantId},
    time::Timestamp,
};

use super::{ReadSide, RowExt, StoreError, blob, number};

/// The maximum number of contacts returned by one [search](ReadSide::contacts_without_order).
pub const CONTACTS_WITHOUT_ORDER_MAX: u32 = 256;

/// A contact that may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithoutOrder {
    /// The tenant of the contact.
    pub tenant: TenantId,
    /// The id of the contact.
    pub contact: ContactId,
    /// The checkout that the contact was stored for, which knows whether an order followed.
    pub checkout: CheckoutId,
}

/// The decision on a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactFate {
    /// Keep the contact: an order refers to it.
    Keep,
    /// Not decided yet: check again at this time.
    AskAgain(Timestamp),
    /// Delete the contact: nothing refers to it, and nothing will.
    Forget,
}

impl ReadSide {
    /// Returns contacts whose time without an order has expired, the earliest first, at most
    /// [`CONTACTS_WITHOUT_ORDER_MAX`].
    pub async fn contacts_without_order(&self, now: Timestamp) -> Result<Vec<WithoutOrder>, StoreError> {
        let rows = sqlx::query(
            "SELECT tenant, contact, checkout FROM contacts INDEXED BY contacts_without_order
             WHERE forget_after < ?1 AND checkout IS NOT NULL ORDER BY forget_after LIMIT ?2",
        )
        .bind(number(now.0))
        .bind(CONTACTS_WITHOUT_ORDER_MAX)
        .fetch_all(&self.readers)
        .await?;
        let found = rows.iter().map(|row| {
            let (contact, checkout) = (ContactId(row.id("contact")?), CheckoutId(row.id("checkout")?));
            Ok(WithoutOrder { tenant: row.parsed("tenant")?, contact, checkout })
        });
        Ok(found.collect::<sqlx::Result<_>>()?)
    }

    /// Applies decisions on contacts that were found at `now`. A contact that a new attempt has stored since is left
    /// unchanged.
    pub async fn settle_contacts(
        &self,
        decided: &[(WithoutOrder, ContactFate)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for (WithoutOrder { tenant, contact, .. }, fate) in decided {
            let sql = match fate {
                ContactFate::Forget => {
                    "DELETE FROM contacts WHERE tenant = ?1 AND contact = ?2 AND forget_after < ?3 AND ?4 IS NULL"
                }
                _ => "UPDATE contacts SET forget_after = ?4 WHERE tenant = ?1 AND contact = ?2 AND forget_after < ?3",
            };
            let again = match fate {
                ContactFate::AskAgain(at) => Some(number(at.0)),
                ContactFate::Keep | ContactFate::Forget => None,
            };
            sqlx::query(sql)
                .bind(tenant.as_str())
                .bind(blob(contact.0))
                .bind(number(now.0))
                .bind(again)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::{
        Contact,
        contact::tests::contact_of,
        testing::{Shop, subject, tenant},
    };

    #[tokio::test]
    async fn contacts_are_found_when_their_time_is_over_and_go_or_stay() {
        let shop = Shop::open().await;
        let acme = tenant("acme");
        let of_checkout = |street: &str, n: u128, forget_after: u64| {
            let until = Some((CheckoutId(n), Timestamp(forget_after)));
            Contact { until_order: until, ..contact_of(subject("ada"), street) }
        };
        let contacts = [of_checkout("1 A", 1, 10), of_checkout("2 B", 2, 20), of_checkout("3 C", 3, 30)];
        for contact in &contacts {
            shop.read_side.put_contact(&acme, contact).await.unwrap();
        }
        shop.read_side.put_contact(&acme, &contact_of(subject("ada"), "4 D")).await.unwrap();
        let found = async |now| -> Vec<u128> {
            let found = shop.read_side.contacts_without_order(Timestamp(now)).await.unwrap();
            found.iter().map(|one| one.checkout.0).collect()
        };
        assert_eq!((found(10).await, found(11).await, found(100).await), (vec![], vec![1], vec![1, 2, 3]));

        let due = shop.read_side.contacts_without_order(Timestamp(100)).await.unwrap();
        // A new attempt of the second checkout has begun in the meantime.
        shop.read_side.put_contact(&acme, &of_checkout("2 B", 2, 500)).await.unwrap();
        let fates = [ContactFate::Keep, ContactFate::Forget, ContactFate::Forget];
        let decided: Vec<_> = due.into_iter().zip(fates).collect();
        shop.read_side.settle_contacts(&decided, Timestamp(100)).await.unwrap();
        let mut left = Vec::new();
        for contact in &contacts {
            left.push(shop.read_side.contact(&acme, contact.contact).await.unwrap().is_some());
        }
        assert_eq!((left, found(1_000).await), (vec![true, true, false], vec![2]));
        let again = shop.read_side.contacts_without_order(Timestamp(1_000)).await.unwrap();
        let again: Vec<_> = again.into_iter().map(|one| (one, ContactFate::AskAgain(Timestamp(2_000)))).collect();
        shop.read_side.settle_contacts(&again, Timestamp(1_000)).await.unwrap();
        assert_eq!((found(2_000).await, found(2_001).await), (vec![], vec![2]));
    }
}
