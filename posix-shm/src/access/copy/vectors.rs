//! Blocks of 64 bytes in four vector registers, for reading many small values in a row.
//!
//! A vector of 16 bytes at a multiple of 16 is one access on x86-64 processors with AVX
//! ("Guaranteed Atomic Operations" in Intel's manual, "Access Atomicity" in AMD's), and one access
//! for each half on `AArch64` ("Requirements for single-copy atomicity" in Arm's). So no value of
//! at most 8 bytes in it is torn. Other processors get no blocks.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::uint8x16_t as Vector;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m128i as Vector;

/// The size of a block in bytes.
pub(in crate::access) const BLOCK: usize = size_of::<Block>();

/// Whether values of this type can be read in blocks, on this processor.
#[inline]
pub(in crate::access) fn suit_blocks<T>() -> bool {
    matches!(size_of::<T>(), 1 | 2 | 4 | 8) && processor_has_whole_vectors()
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn processor_has_whole_vectors() -> bool {
    // The answer is kept, so this is a load and a test.
    std::arch::is_x86_feature_detected!("avx")
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn processor_has_whole_vectors() -> bool {
    true
}

/// A copy of a block, in registers if the compiler finds enough of them.
pub(in crate::access) struct Block([Vector; 4]);

impl Block {
    /// Whether a block can be read from this address.
    #[inline]
    pub(in crate::access) fn can_be_at<T>(at: *const T) -> bool {
        at.addr() % size_of::<Vector>() == 0
    }

    /// Reads a block.
    ///
    /// # Safety
    ///
    /// A block can be at this address, and its bytes are inside mapped memory (rules 1 and 4).
    #[inline]
    pub(in crate::access) unsafe fn load<T>(at: *const T) -> Block {
        let vector = |index| {
            let at = at.cast::<Vector>().wrapping_add(index);
            // SAFETY: the caller's promise: the vector is aligned and inside mapped memory. The
            // access is volatile (rule 2).
            unsafe { at.read_volatile() }
        };
        Block([vector(0), vector(1), vector(2), vector(3)])
    }

    /// The values in it.
    ///
    /// # Safety
    ///
    /// Values of this type suit, and any bytes are a valid `T` (rule 5).
    #[inline]
    pub(in crate::access) unsafe fn values<T: Copy>(&self) -> &[T] {
        let (start, count) = ((&raw const self.0).cast::<T>(), BLOCK / size_of::<T>());
        // SAFETY: a block is as long as that many values, and aligned for all that suit, which have
        // at most 8 bytes. It is our own.
        #[expect(clippy::disallowed_methods, reason = "these bytes are a copy")]
        unsafe {
            std::slice::from_raw_parts(start, count)
        }
    }
}
