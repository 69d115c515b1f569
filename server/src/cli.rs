//! The command line: commands and their options.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use engine::{
    id::{SubjectId, TenantId},
    money::Currency,
};

use crate::config::{FolderSettings, ServeSettings, duration, flag, parse_tenant};

/// Live commerce on one machine: drops, carts, checkouts and orders. Every answered command is durable.
///
/// Every option can also be set as FUSION_… in the environment and as a key in the --config file. Flags take precedence
/// over the environment, and the environment over the file.
#[derive(Debug, Parser)]
#[command(name = "fusion", version, about, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: the API on --listen, all data in --data-dir
    #[command(after_help = "Examples:\n  fusion serve --dev                     a demo shop for evaluation\n  \
        fusion serve --listen 0.0.0.0:8080     behind a TLS proxy\n\n\
Secrets cannot be given as flags: FUSION_SMTP_URL, FUSION_METRICS_TOKEN.")]
    Serve(ServeSettings),
    /// Import data
    #[command(subcommand)]
    Import(Import),
    /// Export data to standard output
    #[command(subcommand)]
    Export(Export),
    /// Create an API token
    Token(Token),
    /// Manage accounts
    #[command(subcommand)]
    Users(Users),
    /// Manage tenants
    #[command(subcommand)]
    Tenants(Tenants),
    /// Migrate the read side's tables to this version's schema
    Migrate(FolderSettings),
    /// Rebuild the read side from the journal. Accounts, addresses and tenants are kept
    Rebuild(FolderSettings),
    /// Check that journal, snapshots and read side agree. Changes nothing; exits with 1 on any problem
    Doctor(Doctor),
    /// Demonstrations
    #[command(subcommand)]
    Demo(Demo),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Import a catalogue in Shopify's product CSV format
    Products(ImportProducts),
}

#[derive(Debug, Args)]
pub(crate) struct ImportProducts {
    /// The CSV file
    pub(crate) file: PathBuf,
    /// The currency of the prices [default: the shop's currency]
    #[arg(long, env = "FUSION_CURRENCY", value_parser = Currency::new)]
    pub(crate) currency: Option<Currency>,
    /// Report what would change without changing anything
    #[arg(long, env = "FUSION_DRY_RUN", value_name = "true|false", value_parser = flag, action = clap::ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    pub(crate) dry_run: bool,
    /// How to treat the stock of existing variants
    #[arg(long, env = "FUSION_STOCK", value_enum, default_value_t = Stock::First)]
    pub(crate) stock: Stock,
    /// How to treat a variant whose SKU is already in use, in the file or in the shop
    #[arg(long, env = "FUSION_DUPLICATE_SKU", value_enum, default_value_t = OfDuplicateSku::Refuse)]
    pub(crate) duplicate_sku: OfDuplicateSku,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

/// How an import treats stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stock {
    /// Set the stock of new variants; do not change existing ones
    First,
    /// Set the stock of all variants to the values in the file
    Set,
}

/// How an import treats a duplicate SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OfDuplicateSku {
    /// Reject the row
    Refuse,
    /// Derive a SKU from the handle and options, with a warning
    Derive,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Export the catalogue as CSV, in the format of the import
    Products(ExportProducts),
    /// Export all orders
    Orders(ExportTo),
}

#[derive(Debug, Args)]
pub(crate) struct ExportProducts {
    /// Export only products with prices in this currency, for programs that support a single currency
    #[arg(long, env = "FUSION_ONLY_CURRENCY")]
    pub(crate) only_currency: Option<Currency>,
    #[command(flatten)]
    pub(crate) to: ExportTo,
}

#[derive(Debug, Args)]
pub(crate) struct ExportTo {
    /// The output format
    #[arg(long, env = "FUSION_FORMAT", value_enum, default_value_t = Format::Csv)]
    pub(crate) format: Format,
    /// Write to this file instead of standard output
    #[arg(long, short, env = "FUSION_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values
    Csv,
    /// One JSON object per line
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The role of the token
    #[arg(long, env = "FUSION_ROLE", value_enum)]
    pub(crate) role: Role,
    /// The subject, an id of 26 characters [default: a new id]
    #[arg(long, env = "FUSION_SUBJECT")]
    pub(crate) subject: Option<SubjectId>,
    /// How long the token is valid
    #[arg(long, env = "FUSION_TTL", default_value = "1h", value_parser = duration)]
    pub(crate) ttl: Duration,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// A buyer with an account
    Customer,
    /// Manages the catalogue, drops and orders
    Vendor,
    /// Hosts livestream rooms
    Host,
    /// All permissions
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
    /// Create an account. The password is read from FUSION_PASSWORD or the first line of standard input
    Add(AddUser),
    /// List accounts, newest first
    List(ListUsers),
    /// Remove an account and its personal data. Orders keep their numbers
    Remove(RemoveUser),
}

#[derive(Debug, Args)]
pub(crate) struct ListUsers {
    /// List only accounts with this role
    #[arg(long, env = "FUSION_ONLY_ROLE", value_enum)]
    pub(crate) only_role: Option<Role>,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveUser {
    /// The account's e-mail address
    #[arg(long, env = "FUSION_EMAIL")]
    pub(crate) email: String,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Args)]
pub(crate) struct AddUser {
    /// The account's role
    #[arg(long, env = "FUSION_ROLE", value_enum)]
    pub(crate) role: Role,
    /// The account's e-mail address
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
    /// Create a tenant
    Add(AddTenant),
    /// List tenants
    List(FolderSettings),
    /// Remove a tenant that has no products, orders or accounts
    Remove(RemoveTenant),
}

#[derive(Debug, Args)]
pub(crate) struct RemoveTenant {
    /// The tenant's name
    #[arg(value_parser = parse_tenant)]
    pub(crate) name: TenantId,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Args)]
pub(crate) struct AddTenant {
    /// The tenant's name: a-z, 0-9 and hyphens
    #[arg(value_parser = parse_tenant)]
    pub(crate) name: TenantId,
    /// The currency of prices
    #[arg(long, env = "FUSION_CURRENCY", value_parser = Currency::new)]
    pub(crate) currency: Currency,
    /// A host name of the shop; repeatable, or several separated by commas
    #[arg(long, env = "FUSION_HOST", value_delimiter = ',')]
    pub(crate) host: Vec<String>,
    /// The shop's public URL, for links in e-mails [default: its first host name with https]
    #[arg(long, value_parser = parse_public_url)]
    pub(crate) public_url: Option<String>,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Where to copy the data folder of a stopped server [default: next to it]
    #[arg(long, env = "FUSION_SCRATCH")]
    pub(crate) scratch: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: FolderSettings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Demo {
    /// Simulate a crowd of guests who claim units of the open drop at once
    Crowd(Crowd),
}

/// The most buyers of one crowd: each is a connection and a task.
pub(crate) const BUYERS_MAX: u32 = 10_000;

#[derive(Debug, Args)]
pub(crate) struct Crowd {
    /// The number of buyers
    #[arg(long, env = "FUSION_BUYERS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=i64::from(BUYERS_MAX)))]
    pub(crate) buyers: u32,
    /// Units per buyer
    #[arg(long, env = "FUSION_QUANTITY", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) quantity: u32,
    /// The drop's id [default: the announced drop, else the newest open one]
    #[arg(long, env = "FUSION_DROP")]
    pub(crate) drop: Option<String>,
    /// The server's URL [default: from --listen]
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
