//! JSON bodies: an accepted body has the same meaning after it is written again, and a refused one results in an error
//! that names a fault and its location, never in a server error.
#![no_main]

use gateway::{edge::parse, fuzzing::body};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let [kind, json @ ..] = bytes else { return };
    let strict = parse::<Value>(json);
    assert_eq!(strict.as_ref().ok(), serde_json::from_slice(json).ok().as_ref(), "JSON is JSON");
    match body(*kind, json) {
        None => {}
        Some(Ok(written)) => {
            assert!(strict.is_ok(), "what is no JSON is no body");
            let again = body(*kind, &written).expect("the same kind").expect("what is written is taken");
            assert_eq!(String::from_utf8(again), String::from_utf8(written));
        }
        Some(Err(problem)) => {
            assert!(matches!(problem.status().as_u16(), 400 | 422), "{problem:?}");
            assert!(!problem.errors().is_empty(), "a fault has a place: {problem:?}");
            for error in problem.errors() {
                assert!(error.pointer.is_empty() || error.pointer.starts_with('/'), "{problem:?}");
                assert!(!error.detail.is_empty(), "{problem:?}");
            }
            let told: Value = serde_json::from_slice(&problem.to_json("REQUEST")).expect("problems are JSON");
            assert_eq!(told["status"], problem.status().as_u16());
        }
    }
});
