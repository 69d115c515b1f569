//! Servers that broadcast: `fusion` with the topic `orders`, Bun's built-in WebSocket server, the `ws` package.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{
    crowd::Endpoint,
    encoding::{Encoding, field, number},
};
use crate::{
    error::{BenchError, Doing, Result},
    options::{Broadcasting, Options},
    scratch::{self, Scratch},
    server::{Server, dies_with_us},
    shop::Shop,
};

/// The meaning of a message from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerMessage {
    /// The connection is subscribed; this many facts came before.
    Subscribed(u64),
    /// A fact, with its number.
    Fact(u64),
    /// This many facts of a burst are made.
    Made(usize),
    /// A ping.
    Ping,
    /// Anything else.
    Other,
}

/// A server that broadcasts facts to all subscribers.
pub(crate) trait Broadcaster {
    /// Its name in the tables.
    fn name(&self) -> &'static str;
    /// Its version, and how it is used.
    fn about(&self) -> &str;
    /// Its process.
    fn pid(&self) -> u32;
    /// The endpoint for subscribers.
    fn endpoint(&self) -> Endpoint<'_>;
    /// The first message of a subscriber. May be empty.
    fn greeting(&self) -> Vec<u8>;
    /// The endpoint of the connection that requests bursts, and the first message on it.
    fn control(&self) -> (Endpoint<'_>, Vec<u8>);
    /// Creates what `facts` facts require.
    fn prepare(&mut self, facts: usize) -> Result<()>;
    /// Builds the message that requests a burst.
    fn burst(&mut self, facts: usize) -> Result<Vec<u8>>;
    /// Interprets a message.
    fn parse(&self, message: &[u8]) -> Result<ServerMessage>;
}

/// Starts a broadcasting server.
pub(crate) fn start(options: &Options, which: Broadcasting) -> Result<Box<dyn Broadcaster>> {
    Ok(match which {
        Broadcasting::Fusion => Box::new(Orders::start(options)?),
        Broadcasting::Bun => Box::new(Script::start(options, "bun")?),
        Broadcasting::Ws => Box::new(Script::start(options, "ws")?),
    })
}

/// Interprets a JSON message from `fusion`.
pub(crate) fn parse_fusion(message: &[u8]) -> Result<ServerMessage> {
    let odd = || BenchError::unexpected("a message from fusion", 0, message);
    let offset = || field(message, b"\"offset\":").ok_or_else(odd);
    let begins = |op: &str| message.starts_with(format!("{{\"op\":\"{op}\"").as_bytes());
    Ok(match message {
        // A fact's offset comes before its data, which contains none.
        _ if begins("event") => ServerMessage::Fact(offset()?),
        // A drop's state contains no other offset.
        _ if begins("subscribed") => ServerMessage::Subscribed(offset()?),
        _ if begins("ping") => ServerMessage::Ping,
        _ if begins("welcome") || begins("state") => ServerMessage::Other,
        _ => ServerMessage::Made(Encoding::Json.replies(message, |_, status| match status {
            201 => Ok(()),
            status => Err(BenchError::unexpected("a command over WebSocket", status, message)),
        })?),
    })
}

/// `fusion`: each `create_fulfillment` of a paid order is a fact of the vendor's topic `orders`.
struct Orders {
    shop: Shop,
    server: Server,
    about: String,
    clients: usize,
    /// Orders that are paid and not fulfilled.
    paid: Vec<String>,
    made: u64,
    _scratch: Scratch,
}

impl Orders {
    fn start(options: &Options) -> Result<Self> {
        let scratch = Scratch::new(&options.work_dir)?;
        let server = Server::start(&options.binary, &scratch.path().join("data"))?;
        let shop = Shop::open(&server)?;
        let about = format!(
            "fusion: {}, topic orders, JSON; a fact is a create_fulfillment, a burst is one message of them",
            options.binary_named()
        );
        Ok(Self { shop, server, about, clients: options.clients, paid: Vec::new(), made: 0, _scratch: scratch })
    }
}

impl Broadcaster for Orders {
    fn name(&self) -> &'static str {
        "fusion"
    }

