//! Android: Linux' kernel, with a C library that has no `shm_open` ("disallowed by SELinux", says
//! bionic's documentation). So all objects are without a name. `memfd_create` makes them, which
//! came with API level 30 (Android 11).
//!
//! What it cannot promise: a second, read-only handle. The way to one leads through `/proc`, which
//! SELinux closes to apps.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use posix_shm_sys as sys;

use crate::capabilities::Capabilities;
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation};
use crate::imp::draft::{Draft, Namespace, New, Obstacle, Way};
use crate::imp::memfd;
use crate::imp::stat::Stat;
use crate::permissions::Permissions;

pub(crate) use crate::imp::fallback::{
    Names, create_at_once, no_anonymous_after as anonymous_after,
};
pub(crate) use crate::imp::huge::{
    anonymous_of_huge_pages, collapse, pooled_pages, transparent_page,
};
pub(crate) use crate::imp::limits::{huge_page_of, may_write};
pub(crate) use crate::imp::mapping::{
    close_room_of_object as close_room, map_with_room_of_object as map_with_room,
    open_room_of_object as open_room, remap_by_mremap as remap,
    resident_pages_by_mincore as resident_pages,
};
pub(crate) use crate::imp::memfd::{at_once as anonymous_at_once, check_kind, protect};
pub(crate) use crate::imp::ofd::{EXCLUSIVE, is_used, try_lock, unlock_all, wait_for_lock};
pub(crate) use crate::imp::populate::by_advice as populate;
pub(crate) use crate::imp::procfs::open_again;
pub(crate) use crate::imp::procfs::read_only;
pub(crate) use crate::imp::procfs::shows;
pub(crate) use crate::imp::reserve::by_fallocate as reserve;
pub(crate) use crate::imp::reserve::resize;
pub(crate) use crate::imp::reserve::write_new;
pub(crate) use crate::imp::reserve::{
    punch_by_fallocate as punch, range_by_fallocate as reserve_range,
};
pub(crate) use crate::imp::stat::allocated_by_file as allocated;
pub(crate) use crate::imp::syscalls::write_at;
pub(crate) use crate::imp::wait::{always as can_sleep, futex_wait as wait, futex_wake as wake};

#[cfg(not(pshm_has_memfd_create))]
compile_error!(
    "posix-shm needs memfd_create, which Android has from API level 30 on: build for that level \
     (such as CC=aarch64-linux-android30-clang)"
);

/// Nothing has a name, but names can be checked: Linux' limit.
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
    grow_never_shortens: RESERVE_ONLY_GROWS,
    punch: true,
    set_permissions: true,
    read_write_at: true,
    list: false,
    seal: true,
    freeze_while_mapped: true,
    map_immutable: true,
    read_only_anonymous: false,
    tell_objects_apart: true,
    presence: true,
    lock: true,
    move_mappings: true,
    copy_on_write: true,
    collapse: true,
    huge_pages: true,
    residency: true,
    wait: true,
    wait_read_only: true,
    notify_counts: true,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = true;

pub(crate) const TELLS_WHAT_IS_MAPPED: bool = true;

pub(crate) const NAMESPACE: &Namespace = &Namespace {
    create,
    open,
    find,
    unlink,
    ways: || &[Way::Named],
    capabilities: CAPABILITIES,
    removing_needs: || Permissions::empty(),
};

pub(crate) fn draft<'a>(_: &New<'a>, _: Way) -> Result<Draft<'a>, Obstacle> {
    Err(Failure::new(Operation::Create, Errno::OPNOTSUPP).into())
}

pub(crate) fn publish(_: &mut Draft<'_>, _: &New<'_>) -> Result<Option<OwnedFd>, Obstacle> {
    Err(Failure::new(Operation::Publish, Errno::OPNOTSUPP).into())
}

pub(crate) fn create(_: &CStr, _: Direction, _: sys::mode_t) -> Result<OwnedFd, Errno> {
    Err(Errno::OPNOTSUPP)
}

pub(crate) fn open(_: &CStr, _: Direction, _: bool) -> Result<OwnedFd, Errno> {
    Err(Errno::OPNOTSUPP)
}

pub(crate) fn find(_: &CStr) -> Result<Stat, Errno> {
    Err(Errno::OPNOTSUPP)
}

pub(crate) fn unlink(_: &CStr) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

pub(crate) fn names() -> Result<Names, Failure> {
    Err(Failure::new(Operation::List, Errno::OPNOTSUPP))
}

/// `memfd_create`.
pub(crate) fn anonymous(
    namespace: &'static Namespace,
    label: &CStr,
    permissions: Option<sys::mode_t>,
) -> Result<Draft<'static>, Failure> {
    let object = memfd::create_for(label, permissions).map_err(Failure::of(Operation::Create))?;
    memfd::draft(namespace, object, permissions)
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    match (operation, errno) {
        (Operation::Open | Operation::Create | Operation::Unlink, Errno::OPNOTSUPP) => Some(
            "Android has no named shared memory; make an anonymous object, and send its handle",
        ),
        (Operation::Clone, Errno::ACCES) => {
            Some("SELinux lets no app open an object again; freeze() keeps others from writing")
        }
        _ => None,
    }
}
