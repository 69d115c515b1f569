//! A server process with its data folder.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ApiClient, Buyer, Shim, in_seconds, until};

/// The number of bytes of the log that are shown when a test fails.
const LOG_TAIL_BYTES: usize = 4_000;

/// Returns the program with these arguments and without settings from the environment. Backtraces are off as well: a
/// debug build needs a second for the stack of a panic that is caught, as with a damaged file.
pub fn command(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fusion"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FUSION_") || name.ends_with("_BACKTRACE")) {
        command.env_remove(name);
    }
    command.args(arguments).arg("--data-dir").arg(data).stdin(Stdio::null());
    command
}

/// A drop that a vendor sells.
#[derive(Debug, Clone)]
pub struct Sale {
    /// The drop's id.
    pub drop: String,
    /// The SKU.
    pub sku: String,
}

/// A server under `--dev`. It is killed on drop.
pub struct Shop {
    folder: TempDir,
    child: Option<Child>,
    api: ApiClient,
    shim: Option<Shim>,
    log: PathBuf,
    /// A token of the demo shop's vendor.
    pub vendor: Buyer,
}

impl Shop {
    /// Starts a server in a new folder.
    pub async fn open() -> Self {
        let mut shop = Self::new();
        shop.begin().await;
        shop
    }

    /// Starts a server whose disk the shim simulates.
    pub async fn open_behind_shim() -> (Self, Shim) {
        let mut shop = Self::new();
        let shim = shop.put_shim();
        shop.begin().await;
        (shop, shim)
    }

    /// Lets the shim simulate the disk from the next start on.
    pub fn put_shim(&mut self) -> Shim {
        let shim = Shim::build(self.folder.path(), &self.data());
        self.shim.insert(shim).clone()
    }

    fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap())
    }

    /// Creates a server on `folder` that is not started yet.
    pub fn over(folder: TempDir) -> Self {
        let api = ApiClient::new("");
        let vendor = Buyer { api: api.clone(), token: String::new() };
        let log = folder.path().join("stderr");
        Self { folder, child: None, api, shim: None, log, vendor }
    }

    /// Starts the server for the first time.
    pub async fn begin(&mut self) {
        self.start().await;
        self.vendor.token = self.token("vendor", "demo");
    }

    /// From the next start on, puts the log on the disk that the shim can fill.
    pub fn log_into_the_data_folder(&mut self) {
        self.log = self.data().join("server.log");
    }

    /// Returns the data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the client of the server.
    pub fn api(&self) -> &ApiClient {
        &self.api
    }

    /// Starts the program and waits until it is ready.
    pub async fn start(&mut self) {
        let started = self.try_start().await;
        started.unwrap_or_else(|refused| panic!("the server did not start: {}\n{}", refused.status, refused.stderr));
    }

    /// Starts the program and waits until it is ready or refuses to start.
    pub async fn try_start(&mut self) -> Result<(), Refused> {
        assert!(self.child.is_none(), "it runs");
        let out = self.folder.path().join("stdout");
        let mut server = command(&["serve", "--dev", "--listen", "127.0.0.1:0"], &self.data());
        if let Some(shim) = &self.shim {
            shim.stand_before(&mut server);
        }
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let length_before = log.metadata().unwrap().len() as usize;
        let child = server.stdout(File::create(&out).unwrap()).stderr(log).spawn();
        self.child = Some(child.unwrap());
        let url = until("the address is printed", async || {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                let log = fs::read(&self.log).unwrap();
                let stderr = String::from_utf8_lossy(log.get(length_before..).unwrap_or_default()).into_owned();
                return Some(Err(Refused { status, stderr }));
            }
            let output = fs::read_to_string(&out).unwrap_or_default();
            output.lines().find(|line| line.starts_with("http://")).map(|url| Ok(url.to_owned()))
        })
        .await;
        self.api = ApiClient::new(&url.inspect_err(|_| self.child = None)?);
        self.vendor.api = self.api.clone();
        until("it is ready", async || {
            let answer = self.api.try_ask(Method::GET, "/readyz", None, None, None).await;
            answer.ok().filter(|answer| answer.status == 200)
        })
        .await;
        Ok(())
    }

    /// Kills the server, as `kill -9` does.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends SIGTERM without waiting.
    pub fn tell_to_stop(&self) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Whether the process is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// Waits until the process ends.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        until("the server ends", async || child.try_wait().unwrap()).await
    }

    /// Stops the server in order.
    pub async fn stop(&mut self) {
        self.tell_to_stop();
        assert_eq!(self.ended().await.code(), Some(0), "a stopped server exits with 0");
    }

    /// Runs another command of the program on the same folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        command(arguments, &self.data()).output().unwrap()
    }

    /// Runs `fusion token`.
    pub fn token(&self, role: &str, tenant: &str) -> String {
        let output = self.run(&["token", "--role", role, "--tenant", tenant]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Returns the log of the server.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Creates a product with stock, all of it in an open drop.
    pub async fn sell(&self, sku: &str, quantity: u64, per_buyer_max: u64) -> Sale {
        self.sell_with(sku, quantity, per_buyer_max, json!({})).await
    }

    /// Does the same, with further fields of the drop.
    pub async fn sell_with(&self, sku: &str, quantity: u64, per_buyer_max: u64, more: Value) -> Sale {
        let price = json!({"amount": 2500, "currency": "USD"});
        let product = json!({"title": format!("Shirt {sku}"), "variants": [{"sku": sku, "price": price}]});
        self.vendor.post("/v1/products", &product).await.expect(201);
        let delivery = json!({"delta": quantity, "reason": "delivery"});
        self.vendor.post(&format!("/v1/inventory/{sku}/adjustments"), &delivery).await.expect(200);
        let mut drop = json!({
            "sku": sku, "quantity": quantity, "price": price, "per_buyer_max": per_buyer_max,
            "hold_seconds": 3600, "ends_at": in_seconds(86_400),
        });
        drop.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let drop = self.vendor.post("/v1/drops", &drop).await.expect(201);
        Sale { drop: drop["id"].as_str().unwrap().to_owned(), sku: sku.to_owned() }
    }

    /// Signs in new guests.
    pub async fn guests(&self, count: usize) -> Vec<Buyer> {
        use futures::StreamExt;
        futures::stream::iter(0..count).map(|_| self.api.guest()).buffer_unordered(32).collect().await
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let from = (log.len().saturating_sub(LOG_TAIL_BYTES)..log.len()).find(|at| log.is_char_boundary(*at));
            eprintln!("the server's log ends with:\n{}", &log[from.unwrap_or(0)..]);
        }
    }
}

/// Libraries whose panics over damaged files are caught.
const PANICS_CAUGHT: [&str; 2] = ["/fjall-", "/lsm-tree-"];

/// Fails if anything panicked, except for caught panics.
#[track_caller]
pub fn assert_no_panic(log: &str) {
    let caught = |line: &str| PANICS_CAUGHT.iter().any(|library| line.contains(library));
    let panicked = log.lines().find(|line| line.contains("panicked") && !caught(line));
    assert!(panicked.is_none(), "it panicked:\n{log}");
}

/// A program that refused to start.
#[derive(Debug)]
pub struct Refused {
    /// The exit status.
    pub status: ExitStatus,
    /// The complete log.
    pub stderr: String,
}

impl Refused {
    /// Returns the last message to the operator. Asserts that the program ended by its own decision.
    #[track_caller]
    pub fn last_words(&self) -> String {
        let Self { status, stderr } = self;
        assert!(!status.success(), "the exit status is success:\n{stderr}");
        assert!(status.code().is_some(), "it was ended by a signal ({status}):\n{stderr}");
        assert_no_panic(stderr);
        let words: Vec<_> = stderr.lines().filter(|line| line.starts_with("fusion: ")).collect();
        assert!(!words.is_empty(), "no message to the operator:\n{stderr}");
        words.join("\n")
    }
}
