//! The instructions of z/Architecture, in any version.
//!
//! Every load acquires and every store releases. Only a load may happen before an earlier store, so
//! a sequentially consistent store is followed by `bcr 15, 0`, which orders everything before it
//! with everything after it. Compare-and-swap does that too. It exchanges words of 4 and 8 bytes
//! alone. These are the mappings that compilers use.
//!
//! Source: IBM's z/Architecture Principles of Operation, "Sequence of Storage References", "BRANCH
//! ON CONDITION" and "COMPARE AND SWAP".

use std::arch::asm;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use super::in_word;
use super::word::Machine;

macro_rules! load_and_store {
    ($word:ident $load:literal $store:literal) => {
        in_word::load_and_store!(
            $word reg_addr
            load
            [concat!($load, " {value}, 0({at})")]
            [concat!($load, " {value}, 0({at})")]
            [concat!($load, " {value}, 0({at})")]
            store
            [concat!($store, " {value}, 0({at})")]
            [concat!($store, " {value}, 0({at})")]
            [concat!($store, " {value}, 0({at})"), "bcr 15, 0"]
        );
    };
}

in_word::parts!(load_and_store: u8 "llgc" "stc", u16 "llgh" "sth");

/// Replaces an integer, and is the previous one. `$change` computes `{new}` from `{old}`. If
/// another processor has written in between, compare-and-swap loads the value into `{old}`, and the
/// loop goes on.
macro_rules! exchange {
    ($at:ident, $load:literal $swap:literal, [$($change:expr),*], $($operands:tt)*) => {{
        let old;
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                concat!($load, " {old}, 0({at})"),
                "2:",
                $($change,)*
                concat!($swap, " {old}, {new}, 0({at})"),
                "jl 2b",
                at = in(reg_addr) $at,
                old = out(reg) old,
                $($operands)*
                options(nostack),
            )
        };
        old
    }};
}

/// Operations that compute the new value from a copy of the previous one by one instruction.
macro_rules! operations {
    (
        $word:ident $load:literal $swap:literal $copy:literal:
        $($name:ident $instruction:literal),*
    ) => {
        $(
            #[inline]
            unsafe fn $name(at: *mut $word, value: $word, _: Ordering) -> $word {
                exchange!(
                    at, $load $swap,
                    [concat!($copy, " {new}, {old}"), concat!($instruction, " {new}, {value}")],
                    new = out(reg) _, value = in(reg) value,
                )
            }
        )*
    };
}

macro_rules! words {
    ($(
        $word:ident $load:literal $store:literal $swap:literal $copy:literal:
        $($name:ident $instruction:literal),*;
    )*) => {
        $(
            impl Machine for $word {
                load_and_store!($word $load $store);

                #[inline]
                unsafe fn swap(at: *mut $word, value: $word, _: Ordering) -> $word {
                    exchange!(at, $load $swap, [], new = in(reg) value,)
                }

                #[inline]
                unsafe fn compare_exchange(
                    at: *mut $word,
                    current: $word,
                    new: $word,
                    _: Ordering,
                ) -> $word {
                    let old: $word;
                    // SAFETY: it changes an aligned integer in mapped memory, which is writable.
                    unsafe {
                        asm!(
                            concat!($swap, " {old}, {new}, 0({at})"),
                            at = in(reg_addr) at,
                            old = inout(reg) current => old,
                            new = in(reg) new,
                            options(nostack),
                        )
                    };
                    old
                }

                operations!($word $load $swap $copy: $($name $instruction),*);
            }
        )*
    };
}

words! {
    u32 "l" "st" "cs" "lr": fetch_add "ar", fetch_and "nr", fetch_or "or", fetch_xor "xr";
    u64 "lg" "stg" "csg" "lgr": fetch_add "agr", fetch_and "ngr", fetch_or "ogr", fetch_xor "xgr";
}
