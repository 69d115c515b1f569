//! Resolves the path of a page.
//!
//! The paths of products and drops contain a handle in front of the id: `/products/rain-jacket-6SK2…`. The handle is
//! optional.

use engine::{
    id::{DropId, ProductId, TenantId},
    product::Handle,
};

/// The length of an id in characters.
const ID_CHARS: usize = 26;

/// A page of the shop or of the console.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Address {
    /// A product's page.
    Product(ProductId),
    /// A product's page, by its handle only.
    Handle(Handle),
    /// A drop's page.
    Drop(DropId),
    /// A page whose HTML is the same for everyone: the browser renders its content.
    Page,
    /// A path without a page.
    Unknown,
}

impl Address {
    /// Resolves a decoded path without its leading slash.
    pub(super) fn of(path: &str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            [""] | ["checkout" | "orders" | "account" | "reset-password" | "verify"] | ["console", ..] => Address::Page,
            ["orders", id] if !id.is_empty() => Address::Page,
            ["products", name] => match id_in(name).and_then(|id| id.parse().ok()) {
                Some(product) => Address::Product(product),
                None => Handle::new(name).map_or(Address::Unknown, Address::Handle),
            },
            ["drops", name] => match id_in(name).and_then(|id| id.parse().ok()) {
                Some(drop) => Address::Drop(drop),
                None => Address::Unknown,
            },
            ["drops", name, "checkout"] => match id_in(name).and_then(|id| id.parse::<DropId>().ok()) {
                Some(_) => Address::Page,
                None => Address::Unknown,
            },
            _ => Address::Unknown,
        }
    }
}

/// Returns the id in `handle-id`, or in a plain id.
fn id_in(name: &str) -> Option<&str> {
    let start = name.len().checked_sub(ID_CHARS)?;
    let (before, id) = name.split_at_checked(start)?;
    (before.is_empty() || before.ends_with('-')).then_some(id)
}

/// Returns the path of a product's page.
pub(super) fn product_path(handle: &Handle, tenant: &TenantId) -> String {
    format!("/products/{handle}-{}", handle.product(tenant))
}

/// Returns the path of a drop's page, with a handle made from its title.
pub(super) fn drop_path(title: &str, drop: DropId) -> String {
    match Handle::from_title(title) {
        Ok(handle) => format!("/drops/{handle}-{drop}"),
        Err(_) => format!("/drops/{drop}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn products_and_drops_are_found_by_their_id_with_and_without_a_handle() {
        let (drop, product) = (DropId(7), ProductId(9));
        assert_eq!(Address::of(&format!("drops/{drop}")), Address::Drop(drop));
        assert_eq!(Address::of(&format!("drops/rain-jacket-{drop}/")), Address::Drop(drop));
        assert_eq!(Address::of(&format!("drops/rain-jacket-{drop}/checkout")), Address::Page);
        assert_eq!(Address::of(&format!("products/{product}")), Address::Product(product));
        assert_eq!(Address::of(&format!("products/łóżko-{product}")), Address::Product(product));
        assert_eq!(Address::of("products/rain-jacket"), Address::Handle(Handle::new("rain-jacket").unwrap()));
    }

    #[test]
    fn unknown_pages_are_not_recognised() {
        let drop = DropId(7);
        for path in [
            ".env",
            "wp-login.php",
            "drops",
            "drops/x",
            "drops/x/checkout",
            "drops/ż",
            "products",
            "products/",
            "products/Not A Handle",
            "orders/1/2",
            "orders//",
            "checkout/1",
            "consoles",
            "nothing/here",
        ] {
            assert_eq!(Address::of(path), Address::Unknown, "{path}");
        }
        assert_eq!(Address::of(&format!("drops/x{drop}")), Address::Unknown, "a handle ends with a hyphen");
        for path in [
            "",
            "/",
            "checkout",
            "orders",
            "orders/1",
            "account",
            "reset-password",
            "verify",
            "console",
            "console/orders/1",
        ] {
            assert_eq!(Address::of(path), Address::Page, "{path}");
        }
    }

    #[test]
    fn an_address_parses_to_its_page() {
        let tenant = TenantId::new("demo").unwrap();
        let handle = Handle::new("rain-jacket").unwrap();
        let path = product_path(&handle, &tenant);
        assert_eq!(Address::of(path.trim_start_matches('/')), Address::Product(handle.product(&tenant)));
        let path = drop_path("Night Market: Tee", DropId(7));
        assert_eq!(path, format!("/drops/night-market-tee-{}", DropId(7)));
        assert_eq!(Address::of(path.trim_start_matches('/')), Address::Drop(DropId(7)));
    }
}
