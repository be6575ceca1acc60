//! Copies by code that the compiler cannot see into: the C library's, at its speed, and less than that for a few bytes.

use std::arch::asm;
use std::ffi::{c_int, c_void};

// Every Rust program links them: the compiler calls them itself.
unsafe extern "C" {
    fn memcpy(to: *mut c_void, from: *const c_void, len: usize) -> *mut c_void;
    fn memmove(to: *mut c_void, from: *const c_void, len: usize) -> *mut c_void;
    fn memset(to: *mut c_void, value: c_int, len: usize) -> *mut c_void;
}

/// The same function, of which the compiler knows nothing any more.
macro_rules! opaque {
    ($function:ident as $type:ty) => {{
        let mut function: $type = $function;
        #[allow(clippy::pointers_in_nomem_asm_block, reason = "it is only hidden there")]
        // SAFETY: the instruction list is empty.
        unsafe {
            asm!("/* {0} */", inout(reg) function, options(pure, nomem, nostack, preserves_flags))
        };
        function
    }};
}

/// Copies mapped bytes to memory of our own.
///
/// # Safety
///
/// `from` is of `len` mapped bytes, and `to` is valid for writes of as many.
#[inline]
pub(in crate::access) unsafe fn copy_out(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise; our own memory does not overlap what is mapped.
    unsafe { copy(from, to, len) }
}

/// Copies bytes of our own to mapped memory.
///
/// # Safety
///
/// `from` is valid for reads of `len` bytes, and `to` is of as many mapped bytes that are writable.
#[inline]
pub(in crate::access) unsafe fn copy_in(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise; our own memory does not overlap what is mapped.
    unsafe { copy(from, to, len) }
}

/// # Safety
///
/// `from` is valid for reads and `to` for writes of `len` bytes, and they do not overlap.
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

/// Copies bytes within mapped memory; the two ranges may overlap.
///
/// # Safety
///
/// Both are of `len` mapped bytes, and those at `to` are writable.
pub(in crate::access) unsafe fn move_within(from: *const u8, to: *mut u8, len: usize) {
    let memmove =
        opaque!(memmove as unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void);
    // SAFETY: the caller's promise.
    unsafe { memmove(to.cast(), from.cast(), len) };
}

/// Sets every byte.
///
/// # Safety
///
/// `to` is of `len` mapped bytes that are writable.
pub(in crate::access) unsafe fn fill(to: *mut u8, value: u8, len: usize) {
    let memset = opaque!(memset as unsafe extern "C" fn(*mut c_void, c_int, usize) -> *mut c_void);
    // SAFETY: the caller's promise.
    unsafe { memset(to.cast(), c_int::from(value), len) };
}

/// A few bytes, in two or four moves that overlap where they have to: half the time of a call.
#[cfg(target_arch = "x86_64")]
mod few {
    use std::arch::asm;

    /// Four registers of 16 bytes.
    pub(super) const MOST: usize = 64;

    /// The first and the last bytes, of the size of a register.
    macro_rules! two_moves {
        ($move:literal, $class:ident $modifier:literal, $size:literal, $from:ident, $to:ident, $len:ident) => {
            // SAFETY: it reads and writes from the first byte and up to the last, since `len` is at least the size.
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
    /// As [`copy`](super::copy), and `len` is at most [`MOST`].
    #[inline]
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
        if len > 32 {
            // SAFETY: as `two_moves`, with the first and the last 32 bytes.
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
            // SAFETY: the caller's promise, for one byte; volatile as in `load`.
            let byte = unsafe { from.read_volatile() };
            // SAFETY: the same.
            unsafe { to.write_volatile(byte) }
        } else if len >= 4 {
            two_moves!("mov", reg ":e", "4", from, to, len);
        } else if len >= 2 {
            two_moves!("mov", reg ":x", "2", from, to, len);
        }
    }
}

/// Other machines call for any number of bytes.
#[cfg(not(target_arch = "x86_64"))]
mod few {
    pub(super) const MOST: usize = 0;

    /// # Safety
    ///
    /// None: there is nothing to copy.
    #[inline]
    pub(super) unsafe fn copy(_: *const u8, _: *mut u8, _: usize) {}
}
