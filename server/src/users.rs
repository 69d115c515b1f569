//! `fusion users add|list|remove`.

use std::io::{BufRead, IsTerminal};

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use engine::id::TenantId;
use gateway::auth::{
    Passwords,
    email::Email,
    password::check_new,
    strength::{check_strength, words_of},
};

use crate::{
    admin_socket::{KnownUsers, MadeUser, NewUser, ShopAccess, ShopAccessError, encoded},
    app::{Backends, is_development},
    cli::{AddUser, ListUsers, RemoveUser, Users},
    config::{Config, NoTenant},
    program,
};

/// The environment variable that takes precedence over standard input.
const PASSWORD_VARIABLE: &str = "FUSION_PASSWORD";

/// An account that cannot be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// No tenant was given.
    #[error(transparent)]
    NoTenant(#[from] NoTenant),
    /// No password was given.
    #[error("no password: set {PASSWORD_VARIABLE}, or write the password to standard input")]
    NoPassword,
    /// The shop was not reached, or refused the request.
    #[error(transparent)]
    ShopAccess(#[from] ShopAccessError),
}

/// `fusion users …`.
pub(crate) async fn run(users: &Users, config: &Config) -> Result<(), UserError> {
    let tenant = config.tenant_or_demo(is_development(&config.data_dir))?;
    match users {
        Users::Add(AddUser { role, email, .. }) => {
            let new = NewUser { tenant, role: *role, email: email.clone(), password: read_password()? };
            let access = ShopAccess::open(config).await?;
            let made: Result<MadeUser, ShopAccessError> = access.post("/local/users", &new).await;
            access.close().await;
            println!("account {email} created; its subject is {}", made?.subject);
        }
        Users::List(ListUsers { only_role, .. }) => {
            let access = ShopAccess::open(config).await?;
            let listed = list(&access, &tenant, only_role.map(persistence::sql::Role::from)).await;
            access.close().await;
            listed?;
        }
        Users::Remove(RemoveUser { email, .. }) => {
            let access = ShopAccess::open(config).await?;
            let removed = access.remove(&format!("/local/users?tenant={tenant}&email={}", encoded(email))).await;
            access.close().await;
            removed?;
            println!("account {email} removed with its personal data; its orders are kept");
        }
    }
    Ok(())
}

/// Prints the accounts page by page: a shop may have many customers.
async fn list(
    access: &ShopAccess,
    tenant: &TenantId,
    role: Option<persistence::sql::Role>,
) -> Result<(), ShopAccessError> {
    let role = role.map(|role| format!("&role={}", role.as_str())).unwrap_or_default();
    let mut cursor = String::new();
    let mut count = 0;
    loop {
        let page: KnownUsers = access.get(None, &format!("/local/users?tenant={tenant}{role}{cursor}")).await?;
        count += page.items.len();
        let mut table = Table::new();
        table.load_preset(UTF8_BORDERS_ONLY).set_header(["E-mail", "Role", "Subject", "Made"]);
        for user in &page.items {
            let cells = [user.email.clone(), user.role.clone(), user.subject.to_string(), user.created_at.to_string()];
            table.add_row(cells);
        }
        if !page.items.is_empty() {
            println!("{table}");
        }
        match page.next {
            Some(next) => cursor = format!("&cursor={}", encoded(&next)),
            None => break,
        }
    }
    if count == 0 {
        println!("No accounts. Create one with: {} users add --role vendor --email …", program::name());
    }
    Ok(())
}

fn read_password() -> Result<String, UserError> {
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    let input = std::io::stdin();
    if input.is_terminal() {
        eprint!("Password (visible): ");
    }
    let mut line = String::new();
    input.lock().read_line(&mut line).map_err(|_| UserError::NoPassword)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() { Err(UserError::NoPassword) } else { Ok(password.to_owned()) }
}

/// Refuses a password that is too short, or easy to guess for someone who knows the e-mail address.
pub(crate) fn check(password: &str, email: &Email) -> Result<(), String> {
    check_new(password).map_err(|why| format!("the password {why}"))?;
    check_strength(password, &words_of(email)).map_err(|why| format!("the password {why}"))
}

/// Returns the hash of a password in the stored format.
pub(crate) async fn hash(backends: &Backends, password: String) -> Result<String, String> {
    let settings = &backends.gateway.settings;
    let passwords = Passwords::new(settings.password_memory_kib, 1).map_err(|error| error.to_string())?;
    passwords.hash(password).await.map_err(|_| "the password cannot be hashed at present".to_owned())
}
