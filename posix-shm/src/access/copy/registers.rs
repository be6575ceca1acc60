//! Values of up to 64 bytes, moved through registers in pieces of 8, 4, 2 and 1 bytes.
//!
//! The copy engine would take the value's address into code that the compiler cannot see into. Then
//! the value is in memory, written in parts and read as a whole or the other way round, and the
//! processor waits for its own stores.
//!
//! A piece that the type's alignment puts at a multiple of the piece's size is one volatile access
//! of an integer. For other pieces, x86-64 and `AArch64` have instructions that take any address.
//! If the address happens to be a multiple of the size, they are one access too ("Guaranteed Atomic
//! Operations" in Intel's and AMD's manuals, "Requirements for single-copy atomicity" in Arm's). So
//! an integer's worth of bytes needs no test of its address there. Other machines use pieces of the
//! type's alignment.

#[cfg(pshm_any_address)]
use std::arch::asm;
use std::mem::MaybeUninit;

/// The longest value that is moved in pieces. From about 128 bytes on, copies are quicker.
const LONGEST: usize = 64;

/// Whether values of this type are moved in pieces.
pub(super) const fn suits<T>() -> bool {
    let size = size_of::<T>();
    size > 0 && size <= LONGEST && makes_few_pieces::<T>()
}

/// Whether that is quicker than a copy. It is where a piece may be anywhere.
const fn makes_few_pieces<T>() -> bool {
    cfg!(pshm_any_address) || size_of::<T>() / word::<T>() <= LONGEST / 4
}

/// The size of the largest integer that the alignment allows, at most a register's.
const fn word<T>() -> usize {
    if align_of::<T>() < size_of::<usize>() { align_of::<T>() } else { size_of::<usize>() }
}

/// Runs `$move!(integer, offset)` for every piece of a `$type`: in words of 8 bytes, and what is
/// left in smaller ones.
#[cfg(pshm_any_address)]
macro_rules! in_pieces {
    ($type:ty, $move:ident) => {
        in_pieces!(words $type, $move, 0 1 2 3 4 5 6 7);
        if size_of::<$type>() & 4 != 0 {
            $move!(u32, size_of::<$type>() & !7);
        }
        if size_of::<$type>() & 2 != 0 {
            $move!(u16, size_of::<$type>() & !3);
        }
        if size_of::<$type>() & 1 != 0 {
            $move!(u8, size_of::<$type>() & !1);
        }
    };
    (words $type:ty, $move:ident, $($index:literal)*) => {
        $(
            if size_of::<$type>() >= 8 * ($index + 1) {
                $move!(u64, 8 * $index);
            }
        )*
    };
}

/// The same in words of the type's alignment.
#[cfg(not(pshm_any_address))]
macro_rules! in_pieces {
    ($type:ty, $move:ident) => {
        match word::<$type>() {
            1 => in_pieces!(words $type, $move, u8),
            2 => in_pieces!(words $type, $move, u16),
            4 => in_pieces!(words $type, $move, u32),
            _ => in_pieces!(words $type, $move, u64),
        }
    };
    (words $type:ty, $move:ident, $integer:ident) => {
        for index in 0..size_of::<$type>() / size_of::<$integer>() {
            $move!($integer, index * size_of::<$integer>());
        }
    };
}

/// The instructions that load and store an integer at a constant offset from any address, and their
/// operands.
#[cfg(all(pshm_any_address, target_arch = "x86_64"))]
macro_rules! instruction {
    (load u64) => {
        "mov {value}, qword ptr [{at} + {offset}]"
    };
    (load u32) => {
        "mov {value:e}, dword ptr [{at} + {offset}]"
    };
    (load u16) => {
        "movzx {value:e}, word ptr [{at} + {offset}]"
    };
    (store u64) => {
        "mov qword ptr [{at} + {offset}], {value}"
    };
    (store u32) => {
        "mov dword ptr [{at} + {offset}], {value:e}"
    };
    (store u16) => {
        "mov word ptr [{at} + {offset}], {value:x}"
    };
}

