//! Validation of addresses.

use super::{COUNTRY, Field, LINE_1, Members, NAME, format_of};

/// How complete an address must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Complete: all fields that a parcel needs are required.
    Whole,
    /// Incomplete, as the buyer has typed so far: only the existing members are checked.
    SoFar,
}

/// An error in a member of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressFault {
    /// The name of the member.
    pub member: &'static str,
    /// Whether the member is missing or blank, and not just invalid.
    pub is_missing: bool,
    /// The error, in words.
    pub why: String,
}

/// Validates an address by the format of its country and returns its normalised form: texts trimmed, blank texts
/// removed, the country and the postal code as on labels, and the region by its key.
pub fn check(members: &Members, extent: Extent) -> Result<Members, Vec<AddressFault>> {
    let mut kept: Members = members
        .iter()
        .map(|(member, text)| (member.clone(), text.trim().to_owned()))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let mut faults = Vec::new();
    let missing = |member, why: &str| AddressFault { member, is_missing: true, why: why.to_owned() };
    let wrong = |member, why: String| AddressFault { member, is_missing: false, why };
    let is_there = |kept: &Members, member: &str| kept.get(member).is_some_and(|text| is_readable(text));

    if extent == Extent::Whole {
        for member in [NAME, LINE_1].into_iter().filter(|member| !is_there(&kept, member)) {
            faults.push(missing(member, "is required"));
        }
    }
    let Some(country) = kept.get(COUNTRY).map(|code| code.to_ascii_uppercase()) else {
        if extent == Extent::Whole {
            faults.push(missing(COUNTRY, "is required"));
        }
        return if faults.is_empty() { Ok(kept) } else { Err(faults) };
    };
    let Some(format) = format_of(&country) else {
        faults.push(wrong(COUNTRY, "is not the two-letter ISO 3166-1 code of a country".to_owned()));
        return Err(faults);
    };
    if extent == Extent::Whole {
        let required = format.required.iter().map(|field| field.member()).filter(|member| *member != LINE_1);
        for member in required.filter(|member| !is_there(&kept, member)) {
            faults.push(missing(member, &format!("is required in {country}")));
        }
    }
    if let Some(text) =
        kept.get_mut(Field::Region.member()).filter(|text| !format.regions.is_empty() && is_readable(text))
    {
        match format.region(&country, text) {
            Some(region) => *text = region.key.clone(),
            None => faults.push(wrong(
                Field::Region.member(),
                format!("is not a {} of {country}", format.kind(Field::Region).unwrap_or("region")),
            )),
        }
    }
    let postal_code = kept.get_mut(Field::PostalCode.member()).filter(|text| is_readable(text));
    if let Some((text, known)) = postal_code.zip(format.postal_code.as_ref()) {
        match known.read(&country, text) {
            Some(code) => *text = code,
            None => {
                let why = format!("is not a postal code of {country}, such as {}", known.example);
                faults.push(wrong(Field::PostalCode.member(), why));
            }
        }
    }
    kept.insert(COUNTRY.to_owned(), country);
    if faults.is_empty() { Ok(kept) } else { Err(faults) }
}

/// Whether a text is readable: it has a letter or a digit. Some Hangul fillers count as letters, but are blank.
fn is_readable(text: &str) -> bool {
    text.chars().any(|c| c.is_alphanumeric() && !matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}'))
}
