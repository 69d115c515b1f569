//! The command line: commands and their options.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use engine::{
    id::{SubjectId, TenantId},
    money::Currency,
};

use crate::config::{FolderSettings, ServeSettings, duration, flag, parse_tenant};

/// Live commerce on one machine: drops, carts, checkouts, orders, durable to the last answer.
///
/// Every option is also FUSION_… in the environment and a key in the file that --config names; a flag goes before the
/// environment, and that before the file.
#[derive(Debug, Parser)]
#[command(name = "fusion", version, about, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the doors: REST on --listen, everything kept in --data-dir
    #[command(after_help = "Examples:\n  fusion serve --dev                     a demo shop to try things out\n  \
        fusion serve --listen 0.0.0.0:8080     behind a proxy that speaks TLS\n\n\
        Secrets have no flag: FUSION_SMTP_URL, FUSION_METRICS_TOKEN.")]
    Serve(ServeSettings),
    /// Bring something in
    #[command(subcommand)]
    Import(Import),
    /// Give something out, on standard output
    #[command(subcommand)]
    Export(Export),
    /// Make a token for the API
    Token(Token),
    /// Who may sign in
    #[command(subcommand)]
    Users(Users),
    /// Whose shops these are
    #[command(subcommand)]
    Tenants(Tenants),
    /// Bring the tables of the read side to this program's layout
    Migrate(FolderSettings),
    /// Make the read side anew from the journal. Accounts, addresses and tenants stay as they are
    Rebuild(FolderSettings),
    /// Look whether journal, snapshots and read side agree; changes nothing, and ends with 1 when they do not
    Doctor(Doctor),
    /// Things to show
    #[command(subcommand)]
    Demo(Demo),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// A catalogue in Shopify's product CSV
    Products(ImportProducts),
}

#[derive(Debug, Args)]
pub(crate) struct ImportProducts {
    /// The file
    pub(crate) file: PathBuf,
    /// The currency of its prices; the shop's own unless said
    #[arg(long, env = "FUSION_CURRENCY", value_parser = Currency::new)]
    pub(crate) currency: Option<Currency>,
    /// Only say what would be done
    #[arg(long, env = "FUSION_DRY_RUN", value_name = "true|false", value_parser = flag, action = clap::ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    pub(crate) dry_run: bool,
    /// What becomes of the stock of variants that are known already
    #[arg(long, env = "FUSION_STOCK", value_enum, default_value_t = Stock::First)]
    pub(crate) stock: Stock,
    /// What becomes of a variant whose SKU another one has, in the file or in the shop
    #[arg(long, env = "FUSION_DUPLICATE_SKU", value_enum, default_value_t = OfDuplicateSku::Refuse)]
    pub(crate) duplicate_sku: OfDuplicateSku,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

/// What an import does with stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stock {
    /// Set when a variant is first seen, and left alone later
    First,
    /// Set to what the file says
    Set,
}

/// What an import does with a SKU that comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OfDuplicateSku {
    /// Refuse the row
    Refuse,
    /// Make a SKU of its handle and options, with a warning
    Derive,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// The catalogue, as a CSV that imports to the same one
    Products(ExportProducts),
    /// Every order
    Orders(ExportTo),
}

#[derive(Debug, Args)]
pub(crate) struct ExportProducts {
    /// Only products with prices in this currency; for programs that know of one only
    #[arg(long, env = "FUSION_ONLY_CURRENCY")]
    pub(crate) only_currency: Option<Currency>,
    #[command(flatten)]
    pub(crate) to: ExportTo,
}

#[derive(Debug, Args)]
pub(crate) struct ExportTo {
    /// How it is written
    #[arg(long, env = "FUSION_FORMAT", value_enum, default_value_t = Format::Csv)]
    pub(crate) format: Format,
    /// Write to this file instead of standard output
    #[arg(long, short, env = "FUSION_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values
    Csv,
    /// A JSON object a line
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// What its bearer may do
    #[arg(long, env = "FUSION_ROLE", value_enum)]
    pub(crate) role: Role,
    /// Who its bearer is: an id of 26 characters; a new one unless said
    #[arg(long, env = "FUSION_SUBJECT")]
    pub(crate) subject: Option<SubjectId>,
    /// How long it is good for
    #[arg(long, env = "FUSION_TTL", default_value = "1h", value_parser = duration)]
    pub(crate) ttl: Duration,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

/// What someone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Buys, with an account
    Customer,
    /// Runs the catalogue, the drops and the orders
    Vendor,
    /// Runs live rooms
    Host,
    /// Everything
    Admin,
}

