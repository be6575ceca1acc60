//! NetBSD: objects are files of the tmpfs at `/var/shm`, as `lib/librt/shm.c` says, so they can be
//! built under a temporary name and renamed.
//!
//! An anonymous object is a file whose name was removed. It is not made by the `memfd_create` of
//! NetBSD 11: the last page of a memfd cannot be mapped unless it is full, and a memfd has no
//! permissions and no inode number (`sys/kern/sys_memfd.c`).
//!
//! What it cannot promise: seals, and read-only handles of objects without a name. A process that
//! is killed while it builds an object leaves a temporary name behind.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::capabilities::Capabilities;
use crate::failure::{Errno, Failure, Operation};
use crate::imp::draft::{Draft, Held, Namespace, New, Obstacle, Way};
use crate::imp::named;
use crate::imp::seals::seals;
use crate::imp::stat::Stat;
use crate::imp::tmpfs::Directory;
use crate::permissions::Permissions;

pub(crate) use crate::imp::entries::Entries as Names;
pub(crate) use crate::imp::fallback::no_huge_page as huge_page_of;
pub(crate) use crate::imp::fallback::open_again;
pub(crate) use crate::imp::fallback::{anonymous, protect, read_only};
pub(crate) use crate::imp::fallback::{anonymous_after, anonymous_at_once, create_at_once};
pub(crate) use crate::imp::fallback::{
    no_collapse as collapse, no_huge_pages as anonymous_of_huge_pages,
    no_pooled_pages as pooled_pages, no_shows as shows, no_transparent_page as transparent_page,
};
pub(crate) use crate::imp::flock::{EXCLUSIVE, is_used, try_lock, unlock_all, wait_for_lock};
pub(crate) use crate::imp::limits::may_write;
pub(crate) use crate::imp::mapping::{
    close_reserved_room as close_room, map_with_reserved_room as map_with_room, no_remap as remap,
    no_resident_pages as resident_pages, open_reserved_room as open_room,
};
pub(crate) use crate::imp::named::{create, open_without_waiting as open, unlink};
pub(crate) use crate::imp::populate::by_reading as populate;
/// `ftruncate` takes the memory from what the file system has left, or says `ENOSPC`.
/// (`posix_fallocate` does nothing on a tmpfs.)
pub(crate) use crate::imp::reserve::by_resizing as reserve;
pub(crate) use crate::imp::reserve::resize;
pub(crate) use crate::imp::reserve::write_new;
pub(crate) use crate::imp::reserve::{no_punch as punch, no_range as reserve_range};
pub(crate) use crate::imp::stat::allocated_by_file as allocated;
pub(crate) use crate::imp::syscalls::write_at;
pub(crate) use crate::imp::wait::always as can_sleep;
#[cfg(pshm_has_sys___futex)]
pub(crate) use crate::imp::wait::netbsd::{wait, wake};
#[cfg(not(pshm_has_sys___futex))]
pub(crate) use crate::imp::wait::{no_wait as wait, no_wake as wake};

/// Where librt keeps the objects, and what their names begin with.
const DIRECTORY: Directory = Directory { path: c"/var/shm", prefix: b".shmobj_" };

/// What a tmpfs takes (`TMPFS_MAXNAMLEN` of the kernel's `tmpfs.h`; the C library's headers have
/// another limit), less the prefix.
pub(crate) const NAME_MAX: usize = 255 - DIRECTORY.prefix.len();

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    named: true,
    other_users: true,
    umask: true,
    exact_len: true,
    complete_before_named: true,
    supersede_in_one_step: true,
    reserve: true,
    resize: true,
    grow_never_shortens: RESERVE_ONLY_GROWS,
    punch: false,
    set_permissions: true,
    read_write_at: true,
    list: true,
    seal: false,
    freeze_while_mapped: false,
    map_immutable: false,
    read_only_anonymous: false,
    tell_objects_apart: true,
    presence: true,
    lock: false,
    move_mappings: false,
    copy_on_write: true,
    collapse: false,
    huge_pages: false,
    residency: false,
    wait: cfg!(pshm_has_sys___futex),
    wait_read_only: cfg!(pshm_has_sys___futex),
    notify_counts: cfg!(pshm_has_sys___futex),
};

pub(crate) const RESERVE_ONLY_GROWS: bool = false;

pub(crate) const TELLS_WHAT_IS_MAPPED: bool = false;

pub(crate) const NAMESPACE: &Namespace = &Namespace {
    create,
    open,
    find,
    unlink,
    ways: || &[Way::Temporary, Way::Named],
    capabilities: CAPABILITIES,
    removing_needs: || Permissions::empty(),
};

/// Built under a temporary name, then renamed or linked.
pub(crate) fn draft<'a>(new: &New<'a>, way: Way) -> Result<Draft<'a>, Obstacle> {
    if way == Way::Named { Ok(named::claim(new)?) } else { DIRECTORY.draft(new) }
}

pub(crate) fn publish(draft: &mut Draft<'_>, new: &New<'_>) -> Result<Option<OwnedFd>, Obstacle> {
    match draft.held() {
        Held::Own(_) => Ok(named::publish_claimed(draft, new)?),
        _ => DIRECTORY.publish(draft, new),
    }
}

pub(crate) fn find(name: &CStr) -> Result<Stat, Errno> {
    DIRECTORY.find(name)
}

pub(crate) fn names() -> Result<Names, Failure> {
    DIRECTORY.names(|_| true, None)
}

/// A file of the same file system, or a memfd of a peer's.
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    if seals(object).is_ok() || DIRECTORY.has(object)? { Ok(()) } else { Err(Errno::INVAL) }
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    match (operation, errno) {
        (Operation::Open | Operation::Create | Operation::Unlink, Errno::NOTSUP) => {
            Some("NetBSD keeps shared memory in a tmpfs; mount one at /var/shm, with mode 1777")
        }
        _ => None,
    }
}
