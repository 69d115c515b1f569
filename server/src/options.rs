//! The options of commands beside the settings: by flag, by `FUSION_…` in the environment, and by key in the file.
//!
//! clap reads the command line and the environment. The values of the file become the options' defaults, so that flags
//! override the environment, and the environment overrides the file.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use clap::{Arg, Command, CommandFactory, FromArgMatches, error::ErrorKind};

use crate::{
    cli::Cli,
    config::{ConfigError, FileValues, is_setting, read_file},
};

/// The environment variable with the path of the file.
const CONFIG_VARIABLE: &str = "FUSION_CONFIG";

/// An invalid command line.
#[derive(Debug)]
pub(crate) enum Misuse {
    /// The error from clap, or the requested help or version.
    Arguments(clap::Error),
    /// The file cannot be read.
    File(ConfigError),
}

/// Parses the arguments of this process. Missing options are taken from the environment and the file.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Cli, Misuse> {
    let variable = std::env::var_os(CONFIG_VARIABLE).filter(|path| !path.is_empty());
    let (path, place) = match config_flag(arguments) {
        Some(path) => (Some(path), "--config"),
        None => (variable, CONFIG_VARIABLE),
    };
    let read = path.as_deref().map_or(Ok(FileValues::default()), |path| {
        read_file(Path::new(path)).map_err(|why| format!("{place}: {}: {why}", Path::new(path).display()))
    });
    let values = read.as_ref().map(texts).unwrap_or_default();
    parse_with(arguments, &values).map_err(|error| match read {
        // The option that is missing may be in the file.
        Err(fault) if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Misuse::File(ConfigError::one(fault))
        }
        _ => Misuse::Arguments(error),
    })
}

/// Returns the readable values of a file. Unreadable ones are reported with all other errors of the configuration.
fn texts(values: &FileValues) -> BTreeMap<String, String> {
    values.iter().filter_map(|(name, value)| Some((name.clone(), value.as_ref().ok()?.clone()))).collect()
}

fn parse_with(arguments: &[OsString], file: &BTreeMap<String, String>) -> Result<Cli, clap::Error> {
    let mut command = with_defaults(Cli::command(), file);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Returns the value of `--config`. The file must be read before the other arguments are parsed.
fn config_flag(arguments: &[OsString]) -> Option<OsString> {
    let mut arguments = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().cloned();
        }
        if let Some(path) = argument.to_str().and_then(|argument| argument.strip_prefix("--config=")) {
            return Some(path.into());
        }
    }
    None
}

/// Whether this is an option of a command, and not a [setting](is_setting), which is read separately.
fn is_option(argument: &Arg) -> bool {
    let name = argument.get_id().as_str();
    argument.get_long().is_some() && !matches!(name, "help" | "version") && !is_setting(name)
}

fn with_defaults(command: Command, file: &BTreeMap<String, String>) -> Command {
    let with_default = |argument: Arg| match file.get(argument.get_id().as_str()) {
        Some(text) if is_option(&argument) => {
            let argument = argument.required(false);
            match argument.get_value_delimiter() {
                Some(comma) => argument.default_values(text.split(comma).map(str::to_owned)),
                None => argument.default_value(text.clone()),
            }
        }
        _ => argument,
    };
    command.mut_args(with_default).mut_subcommands(|command| with_defaults(command, file))
}

