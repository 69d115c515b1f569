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

/// Calls `$run` with the aggregate of the kind whose number is the first byte of `$bytes`, and with the remaining bytes.
#[macro_export]
macro_rules! for_kind {
    ($bytes:expr, $run:ident) => {
        if let Some((&number, rest)) = $bytes.split_first()
            && let Some(kind) = engine::kinds::Kind::from_number(number)
        {
            engine::with_kind!(kind, A => $run::<A>(rest));
        }
    };
}