    fn about(&self) -> &str {
        &self.about
    }

    fn pid(&self) -> u32 {
        self.server.pid()
    }

    fn endpoint(&self) -> Endpoint<'_> {
        Endpoint {
            peer: "fusion",
            address: self.server.address(),
            path: "/v1/ws",
            protocol: Some(Encoding::Json.protocol()),
        }
    }

    fn greeting(&self) -> Vec<u8> {
        let hello = String::from_utf8(Encoding::Json.hello(self.shop.vendor())).unwrap_or_default();
        format!("[{hello},{{\"op\":\"subscribe\",\"topic\":\"orders\"}}]").into_bytes()
    }

    fn control(&self) -> (Endpoint<'_>, Vec<u8>) {
        (self.endpoint(), Encoding::Json.hello(self.shop.vendor()))
    }

    fn prepare(&mut self, facts: usize) -> Result<()> {
        eprintln!("fan-out: {facts} orders, paid and ready to be sent");
        self.paid = crate::checkout::paid_orders(&mut self.shop, &self.server, facts, self.clients)?;
        Ok(())
    }

    fn burst(&mut self, facts: usize) -> Result<Vec<u8>> {
        let Some(rest) = self.paid.len().checked_sub(facts) else {
            return Err(BenchError::Setup("the orders for the bursts ran out".to_owned()));
        };
        let commands: Vec<String> = self
            .paid
            .drain(rest..)
            .map(|order| {
                self.made += 1;
                let id = self.made;
                format!(
                    "{{\"op\":\"command\",\"id\":{id},\"key\":\"fulfil-{id}\",\"name\":\"create_fulfillment\",\
                     \"params\":{{\"id\":\"{order}\"}},\"body\":{{}}}}"
                )
            })
            .collect();
        Ok(format!("[{}]", commands.join(",")).into_bytes())
    }

    fn parse(&self, message: &[u8]) -> Result<ServerMessage> {
        parse_fusion(message)
    }
}

/// A program in `bench/peers`.
struct Script {
    name: &'static str,
    about: String,
    address: SocketAddr,
    child: Child,
}

impl Script {
    fn start(options: &Options, name: &'static str) -> Result<Self> {
        let folder = installed(options)?;
        let runtime = if name == "bun" { bun_in(&folder)? } else { PathBuf::from("node") };
        let mut child = dies_with_us(&runtime)
            .arg(folder.join(name).with_extension("js"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .doing(format!("starting {}", runtime.display()))?;
        scratch::started(child.id());
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line).doing(format!("reading from {name}"))?;
        }
        let (address, version) = line.trim().split_once(' ').unwrap_or_default();
        let Ok(address) = address.parse() else {
            let _ = child.kill();
            return Err(BenchError::Setup(format!("{name} did not start; its reasons are above")));
        };
        let how = if name == "bun" { "server.publish for each fact" } else { "send to each socket for each fact" };
        Ok(Self { name, about: format!("{name}: {version}, {how}, 128 bytes of text"), address, child })
    }

    fn at<'a>(&self, path: &'a str) -> Endpoint<'a>
    where
        Self: 'a,
    {
        Endpoint { peer: self.name, address: self.address, path, protocol: None }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        scratch::ended(self.child.id());
    }
}

impl Broadcaster for Script {
    fn name(&self) -> &'static str {
        if self.name == "bun" { "Bun" } else { self.name }
    }

    fn about(&self) -> &str {
        &self.about
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn endpoint(&self) -> Endpoint<'_> {
        self.at("/")
    }

    fn greeting(&self) -> Vec<u8> {
        Vec::new()
    }

    fn control(&self) -> (Endpoint<'_>, Vec<u8>) {
        (self.at("/control"), Vec::new())
    }

    fn prepare(&mut self, _facts: usize) -> Result<()> {
        Ok(())
    }

    fn burst(&mut self, facts: usize) -> Result<Vec<u8>> {
        Ok(facts.to_string().into_bytes())
    }

    fn parse(&self, message: &[u8]) -> Result<ServerMessage> {
        parse_script(message)
    }
}

