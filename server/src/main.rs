//! `fusion`: live commerce in a single program.
//!
//! ```text
//!   cli ─► config ─► serve ─► wiring ─► gateway, node, journal, snapshots, read side
//!              │        └─► demo (--dev), local (the admin socket in the data folder)
//!              └─► import, export, token, users, tenants, migrate, rebuild, doctor, crowd
//! ```

mod admin_socket;
mod app;
mod cli;
mod config;
mod crowd;
mod demo;
mod descriptors;
mod doctor;
mod export;
mod fingerprints;
mod import;
mod log;
mod mails;
mod migrate;
mod options;
mod pages;
mod private;
mod program;
mod projection;
mod read_side;
mod rebuild;
mod replay;
mod robots;
mod sandbox_page;
mod serve;
mod tenants;
mod token;
mod users;

use std::{error::Error, process::ExitCode};

use crate::{
    cli::{Command, Demo, Export, Import, Tenants, Users},
    config::{Config, ConfigSources},
    options::Misuse,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code for a wrong configuration: the one that `clap` uses for wrong arguments.
const EXIT_MISUSE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = match options::parse(&arguments) {
        Ok(cli) => cli,
        Err(Misuse::Arguments(error)) => error.exit(),
        Err(Misuse::File(error)) => {
            eprintln!("fusion: {error}");
            return ExitCode::from(EXIT_MISUSE);
        }
    };
    let config = match Config::of(cli.command.settings()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("fusion: {error}");
            return ExitCode::from(EXIT_MISUSE);
        }
    };
    private::restrict_new_files();
    log::start(&config.log);
    match run(&cli.command, config) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("fusion: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command, mut config: Config) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(config.workers).enable_all().build()?;
    if !matches!(command, Command::Serve(_)) {
        // Commands take a folder as they find it. Only a server is started either for development or for production.
        config.dev = app::is_development(&config.data_dir);
        config.api.dev = config.dev;
        // Pending payments are queried exactly as the server would do it.
        config.sandbox |= config.dev || app::has_sandbox(&config.data_dir);
    }
    if command.needs_a_shop() {
        program::check_shop(&config.data_dir)?;
    }
    let code = runtime.block_on(async {
        match command {
            Command::Serve(_) => serve::run(&config).await?,
            Command::Import(Import::Products(import)) => return Ok(import::run(import, &config).await?),
            Command::Export(what) => export::run(what, &config).await?,
            Command::Users(users) => users::run(users, &config).await?,
            Command::Tenants(tenants) => tenants::run(tenants, &config).await?,
            Command::Migrate(_) => migrate::run(&config).await?,
            Command::Rebuild(_) => rebuild::run(&config).await?,
            Command::Doctor(doctor) => return Ok(doctor::run(doctor, &config).await?),
            Command::Demo(Demo::Crowd(crowd)) => crowd::run(crowd, &config).await?,
            Command::Token(token) => token::run(token, &config).await?,
        }
        Ok::<_, Box<dyn Error>>(ExitCode::SUCCESS)
    })?;
    // A blocking read that is still running must not keep the process alive.
    runtime.shutdown_background();
    Ok(code)
}

impl Command {
    /// Whether the command needs an existing shop. The other commands create one, check for themselves, or need none.
    fn needs_a_shop(&self) -> bool {
        match self {
            Command::Serve(_) | Command::Token(_) | Command::Doctor(_) | Command::Demo(_) => false,
            Command::Tenants(Tenants::Add(_)) => false,
            Command::Import(_) | Command::Export(_) | Command::Users(_) | Command::Tenants(_) => true,
            Command::Migrate(_) | Command::Rebuild(_) => true,
        }
    }

    /// Returns the settings that were given with the command.
    fn settings(&self) -> &ConfigSources {
        match self {
            Command::Serve(settings) => &settings.0,
            Command::Import(Import::Products(import)) => &import.settings.0,
            Command::Export(Export::Products(products)) => &products.to.settings.0,
            Command::Export(Export::Orders(to)) => &to.settings.0,
            Command::Token(token) => &token.settings.0,
            Command::Users(Users::Add(user)) => &user.settings.0,
            Command::Users(Users::List(list)) => &list.settings.0,
            Command::Users(Users::Remove(user)) => &user.settings.0,
            Command::Tenants(Tenants::Add(tenant)) => &tenant.settings.0,
            Command::Tenants(Tenants::List(settings)) => &settings.0,
            Command::Tenants(Tenants::Remove(tenant)) => &tenant.settings.0,
            Command::Migrate(settings) | Command::Rebuild(settings) => &settings.0,
            Command::Doctor(doctor) => &doctor.settings.0,
            Command::Demo(Demo::Crowd(crowd)) => &crowd.settings.0,
        }
    }
}
