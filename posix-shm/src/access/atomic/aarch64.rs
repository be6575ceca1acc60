//! The instructions of AArch64, version 8.0.
//!
//! A read-modify-write operation is a pair of exclusive instructions. The store fails if another
//! processor has written since the load, and the pair is tried again.
//!
//! Loads that acquire (`ldar`, `ldaxr`) and stores that release (`stlr`, `stlxr`) have one order
//! that all processors see, so they are sequentially consistent too. That is why a load does not
//! acquire with `ldapr`, which is outside that order. These are the mappings that compilers use.
//!
//! Source: Arm's Architecture Reference Manual for A-profile, "The AArch64 Application Level Memory
//! Model".

use std::arch::asm;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use super::word::Machine;

macro_rules! load {
    ($instruction:literal, $at:ident, $size:literal $modifier:literal) => {{
        let value;
        // SAFETY: it reads an aligned integer in mapped memory.
        unsafe {
            asm!(
                concat!($instruction, $size, " {value:", $modifier, "}, [{at}]"),
                at = in(reg) $at,
                value = lateout(reg) value,
                options(nostack, preserves_flags),
            )
        };
        value
    }};
}

macro_rules! store {
    ($instruction:literal, $at:ident, $value:ident, $size:literal $modifier:literal) => {
        // SAFETY: it writes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                concat!($instruction, $size, " {value:", $modifier, "}, [{at}]"),
                at = in(reg) $at,
                value = in(reg) $value,
                options(nostack, preserves_flags),
            )
        }
    };
}

/// Replaces an integer, and is the previous one. `$change` computes `{new}` from `{old}`, or jumps
/// to label 3 and stores nothing.
macro_rules! exchange {
    (
        @ $load:literal $store:literal, $at:ident, $size:literal $modifier:literal,
        [$($change:expr),*], $($operands:tt)*
    ) => {{
        let old;
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                "2:",
                concat!($load, $size, " {old:", $modifier, "}, [{at}]"),
                $($change,)*
                concat!($store, $size, " {failed:w}, {new:", $modifier, "}, [{at}]"),
                "cbnz {failed:w}, 2b",
                "3:",
                at = in(reg) $at,
                old = out(reg) old,
                failed = out(reg) _,
                $($operands)*
                options(nostack),
            )
        };
        old
    }};
    ($order:ident, $($rest:tt)*) => {
        match $order {
            Relaxed => exchange!(@ "ldxr" "stxr", $($rest)*),
            Acquire => exchange!(@ "ldaxr" "stxr", $($rest)*),
            Release => exchange!(@ "ldxr" "stlxr", $($rest)*),
            _ => exchange!(@ "ldaxr" "stlxr", $($rest)*),
        }
    };
}

/// Operations that compute the new value from the previous one by one instruction.
macro_rules! operations {
    ($word:ident $size:literal $modifier:literal: $($name:ident $instruction:literal),*) => {
        $(
            #[inline]
            unsafe fn $name(at: *mut $word, value: $word, order: Ordering) -> $word {
                exchange!(
                    order, at, $size $modifier,
                    [concat!(
                        $instruction, " {new:", $modifier, "}, {old:", $modifier, "}, {value:",
                        $modifier, "}"
                    )],
                    new = out(reg) _, value = in(reg) value,
                )
            }
        )*
    };
}

macro_rules! words {
    ($($word:ident $size:literal $modifier:literal $extend:literal),* $(,)?) => {
        $(
            impl Machine for $word {
                #[inline]
                unsafe fn load(at: *const $word, order: Ordering) -> $word {
                    match order {
                        Relaxed => load!("ldr", at, $size $modifier),
                        _ => load!("ldar", at, $size $modifier),
                    }
                }

                #[inline]
                unsafe fn store(at: *mut $word, value: $word, order: Ordering) {
                    match order {
                        Relaxed => store!("str", at, value, $size $modifier),
                        _ => store!("stlr", at, value, $size $modifier),
                    }
                }

                #[inline]
                unsafe fn swap(at: *mut $word, value: $word, order: Ordering) -> $word {
                    exchange!(order, at, $size $modifier, [], new = in(reg) value,)
                }

                #[inline]
                unsafe fn compare_exchange(
                    at: *mut $word,
                    current: $word,
                    new: $word,
                    order: Ordering,
                ) -> $word {
                    exchange!(
                        order, at, $size $modifier,
                        [
                            // Above its own bits, the loaded value is zero and `current` is
                            // anything.
                            concat!(
                                "cmp {old:", $modifier, "}, {current:", $modifier, "}", $extend
                            ),
                            "b.ne 3f"
                        ],
                        new = in(reg) new, current = in(reg) current,
                    )
                }

                operations!(
                    $word $size $modifier:
                    fetch_add "add", fetch_and "and", fetch_or "orr", fetch_xor "eor"
                );
            }
        )*
    };
}

words!(u8 "b" "w" ", uxtb", u16 "h" "w" ", uxth", u32 "" "w" "", u64 "" "x" "");
