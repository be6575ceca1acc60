//! The copy engine: every access to mapped bytes that is not an atomic operation.
//!
//! The rules are those of the crate's [safety chapter](crate#safety); here is why they are enough.
//!
//! * A value of 1, 2, 4 or 8 bytes at an address that is a multiple of its size is one volatile access of an integer. "Volatile operations
//!   […] may access memory outside of any Rust allocation" (`std::ptr::read_volatile`, since 1.90; rust-lang/rust#141260),
//!   and rule 1 keeps mapped memory outside. There is no data race there in the sense of the language: the memory is not
//!   the abstract machine's, and what a peer or another thread puts there meanwhile is just what the machine reads. The
//!   compiler neither splits, merges, repeats nor invents such an access.
//! * Everything else is done by code that the compiler cannot see into: a few instructions in `asm!`, or the C library's
//!   `memcpy`, `memmove` and `memset` through a pointer that has gone through an empty `asm!`. For memory outside the
//!   abstract machine such code may do what the machine allows. (By its name the compiler would know `memcpy` and might
//!   take the bytes for its own.)
//! * So two calls that touch the same bytes in different sizes, from two threads or two processes, are each what the
//!   machine makes of them. Rust's atomics would not do: atomic accesses of different sizes that race are undefined
//!   (rust-lang/unsafe-code-guidelines#345), a peer's included (#607), and there is no atomic copy (RFC 3301).
//!
//! Where there is no such code (`pshm_bytewise`: under Miri and `ThreadSanitizer`, which only know the abstract machine, and
//! on machines without a plan), every byte is a relaxed atomic, and nothing else is used, so that sizes are never mixed.
//! The results are the same, but that values of more than one byte may tear.

use std::mem::{self, MaybeUninit};

use bytemuck::{AnyBitPattern, NoUninit};

#[cfg(pshm_bytewise)]
#[path = "copy/bytewise.rs"]
mod bulk;
#[cfg(not(pshm_bytewise))]
#[path = "copy/opaque.rs"]
mod bulk;

pub(super) use bulk::{copy_in, copy_out, fill, move_within};

/// Where a value is as long as a machine integer and lies as one wants to: in one access. By its type that is known when it
/// is compiled, or else by its address.
macro_rules! if_integer {
    ($type:ty, $at:ident, $integer:ident => $then:expr, else $otherwise:expr) => {
        match size_of::<$type>() {
            _ if cfg!(pshm_bytewise) => $otherwise,
            size if align_of::<$type>() < size && $at.addr() % size.max(1) != 0 => $otherwise,
            1 => {
                type $integer = u8;
                $then
            }
            2 => {
                type $integer = u16;
                $then
            }
            4 => {
                type $integer = u32;
                $then
            }
            8 => {
                type $integer = u64;
                $then
            }
            _ => $otherwise,
        }
    };
}

/// Reads a value: in one access where a machine integer is as long and the address is aligned for it, else as a copy.
///
/// # Safety
///
/// The address is aligned, and of mapped memory (rule 1) as long as a `T` (rule 4).
#[inline]
pub(super) unsafe fn load<T: AnyBitPattern>(at: *const T) -> T {
    if_integer!(T, at, Integer => {
        // SAFETY: the caller's promise; the integer is as long as the value, and the address is aligned for it (rules 1 and 2).
        let value = unsafe { at.cast::<Integer>().read_volatile() };
        // SAFETY: both have the same size, and any bytes are a `T` (rule 5).
        unsafe { mem::transmute_copy::<Integer, T>(&value) }
    }, else {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the caller's promise; the value is our own and as long.
        unsafe { copy_out(at.cast(), value.as_mut_ptr().cast(), size_of::<T>()) };
        // SAFETY: every byte is written, and any bytes are a `T` (rule 5).
        unsafe { value.assume_init() }
    })
}

/// Writes a value, as [`load`] reads it.
///
/// # Safety
///
/// As [`load`], and the memory can be written.
#[inline]
pub(super) unsafe fn store<T: NoUninit>(at: *mut T, value: T) {
    if_integer!(T, at, Integer => {
        // SAFETY: both have the same size, and no byte of the value is uninitialised (rule 5).
        let value = unsafe { mem::transmute_copy::<T, Integer>(&value) };
        // SAFETY: the caller's promise; the integer is as long as the value, and the address is aligned for it (rules 1 and 2).
        unsafe { at.cast::<Integer>().write_volatile(value) }
    }, else {
        // SAFETY: the caller's promise; the value is our own, as long, and all initialised (rule 5).
        unsafe { copy_in((&raw const value).cast(), at.cast(), size_of::<T>()) }
    });
}
