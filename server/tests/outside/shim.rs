//! The disk as a test wants it: slow to sync, or full, while the server runs. See `shim/shim.c`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::until;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shim/shim.c");

/// Stands between a server and its data folder.
#[derive(Debug, Clone)]
pub struct Shim {
    library: PathBuf,
    control: PathBuf,
    data: PathBuf,
}

impl Shim {
    /// Compiles it into `folder`, for servers on `data`, which need not exist yet.
    pub fn build(folder: &Path, data: &Path) -> Self {
        let (library, control) = (folder.join("shim.so"), folder.join("shim"));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&library).arg(SOURCE);
        let compiled =
            compiler.output().unwrap_or_else(|error| panic!("cc, which cargo links with, is missing: {error}"));
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        fs::create_dir(&control).unwrap();
        // The system names open files by their real paths.
        let data = data.parent().unwrap().canonicalize().unwrap().join(data.file_name().unwrap());
        Self { library, control, data }
    }

    /// Puts it before a server.
    pub fn stand_before(&self, server: &mut Command) {
        server.env("LD_PRELOAD", &self.library).env("SHIM_CONTROL", &self.control).env("SHIM_DATA", &self.data);
    }

    /// Syncs of files whose path below the data folder begins with `what` wait from now on.
    pub fn hold(&self, what: &str) {
        // Whole or not at all: half a name would hold more.
        let aside = self.control.join("hold.new");
        fs::write(&aside, what).unwrap();
        fs::rename(aside, self.control.join("hold")).unwrap();
    }

    /// They go on.
    pub fn release(&self) {
        fs::remove_file(self.control.join("hold")).unwrap();
    }

    /// The disk is full from now on.
    pub fn fill(&self) {
        fs::write(self.control.join("full"), "").unwrap();
    }

    /// There is room again.
    pub fn make_room(&self) {
        fs::remove_file(self.control.join("full")).unwrap();
    }

    /// How many syncs were done of files whose path begins so.
    pub fn syncs(&self, what: &str) -> usize {
        self.count("syncs", what)
    }

    /// How many syncs of such files were made to wait so far.
    pub fn held(&self, what: &str) -> usize {
        self.count("waiting", what)
    }

    /// Waits until one more sync waits than `before`.
    pub async fn until_one_waits(&self, what: &str, before: usize) {
        until("a sync waits", async || (self.held(what) > before).then_some(())).await;
    }

    fn count(&self, list: &str, what: &str) -> usize {
        let lines = fs::read_to_string(self.control.join(list)).unwrap_or_default();
        lines.lines().filter(|path| path.starts_with(what)).count()
    }
}
