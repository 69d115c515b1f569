//! Events in the journal's encoding: every event that decodes encodes to bytes that decode to the same event. Any other
//! input results in an error, never in a panic.
#![no_main]

use engine::kinds::Entity;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::for_kind!(bytes, round_trip));

/// Decodes events one after the other, as recovery does.
fn round_trip<A: Entity>(bytes: &[u8]) {
    let mut decoder = minicbor::Decoder::new(bytes);
    while decoder.position() < bytes.len() {
        let before = decoder.position();
        let Ok(event) = decoder.decode::<A::Event>() else { return };
        assert!(decoder.position() > before, "an event takes bytes");
        let written = minicbor::to_vec(&event).expect("events are written to memory");
        let again = minicbor::decode::<A::Event>(&written).expect("what is written is read");
        assert_eq!(again, event);
    }
}
