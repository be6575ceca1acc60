//! Std's atomics, where the machine's own instructions are not written out.
//!
//! Formally a gap stays open here: safe calls of different sizes on the same bytes that race are not defined by Rust
//! (rust-lang/unsafe-code-guidelines#345). The machines do define them, and no compiler is known to exploit it.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicI8, AtomicI16, AtomicI32, AtomicU8, AtomicU16, AtomicU32, fence};
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::{AtomicI64, AtomicU64};

use super::sealed::Machine;

macro_rules! words {
    ($($word:ident $atomic:ident),*) => {
        $(
            impl Machine for $word {
                unsafe fn load_acquire(at: *const $word) -> $word {
                    // SAFETY: an aligned integer in mapped memory.
                    let value = unsafe { $atomic::from_ptr(at.cast_mut()) }.load(Relaxed);
                    // On read-only pages, only relaxed loads are defined.
                    fence(Acquire);
                    value
                }
                unsafe fn store_release(at: *mut $word, value: $word) {
                    // SAFETY: as above, and writable.
                    unsafe { $atomic::from_ptr(at) }.store(value, Release);
                }
                unsafe fn swap(at: *mut $word, value: $word) -> $word {
                    // SAFETY: as above.
                    unsafe { $atomic::from_ptr(at) }.swap(value, SeqCst)
                }
                unsafe fn compare_exchange(at: *mut $word, current: $word, new: $word) -> $word {
                    // SAFETY: as above.
                    let result =
                        unsafe { $atomic::from_ptr(at) }.compare_exchange(current, new, SeqCst, SeqCst);
                    result.unwrap_or_else(|found| found)
                }
                unsafe fn fetch_add(at: *mut $word, value: $word) -> $word {
                    // SAFETY: as above.
                    unsafe { $atomic::from_ptr(at) }.fetch_add(value, SeqCst)
                }
                unsafe fn fetch_sub(at: *mut $word, value: $word) -> $word {
                    // SAFETY: as above.
                    unsafe { $atomic::from_ptr(at) }.fetch_sub(value, SeqCst)
                }
            }
        )*
    };
}

words!(u8 AtomicU8, u16 AtomicU16, u32 AtomicU32, i8 AtomicI8, i16 AtomicI16, i32 AtomicI32);
#[cfg(target_has_atomic = "64")]
words!(u64 AtomicU64, i64 AtomicI64);
