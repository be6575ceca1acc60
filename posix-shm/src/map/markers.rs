//! What a mapping allows: the markers of [`Mapping`](super::Mapping), and [`Protection`].

use std::ffi::c_int;

use posix_shm_sys as sys;

/// Marks memory that can only be read: a [`Mapping<ReadOnly>`](crate::Mapping) has no method that
/// writes.
///
/// # Examples
///
/// ```
/// use posix_shm::{Mapping, ReadOnly, Shm};
///
/// /// It can only read.
/// fn first(mapping: &Mapping<ReadOnly>) -> u8 {
///     mapping.bytes().load(0)
/// }
///
/// assert_eq!(first(&Shm::anonymous(4096)?.map()?), 0);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

/// Marks memory that can be read and written.
///
/// # Examples
///
/// ```
/// use posix_shm::{Mapping, ReadWrite, Shm};
///
/// /// The same as `&Mapping`: it is the default.
/// fn clear(mapping: &Mapping<ReadWrite>) {
///     mapping.bytes().fill(0);
/// }
///
/// clear(&Shm::anonymous(4096)?.map_mut()?);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

/// Marks memory that can be read and written, and whose writes stay in this process.
///
/// What is written through a [`Mapping<CopyOnWrite>`](crate::Mapping) no peer ever sees. So its
/// views have no method that writes, counts, wakes or waits: those are for memory that is shared.
/// The mapping itself has [`store`](crate::Mapping::store) and
/// [`copy_from`](crate::Mapping::copy_from).
///
/// # Examples
///
/// ```
/// use posix_shm::{CopyOnWrite, MapOptions, Mapping, Shm, capabilities};
///
/// if capabilities().copy_on_write {
///     let object = Shm::anonymous(4096)?;
///     let draft: Mapping<CopyOnWrite> = MapOptions::new().map_copy_on_write(&object)?;
///     draft.store(0, 7_u8)?;
///     assert_eq!(object.map()?.bytes().load(0), 0);
/// }
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[doc(alias = "MAP_PRIVATE")]
pub enum CopyOnWrite {}

/// Memory that peers see: [`ReadOnly`] and [`ReadWrite`], and not [`CopyOnWrite`].
///
/// [`SharedAtomic::wait`](crate::SharedAtomic::wait) and the like need it: whoever waited on memory
/// of its own would never be woken. No other type can have this trait.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use posix_shm::{Mapping, Shared, Shm};
///
/// /// Waits for a moment, in a mapping for reading or for writing.
/// fn is_ready<A: Shared>(mapping: &Mapping<A>) -> posix_shm::Result<bool> {
///     let ready = mapping.atomic::<u32>(0)?;
///     Ok(ready.wait_while(|ready| ready == 0, Duration::from_millis(1))?.is_some())
/// }
///
/// let object = Shm::anonymous(4096)?;
/// assert!(!is_ready(&object.map()?)? && !is_ready(&object.map_mut()?)?);
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub trait Shared: sealed::Shared {}

impl Shared for ReadOnly {}
impl Shared for ReadWrite {}

mod sealed {
    pub trait Shared {
        const IS_READ_ONLY: bool;
    }
}

impl sealed::Shared for ReadOnly {
    const IS_READ_ONLY: bool = true;
}

impl sealed::Shared for ReadWrite {
    const IS_READ_ONLY: bool = false;
}

/// What a marker means to the system.
pub(crate) trait Access {
    const PROTECTION: c_int;
    /// Whether writes stay in this process.
    const PRIVATE: bool = false;
}

impl Access for ReadOnly {
    const PROTECTION: c_int = sys::PROT_READ;
}

impl Access for ReadWrite {
    const PROTECTION: c_int = sys::PROT_READ | sys::PROT_WRITE;
}

impl Access for CopyOnWrite {
    const PROTECTION: c_int = sys::PROT_READ | sys::PROT_WRITE;
    const PRIVATE: bool = true;
}

bitflags::bitflags! {
    /// What the pages of a [`RawMapping`](crate::RawMapping) allow: `PROT_READ`, `PROT_WRITE`,
    /// `PROT_EXEC`, or none.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Protection, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let both = Protection::READ | Protection::WRITE;
    /// let mut memory = MapOptions::new().map_raw(&object, both)?;
    /// memory.protect(Protection::READ)?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[doc(alias = "prot-flags")]
    pub struct Protection: i32 {
        /// The pages may not be touched at all: `PROT_NONE`.
        const NONE = sys::PROT_NONE;
        /// The pages may be read: `PROT_READ`.
        const READ = sys::PROT_READ;
        /// The pages may be written: `PROT_WRITE`. On most machines they can then be read as well.
        const WRITE = sys::PROT_WRITE;
        /// The pages may be executed: `PROT_EXEC`.
        const EXEC = sys::PROT_EXEC;

        // Other bits that the system knows are passed on.
        const _ = !0;
    }
}
