//! Descriptions that are safe to display.

use std::{fmt, sync::Arc};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Serialize, Serializer};

/// The maximum length of a description, in characters of HTML: Shopify's limit.
pub const DESCRIPTION_CHARS_MAX: usize = 512 * 1_024;

/// The maximum number of times that a description is cleaned again. If it is still not stable, it becomes plain text.
const PASSES_MAX: usize = 8;

/// The maximum number of elements in a description. The parser's work grows with the square of the nesting depth: 512
/// KB of `<div>` took 58 s (measured, release build); the worst case found within this limit takes a quarter of a
/// second.
pub const DESCRIPTION_ELEMENTS_MAX: usize = 2_000;

/// The description is too long, or too expensive to parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDescription {
    /// The description is longer than [`DESCRIPTION_CHARS_MAX`], before or after cleaning.
    #[error("a description has at most {DESCRIPTION_CHARS_MAX} characters")]
    TooLong,
    /// The description has more than [`DESCRIPTION_ELEMENTS_MAX`] elements.
    #[error("a description has at most {DESCRIPTION_ELEMENTS_MAX} html elements")]
    TooManyElements,
}

/// HTML without scripts, styles, forms and event handlers, at most [`DESCRIPTION_CHARS_MAX`] characters.
///
/// Commands carry this type, so that no other HTML can reach an event, and so that the caller cleans the HTML and not
/// the product's actor. Cleaning is idempotent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SafeHtml(Arc<str>);

impl Default for SafeHtml {
    fn default() -> Self {
        Self("".into())
    }
}

impl SafeHtml {
    /// Removes everything from `html` that could act on the page that displays it.
    pub fn clean(html: &str) -> Result<Self, InvalidDescription> {
        // Each ampersand becomes at least four characters, and many ampersands are slow to parse.
        let ampersands = html.bytes().filter(|&byte| byte == b'&').count();
        if is_too_long(html) || ampersands > DESCRIPTION_CHARS_MAX / 4 {
            return Err(InvalidDescription::TooLong);
        }
        // An end tag without a start tag also makes an element: `</p>`.
        let tags = |starts: fn(u8) -> bool| {
            html.as_bytes().windows(2).filter(|pair| pair[0] == b'<' && starts(pair[1])).count()
        };
        if tags(|byte| byte.is_ascii_alphabetic()) > DESCRIPTION_ELEMENTS_MAX
            || tags(|byte| byte == b'/') > DESCRIPTION_ELEMENTS_MAX
        {
            return Err(InvalidDescription::TooManyElements);
        }
        let mut clean = ammonia::clean(html).trim().to_owned();
        if is_too_long(&clean) {
            return Err(InvalidDescription::TooLong);
        }
        // The parser drops a line break at the start of a `pre`, so one pass is not always enough.
        let mut stable = false;
        for _ in 0..PASSES_MAX {
            let again = ammonia::clean(&clean).trim().to_owned();
            stable = again == clean;
            if stable {
                break;
            }
            clean = again;
        }
        if !stable {
            clean = plain_text(&clean);
        }
        if is_too_long(&clean) {
            return Err(InvalidDescription::TooLong);
        }
        Ok(Self(clean.into()))
    }

    /// Returns the HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes HTML from the journal or a snapshot, which was cleaned before.
    pub(super) fn known(clean: &str) -> Self {
        Self(clean.into())
    }
}

/// The parts of a description that [`SafeHtml::clean`] removes and that its author may miss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The number of frames with other pages.
    pub frames: usize,
    /// The number of videos, sounds and other embedded objects.
    pub videos: usize,
    /// The number of inline images (`data:`).
    pub images: usize,
}

/// Elements that display something and are removed.
const FRAMES: [&str; 2] = ["iframe", "frame"];
const VIDEOS: [&str; 4] = ["video", "audio", "embed", "object"];

impl LeftOut {
    /// Counts what [`SafeHtml::clean`] removes from `html`, which it must have accepted. `None` if there is nothing of
    /// this kind.
    pub fn of(html: &str) -> Option<Self> {
        let lower = html.to_ascii_lowercase();
        let all = FRAMES.iter().chain(&VIDEOS);
        if !lower.contains("data:") && !all.clone().any(|name| lower.contains(&format!("<{name}"))) {
            return None;
        }
        // Clean with these elements allowed, so that text that only looks like them is escaped and not counted.
        let with = ammonia::Builder::default().add_tags(all).add_url_schemes(["data"]).clean(html).to_string();
        let count = |names: &[&str]| {
            let starts = |name: &&str| [">", " "].map(|end| with.matches(&format!("<{name}{end}")).count());
            names.iter().flat_map(starts).sum()
        };
        let images = with.split("<img ").skip(1).filter(|rest| {
            let tag = rest.split('>').next().unwrap_or_default().to_ascii_lowercase();
            tag.contains("src=\"data:")
        });
        let left_out = Self { frames: count(&FRAMES), videos: count(&VIDEOS), images: images.count() };
        (left_out != Self::default()).then_some(left_out)
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.frames, "frame (iframe)", "frames (iframe)"),
            (self.videos, "video or embedded object", "videos or embedded objects"),
            (self.images, "image within the text (data:)", "images within the text (data:)"),
        ];
        let said = kinds.into_iter().filter(|kind| kind.0 > 0);
        let said = said.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }));
        f.write_str(&said.collect::<Vec<_>>().join(", "))
    }
}

