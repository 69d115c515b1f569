//! The outbox: a folder with one `.eml` file for each e-mail, for machines without a mail server.
//!
//! The first line of a file names the owner of the e-mail, so that an erasure can remove the owner's e-mails too.

use std::{
    io::{self, BufRead},
    path::{Path, PathBuf},
};

use tokio::io::AsyncWriteExt;

use crate::mail::Recipient;

/// The header with the owner of an e-mail. It exists only in the folder and is never sent to a mail server.
const WHOSE: &str = "X-Fusion-Whose: ";
/// The maximum length of a first line, in bytes, that is read.
const LINE_BYTES_MAX: u64 = 256;

/// A folder with e-mails.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    /// Opens the folder, and creates it if it does not exist. Only the user of this process can access it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Stores an e-mail under its name, in place of an earlier copy.
    pub(crate) async fn keep(&self, name: &str, recipient: &Recipient, message: &[u8]) -> io::Result<()> {
        let mut bytes = format!("{WHOSE}{recipient}\r\n").into_bytes();
        bytes.extend_from_slice(message);
        write_whole(&self.folder.join(format!("{name}.eml")), &bytes).await
    }

    /// Removes the e-mails of these owners, including partly written ones. Reads a line of every file.
    pub(crate) async fn forget(&self, recipients: &[Recipient]) -> io::Result<()> {
        let (folder, lines) =
            (self.folder.clone(), recipients.iter().map(|recipient| format!("{WHOSE}{recipient}")).collect());
        tokio::task::spawn_blocking(move || forget(&folder, lines)).await?
    }
}

fn forget(folder: &Path, lines: Vec<String>) -> io::Result<()> {
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.extension().is_some_and(|extension| extension == "eml" || extension == "part") {
            continue;
        }
        match first_line(&path) {
            Ok(line) if lines.contains(&line) => std::fs::remove_file(&path).or_else(gone)?,
            Ok(_) => {}
            Err(error) => gone(error)?,
        }
    }
    // Synced before success is reported.
    std::fs::File::open(folder)?.sync_all()
}

fn first_line(path: &Path) -> io::Result<String> {
    use io::Read;
    let mut line = Vec::new();
    io::BufReader::new(std::fs::File::open(path)?.take(LINE_BYTES_MAX)).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

/// Writes a file atomically: no reader ever sees a part of it. Only the user of this process can read it.
async fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&part).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(&part, path).await
}
