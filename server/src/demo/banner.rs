//! The banner that `--dev` prints when the demo shop is ready.

use std::path::Path;

use serde_json::Value;

use super::{
    Demo,
    seed::{VENDOR_EMAIL, VENDOR_PASSWORD},
};
use crate::{config::Config, program};

/// The URL and the folder that commands use by default.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const DEFAULT_FOLDER: &str = "./data";

impl Demo {
    /// Returns the banner: tokens, commands to paste, and the address in the last line.
    pub(crate) fn banner(&self, config: &Config) -> String {
        let url = &config.api.public_url;
        let (vendor, customer, products) = (&self.vendor, &self.customer, self.products);
        let (open, next) = (text(&self.open, "id"), text(&self.next, "id"));
        let next_title = text(&self.next, "title");
        let open_now: String = self.open_drops.iter().map(|drop| listed(url, drop)).collect();
        let drops = match self.open_drops.len() + 1 {
            2 => "two drops".to_owned(),
            count => format!("{count} drops"),
        };
        let (sku, starts) = (text(&self.open["items"][0], "sku"), text(&self.next, "starts_at"));
        let claim = serde_json::json!({"sku": sku, "quantity": 1}).to_string().replace('\'', "'\\''");
        let fusion = program::name();
        let shop = match url == DEFAULT_URL {
            true => String::new(),
            false => format!(" --url {}", program::quoted(url)),
        };
        let folder = match config.data_dir == Path::new(DEFAULT_FOLDER) {
            true => String::new(),
            false => format!(" --data-dir {}", program::quoted(&config.data_dir.to_string_lossy())),
        };
        format!(
            "\nThe demo shop is open: {products} products, {drops}.\n\
             \n{open_now}  Opening soon: {next_title} (at {starts})\n                {url}/drops/{next}\n\
             \nThe console, for shop staff: {url}/console\n  sign in as {VENDOR_EMAIL} with the password {VENDOR_PASSWORD}\n\
             \nDevelopment tokens, valid for a day:\n\
             \n  vendor    {vendor}\n  customer  {customer}\n\
             \nRead the open drop:\n\
             \ncurl -sw '\\n' {url}/v1/drops/{open}\n\
             \nClaim a unit of it:\n\
             \ncurl -sw '\\n' -X POST {url}/v1/drops/{open}/claims -H 'Authorization: Bearer {customer}' \
             -H 'Idempotency-Key: my-first-claim' -H 'Content-Type: application/json' -d '{claim}'\n\
             \nWatch its claims as the vendor:\n\
             \ncurl -sw '\\n' {url}/v1/drops/{open}/claims -H 'Authorization: Bearer {vendor}'\n\
             \nSimulate a crowd, and check the data afterwards:\n\
             \n{fusion} demo crowd --buyers 200{shop}{folder}\n{fusion} doctor{folder}\n\
             \nThe shop:\n\n{url}\n"
        )
    }
}

/// Returns the line of an open drop with its URL.
fn listed(url: &str, drop: &Value) -> String {
    format!("  Open now:     {}\n                {url}/drops/{}\n", text(drop, "title"), text(drop, "id"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
