//! What a mapping allows: the markers of [`Mapping`](super::Mapping), and [`Protection`].

use std::ffi::c_int;

use posix_shm_sys as sys;

/// Marks memory that can only be read: a [`Mapping<ReadOnly>`](crate::Mapping) has no method that
/// writes.
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

/// Marks memory that can be read and written.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

/// Marks memory that can be read and written, and whose writes stay in this process.
///
/// What is written through a [`Mapping<CopyOnWrite>`](crate::Mapping) no peer ever sees. So its
/// views have no method that writes, counts, wakes or waits: those are for memory that is shared.
/// The mapping itself has [`store`](crate::Mapping::store) and
/// [`copy_from`](crate::Mapping::copy_from).
#[derive(Clone, Copy, Debug)]
#[doc(alias = "MAP_PRIVATE")]
pub enum CopyOnWrite {}

/// Memory that peers see: [`ReadOnly`] and [`ReadWrite`], and not [`CopyOnWrite`].
///
/// [`SharedAtomic::wait`](crate::SharedAtomic::wait) and the like need it: whoever waited on memory
/// of its own would never be woken. No other type can have this trait.
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
    /// What the pages of a [`RawMapping`] allow: `PROT_READ`, `PROT_WRITE`, `PROT_EXEC`, or none.
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
