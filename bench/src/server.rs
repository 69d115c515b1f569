//! The built binary `fusion` as a process: started, killed, and queried for its metrics.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    error::{BenchError, Doing, Result},
    http::Client,
    metrics::Metrics,
    scratch,
};

/// The time after which a start counts as failed.
const START_MAX: Duration = Duration::from_secs(180);
/// The maximum duration of a clean stop.
const STOP_MAX: Duration = Duration::from_secs(60);

/// A server process with its data folder.
#[derive(Debug)]
pub(crate) struct Server {
    binary: PathBuf,
    data_dir: PathBuf,
    address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts the server and waits until it is ready.
    pub(crate) fn start(binary: &Path, data_dir: &Path) -> Result<Self> {
        Self::start_with(binary, data_dir, &[])
    }

    /// Starts the server with additional settings and waits until it is ready.
    pub(crate) fn start_with(binary: &Path, data_dir: &Path, settings: &[&str]) -> Result<Self> {
        let mut server = Self::spawn(binary, data_dir, settings)?;
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Starts the server and returns at once.
    pub(crate) fn spawn(binary: &Path, data_dir: &Path, settings: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let log = File::options().create(true).append(true).open(log_of(data_dir)).doing("opening the server's log")?;
        let child = dies_with_us(binary)
            .args(["serve", "--dev", "--listen", &address.to_string(), "--data-dir"])
            .arg(data_dir)
            .args(settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().doing("opening the server's log")?)
            .stderr(log)
            .spawn()
            .doing(format!("starting {}", binary.display()))?;
        scratch::started(child.id());
        Ok(Self { binary: binary.to_owned(), data_dir: data_dir.to_owned(), address, child })
    }

    /// Waits until `GET /readyz` answers 200.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        let mut last = String::from("nothing");
        while Instant::now() < deadline {
            self.check_alive()?;
            match Client::connect(self.address).and_then(|mut client| client.call("GET", "/readyz", None, None, None)) {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => last = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(BenchError::Setup(format!("fusion is not ready after {START_MAX:?}: /readyz says {last}")))
    }

    /// Returns an error with the end of the log if the process has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait().doing("checking the fusion process")? {
            None => Ok(()),
            Some(status) => Err(BenchError::Setup(format!("fusion ended with {status}:\n{}", self.end_of_log()))),
        }
    }

    /// The last lines of its log.
    pub(crate) fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(log_of(&self.data_dir)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data folder.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Creates a vendor's token with the command line of the same binary.
    pub(crate) fn vendor_token(&self) -> Result<String> {
        let output = Command::new(&self.binary)
            .args(["token", "--role", "vendor", "--ttl", "24h", "--data-dir"])
            .arg(&self.data_dir)
            .output()
            .doing("running fusion token")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let token = text.split_ascii_whitespace().rfind(|word| word.matches('.').count() == 2);
        token.filter(|_| output.status.success()).map(str::to_owned).ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            BenchError::Setup(format!("fusion token gave no token ({}): {text}{complaint}", output.status))
        })
    }

    /// Reads `/metrics`. Empty if there is no such page.
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        let answer = Client::connect(self.address)?.call("GET", "/metrics", None, None, None)?;
        let page = if answer.status == 200 { answer.body } else { Vec::new() };
        Ok(Metrics::parse(&String::from_utf8_lossy(&page)))
    }

    /// Kills the process without letting it finish anything (`kill -9`).
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill().doing("killing fusion")?;
        self.child.wait().doing("waiting for fusion")?;
        Ok(())
    }

    /// Stops the process with SIGTERM, waits for its end, and returns how long that took.
    pub(crate) fn stop(mut self) -> Result<Duration> {
        let asked = Instant::now();
        scratch::send(self.pid(), Signal::TERM);
        while asked.elapsed() < STOP_MAX {
            if let Some(status) = self.child.try_wait().doing("waiting for fusion")? {
                return clean(status, &self).map(|()| asked.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(BenchError::Setup(format!("fusion did not stop within {STOP_MAX:?} of SIGTERM")))
    }
}

fn clean(status: ExitStatus, server: &Server) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(BenchError::Setup(format!("fusion did not stop cleanly: {status}\n{}", server.end_of_log())))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        scratch::ended(self.child.id());
    }
}

fn log_of(data_dir: &Path) -> PathBuf {
    data_dir.with_extension("log")
}

/// Builds a command whose process the kernel kills when this process dies, even by `kill -9`, if util-linux supports
/// it.
pub(crate) fn dies_with_us(binary: &Path) -> Command {
    let arranged = Command::new("setpriv").arg("--help").output();
    if arranged.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--pdeathsig")) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary);
        return command;
    }
    Command::new(binary)
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("looking for a free port")?;
    listener.local_addr().doing("looking for a free port")
}
