//! Descriptions that are safe to show.

use std::{fmt, sync::Arc};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Serialize, Serializer};

/// The longest description, in bytes of HTML: Shopify's bound.
pub const DESCRIPTION_BYTES_MAX: usize = 512 * 1_024;

/// How often the cleaner may look at its own output: what is not stable by then becomes plain text.
const PASSES_MAX: usize = 8;

/// A description longer than [`DESCRIPTION_BYTES_MAX`], before or after it was cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a description has at most {DESCRIPTION_BYTES_MAX} bytes")]
pub struct DescriptionTooLong;

/// HTML without scripts, styles, forms and handlers, at most [`DESCRIPTION_BYTES_MAX`] bytes.
///
/// Commands carry it, so that nothing else can reach an event, and so that cleaning costs the entrance and not the
/// product's actor. Cleaning what is clean changes nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SafeHtml(Arc<str>);

impl Default for SafeHtml {
    fn default() -> Self {
        Self("".into())
    }
}

impl SafeHtml {
    /// Takes out of `html` all that could act on the page which shows it.
    pub fn clean(html: &str) -> Result<Self, DescriptionTooLong> {
        if html.len() > DESCRIPTION_BYTES_MAX {
            return Err(DescriptionTooLong);
        }
        let mut clean = ammonia::clean(html).trim().to_owned();
        if clean.len() > DESCRIPTION_BYTES_MAX {
            return Err(DescriptionTooLong);
        }
        // A parser drops a line break at the start of a `pre`, so one pass is not always the last.
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
        if clean.len() > DESCRIPTION_BYTES_MAX {
            return Err(DescriptionTooLong);
        }
        Ok(Self(clean.into()))
    }

    /// The HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// HTML that was cleaned before: from the journal or a snapshot.
    pub(super) fn known(clean: &str) -> Self {
        Self(clean.into())
    }
}

/// What is left when every tag is taken out.
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
    fn what_could_act_is_taken_out() {
        assert_eq!(clean("<p onclick=\"steal()\">Soft<script>steal()</script></p>"), "<p>Soft</p>");
        assert_eq!(clean("<a href=\"javascript:steal()\">x</a>"), "<a rel=\"noopener noreferrer\">x</a>");
        assert_eq!(clean("<img src=x onerror=steal()>"), "<img src=\"x\">");
        assert_eq!(clean("<b>bold</b> & plain"), "<b>bold</b> &amp; plain");
    }

    #[test]
    fn a_description_has_an_edge_before_and_after_cleaning() {
        assert!(SafeHtml::clean(&"a".repeat(DESCRIPTION_BYTES_MAX)).is_ok());
        assert_eq!(SafeHtml::clean(&"a".repeat(DESCRIPTION_BYTES_MAX + 1)), Err(DescriptionTooLong));
        assert_eq!(SafeHtml::clean(&"&".repeat(DESCRIPTION_BYTES_MAX / 2)), Err(DescriptionTooLong));
    }

    #[test]
    fn a_pre_that_loses_a_line_break_at_each_pass_comes_to_rest() {
        for breaks in [1, 3, 20] {
            let once = clean(&format!("<pre>{}x</pre>", "\n".repeat(breaks)));
            assert_eq!(clean(&once), once);
        }
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
