#![allow(clippy::unwrap_used)]
use super::*;

fn read(flags: &[(&'static str, &str)], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Config::read(&ConfigSources::flags(flags), environment)
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fusion.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn defaults_work() {
    let config = read(&[], &[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.api.public_url, "http://127.0.0.1:8080");
    assert_eq!(config.mail, MailRoute::Outbox { folder: "./data/outbox".into() });
    assert!(!config.dev && config.api.default_tenant.is_none());
}

#[test]
fn the_public_url_has_the_chosen_port_unless_it_is_configured() {
    let chosen = "0.0.0.0:4711".parse().unwrap();
    let config = read(&[("listen", "0.0.0.0:0")], &[]).unwrap().listening_on(chosen);
    assert_eq!((config.listen, config.api.public_url.as_str()), (chosen, "http://127.0.0.1:4711"));
    let sources = [("listen", "0.0.0.0:0"), ("public_url", "https://shop.example")];
    assert_eq!(read(&sources, &[]).unwrap().listening_on(chosen).api.public_url, "https://shop.example");
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let (_folder, path) = file("listen = \"127.0.0.1:1\"\nworkers = 3\ntax_basis_points = 1900\n");
    let environment = [("FUSION_CONFIG", path.as_str()), ("FUSION_LISTEN", "127.0.0.1:2"), ("FUSION_WORKERS", "4")];
    let config = read(&[("listen", "127.0.0.1:3")], &environment).unwrap();
    assert_eq!((config.listen.port(), config.workers, config.api.tax_basis_points), (3, 4, 1_900));
}

#[test]
fn a_file_has_lists_and_tables() {
    let (_folder, path) = file(
        "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\ndev = true\n[hosts]\n\"Shop.example\" = \"acme\"\n\"b.example\" = \"bolt\"\n",
    );
    let config = read(&[("config", &path)], &[]).unwrap();
    assert_eq!(config.api.trusted_proxies.len(), 2);
    let hosts: Vec<_> = config.api.hosts.keys().map(String::as_str).collect();
    assert_eq!(hosts, ["b.example", "shop.example"]);
    assert!(config.dev);
    assert_eq!(config.api.default_tenant.unwrap().as_str(), DEMO_TENANT);
}

#[test]
fn all_errors_are_reported_at_once_with_their_place() {
    let (_folder, path) =
        file("rol = \"vendor\"\nlisen = \"x\"\nlisten_adress = \"x\"\nworkers = 0\nupload_bytes_max = \"1 parsec\"\n");
    let environment = [("FUSION_CONFIG", path.as_str()), ("FUSION_RATE_ADDRESS", "fast"), ("FUSION_TOKEN_TTL", "1s")];
    let error = read(&[("listen", "here")], &environment).unwrap_err().to_string();
    for part in [
        "8 errors in the configuration",
        "--listen \"here\": must be an address and a port",
        "FUSION_RATE_ADDRESS \"fast\": must be requests per second",
        "FUSION_TOKEN_TTL: must be at least a minute",
        ": unknown setting \"lisen\" (did you mean listen?)",
        ": unknown setting \"rol\" (did you mean role?)",
        ": unknown setting \"listen_adress\"",
        ": workers \"0\": must be a positive integer",
        ": upload_bytes_max \"1 parsec\": must be a size",
    ] {
        assert!(error.contains(part), "{part} is missing in:\n{error}");
    }
}

#[test]
fn a_missing_or_malformed_file_is_an_error() {
    let error = read(&[("config", "/nowhere/fusion.toml")], &[]).unwrap_err().to_string();
    assert!(error.contains("--config: /nowhere/fusion.toml: "), "{error}");
    let (_folder, path) = file("listen = \n");
    assert!(read(&[("config", &path)], &[]).is_err());
}

#[test]
fn a_secret_is_not_repeated_when_it_is_wrong() {
    let error = read(&[], &[("FUSION_SMTP_URL", "http://user:hunter2@mail.example")]).unwrap_err().to_string();
    assert!(error.contains("FUSION_SMTP_URL") && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_default_tenant_is_for_development_only() {
    let error = read(&[], &[("FUSION_DEFAULT_TENANT", "acme")]).unwrap_err().to_string();
    assert!(error.contains("requires --dev"), "{error}");
    assert!(read(&[("dev", "true")], &[("FUSION_DEFAULT_TENANT", "acme")]).is_ok());
}

#[test]
fn the_sandbox_is_disabled_unless_configured() {
    let providers = |flags: &[(&'static str, &str)]| {
        let config = read(flags, &[]).unwrap();
        assert_eq!(config.sandbox, !config.api.payment_providers.is_empty());
        config.api.payment_providers
    };
    assert!(providers(&[]).is_empty());
    assert_eq!(providers(&[("dev", "true")]), ["sandbox"]);
    assert_eq!(providers(&[("sandbox_payments", "true")]), ["sandbox"]);
    assert!(providers(&[("dev", "true"), ("sandbox_payments", "false")]).is_empty());
}

#[test]
fn values_have_units() {
    assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!((duration("15min"), duration("15 m")), (duration("15m"), duration("900s")));
    assert_eq!((duration("30d"), duration("1h 30m")), (duration("720h"), duration("90m")));
    assert!(duration("5").is_err() && duration("h").is_err() && duration("-1s").is_err());
    assert_eq!((bytes("16MiB"), bytes("16MB"), bytes("16 m")), (Ok(16 << 20), Ok(16 << 20), Ok(16 << 20)));
    assert!(bytes("0").is_err() && bytes("99999999999GiB").is_err());
    assert_eq!(rate("5/50").map(|rate| rate.burst.get()), Ok(50));
    assert!(rate("5").is_err() && rate("0/1").is_err());
    assert!(origins("https://shop.example/").is_err() && origins("any").is_ok());
}
