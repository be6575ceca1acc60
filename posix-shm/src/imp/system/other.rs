//! What POSIX gives everywhere, for a system without a file of its own.
//!
//! What it cannot promise: an object has its name before it is filled. Memory is reserved only if
//! the system has `posix_fallocate`. If it does not take that for shared memory, a new object is
//! filled with zeros, and others are not made longer. POSIX leaves open whether an object can be
//! read and written by its descriptor, so nothing else is done that way.

use crate::capabilities::Capabilities;
use crate::failure::{Errno, Operation};
use crate::imp::draft::{Namespace, Way};
use crate::permissions::Permissions;
use posix_shm_sys as sys;

pub(crate) use crate::imp::fallback::no_huge_page as huge_page_of;
pub(crate) use crate::imp::fallback::open_again;
pub(crate) use crate::imp::fallback::{
    EXCLUSIVE, no_is_used as is_used, no_try_lock as try_lock, no_unlock as unlock_all,
    no_wait as wait_for_lock,
};
pub(crate) use crate::imp::fallback::{
    Names, anonymous, check_kind, draft, find, names, open, protect, publish, read_only,
};
pub(crate) use crate::imp::fallback::{anonymous_after, anonymous_at_once, create_at_once};
pub(crate) use crate::imp::fallback::{
    no_collapse as collapse, no_huge_pages as anonymous_of_huge_pages,
    no_pooled_pages as pooled_pages, no_shows as shows, no_transparent_page as transparent_page,
};
pub(crate) use crate::imp::limits::may_write;
pub(crate) use crate::imp::mapping::{
    close_reserved_room as close_room, map_with_reserved_room as map_with_room, no_remap as remap,
    no_resident_pages as resident_pages, open_reserved_room as open_room,
};
pub(crate) use crate::imp::named::{create, unlink};
pub(crate) use crate::imp::populate::by_reading as populate;
pub(crate) use crate::imp::reserve::no_punch as punch;
pub(crate) use crate::imp::reserve::resize;
pub(crate) use crate::imp::reserve::write_new;
#[cfg(pshm_has_posix_fallocate)]
pub(crate) use crate::imp::reserve::{
    by_posix_fallocate as reserve, range_by_posix_fallocate as reserve_range,
};
#[cfg(not(pshm_has_posix_fallocate))]
pub(crate) use crate::imp::reserve::{by_resizing as reserve, no_range as reserve_range};
pub(crate) use crate::imp::stat::allocated_by_file as allocated;
pub(crate) use crate::imp::syscalls::write_at;
pub(crate) use crate::imp::wait::{always as can_sleep, no_wait as wait, no_wake as wake};

pub(crate) const NAME_MAX: usize = sys::NAME_MAX as usize;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    named: true,
    other_users: true,
    umask: true,
    exact_len: true,
    complete_before_named: false,
    supersede_in_one_step: false,
    reserve: cfg!(pshm_has_posix_fallocate),
    resize: true,
    grow_never_shortens: RESERVE_ONLY_GROWS,
    punch: false,
    set_permissions: true,
    read_write_at: false,
    list: false,
    // An object that was created under a name can never be sealed, even on systems with seals.
    seal: false,
    freeze_while_mapped: false,
    map_immutable: false,
    read_only_anonymous: false,
    tell_objects_apart: true,
    presence: false,
    lock: false,
    move_mappings: false,
    copy_on_write: true,
    collapse: false,
    huge_pages: false,
    residency: false,
    wait: false,
    wait_read_only: false,
    notify_counts: false,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = cfg!(pshm_has_posix_fallocate);

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

pub(crate) fn hint(_: Operation, _: Errno) -> Option<&'static str> {
    None
}