/// Interprets a message of `bench/peers/*.js`: `+` with the number of earlier facts, `=` for a burst that is made, or a
/// fact with its number.
fn parse_script(message: &[u8]) -> Result<ServerMessage> {
    let odd = || BenchError::unexpected("a message from a peer", 0, message);
    let of = |text: &[u8]| number(text).map(|(number, _)| number).ok_or_else(odd);
    Ok(match message {
        [b'+', rest @ ..] => ServerMessage::Subscribed(of(rest)?),
        [b'=', ..] => ServerMessage::Made(1),
        _ => ServerMessage::Fact(of(message)?),
    })
}

/// The folder with the peers' programs and packages, below `target`. Installs them if they are missing or differ from
/// the required ones.
pub(super) fn installed(options: &Options) -> Result<PathBuf> {
    let from = options.repository.join("bench/peers");
    let folder = options.repository.join("target/bench-peers");
    std::fs::create_dir_all(&folder).doing(format!("making {}", folder.display()))?;
    let same = |name: &str| std::fs::read(from.join(name)).ok() == std::fs::read(folder.join(name)).ok();
    let fresh = same("package-lock.json") && bun_in(&folder).is_ok() && folder.join("node_modules/ws").is_dir();
    for name in ["package.json", "package-lock.json", "bun.js", "ws.js"] {
        std::fs::copy(from.join(name), folder.join(name)).doing(format!("copying {name}"))?;
    }
    if fresh {
        return Ok(folder);
    }
    eprintln!("fan-out: installing Bun and ws into {}", folder.display());
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    let done = Command::new("npm").args(arguments).current_dir(&folder).stdout(Stdio::null()).status();
    match done {
        Ok(status) if status.success() => Ok(folder),
        Ok(status) => Err(missing(&format!("npm ci in {} failed ({status})", folder.display()))),
        Err(error) => Err(missing(&format!("npm does not start ({error})"))),
    }
}

fn missing(what: &str) -> BenchError {
    BenchError::Setup(format!("{what}: the peers need Node with npm; without them: --broadcasters fusion"))
}

/// Finds Bun in its package for this machine; npm fetches no other.
fn bun_in(folder: &Path) -> Result<PathBuf> {
    let packages = std::fs::read_dir(folder.join("node_modules/@oven")).into_iter().flatten().flatten();
    let mut binaries: Vec<PathBuf> = packages.map(|package| package.path().join("bin/bun")).collect();
    binaries.sort();
    let found = binaries.into_iter().find(|binary| binary.is_file());
    found.ok_or_else(|| missing("npm brought no Bun for this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_fusion_are_distinguished() {
        let parse = |message: &str| parse_fusion(message.as_bytes()).map_err(|error| error.to_string());
        let event = r#"{"op":"event","topic":"orders","offset":17,"type":"order_changed","data":{"order_id":"X"}}"#;
        assert_eq!(parse(event), Ok(ServerMessage::Fact(17)));
        let subscribed = r#"{"op":"subscribed","topic":"orders","epoch":"3f","offset":4,"state":{}}"#;
        assert_eq!(parse(subscribed), Ok(ServerMessage::Subscribed(4)));
        assert_eq!(parse(r#"{"op":"ping"}"#), Ok(ServerMessage::Ping));
        assert_eq!(parse(r#"{"op":"welcome","server_time":1}"#), Ok(ServerMessage::Other));
        let replies = r#"[{"op":"reply","id":1,"status":201},{"op":"reply","id":2,"status":201}]"#;
        assert_eq!(parse(replies), Ok(ServerMessage::Made(2)));
        assert!(parse(r#"{"op":"reply","id":1,"status":409}"#).is_err());
        assert!(parse("nonsense").is_err());
    }

    #[test]
    fn messages_of_the_scripts_are_distinguished() {
        let parse = |message: &str| parse_script(message.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(parse("+12"), Ok(ServerMessage::Subscribed(12)));
        assert_eq!(parse("=112"), Ok(ServerMessage::Made(1)));
        assert_eq!(parse(&format!("{:0>12}{}", 13, ".".repeat(116))), Ok(ServerMessage::Fact(13)));
        assert!(parse("....").is_err());
    }
}
