//! Where every view gets its address: bounds and alignment are checked here (rule 4).

use std::fmt;
use std::ptr::NonNull;

/// Why a view cannot be made.
pub(super) enum Refusal {
    PastTheEnd {
        what: &'static str,
        size: usize,
        offset: usize,
        count: usize,
        len: usize,
    },
    Misaligned {
        what: &'static str,
        align: usize,
        offset: usize,
        address: usize,
    },
    /// Values behind a sequence lock, which is at the offset.
    LockedPastTheEnd {
        what: &'static str,
        bytes: u128,
        offset: usize,
        count: usize,
        len: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::PastTheEnd { what, size, offset, count, len } => write!(
                f,
                "from offset {offset} on, {count} values of {what} take {} bytes, which reach past \
                 the end: there are {len} bytes",
                *count as u128 * *size as u128
            ),
            Refusal::Misaligned { what, align, offset, address } => write!(
                f,
                "offset {offset} is misaligned for {what}: its address, {address:#x}, is not a \
                 multiple of {align}; the next offset that fits is {}",
                *offset as u128 + (align - address % align) as u128
            ),
            Refusal::LockedPastTheEnd { what, bytes, offset, count, len } => write!(
                f,
                "from offset {offset} on, a lock and {count} values of {what} take {bytes} bytes, \
                 which reach past the end: there are {len} bytes"
            ),
        }
    }
}

/// The address of `count` values at an offset into `len` bytes, if they fit and are aligned.
#[inline]
pub(super) fn part_of<T>(
    start: NonNull<u8>,
    len: usize,
    offset: usize,
    count: usize,
) -> Result<NonNull<T>, Refusal> {
    aligned_part_of(start, len, offset, count, align_of::<T>())
}

/// The same, if the address is a multiple of `align`.
///
/// Every view gets its address here (rule 4).
#[inline]
pub(super) fn aligned_part_of<T>(
    start: NonNull<u8>,
    len: usize,
    offset: usize,
    count: usize,
    align: usize,
) -> Result<NonNull<T>, Refusal> {
    let (what, size) = (std::any::type_name::<T>(), size_of::<T>());
    let end = count.checked_mul(size).and_then(|bytes| bytes.checked_add(offset));
    if end.is_none_or(|end| end > len) {
        return Err(Refusal::PastTheEnd { what, size, offset, count, len });
    }
    // SAFETY: the check above shows that `offset` is at most `len`.
    let at = unsafe { advance(start, offset) }.cast::<T>();
    if at.addr().get() % align == 0 {
        Ok(at)
    } else {
        Err(Refusal::Misaligned { what, align, offset, address: at.addr().get() })
    }
}

/// Moves a pointer by `count` values. `NonNull::add` may not be used: it needs a pointer into a
/// Rust allocation, and mapped memory is outside all of them (rule 1).
///
/// # Safety
///
/// The result points into the memory at `start`, or just past its end.
#[inline]
pub(super) unsafe fn advance<T>(start: NonNull<T>, count: usize) -> NonNull<T> {
    // SAFETY: no memory is longer than `isize::MAX` bytes. That helps the compiler with loops.
    let bytes = unsafe { count.unchecked_mul(size_of::<T>()) };
    let at = start.as_ptr().wrapping_byte_add(bytes);
    // SAFETY: no memory reaches up to where addresses wrap around to null, so neither does a
    // pointer into it or just past its end.
    unsafe { NonNull::new_unchecked(at) }
}
