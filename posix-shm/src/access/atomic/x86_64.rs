//! The instructions of x86-64. Its loads acquire and its stores release by themselves, and what it locks has one order for
//! all; each `asm!` keeps the compiler from moving other accesses across it.

use std::arch::asm;

use super::sealed::Machine;

macro_rules! words {
    ($($word:ident $class:ident $modifier:literal $accumulator:tt),* $(,)?) => {
        $(
            impl Machine for $word {
                #[inline]
                unsafe fn load_acquire(at: *const $word) -> $word {
                    let value: $word;
                    // SAFETY: reads an aligned integer in mapped memory.
                    unsafe {
                        asm!(
                            concat!("mov {value", $modifier, "}, [{at}]"),
                            at = in(reg) at,
                            value = out($class) value,
                            options(nostack, preserves_flags),
                        )
                    };
                    value
                }

                #[inline]
                unsafe fn store_release(at: *mut $word, value: $word) {
                    // SAFETY: writes an aligned integer in mapped memory that is writable.
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
                unsafe fn swap(at: *mut $word, mut value: $word) -> $word {
                    // SAFETY: as in `store_release`; the instruction locks by itself.
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
                unsafe fn compare_exchange(at: *mut $word, current: $word, new: $word) -> $word {
                    let found: $word;
                    // SAFETY: as in `store_release`.
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
                unsafe fn fetch_add(at: *mut $word, mut value: $word) -> $word {
                    // SAFETY: as in `store_release`.
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

                #[inline]
                unsafe fn fetch_sub(at: *mut $word, value: $word) -> $word {
                    // SAFETY: the caller's promise.
                    unsafe { Self::fetch_add(at, value.wrapping_neg()) }
                }
            }
        )*
    };
}

words!(
    u8 reg_byte "" "al", u16 reg ":x" "ax", u32 reg ":e" "eax", u64 reg "" "rax",
    i8 reg_byte "" "al", i16 reg ":x" "ax", i32 reg ":e" "eax", i64 reg "" "rax",
);
