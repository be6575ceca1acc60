//! Copies of some values at a time: [`SharedSlice::for_each_block`], comparing with one's own
//! values, and filling.

use std::mem::MaybeUninit;

use bytemuck::{AnyBitPattern, NoUninit};

use super::copy;
use super::slice::SharedSlice;
use crate::map::ReadWrite;

/// Our own memory for some values.
#[repr(align(64))]
struct Buffer<const BYTES: usize>(MaybeUninit<[u8; BYTES]>);

impl<const BYTES: usize> Buffer<BYTES> {
    fn new() -> Buffer<BYTES> {
        Buffer(MaybeUninit::uninit())
    }

    /// For how many values there is room. None if they are too large, or have no size.
    fn room<T>() -> usize {
        if align_of::<T>() > align_of::<Self>() {
            0
        } else {
            BYTES.checked_div(size_of::<T>()).unwrap_or(0)
        }
    }

    /// Copies values that there is room for.
    #[inline]
    fn copy_of<T: AnyBitPattern, A>(&mut self, values: &SharedSlice<'_, T, A>) -> &[T] {
        assert!(values.len() <= Self::room::<T>(), "a block has room for its values");
        let to = self.0.as_mut_ptr().cast::<u8>();
        // SAFETY: the values are inside the mapping (rule 4), and there is room for as many.
        unsafe { copy::copy_out(values.as_ptr().cast(), to, values.byte_len()) };
        // SAFETY: the copy has written this many values, and any bytes are a valid `T` (rule 5).
        // `room` has checked the alignment.
        unsafe { self.values(values.len()) }
    }

    /// Fills the buffer with copies of a value that there is room for.
    #[inline]
    fn filled<T: AnyBitPattern + NoUninit>(&mut self, value: T, count: usize) -> &[T] {
        assert!(count <= Self::room::<T>(), "a block has room for its values");
        let to = self.0.as_mut_ptr().cast::<T>();
        for index in 0..count {
            // SAFETY: there is room for this many values.
            let at = unsafe { to.add(index) };
            // SAFETY: as above. `room` has checked the alignment.
            unsafe { at.write(value) };
        }
        // SAFETY: the loop has written this many values.
        unsafe { self.values(count) }
    }

    /// # Safety
    ///
    /// The buffer has been filled with this many values, and its alignment is enough for them.
    unsafe fn values<T: AnyBitPattern>(&self, count: usize) -> &[T] {
        #[expect(clippy::disallowed_methods, reason = "these bytes are a copy")]
        // SAFETY: the caller's promise. The buffer is our own.
        unsafe {
            std::slice::from_raw_parts(self.0.as_ptr().cast(), count)
        }
    }
}

/// The bytes of a block that a caller sees.
const BLOCK: usize = 2048;

impl<T: AnyBitPattern, A> SharedSlice<'_, T, A> {
    /// Calls a function with copies of the values, block after block.
    ///
    /// A block has as many values as 2048 bytes hold, and at least one. The last block may be
    /// shorter. The function sees an ordinary slice, so the compiler can use vectors. Each block is
    /// copied when the one before is done, at the speed of `memcpy`; what peers write at the same
    /// time may appear in it or not, byte by byte.
    ///
    /// Use it for code that takes a slice: hashing, vectors, functions of other crates. To add up
    /// or to search, [`iter`](SharedSlice::iter) is quicker, since it needs no copy. To keep the
    /// values, use [`to_vec`](SharedSlice::to_vec).
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(1 << 20)?.map_mut()?;
    /// let samples = mapping.slice::<f32>(0, 10_000)?;
    /// samples.fill(0.5);
    /// let mut energy = 0.0;
    /// samples.for_each_block(|block| energy += block.iter().map(|x| x * x).sum::<f32>());
    /// assert_eq!(energy, 2500.0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn for_each_block(&self, mut f: impl FnMut(&[T])) {
        let room = Buffer::<BLOCK>::room::<T>();
        if room > 0 {
            let mut buffer = Buffer::<BLOCK>::new();
            self.chunks(room).for_each(|chunk| f(buffer.copy_of(&chunk)));
        } else {
            self.iter().for_each(|value| f(std::slice::from_ref(&value)));
        }
    }

    /// Whether the values equal these, as far as they are compared: up to the first block that
    /// differs.
    fn equals(&self, own: &[T]) -> bool
    where
        T: PartialEq,
    {
        /// A difference near the start should not cost much.
        const BYTES: usize = 1024;
        if self.len() != own.len() {
            return false;
        }
        let room = Buffer::<BYTES>::room::<T>();
        if room == 0 {
            return self.iter().eq(own.iter().copied());
        }
        let mut buffer = Buffer::<BYTES>::new();
        if own.len() <= room {
            return buffer.copy_of(self) == own;
        }
        self.chunks(room).zip(own.chunks(room)).all(|(shared, own)| buffer.copy_of(&shared) == own)
    }
}

