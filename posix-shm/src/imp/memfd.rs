//! Objects without a name, on a system that makes them with `memfd_create`.

#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
use std::cell::Cell;
use std::ffi::{CStr, c_uint};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

use super::draft::{Draft, Held, Namespace};
use super::seals::has_seals;
use super::syscalls;
use crate::failure::{Errno, Failure, Operation, cvt_owned_fd};
#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
use crate::permissions::Permissions;

/// `memfd_create`, close-on-exec and sealable. Linux shows the label in `/proc`.
#[inline(always)]
pub(super) fn create(label: &CStr, flags: c_uint) -> Result<OwnedFd, Errno> {
    let flags = sys::MFD_CLOEXEC | sys::MFD_ALLOW_SEALING | flags;
    // SAFETY: the label is a NUL-terminated string that outlives the call.
    let call = || unsafe { sys::memfd_create(label.as_ptr(), flags) };
    // SAFETY: the call makes a new descriptor.
    unsafe { cvt_owned_fd(call) }
}

#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
thread_local! {
    /// `MFD_NOEXEC_SEAL` was refused, as by Linux before 6.3, which has no `MFD_EXEC` either. Each
    /// thread remembers this for itself: the refusal may come from a filter (seccomp), which
    /// belongs to one thread and is never removed.
    static IS_OLDER: Cell<bool> = const { Cell::new(false) };
}

/// [`create`], never to be executed unless the permissions say otherwise.
#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
#[inline(always)]
pub(super) fn create_for(label: &CStr, permissions: Option<sys::mode_t>) -> Result<OwnedFd, Errno> {
    if IS_OLDER.get() {
        return create(label, 0);
    }
    let flag = match permissions {
        // The seal would forbid these permissions.
        Some(mode) if lets_execute(mode) => sys::MFD_EXEC,
        _ => sys::MFD_NOEXEC_SEAL,
    };
    match create(label, flag) {
        Err(Errno::INVAL) => create_without(label, flag),
        result => result,
    }
}

#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
#[inline]
fn lets_execute(mode: sys::mode_t) -> bool {
    mode & (sys::S_IXUSR | sys::S_IXGRP | sys::S_IXOTH) != 0
}

#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
#[cold]
fn create_without(label: &CStr, flag: c_uint) -> Result<OwnedFd, Errno> {
    let object = create(label, 0)?;
    // A filter that refuses only MFD_EXEC must not cost other objects their seal.
    IS_OLDER.set(flag == sys::MFD_NOEXEC_SEAL);
    Ok(object)
}

/// [`create_for`], with the kernel's own permissions.
#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
#[inline(always)]
pub(crate) fn at_once(label: &CStr) -> Result<OwnedFd, Errno> {
    create_for(label, None)
}

/// Whether the system, and not a sandbox, has refused to make an executable object
/// (`vm.memfd_noexec`).
#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
pub(super) fn refuses_executable(label: &CStr, mode: sys::mode_t, errno: Errno) -> bool {
    errno == Errno::ACCES && lets_execute(mode) && create(label, sys::MFD_NOEXEC_SEAL).is_ok()
}

/// A draft of an object without a name, with the permissions that were asked for.
pub(super) fn draft(
    namespace: &'static Namespace,
    object: OwnedFd,
    permissions: Option<sys::mode_t>,
) -> Result<Draft<'static>, Failure> {
    if let Some(mode) = permissions {
        syscalls::set_permissions(object.as_fd(), mode)
            .map_err(Failure::of(Operation::SetPermissions))?;
    }
    Ok(Draft::new(namespace, object, Held::Nothing, false))
}

/// Gives an object private permissions if it has the kernel's own, which let everyone
/// write who reaches it through `/proc`.
#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
pub(crate) fn protect(object: BorrowedFd<'_>) -> Result<(), Failure> {
    let stat = syscalls::stat(object).map_err(Failure::of(Operation::Metadata))?;
    let permissions = stat.permissions();
    // What memfd_create gives, with and without MFD_NOEXEC_SEAL. If the object has a name, somebody
    // has chosen its permissions.
    let is_own = [0o666, 0o777].map(Permissions::from_mode).contains(&permissions);
    if !is_own || stat.links() > 0 {
        return Ok(());
    }
    let execute = Permissions::USER_EXEC | Permissions::GROUP_EXEC | Permissions::OTHER_EXEC;
    let execute = permissions & execute;
    let set = |permissions: Permissions| syscalls::set_permissions(object, permissions.to_sys());
    let result = match set(Permissions::PRIVATE) {
        // Whether it can be executed may be sealed.
        Err(Errno::PERM) if !execute.is_empty() => set(Permissions::PRIVATE | execute),
        result => result,
    };
    result.map_err(Failure::of(Operation::SetPermissions))
}

/// Whether a descriptor is of a plain file of a tmpfs or of huge pages, which is all that a memfd
/// is.
#[cfg(pshm_system = "linux")]
pub(super) fn is_on_its_file_system(object: BorrowedFd<'_>) -> Result<bool, Errno> {
    let known = [syscalls::TMPFS, syscalls::HUGETLBFS].contains(&syscalls::file_system(object)?);
    Ok(known && syscalls::stat(object)?.kind() == sys::S_IFREG)
}

/// Only shared memory can answer which seals it has; other files cannot.
#[inline]
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    has_seals(object)
}
