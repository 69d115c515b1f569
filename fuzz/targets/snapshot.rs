//! Snapshots: a damaged one results in an error, after which the shard falls back to an older one. An intact one
//! encodes to the same state that was decoded.
#![no_main]

use engine::kinds::Entity;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::for_kind!(bytes, round_trip));

fn round_trip<A: Entity>(bytes: &[u8]) {
    let Ok(state) = A::thaw(bytes) else { return };
    // Compared after one round trip: a text may have several encodings of which only one is written, and maps have no
    // order.
    let written = state.to_snapshot().expect("what was read is written");
    let again = A::thaw(&written).expect("what is written is read");
    assert!(again.to_snapshot().as_ref() == Ok(&written), "a state that was read is written as it was");
    assert_eq!((again.wake_at(), again.has_outstanding()), (state.wake_at(), state.has_outstanding()));
}