#[cfg(all(pshm_any_address, target_arch = "aarch64"))]
macro_rules! instruction {
    (load u64) => {
        "ldr {value:x}, [{at}, #{offset}]"
    };
    (load u32) => {
        "ldr {value:w}, [{at}, #{offset}]"
    };
    (load u16) => {
        "ldrh {value:w}, [{at}, #{offset}]"
    };
    (store u64) => {
        "str {value:x}, [{at}, #{offset}]"
    };
    (store u32) => {
        "str {value:w}, [{at}, #{offset}]"
    };
    (store u16) => {
        "strh {value:w}, [{at}, #{offset}]"
    };
}

/// Loads a piece that the type's alignment does not align.
#[cfg(pshm_any_address)]
macro_rules! load_anywhere {
    // A byte is aligned anywhere.
    (u8, $at:ident, $offset:expr) => { 0 };
    ($integer:ident, $at:ident, $offset:expr) => {{
        let value: $integer;
        // SAFETY: the piece is inside the value, which is mapped memory.
        unsafe {
            asm!(
                instruction!(load $integer),
                value = lateout(reg) value,
                at = in(reg) $at,
                offset = const $offset,
                options(nostack, preserves_flags),
            )
        };
        value
    }};
}

/// Stores a piece that the type's alignment does not align.
#[cfg(pshm_any_address)]
macro_rules! store_anywhere {
    (u8, $at:ident, $offset:expr, $value:ident) => {};
    ($integer:ident, $at:ident, $offset:expr, $value:ident) => {
        // SAFETY: the piece is inside the value, which is mapped memory and writable.
        unsafe {
            asm!(
                instruction!(store $integer),
                value = in(reg) $value,
                at = in(reg) $at,
                offset = const $offset,
                options(nostack, preserves_flags),
            )
        }
    };
}

/// Pieces of the type's alignment are always aligned.
#[cfg(not(pshm_any_address))]
macro_rules! load_anywhere {
    ($integer:ident, $at:ident, $offset:expr) => {{
        let _ = $at;
        0
    }};
}

#[cfg(not(pshm_any_address))]
macro_rules! store_anywhere {
    ($integer:ident, $at:ident, $offset:expr, $value:ident) => {
        let _ = ($at, $value);
    };
}

/// Reads a value.
///
/// # Safety
///
/// `at` is aligned, and a `T` there is inside mapped memory. Any bytes are a valid `T`.
#[inline]
pub(super) unsafe fn load<T>(at: *const T) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    let (from, to) = (at.cast::<u8>(), value.as_mut_ptr().cast::<u8>());
    macro_rules! load_piece {
        ($integer:ident, $offset:expr) => {{
            let piece: $integer = if align_of::<T>() >= align_of::<$integer>() {
                // SAFETY: the piece is inside the value, and aligned because the value is.
                unsafe { at.wrapping_byte_add($offset).cast::<$integer>().read_volatile() }
            } else {
                load_anywhere!($integer, from, $offset)
            };
            // SAFETY: the piece is inside our own value.
            let to = unsafe { to.add($offset) };
            // SAFETY: as above; it need not be aligned.
            unsafe { to.cast::<$integer>().write_unaligned(piece) };
        }};
    }
    in_pieces!(T, load_piece);
    // SAFETY: the pieces have written every byte, and any bytes are a valid `T`.
    unsafe { value.assume_init() }
}

/// Sixteen bytes in one register.
#[cfg(all(pshm_any_address, target_arch = "x86_64"))]
type Vector = std::arch::x86_64::__m128i;
#[cfg(all(pshm_any_address, target_arch = "aarch64"))]
type Vector = std::arch::aarch64::uint8x16_t;

