//! OpenBSD: objects are files in `/tmp`, each under a hash of its name, as
//! `lib/libc/gen/shm_open.c` says, and only for their owner.
//!
//! The kernel keeps what is mapped apart from what is read and written by descriptor (there is no
//! unified buffer cache), so nothing is read or written by descriptor here.
//!
//! What it cannot promise:
//!
//! * Other users: only its owner can open an object, whatever the permissions.
//! * Memory: there is no `posix_fallocate`, and if zeros were written instead, waiting processes
//!   would see an object grow piece by piece.
//! * Complete objects: an object has its name before it is filled.
//! * A list of names.
//! * Not to wait: if someone has put a FIFO in the place of an object, opening it for reading
//!   blocks, since the system refuses the flag against that.
//!
//! `shm_mkstemp` is not used: it tries again whatever the error, 2147483647 times.

use std::os::fd::BorrowedFd;

use crate::capabilities::Capabilities;
use crate::failure::{Errno, Failure, Operation};
use crate::imp::draft::{Namespace, Way};
use crate::imp::limits::Growth;
use crate::imp::limits::ask_file_system;
use crate::imp::reserve::by_resizing;
use crate::permissions::Permissions;

pub(crate) use crate::imp::fallback::no_huge_page as huge_page_of;
pub(crate) use crate::imp::fallback::open_again;
pub(crate) use crate::imp::fallback::{
    Names, anonymous, check_kind, draft, find, names, open, protect, publish, read_only,
};
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
pub(crate) use crate::imp::named::{create, unlink};
pub(crate) use crate::imp::populate::by_reading as populate;
pub(crate) use crate::imp::reserve::resize;
pub(crate) use crate::imp::reserve::write_new;
pub(crate) use crate::imp::reserve::{no_punch as punch, no_range as reserve_range};
pub(crate) use crate::imp::stat::allocated_by_file as allocated;
pub(crate) use crate::imp::syscalls::write_at;
pub(crate) use crate::imp::wait::always as can_sleep;
#[cfg(pshm_has_futex)]
pub(crate) use crate::imp::wait::openbsd::{wait, wake};
#[cfg(not(pshm_has_futex))]
pub(crate) use crate::imp::wait::{no_wait as wait, no_wake as wake};

/// The name is only hashed.
pub(crate) const NAME_MAX: usize = usize::MAX;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    named: true,
    other_users: false,
    umask: true,
    exact_len: true,
    complete_before_named: false,
    supersede_in_one_step: false,
    reserve: false,
    resize: true,
    grow_never_shortens: RESERVE_ONLY_GROWS,
    punch: false,
    set_permissions: true,
    read_write_at: false,
    list: false,
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
    wait: cfg!(pshm_has_futex),
    wait_read_only: cfg!(pshm_has_futex),
    notify_counts: cfg!(pshm_has_futex),
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
    // Finding an object here is opening it.
    removing_needs: || Permissions::USER_READ,
};

/// `ftruncate`. A length that the file system has no room for is refused; but room that is there
/// now may be gone when it is touched.
pub(crate) fn reserve(object: BorrowedFd<'_>, growth: Growth) -> Result<(), Failure> {
    ask_file_system(object, &growth)?;
    by_resizing(object, growth)
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    match (operation, errno) {
        (Operation::Open, Errno::PERM) => Some("on OpenBSD only its owner can open an object"),
        (Operation::Open, Errno::INVAL) => Some("this is not a shared memory object"),
        _ => None,
    }
}