/// Returns the names of all options, as keys in the file.
pub(crate) fn names() -> Vec<String> {
    fn gather(command: &Command, names: &mut Vec<String>) {
        let options = command.get_arguments().filter(|argument| is_option(argument));
        names.extend(options.map(|argument| argument.get_id().to_string()));
        command.get_subcommands().for_each(|command| gather(command, names));
    }
    let mut names = Vec::new();
    gather(&Cli::command(), &mut names);
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::parser::ValueSource;

    use super::*;

    /// Two different values of each option.
    const SAMPLES: &[(&str, &str, &str)] = &[
        ("buyers", "7", "8"),
        ("currency", "EUR", "USD"),
        ("drop", "a", "b"),
        ("dry_run", "true", "false"),
        ("duplicate_sku", "derive", "refuse"),
        ("email", "ann@example.com", "bob@example.com"),
        ("format", "jsonl", "csv"),
        ("host", "a.example,b.example", "c.example"),
        ("only_currency", "EUR", "USD"),
        ("only_role", "vendor", "host"),
        ("output", "a.csv", "b.csv"),
        ("quantity", "2", "3"),
        ("role", "vendor", "host"),
        ("scratch", "a", "b"),
        ("stock", "set", "first"),
        ("subject", "00000000000000000000000001", "00000000000000000000000002"),
        ("ttl", "5m", "6m"),
        ("url", "http://a.example", "http://b.example"),
    ];

    fn sample(name: &str) -> (&'static str, &'static str) {
        let found = SAMPLES.iter().find(|(known, ..)| *known == name);
        let (_, one, other) = found.unwrap_or_else(|| panic!("a new option, {name}, needs a sample here"));
        (one, other)
    }

    /// Calls `each` for every command without subcommands, with the arguments that select it.
    fn leaves(command: &Command, typed: &[String], each: &mut dyn FnMut(&Command, &[String])) {
        if !command.has_subcommands() {
            each(command, typed);
        }
        for inner in command.get_subcommands() {
            leaves(inner, &[typed, &[inner.get_name().to_owned()]].concat(), each);
        }
    }

    /// Returns the value that the innermost command has for an option, and its source.
    fn outcome(arguments: &[String], file: &BTreeMap<String, String>, name: &str) -> (String, Option<ValueSource>) {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        parse_with(&arguments, file).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        let matches = with_defaults(Cli::command(), file).try_get_matches_from(&arguments).unwrap();
        let mut innermost = &matches;
        while let Some((_, inner)) = innermost.subcommand() {
            innermost = inner;
        }
        let raw = innermost.get_raw(name).unwrap().map(|text| text.to_str().unwrap()).collect::<Vec<_>>().join(",");
        (raw, innermost.value_source(name))
    }

    #[test]
    fn every_option_has_a_variable_and_a_key_and_a_flag_goes_first() {
        let mut seen = 0;
        leaves(&Cli::command(), &["fusion".to_owned()], &mut |command, typed| {
            let positionals: Vec<_> = command.get_positionals().map(|_| "some-name".to_owned()).collect();
            let options: Vec<_> = command.get_arguments().filter(|argument| is_option(argument)).collect();
            for option in &options {
                let name = option.get_id().as_str();
                let variable = format!("FUSION_{}", name.to_ascii_uppercase());
                assert_eq!(option.get_env().and_then(|name| name.to_str()), Some(&*variable), "{typed:?} --{name}");
                assert_eq!(option.get_long(), Some(&*name.replace('_', "-")), "flag and key are one name");
                let flag = |option: &Arg, value: &str| format!("--{}={value}", option.get_long().unwrap());
                let others =
                    options.iter().filter(|other| other.is_required_set() && other.get_id() != option.get_id());
                let others = others.map(|other| flag(other, sample(other.get_id().as_str()).0));
                let line: Vec<_> = typed.iter().cloned().chain(positionals.clone()).chain(others).collect();
                let (one, another) = sample(name);
                let file = BTreeMap::from([(name.to_owned(), one.to_owned())]);
                assert_eq!(outcome(&line, &file, name), (one.to_owned(), Some(ValueSource::DefaultValue)));
                let line = [line, vec![flag(option, another)]].concat();
                assert_eq!(outcome(&line, &file, name), (another.to_owned(), Some(ValueSource::CommandLine)));
                seen += 1;
            }
        });
        assert!(seen >= SAMPLES.len());
        assert_eq!(names(), SAMPLES.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn the_file_is_found_before_the_rest_is_understood() {
        let flag = |line: &str| config_flag(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(flag("fusion token --config f.toml"), Some("f.toml".into()));
        assert_eq!(flag("fusion token --config=f.toml --role x"), Some("f.toml".into()));
        assert_eq!(flag("fusion import products -- --config f.toml"), None);
        assert_eq!(flag("--config f.toml"), None, "the program's own name");
    }
}
