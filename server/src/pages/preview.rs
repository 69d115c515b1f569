//! Link previews: title, description and picture of a product or a drop, in the head of its page.
//!
//! The crawlers that create previews run no scripts, so the server writes the elements: Open Graph (<https://ogp.me>),
//! which all of them read, and the description for search engines.

use std::{
    fmt::Write,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use actors::{AskError, CommandMeta};
use engine::{
    flash_drop::{DropState, DropView, FlashDrop},
    id::{DropId, ProductId, TenantId},
    money::Money,
    product::{Product, ProductCommand, ProductReply, ProductView, Status},
};
use gateway::Gateway;
use quick_cache::sync::Cache;

use super::address::{Address, drop_path, product_path};

/// How long a preview is cached. Changes appear in shared links with this delay.
const REMEMBERED: Duration = Duration::from_secs(5);
/// The maximum number of cached previews, of 1 KB each. Beyond it the least used are evicted.
const REMEMBERED_MAX: usize = 1_024;
/// The maximum number of bytes of a description that are read. A preview shows less than its first paragraph.
const DESCRIPTION_BYTES_READ_MAX: usize = 4_096;
/// The maximum length of the shown description in characters: as much as search engines and messengers show.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// The picture for products without one, among the files of the pages.
const OWN_PICTURE: &str = "/share.png";
/// The name of the shop, as in `brand.ts`.
const SHOP: &str = "FusionCommerce";

/// The link preview of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Preview {
    title: String,
    description: String,
    image: Option<String>,
    price: Option<Money>,
    /// The canonical path of the page, with the handle.
    pub(super) path: String,
}

type Key = (TenantId, Address);
/// The time of the lookup, and its result.
type Remembered = (Instant, Option<Arc<Preview>>);

/// The cached previews by tenant and address: many requests for a shared link cost a single lookup.
static PREVIEWS: LazyLock<Cache<Key, Remembered>> = LazyLock::new(|| Cache::new(REMEMBERED_MAX));

/// The result of a lookup.
pub(super) enum Found {
    /// The product or drop exists.
    Preview(Arc<Preview>),
    /// It does not exist, or is not public.
    Missing,
    /// The lookup failed. The browser makes its own requests.
    Unknown,
}

/// Returns the preview of the product or drop at `address`.
pub(super) async fn of(gateway: &Gateway, tenant: &TenantId, address: &Address) -> Found {
    let key = (tenant.clone(), address.clone());
    let known = PREVIEWS.get(&key).filter(|(at, _)| at.elapsed() < REMEMBERED);
    let found = match known {
        Some((_, found)) => found,
        None => {
            let looked = match address {
                Address::Product(product) => of_product_at(gateway, tenant, *product).await,
                Address::Handle(handle) => of_product_at(gateway, tenant, handle.product(tenant)).await,
                Address::Drop(drop) => of_drop_at(gateway, tenant, *drop).await,
                Address::Page | Address::Unknown => None,
            };
            let Some(found) = looked else { return Found::Unknown };
            let found = found.map(Arc::new);
            PREVIEWS.insert(key, (Instant::now(), found.clone()));
            found
        }
    };
    found.map_or(Found::Missing, Found::Preview)
}

/// Returns `None` if the lookup failed, and `Some(None)` if the product is not visible.
async fn of_product_at(gateway: &Gateway, tenant: &TenantId, product: ProductId) -> Option<Option<Preview>> {
    let view = product_view(gateway, tenant, product).await?;
    Some(view.map(|view| of_product(&view, tenant)))
}

async fn product_view(gateway: &Gateway, tenant: &TenantId, product: ProductId) -> Option<Option<Arc<ProductView>>> {
    let view = gateway.commerce.ask::<Product>(&product.key(tenant), ProductCommand::View, CommandMeta::read()).await;
    match view {
        Ok(answered) => match answered.reply {
            ProductReply::Product(view) => Some((view.status == Status::Active).then_some(view)),
            ProductReply::Imported(_) | ProductReply::Quote(_) => None,
        },
        Err(AskError::Rejected(_)) => Some(None),
        Err(_) => None,
    }
}

async fn of_drop_at(gateway: &Gateway, tenant: &TenantId, drop: DropId) -> Option<Option<Preview>> {
    let view = match gateway.commerce.view::<FlashDrop>(&drop.key(tenant)).await {
        Ok(view) if view.state == DropState::Draft => return Some(None),
        Ok(view) => view,
        Err(AskError::Rejected(_)) => return Some(None),
        Err(_) => return None,
    };
    let product = match view.terms.product {
        Some(product) => product_view(gateway, tenant, product).await.flatten(),
        None => None,
    };
    Some(Some(of_drop(&view, product.as_deref())))
}

fn of_product(view: &ProductView, tenant: &TenantId) -> Preview {
    Preview {
        title: view.title.clone(),
        description: plain(view.description.as_str()),
        image: view.images.first().map(|image| image.src.clone()),
        price: view.variants.iter().map(|variant| variant.price).min_by_key(|price| price.amount),
        path: product_path(&view.handle, tenant),
    }
}

