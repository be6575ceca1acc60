//! The instructions of RISC-V of 64 bits, with the extension A.
//!
//! A fence orders a load before all later accesses, or a store after all earlier ones. `aqrl`
//! orders a read-modify-write instruction with everything before and after it, and all such
//! instructions in one order that all processors see. The `sc` of a pair fails if another processor
//! has written after the `lr`, and the pair is tried again. Only words of 4 and 8 bytes have such
//! instructions.
//!
//! Source: The RISC-V Instruction Set Manual, volume I, "Mappings from C/C++ primitives to RISC-V
//! primitives": these are the mappings for acquire, release and sequential consistency.

use std::arch::asm;

use super::in_word;
use super::sealed::Machine;

macro_rules! load_and_store {
    ($word:ident $load:literal $store:literal) => {
        in_word::load_and_store!(
            $word reg
            [concat!($load, " {value}, 0({at})"), "fence r, rw"]
            ["fence rw, w", concat!($store, " {value}, 0({at})")]
        );
    };
}

in_word::parts!(load_and_store: u8 "lbu" "sb", u16 "lhu" "sh");

/// `lr` extends a word by its sign, and the comparison is of whole registers. So `current` is
/// extended as well.
macro_rules! words {
    ($($word:ident $signed:ident $size:literal $load:literal $store:literal),*) => {
        $(
            impl Machine for $word {
                load_and_store!($word $load $store);

                in_word::one_instruction!(
                    swap $word
                    concat!("amoswap.", $size, ".aqrl {old}, {value}, ({at})")
                );

                #[inline]
                unsafe fn compare_exchange(at: *mut $word, current: $word, new: $word) -> $word {
                    let old: $word;
                    // SAFETY: it changes an aligned integer in mapped memory, which is writable.
                    unsafe {
                        asm!(
                            "2:",
                            concat!("lr.", $size, ".aqrl {old}, ({at})"),
                            "bne {old}, {current}, 3f",
                            concat!("sc.", $size, ".rl {failed}, {new}, ({at})"),
                            "bnez {failed}, 2b",
                            "3:",
                            at = in(reg) at,
                            current = in(reg) i64::from(current as $signed),
                            new = in(reg) new,
                            old = out(reg) old,
                            failed = out(reg) _,
                            options(nostack, preserves_flags),
                        )
                    };
                    old
                }

                in_word::one_instruction!(
                    fetch_add $word
                    concat!("amoadd.", $size, ".aqrl {old}, {value}, ({at})")
                );
            }
        )*
    };
}

words!(u32 i32 "w" "lw" "sw", u64 i64 "d" "ld" "sd");
