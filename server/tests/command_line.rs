//! Tests of the commands beside `serve`: through a running server, and on the folder of a stopped one.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

fn fusion(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fusion"));
    command.args(arguments.split_ascii_whitespace()).arg("--data-dir").arg(folder).stdin(Stdio::null());
    command.env("FUSION_PASSWORD_MEMORY_KIB", "64");
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    fusion(folder, arguments).output().unwrap()
}

fn output_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn succeed(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "fusion {arguments}: {}", output_of(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn refuse(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    assert!(!output.status.success(), "fusion {arguments} was not refused: {}", output_of(&output));
    String::from_utf8(output.stderr).unwrap()
}

/// A server under `--dev`, and its output.
struct Server {
    child: Child,
    printed: Vec<String>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child =
            fusion(folder, "serve --dev --listen 127.0.0.1:0 --log warn").stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            printed.push(line.unwrap());
            // The address is the last line.
            if printed.last().unwrap().starts_with("http://") {
                break;
            }
        }
        Self { child, printed }
    }

    fn curls(&self) -> Vec<&str> {
        self.printed.iter().map(String::as_str).filter(|line| line.starts_with("curl ")).collect()
    }

    fn stop(mut self) {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "SIGTERM ends in order: {status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server did not stop");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A catalogue of two products, one of them with two sizes, and a row that is refused.
const CATALOGUE: &str = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty\n\
    test-shirt,Test Shirt,Size,S,TEST-S,19.90,5\n\
    test-shirt,,,M,TEST-M,19.90,7\n\
    test-mug,Test Mug,Title,Default Title,TEST-MUG,-1,3\n\
    test-cap,Test Cap,Title,Default Title,TEST-CAP,9.00,4\n";

#[test]
fn a_shop_is_run_from_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let file = home.path().join("catalogue.csv");
    std::fs::write(&file, CATALOGUE).unwrap();
    let import = format!("import products {}", file.display());
    let server = Server::start(&data);

    // The commands of the banner work when they are pasted.
    assert_eq!(server.curls().len(), 3, "{:?}", server.printed);
    for line in server.curls() {
        let output = Command::new("bash").args(["-c", line]).output().unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(answer.get("code").is_none(), "{line}\n{answer}");
    }
    let of_fusion = |line: &&String| line.contains(" demo crowd ") || line.contains(" doctor");
    let lines: Vec<_> = server.printed.iter().filter(of_fusion).collect();
    assert_eq!(lines.len(), 2, "{:?}", server.printed);
    for line in lines {
        let output = Command::new("bash").args(["-c", line]).output().unwrap();
        assert!(output.status.success(), "{line}\n{}", output_of(&output));
        if line.contains(" demo crowd ") {
            let text = "the drop now: 0 available, 120 held, 0 sold of 120";
            assert!(output_of(&output).contains(text), "{}", output_of(&output));
        }
    }

    // Through the running server.
    assert!(succeed(&data, &format!("{import} --dry-run")).contains("nothing was changed"));
    let text = succeed(&data, &import);
    assert!(text.contains("1 rejected rows") && text.contains("below zero"), "{text}");
    let text = succeed(&data, &format!("{import} --dry-run"));
    let counts = |text: &str| text.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u64>>();
    // Rows, created, updated, unchanged, variants, stock set, imported, refused, followed by the number of listed rows.
    assert_eq!(counts(&text)[..8], [4, 0, 0, 2, 0, 0, 3, 1], "{text}");
    let exported = succeed(&data, "export products");
    assert!(exported.contains("TEST-M") && !exported.contains("TEST-MUG"), "{exported}");
    assert_eq!(succeed(&data, "export products --format jsonl").lines().count(), 17);
    succeed(&data, "tenants add acme --currency EUR");
    let text = refuse(&data, "tenants add acme --currency EUR");
    assert!(text.contains("a tenant of this name exists") && text.contains("tenants list"), "{text}");
    assert!(refuse(&data, "import products /nowhere.csv").contains("/nowhere.csv"));
    assert_eq!(succeed(&data, "token --role vendor --tenant acme --ttl 5m").trim().split('.').count(), 3);
    assert!(refuse(&data, "token --role vendor --tenant nobody").contains("tenant nobody does not exist"));
    assert!(succeed(&data, "doctor").contains("everything agrees"));
    for command in ["rebuild", "migrate"] {
        let refused = refuse(&data, command);
        assert!(refused.contains(&format!("in use by process {}", server.child.id())), "{refused}");
    }
    server.stop();

    // On the folder of the stopped server.
    assert!(succeed(&data, "doctor").contains("everything agrees"));
    let again = home.path().join("again.csv");
    succeed(&data, &format!("export products --output {}", again.display()));
    let text = succeed(&data, &format!("import products {}", again.display()));
    // An exported catalogue is unchanged by its own import.
    assert!(matches!(counts(&text)[..], [rows, 0, 0, 17, 0, 0, imported, 0] if rows == imported), "{text}");
    assert!(std::fs::read(&again).unwrap().starts_with("\u{feff}".as_bytes()), "as spreadsheets want it");
    succeed(&data, "rebuild");
    assert!(succeed(&data, "doctor").contains("everything agrees"));
    assert!(!data.join("fusion.sock").exists(), "the socket goes with the server");
    assert!(refuse(&data, "serve --listen 127.0.0.1:0").contains("development secrets"));
}