fn of_drop(view: &DropView, product: Option<&ProductView>) -> Preview {
    let title = match view.terms.title.is_empty() {
        true => product.map_or("Drop", |product| &product.title),
        false => &view.terms.title,
    };
    let units: u64 = view.items.iter().map(|item| item.quantity).sum();
    let price = view.items.iter().map(|item| item.price).min_by_key(|price| price.amount);
    let mut description = format!("A drop of {units}");
    if let Some(price) = price {
        // Writing to a string cannot fail.
        let _ = write!(description, ", from {price}");
    }
    description.push('.');
    if let Some(text) = product.map(|product| plain(product.description.as_str())).filter(|text| !text.is_empty()) {
        let _ = write!(description, " {text}");
    }
    Preview {
        title: title.to_owned(),
        description: shortened(&description),
        image: product.and_then(|product| product.images.first()).map(|image| image.src.clone()),
        price,
        path: drop_path(title, view.id),
    }
}

/// Returns the head elements of a preview, for a shop at `url`.
pub(super) fn head(preview: &Preview, url: &str) -> String {
    let page = format!("{url}{}", preview.path);
    let image = match preview.image.as_deref().unwrap_or(OWN_PICTURE) {
        path if path.starts_with('/') => format!("{url}{path}"),
        elsewhere => elsewhere.to_owned(),
    };
    let mut head = format!(
        "<title>{} · {SHOP}</title>\n    <link rel=\"canonical\" href=\"{}\" />",
        escaped(&preview.title),
        escaped(&page)
    );
    let kind = if preview.price.is_some() { "product" } else { "website" };
    let mut meta = |attribute: &str, name: &str, content: &str| {
        let _ = write!(head, "\n    <meta {attribute}=\"{name}\" content=\"{}\" />", escaped(content));
    };
    if !preview.description.is_empty() {
        meta("name", "description", &preview.description);
        meta("property", "og:description", &preview.description);
    }
    meta("property", "og:site_name", SHOP);
    meta("property", "og:type", kind);
    meta("property", "og:title", &preview.title);
    meta("property", "og:url", &page);
    meta("property", "og:image", &image);
    meta("property", "og:image:alt", &preview.title);
    meta("name", "twitter:card", "summary_large_image");
    if let Some((amount, currency)) =
        preview.price.map(|price| price.to_string()).as_deref().and_then(|text| text.split_once(' '))
    {
        meta("property", "product:price:amount", amount);
        meta("property", "product:price:currency", currency);
    }
    head
}

/// Returns the text of a description without its HTML.
fn plain(html: &str) -> String {
    let end =
        (0..=html.len().min(DESCRIPTION_BYTES_READ_MAX)).rev().find(|end| html.is_char_boundary(*end)).unwrap_or(0);
    let mut text = String::new();
    let mut in_tag = false;
    for c in html[..end].chars() {
        match c {
            '<' => {
                in_tag = true;
                // Adjacent elements must not merge into a single word.
                text.push(' ');
            }
            '>' if in_tag => in_tag = false,
            _ if in_tag => {}
            _ => text.push(c),
        }
    }
    // The character references that the sanitiser writes. It leaves all others as characters.
    let text = text
        .replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    shortened(&text)
}

/// Returns the text on a single line, cut after a word if it is too long.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    for word in text.split_whitespace() {
        let chars = short.chars().count();
        if chars + 1 + word.chars().count() > DESCRIPTION_CHARS_MAX {
            short.push('…');
            break;
        }
        if chars > 0 {
            short.push(' ');
        }
        short.push_str(word);
    }
    short
}

/// Escapes a text for HTML, for element content and attribute values.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(image: Option<&str>) -> Preview {
        Preview {
            title: "Tea \"& Toast\" <3".into(),
            description: "Warm.".into(),
            image: image.map(str::to_owned),
            price: Money::new(1_999, engine::money::Currency::USD).ok(),
            path: "/products/tea-1".into(),
        }
    }

    #[test]
    fn a_preview_head_has_its_tags_and_escapes_html() {
        let head = head(&preview(Some("https://pictures.example/a.jpg?a=1&b=2")), "https://shop.example");
        for part in [
            "<title>Tea &quot;&amp; Toast&quot; &lt;3 · FusionCommerce</title>",
            "<link rel=\"canonical\" href=\"https://shop.example/products/tea-1\" />",
            "<meta property=\"og:title\" content=\"Tea &quot;&amp; Toast&quot; &lt;3\" />",
            "<meta name=\"description\" content=\"Warm.\" />",
            "<meta property=\"og:image\" content=\"https://pictures.example/a.jpg?a=1&amp;b=2\" />",
            "<meta property=\"product:price:amount\" content=\"19.99\" />",
            "<meta property=\"product:price:currency\" content=\"USD\" />",
        ] {
            assert!(head.contains(part), "{part} in {head}");
        }
    }

    #[test]
    fn preview_images_have_absolute_urls_and_default_to_the_shops() {
        assert!(
            head(&preview(Some("/media/a.jpg")), "https://s.example").contains("\"https://s.example/media/a.jpg\"")
        );
        assert!(head(&preview(None), "https://s.example").contains("\"https://s.example/share.png\""));
    }

    #[test]
    fn a_description_is_one_line_and_truncated_after_a_word() {
        assert_eq!(plain("<p>Printed by hand,</p><p>once &amp; again.</p>"), "Printed by hand, once & again.");
        assert_eq!(plain(&format!("<p>{}</p>", "ł".repeat(5_000))), "…");
        let long = plain(&"word ".repeat(200));
        assert!(long.chars().count() <= DESCRIPTION_CHARS_MAX + 1 && long.ends_with("word…"), "{long}");
        assert_eq!(plain(""), "");
    }
}
