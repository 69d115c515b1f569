//! The pages at `/problems/{code}`, where the `type` of a problem leads.

use std::fmt::Write;

use super::table::{Code, Entry};

const STYLE: &str = "body{font:16px/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;\
    color:light-dark(#1b1f24,#e6e6e6);background:light-dark(#fff,#16181b);color-scheme:light dark}\
    code{font:0.95em ui-monospace,monospace;background:light-dark(#f0f2f4,#24282d);padding:.1em .3em;border-radius:4px}\
    a{color:light-dark(#0b5cad,#7db7f5)}dt{font-weight:600;margin-top:1rem}dd{margin:0}\
    table{border-collapse:collapse}td,th{text-align:left;padding:.3rem 1rem .3rem 0}";

fn page(title: &str, main: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{STYLE}</style></head>\
         <body><main>{main}</main></body></html>"
    )
}

/// Returns the page of a code.
pub(crate) fn of(code: Code) -> String {
    let Entry { code, status, title, meaning, remedy, retryable } = *code.entry();
    let again = if retryable { "The same request may succeed later." } else { "The same request will fail again." };
    let main = format!(
        "<h1>{title}</h1><p><code>{code}</code>, with status {status}.</p>\
         <dl><dt>What happened</dt><dd>{}</dd><dt>What to do</dt><dd>{}</dd><dt>Retrying</dt><dd>{again}</dd></dl>\
         <p><a href=\"/problems\">All problems</a></p>",
        marked(meaning),
        marked(remedy),
    );
    page(title, &main)
}

/// Returns the list of all codes.
pub(crate) fn index() -> String {
    let mut rows = String::new();
    for code in Code::ALL {
        let Entry { code, status, title, .. } = code.entry();
        let _ = write!(
            rows,
            "<tr><td>{status}</td><td><a href=\"/problems/{code}\"><code>{code}</code></a></td><td>{title}</td></tr>"
        );
    }
    page(
        "Problems",
        &format!(
            "<h1>Problems</h1><p>Every error is an <code>application/problem+json</code> (RFC 9457) with one of these codes.</p>\
             <table><thead><tr><th>Status</th><th>Code</th><th>Title</th></tr></thead><tbody>{rows}</tbody></table>"
        ),
    )
}

/// Converts a text of the table to HTML, with backticks as `code`. The table contains no other markup, so only the
/// three characters that HTML reserves are escaped.
fn marked(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut html = String::with_capacity(escaped.len() + 32);
    for (index, part) in escaped.split('`').enumerate() {
        html.push_str(if index == 0 {
            ""
        } else if index % 2 == 1 {
            "<code>"
        } else {
            "</code>"
        });
        html.push_str(part);
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_and_is_in_the_index() {
        let index = index();
        for code in Code::ALL {
            let entry = code.entry();
            assert!(of(*code).contains(entry.title));
            assert!(index.contains(&format!("/problems/{}\"", entry.code)));
        }
    }

    #[test]
    fn code_is_marked() {
        assert_eq!(marked("send `a<b` now"), "send <code>a&lt;b</code> now");
    }
}
