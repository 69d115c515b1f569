//! What the targets share: a bound on memory.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The most memory that one input may take, in bytes. Inputs have at most a megabyte; a claim of a drop takes the most
/// memory for its bytes, some 200 for 30.
const MEMORY_BYTES_MAX: usize = 256 << 20;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator with a bound: an input that makes the program ask for more has found something.
struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

// SAFETY: every call is the system allocator's; what is added counts, and ends the process at the worst.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        if in_use > MEMORY_BYTES_MAX {
            eprintln!("an input makes the program ask for {} bytes, {in_use} in all", layout.size());
            std::process::abort();
        }
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Calls `$run` with the aggregate that the first byte of `$bytes` names, and the rest.
#[macro_export]
macro_rules! for_kind {
    ($bytes:expr, $run:ident) => {
        match $bytes {
            [1, rest @ ..] => $run::<engine::inventory::Inventory>(rest),
            [2, rest @ ..] => $run::<engine::drop::Drop>(rest),
            [3, rest @ ..] => $run::<engine::cart::Cart>(rest),
            [4, rest @ ..] => $run::<engine::checkout::Checkout>(rest),
            [5, rest @ ..] => $run::<engine::order::Order>(rest),
            [6, rest @ ..] => $run::<engine::payment::Payment>(rest),
            [7, rest @ ..] => $run::<engine::product::Product>(rest),
            [8, rest @ ..] => $run::<engine::order_numbers::OrderNumbers>(rest),
            _ => {}
        }
    };
}