/// # Safety
///
/// There are 16 bytes of mapped memory that far behind the address.
#[cfg(pshm_any_address)]
#[inline]
unsafe fn load_vector<const OFFSET: usize>(at: *const u8) -> Vector {
    let vector: Vector;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "movdqu {vector}, xmmword ptr [{at} + {offset}]",
            vector = lateout(xmm_reg) vector,
            at = in(reg) at,
            offset = const OFFSET,
            options(nostack, preserves_flags, readonly),
        )
    };
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "ldr {vector:q}, [{at}, #{offset}]",
            vector = lateout(vreg) vector,
            at = in(reg) at,
            offset = const OFFSET,
            options(nostack, preserves_flags, readonly),
        )
    };
    vector
}

/// Reads a value for a snapshot, in pieces of 16 bytes. It may be torn anywhere: the caller looks
/// afterwards whether it counts.
///
/// Until then the value is in registers. There are enough of these for 64 bytes, so nothing else
/// must make room, as with the pieces of [`load`].
///
/// # Safety
///
/// The same as [`load`].
#[cfg(pshm_any_address)]
#[inline]
pub(super) unsafe fn load_in_vectors<T>(at: *const T) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    let (from, to) = (at.cast::<u8>(), value.as_mut_ptr().cast::<u8>());
    macro_rules! keep {
        ($piece:ty, $offset:expr, $load:expr) => {{
            let piece: $piece = $load;
            // SAFETY: the piece is inside our own value.
            let to = unsafe { to.add($offset) };
            // SAFETY: as above; it need not be aligned.
            unsafe { to.cast::<$piece>().write_unaligned(piece) };
        }};
    }
    macro_rules! load_vectors {
        ($($index:literal)*) => {
            $(
                if size_of::<T>() >= 16 * ($index + 1) {
                    // SAFETY: the piece is inside the value, which is mapped memory.
                    keep!(Vector, 16 * $index, unsafe { load_vector::<{ 16 * $index }>(from) });
                }
            )*
        };
    }
    load_vectors!(0 1 2 3);
    if size_of::<T>() & 8 != 0 {
        keep!(u64, size_of::<T>() & !15, load_anywhere!(u64, from, size_of::<T>() & !15));
    }
    if size_of::<T>() & 4 != 0 {
        keep!(u32, size_of::<T>() & !7, load_anywhere!(u32, from, size_of::<T>() & !7));
    }
    if size_of::<T>() & 2 != 0 {
        keep!(u16, size_of::<T>() & !3, load_anywhere!(u16, from, size_of::<T>() & !3));
    }
    if size_of::<T>() & 1 != 0 {
        let last = from.wrapping_add(size_of::<T>() - 1);
        // SAFETY: the last byte is inside the value, which is mapped memory.
        keep!(u8, size_of::<T>() - 1, unsafe { last.read_volatile() });
    }
    // SAFETY: the pieces have written every byte, and any bytes are a valid `T`.
    unsafe { value.assume_init() }
}

/// Writes a value.
///
/// # Safety
///
/// `at` is aligned, and a `T` there is inside mapped memory, which is writable. The value has no
/// uninitialised bytes.
#[inline]
pub(super) unsafe fn store<T>(at: *mut T, value: T) {
    let value = MaybeUninit::new(value);
    let (from, to) = (value.as_ptr().cast::<u8>(), at.cast::<u8>());
    macro_rules! store_piece {
        ($integer:ident, $offset:expr) => {{
            // SAFETY: the piece is inside our own value.
            let from = unsafe { from.add($offset) };
            // SAFETY: as above; it need not be aligned, and has no uninitialised bytes.
            let piece = unsafe { from.cast::<$integer>().read_unaligned() };
            if align_of::<T>() >= align_of::<$integer>() {
                // SAFETY: the piece is inside the value, and aligned because the value is.
                unsafe { at.wrapping_byte_add($offset).cast::<$integer>().write_volatile(piece) };
            } else {
                store_anywhere!($integer, to, $offset, piece);
            }
        }};
    }
    in_pieces!(T, store_piece);
}
