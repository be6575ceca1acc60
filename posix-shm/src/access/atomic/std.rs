//! The standard library's atomics, for machines without a file of their own and for byte-wise mode.
//!
//! They do not keep rule 2. Safe calls of different sizes may race on the same bytes, and Rust does
//! not define what happens then (rust-lang/unsafe-code-guidelines#345). The hardware does, and no
//! compiler is known to exploit the gap. Miri reports such a race. It accepts different sizes if
//! the accesses are ordered, and racing atomic operations of the same size. Relaxed loads are among
//! them.

#[cfg(pshm_atomic_64)]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, fence};

use super::word::Machine;

/// The ordering of a `compare_exchange` that stores nothing.
fn without_store(order: Ordering) -> Ordering {
    match order {
        Relaxed | Release => Relaxed,
        Acquire | AcqRel => Acquire,
        _ => SeqCst,
    }
}

macro_rules! operations {
    ($word:ident $atomic:ident: $($name:ident)*) => {
        $(
            unsafe fn $name(at: *mut $word, value: $word, order: Ordering) -> $word {
                // SAFETY: it is an aligned integer in mapped memory, which is writable.
                unsafe { $atomic::from_ptr(at) }.$name(value, order)
            }
        )*
    };
}

macro_rules! words {
    ($($word:ident $atomic:ident),*) => {
        $(
            impl Machine for $word {
                unsafe fn load(at: *const $word, order: Ordering) -> $word {
                    // On read-only pages, std allows relaxed loads alone. Fences do the rest. A
                    // sequentially consistent load needs one on each side: it comes after every
                    // operation that it sees, and before every one that it does not.
                    if !matches!(order, Relaxed | Acquire) {
                        fence(SeqCst);
                    }
                    // SAFETY: it is an aligned integer in mapped memory.
                    let value = unsafe { $atomic::from_ptr(at.cast_mut()) }.load(Relaxed);
                    if order != Relaxed {
                        fence(order);
                    }
                    value
                }

                unsafe fn store(at: *mut $word, value: $word, order: Ordering) {
                    // SAFETY: as above, and it is writable.
                    unsafe { $atomic::from_ptr(at) }.store(value, order);
                }

                unsafe fn compare_exchange(
                    at: *mut $word,
                    current: $word,
                    new: $word,
                    order: Ordering,
                ) -> $word {
                    // SAFETY: as above.
                    let atomic = unsafe { $atomic::from_ptr(at) };
                    let result =
                        atomic.compare_exchange(current, new, order, without_store(order));
                    result.unwrap_or_else(|found| found)
                }

                unsafe fn compare_exchange_weak(
                    at: *mut $word,
                    current: $word,
                    new: $word,
                    order: Ordering,
                ) -> Result<$word, $word> {
                    // SAFETY: as above.
                    let atomic = unsafe { $atomic::from_ptr(at) };
                    atomic.compare_exchange_weak(current, new, order, without_store(order))
                }

                operations!($word $atomic: swap fetch_add fetch_and fetch_or fetch_xor);
            }
        )*
    };
}

words!(u8 AtomicU8, u16 AtomicU16, u32 AtomicU32);
#[cfg(pshm_atomic_64)]
words!(u64 AtomicU64);
