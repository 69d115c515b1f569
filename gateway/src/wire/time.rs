//! Timestamps in requests.

use engine::time::Timestamp;

use crate::problem::{Faults, FieldCode};

/// Parses a timestamp in RFC 3339 format, between the years 1970 and 9999.
pub(crate) fn read_time(text: &str, pointer: &str, faults: &mut Faults) -> Option<Timestamp> {
    let code = match text.parse::<jiff::Timestamp>() {
        Ok(_) => FieldCode::OutOfRange,
        Err(_) => FieldCode::WrongType,
    };
    text.parse().map_err(|why: engine::time::InvalidTimestamp| faults.add(pointer, code, why.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    #[test]
    fn a_time_is_rfc_3339_between_1970_and_9999() {
        let read = |text: &str| {
            let mut faults = Faults::default();
            let time = read_time(text, "/ends_at", &mut faults);
            faults.give(time).map_err(|problem| problem.code())
        };
        assert_eq!(read("2026-11-22T08:00:00+02:00").unwrap().to_string(), "2026-11-22T06:00:00.000Z");
        assert_eq!(read("1969-12-31T23:59:59Z"), Err(Code::OutOfRange));
        assert_eq!(read("tomorrow"), Err(Code::InvalidRequest));
        assert_eq!(read("2026-11-22"), Err(Code::InvalidRequest));
    }
}