impl From<Role> for gateway::auth::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Customer => Self::Customer,
            Role::Vendor => Self::Vendor,
            Role::Host => Self::Host,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<Role> for persistence::sql::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Customer => Self::Customer,
            Role::Vendor => Self::Vendor,
            Role::Host => Self::Host,
            Role::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Make an account. The password comes from FUSION_PASSWORD or the first line of standard input
    Add(AddUser),
    /// Show the accounts, newest first
    List(ListUsers),
    /// Remove an account and what is known of the person. Orders keep their numbers
    Remove(RemoveUser),
}

#[derive(Debug, Args)]
pub(crate) struct ListUsers {
    /// Only accounts that may do this
    #[arg(long, env = "FUSION_ONLY_ROLE", value_enum)]
    pub(crate) only_role: Option<Role>,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveUser {
    /// Its e-mail address
    #[arg(long, env = "FUSION_EMAIL")]
    pub(crate) email: String,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Args)]
pub(crate) struct AddUser {
    /// What it may do
    #[arg(long, env = "FUSION_ROLE", value_enum)]
    pub(crate) role: Role,
    /// Its e-mail address
    #[arg(long, env = "FUSION_EMAIL")]
    pub(crate) email: String,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

fn parse_public_url(text: &str) -> Result<String, String> {
    match gateway::auth::is_public_url(text) {
        true => Ok(text.to_owned()),
        false => Err("must be an address such as https://shop.example, without a path".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tenants {
    /// Make a shop
    Add(AddTenant),
    /// Show the shops
    List(FolderSettings),
    /// Remove a shop that has neither products, orders nor accounts
    Remove(RemoveTenant),
}

#[derive(Debug, Args)]
pub(crate) struct RemoveTenant {
    /// Its name
    #[arg(value_parser = parse_tenant)]
    pub(crate) name: TenantId,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Args)]
pub(crate) struct AddTenant {
    /// Its name: a-z, 0-9 and hyphens
    #[arg(value_parser = parse_tenant)]
    pub(crate) name: TenantId,
    /// The currency of its prices
    #[arg(long, env = "FUSION_CURRENCY", value_parser = Currency::new)]
    pub(crate) currency: Currency,
    /// A host name that leads to it; can be repeated, or several with commas
    #[arg(long, env = "FUSION_HOST", value_delimiter = ',')]
    pub(crate) host: Vec<String>,
    /// Its public address with the scheme, for links in mails; unless given, its first host name with https
    #[arg(long, value_parser = parse_public_url)]
    pub(crate) public_url: Option<String>,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Where a stopped folder is copied to; next to it unless said
    #[arg(long, env = "FUSION_SCRATCH")]
    pub(crate) scratch: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Demo {
    /// Guests who all want the same thing at once: each claims a unit of the open drop
    Crowd(Crowd),
}

/// The most buyers of one crowd: each is a connection and a task.
pub(crate) const BUYERS_MAX: u32 = 10_000;

#[derive(Debug, Args)]
pub(crate) struct Crowd {
    /// How many
    #[arg(long, env = "FUSION_BUYERS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=i64::from(BUYERS_MAX)))]
    pub(crate) buyers: u32,
    /// Units that each wants
    #[arg(long, env = "FUSION_QUANTITY", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) quantity: u32,
    /// Which drop; the one that the server announced, or the newest that is open, unless said
    #[arg(long, env = "FUSION_DROP")]
    pub(crate) drop: Option<String>,
    /// Where the server is; --listen unless said
    #[arg(long, env = "FUSION_URL")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_are_those_of_the_contract() {
        for line in [
            "fusion serve --dev --listen 127.0.0.1:8080 --data-dir ./data --config f.toml",
            "fusion serve --dev=false",
            "fusion import products f.csv --currency USD --dry-run --stock=set --duplicate-sku=derive",
            "fusion export products --format csv --only-currency EUR",
            "fusion export orders --format jsonl",
            "fusion token --role vendor --tenant demo --subject 00000000000000000000000001 --ttl 1h",
            "fusion users add --role admin --email ann@example.com",
            "fusion users list --only-role vendor",
            "fusion users remove --email ann@example.com",
            "fusion tenants add acme --currency USD",
            "fusion tenants list",
            "fusion tenants remove acme",
            "fusion migrate",
            "fusion rebuild --data-dir x",
            "fusion doctor",
            "fusion demo crowd --buyers 200",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}: {:?}", Cli::try_parse_from(line.split(' ')));
        }
        for line in [
            "fusion token --role king",
            "fusion demo crowd --buyers 0",
            "fusion serve --smtp-url x",
            "fusion serve --tenant a",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn every_setting_is_in_the_help_with_its_variable() {
        let mut command = Cli::command();
        let help = command.find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        assert!(help.contains("--data-dir") && help.contains("[env: FUSION_DATA_DIR]"), "{help}");
        assert!(!help.contains("smtp-url"), "a secret has no flag");
    }
}
