#![doc = include_str!("../README.md")]
//!
//! ## Differences from C
//!
//! Names, types and numbers are those of C, with these exceptions:
//!
//! * [`open`], [`fcntl`], `mremap` and `shm_open` have a fixed number of arguments on every system.
//!   C declares some of them with `...`, and on Apple's systems `shm_open` too.
//! * The last argument of [`fcntl`] is an `int`. [`fcntl_lock`] is the same C function, for the
//!   commands that take a [`struct flock`](struct@flock).
//! * `mremap` and `mincore` exist only on Linux. Other systems have functions of these names whose
//!   arguments differ.
//! * [`errno_location`] returns the address of `errno`. It is the function behind the macro, whose
//!   name differs between systems.
//! * [`off_t`] has 64 bits on every system, and the functions match it.
//! * [`stat`], [`timespec`], [`statvfs`] and [`struct flock`](struct@flock) have the fields that
//!   all systems share. The rest of a structure is padding or other fields, so create one with
//!   `MaybeUninit`, not with a literal.
//! * Constants of the Linux kernel, such as `MFD_NOEXEC_SEAL`, exist on every Linux, even if the
//!   headers are older than the constant.

#![no_std]

/// Where the bindings come from: `"bindgen"`, `"cc"`, or `"libc"` if the headers could not be read.
pub const BINDINGS_SOURCE: &str = SOURCE;

use bindings::SOURCE;
pub use bindings::*;

mod bindings {
    // The names are in C's case, and C's manuals document the fields. Some items are not offered.
    #![allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
    #![allow(dead_code, unreachable_pub, unused_qualifications)]
    // The libc crate deprecates musl's `time_t`, whose size differs between versions of musl.
    #![allow(deprecated)]
    #![allow(clippy::all, clippy::missing_safety_doc, clippy::must_use_candidate)]
    #![allow(clippy::ptr_as_ptr)]
    #![allow(missing_debug_implementations)]

    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

    /// C's `size_t`.
    pub type size_t = usize;
    /// C's `ssize_t`.
    pub type ssize_t = isize;
}
