//! Integers of 1 and 2 bytes on machines that can only exchange words of 4 bytes or more.
//!
//! The whole word around the integer is exchanged, by the machine's own `compare_exchange`. This
//! changes no other byte of the word: if a peer writes one meanwhile, the exchange fails and is
//! tried again. The word never reaches into another page, so the rest of it can be read and written
//! too, even if it is not part of the mapping.

use std::sync::atomic::Ordering::{self, Relaxed};

use super::word::Machine;

/// An integer that is smaller than a word.
pub(super) trait Part: Copy + PartialEq + Into<u32> {
    const MASK: u32;

    fn from_low_bits(word: u32) -> Self;
}

impl Part for u8 {
    const MASK: u32 = 0xff;

    #[inline]
    fn from_low_bits(word: u32) -> u8 {
        word as u8
    }
}

impl Part for u16 {
    const MASK: u32 = 0xffff;

    #[inline]
    fn from_low_bits(word: u32) -> u16 {
        word as u16
    }
}

/// Replaces an integer by what `change` makes of it, and returns the previous one. If it stays the
/// same, the word is exchanged all the same, for the sake of the order of this operation.
///
/// # Safety
///
/// The same as for [`Machine::update`].
#[inline]
pub(super) unsafe fn replace<T: Part>(at: *mut T, order: Ordering, change: impl Fn(T) -> T) -> T {
    let offset = at.addr() % size_of::<u32>();
    #[allow(clippy::cast_ptr_alignment, reason = "it is made a multiple of 4")]
    let word = at.wrapping_byte_sub(offset).cast::<u32>();
    let lower_bytes = if cfg!(target_endian = "big") {
        size_of::<u32>() - size_of::<T>() - offset
    } else {
        offset
    };
    let shift = 8 * lower_bytes;
    // SAFETY: the word is aligned, and in the same page of the mapped memory.
    let mut found = unsafe { u32::load(word, Relaxed) };
    loop {
        let old = found;
        let value = T::from_low_bits(old >> shift);
        let new = old & !(T::MASK << shift) | change(value).into() << shift;
        // SAFETY: as above. The page is writable.
        found = unsafe { u32::compare_exchange(word, old, new, order) };
        if found == old {
            return value;
        }
    }
}

/// The operations that change an integer, by [`replace`]. The others do it by `update`.
macro_rules! operations {
    ($word:ident) => {
        #[inline]
        unsafe fn update(
            at: *mut $word,
            order: Ordering,
            change: impl Fn($word) -> $word,
        ) -> $word {
            // SAFETY: the caller's promise.
            unsafe { super::in_word::replace(at, order, change) }
        }

        #[inline]
        unsafe fn compare_exchange(
            at: *mut $word,
            current: $word,
            new: $word,
            order: Ordering,
        ) -> $word {
            // SAFETY: the caller's promise.
            unsafe { Self::update(at, order, |old| if old == current { new } else { old }) }
        }

        #[inline]
        unsafe fn fetch_add(at: *mut $word, value: $word, order: Ordering) -> $word {
            // SAFETY: the caller's promise.
            unsafe { Self::update(at, order, |old| old.wrapping_add(value)) }
        }
    };
}

/// The loads and stores of an integer: for each ordering, what the machine does between `{value}`,
/// in a register, and the memory at `{at}`, in one of `$addresses`.
macro_rules! load_and_store {
    (
        $word:ident $addresses:ident
        load $relaxed_load:tt $acquire:tt $seq_cst_load:tt
        store $relaxed_store:tt $release:tt $seq_cst_store:tt
    ) => {
        #[inline]
        unsafe fn load(at: *const $word, order: Ordering) -> $word {
            match order {
                Relaxed => in_word::load!($addresses $relaxed_load at),
                Acquire => in_word::load!($addresses $acquire at),
                _ => in_word::load!($addresses $seq_cst_load at),
            }
        }

        #[inline]
        unsafe fn store(at: *mut $word, value: $word, order: Ordering) {
            match order {
                Relaxed => in_word::store!($addresses $relaxed_store at, value),
                Release => in_word::store!($addresses $release at, value),
                _ => in_word::store!($addresses $seq_cst_store at, value),
            }
        }
    };
}

macro_rules! load {
    ($addresses:ident [$($instruction:expr),*] $at:ident) => {{
        let value;
        // SAFETY: it reads an aligned integer in mapped memory.
        unsafe {
            asm!(
                $($instruction,)*
                at = in($addresses) $at,
                value = lateout(reg) value,
                options(nostack, preserves_flags),
            )
        };
        value
    }};
}

macro_rules! store {
    ($addresses:ident [$($instruction:expr),*] $at:ident, $value:ident) => {
        // SAFETY: it writes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                $($instruction,)*
                at = in($addresses) $at,
                value = in(reg) $value,
                options(nostack, preserves_flags),
            )
        }
    };
}

/// An integer that is smaller than a word. `$own` is the machine's macro for loads and stores.
macro_rules! parts {
    ($own:ident: $($word:ident $load:literal $store:literal),*) => {
        $(
            impl Machine for $word {
                $own!($word $load $store);
                in_word::operations!($word);
            }
        )*
    };
}

/// One instruction, which changes the memory at `{at}` by `{value}`. The previous value is in
/// `{old}`, and is the value of the macro.
#[cfg(any(pshm_machine = "loongarch64", pshm_machine = "riscv64"))]
macro_rules! one_instruction {
    ($at:ident, $value:ident, $instruction:expr) => {{
        let old;
        // SAFETY: it changes an aligned integer in mapped memory, which is writable.
        unsafe {
            asm!(
                $instruction,
                at = in(reg) $at,
                value = in(reg) $value,
                old = out(reg) old,
                options(nostack, preserves_flags),
            )
        };
        old
    }};
}

#[cfg(any(pshm_machine = "loongarch64", pshm_machine = "riscv64"))]
pub(super) use one_instruction;
pub(super) use {load, load_and_store, operations, parts, store};
