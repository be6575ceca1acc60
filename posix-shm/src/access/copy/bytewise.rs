//! Copies byte by byte with relaxed atomics: what the abstract machine itself can express.

use std::sync::atomic::{AtomicU8, Ordering};

/// A byte of mapped memory.
///
/// # Safety
///
/// The address is of mapped memory, and for writing of writable memory.
unsafe fn byte<'a>(at: *const u8, index: usize) -> &'a AtomicU8 {
    // SAFETY: the caller's promise.
    let at = unsafe { at.add(index) };
    // SAFETY: the caller's promise; a byte is always aligned, and here every access of mapped memory is one of a byte.
    unsafe { AtomicU8::from_ptr(at.cast_mut()) }
}

/// Copies mapped bytes to memory of our own.
///
/// # Safety
///
/// `from` is of `len` mapped bytes, and `to` is valid for writes of as many.
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

/// Copies bytes of our own to mapped memory.
///
/// # Safety
///
/// `from` is valid for reads of `len` bytes, and `to` is of as many mapped bytes that are writable.
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

/// Copies bytes within mapped memory; the two ranges may overlap.
///
/// # Safety
///
/// Both are of `len` mapped bytes, and those at `to` are writable.
pub(in crate::access) unsafe fn move_within(from: *const u8, to: *mut u8, len: usize) {
    let move_byte = |i| {
        // SAFETY: the caller's promise.
        let value = unsafe { byte(from, i) }.load(Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { byte(to, i) }.store(value, Ordering::Relaxed);
    };
    // From the end that the other range has not reached yet.
    if from.addr() < to.addr() {
        (0..len).rev().for_each(move_byte);
    } else {
        (0..len).for_each(move_byte);
    }
}

/// Sets every byte.
///
/// # Safety
///
/// `to` is of `len` mapped bytes that are writable.
pub(in crate::access) unsafe fn fill(to: *mut u8, value: u8, len: usize) {
    for i in 0..len {
        // SAFETY: the caller's promise.
        unsafe { byte(to, i) }.store(value, Ordering::Relaxed);
    }
}
