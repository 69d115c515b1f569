//! A server process with a data folder of its own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Buyer, Door, Shim, in_seconds, until};

/// Bytes of the log that are shown when a test fails.
const LOG_TAIL_BYTES: usize = 4_000;

/// The program with these arguments, and nothing said by the environment: not how much is told of a panic either, since
/// the stack of one that is caught, over a damaged file, takes a debug build a second.
pub fn command(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fusion"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FUSION_") || name.ends_with("_BACKTRACE")) {
        command.env_remove(name);
    }
    command.args(arguments).arg("--data-dir").arg(data).stdin(Stdio::null());
    command
}

/// What a vendor sells.
#[derive(Debug, Clone)]
pub struct Sale {
    /// The drop's id.
    pub drop: String,
    /// What it sells.
    pub sku: String,
}

/// A server under `--dev`, ended with the test.
pub struct Shop {
    folder: TempDir,
    child: Option<Child>,
    door: Door,
    shim: Option<Shim>,
    log: PathBuf,
    /// A token of the demo shop's vendor.
    pub vendor: Buyer,
}

impl Shop {
    /// Starts one in a new folder.
    pub async fn open() -> Self {
        let mut shop = Self::new();
        shop.begin().await;
        shop
    }

    /// Starts one whose disk is what the shim makes of it.
    pub async fn open_behind_shim() -> (Self, Shim) {
        let mut shop = Self::new();
        let shim = shop.put_shim();
        shop.begin().await;
        (shop, shim)
    }

    /// From the next start on the disk is what the shim makes of it.
    pub fn put_shim(&mut self) -> Shim {
        let shim = Shim::build(self.folder.path(), &self.data());
        self.shim.insert(shim).clone()
    }

    fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap())
    }

    /// One that is not started yet, with its data folder in `folder`.
    pub fn over(folder: TempDir) -> Self {
        let door = Door::new("");
        let vendor = Buyer { door: door.clone(), token: String::new() };
        let log = folder.path().join("stderr");
        Self { folder, child: None, door, shim: None, log, vendor }
    }

    /// Starts it for the first time.
    pub async fn begin(&mut self) {
        self.start().await;
        self.vendor.token = self.token("vendor", "demo");
    }

    /// From the next start on the log is on the disk that the shim fills.
    pub fn log_into_the_data_folder(&mut self) {
        self.log = self.data().join("server.log");
    }

    /// Where it keeps everything.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where it is.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Starts the program on the folder, and waits until it serves.
    pub async fn start(&mut self) {
        let started = self.try_start().await;
        started.unwrap_or_else(|refused| panic!("the server did not start: {}\n{}", refused.status, refused.said));
    }

    /// Starts the program on the folder, and waits until it serves or refuses to.
    pub async fn try_start(&mut self) -> Result<(), Refused> {
        assert!(self.child.is_none(), "it runs");
        let out = self.folder.path().join("stdout");
        let mut server = command(&["serve", "--dev", "--listen", "127.0.0.1:0"], &self.data());
        if let Some(shim) = &self.shim {
            shim.stand_before(&mut server);
        }
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let said_before = log.metadata().unwrap().len() as usize;
        let child = server.stdout(File::create(&out).unwrap()).stderr(log).spawn();
        self.child = Some(child.unwrap());
        let url = until("the address is printed", async || {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                let log = fs::read(&self.log).unwrap();
                let said = String::from_utf8_lossy(log.get(said_before..).unwrap_or_default()).into_owned();
                return Some(Err(Refused { status, said }));
            }
            let said = fs::read_to_string(&out).unwrap_or_default();
            said.lines().find(|line| line.starts_with("http://")).map(|url| Ok(url.to_owned()))
        })
        .await;
        self.door = Door::new(&url.inspect_err(|_| self.child = None)?);
        self.vendor.door = self.door.clone();
        until("it is ready", async || {
            let answer = self.door.try_ask(Method::GET, "/readyz", None, None, None).await;
            answer.ok().filter(|answer| answer.status == 200)
        })
        .await;
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, without waiting.
    pub fn tell_to_stop(&self) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        until("the server ends", async || child.try_wait().unwrap()).await
    }

    /// Stops it in order.
    pub async fn stop(&mut self) {
        self.tell_to_stop();
        assert_eq!(self.ended().await.code(), Some(0), "a server that was told to stop ends well");
    }

    /// Another command of the program, on the same folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        command(arguments, &self.data()).output().unwrap()
    }

    /// `fusion token`.
    pub fn token(&self, role: &str, tenant: &str) -> String {
        let output = self.run(&["token", "--role", role, "--tenant", tenant]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// A product with stock, all of it in an open drop.
    pub async fn sell(&self, sku: &str, quantity: u64, per_buyer_max: u64) -> Sale {
        self.sell_with(sku, quantity, per_buyer_max, json!({})).await
    }

    /// The same, with more said of the drop.
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

    /// So many guests.
    pub async fn guests(&self, count: usize) -> Vec<Buyer> {
        use futures::StreamExt;
        futures::stream::iter(0..count).map(|_| self.door.guest()).buffer_unordered(32).collect().await
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

/// Libraries that panic over damaged files of theirs, which is caught.
const PANICS_CAUGHT: [&str; 2] = ["/fjall-", "/lsm-tree-"];

/// Fails when something panicked that should not.
#[track_caller]
pub fn assert_no_panic(log: &str) {
    let caught = |line: &str| PANICS_CAUGHT.iter().any(|library| line.contains(library));
    let panicked = log.lines().find(|line| line.contains("panicked") && !caught(line));
    assert!(panicked.is_none(), "it panicked:\n{log}");
}

/// What a program says that does not start.
#[derive(Debug)]
pub struct Refused {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its log.
    pub said: String,
}

impl Refused {
    /// The last words to the operator, of a program that ended by its own decision.
    #[track_caller]
    pub fn last_words(&self) -> String {
        let Self { status, said } = self;
        assert!(!status.success(), "it ended well:\n{said}");
        assert!(status.code().is_some(), "it was ended by a signal ({status}):\n{said}");
        assert_no_panic(said);
        let words: Vec<_> = said.lines().filter(|line| line.starts_with("fusion: ")).collect();
        assert!(!words.is_empty(), "it says nothing to the operator:\n{said}");
        words.join("\n")
    }
}
