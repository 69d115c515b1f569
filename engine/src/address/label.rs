//! Addresses as labels and receipts have them.

use super::{COUNTRY, Field, LINE_1, LINE_2, Members, format_of};

/// The lines of an address, the recipient first and the country's code last. An address of an unknown country, as older
/// ones may be, has its texts one below the other.
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

/// A line of a format with its fields. What stands between two fields goes with the second one.
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
            // A separator needs something to separate; a prefix (`SE-`) does not.
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