#[test]
fn an_account_needs_a_tenant_and_a_password() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    succeed(&data, "tenants add acme --currency EUR");
    let add = |password: &str, arguments: &str| {
        let output = fusion(&data, arguments).env("FUSION_PASSWORD", password).output().unwrap();
        (output.status.success(), output_of(&output))
    };
    let whom = "users add --role vendor --email ann@example.com";
    assert!(add("correct horse", &format!("{whom} --tenant acme")).0);
    let (done, text) = add("correct horse", &format!("{whom} --tenant acme"));
    assert!(!done && text.contains("another account has this e-mail address"), "{text}");
    let (done, text) = add("short", "users add --role vendor --email bob@example.com --tenant acme");
    assert!(!done && text.contains("the password must be between 8 and 256 characters long"), "{text}");
    for (weak, words) in [("Password123!", "is too common"), ("bob@example.com", "is too easy to guess")] {
        let (done, text) = add(weak, "users add --role vendor --email bob@example.com --tenant acme");
        assert!(!done && text.contains(&format!("the password {words}")), "{text}");
    }
    let (done, text) = add("correct horse", "users add --role vendor --email bob@example.com --tenant bolt");
    assert!(!done && text.contains("no such tenant"), "{text}");
    let (done, text) = add("correct horse", whom);
    assert!(!done && text.contains("--tenant"), "{text}");
}

#[test]
fn an_option_is_said_by_a_flag_or_the_environment_or_the_file() {
    let home = tempfile::tempdir().unwrap();
    let (data, file) = (home.path().join("data"), home.path().join("fusion.toml"));
    let keys = "currency = \"EUR\"\nhost = [\"a.example\", \"b.example\"]\nrole = \"vendor\"\ndry_run = true\n";
    std::fs::write(&file, keys).unwrap();
    let run = |environment: &[(&str, &str)], arguments: &str| {
        let mut command = fusion(&data, arguments);
        command.env("FUSION_CONFIG", &file).envs(environment.iter().copied()).output().unwrap()
    };
    let succeed = |environment: &[(&str, &str)], arguments: &str| {
        let output = run(environment, arguments);
        assert!(output.status.success(), "{environment:?} fusion {arguments}: {}", output_of(&output));
        output_of(&output)
    };
    // The file contains all options, including a host name that only one shop can have.
    succeed(&[], "tenants add one");
    assert!(output_of(&run(&[], "tenants add two")).contains("another tenant has the host name a.example"));
    // The environment overrides the file, and flags override both.
    let host = [("FUSION_HOST", "c.example")];
    succeed(&host, "tenants add two");
    assert!(output_of(&run(&host, "tenants add three")).contains("another tenant has the host name c.example"));
    succeed(&host, "tenants add three --host d.example");
    assert_eq!(succeed(&[("FUSION_TTL", "5m")], "token --tenant one").trim().split('.').count(), 3);

    let orders = home.path().join("orders.csv");
    succeed(&[("FUSION_OUTPUT", orders.to_str().unwrap())], "export orders --tenant one");
    assert!(orders.exists());
    let catalogue = home.path().join("catalogue.csv");
    std::fs::write(&catalogue, CATALOGUE).unwrap();
    let import = format!("import products {} --tenant one", catalogue.display());
    assert!(succeed(&[], &import).contains("nothing was changed"));
    assert!(!succeed(&[("FUSION_DRY_RUN", "false")], &import).contains("nothing was changed"));

    // An option that is missing may be in a file that cannot be read.
    std::fs::write(&file, "role = \n").unwrap();
    let output = run(&[], "token --tenant one");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output_of(&output).contains("FUSION_CONFIG: ") && output_of(&output).contains("fusion.toml"),
        "{}",
        output_of(&output)
    );
}

