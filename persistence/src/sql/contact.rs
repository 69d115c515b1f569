//! Contact details of buyers. The journal refers to a contact only by its id.

use std::fmt;

use engine::{
    id::{CheckoutId, ContactId, SubjectId, TenantId},
    time::Timestamp,
};
use serde_json::{Map, Value};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{
    ReadSide, RowExt, StoreError, blob,
    derived::contact_search,
    error::{is_orphan, store_errors},
    number,
};

/// The contact details of a buyer.
#[derive(Clone, PartialEq)]
pub struct Contact {
    /// The id of the contact, which events carry.
    pub contact: ContactId,
    /// The subject at the time of writing: possibly a guest that now belongs to an account.
    pub subject: SubjectId,
    /// The e-mail address. `None` once erased.
    pub email: Option<String>,
    /// The name for the shipment.
    pub name: Option<String>,
    /// The shipping address in the gateway's format; a JSON object.
    pub address: Option<Map<String, Value>>,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time at which the owner had the contact erased.
    pub erased_at: Option<Timestamp>,
    /// The checkout that the contact belongs to, and the time after which it may be deleted if that checkout leads to
    /// no order. Only written, never read back.
    pub until_order: Option<(CheckoutId, Timestamp)>,
}

impl fmt::Debug for Contact {
    /// Omits personal fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact")
            .field("contact", &self.contact)
            .field("subject", &self.subject)
            .field("created_at", &self.created_at)
            .field("erased_at", &self.erased_at)
            .finish_non_exhaustive()
    }
}

/// A reason why a contact cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// The id belongs to a contact with other contents, or to one that was erased.
    #[error("the contact id belongs to another contact")]
    IdTaken,
    /// The account of the subject was erased: nothing more is stored for it.
    #[error("the account was erased")]
    Erased,
    /// The tenant does not exist.
    #[error("no such tenant")]
    NoTenant,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
store_errors!(ContactError);

impl ReadSide {
    /// Returns the contact with this id. An erased contact contains only its ids.
    pub async fn contact(&self, tenant: &TenantId, contact: ContactId) -> Result<Option<Contact>, StoreError> {
        let row = sqlx::query("SELECT * FROM contacts WHERE tenant = ?1 AND contact = ?2")
            .bind(tenant.as_str())
            .bind(blob(contact.0))
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().map(read_contact).transpose()?)
    }

    /// Returns several contacts, for a page of orders. Missing ones are omitted.
    pub async fn contacts(&self, tenant: &TenantId, contacts: &[ContactId]) -> Result<Vec<Contact>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM contacts WHERE tenant = ");
        query.push_bind(tenant.as_str()).push(" AND contact IN (");
        let mut list = query.separated(", ");
        for contact in contacts {
            list.push_bind(blob(contact.0));
        }
        query.push(")");
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(rows.iter().map(read_contact).collect::<sqlx::Result<_>>()?)
    }
}

/// Stores a contact within a transaction. A refused contact leaves the transaction unchanged.
pub(super) async fn write_contact(
    tx: &mut SqliteConnection,
    tenant: &TenantId,
    new: &Contact,
) -> Result<(), ContactError> {
    let is_erased: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM accounts WHERE tenant = ?1 AND erased_at IS NOT NULL AND subject IN
             (SELECT ?2 UNION ALL SELECT account FROM aliases WHERE tenant = ?1 AND guest = ?2))",
    )
    .bind(tenant.as_str())
    .bind(blob(new.subject.0))
    .fetch_one(&mut *tx)
    .await?;
    if is_erased {
        return Err(ContactError::Erased);
    }
    sqlx::query(
        "INSERT INTO contacts (tenant, contact, subject, email, name, address, created_at, search, checkout,
             forget_after)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (tenant, contact) DO UPDATE SET forget_after = max(forget_after, coalesce(excluded.forget_after, 0))
         WHERE forget_after IS NOT NULL",
    )
    .bind(tenant.as_str())
    .bind(blob(new.contact.0))
    .bind(blob(new.subject.0))
    .bind(&new.email)
    .bind(&new.name)
    .bind(new.address.clone().map(|address| Value::Object(address).to_string()))
    .bind(number(new.created_at.0))
    .bind(contact_search(new.email.as_deref(), new.name.as_deref()))
    .bind(new.until_order.map(|(checkout, _)| blob(checkout.0)))
    .bind(new.until_order.map(|(_, forget_after)| number(forget_after.0)))
    .execute(&mut *tx)
    .await
    .map_err(|error| if is_orphan(&error) { ContactError::NoTenant } else { error.into() })?;
    let row = sqlx::query("SELECT * FROM contacts WHERE tenant = ?1 AND contact = ?2")
        .bind(tenant.as_str())
        .bind(blob(new.contact.0))
        .fetch_one(&mut *tx)
        .await?;
    let kept = read_contact(&row)?;
    let same = Contact { created_at: kept.created_at, erased_at: None, until_order: None, ..new.clone() };
    if kept != same {
        return Err(ContactError::IdTaken);
    }
    Ok(())
}

