//! Tests of addresses.
#![allow(clippy::unwrap_used)]

use super::*;

fn address(members: &[(&str, &str)]) -> Members {
    members.iter().map(|(member, text)| ((*member).to_owned(), (*text).to_owned())).collect()
}

/// Returns a complete address with these members added or replaced.
fn with(country: &str, members: &[(&str, &str)]) -> Members {
    let mut whole = address(&[("name", "Ann"), ("line1", "1 Main St"), ("country", country)]);
    whole.extend(address(members));
    whole
}

fn kept(members: &Members) -> Members {
    check(members, Extent::Whole).unwrap_or_else(|faults| panic!("{members:?}: {faults:?}"))
}

/// Returns the members with errors, and whether they are missing.
fn faults(members: &Members) -> Vec<(&'static str, bool)> {
    let faults = check(members, Extent::Whole).err().unwrap_or_default();
    faults.iter().map(|fault| (fault.member, fault.is_missing)).collect()
}

#[test]
fn every_line_of_the_data_is_read() {
    let data = include_str!("../../data/address-formats/formats.json");
    assert_eq!(countries().count(), data.lines().count() - 2);
    for country in countries() {
        let format = format_of(country).unwrap();
        assert!(format.has(Field::Name) && format.has(Field::Line), "{country}");
        assert!(format.required.iter().all(|field| format.has(*field)), "{country}");
        let line = data.lines().find(|line| line.starts_with(&format!("\"{country}\""))).unwrap();
        assert_eq!(
            line.contains("\"postal_code\":\""),
            format.postal_code.is_some(),
            "the pattern of {country} compiles"
        );
        if let Some(postal) = &format.postal_code {
            assert_eq!(postal.read(country, &postal.example).as_ref(), Some(&postal.example), "{country}");
        }
        for region in &format.regions {
            for name in [Some(&region.key), Some(&region.name), region.latin_name.as_ref(), region.label.as_ref()] {
                let found = name.map(|name| format.region(country, name).unwrap());
                assert!(
                    found.is_none_or(
                        |found| found.key == region.key || format.region(country, &region.key) == Some(region)
                    )
                );
            }
        }
    }
}

#[test]
fn required_address_fields_are_checked() {
    assert_eq!(faults(&Members::new()), [("name", true), ("line1", true), ("country", true)]);
    assert_eq!(faults(&with("DE", &[])), [("city", true), ("postal_code", true)]);
    assert_eq!(faults(&with("US", &[("city", "Springfield")])), [("region", true), ("postal_code", true)]);
    assert_eq!(faults(&with("SG", &[])), [("postal_code", true)]);
}

#[test]
fn blanks_are_not_there() {
    for blank in ["", "  ", "\u{A0}", "\u{200B}", "\u{3164}", "-", "…"] {
        let blank = with("DE", &[("name", blank), ("line1", blank), ("city", blank), ("postal_code", blank)]);
        let missing = [("name", true), ("line1", true), ("city", true), ("postal_code", true)];
        assert_eq!(faults(&blank), missing, "{blank:?}");
    }
    let country = with("DE", &[("country", " "), ("city", "Berlin")]);
    assert_eq!(faults(&country), [("country", true)]);
}

#[test]
fn unknown_countries_are_refused() {
    for country in ["Nowhere", "XX", "ZZ", "Germany", "UK", "D", "DEU", "ドイツ"] {
        assert_eq!(faults(&with(country, &[("city", "A"), ("postal_code", "1")])), [("country", false)], "{country}");
    }
    assert_eq!(kept(&with("de", &[("city", "Berlin"), ("postal_code", "10115")]))["country"], "DE");
}

#[test]
fn countries_without_postal_codes_need_none() {
    let hong_kong = kept(&with("HK", &[("city", "Mong Kok"), ("region", "Kowloon")]));
    assert_eq!((hong_kong["region"].as_str(), hong_kong.get("postal_code")), ("KL", None));
    assert_eq!(kept(&with("AE", &[("region", "dubai")]))["region"], "DU");
    assert_eq!(kept(&with("AE", &[("region", "دبي")]))["region"], "DU");
    // Web forms of other shops require a postal code even for countries without them; it is accepted.
    assert_eq!(kept(&with("AE", &[("region", "DU"), ("postal_code", "00000")]))["postal_code"], "00000");
    assert_eq!(faults(&with("AE", &[])), [("region", true)]);
}

