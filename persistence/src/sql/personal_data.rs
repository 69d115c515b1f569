//! Personal data of a subject: export and erasure.

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};

use super::{Account, Contact, ReadSide, StoreError, account::read_account, blob, contact::read_contact, number};

/// All personal data stored of a subject. Orders and claims refer to it only by ids.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonalData {
    /// The account, if there is one.
    pub account: Option<Account>,
    /// Every subject of this person: first the requested one, then its former guests.
    pub subjects: Vec<SubjectId>,
    /// The contacts of orders, oldest first.
    pub contacts: Vec<Contact>,
    /// The times at which the open sessions were started or last renewed.
    pub sessions: Vec<Timestamp>,
}

/// The subject ?2 and its former guests. Statements name their index: SQLite would otherwise scan all rows of the
/// tenant instead of looking up each of these.
const EVERYONE: &str = "(SELECT ?2 UNION ALL SELECT guest FROM aliases WHERE tenant = ?1 AND account = ?2)";

impl ReadSide {
    /// Returns all personal data stored of `subject`, a guest or an account, including its former guests.
    pub async fn personal_data(&self, tenant: &TenantId, subject: SubjectId) -> Result<PersonalData, StoreError> {
        // One transaction, so that all data is from the same instant.
        let mut tx = self.readers.begin().await?;
        let account = sqlx::query("SELECT * FROM accounts WHERE tenant = ?1 AND subject = ?2")
            .bind(tenant.as_str())
            .bind(blob(subject.0))
            .fetch_optional(&mut *tx)
            .await?;
        let contacts = format!(
            "SELECT * FROM contacts INDEXED BY contacts_by_subject
             WHERE tenant = ?1 AND subject IN {EVERYONE} ORDER BY created_at"
        );
        let contacts = sqlx::query(sqlx::AssertSqlSafe(contacts))
            .bind(tenant.as_str())
            .bind(blob(subject.0))
            .fetch_all(&mut *tx)
            .await?;
        let sessions = format!(
            "SELECT created_at FROM refresh_tokens INDEXED BY refresh_tokens_by_subject
             WHERE tenant = ?1 AND subject IN {EVERYONE} AND rotated_at IS NULL ORDER BY created_at"
        );
        let sessions: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sessions))
            .bind(tenant.as_str())
            .bind(blob(subject.0))
            .fetch_all(&mut *tx)
            .await?;
        let guests: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT guest FROM aliases WHERE tenant = ?1 AND account = ?2 ORDER BY created_at, guest",
        )
        .bind(tenant.as_str())
        .bind(blob(subject.0))
        .fetch_all(&mut *tx)
        .await?;
        let guests = guests.into_iter().filter_map(|guest| <[u8; 16]>::try_from(guest).ok());
        Ok(PersonalData {
            account: account.as_ref().map(read_account).transpose()?,
            subjects: std::iter::once(subject)
                .chain(guests.map(|guest| SubjectId(u128::from_be_bytes(guest))))
                .collect(),
            contacts: contacts.iter().map(read_contact).collect::<sqlx::Result<_>>()?,
            sessions: sessions.into_iter().map(|at| Timestamp(at.max(0) as u64)).collect(),
        })
    }

    /// Erases all personal data of `subject` and its former guests: addresses, names, password, sessions and reset
    /// links, in one transaction. Ids remain, so that orders keep their numbers and purchase limits still apply.
    /// Idempotent.
    ///
    /// An erased account gets no new [contacts](ReadSide::put_contact), not even through access tokens that have not
    /// expired. A guest without an account may add new ones.
    pub async fn erase_personal_data(
        &self,
        tenant: &TenantId,
        subject: SubjectId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for sql in [
            "UPDATE accounts SET email = NULL, email_norm = NULL, password = NULL, erased_at = ?3
             WHERE tenant = ?1 AND erased_at IS NULL AND subject IN",
            "UPDATE contacts INDEXED BY contacts_by_subject SET
                 email = NULL, name = NULL, address = NULL, search = NULL, erased_at = ?3
             WHERE tenant = ?1 AND erased_at IS NULL AND subject IN",
            "DELETE FROM refresh_tokens INDEXED BY refresh_tokens_by_subject
             WHERE tenant = ?1 AND ?3 IS NOT NULL AND subject IN",
            "DELETE FROM email_verifications INDEXED BY email_verifications_by_subject
             WHERE tenant = ?1 AND ?3 IS NOT NULL AND subject IN",
            "DELETE FROM password_resets INDEXED BY password_resets_by_subject
             WHERE tenant = ?1 AND ?3 IS NOT NULL AND subject IN",
        ] {
            sqlx::query(sqlx::AssertSqlSafe(format!("{sql} {EVERYONE}")))
                .bind(tenant.as_str())
                .bind(blob(subject.0))
                .bind(number(at.0))
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
        AccountError, ContactError, NewAccount, NewRefreshToken, ResetError, Role, TokenHash,
        contact::tests::contact_of,
        testing::{Shop, subject, tenant},
    };

    const NOW: Timestamp = Timestamp(1_000);
    const END: Timestamp = Timestamp(5_000);

    /// Returns a shop with `ada` of `acme`, who was a guest first and has contacts from both times, and with another
    /// person in each tenant.
    async fn lived_in() -> (Shop, SubjectId) {
        let shop = Shop::open().await;
        let (acme, guest, ada) = (tenant("acme"), subject("guest"), shop.customer("ada").await);
        let read_side = &shop.read_side;
        read_side.add_alias(&acme, guest, ada, NOW).await.unwrap();
        for (owner, street) in [(guest, "1 Long Lane"), (ada, "2 Short Street"), (subject("other"), "3 Other Road")] {
            read_side.put_contact(&acme, &contact_of(owner, street)).await.unwrap();
        }
        read_side.put_contact(&tenant("bolt"), &contact_of(ada, "4 Far Away")).await.unwrap();
        let session = NewRefreshToken {
            token: TokenHash([1; 32]),
            family: 7,
            subject: ada,
            created_at: NOW,
            expires_at: END,
            signed_in_at: None,
        };
        read_side.start_session(&acme, &session).await.unwrap();
        read_side.create_password_reset(&acme, ada, TokenHash([2; 32]), NOW, END).await.unwrap();
        (shop, ada)
    }

    #[tokio::test]
    async fn all_that_is_known_of_someone_is_handed_out() {
        let (shop, ada) = lived_in().await;
        let data = shop.read_side.personal_data(&tenant("acme"), ada).await.unwrap();
        assert_eq!(data.account.and_then(|account| account.email).as_deref(), Some("ada@example.com"));
        assert_eq!(data.subjects, [ada, subject("guest")]);
        assert_eq!(data.contacts.len(), 2);
        assert_eq!(data.sessions, [NOW]);

        let elsewhere = shop.read_side.personal_data(&tenant("bolt"), ada).await.unwrap();
        assert_eq!((elsewhere.account, elsewhere.subjects, elsewhere.contacts.len()), (None, vec![ada], 1));
    }

    #[tokio::test]
    async fn erasing_leaves_ids_and_nothing_personal() {
        let (shop, ada) = lived_in().await;
        let (acme, read_side) = (tenant("acme"), &shop.read_side);
        for _ in 0..2 {
            read_side.erase_personal_data(&acme, ada, END).await.unwrap();
        }
        let data = read_side.personal_data(&acme, ada).await.unwrap();
        let account = data.account.unwrap();
        assert_eq!((account.email, account.password, account.erased_at), (None, None, Some(END)));
        assert_eq!(data.contacts.len(), 2);
        assert!(data.contacts.iter().all(|contact| contact.email.is_none()
            && contact.name.is_none()
            && contact.address.is_none()
            && contact.erased_at == Some(END)));
        assert_eq!(data.sessions, []);
        assert_eq!(read_side.account_by_email(&acme, "ada@example.com").await.unwrap(), None);
        let link = read_side.use_password_reset(&acme, TokenHash([2; 32]), "x", NOW).await;
        assert!(matches!(link, Err(ResetError::NotGood)));
        assert!(matches!(read_side.set_password(&acme, ada, None, "x").await, Err(AccountError::NotFound)));
        for owner in [ada, subject("guest")] {
            let back = read_side.put_contact(&acme, &contact_of(owner, "5 New Lane")).await;
            assert!(matches!(back, Err(ContactError::Erased)));
        }
        read_side.erase_personal_data(&acme, subject("visitor"), END).await.unwrap();
        read_side.put_contact(&acme, &contact_of(subject("visitor"), "6 Any Road")).await.unwrap();

        let other = contact_of(subject("other"), "3 Other Road");
        assert_eq!(read_side.contact(&acme, other.contact).await.unwrap(), Some(other));
        let far = contact_of(ada, "4 Far Away");
        assert_eq!(read_side.contact(&tenant("bolt"), far.contact).await.unwrap(), Some(far));
    }

    #[tokio::test]
    async fn an_erased_address_can_have_a_new_account() {
        let (shop, ada) = lived_in().await;
        let acme = tenant("acme");
        shop.read_side.erase_personal_data(&acme, ada, END).await.unwrap();
        let mut new = NewAccount {
            subject: ada,
            email: "ada@example.com".to_owned(),
            password: None,
            role: Role::Customer,
            created_at: END,
        };
        let same = shop.read_side.create_account(&acme, &new).await;
        assert!(matches!(same, Err(AccountError::SubjectTaken)));
        new.subject = subject("ada again");
        shop.read_side.create_account(&acme, &new).await.unwrap();
    }

    #[tokio::test]
    async fn an_erased_address_is_not_in_the_file_any_more() {
        let (shop, ada) = lived_in().await;
        let acme = tenant("acme");
        let mut private = contact_of(ada, "17 Very Private Crescent");
        private.email = Some("very.private@example.com".to_owned());
        shop.read_side.put_contact(&acme, &private).await.unwrap();
        shop.read_side.erase_personal_data(&acme, ada, END).await.unwrap();
        shop.read_side.close().await;
        let file = std::fs::read(shop.path()).unwrap();
        let found = |needle: &str| file.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(found("3 Other Road"), "the search works");
        assert!(!found("Very Private Crescent") && !found("very.private@"));
    }
}
