//! The instructions of RISC-V of 64 bits, with the extension A.
//!
//! The mappings are those that the ABI prescribes to all compilers. A sequentially consistent load
//! has a fence before it, and such a store has one after it as well, so that it also goes together
//! with code whose loads have none before them (`A6S`, which is compatible with `A6C` and `A7`).
//!
//! The `sc` of a pair fails if another processor has written after the `lr`, and the pair is tried
//! again. Only words of 4 and 8 bytes have such instructions.
//!
//! Source: RISC-V ABIs Specification (riscv-elf-psabi-doc), "Memory model and atomics".

use std::arch::asm;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use super::in_word;
use super::word::Machine;

macro_rules! load_and_store {
    ($word:ident $load:literal $store:literal) => {
        in_word::load_and_store!(
            $word reg
            load
            [concat!($load, " {value}, 0({at})")]
            [concat!($load, " {value}, 0({at})"), "fence r, rw"]
            ["fence rw, rw", concat!($load, " {value}, 0({at})"), "fence r, rw"]
            store
            [concat!($store, " {value}, 0({at})")]
            ["fence rw, w", concat!($store, " {value}, 0({at})")]
            ["fence rw, w", concat!($store, " {value}, 0({at})"), "fence rw, rw"]
        );
    };
}

in_word::parts!(load_and_store: u8 "lbu" "sb", u16 "lhu" "sh");

/// Operations that are one instruction.
macro_rules! operations {
    ($word:ident $size:literal: $($name:ident $instruction:literal),*) => {
        $(
            #[inline]
            unsafe fn $name(at: *mut $word, value: $word, order: Ordering) -> $word {
                operations!(@ order, at, value, concat!($instruction, $size))
            }
        )*
    };
    (@ $order:ident, $at:ident, $value:ident, $name:expr) => {
        match $order {
            Relaxed => operations!(@ $at, $value, $name, ""),
            Acquire => operations!(@ $at, $value, $name, ".aq"),
            Release => operations!(@ $at, $value, $name, ".rl"),
            _ => operations!(@ $at, $value, $name, ".aqrl"),
        }
    };
    (@ $at:ident, $value:ident, $name:expr, $order:literal) => {
        in_word::one_instruction!($at, $value, concat!($name, $order, " {old}, {value}, ({at})"))
    };
}

/// Stores `$new` if the value is `$current`. Is the previous value.
macro_rules! compare_exchange {
    ($load:literal $store:literal, $at:ident, $current:ident, $new:ident, $size:literal) => {{
        let old;
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                "2:",
                concat!("lr.", $size, $load, " {old}, ({at})"),
                "bne {old}, {current}, 3f",
                concat!("sc.", $size, $store, " {failed}, {new}, ({at})"),
                "bnez {failed}, 2b",
                "3:",
                at = in(reg) $at,
                current = in(reg) $current,
                new = in(reg) $new,
                old = out(reg) old,
                failed = out(reg) _,
                options(nostack, preserves_flags),
            )
        };
        old
    }};
}

/// `lr` extends a word by its sign, and the comparison is of whole registers. So `current` is
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
                        Relaxed => compare_exchange!("" "", at, current, new, $size),
                        Acquire => compare_exchange!(".aq" "", at, current, new, $size),
                        Release => compare_exchange!("" ".rl", at, current, new, $size),
                        _ => compare_exchange!(".aqrl" ".rl", at, current, new, $size),
                    }
                }

                operations!(
                    $word $size:
                    swap "amoswap.", fetch_add "amoadd.", fetch_and "amoand.", fetch_or "amoor.",
                    fetch_xor "amoxor."
                );
            }
        )*
    };
}

words!(u32 i32 "w" "lw" "sw", u64 i64 "d" "ld" "sd");
