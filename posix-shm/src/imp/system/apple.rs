//! macOS and Apple's other systems. Objects are not files, and many calls for files refuse them.
//! The facts are those of XNU's `bsd/kern/posix_shm.c`.
//!
//! What it cannot promise: the length of an object is set once, in whole pages, and no memory can
//! be reserved. `O_TRUNC`, `fchmod`, `fchown`, `read` and `write` are refused. The umask is
//! ignored. Nothing tells one object from another (`st_dev`, `st_ino` and the times are 0), and
//! names cannot be listed. An object has its name before it is filled.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

use crate::capabilities::Capabilities;
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation};
use crate::imp::draft::{Namespace, Way};
use crate::imp::limits::{Growth, shortage};
use crate::imp::{fallback, syscalls};
use crate::permissions::Permissions;

pub(crate) use crate::imp::fallback::open_again;
pub(crate) use crate::imp::fallback::{
    EXCLUSIVE, no_is_used as is_used, no_try_lock as try_lock, no_unlock as unlock_all,
    no_wait as wait_for_lock,
};
pub(crate) use crate::imp::fallback::{
    Names, anonymous, draft, find, names, protect, publish, read_only,
};
pub(crate) use crate::imp::fallback::{anonymous_after, anonymous_at_once, create_at_once};
pub(crate) use crate::imp::fallback::{may_write, no_huge_page as huge_page_of};
pub(crate) use crate::imp::fallback::{
    no_collapse as collapse, no_huge_pages as anonymous_of_huge_pages,
    no_pooled_pages as pooled_pages, no_shows as shows, no_transparent_page as transparent_page,
};
pub(crate) use crate::imp::mapping::{
    close_reserved_room as close_room, map_with_reserved_room as map_with_room, no_remap as remap,
    no_resident_pages as resident_pages, open_reserved_room as open_room,
};
pub(crate) use crate::imp::named::{create, unlink};
pub(crate) use crate::imp::populate::by_reading as populate;
pub(crate) use crate::imp::reserve::write_new;
pub(crate) use crate::imp::reserve::{no_punch as punch, no_range as reserve_range};
pub(crate) use crate::imp::stat::allocated_by_file as allocated;
pub(crate) use crate::imp::syscalls::write_at;
#[cfg(pshm_has_os_sync_wait_on_address_shared)]
pub(crate) use crate::imp::wait::os_sync::{can_sleep, wait, wake};
#[cfg(not(pshm_has_os_sync_wait_on_address_shared))]
pub(crate) use crate::imp::wait::{always as can_sleep, no_wait as wait, no_wake as wake};

/// The kernel counts the slash.
pub(crate) const NAME_MAX: usize = sys::PSHMNAMLEN as usize - 1;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    named: true,
    other_users: true,
    umask: false,
    exact_len: false,
    complete_before_named: false,
    supersede_in_one_step: false,
    reserve: false,
    resize: false,
    grow_never_shortens: RESERVE_ONLY_GROWS,
    punch: false,
    set_permissions: false,
    read_write_at: false,
    list: false,
    seal: false,
    freeze_while_mapped: false,
    map_immutable: false,
    read_only_anonymous: false,
    tell_objects_apart: false,
    presence: false,
    lock: false,
    move_mappings: false,
    copy_on_write: false,
    collapse: false,
    huge_pages: false,
    residency: false,
    wait: cfg!(pshm_has_os_sync_wait_on_address_shared),
    wait_read_only: cfg!(pshm_has_os_sync_wait_on_address_shared),
    notify_counts: false,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = false;

pub(crate) const TELLS_WHAT_IS_MAPPED: bool = false;

pub(crate) const NAMESPACE: &Namespace = &Namespace {
    create,
    open,
    find,
    unlink,
    ways: || &[Way::Named],
    capabilities: CAPABILITIES,
    removing_needs: || Permissions::empty(),
};

/// Truncating an object that has a length is refused with `EOPNOTSUPP`; the kernel's own `EINVAL`
/// says nothing. `O_TRUNC` is never passed on: if the kernel takes it, it does nothing.
pub(crate) fn open(name: &CStr, direction: Direction, truncate: bool) -> Result<OwnedFd, Errno> {
    let object = fallback::open(name, direction, false)?;
    if truncate && syscalls::stat(object.as_fd())?.len() > 0 {
        return Err(Errno::OPNOTSUPP);
    }
    Ok(object)
}

/// More than a process can address. The kernel would take any length, piece by piece.
const TOO_LONG: sys::off_t = 1 << 47;

/// `ftruncate`, once in the life of an object. An object that already has these pages stays as it
/// is: the kernel would take a length of 0 for the one that the object keeps for ever. It also lets
/// read-only handles do it, so that is checked here.
pub(crate) fn set_len(object: BorrowedFd<'_>, bytes: sys::off_t) -> Result<(), Errno> {
    let pages = |bytes: u64| bytes.div_ceil(syscalls::page_size() as u64);
    let has_them = || Ok(pages(syscalls::stat(object)?.len()) == pages(bytes.unsigned_abs()));
    if !syscalls::is_writable(object)? {
        return Err(Errno::BADF);
    }
    if has_them()? {
        return Ok(());
    }
    if bytes >= TOO_LONG {
        return Err(Errno::NOMEM);
    }
    match syscalls::set_len(object, bytes) {
        // Another process has just set the same length.
        Err(Errno::INVAL) if has_them()? => Ok(()),
        result => result,
    }
}

/// As [`set_len`].
pub(crate) fn resize(object: BorrowedFd<'_>, to: sys::off_t) -> Result<(), Failure> {
    set_len(object, to).map_err(Failure::of(Operation::SetLen))
}

/// Memory comes when it is touched, and if there is none left the system kills a process. There is
/// no call to ask for it.
pub(crate) fn reserve(object: BorrowedFd<'_>, growth: Growth) -> Result<(), Failure> {
    set_len(object, growth.to).map_err(|errno| shortage(object, growth.to, errno))
}

/// `fstat` tells the kind of every descriptor but one of an object.
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    if syscalls::stat(object)?.kind() == 0 { Ok(()) } else { Err(Errno::INVAL) }
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    Some(match (operation, errno) {
        (Operation::Open, Errno::OPNOTSUPP)
        | (Operation::SetLen | Operation::Reserve, Errno::INVAL) => {
            "macOS sets the length of an object once; IfExists::Supersede replaces the object"
        }
        (Operation::SetPermissions | Operation::SetOwner, Errno::INVAL) => {
            "macOS has no such call for shared memory; set the permissions when creating it"
        }
        (Operation::Map, Errno::PERM) => {
            "the handle does not allow this access; writing takes a handle of Direction::Io"
        }
        _ => return None,
    })
}
