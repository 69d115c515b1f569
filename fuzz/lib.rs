//! Shared code of the fuzz targets: a limit on memory.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The maximum memory that one input may take, in bytes. Inputs have at most a megabyte; a claim of a drop takes the
/// most memory relative to its size, some 200 bytes for 30.
const MEMORY_BYTES_MAX: usize = 256 << 20;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// The system allocator with a limit: an input that makes the program exceed it is a finding.
struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

// SAFETY: every call is forwarded to the system allocator. The addition only counts, and may abort the process.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        if in_use > MEMORY_BYTES_MAX {
            eprintln!("an input makes the program ask for {} bytes, {in_use} in all", layout.size());
            std::process::abort();
        }
        // SAFETY: the caller upholds the contract of the system allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Calls `$run` with the aggregate that the first byte of `$bytes` selects, and with the remaining bytes.
#[macro_export]
macro_rules! for_kind {
    ($bytes:expr, $run:ident) => {
        match $bytes {
            [1, rest @ ..] => $run::<engine::stock::StockItem>(rest),
            [2, rest @ ..] => $run::<engine::flash_drop::FlashDrop>(rest),
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
