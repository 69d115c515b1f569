//! Derived texts, recomputed when the rules that derive them have changed.

use engine::text::fold;
use sqlx::{Row, SqliteConnection, SqlitePool};

use super::{
    RowExt, blob,
    email::{former_norm, normalise_email},
    error::is_taken,
};

/// The version of the rules for the addresses of accounts. Raise it with every change of [`normalise_email`].
const EMAILS: (&str, i64) = ("accounts.email_norm", 1);
/// The version of the rules for the search texts of contacts. Raise it with every change of [`contact_search`].
const CONTACTS: (&str, i64) = ("contacts.search", 1);
/// The maximum number of rows in one transaction.
const ROWS_AT_ONCE: i64 = 1_000;

/// Returns the text by which a contact is found.
pub(super) fn contact_search(email: Option<&str>, name: Option<&str>) -> String {
    fold(&format!("{}\n{}", email.unwrap_or_default(), name.unwrap_or_default()))
}

/// Recomputes the texts that older rules have derived. If interrupted, it starts again the next time the program
/// starts.
pub(super) async fn bring_up_to_date(writer: &SqlitePool) -> sqlx::Result<()> {
    if is_older(writer, EMAILS).await? {
        accounts(writer).await?;
        note(writer, EMAILS).await?;
    }
    if is_older(writer, CONTACTS).await? {
        contacts(writer).await?;
        note(writer, CONTACTS).await?;
    }
    Ok(())
}

async fn is_older(writer: &SqlitePool, (name, version): (&str, i64)) -> sqlx::Result<bool> {
    let found: Option<i64> = sqlx::query_scalar("SELECT version FROM derived_texts WHERE name = ?1")
        .bind(name)
        .fetch_optional(writer)
        .await?;
    Ok(found != Some(version))
}

async fn note(writer: &SqlitePool, (name, version): (&str, i64)) -> sqlx::Result<()> {
    let sql = "INSERT INTO derived_texts (name, version) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET version = excluded.version";
    sqlx::query(sql).bind(name).bind(version).execute(writer).await?;
    Ok(())
}

/// Recomputes the addresses of accounts. If several accounts now share an address, the oldest takes it; the others keep
/// their former spelling.
async fn accounts(writer: &SqlitePool) -> sqlx::Result<()> {
    let sql = "SELECT tenant, subject, email, email_norm FROM accounts WHERE email IS NOT NULL
               ORDER BY created_at, subject";
    let mut shared = 0;
    let rows = sqlx::query(sql).fetch_all(writer).await?;
    let mut tx = writer.begin().await?;
    for row in rows {
        let (email, known) = (row.text("email")?, row.text("email_norm")?);
        let norm = normalise_email(&email);
        if norm == known {
            continue;
        }
        let changed = sqlx::query("UPDATE accounts SET email_norm = ?3 WHERE tenant = ?1 AND subject = ?2")
            .bind(row.text("tenant")?)
            .bind(blob(row.id("subject")?))
            .bind(norm)
            .execute(&mut *tx)
            .await;
        match changed {
            Err(error) if is_taken(&error) => shared += 1,
            changed => {
                changed?;
            }
        }
    }
    tx.commit().await?;
    if shared > 0 {
        tracing::warn!(accounts = shared, "accounts have an address that is another spelling of an older account's");
    }
    Ok(())
}

async fn contacts(writer: &SqlitePool) -> sqlx::Result<()> {
    let (mut tenant, mut contact) = (String::new(), Vec::new());
    loop {
        let sql = "SELECT tenant, contact, email, name FROM contacts WHERE (tenant, contact) > (?1, ?2)
                   ORDER BY tenant, contact LIMIT ?3";
        let query = sqlx::query(sql).bind(&tenant).bind(&contact).bind(ROWS_AT_ONCE);
        let rows = query.fetch_all(writer).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        (tenant, contact) = (last.text("tenant")?, last.try_get("contact")?);
        let mut tx = writer.begin().await?;
        for row in &rows {
            let (email, name) = (row.opt_text("email")?, row.opt_text("name")?);
            let is_erased = email.is_none() && name.is_none();
            let search = (!is_erased).then(|| contact_search(email.as_deref(), name.as_deref()));
            set_contact(&mut tx, row.text("tenant")?, row.id("contact")?, search).await?;
        }
        tx.commit().await?;
    }
}