pub(super) fn read_contact(row: &SqliteRow) -> sqlx::Result<Contact> {
    let address: Option<&str> = row.try_get("address")?;
    Ok(Contact {
        contact: ContactId(row.id("contact")?),
        subject: SubjectId(row.id("subject")?),
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        address: if address.is_some() { Some(row.json("address")?) } else { None },
        created_at: row.time("created_at")?,
        erased_at: row.opt_time("erased_at")?,
        until_order: None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::sql::testing::{Shop, subject, tenant};

    pub(crate) fn contact_of(owner: SubjectId, street: &str) -> Contact {
        Contact {
            contact: ContactId::derive(&[&owner.to_bytes(), street.as_bytes()]),
            subject: owner,
            email: Some("ada@example.com".to_owned()),
            name: Some("Ada L.".to_owned()),
            address: Some(Map::from_iter([("line1".to_owned(), Value::from(street))])),
            created_at: Timestamp(9),
            erased_at: None,
            until_order: None,
        }
    }

    #[tokio::test]
    async fn a_contact_is_written_once_and_never_changed() {
        let shop = Shop::open().await;
        let acme = tenant("acme");
        let contact = contact_of(subject("guest"), "1 Long Lane");
        shop.read_side.put_contact(&acme, &contact).await.unwrap();
        let later = Contact { created_at: Timestamp(99), ..contact.clone() };
        shop.read_side.put_contact(&acme, &later).await.unwrap();
        let other = Contact { name: Some("Eve".to_owned()), ..contact.clone() };
        assert!(matches!(shop.read_side.put_contact(&acme, &other).await, Err(ContactError::IdTaken)));
        assert_eq!(shop.read_side.contact(&acme, contact.contact).await.unwrap(), Some(contact));
    }

    #[tokio::test]
    async fn concurrent_changes_are_written_together_and_answered_separately() {
        let shop = Shop::open().await;
        let (acme, nowhere) = (tenant("acme"), tenant("nowhere"));
        let contacts: Vec<_> = (0..300).map(|n| contact_of(subject(&format!("guest {n}")), "1 Long Lane")).collect();
        let put = contacts.iter().enumerate().map(|(n, contact)| {
            let tenant = if n % 50 == 7 { &nowhere } else { &acme };
            shop.read_side.put_contact(tenant, contact)
        });
        for (n, result) in join_all(put).await.into_iter().enumerate() {
            assert_eq!(matches!(result, Err(ContactError::NoTenant)), n % 50 == 7, "{n}: {result:?}");
            let kept = shop.read_side.contact(&acme, contacts[n].contact).await.unwrap();
            assert_eq!(kept.is_some(), n % 50 != 7, "{n}");
        }
    }

    #[tokio::test]
    async fn tenants_never_see_each_others_contacts() {
        let shop = Shop::open().await;
        let (acme, bolt) = (tenant("acme"), tenant("bolt"));
        let contact = contact_of(subject("guest"), "1 Long Lane");
        shop.read_side.put_contact(&acme, &contact).await.unwrap();
        assert_eq!(shop.read_side.contact(&bolt, contact.contact).await.unwrap(), None);
        assert_eq!(shop.read_side.contacts(&bolt, &[contact.contact]).await.unwrap(), []);
        let found = shop.read_side.contacts(&acme, &[contact.contact, ContactId(1)]).await.unwrap();
        assert_eq!(found, std::slice::from_ref(&contact));
        assert_eq!(shop.read_side.contacts(&acme, &[]).await.unwrap(), []);
        let nowhere = shop.read_side.put_contact(&tenant("nowhere"), &contact).await;
        assert!(matches!(nowhere, Err(ContactError::NoTenant)));
    }

    #[test]
    fn logs_contain_nothing_personal() {
        let shown = format!("{:?}", contact_of(subject("guest"), "1 Long Lane"));
        assert!(!shown.contains("Ada") && !shown.contains("Lane") && !shown.contains('@'), "{shown}");
    }
}