#[test]
fn invalid_options_are_reported_before_the_start() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let output = fusion(&data, "serve --workers 0 --token-ttl 1s").env("FUSION_LISTEN", "here").output().unwrap();
    let text = output_of(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("3 errors") && text.contains("FUSION_LISTEN \"here\""), "{text}");
    assert!(!data.exists(), "nothing was made");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = refuse(&data, &format!("serve --dev --listen {address} --log warn"));
    assert!(text.contains(&format!("{address} is in use")) && text.contains("--listen"), "{text}");
    assert!(refuse(&data, "token --role vendor --tenant acme").contains("has no keys yet"));
    assert!(refuse(&data, "doctor").contains("does not exist: use --data-dir"));
}

#[test]
fn a_crowd_goes_to_the_drop_that_was_announced() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let text = refuse(&data, "demo crowd --buyers 2 --url http://127.0.0.1:9");
    assert!(text.contains("no server responds at http://127.0.0.1:9") && text.contains("serve --dev"), "{text}");
    assert!(refuse(&data, "demo crowd --buyers 2 --url here").contains("is not a valid server URL"));

    let server = Server::start(&data);
    let url = server.printed.last().unwrap().clone();
    let announced = server.printed.iter().find_map(|line| line.trim().strip_prefix(&format!("{url}/drops/"))).unwrap();
    let vendor = succeed(&data, "token --role vendor");
    let call = |method: &str, path: &str, key: &str, body: &str| {
        let line = format!(
            "curl -s -X {method} {url}{path} -H 'Authorization: Bearer {}' -H 'Idempotency-Key: {key}' \
             -H 'Content-Type: application/json' -d '{body}'",
            vendor.trim()
        );
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default()
    };
    // A newer open drop does not replace the one that the banner announced.
    let drop = call("GET", &format!("/v1/drops/{announced}"), "-", "");
    let sku = drop["items"][0]["sku"].as_str().unwrap();
    call("POST", &format!("/v1/inventory/{sku}/adjustments"), "more", r#"{"delta": 9, "reason": "more"}"#);
    let newer = format!(
        r#"{{"title": "Newer", "sku": "{sku}", "quantity": 9, "price": {{"amount": 100, "currency": "USD"}},
            "per_buyer_max": 1, "hold_seconds": 60, "ends_at": "2099-01-01T00:00:00Z"}}"#
    );
    let newer = call("POST", "/v1/drops", "newer", &newer);
    let newer = newer["id"].as_str().unwrap_or_else(|| panic!("{newer}"));
    // Without --url: the URL comes from the server of the folder.
    let text = succeed(&data, "demo crowd --buyers 2");
    assert!(text.contains(announced) && !text.contains(newer), "{text}");
    let text = succeed(&data, &format!("demo crowd --buyers 2 --drop {newer}"));
    assert!(text.contains("\"Newer\"") && text.contains("claimed"), "{text}");

    for unknown in ["zzz", "a/b?c", "00000000000000000000000000"] {
        let text = refuse(&data, &format!("demo crowd --buyers 2 --drop {unknown}"));
        assert!(text.contains(&format!("drop {unknown:?} does not exist")) && text.contains("omit --drop"), "{text}");
    }
    call("POST", &format!("/v1/drops/{newer}/end"), "end", "{}");
    let deadline = Instant::now() + PATIENCE;
    while call("GET", &format!("/v1/drops/{newer}"), "-", "")["state"] != "ended" {
        assert!(Instant::now() < deadline, "the drop ends");
    }
    let text = refuse(&data, &format!("demo crowd --buyers 2 --drop {newer}"));
    assert!(text.contains("is ended"), "{text}");
    server.stop();
}