fn are_all(bytes: &[u8], same: u8) -> bool {
    bytes.iter().all(|byte| *byte == same)
}

impl<T: AnyBitPattern + NoUninit> SharedSlice<'_, T, ReadWrite> {
    /// Stores the same value at every index, at the speed of `memcpy`.
    ///
    /// Peers may see the bytes arrive in any order, as with [`copy_from`](SharedSlice::copy_from).
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let pixels = mapping.slice::<u32>(0, 100)?;
    /// pixels.range(10..).fill(0x00ff_ffff);
    /// assert_eq!((pixels.load(9), pixels.load(99)), (0, 0x00ff_ffff));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn fill(&self, value: T) {
        const BYTES: usize = 1024;
        let bytes = bytemuck::bytes_of(&value);
        // Values without bytes: there may be up to `usize::MAX` of them.
        let Some(first) = bytes.first() else { return };
        if are_all(bytes, *first) {
            // SAFETY: all values are inside the mapping (rule 4), which is writable.
            return unsafe { copy::fill(self.address().cast(), *first, self.byte_len()) };
        }
        let room = Buffer::<BYTES>::room::<T>();
        if room == 0 {
            return (0..self.len()).for_each(|index| self.store(index, value));
        }
        let mut buffer = Buffer::<BYTES>::new();
        if self.len() <= room {
            return self.copy_from(buffer.filled(value, self.len()));
        }
        let values = buffer.filled(value, room);
        self.chunks(room).for_each(|chunk| chunk.copy_from(&values[..chunk.len()]));
    }
}

/// Compares the values with one's own, by copies of at most 1024 bytes at a time.
///
/// If a peer writes at the same time, the answer may be about values that were never there all at
/// once. To decide something by values that a peer may change, copy them out and compare the copy.
///
/// # Examples
///
/// ```
/// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
/// mapping.bytes().range(..5).copy_from(b"hello");
/// assert!(mapping.bytes().range(..5) == b"hello");
/// # Ok::<(), posix_shm::Error>(())
/// ```
impl<T: AnyBitPattern + PartialEq, A> PartialEq<[T]> for SharedSlice<'_, T, A> {
    fn eq(&self, own: &[T]) -> bool {
        self.equals(own)
    }
}

impl<T: AnyBitPattern + PartialEq, A> PartialEq<&[T]> for SharedSlice<'_, T, A> {
    fn eq(&self, own: &&[T]) -> bool {
        self.equals(own)
    }
}

impl<T: AnyBitPattern + PartialEq, A, const N: usize> PartialEq<[T; N]> for SharedSlice<'_, T, A> {
    fn eq(&self, own: &[T; N]) -> bool {
        self.equals(own)
    }
}

impl<T: AnyBitPattern + PartialEq, A, const N: usize> PartialEq<&[T; N]> for SharedSlice<'_, T, A> {
    fn eq(&self, own: &&[T; N]) -> bool {
        self.equals(*own)
    }
}

impl<T: AnyBitPattern + PartialEq, A> PartialEq<&Vec<T>> for SharedSlice<'_, T, A> {
    fn eq(&self, own: &&Vec<T>) -> bool {
        self.equals(own)
    }
}

impl<T: AnyBitPattern + PartialEq, A> PartialEq<Vec<T>> for SharedSlice<'_, T, A> {
    fn eq(&self, own: &Vec<T>) -> bool {
        self.equals(own)
    }
}

#[cfg(test)]
mod tests {
    use super::Buffer;

    #[test]
    fn there_is_room_for_values_that_are_aligned_no_more_than_it_is() {
        #[repr(C, align(64))]
        struct Same([u8; 64]);
        #[repr(C, align(128))]
        struct More([u8; 128]);
        assert_eq!((Buffer::<1024>::room::<u64>(), Buffer::<1024>::room::<Same>()), (128, 16));
        assert_eq!(Buffer::<1024>::room::<More>(), 0, "it is not aligned enough");
        assert_eq!((Buffer::<1024>::room::<()>(), Buffer::<1024>::room::<[u8; 1025]>()), (0, 0));
    }
}
