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
    cli::{AddUser, ListUsers, RemoveUser, Users},
    config::{Config, NoTenant},
    local::{KnownUsers, MadeUser, NewUser, Way, WayError, encoded},
    program,
    wiring::{Rooms, is_development},
};

/// Where a password is read from before standard input.
const PASSWORD_VARIABLE: &str = "FUSION_PASSWORD";

/// An account that is not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// Nobody said whose shop it is for.
    #[error(transparent)]
    NoTenant(#[from] NoTenant),
    /// There is no password.
    #[error("no password: set {PASSWORD_VARIABLE}, or write it to standard input")]
    NoPassword,
    /// The shop was not reached, or refused.
    #[error(transparent)]
    Way(#[from] WayError),
}

/// `fusion users …`.
pub(crate) async fn run(users: &Users, config: &Config) -> Result<(), UserError> {
    let tenant = config.tenant_or_demo(is_development(&config.data_dir))?;
    match users {
        Users::Add(AddUser { role, email, .. }) => {
            let new = NewUser { tenant, role: *role, email: email.clone(), password: read_password()? };
            let way = Way::open(config).await?;
            let made: Result<MadeUser, WayError> = way.post("/local/users", &new).await;
            way.close().await;
            println!("{email} may sign in now; the subject is {}", made?.subject);
        }
        Users::List(ListUsers { only_role, .. }) => {
            let way = Way::open(config).await?;
            let listed = list(&way, &tenant, only_role.map(persistence::sql::Role::from)).await;
            way.close().await;
            listed?;
        }
        Users::Remove(RemoveUser { email, .. }) => {
            let way = Way::open(config).await?;
            let removed = way.remove(&format!("/local/users?tenant={tenant}&email={}", encoded(email))).await;
            way.close().await;
            removed?;
            println!("{email} is removed: the password and what was known of the person are gone, orders stay");
        }
    }
    Ok(())
}

/// Prints the accounts page by page: a shop may have many customers.
async fn list(way: &Way, tenant: &TenantId, role: Option<persistence::sql::Role>) -> Result<(), WayError> {
    let role = role.map(|role| format!("&role={}", role.as_str())).unwrap_or_default();
    let mut cursor = String::new();
    let mut count = 0;
    loop {
        let page: KnownUsers = way.get(None, &format!("/local/users?tenant={tenant}{role}{cursor}")).await?;
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
        println!("No accounts; make one with: {} users add --role vendor --email …", program::name());
    }
    Ok(())
}

fn read_password() -> Result<String, UserError> {
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    let input = std::io::stdin();
    if input.is_terminal() {
        eprint!("Password (it is shown): ");
    }
    let mut line = String::new();
    input.lock().read_line(&mut line).map_err(|_| UserError::NoPassword)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() { Err(UserError::NoPassword) } else { Ok(password.to_owned()) }
}

/// Refuses a password that is too short, or that would be guessed early by someone who knows the address.
pub(crate) fn check(password: &str, email: &Email) -> Result<(), String> {
    check_new(password).map_err(|why| format!("the password {why}"))?;
    check_strength(password, &words_of(email)).map_err(|why| format!("the password {why}"))
}

/// The hash of a password, as accounts keep it.
pub(crate) async fn hash(rooms: &Rooms, password: String) -> Result<String, String> {
    let settings = &rooms.gateway.settings;
    let passwords = Passwords::new(settings.password_memory_kib, 1).map_err(|error| error.to_string())?;
    passwords.hash(password).await.map_err(|_| "the password cannot be hashed now".to_owned())
}
