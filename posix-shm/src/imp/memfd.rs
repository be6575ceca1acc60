//! Objects without a name, where the system has `memfd_create` for them and seals.

use std::ffi::c_uint;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use posix_shm_sys as sys;

use super::{Fill, calls};
use crate::error::{Errno, Failure, Operation, cvt_retry};

/// `memfd_create`, close-on-exec and sealable.
pub(super) fn create(flags: c_uint) -> Result<OwnedFd, Errno> {
    let flags = sys::MFD_CLOEXEC | sys::MFD_ALLOW_SEALING | flags;
    // The label is what Linux shows in /proc.
    // SAFETY: the label is a NUL-terminated string that outlives the call.
    let fd = cvt_retry(|| unsafe { sys::memfd_create(c"posix-shm".as_ptr(), flags) })?;
    // SAFETY: the call made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives an object without a name the permissions that were asked for, and lets it be filled.
pub(super) fn complete<T>(
    object: OwnedFd,
    permissions: Option<sys::mode_t>,
    fill: Fill<'_, T>,
) -> Result<(OwnedFd, T), Failure> {
    if let Some(mode) = permissions {
        calls::set_permissions(object.as_fd(), mode)
            .map_err(Failure::of(Operation::SetPermissions))?;
    }
    let filled = fill(object.as_fd())?;
    Ok((object, filled))
}

/// Only shared memory has seals, or none: a file of another kind has no answer.
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    super::seals(object).map(drop)
}
