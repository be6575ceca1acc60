//! The copy engine: every access to mapped bytes that is not an atomic operation.
//!
//! The rules are in the chapter on [safety](crate::guide::safety). This is why they are enough:
//!
//! * A value of 1, 2, 4 or 8 bytes at a multiple of its size is moved by one volatile access of an
//!   integer. Iterators also read blocks, by volatile accesses of vectors. "Volatile operations,
//!   however, may also be used to access memory that is outside of any Rust allocation"
//!   (`std::ptr::read_volatile` since 1.90; rust-lang/rust#141260), and rule 1 keeps mapped memory
//!   outside. The memory is then not the abstract machine's, so writes by peers and other threads
//!   are no data race in the sense of the language: the access reads whatever the hardware finds
//!   there. The compiler neither drops nor reorders such accesses, and LLVM neither splits nor
//!   merges them.
//! * Everything else is done by code that the compiler cannot see into: a few instructions in
//!   `asm!`, which move values of up to 64 bytes in pieces, or the C library's `memcpy`, `memmove`
//!   and `memset`, called through a pointer that has passed through an empty `asm!`. For memory
//!   outside the abstract machine, such code may do what the hardware allows. (If the compiler saw
//!   the name `memcpy`, it could apply what it knows of that function, and take the bytes for
//!   ordinary memory.)
//! * Two calls that access the same bytes in different sizes, from two threads or two processes,
//!   therefore have the result that the hardware gives them. Rust's atomics would not do: racing
//!   atomic accesses of different sizes are undefined (rust-lang/unsafe-code-guidelines#345),
//!   those of a peer included (#607), and there is no atomic copy (RFC 3301).
//!
//! # The assumption
//!
//! The documentation of `read_volatile` and `write_volatile` also says: "The access must not trap."
//! If a peer has shortened the object, an access past its end does trap. We assume that the
//! compiler makes nothing of this, and that the system sends the process a `SIGBUS`.
//!
//! Integers moved by `asm!` would not need the assumption. But the compiler does not unroll loops
//! around `asm!`, and has to reload its own variables after each. Against volatile accesses, the
//! sum of 1024 integers in the first cache took 1.9 to 2.9 times as long, and storing a value at
//! each index 1.9 to 2.3 times (x86-64, Rust 1.95). Loads and stores of a few cells cost no more.
//!
//! # Byte-wise mode
//!
//! The cfg `pshm_bytewise` is set under Miri and `ThreadSanitizer`, which know only the abstract
//! machine, and on architectures without stable `asm!`. Every byte is a relaxed atomic there. The
//! results are the same, except that values of more than one byte may tear. The functions here then
//! never mix sizes. The operations of a `SharedAtomic` are the standard library's in this mode.
//! They do mix sizes if they race with an access of another size, one by the functions here
//! included. No sound operation on four bytes can be made of atomics of one byte.

use std::mem::{self, MaybeUninit};

use bytemuck::{AnyBitPattern, NoUninit};

#[cfg(pshm_any_address)]
#[path = "copy/vectors.rs"]
mod blocks;
#[cfg(not(pshm_any_address))]
#[path = "copy/no_blocks.rs"]
mod blocks;
#[cfg(pshm_bytewise)]
#[path = "copy/bytewise.rs"]
mod bulk;
#[cfg(not(pshm_bytewise))]
#[path = "copy/opaque.rs"]
mod bulk;
#[cfg(not(pshm_bytewise))]
mod registers;

pub(super) use blocks::{BLOCK, Block, suit_blocks};
pub(super) use bulk::{copy_in, copy_out, fill, move_within};

/// Runs `$then`, which returns, if one access of an integer can move a value: if they have the same
/// size and the address is a multiple of it. The compiler knows that from the type, or the machine
/// does not need to know.
macro_rules! if_integer {
    ($type:ty, $at:ident, $integer:ident => $then:expr) => {
        let size = size_of::<$type>();
        let is_aligned = || !cfg!(pshm_any_address) && size != 0 && $at.addr() % size == 0;
        if !cfg!(pshm_bytewise) && (align_of::<$type>() >= size || is_aligned()) {
            match size {
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
                _ => {}
            }
        }
    };
}

/// Reads a value, in one access if it can be moved as an integer, and otherwise as a copy.
///
/// # Safety
///
/// `at` is aligned, and a `T` there is inside mapped memory (rules 1 and 4).
#[inline]
pub(super) unsafe fn load<T: AnyBitPattern>(at: *const T) -> T {
    if_integer!(T, at, Integer => {
        // SAFETY: the caller's promise. The integer has the value's size, and the address is
        // aligned for it (rules 1 and 2).
        let value = unsafe { at.cast::<Integer>().read_volatile() };
        // SAFETY: both have the same size, and any bytes are a valid `T` (rule 5).
        return unsafe { mem::transmute_copy::<Integer, T>(&value) };
    });
    #[cfg(not(pshm_bytewise))]
    if registers::suits::<T>() {
        // SAFETY: the caller's promise, and any bytes are a valid `T` (rule 5).
        return unsafe { registers::load(at) };
    }
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the caller's promise. `value` is our own and has the same size.
    unsafe { copy_out(at.cast(), value.as_mut_ptr().cast(), size_of::<T>()) };
    // SAFETY: the copy has written every byte, and any bytes are a valid `T` (rule 5).
    unsafe { value.assume_init() }
}

/// Reads a value for a snapshot: the caller looks afterwards whether the copy counts, so it may be
/// torn.
///
/// # Safety
///
/// The same as [`load`].
#[inline]
pub(super) unsafe fn load_for_snapshot<T: AnyBitPattern>(at: *const T) -> T {
    #[cfg(pshm_any_address)]
    if size_of::<T>() > 16 && registers::suits::<T>() {
        // SAFETY: the caller's promise, and any bytes are a valid `T` (rule 5).
        return unsafe { registers::load_in_vectors(at) };
    }
    // SAFETY: the caller's promise.
    unsafe { load(at) }
}

/// Writes a value, in one access if it can be moved as an integer, and otherwise as a copy.
///
/// # Safety
///
/// `at` is aligned, and a `T` there is inside mapped memory that is writable (rules 1 and 4).
#[inline]
pub(super) unsafe fn store<T: NoUninit>(at: *mut T, value: T) {
    if_integer!(T, at, Integer => {
        // SAFETY: both have the same size, and the value has no uninitialised bytes (rule 5).
        let value = unsafe { mem::transmute_copy::<T, Integer>(&value) };
        // SAFETY: the caller's promise. The integer has the value's size, and the address is
        // aligned for it (rules 1 and 2).
        return unsafe { at.cast::<Integer>().write_volatile(value) };
    });
    #[cfg(not(pshm_bytewise))]
    if registers::suits::<T>() {
        // SAFETY: the caller's promise. The value has no uninitialised bytes (rule 5).
        return unsafe { registers::store(at, value) };
    }
    // SAFETY: the caller's promise. `value` is our own, has the same size, and has no uninitialised
    // bytes (rule 5).
    unsafe { copy_in((&raw const value).cast(), at.cast(), size_of::<T>()) }
}