async fn set_contact(
    connection: &mut SqliteConnection,
    tenant: String,
    contact: u128,
    search: Option<String>,
) -> sqlx::Result<()> {
    let sql = "UPDATE contacts SET search = ?3 WHERE tenant = ?1 AND contact = ?2";
    sqlx::query(sql).bind(tenant).bind(blob(contact)).bind(search).execute(connection).await?;
    Ok(())
}

/// Returns the spellings under which the account with this address may be stored.
pub(super) fn norms_of(email: &str) -> [String; 3] {
    let former = former_norm(email);
    [normalise_email(email), engine::text::nfd(&former), former]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use engine::time::Timestamp;

    use super::*;
    use crate::sql::{
        NewAccount, ReadSide, Role,
        contact::tests::contact_of,
        testing::{Shop, subject, tenant},
    };

    async fn reopened(shop: &Shop) -> ReadSide {
        shop.read_side.close().await;
        ReadSide::open(&shop.path()).await.unwrap()
    }

    async fn add(shop: &Shop, name: &str, email: &str, norm: &str, at: u64) {
        let new = NewAccount {
            subject: subject(name),
            email: email.to_owned(),
            password: None,
            role: Role::Customer,
            created_at: Timestamp(at),
        };
        // Stored as an older program did.
        let new = NewAccount { email: format!("{name}@placeholder.example"), ..new };
        shop.read_side.create_account(&tenant("acme"), &new).await.unwrap();
        sqlx::query("UPDATE accounts SET email = ?1, email_norm = ?2 WHERE subject = ?3")
            .bind(email)
            .bind(norm)
            .bind(blob(subject(name).0))
            .execute(&shop.read_side.writer)
            .await
            .unwrap();
    }

    async fn forget_versions(shop: &Shop) {
        sqlx::query("DELETE FROM derived_texts").execute(&shop.read_side.writer).await.unwrap();
    }

    #[tokio::test]
    async fn an_account_from_before_is_found_by_every_spelling_of_its_address() {
        let shop = Shop::open().await;
        add(&shop, "kim", "Kim@München.example", "kim@münchen.example", 1).await;
        add(&shop, "rene", "Rene\u{301}@example.com", "rene\u{301}@example.com", 2).await;
        // Two accounts whose addresses were different under the former rules.
        add(&shop, "older", "lu@müll.example", "lu@müll.example", 3).await;
        add(&shop, "newer", "lu@xn--mll-hoa.example", "lu@xn--mll-hoa.example", 4).await;
        forget_versions(&shop).await;
        let read_side = reopened(&shop).await;
        let find = async |email: &str| {
            let found = read_side.account_by_email(&tenant("acme"), email).await.unwrap();
            found.map(|account| account.subject)
        };
        for email in ["kim@münchen.example", "kim@xn--mnchen-3ya.example", "kim@mu\u{308}nchen.example"] {
            assert_eq!(find(email).await, Some(subject("kim")), "{email}");
        }
        for email in ["rené@example.com", "rene\u{301}@example.com"] {
            assert_eq!(find(email).await, Some(subject("rene")), "{email}");
        }
        assert_eq!(find("lu@müll.example").await, Some(subject("older")));
        assert_eq!(find("lu@xn--mll-hoa.example").await, Some(subject("newer")));
    }

    #[tokio::test]
    async fn a_contact_from_before_is_found_by_its_folded_name() {
        let shop = Shop::open().await;
        let mut contact = contact_of(subject("ada"), "1 Long Lane");
        contact.name = Some("ПЕТРОВ Łukasz".to_owned());
        shop.read_side.put_contact(&tenant("acme"), &contact).await.unwrap();
        sqlx::query("UPDATE contacts SET search = NULL").execute(&shop.read_side.writer).await.unwrap();
        forget_versions(&shop).await;
        let read_side = reopened(&shop).await;
        let search: String =
            sqlx::query_scalar("SELECT search FROM contacts").fetch_one(&read_side.readers).await.unwrap();
        assert!(search.contains("петров lukasz"), "{search}");
    }
}
