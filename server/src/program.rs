//! The name of this program, for commands in messages that people paste.

use std::path::{Path, PathBuf};

use streaming::embedded::JOURNAL_FOLDER;

/// A command needs a shop, and the folder contains none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoShop {
    /// The folder does not exist.
    #[error(
        "the data folder {path} does not exist: use --data-dir, or create a shop there with `{fusion} serve \
         --dev` or `{fusion} tenants add NAME --currency USD`",
        path = .0.display(), fusion = name()
    )]
    NoFolder(PathBuf),
    /// The folder contains something else.
    #[error(
        "{path} is not a data folder (it has no {JOURNAL_FOLDER}): use --data-dir",
        path = .0.display()
    )]
    NotAShop(PathBuf),
}

/// Checks that the folder contains a shop, before a command creates anything there.
pub(crate) fn check_shop(data_dir: &Path) -> Result<(), NoShop> {
    if !data_dir.is_dir() {
        return Err(NoShop::NoFolder(data_dir.to_owned()));
    }
    if !data_dir.join(JOURNAL_FOLDER).exists() {
        return Err(NoShop::NotAShop(data_dir.to_owned()));
    }
    Ok(())
}

/// Returns the name this process was called by: `fusion` if it was found in `PATH`, else its path, shortened if it is
/// below the current folder.
pub(crate) fn name() -> String {
    let typed = std::env::args_os().next().unwrap_or_else(|| "fusion".into());
    let here = std::env::current_dir().unwrap_or_default();
    short(Path::new(&typed), &here)
}

fn short(typed: &Path, here: &Path) -> String {
    match typed.strip_prefix(here) {
        Ok(below) if typed.is_absolute() && here.is_absolute() => quoted(&format!("./{}", below.display())),
        _ => quoted(&typed.to_string_lossy()),
    }
}

/// Quotes a word for a shell, if needed.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_called_as_it_was() {
        let short = |typed: &str| short(Path::new(typed), Path::new("/home/ann/shop"));
        assert_eq!(short("fusion"), "fusion");
        assert_eq!(short("./target/release/fusion"), "./target/release/fusion");
        assert_eq!(short("/home/ann/shop/target/release/fusion"), "./target/release/fusion");
        assert_eq!(short("/usr/local/bin/fusion"), "/usr/local/bin/fusion");
        assert_eq!(short("/home/ann/my shop/fusion"), "'/home/ann/my shop/fusion'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
