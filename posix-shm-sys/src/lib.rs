//! Raw bindings to POSIX shared memory and the calls around it, made from the system's own headers.
//!
//! The names, types and numbers are C's. For a safe interface take the crate `posix-shm`.
//!
//! # How the bindings are made
//!
//! There are no bindings in the package. The build script makes them for the target, from the headers that a C program
//! would be compiled with, in one of two ways:
//!
//! * **bindgen**, with the feature `bindgen` (default), where libclang is found;
//! * **the C compiler alone** otherwise. It compiles, and never runs, a file whose object code holds every constant, size
//!   and offset; and a few lines of C around the functions, so that their symbols and calling conventions are the
//!   compiler's business.
//!
//! Both read one list and one `wrapper.h`, and offer the same items of the same types. [`BINDINGS_SOURCE`] says which
//! one it was: `"bindgen"` or `"cc"`.
//!
//! | variable | meaning |
//! |---|---|
//! | `POSIX_SHM_SYS_BINDINGS` | `bindgen` or `cc`: this way, and an error if it fails |
//! | `LIBCLANG_PATH`, `LLVM_CONFIG_PATH`, `CLANG_PATH` | where bindgen finds libclang |
//! | `BINDGEN_EXTRA_CLANG_ARGS`, `BINDGEN_EXTRA_CLANG_ARGS_<target>` | arguments for libclang, such as `--sysroot=DIR` |
//! | `CC`, `CFLAGS`, `AR` and the same with `_<target>` | the C compiler |
//!
//! # What there is
//!
//! What a system lacks is absent here. The build script of a crate that depends on this one reads
//! `DEP_POSIX_SHM_HAS_<NAME>` (1 or not set) for every constant and function, name in upper case, and for the
//! fields of [`stat`] that differ between systems (`st_atim` or `st_atimespec`, …). `DEP_POSIX_SHM_BINDINGS` is the
//! same as [`BINDINGS_SOURCE`].
//!
//! # What differs from C
//!
//! * [`open`], [`fcntl`], `mremap` and `shm_open` have the arguments that they really take, on every system; C hides the
//!   last one behind `...` (on Apple's systems that of `shm_open` too, with another calling convention).
//! * [`fcntl`] takes an `int`: no command of this crate takes anything else.
//! * `mremap` is that of Linux. NetBSD's has other arguments, and is absent.
//! * [`errno_location`] is the function behind the macro `errno`, whatever a system calls it.
//! * [`off_t`] has 64 bits on every system, and the functions are those that go with it.
//! * [`stat`], [`timespec`] and [`statvfs`] have at least the fields that every system has, and padding or the system's
//!   other fields: make one with `MaybeUninit`, never by its fields.
//! * Some constants are of the kernel and newer than many headers (`MFD_NOEXEC_SEAL`): on Linux they are always there.

#![no_std]

/// The way in which the bindings were made: `"bindgen"` or `"cc"`.
pub const BINDINGS_SOURCE: &str = SOURCE;

use bindings::SOURCE;
pub use bindings::*;

mod bindings {
    // C's names in C's case, documented where C is. Not every item of the headers is offered.
    #![allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
    #![allow(dead_code, unreachable_pub, unused_qualifications)]
    #![allow(clippy::all, clippy::missing_safety_doc, clippy::must_use_candidate)]
    #![allow(missing_debug_implementations)]

    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

    /// C's `size_t`.
    pub type size_t = usize;
    /// C's `ssize_t`.
    pub type ssize_t = isize;
}
