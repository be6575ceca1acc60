//! In place of blocks, on machines without vectors of 16 bytes that are whole, and in byte-wise
//! mode: there are none.

/// The size that a block would have.
pub(in crate::access) const BLOCK: usize = 64;

/// Whether values of this type can be read in blocks.
#[inline]
#[allow(clippy::extra_unused_type_parameters, reason = "as where there are blocks")]
pub(in crate::access) fn suit_blocks<T>() -> bool {
    false
}

/// There is never a value of this type.
pub(in crate::access) struct Block(());

impl Block {
    pub(in crate::access) fn can_be_at<T>(_: *const T) -> bool {
        false
    }

    /// # Safety
    ///
    /// Never call it: no address can have a block.
    pub(in crate::access) unsafe fn load<T>(_: *const T) -> Block {
        unreachable!("no address can have a block")
    }

    /// # Safety
    ///
    /// None: there is no block.
    pub(in crate::access) unsafe fn values<T>(&self) -> &[T] {
        &[]
    }
}
