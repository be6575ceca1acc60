//! The instructions of z/Architecture, in any version.
//!
//! Every load acquires and every store releases: only a load may happen before an earlier store.
//! Compare-and-swap is ordered with everything before and after it. It exchanges words of 4 and 8
//! bytes alone.
//!
//! Source: IBM's z/Architecture Principles of Operation, "Sequence of Storage References" and
//! "COMPARE AND SWAP".

use std::arch::asm;

use super::in_word;
use super::sealed::Machine;

macro_rules! load_and_store {
    ($word:ident $load:literal $store:literal) => {
        in_word::load_and_store!(
            $word reg_addr
            [concat!($load, " {value}, 0({at})")]
            [concat!($store, " {value}, 0({at})")]
        );
    };
}

in_word::parts!(load_and_store: u8 "llgc" "stc", u16 "llgh" "sth");

/// Replaces an integer. `$change` computes `{new}` from `{old}`. If another processor has written
/// in between, compare-and-swap loads the value into `{old}`, and the loop goes on.
macro_rules! exchange {
    ($at:ident, $old:ident, $load:literal $swap:literal, [$($change:expr),*], $($operands:tt)*) => {
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                concat!($load, " {old}, 0({at})"),
                "2:",
                $($change,)*
                concat!($swap, " {old}, {new}, 0({at})"),
                "jl 2b",
                at = in(reg_addr) $at,
                old = out(reg) $old,
                $($operands)*
                options(nostack),
            )
        }
    };
}

macro_rules! words {
    ($(
        $word:ident $load:literal $store:literal $swap:literal $copy:literal $add:literal
    ),*) => {
        $(
            impl Machine for $word {
                load_and_store!($word $load $store);

                #[inline]
                unsafe fn swap(at: *mut $word, value: $word) -> $word {
                    let old: $word;
                    exchange!(at, old, $load $swap, [], new = in(reg) value,);
                    old
                }

                #[inline]
                unsafe fn compare_exchange(at: *mut $word, current: $word, new: $word) -> $word {
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

                #[inline]
                unsafe fn fetch_add(at: *mut $word, value: $word) -> $word {
                    let old: $word;
                    exchange!(
                        at, old, $load $swap,
                        [concat!($copy, " {new}, {old}"), concat!($add, " {new}, {value}")],
                        new = out(reg) _, value = in(reg) value,
                    );
                    old
                }
            }
        )*
    };
}

words!(u32 "l" "st" "cs" "lr" "ar", u64 "lg" "stg" "csg" "lgr" "agr");
