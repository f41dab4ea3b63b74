//! What a plugin without the standard library needs in its place.
//!
//! The standard library's panic message goes to standard error, and with it come imports of WASI. A
//! plugin that is `no_std` traps instead; the trap's backtrace names the functions.

use ::alloc::alloc::{alloc, realloc};
use core::alloc::Layout;
use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Where the host puts lists that it hands over; the standard library's C library would bring it.
///
/// The name is that of the canonical ABI, which also says how it is called: with a block that this
/// function returned, with its length and alignment, or with none, of length zero.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn cabi_realloc(
    old: *mut u8,
    old_length: usize,
    align: usize,
    length: usize,
) -> *mut u8 {
    let Ok(layout) =
        Layout::from_size_align(if old_length == 0 { length } else { old_length }, align)
    else {
        core::arch::wasm32::unreachable()
    };
    // SAFETY: neither size is zero, and an old block has the layout that it was allocated with.
    let block = match (old_length, length) {
        (0, 0) => core::ptr::without_provenance_mut(align),
        (0, _) => unsafe { alloc(layout) },
        (_, 0) => core::arch::wasm32::unreachable(),
        _ => unsafe { realloc(old, layout, length) },
    };
    if block.is_null() {
        core::arch::wasm32::unreachable()
    }
    block
}

// `memcmp` and its kin, which compiled code may call, are in the target's C library; nothing else of it
// is linked.
#[allow(unsafe_code)]
#[link(name = "c")]
unsafe extern "C" {}
