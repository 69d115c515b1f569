//! The servers of the comparison, run by `bench/peers.sh` for as long as this process keeps the script's input open.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::error::{BenchError, Doing, Result};

/// A running peer.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Its first process.
    pub(crate) pid: u32,
}

/// The script's process. The script stops its servers and removes their data when its input closes: on drop, and also
/// when this process is killed.
#[derive(Debug)]
pub(crate) struct Peers {
    script: Child,
    reported: HashMap<String, String>,
}

impl Peers {
    /// Starts the named peers (`redis`, `postgres`) with data below `work_dir`, and installs what is missing if it can.
    pub(crate) fn start(script: &Path, names: &[&str], work_dir: &Path, clients: usize) -> Result<Self> {
        let mut child = Command::new(script)
            .arg("hold")
            .args(names)
            .env("BENCH_WORK_DIR", work_dir)
            .env("BENCH_CLIENTS", clients.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .doing(format!("starting {}", script.display()))?;
        let mut reported = HashMap::new();
        let output = child.stdout.take().map(BufReader::new);
        for line in output.into_iter().flat_map(BufRead::lines) {
            let line = line.doing("reading from peers.sh")?;
            if line == "READY" {
                return Ok(Self { script: child, reported });
            }
            if let Some((name, value)) = line.split_once('=') {
                reported.insert(name.to_owned(), value.to_owned());
            }
        }
        let status = child.wait().doing("waiting for peers.sh")?;
        Err(BenchError::Setup(format!("{} failed ({status}); its reasons are above", script.display())))
    }

    /// The address and process of a peer, as the script reported them.
    pub(crate) fn peer(&self, name: &str) -> Result<Peer> {
        let reported = |what: &str| self.reported.get(&format!("{name}_{what}")).map(String::as_str);
        let address = reported("address").and_then(|address| address.parse().ok());
        let pid = reported("pid").and_then(|pid| pid.parse().ok());
        match (address, pid) {
            (Some(address), Some(pid)) => Ok(Peer { address, pid }),
            _ => Err(BenchError::Setup(format!("peers.sh did not report the address of {name}: {:?}", self.reported))),
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}
