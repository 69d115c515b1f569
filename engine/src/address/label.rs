//! Addresses as printed on labels and receipts.

use super::{COUNTRY, Field, LINE_1, LINE_2, Members, format_of};

/// Returns the lines of an address, beginning with the recipient and ending with the country code. If the country is
/// unknown, as in some older addresses, each text is a line.
pub fn lines(members: &Members) -> Vec<String> {
    let country = members.get(COUNTRY).map(String::as_str).unwrap_or_default();
    let text = |member: &str| members.get(member).map(String::as_str).unwrap_or_default();
    let Some(format) = format_of(country) else {
        let known = [super::NAME, LINE_1, LINE_2, "district", "postal_code", "city", "region", COUNTRY];
        return known.map(text).into_iter().filter(|text| !text.is_empty()).map(str::to_owned).collect();
    };
    let field = |field: Field| match field {
        Field::Line => {
            [text(LINE_1), text(LINE_2)].into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
        }
        Field::Region => match format.regions.iter().find(|region| region.key == text("region")) {
            Some(region) => region.latin_name.as_ref().or(region.label.as_ref()).unwrap_or(&region.name).clone(),
            None => text("region").to_owned(),
        },
        other => text(other.member()).to_owned(),
    };
    let rows = format.layout.split("%n").map(|row| filled(row, &field));
    let lines = rows.flat_map(|row| row.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.chain([country.to_owned()]).filter(|line| !line.is_empty()).collect()
}

/// Fills a line of a format with its fields. The text between two fields is written only if the second is not empty.
fn filled(row: &str, field: &impl Fn(Field) -> String) -> String {
    let mut parts = row.split('%');
    let mut line = String::new();
    let mut before = parts.next().unwrap_or_default();
    if !row.contains('%') {
        return row.to_owned();
    }
    for part in parts {
        let mut letters = part.chars();
        let value = letters.next().and_then(Field::of_letter).map(field).unwrap_or_default();
        if !value.is_empty() {
            // A separator at the start of a line is dropped; a prefix (`SE-`) is kept.
            let is_separator = before.chars().all(|c| !c.is_alphanumeric());
            if !(is_separator && line.is_empty()) {
                line.push_str(before);
            }
            line.push_str(&value);
        }
        before = letters.as_str();
    }
    line
}
