//! The instructions of ARM of 32 bits, version 7.
//!
//! `dmb ish` orders every access before it with every access after it, for all processors that one
//! system runs on. It stands before what releases and after what acquires. A sequentially
//! consistent store has one on each side. These are the mappings that compilers use.
//!
//! A read-modify-write operation is a pair of `ldrex` and `strex`. The `strex` fails if another
//! processor has written in between, and the pair is tried again.
//!
//! `ldrexd` alone loads 8 bytes in one access. It writes nothing, so it works on a read-only page.
//! (`ldrd` is one access only with the Large Physical Address Extension.)
//!
//! The code is the same in ARM and Thumb state. `ldrexd` and `strexd` need an even register and the
//! next one, so these are named.
//!
//! Source: ARM Architecture Reference Manual, ARMv7-A and ARMv7-R edition, "Atomicity in the ARM
//! architecture" and "Memory barriers".

use std::arch::asm;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use super::word::Machine;

/// Calls a macro with the barriers that belong before and after an operation.
macro_rules! between_barriers {
    ($order:ident, $macro:ident $arguments:tt) => {
        match $order {
            Relaxed => $macro!("", "", $arguments),
            Acquire => $macro!("", "dmb ish", $arguments),
            Release => $macro!("dmb ish", "", $arguments),
            _ => $macro!("dmb ish", "dmb ish", $arguments),
        }
    };
}

macro_rules! store {
    ($before:literal, $after:literal, ($at:ident, $value:ident, $size:literal)) => {
        // SAFETY: it writes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                $before,
                concat!("str", $size, " {value}, [{at}]"),
                $after,
                at = in(reg) $at,
                value = in(reg) u32::from($value),
                options(nostack, preserves_flags),
            )
        }
    };
}

/// Replaces an integer, and is the previous one. `$change` computes `{new}` from `{old}`, or jumps
/// to label 3 and stores nothing.
macro_rules! exchange {
    (
        $before:literal, $after:literal,
        ($at:ident, $size:literal, [$($change:expr),*], $($operands:tt)*)
    ) => {{
        let old: u32;
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                $before,
                "2:",
                concat!("ldrex", $size, " {old}, [{at}]"),
                $($change,)*
                concat!("strex", $size, " {failed}, {new}, [{at}]"),
                "cmp {failed}, #0",
                "bne 2b",
                "3:",
                $after,
                at = in(reg) $at,
                old = out(reg) old,
                failed = out(reg) _,
                $($operands)*
                options(nostack),
            )
        };
        old
    }};
}

/// Operations that compute the new value from the previous one by one instruction.
macro_rules! operations {
    ($word:ident $size:literal: $($name:ident $instruction:literal),*) => {
        $(
            #[inline]
            unsafe fn $name(at: *mut $word, value: $word, order: Ordering) -> $word {
                let old = between_barriers!(order, exchange(
                    at, $size,
                    [concat!($instruction, " {new}, {old}, {value}")],
                    new = out(reg) _, value = in(reg) u32::from(value),
                ));
                old as $word
            }
        )*
    };
}

/// The register has more bits than a small integer: those are zero in `old`, as `ldrex` loads it,
/// and in `u32::from(current)`.
macro_rules! words {
    ($($word:ident $size:literal),*) => {
        $(
            impl Machine for $word {
                #[inline]
                unsafe fn load(at: *const $word, order: Ordering) -> $word {
                    let value: u32;
                    // SAFETY: it reads an aligned integer in mapped memory.
                    unsafe {
                        asm!(
                            concat!("ldr", $size, " {value}, [{at}]"),
                            at = in(reg) at,
                            value = lateout(reg) value,
                            options(nostack, preserves_flags),
                        )
                    };
                    acquire(order);
                    value as $word
                }

                #[inline]
                unsafe fn store(at: *mut $word, value: $word, order: Ordering) {
                    between_barriers!(order, store(at, value, $size));
                }

                #[inline]
                unsafe fn swap(at: *mut $word, value: $word, order: Ordering) -> $word {
                    let old = between_barriers!(order, exchange(
                        at, $size, [], new = in(reg) u32::from(value),
                    ));
                    old as $word
                }

                #[inline]
                unsafe fn compare_exchange(
                    at: *mut $word,
                    current: $word,
                    new: $word,
                    order: Ordering,
                ) -> $word {
                    let old = between_barriers!(order, exchange(
                        at, $size,
                        ["cmp {old}, {current}", "bne 3f"],
                        current = in(reg) u32::from(current), new = in(reg) u32::from(new),
                    ));
                    old as $word
                }

                operations!(
                    $word $size:
                    fetch_add "add", fetch_and "and", fetch_or "orr", fetch_xor "eor"
                );
            }
        )*
    };
}