fn is_too_long(html: &str) -> bool {
    // Count characters only when the byte length could exceed the limit.
    html.len() > DESCRIPTION_CHARS_MAX && html.chars().count() > DESCRIPTION_CHARS_MAX
}

/// Returns the text without any tags.
fn plain_text(html: &str) -> String {
    ammonia::Builder::empty().clean(html).to_string().trim().to_owned()
}

impl fmt::Debug for SafeHtml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl<C> Encode<C> for SafeHtml {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SafeHtml {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self::known(d.str()?))
    }
}

impl Serialize for SafeHtml {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(html: &str) -> String {
        SafeHtml::clean(html).unwrap().as_str().to_owned()
    }

    #[test]
    fn active_content_is_removed() {
        assert_eq!(clean("<p onclick=\"steal()\">Soft<script>steal()</script></p>"), "<p>Soft</p>");
        assert_eq!(clean("<a href=\"javascript:steal()\">x</a>"), "<a rel=\"noopener noreferrer\">x</a>");
        assert_eq!(clean("<img src=x onerror=steal()>"), "<img src=\"x\">");
        assert_eq!(clean("<b>bold</b> & plain"), "<b>bold</b> &amp; plain");
    }

    #[test]
    fn removed_elements_are_counted() {
        let of = |html: &str| LeftOut::of(html).map(|left_out| left_out.to_string());
        let page = "<p>a</p><IFRAME src=\"https://v.example/1\"></iframe><iframe></iframe><video controls><source></video>\
            <img src=\"data:image/png;base64,AA\" alt=x><img alt=y src='DATA:image/gif;base64,AA'><img src=\"https://x.example/a\">";
        let said = "2 frames (iframe), 1 video or embedded object, 2 images within the text (data:)";
        assert_eq!(of(page).as_deref(), Some(said));
        assert!(!clean(page).contains("iframe") && !clean(page).contains("data:"));
        for none in ["", "<p>data: &lt;iframe&gt;</p>", "<!-- <iframe> -->", "<b>bold</b>"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_description_has_an_edge_before_and_after_cleaning() {
        for letter in ["a", "é", "抹", "😀"] {
            let longest = letter.repeat(DESCRIPTION_CHARS_MAX);
            assert!(SafeHtml::clean(&longest).is_ok_and(|clean| clean.as_str() == longest), "{letter}");
            assert_eq!(SafeHtml::clean(&format!("{longest}a")), Err(InvalidDescription::TooLong), "{letter}");
        }
        assert!(SafeHtml::clean(&"<".repeat(1_000)).unwrap().as_str().len() == 4_000);
        assert_eq!(SafeHtml::clean(&"<".repeat(DESCRIPTION_CHARS_MAX / 4 + 1)), Err(InvalidDescription::TooLong));
        assert_eq!(SafeHtml::clean(&"&".repeat(DESCRIPTION_CHARS_MAX / 2)), Err(InvalidDescription::TooLong));
    }

    #[test]
    fn a_pre_that_loses_a_line_break_at_each_pass_comes_to_rest() {
        for breaks in [1, 3, 20] {
            let once = clean(&format!("<pre>{}x</pre>", "\n".repeat(breaks)));
            assert_eq!(clean(&once), once);
        }
    }

    #[test]
    fn a_description_that_is_slow_to_parse_is_refused() {
        assert!(SafeHtml::clean(&"<br>".repeat(DESCRIPTION_ELEMENTS_MAX)).is_ok());
        let refused = Err(InvalidDescription::TooManyElements);
        assert_eq!(SafeHtml::clean(&"<DIV>".repeat(DESCRIPTION_ELEMENTS_MAX + 1)), refused);
        assert_eq!(SafeHtml::clean(&"</p>".repeat(DESCRIPTION_ELEMENTS_MAX + 1)), refused);
    }

    proptest! {
        #[test]
        fn cleaning_what_is_clean_changes_nothing(html in "([<>/&\"' \n]|p|pre|table|b|a|svg|math|style|title|select|!--|--|x){0,40}") {
            let once = clean(&html);
            prop_assert_eq!(clean(&once), once.clone());
            prop_assert!(!once.contains("<script") && !once.contains("<style"));
        }
    }
}
