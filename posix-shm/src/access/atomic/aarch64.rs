//! The instructions of AArch64, version 8.0.
//!
//! A read-modify-write operation is a pair of a load that acquires and a store that releases. The
//! store fails if another processor has written in between, and the pair is tried again. Loads that
//! acquire and stores that release have one order that all processors see.
//!
//! Source: Arm's Architecture Reference Manual for A-profile, "The AArch64 Application Level Memory
//! Model".

use std::arch::asm;

use super::sealed::Machine;

/// Replaces an integer. `$change` computes `{new}` from `{old}`, or jumps to label 3 and stores
/// nothing.
macro_rules! exchange {
    (
        $at:ident, $old:ident, $size:literal $modifier:literal,
        [$($change:expr),*], $($operands:tt)*
    ) => {
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                "2:",
                concat!("ldaxr", $size, " {old:", $modifier, "}, [{at}]"),
                $($change,)*
                concat!("stlxr", $size, " {failed:w}, {new:", $modifier, "}, [{at}]"),
                "cbnz {failed:w}, 2b",
                "3:",
                at = in(reg) $at,
                old = out(reg) $old,
                failed = out(reg) _,
                $($operands)*
                options(nostack),
            )
        }
    };
}

macro_rules! words {
    ($($word:ident $size:literal $modifier:literal $extend:literal),* $(,)?) => {
        $(
            impl Machine for $word {
                #[inline]
                unsafe fn load_acquire(at: *const $word) -> $word {
                    let value: $word;
                    // SAFETY: it reads an aligned integer in mapped memory.
                    unsafe {
                        asm!(
                            concat!("ldar", $size, " {value:", $modifier, "}, [{at}]"),
                            at = in(reg) at,
                            value = out(reg) value,
                            options(nostack, preserves_flags),
                        )
                    };
                    value
                }

                #[inline]
                unsafe fn store_release(at: *mut $word, value: $word) {
                    // SAFETY: it writes an aligned integer in mapped memory, which is writable.
                    unsafe {
                        asm!(
                            concat!("stlr", $size, " {value:", $modifier, "}, [{at}]"),
                            at = in(reg) at,
                            value = in(reg) value,
                            options(nostack, preserves_flags),
                        )
                    };
                }

                #[inline]
                unsafe fn swap(at: *mut $word, value: $word) -> $word {
                    let old: $word;
                    exchange!(at, old, $size $modifier, [], new = in(reg) value,);
                    old
                }

                #[inline]
                unsafe fn compare_exchange(at: *mut $word, current: $word, new: $word) -> $word {
                    let old: $word;
                    exchange!(
                        at, old, $size $modifier,
                        [
                            // Above its own bits, the loaded value is zero and `current` is
                            // anything.
                            concat!(
                                "cmp {old:", $modifier, "}, {current:", $modifier, "}", $extend
                            ),
                            "b.ne 3f"
                        ],
                        new = in(reg) new, current = in(reg) current,
                    );
                    old
                }

                #[inline]
                unsafe fn fetch_add(at: *mut $word, value: $word) -> $word {
                    let old: $word;
                    exchange!(
                        at, old, $size $modifier,
                        [concat!(
                            "add {new:", $modifier, "}, {old:", $modifier, "}, {value:", $modifier,
                            "}"
                        )],
                        new = out(reg) _, value = in(reg) value,
                    );
                    old
                }
            }
        )*
    };
}

words!(u8 "b" "w" ", uxtb", u16 "h" "w" ", uxth", u32 "" "w" "", u64 "" "x" "");
