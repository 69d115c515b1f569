//! Controls the simulated disk of a running server: slow to sync, or full. See `shim/shim.c`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::until;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shim/shim.c");

/// A library between a server and its data folder.
#[derive(Debug, Clone)]
pub struct Shim {
    library: PathBuf,
    control: PathBuf,
    data: PathBuf,
}

impl Shim {
    /// Compiles the library into `folder`, for servers on `data`, which need not exist yet.
    pub fn build(folder: &Path, data: &Path) -> Self {
        let (library, control) = (folder.join("shim.so"), folder.join("shim"));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&library).arg(SOURCE);
        let compiled =
            compiler.output().unwrap_or_else(|error| panic!("cc, which cargo links with, is missing: {error}"));
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        fs::create_dir(&control).unwrap();
        // The system reports open files by their real paths.
        let data = data.parent().unwrap().canonicalize().unwrap().join(data.file_name().unwrap());
        Self { library, control, data }
    }

    /// Preloads the library into a server.
    pub fn stand_before(&self, server: &mut Command) {
        server.env("LD_PRELOAD", &self.library).env("SHIM_CONTROL", &self.control).env("SHIM_DATA", &self.data);
    }

    /// Lets syncs wait from now on for files whose path below the data folder begins with `what`.
    pub fn hold(&self, what: &str) {
        // Written atomically: half a name would match more files.
        let aside = self.control.join("hold.new");
        fs::write(&aside, what).unwrap();
        fs::rename(aside, self.control.join("hold")).unwrap();
    }

    /// Lets held syncs continue.
    pub fn release(&self) {
        fs::remove_file(self.control.join("hold")).unwrap();
    }

    /// Makes the disk full from now on.
    pub fn fill(&self) {
        fs::write(self.control.join("full"), "").unwrap();
    }

    /// Makes the disk writable again.
    pub fn make_room(&self) {
        fs::remove_file(self.control.join("full")).unwrap();
    }

    /// Returns the number of completed syncs of files whose path begins with `what`.
    pub fn syncs(&self, what: &str) -> usize {
        self.count("syncs", what)
    }

    /// Returns the number of syncs held so far of files whose path begins with `what`.
    pub fn held(&self, what: &str) -> usize {
        self.count("waiting", what)
    }

    /// Waits until more syncs of these files were held than `before`.
    pub async fn until_one_waits(&self, what: &str, before: usize) {
        until("a sync waits", async || (self.held(what) > before).then_some(())).await;
    }

    fn count(&self, list: &str, what: &str) -> usize {
        let lines = fs::read_to_string(self.control.join(list)).unwrap_or_default();
        lines.lines().filter(|path| path.starts_with(what)).count()
    }
}
