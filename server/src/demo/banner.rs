//! What `--dev` prints when everything is there.

use std::net::SocketAddr;

use serde_json::Value;

use super::Demo;
use crate::config::Config;

impl Demo {
    /// Tokens, three lines that work when they are pasted, and the address last.
    pub(crate) fn banner(&self, config: &Config, address: SocketAddr) -> String {
        let url = match config.listen.port() {
            // Port 0 takes any: only now it is known which.
            0 => format!("http://{address}"),
            _ => config.doors.public_url.clone(),
        };
        let (vendor, customer, products) = (&self.vendor, &self.customer, self.products);
        let (open, next) = (text(&self.open, "id"), text(&self.next, "id"));
        let (open_title, next_title) = (text(&self.open, "title"), text(&self.next, "title"));
        let (sku, starts) = (text(&self.open["items"][0], "sku"), text(&self.next, "starts_at"));
        let claim = serde_json::json!({"sku": sku, "quantity": 1}).to_string().replace('\'', "'\\''");
        format!(
            "\nThe demo shop is open: {products} products, two drops.\n\
             \n  {open_title}\n  {next_title} (at {starts}: {url}/v1/drops/{next})\n\
             \nDevelopment tokens, good for a day:\n\
             \n  vendor    {vendor}\n  customer  {customer}\n\
             \nSee the open drop:\n\
             \ncurl -s {url}/v1/drops/{open}\n\
             \nClaim a unit of it:\n\
             \ncurl -s -X POST {url}/v1/drops/{open}/claims -H 'Authorization: Bearer {customer}' \
             -H 'Idempotency-Key: my-first-claim' -H 'Content-Type: application/json' -d '{claim}'\n\
             \nWatch its claims as the vendor:\n\
             \ncurl -s {url}/v1/drops/{open}/claims -H 'Authorization: Bearer {vendor}'\n\
             \nOr make a crowd: fusion demo crowd --buyers 200\n\
             \n{url}\n"
        )
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
