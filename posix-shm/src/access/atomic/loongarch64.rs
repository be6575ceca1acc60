//! The instructions of LoongArch of 64 bits.
//!
//! `dbar 0` orders every access before it with every access after it, and so do the `_db` forms of
//! the read-modify-write instructions. The `sc` of a pair fails if another processor has written
//! after the `ll`, and the pair is tried again. Only words of 4 and 8 bytes have such instructions
//! in every version of the architecture.
//!
//! Source: LoongArch Reference Manual, volume 1, "Atomic Memory Access Instructions" and "Barrier
//! Instructions".

use std::arch::asm;

use super::in_word;
use super::sealed::Machine;

macro_rules! load_and_store {
    ($word:ident $load:literal $store:literal) => {
        in_word::load_and_store!(
            $word reg
            [concat!($load, " {value}, {at}, 0"), "dbar 0"]
            ["dbar 0", concat!($store, " {value}, {at}, 0")]
        );
    };
}

in_word::parts!(load_and_store: u8 "ld.bu" "st.b", u16 "ld.hu" "st.h");

/// `ll` extends a word by its sign, and the comparison is of whole registers. So `current` is
/// extended as well.
macro_rules! words {
    ($($word:ident $signed:ident $size:literal $load:literal $store:literal),*) => {
        $(
            impl Machine for $word {
                load_and_store!($word $load $store);

                in_word::one_instruction!(
                    swap $word
                    concat!("amswap_db.", $size, " {old}, {value}, {at}")
                );

                #[inline]
                unsafe fn compare_exchange(at: *mut $word, current: $word, new: $word) -> $word {
                    let old: $word;
                    // SAFETY: it changes an aligned integer in mapped memory, which is writable.
                    unsafe {
                        asm!(
                            "dbar 0",
                            "2:",
                            concat!("ll.", $size, " {old}, {at}, 0"),
                            "bne {old}, {current}, 3f",
                            // `sc` replaces the register by whether it has stored.
                            "move {stored}, {new}",
                            concat!("sc.", $size, " {stored}, {at}, 0"),
                            "beqz {stored}, 2b",
                            "3:",
                            "dbar 0",
                            at = in(reg) at,
                            current = in(reg) i64::from(current as $signed),
                            new = in(reg) new,
                            old = out(reg) old,
                            stored = out(reg) _,
                            options(nostack, preserves_flags),
                        )
                    };
                    old
                }

                in_word::one_instruction!(
                    fetch_add $word
                    concat!("amadd_db.", $size, " {old}, {value}, {at}")
                );
            }
        )*
    };
}

words!(u32 i32 "w" "ld.w" "st.w", u64 i64 "d" "ld.d" "st.d");
