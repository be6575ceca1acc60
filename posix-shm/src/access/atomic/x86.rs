//! The instructions of x86, of 64 bits and of 32.
//!
//! Every load acquires and every store releases. Only a load may happen before an earlier store, so
//! a sequentially consistent store is an exchange. Locked instructions order everything, and all
//! processors see them in one order. These are the mappings that compilers use.
//!
//! Source: Intel's Software Developer's Manual, volume 3A, "Guaranteed Atomic Operations" and
//! "Memory Ordering".

use std::arch::asm;
use std::sync::atomic::Ordering::{self, Relaxed, Release};

use super::word::Machine;

#[cfg(target_pointer_width = "32")]
#[path = "x86/pair.rs"]
mod pair;

macro_rules! words {
    ($($word:ident $class:ident $modifier:literal $accumulator:tt),* $(,)?) => {
        $(
            impl Machine for $word {
                #[inline]
                unsafe fn load(at: *const $word, _: Ordering) -> $word {
                    let value: $word;
                    // SAFETY: it reads an aligned integer in mapped memory.
                    unsafe {
                        asm!(
                            concat!("mov {value", $modifier, "}, [{at}]"),
                            at = in(reg) at,
                            value = lateout($class) value,
                            options(nostack, preserves_flags),
                        )
                    };
                    value
                }

                #[inline]
                unsafe fn store(at: *mut $word, value: $word, order: Ordering) {
                    if !matches!(order, Relaxed | Release) {
                        // SAFETY: the caller's promise.
                        unsafe { Self::swap(at, value, order) };
                        return;
                    }
                    // SAFETY: it writes an aligned integer in mapped memory, which is writable.
                    unsafe {
                        asm!(
                            concat!("mov [{at}], {value", $modifier, "}"),
                            at = in(reg) at,
                            value = in($class) value,
                            options(nostack, preserves_flags),
                        )
                    };
                }

                #[inline]
                unsafe fn swap(at: *mut $word, mut value: $word, _: Ordering) -> $word {
                    // SAFETY: as in `store`. The instruction locks without a prefix.
                    unsafe {
                        asm!(
                            concat!("xchg [{at}], {value", $modifier, "}"),
                            at = in(reg) at,
                            value = inout($class) value,
                            options(nostack, preserves_flags),
                        )
                    };
                    value
                }

                #[inline]
                unsafe fn compare_exchange(
                    at: *mut $word,
                    current: $word,
                    new: $word,
                    _: Ordering,
                ) -> $word {
                    let found: $word;
                    // SAFETY: as in `store`.
                    unsafe {
                        asm!(
                            concat!("lock cmpxchg [{at}], {new", $modifier, "}"),
                            at = in(reg) at,
                            new = in($class) new,
                            inout($accumulator) current => found,
                            options(nostack),
                        )
                    };
                    found
                }

                #[inline]
                unsafe fn fetch_add(at: *mut $word, mut value: $word, _: Ordering) -> $word {
                    // SAFETY: as in `store`.
                    unsafe {
                        asm!(
                            concat!("lock xadd [{at}], {value", $modifier, "}"),
                            at = in(reg) at,
                            value = inout($class) value,
                            options(nostack),
                        )
                    };
                    value
                }
            }
        )*
    };
}

words!(u8 reg_byte "" "al", u16 reg ":x" "ax", u32 reg ":e" "eax");
#[cfg(target_pointer_width = "64")]
words!(u64 reg "" "rax");
