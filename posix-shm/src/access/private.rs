//! Writing to copy-on-write memory. It has no views that write: those also count, wake and wait,
//! which makes no sense for what no peer sees.

use bytemuck::{AnyBitPattern, NoUninit};

use super::bounds::part_of;
use super::slice::SharedSlice;
use crate::error::Result;
use crate::failure::{Failure, Operation};
use crate::map::{CopyOnWrite, Mapping, ReadWrite};

impl Mapping<CopyOnWrite> {
    /// Writes one value, at an offset in bytes. No peer sees it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the value reaches past the end of the mapping, or if its address is not
    /// aligned for `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm, capabilities};
    ///
    /// if capabilities().copy_on_write {
    ///     let object = Shm::anonymous(4096)?;
    ///     let copy = MapOptions::new().map_copy_on_write(&object)?;
    ///     copy.store(8, 3_u32)?;
    ///     assert_eq!(copy.cell::<u32>(8)?.load(), 3);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn store<T: AnyBitPattern + NoUninit>(&self, offset: usize, value: T) -> Result<()> {
        self.copy_from(offset, &[value])
    }

    /// Writes values one after the other, from an offset in bytes on. No peer sees them.
    ///
    /// # Errors
    ///
    /// As [`store`](Mapping::store).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm, capabilities};
    ///
    /// if capabilities().copy_on_write {
    ///     let object = Shm::anonymous(4096)?;
    ///     let copy = MapOptions::new().map_copy_on_write(&object)?;
    ///     copy.copy_from(0, &[1_u32, 2, 3])?;
    ///     assert_eq!(copy.slice::<u32>(0, 3)?.to_vec(), [1, 2, 3]);
    ///     assert_eq!(object.map()?.bytes().load(0), 0);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn copy_from<T: AnyBitPattern + NoUninit>(
        &self,
        offset: usize,
        values: &[T],
    ) -> Result<()> {
        let start = part_of(self.start(), self.len(), offset, values.len())
            .map_err(|why| Failure::invalid(Operation::View, why.to_string()).named(None))?;
        // The pages can be written. The view does not leave this function.
        SharedSlice::<T, ReadWrite>::new(start, values.len()).copy_from(values);
        Ok(())
    }
}