#[test]
fn shops_and_accounts_are_listed_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    for command in ["export products", "users list", "tenants list", "tenants remove acme", "rebuild", "migrate"] {
        let text = refuse(&data, &format!("{command} --tenant acme"));
        assert!(text.contains("does not exist: use --data-dir") && text.contains("--data-dir"), "{command}: {text}");
        assert!(!data.exists(), "{command} makes none");
    }
    assert!(refuse(home.path(), "export orders --tenant acme").contains("is not a data folder"));

    succeed(&data, "tenants add acme --currency EUR --host shop.example");
    succeed(&data, "tenants add typo --currency JPY");
    for (arguments, words) in [
        ("tenants add other --currency XXX", "not legal tender"),
        ("tenants add other --currency BGN", "not legal tender"),
        ("tenants add other --currency euro", "not an ISO 4217 currency code"),
        ("tenants add Other_ --currency EUR", "must be a name of a-z"),
        ("tenants add other", "--currency"),
        ("tenants add other --currency EUR --host https://other.example/", "write it without scheme and path"),
        ("tenants add other --currency EUR --host shop.example", "tenants list"),
        ("tenants remove nobody", "tenant nobody does not exist"),
        ("export products --tenant nobody", "tenant nobody does not exist"),
    ] {
        let text = refuse(&data, arguments);
        assert!(text.contains(words), "{arguments}: {text}");
    }
    let listed = succeed(&data, "tenants list");
    assert!(listed.contains("acme") && listed.contains("shop.example") && listed.contains("JPY"), "{listed}");
    succeed(&data, "tenants remove typo");
    assert!(!succeed(&data, "tenants list").contains("typo"));

    for name in ["ann", "bob"] {
        let add = format!("users add --role vendor --tenant acme --email {name}@example.com");
        let output = fusion(&data, &add).env("FUSION_PASSWORD", "correct horse").output().unwrap();
        assert!(output.status.success(), "{}", output_of(&output));
    }
    let listed = succeed(&data, "users list --tenant acme");
    assert!(listed.contains("ann@example.com") && listed.contains("bob@example.com"), "{listed}");
    assert!(!succeed(&data, "users list --tenant acme --only-role admin").contains("ann@"));
    let text = refuse(&data, "tenants remove acme");
    assert!(text.contains("it has 2 accounts") && text.contains("users remove"), "{text}");
    assert!(refuse(&data, "users remove --tenant acme --email eve@example.com").contains("users list"));
    succeed(&data, "users remove --tenant acme --email ANN@example.com");
    assert!(!succeed(&data, "users list --tenant acme").contains("ann@example.com"));
    succeed(&data, "users remove --tenant acme --email bob@example.com");
    succeed(&data, "tenants remove acme");
}

/// Two products with prices in two currencies, cells that a spreadsheet would run as formulas, and duplicate SKUs.
const ODD: &str = "sep=,\nHandle,Title,Option1 Name,Option1 Value,SKU,Price,Inventory quantity,Currency,Image Src\n\
    odd-one,'=1+1,Size,S,ODD,12.50,-4,,HTTPS://x.example/a b.jpg\n\
    odd-one,,,M,ODD,13.50,10.0,,data:image/png\n\
    odd-yen,Yen,,,YEN,2499,3,JPY,\n";

