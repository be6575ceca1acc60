//! The instructions of AArch64, version 8.0: those that load and acquire, store and release, and pairs of them that try
//! again where somebody else came in between.

use std::arch::asm;

use super::sealed::Machine;

/// Changes what is there: `$change` makes `{new}` from `{old}`, and goes to label 3 where nothing is to be stored.
macro_rules! exchange {
    ($at:ident, $old:ident, $size:literal $modifier:literal, [$($change:expr),*], $($operands:tt)*) => {
        // SAFETY: changes an aligned integer in mapped memory that is writable.
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
                    // SAFETY: reads an aligned integer in mapped memory.
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
                    // SAFETY: writes an aligned integer in mapped memory that is writable.
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
                            // The loaded value has zeros above its own bits, and `current` may have anything.
                            concat!("cmp {old:", $modifier, "}, {current:", $modifier, "}", $extend),
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
                        [concat!("add {new:", $modifier, "}, {old:", $modifier, "}, {value:", $modifier, "}")],
                        new = out(reg) _, value = in(reg) value,
                    );
                    old
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
    u8 "b" "w" ", uxtb", u16 "h" "w" ", uxth", u32 "" "w" "", u64 "" "x" "",
    i8 "b" "w" ", uxtb", i16 "h" "w" ", uxth", i32 "" "w" "", i64 "" "x" "",
);
