//! [`Word`]: the integers that have atomic operations, and what a machine does for them.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitXor, Not};
use std::sync::atomic::Ordering::{self, Relaxed};
use std::sync::atomic::{AtomicI8, AtomicI16, AtomicI32, AtomicIsize};
#[cfg(pshm_atomic_64)]
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicUsize};

use bytemuck::{AnyBitPattern, NoUninit};

/// An integer that has atomic operations: `u8`, `u16`, `u32`, `u64`, `usize` and their signed
/// counterparts.
///
/// `bool` is left out because a peer may write a byte that is not a `bool`.
///
/// The trait is sealed.
///
/// # Platform-specific behavior
///
/// `u64` and `i64` are left out on machines without 64-bit atomics, and on ARM before version 7.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering::Relaxed;
/// use posix_shm::{SharedAtomic, Word};
///
/// /// Counts, whatever the size of the counter.
/// fn count<T: Word + From<bool>>(counter: SharedAtomic<'_, T>) -> T {
///     counter.fetch_add(T::from(true), Relaxed)
/// }
///
/// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
/// assert_eq!(count(mapping.atomic::<u16>(0)?), 0);
/// assert_eq!(count(mapping.atomic::<i64>(8)?), 0);
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub trait Word: AnyBitPattern + NoUninit + Ord + fmt::Debug + Send + Sync + Integer {
    /// The atomic type of the standard library: `AtomicU32` for `u32`, and so on.
    type Atomic: fmt::Debug + Send + Sync + 'static;
}

/// An integer and the unsigned one with its operations: those of a signed integer are the same, and
/// only its order differs.
pub trait Integer {
    type Bits: Machine;

    fn to_bits(self) -> Self::Bits;
    fn from_bits(bits: Self::Bits) -> Self;
    /// What to add to subtract it.
    fn negated(self) -> Self;
}

/// The operations of the machine on an unsigned integer. A file in `atomic/` has them.
///
/// The orderings are valid for their operation. An implementation may use a stronger one. That of
/// `compare_exchange` is for both outcomes.
///
/// # Safety
///
/// For every function: the address is that of an integer in mapped memory, and a multiple of
/// its size. Except for the load, the memory is writable.
#[allow(clippy::missing_safety_doc, reason = "the contract of all of them is above")]
#[allow(unreachable_pub, reason = "Rust 1.85 does not see that `Word` reaches it")]
pub trait Machine:
    Copy
    + Eq
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
{
    unsafe fn load(at: *const Self, order: Ordering) -> Self;

    unsafe fn store(at: *mut Self, value: Self, order: Ordering);

    /// Stores `new` if the value is `current`. Returns the previous value.
    unsafe fn compare_exchange(at: *mut Self, current: Self, new: Self, order: Ordering) -> Self;

    /// The same, but it may fail for no reason. Returns the previous value, as an error if nothing
    /// was stored.
    #[inline]
    unsafe fn compare_exchange_weak(
        at: *mut Self,
        current: Self,
        new: Self,
        order: Ordering,
    ) -> Result<Self, Self> {
        // SAFETY: the caller's promise.
        let found = unsafe { Self::compare_exchange(at, current, new, order) };
        if found == current { Ok(found) } else { Err(found) }
    }

    /// Replaces the value by what `change` makes of it. Returns the previous value.
    #[inline]
    unsafe fn update(at: *mut Self, order: Ordering, change: impl Fn(Self) -> Self) -> Self {
        // SAFETY: the caller's promise.
        let mut old = unsafe { Self::load(at, Relaxed) };
        loop {
            // SAFETY: the caller's promise.
            match unsafe { Self::compare_exchange_weak(at, old, change(old), order) } {
                Ok(old) => return old,
                Err(found) => old = found,
            }
        }
    }

    #[inline]
    unsafe fn swap(at: *mut Self, value: Self, order: Ordering) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::update(at, order, |_| value) }
    }

    unsafe fn fetch_add(at: *mut Self, value: Self, order: Ordering) -> Self;

    #[inline]
    unsafe fn fetch_and(at: *mut Self, value: Self, order: Ordering) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::update(at, order, |old| old & value) }
    }

    #[inline]
    unsafe fn fetch_or(at: *mut Self, value: Self, order: Ordering) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::update(at, order, |old| old | value) }
    }

    #[inline]
    unsafe fn fetch_xor(at: *mut Self, value: Self, order: Ordering) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::update(at, order, |old| old ^ value) }
    }
}

macro_rules! words {
    ($($word:ident $bits:ident $atomic:ident),* $(,)?) => {
        $(
            impl Integer for $word {
                type Bits = $bits;

                #[inline]
                fn to_bits(self) -> $bits {
                    self as $bits
                }

                #[inline]
                fn from_bits(bits: $bits) -> $word {
                    bits as $word
                }

                #[inline]
                fn negated(self) -> $word {
                    self.wrapping_neg()
                }
            }

            impl Word for $word {
                type Atomic = $atomic;
            }
        )*
    };
}

words!(u8 u8 AtomicU8, u16 u16 AtomicU16, u32 u32 AtomicU32);
words!(i8 u8 AtomicI8, i16 u16 AtomicI16, i32 u32 AtomicI32);
#[cfg(pshm_atomic_64)]
words!(u64 u64 AtomicU64, i64 u64 AtomicI64);
#[cfg(target_pointer_width = "32")]
words!(usize u32 AtomicUsize, isize u32 AtomicIsize);
#[cfg(target_pointer_width = "64")]
words!(usize u64 AtomicUsize, isize u64 AtomicIsize);