#[test]
fn an_export_opens_in_a_spreadsheet_and_imports_unchanged() {
    let home = tempfile::tempdir().unwrap();
    let (data, file) = (home.path().join("data"), home.path().join("odd.csv"));
    std::fs::write(&file, ODD).unwrap();
    succeed(&data, "tenants add one --currency EUR");
    succeed(&data, "tenants add two --currency PLN");
    let import = |file: &Path, rest: &str| succeed(&data, &format!("import products {} {rest}", file.display()));
    let text = import(&file, "--tenant one");
    assert!(text.contains("the sku ODD is on line 3 already") && text.contains("\"ODD\""), "{text}");
    let text = import(&file, "--tenant one --duplicate-sku=derive");
    for words in ["it is odd-one.M here", "-4 units: the stock is set to 0", "embedded images"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let output = run(&data, "export products --tenant one");
    let (first, notes) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(notes.contains("EUR, JPY") && notes.contains("--only-currency"), "{notes}");
    let mut table = csv::Reader::from_reader(first.as_bytes());
    let header = table.headers().unwrap().clone();
    let rows: Vec<_> = table.records().map(Result::unwrap).collect();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let of = |handle: &str, name: &str| {
        let row = rows.iter().find(|row| &row[column("URL handle")] == handle).unwrap();
        row[column(name)].to_owned()
    };
    assert_eq!((of("odd-one", "Title"), of("odd-one", "Inventory quantity")), ("'=1+1".into(), "0".into()));
    assert_eq!((of("odd-yen", "Price"), of("odd-yen", "Currency")), ("2499".into(), "JPY".into()));
    assert_eq!(of("odd-one", "Product image URL"), "https://x.example/a%20b.jpg");
    let euros = succeed(&data, "export products --tenant one --only-currency EUR");
    assert!(euros.contains("odd-one") && !euros.contains("odd-yen"), "{euros}");

    // In a shop with another currency the result is the same.
    let copy = home.path().join("copy.csv");
    std::fs::write(&copy, &first).unwrap();
    import(&copy, "--tenant two");
    let lines = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&succeed(&data, "export products --tenant two")), lines(&first));
    let redirected = home.path().join("redirected.csv");
    let file = std::fs::File::create(&redirected).unwrap();
    assert!(fusion(&data, "export products --tenant one").stdout(file).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(&redirected).unwrap(), format!("\u{feff}{first}"), "a file has the mark");
    let orders = succeed(&data, "export orders --tenant one");
    assert!(orders.starts_with("Number,Id,Placed at,"), "{orders}");
    assert!(orders.contains(",Email,Name,Address line 1,") && orders.contains(",Currency,Subtotal,"), "{orders}");
}

#[test]
fn the_demo_uses_existing_data() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let file = home.path().join("catalogue.csv");
    std::fs::write(&file, CATALOGUE).unwrap();
    let drops = |server: &Server| -> Vec<String> {
        let lines = server.printed.iter().filter(|line| line.starts_with("   "));
        lines.filter_map(|line| line.split_once("/drops/").map(|(_, id)| id.to_owned())).collect()
    };
    let shop = |server: &Server| server.printed.iter().find(|line| line.contains(" products, ")).unwrap().clone();

    let server = Server::start(&data);
    let before = drops(&server);
    assert_eq!((before.len(), &shop(&server)[..]), (2, "The demo shop is open: 15 products, two drops."));
    // All units of the open drop are held, but it is still open.
    let crowd = server.printed.iter().find(|line| line.contains(" demo crowd ")).unwrap();
    assert!(Command::new("bash").args(["-c", crowd]).output().unwrap().status.success());
    succeed(&data, &format!("import products {}", file.display()));
    server.stop();

    let server = Server::start(&data);
    assert_eq!(drops(&server), before, "{:?}", server.printed);
    assert_eq!(shop(&server), "The demo shop is open: 17 products, two drops.");
    server.stop();
}

#[test]
fn starting_without_a_payment_provider_prints_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let first_line = |folder: &str, sandbox: &str| {
        let mut serve = fusion(&home.path().join(folder), "serve --listen 127.0.0.1:0 --log error");
        serve.env("FUSION_SANDBOX_PAYMENTS", sandbox);
        let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        line
    };
    let line = first_line("without", "false");
    assert!(line.starts_with("warning: no payment provider is configured, so orders cannot be paid"), "{line}");
    let line = first_line("with", "true");
    assert!(line.starts_with("fusion serves on http://"), "{line}");
}
