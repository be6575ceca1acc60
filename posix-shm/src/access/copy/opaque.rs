//! Copies by code that the compiler cannot see into: the C library's functions, and a few
//! instructions for short lengths.

use std::arch::asm;
use std::ffi::{c_int, c_void};

// Every Rust program links these functions, because the compiler itself calls them.
unsafe extern "C" {
    fn memcpy(to: *mut c_void, from: *const c_void, len: usize) -> *mut c_void;
    fn memmove(to: *mut c_void, from: *const c_void, len: usize) -> *mut c_void;
    fn memset(to: *mut c_void, value: c_int, len: usize) -> *mut c_void;
}

/// The same function, hidden from the compiler.
macro_rules! opaque {
    ($function:ident as $type:ty) => {{
        let mut function: $type = $function;
        #[allow(
            clippy::pointers_in_nomem_asm_block,
            asm_sub_register,
            reason = "it is only hidden, not used"
        )]
        // SAFETY: the instruction list is empty.
        unsafe {
            asm!("/* {0} */", inout(reg) function, options(pure, nomem, nostack, preserves_flags))
        };
        function
    }};
}

/// Copies mapped bytes to our own memory.
///
/// # Safety
///
/// There are `len` mapped bytes at `from`, and `to` is valid for writes of as many.
#[inline]
pub(in crate::access) unsafe fn copy_out(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise. Our own memory does not overlap mapped memory.
    unsafe { copy(from, to, len) }
}

/// Copies our own bytes to mapped memory.
///
/// # Safety
///
/// `from` is valid for reads of `len` bytes, and there are as many mapped bytes at `to`, which are
/// writable.
#[inline]
pub(in crate::access) unsafe fn copy_in(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise. Our own memory does not overlap mapped memory.
    unsafe { copy(from, to, len) }
}

/// # Safety
///
/// `len` bytes can be read at `from` and written at `to`, and the two do not overlap.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    if len > few::MOST {
        let memcpy = opaque!(
            memcpy as unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void
        );
        // SAFETY: the caller's promise.
        unsafe { memcpy(to.cast(), from.cast(), len) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { few::copy(from, to, len) };
    }
}

/// Copies bytes within mapped memory. The two ranges may overlap.
///
/// # Safety
///
/// There are `len` mapped bytes at `from` and at `to`, and those at `to` are writable.
pub(in crate::access) unsafe fn move_within(from: *const u8, to: *mut u8, len: usize) {
    let memmove =
        opaque!(memmove as unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void);
    // SAFETY: the caller's promise.
    unsafe { memmove(to.cast(), from.cast(), len) };
}

/// Sets every byte to one value.
///
/// # Safety
///
/// There are `len` mapped bytes at `to`, which are writable.
pub(in crate::access) unsafe fn fill(to: *mut u8, value: u8, len: usize) {
    let memset = opaque!(memset as unsafe extern "C" fn(*mut c_void, c_int, usize) -> *mut c_void);
    // SAFETY: the caller's promise.
    unsafe { memset(to.cast(), c_int::from(value), len) };
}

/// Copies a few bytes in two or four moves, which overlap if need be. It takes half the time of a
/// call. Addresses fill their registers, as they do not on x32.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
mod few {
    use std::arch::asm;

    /// Four registers of 16 bytes.
    pub(super) const MOST: usize = 64;

    /// Copies the first and the last `$size` bytes, each in one register.
    macro_rules! two_moves {
        (
            $move:literal, $class:ident $modifier:literal, $size:literal,
            $from:ident, $to:ident, $len:ident
        ) => {
            // SAFETY: `len` is at least the size, so all moves stay between the first byte and the
            // last.
            unsafe {
                asm!(
                    concat!($move, " {first", $modifier, "}, [{from}]"),
                    concat!($move, " {last", $modifier, "}, [{from} + {len} - ", $size, "]"),
                    concat!($move, " [{to}], {first", $modifier, "}"),
                    concat!($move, " [{to} + {len} - ", $size, "], {last", $modifier, "}"),
                    from = in(reg) $from,
                    to = in(reg) $to,
                    len = in(reg) $len,
                    first = out($class) _,
                    last = out($class) _,
                    options(nostack, preserves_flags),
                )
            }
        };
    }

    /// # Safety
    ///
    /// The same as [`copy`](super::copy), and `len` is at most [`MOST`].
    #[inline]
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
        if len > 32 {
            // SAFETY: as in `two_moves`, with the first and the last 32 bytes.
            unsafe {
                asm!(
                    "movdqu {a}, [{from}]",
                    "movdqu {b}, [{from} + 16]",
                    "movdqu {c}, [{from} + {len} - 32]",
                    "movdqu {d}, [{from} + {len} - 16]",
                    "movdqu [{to}], {a}",
                    "movdqu [{to} + 16], {b}",
                    "movdqu [{to} + {len} - 32], {c}",
                    "movdqu [{to} + {len} - 16], {d}",
                    from = in(reg) from,
                    to = in(reg) to,
                    len = in(reg) len,
                    a = out(xmm_reg) _,
                    b = out(xmm_reg) _,
                    c = out(xmm_reg) _,
                    d = out(xmm_reg) _,
                    options(nostack, preserves_flags),
                )
            }
        } else if len > 16 {
            two_moves!("movdqu", xmm_reg "", "16", from, to, len);
        } else if len >= 8 {
            two_moves!("mov", reg "", "8", from, to, len);
        } else if len == 1 {
            // SAFETY: the caller's promise, for one byte. Volatile, as in `load`.
            let byte = unsafe { from.read_volatile() };
            // SAFETY: as above.
            unsafe { to.write_volatile(byte) }
        } else if len >= 4 {
            two_moves!("mov", reg ":e", "4", from, to, len);
        } else if len >= 2 {
            two_moves!("mov", reg ":x", "2", from, to, len);
        }
    }
}

/// On other machines, every length is a call.
#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64")))]
mod few {
    pub(super) const MOST: usize = 0;

    /// # Safety
    ///
    /// None: there is nothing to copy.
    #[inline]
    pub(super) unsafe fn copy(_: *const u8, _: *mut u8, _: usize) {}
}