#[test]
fn postal_codes_are_those_of_the_country() {
    let read =
        |country: &str, code: &str| format_of(country).unwrap().postal_code.as_ref().unwrap().read(country, code);
    for (country, written, code) in [
        ("DE", "10115", "10115"),
        ("PL", "00950", "00-950"),
        ("PL", "00 950", "00-950"),
        ("GB", "sw1a1aa", "SW1A1AA"),
        ("GB", " SW1A 1AA ", "SW1A 1AA"),
        ("CA", "k1a 0b1", "K1A 0B1"),
        ("JP", "１５４－００２３", "154-0023"),
        ("SE", "SE-114 55", "114 55"),
        ("LV", "1010", "LV-1010"),
        ("US", "12345-6789", "12345-6789"),
        ("PT", "1000205", "1000-205"),
    ] {
        assert_eq!(read(country, written).as_deref(), Some(code), "{country} {written}");
    }
    for (country, written) in [
        ("DE", "1011"),
        ("DE", "101155"),
        ("DE", "ABCDE"),
        ("US", "1234"),
        ("GB", "12345"),
        ("CA", "K1A"),
        ("DE", "10115\n10115"),
    ] {
        assert_eq!(read(country, written), None, "{country} {written}");
        let members = with(country, &[("city", "A"), ("region", "CA"), ("postal_code", written)]);
        assert!(faults(&members).contains(&("postal_code", false)), "{country} {written}");
    }
}

#[test]
fn regions_are_those_of_the_country() {
    let us = |region: &str| with("US", &[("city", "A"), ("postal_code", "95014"), ("region", region)]);
    for region in ["CA", "ca", "California", "US-CA", " california "] {
        assert_eq!(kept(&us(region))["region"], "CA", "{region}");
    }
    for region in ["Nowhere", "C", "Bayern"] {
        assert_eq!(faults(&us(region)), [("region", false)], "{region}");
    }
    let quebec = with("CA", &[("city", "Montréal"), ("postal_code", "H2X 1Y4"), ("region", "Québec")]);
    assert_eq!(kept(&quebec)["region"], "QC");
    // Regions are free text in countries without a list of regions.
    let bavaria = with("DE", &[("city", "München"), ("postal_code", "80331"), ("region", "Bayern")]);
    assert_eq!(kept(&bavaria)["region"], "Bayern");
}

#[test]
fn a_partial_address_is_checked_without_required_fields() {
    let so_far = |members: &Members| check(members, Extent::SoFar).map_err(|faults| faults[0].member);
    assert!(so_far(&Members::new()).is_ok());
    assert!(so_far(&address(&[("country", "US")])).is_ok());
    assert_eq!(so_far(&address(&[("country", "US"), ("postal_code", "1")])), Err("postal_code"));
    assert_eq!(so_far(&address(&[("country", "Nowhere")])), Err("country"));
}

#[test]
fn texts_are_kept_without_space_around_and_others_as_they_are() {
    let written =
        with("DE", &[("city", " Berlin "), ("postal_code", "10115"), ("line2", "  "), ("phone", " +49 30 1 ")]);
    let kept = kept(&written);
    assert_eq!((kept["city"].as_str(), kept["phone"].as_str(), kept.get("line2")), ("Berlin", "+49 30 1", None));
}

#[test]
fn labels_have_the_order_of_the_country() {
    let us =
        kept(&with("US", &[("city", "Cupertino"), ("region", "CA"), ("postal_code", "95014"), ("line2", "Flat 2")]));
    assert_eq!(lines(&us), ["Ann", "1 Main St", "Flat 2", "Cupertino, CA 95014", "US"]);
    let sweden = kept(&with("SE", &[("city", "Stockholm"), ("postal_code", "114 55")]));
    assert_eq!(lines(&sweden), ["Ann", "1 Main St", "SE-114 55 Stockholm", "SE"]);
    let dubai = kept(&with("AE", &[("region", "DU")]));
    assert_eq!(lines(&dubai), ["Ann", "1 Main St", "Dubai", "AE"]);
    let jersey = kept(&with("JE", &[("city", "St Helier"), ("postal_code", "JE1 1AA")]));
    assert_eq!(lines(&jersey), ["Ann", "1 Main St", "St Helier", "JERSEY", "JE1 1AA", "JE"]);
    let old = address(&[("name", "Ann"), ("city", "Springfield"), ("country", "Nowhere")]);
    assert_eq!(lines(&old), ["Ann", "Springfield", "Nowhere"]);
    assert_eq!(lines(&Members::new()), Vec::<String>::new());
}
