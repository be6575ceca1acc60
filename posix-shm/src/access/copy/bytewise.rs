//! Copies byte by byte with relaxed atomics, which the abstract machine can express.

use std::sync::atomic::{AtomicU8, Ordering};

/// One byte of mapped memory.
///
/// # Safety
///
/// The byte at `index` from `at` is mapped, and writable if the result is stored to.
unsafe fn byte<'a>(at: *const u8, index: usize) -> &'a AtomicU8 {
    // Not `add`, which needs a pointer into a Rust allocation (rule 1).
    let at = at.wrapping_add(index).cast_mut();
    // SAFETY: the caller's promise. A byte is always aligned, and the copy engine accesses mapped
    // memory only byte by byte here.
    unsafe { AtomicU8::from_ptr(at) }
}

/// Copies mapped bytes to our own memory.
///
/// # Safety
///
/// There are `len` mapped bytes at `from`, and `to` is valid for writes of as many.
pub(in crate::access) unsafe fn copy_out(from: *const u8, to: *mut u8, len: usize) {
    for i in 0..len {
        // SAFETY: the caller's promise.
        let value = unsafe { byte(from, i) }.load(Ordering::Relaxed);
        // SAFETY: the caller's promise.
        let to = unsafe { to.add(i) };
        // SAFETY: the caller's promise.
        unsafe { to.write(value) };
    }
}

/// Copies our own bytes to mapped memory.
///
/// # Safety
///
/// `from` is valid for reads of `len` bytes, and there are as many mapped bytes at `to`, which are
/// writable.
pub(in crate::access) unsafe fn copy_in(from: *const u8, to: *mut u8, len: usize) {
    for i in 0..len {
        // SAFETY: the caller's promise.
        let from = unsafe { from.add(i) };
        // SAFETY: the caller's promise.
        let value = unsafe { from.read() };
        // SAFETY: the caller's promise.
        unsafe { byte(to, i) }.store(value, Ordering::Relaxed);
    }
}

/// Copies bytes within mapped memory. The two ranges may overlap.
///
/// # Safety
///
/// There are `len` mapped bytes at `from` and at `to`, and those at `to` are writable.
pub(in crate::access) unsafe fn move_within(from: *const u8, to: *mut u8, len: usize) {
    let move_byte = |i| {
        // SAFETY: the caller's promise.
        let value = unsafe { byte(from, i) }.load(Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { byte(to, i) }.store(value, Ordering::Relaxed);
    };
    // Each byte is read before it is overwritten.
    if from.addr() < to.addr() {
        (0..len).rev().for_each(move_byte);
    } else {
        (0..len).for_each(move_byte);
    }
}

/// Sets every byte to one value.
///
/// # Safety
///
/// There are `len` mapped bytes at `to`, which are writable.
pub(in crate::access) unsafe fn fill(to: *mut u8, value: u8, len: usize) {
    for i in 0..len {
        // SAFETY: the caller's promise.
        unsafe { byte(to, i) }.store(value, Ordering::Relaxed);
    }
}