words!(u8 "b", u16 "h", u32 "");

/// What belongs after a load.
#[inline]
fn acquire(order: Ordering) {
    if order != Relaxed {
        // SAFETY: it accesses nothing.
        unsafe { asm!("dmb ish", options(nostack, preserves_flags)) };
    }
}

/// Replaces an integer of 8 bytes, as [`exchange`] does. It is in r0 and r1 before, and in r2 and
/// r3 after.
macro_rules! exchange_pair {
    (
        $before:literal, $after:literal, ($at:ident, [$($change:expr),*], $($operands:tt)*)
    ) => {{
        let (low, high): (u32, u32);
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                $before,
                "2:",
                "ldrexd r0, r1, [{at}]",
                $($change,)*
                "strexd {failed}, r2, r3, [{at}]",
                "cmp {failed}, #0",
                "bne 2b",
                "3:",
                $after,
                at = in(reg) $at,
                failed = out(reg) _,
                out("r0") low,
                out("r1") high,
                $($operands)*
                options(nostack),
            )
        };
        joined(low, high)
    }};
}

/// [`operations`], with an instruction for the lower half and one for the upper.
macro_rules! operations_on_pairs {
    ($($name:ident $low:literal $high:literal),*) => {
        $(
            #[inline]
            unsafe fn $name(at: *mut u64, value: u64, order: Ordering) -> u64 {
                let (low, high) = halves(value);
                between_barriers!(order, exchange_pair(
                    at,
                    [concat!($low, " r2, r0, {low}"), concat!($high, " r3, r1, {high}")],
                    low = in(reg) low, high = in(reg) high,
                    out("r2") _, out("r3") _,
                ))
            }
        )*
    };
}

impl Machine for u64 {
    #[inline]
    unsafe fn load(at: *const u64, order: Ordering) -> u64 {
        let (low, high): (u32, u32);
        // SAFETY: it reads an aligned integer in mapped memory.
        unsafe {
            asm!(
                "ldrexd r0, r1, [{at}]",
                at = in(reg) at,
                out("r0") low,
                out("r1") high,
                options(nostack, preserves_flags),
            )
        };
        acquire(order);
        joined(low, high)
    }

    #[inline]
    unsafe fn store(at: *mut u64, value: u64, order: Ordering) {
        // SAFETY: the caller's promise. To store is to swap: a store of 8 bytes is a pair as well.
        unsafe { Self::swap(at, value, order) };
    }

    #[inline]
    unsafe fn swap(at: *mut u64, value: u64, order: Ordering) -> u64 {
        let (low, high) = halves(value);
        between_barriers!(order, exchange_pair(at, [], in("r2") low, in("r3") high,))
    }

    #[inline]
    unsafe fn compare_exchange(at: *mut u64, current: u64, new: u64, order: Ordering) -> u64 {
        let ((current_low, current_high), (low, high)) = (halves(current), halves(new));
        between_barriers!(order, exchange_pair(
            at,
            ["cmp r0, {current_low}", "bne 3f", "cmp r1, {current_high}", "bne 3f"],
            current_low = in(reg) current_low, current_high = in(reg) current_high,
            in("r2") low, in("r3") high,
        ))
    }

    operations_on_pairs!(
        fetch_add "adds" "adc", fetch_and "and" "and", fetch_or "orr" "orr", fetch_xor "eor" "eor"
    );
}

#[inline]
fn halves(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

#[inline]
fn joined(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
