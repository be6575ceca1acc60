//! Integers of 8 bytes on x86 of 32 bits, which moves them through two registers.
//!
//! Since the Pentium, any load or store of 8 bytes at a multiple of 8 is one access. The general
//! registers cannot hold as much, but those of the x87 unit can: it converts an integer of 64 bits
//! without loss. So a load writes nothing, and works on a read-only page. `cmpxchg8b`, which does
//! the rest, needs a writable one.

use std::arch::asm;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering::{self, Relaxed, Release};

use super::super::word::Machine;

/// Moves 8 bytes from one address to another. Each is read or written in one access if it is a
/// multiple of 8.
///
/// # Safety
///
/// 8 bytes can be read at `from` and written at `to`.
#[inline]
unsafe fn transfer(from: *const u64, to: *mut u64) {
    // SAFETY: the caller's promise. All x87 registers are clobbered, so they are empty before.
    unsafe {
        asm!(
            "fild qword ptr [{from}]",
            "fistp qword ptr [{to}]",
            from = in(reg) from,
            to = in(reg) to,
            out("st(0)") _,
            out("st(1)") _,
            out("st(2)") _,
            out("st(3)") _,
            out("st(4)") _,
            out("st(5)") _,
            out("st(6)") _,
            out("st(7)") _,
            options(nostack),
        )
    }
}

impl Machine for u64 {
    #[inline]
    unsafe fn load(at: *const u64, _: Ordering) -> u64 {
        let mut value = MaybeUninit::uninit();
        // SAFETY: it reads an aligned integer in mapped memory, and `value` is our own.
        unsafe { transfer(at, value.as_mut_ptr()) };
        // SAFETY: all of it was written.
        unsafe { value.assume_init() }
    }

    #[inline]
    unsafe fn store(at: *mut u64, value: u64, order: Ordering) {
        if matches!(order, Relaxed | Release) {
            // SAFETY: it writes an aligned integer in mapped memory, which is writable, and `value`
            // is our own.
            unsafe { transfer(&raw const value, at) }
        } else {
            // SAFETY: the caller's promise.
            unsafe { Self::swap(at, value, order) };
        }
    }

    #[inline]
    unsafe fn compare_exchange(at: *mut u64, current: u64, new: u64, _: Ordering) -> u64 {
        let (low, high): (u32, u32);
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                "lock cmpxchg8b [{at}]",
                at = in(reg) at,
                inout("eax") current as u32 => low,
                inout("edx") (current >> 32) as u32 => high,
                in("ebx") new as u32,
                in("ecx") (new >> 32) as u32,
                options(nostack),
            )
        };
        u64::from(high) << 32 | u64::from(low)
    }

    #[inline]
    unsafe fn fetch_add(at: *mut u64, value: u64, order: Ordering) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { Self::update(at, order, |old| old.wrapping_add(value)) }
    }
}
