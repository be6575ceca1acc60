//! The instructions of LoongArch of 64 bits.
//!
//! `dbar 0` orders every access before it with every access after it, and so do the `_db` forms of
//! the read-modify-write instructions. It stands before what releases and after what acquires. A
//! sequentially consistent store has one on each side. Compilers put theirs in the same places.
//! (They may use weaker ones, which older processors take for `dbar 0`.)
//!
//! The `sc` of a pair fails if another processor has written after the `ll`, and the pair is tried
//! again. If the pair stores nothing, `dbar 0x700` keeps the `ll` before later loads of the same
//! address. Only words of 4 and 8 bytes have such instructions in every version of the
//! architecture.
//!
//! Source: LoongArch Reference Manual, volume 1, "Atomic Memory Access Instructions" and "Barrier
//! Instructions".

use std::arch::asm;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use super::in_word;
use super::word::Machine;

macro_rules! load_and_store {
    ($word:ident $load:literal $store:literal) => {
        in_word::load_and_store!(
            $word reg
            load
            [concat!($load, " {value}, {at}, 0")]
            [concat!($load, " {value}, {at}, 0"), "dbar 0"]
            [concat!($load, " {value}, {at}, 0"), "dbar 0"]
            store
            [concat!($store, " {value}, {at}, 0")]
            ["dbar 0", concat!($store, " {value}, {at}, 0")]
            ["dbar 0", concat!($store, " {value}, {at}, 0"), "dbar 0"]
        );
    };
}

in_word::parts!(load_and_store: u8 "ld.bu" "st.b", u16 "ld.hu" "st.h");

/// Operations that are one instruction.
macro_rules! operations {
    ($word:ident $size:literal: $($name:ident $instruction:literal),*) => {
        $(
            #[inline]
            unsafe fn $name(at: *mut $word, value: $word, order: Ordering) -> $word {
                match order {
                    Relaxed => in_word::one_instruction!(
                        at, value, concat!($instruction, ".", $size, " {old}, {value}, {at}")
                    ),
                    _ => in_word::one_instruction!(
                        at, value, concat!($instruction, "_db.", $size, " {old}, {value}, {at}")
                    ),
                }
            }
        )*
    };
}

/// Stores `$new` if the value is `$current`. Is the previous value.
macro_rules! compare_exchange {
    ($before:literal $after:literal, $at:ident, $current:ident, $new:ident, $size:literal) => {{
        let old;
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                $before,
                "2:",
                concat!("ll.", $size, " {old}, {at}, 0"),
                "bne {old}, {current}, 3f",
                // `sc` replaces the register by whether it has stored.
                "move {stored}, {new}",
                concat!("sc.", $size, " {stored}, {at}, 0"),
                "beqz {stored}, 2b",
                "3:",
                $after,
                at = in(reg) $at,
                current = in(reg) $current,
                new = in(reg) $new,
                old = out(reg) old,
                stored = out(reg) _,
                options(nostack, preserves_flags),
            )
        };
        old
    }};
}

/// `ll` extends a word by its sign, and the comparison is of whole registers. So `current` is
/// extended as well.
macro_rules! words {
    ($($word:ident $signed:ident $size:literal $load:literal $store:literal),*) => {
        $(
            impl Machine for $word {
                load_and_store!($word $load $store);

                #[inline]
                unsafe fn compare_exchange(
                    at: *mut $word,
                    current: $word,
                    new: $word,
                    order: Ordering,
                ) -> $word {
                    let current = i64::from(current as $signed);
                    match order {
                        Relaxed => compare_exchange!("" "dbar 0x700", at, current, new, $size),
                        Acquire => compare_exchange!("" "dbar 0", at, current, new, $size),
                        Release => {
                            compare_exchange!("dbar 0" "dbar 0x700", at, current, new, $size)
                        }
                        _ => compare_exchange!("dbar 0" "dbar 0", at, current, new, $size),
                    }
                }

                operations!(
                    $word $size:
                    swap "amswap", fetch_add "amadd", fetch_and "amand", fetch_or "amor",
                    fetch_xor "amxor"
                );
            }
        )*
    };
}

words!(u32 i32 "w" "ld.w" "st.w", u64 i64 "d" "ld.d" "st.d");
