//! Where settings come from: flags, environment, file.

use std::{collections::BTreeMap, path::Path};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::settings::{Flag, SETTINGS, Setting, find};

/// The settings given on the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigSources {
    flags: BTreeMap<&'static str, String>,
    for_serve: bool,
}

/// The flags of `fusion serve`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServeSettings(pub(crate) ConfigSources);

/// The flags of every other command.
#[derive(Debug, Clone, Default)]
pub(crate) struct FolderSettings(pub(crate) ConfigSources);

macro_rules! flags_of {
    ($settings:ident, $which:expr) => {
        impl clap::FromArgMatches for $settings {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(ConfigSources::of(matches, $which)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = ConfigSources::of(matches, $which);
                Ok(())
            }
        }

        impl clap::Args for $settings {
            fn augment_args(command: Command) -> Command {
                flags($which).fold(command, |command, setting| command.arg(arg(setting)))
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }
    };
}

flags_of!(ServeSettings, &[Flag::Everywhere, Flag::Serve]);
flags_of!(FolderSettings, &[Flag::Everywhere, Flag::Commands]);

fn flags(which: &'static [Flag]) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| which.contains(&setting.flag))
}

fn arg(setting: &'static Setting) -> Arg {
    let help = format!("{} [env: {}] [default: {}]", setting.help, setting.variable(), setting.default);
    let arg = Arg::new(setting.name).long(setting.long()).value_name(setting.value).help(help).action(ArgAction::Set);
    match setting.value {
        // `--dev` without a value means true.
        "true|false" => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg,
    }
}

impl ConfigSources {
    fn of(matches: &ArgMatches, which: &'static [Flag]) -> Self {
        let sources = |setting: &'static Setting| {
            let text = matches.get_one::<String>(setting.name)?;
            Some((setting.name, text.clone()))
        };
        Self { flags: flags(which).filter_map(sources).collect(), for_serve: which.contains(&Flag::Serve) }
    }

    /// Whether the command is `serve`.
    pub(super) fn is_for_serve(&self) -> bool {
        self.for_serve
    }

    #[cfg(test)]
    pub(super) fn flags(flags: &[(&'static str, &str)]) -> Self {
        let flags = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        Self { flags, for_serve: false }
    }
}

/// Reads settings one by one, and collects their errors.
pub(super) struct Reading<'a, E> {
    sources: &'a ConfigSources,
    environment: E,
    file: BTreeMap<String, String>,
    file_name: String,
    faults: Vec<String>,
}

impl<'a, E: Fn(&str) -> Option<String>> Reading<'a, E> {
    pub(super) fn new(sources: &'a ConfigSources, environment: E) -> Self {
        let mut reading =
            Self { sources, environment, file: BTreeMap::new(), file_name: String::new(), faults: Vec::new() };
        if let Some((path, place)) = reading.find("config") {
            match read_file(Path::new(&path)) {
                Ok(file) => reading.take_file(&path, file),
                Err(why) => reading.faults.push(format!("{place}: {path}: {why}")),
            }
        }
        reading
    }

    fn take_file(&mut self, path: &str, file: FileValues) {
        path.clone_into(&mut self.file_name);
        let options = crate::options::names();
        for (name, value) in file {
            match (find(&name), value) {
                (Some(setting), Ok(value)) if setting.name != "config" => {
                    self.file.insert(name, value);
                }
                (Some(_), Ok(_)) => self.faults.push(format!("{path}: {name} cannot be set in the file")),
                (Some(_), Err(why)) => self.faults.push(format!("{path}: {name} {why}")),
                // Read together with the command line, by the commands that have the option.
                (None, Ok(_)) if options.contains(&name) => {}
                (None, Err(why)) if options.contains(&name) => self.faults.push(format!("{path}: {name} {why}")),
                (None, _) => self.faults.push(format!("{path}: unknown setting {name:?}{}", like(&name, &options))),
            }
        }
    }

    /// Returns the text of a setting and the name of its source.
    fn find(&self, name: &'static str) -> Option<(String, String)> {
        let setting = find(name)?;
        // `serve` serves every tenant, so it ignores settings that the environment has for commands.
        if setting.flag == Flag::Commands && self.sources.for_serve {
            return None;
        }
        if let Some(text) = self.sources.flags.get(name) {
            return Some((text.clone(), format!("--{}", setting.long())));
        }
        let variable = setting.variable();
        if let Some(text) = (self.environment)(&variable).filter(|text| !text.is_empty()) {
            return Some((text, variable));
        }
        self.file.get(name).map(|text| (text.clone(), format!("{}: {name}", self.file_name)))
    }

    /// Returns the setting if it was given.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (text, place) = self.find(name)?;
        let is_secret = find(name).is_some_and(|setting| setting.flag == Flag::Secret);
        match parse(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                let shown = if is_secret { String::new() } else { format!(" {text:?}") };
                self.faults.push(format!("{place}{shown}: {why}"));
                None
            }
        }
    }

    /// Returns the setting, or `default` if it was not given.
    pub(super) fn or<T>(&mut self, name: &'static str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// Records an error of a setting that could be parsed.
    pub(super) fn fault(&mut self, name: &'static str, why: &str) {
        let place = find(name).and_then(|_| self.find(name)).map_or(name.to_owned(), |(_, place)| place);
        self.faults.push(format!("{place}: {why}"));
    }

    pub(super) fn faults(self) -> Vec<String> {
        self.faults
    }
}

/// The values of a file by key, or what is wrong with a value.
pub(crate) type FileValues = BTreeMap<String, Result<String, String>>;

/// Returns every key of a TOML file as text, or what is wrong with it. Lists are joined by commas, and tables become
/// `key=value`.
pub(crate) fn read_file(path: &Path) -> Result<FileValues, String> {
    use config::{Source, Value, ValueKind};
    fn text(value: Value) -> Result<String, String> {
        match value.kind {
            ValueKind::Array(items) => Ok(items.into_iter().map(text).collect::<Result<Vec<_>, _>>()?.join(",")),
            ValueKind::Table(table) => {
                let mut pairs = Vec::new();
                for (name, value) in table {
                    pairs.push(format!("{name}={}", text(value)?));
                }
                pairs.sort();
                Ok(pairs.join(","))
            }
            ValueKind::Nil => Err("is empty".to_owned()),
            _ => value.into_string().map_err(|error| error.to_string()),
        }
    }
    let text_of_file = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file = config::File::from_str(&text_of_file, config::FileFormat::Toml);
    let keys = file.collect().map_err(|error| error.to_string())?;
    Ok(keys.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// The minimum similarity of two names, from 0 to 1, at which one is suggested for the other.
const LIKE_MIN: f64 = 0.85;

/// Suggests a similar key.
fn like(name: &str, options: &[String]) -> String {
    let names = SETTINGS.iter().map(|setting| setting.name).chain(options.iter().map(String::as_str));
    let alike = |known: &&str| strsim::jaro_winkler(known, name);
    let nearest = names.max_by(|a, b| alike(a).total_cmp(&alike(b))).filter(|nearest| alike(nearest) >= LIKE_MIN);
    nearest.map_or(String::new(), |known| format!(" (did you mean {known}?)"))
}
