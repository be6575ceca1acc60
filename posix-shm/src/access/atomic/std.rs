//! The standard library's atomics, for machines without a file of their own and for byte-wise mode.
//!
//! They do not keep rule 2. Safe calls of different sizes may race on the same bytes, and Rust does
//! not define what happens then (rust-lang/unsafe-code-guidelines#345). The hardware does, and no
//! compiler is known to exploit the gap. Miri reports such a race. It accepts different sizes if
//! the accesses are ordered, and racing atomic operations of the same size. `load_relaxed` is one
//! of them here.

#[cfg(pshm_atomic_64)]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, fence};

use super::sealed::Machine;

macro_rules! words {
    ($($word:ident $atomic:ident),*) => {
        $(
            impl Machine for $word {
                unsafe fn load_relaxed(at: *const $word) -> $word {
                    // SAFETY: it is an aligned integer in mapped memory.
                    unsafe { $atomic::from_ptr(at.cast_mut()) }.load(Relaxed)
                }
                unsafe fn load_acquire(at: *const $word) -> $word {
                    // SAFETY: the caller's promise.
                    let value = unsafe { Self::load_relaxed(at) };
                    // Not an acquiring load: on read-only pages std allows relaxed loads alone.
                    fence(Acquire);
                    value
                }
                unsafe fn store_release(at: *mut $word, value: $word) {
                    // SAFETY: as above, and it is writable.
                    unsafe { $atomic::from_ptr(at) }.store(value, Release);
                }
                unsafe fn swap(at: *mut $word, value: $word) -> $word {
                    // SAFETY: as above.
                    unsafe { $atomic::from_ptr(at) }.swap(value, SeqCst)
                }
                unsafe fn compare_exchange(at: *mut $word, current: $word, new: $word) -> $word {
                    // SAFETY: as above.
                    let atomic = unsafe { $atomic::from_ptr(at) };
                    let result = atomic.compare_exchange(current, new, SeqCst, SeqCst);
                    result.unwrap_or_else(|found| found)
                }
                unsafe fn fetch_add(at: *mut $word, value: $word) -> $word {
                    // SAFETY: as above.
                    unsafe { $atomic::from_ptr(at) }.fetch_add(value, SeqCst)
                }
            }
        )*
    };
}

words!(u8 AtomicU8, u16 AtomicU16, u32 AtomicU32);
#[cfg(pshm_atomic_64)]
words!(u64 AtomicU64);
