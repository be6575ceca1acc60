//! Android: the kernel is Linux', and the C library has no `shm_open` ("disallowed by SELinux", says bionic's documentation). So
//! there are objects without a name alone, and `memfd_create` makes them, which came with API level 30 (Android 11).
//!
//! What it cannot promise: a second, read-only handle. The way to one leads through `/proc`, which SELinux closes to apps.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

pub(crate) use super::calls::{allocated, set_len, write_at, write_new};
pub(crate) use super::linux_kernel::reserve;
pub(crate) use super::memfd::check_kind;
use super::{Fill, Names, New, linux_kernel, memfd};
use crate::capabilities::Capabilities;
use crate::error::{Errno, Failure, Operation};
use crate::metadata::Metadata;
use crate::open::Direction;

#[cfg(not(pshm_has_memfd_create))]
compile_error!(
    "posix-shm needs memfd_create, which Android has from API level 30 on: build for that level \
     (such as CC=aarch64-linux-android30-clang)"
);

/// Nothing has a name, but names can be checked: that of Linux.
pub(crate) const NAME_MAX: usize = sys::NAME_MAX as usize;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    named: false,
    other_users: true,
    umask: true,
    exact_len: true,
    complete_before_named: false,
    supersede_in_one_step: false,
    reserve: true,
    resize: true,
    set_permissions: true,
    read_write_at: true,
    list: false,
    seal: true,
    freeze_while_mapped: true,
    read_only_anonymous: false,
    tell_objects_apart: true,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = true;

pub(crate) fn open(_: &CStr, _: Direction, _: bool) -> Result<OwnedFd, Errno> {
    Err(Errno::NOTSUP)
}

pub(crate) fn find(_: &CStr) -> Result<Metadata, Errno> {
    Err(Errno::NOTSUP)
}

pub(crate) fn unlink(_: &CStr) -> Result<(), Errno> {
    Err(Errno::NOTSUP)
}

pub(crate) fn build<T>(_: New<'_>, _: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    Err(Failure::new(Operation::Create, Errno::NOTSUP))
}

pub(crate) fn names() -> Result<Names, Failure> {
    Err(Failure::new(Operation::List, Errno::NOTSUP))
}

/// `memfd_create`.
pub(crate) fn anonymous<T>(
    permissions: Option<sys::mode_t>,
    fill: Fill<'_, T>,
) -> Result<(OwnedFd, T), Failure> {
    let object = linux_kernel::unnamed(permissions).map_err(Failure::of(Operation::Create))?;
    memfd::complete(object, permissions, fill)
}

/// Through `/proc`, for those whom SELinux lets: a shell, not an app.
pub(crate) fn read_only(object: BorrowedFd<'_>, _: Option<&CStr>) -> Result<OwnedFd, Failure> {
    linux_kernel::reopen(object).map_err(Failure::of(Operation::Clone))
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    match (operation, errno) {
        (Operation::Open | Operation::Create | Operation::Unlink, Errno::NOTSUP) => Some(
            "Android has no named shared memory: make an anonymous object, and send its handle",
        ),
        (Operation::Clone, Errno::ACCES) => {
            Some("SELinux lets no app open an object again; freeze() keeps others from writing")
        }
        _ => None,
    }
}
