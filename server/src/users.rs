//! `fusion users add`.

use std::io::{BufRead, IsTerminal};

use gateway::auth::{
    Passwords,
    password::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN},
};

use crate::{
    cli::{AddUser, Users},
    config::{Config, NoTenant},
    local::{MadeUser, NewUser, Way, WayError},
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
    let Users::Add(AddUser { role, email, .. }) = users;
    let tenant = config.tenant_or_demo(is_development(&config.data_dir))?;
    let new = NewUser { tenant, role: *role, email: email.clone(), password: read_password()? };
    let way = Way::open(config).await?;
    let made: Result<MadeUser, WayError> = way.post("/local/users", &new).await;
    way.close().await;
    println!("{email} may sign in now; the subject is {}", made?.subject);
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

/// The hash of a password that is long enough, as accounts keep it.
pub(crate) async fn hash(rooms: &Rooms, password: String) -> Result<String, String> {
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&password.chars().count()) {
        return Err(format!("a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"));
    }
    let settings = &rooms.gateway.settings;
    let passwords = Passwords::new(settings.password_memory_kib, 1).map_err(|error| error.to_string())?;
    passwords.hash(password).await.map_err(|_| "the password cannot be hashed now".to_owned())
}
