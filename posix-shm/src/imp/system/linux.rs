//! Linux: objects are files of the tmpfs at `/dev/shm`, so they can be complete before they have a
//! name.
//!
//! What it cannot promise: to supersede, an object has a temporary name for a moment, since linking
//! replaces nothing. If the system has no `O_TMPFILE`, or no way to link what it made (`linkat`
//! with `AT_EMPTY_PATH` wants Linux 6.10 or a capability; the way round it wants `/proc`), every
//! object is built under a temporary name, and a process that is killed leaves that name behind. If
//! nothing but `shm_open` is allowed, an object is created under its name, as POSIX has it.

use std::ffi::{CStr, OsStr, c_int};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU8, Ordering};

use posix_shm_sys as sys;

use crate::capabilities::Capabilities;
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation, cvt_owned_fd, cvt_retry};
use crate::imp::draft::{self, Draft, Held, Namespace, New, Obstacle, Stopped, Way};
use crate::imp::limits::Room;
use crate::imp::named::{self, reopen_created, settle_permissions};
use crate::imp::stat::Stat;
use crate::imp::tmpfs::Directory;
use crate::imp::{fallback, memfd, procfs, syscalls};
use crate::permissions::Permissions;

pub(crate) use crate::imp::entries::Entries as Names;
pub(crate) use crate::imp::huge::{
    anonymous_of_huge_pages, collapse, pooled_pages, transparent_page,
};
pub(crate) use crate::imp::limits::{huge_page_of, may_write};
pub(crate) use crate::imp::mapping::{
    close_room_of_object as close_room, map_with_room_of_object as map_with_room,
    open_room_of_object as open_room, remap_by_mremap as remap,
    resident_pages_by_mincore as resident_pages,
};
pub(crate) use crate::imp::memfd::{at_once as anonymous_at_once, protect};
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

pub(crate) const NAME_MAX: usize = sys::NAME_MAX as usize;

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
    punch: true,
    set_permissions: true,
    read_write_at: true,
    list: true,
    seal: true,
    freeze_while_mapped: true,
    map_immutable: true,
    read_only_anonymous: true,
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
    ways,
    capabilities: CAPABILITIES,
    // By its path it can be looked at whatever its permissions are.
    removing_needs: || if is_interposed() { Permissions::USER_READ } else { Permissions::empty() },
};

/// Where glibc and musl keep the objects; `shm_open(3)` promises it.
const DIRECTORY: Directory = Directory { path: c"/dev/shm", prefix: b"" };

/// The usual object, as straight code: nearly always it works.
#[inline(always)]
pub(crate) fn create_at_once<T>(
    name: &CStr,
    mode: sys::mode_t,
    fill: impl FnOnce(BorrowedFd<'_>) -> Result<T, Failure>,
) -> Result<(OwnedFd, T), Stopped> {
    if is_interposed() {
        return Err(Stopped::Before);
    }
    let object = match unnamed(0, mode) {
        Ok(object) => object,
        Err(errno) => return Err(Stopped::Unbuilt(no_unnamed(errno))),
    };
    let made = match fill(object.as_fd()) {
        Ok(made) => made,
        Err(failure) => return Err(Stopped::Unbuilt(failure.into())),
    };
    match link(object.as_fd(), name) {
        Ok(()) => Ok((object, made)),
        Err(obstacle) => Err(Stopped::Unpublished(object, obstacle)),
    }
}

pub(crate) fn draft<'a>(new: &New<'a>, way: Way) -> Result<Draft<'a>, Obstacle> {
    match way {
        Way::Unnamed => {
            let object = unnamed(0, new.mode).map_err(no_unnamed)?;
            if new.exact {
                settle_permissions(object.as_fd(), new)?;
            }
            Ok(Draft::new(new.namespace, object, Held::Nothing, new.lent))
        }
        way => another_draft(new, way),
    }
}

#[cold]
fn no_unnamed(errno: Errno) -> Obstacle {
    match errno {
        // If it is /dev/shm that is missing, the next way gives the error.
        Errno::NOENT => Obstacle::ThisWay(Failure::new(Operation::Create, errno)),
        errno => Obstacle::of(Operation::Create)(errno),
    }
}

/// The ways that are not the best.
fn another_draft<'a>(new: &New<'a>, way: Way) -> Result<Draft<'a>, Obstacle> {
    match way {
        Way::Temporary => DIRECTORY.draft(new),
        Way::Unnamed | Way::Named => Ok(named::claim(new)?),
    }
}

pub(crate) fn publish(draft: &mut Draft<'_>, new: &New<'_>) -> Result<Option<OwnedFd>, Obstacle> {
    match draft.held() {
        Held::Nothing => publish_unnamed(draft, new),
        _ => publish_another(draft, new),
    }
}

/// Ends the ways that are not the best.
fn publish_another(draft: &mut Draft<'_>, new: &New<'_>) -> Result<Option<OwnedFd>, Obstacle> {
    match draft.held() {
        Held::Temporary(_) => DIRECTORY.publish(draft, new),
        Held::Nothing | Held::Own(_) => Ok(named::publish_claimed(draft, new)?),
    }
}

/// `open` by path, with the flags of `shm_open`, never through a symbolic link and never waiting.
#[inline(always)]
fn open_path(
    name: &CStr,
    direction: Direction,
    flags: c_int,
    mode: sys::mode_t,
) -> Result<OwnedFd, Errno> {
    let flags =
        named::access(direction) | sys::O_CLOEXEC | sys::O_NOFOLLOW | sys::O_NONBLOCK | flags;
    DIRECTORY.with_path(name, |path| {
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        let call = || unsafe { sys::open(path.as_ptr(), flags, mode) };
        // SAFETY: the call makes a new descriptor.
        unsafe { cvt_owned_fd(call) }
    })
}

/// Whether a library that is preloaded, or the program itself, has put its own `shm_open` before
/// the C library's: to give names another form, as in a snap. Then that is the one route to all
/// objects, and nothing is known of their paths. Else every object is reached by its path, which is
/// what the C library's own `shm_open` does.
#[inline]
fn is_interposed() -> bool {
    /// 0 until it is known, which never changes: 1 for no, 2 for yes.
    static ANSWER: AtomicU8 = AtomicU8::new(0);
    if ANSWER.load(Ordering::Relaxed) == 0 {
        let answer = if named::shm_open_is_the_librarys() { 1 } else { 2 };
        ANSWER.store(answer, Ordering::Relaxed);
    }
    ANSWER.load(Ordering::Relaxed) == 2
}

fn ways() -> &'static [Way] {
    if is_interposed() { &[Way::Named] } else { &[Way::Unnamed, Way::Temporary, Way::Named] }
}

#[inline(always)]
pub(crate) fn open(name: &CStr, direction: Direction, truncate: bool) -> Result<OwnedFd, Errno> {
    if is_interposed() {
        return named::open_without_waiting(name, direction, truncate);
    }
    open_path(name, direction, if truncate { sys::O_TRUNC } else { 0 }, 0)
}

pub(crate) fn create(
    name: &CStr,
    direction: Direction,
    mode: sys::mode_t,
) -> Result<OwnedFd, Errno> {
    if is_interposed() {
        return named::create(name, direction, mode);
    }
    open_path(name, direction, sys::O_CREAT | sys::O_EXCL, mode)
}

#[inline]
pub(crate) fn unlink(name: &CStr) -> Result<(), Errno> {
    if is_interposed() {
        return named::unlink(name);
    }
    DIRECTORY.with_path(name, |path| {
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        cvt_retry(|| unsafe { sys::unlink(path.as_ptr()) }).map(drop)
    })
}

/// By its path, whoever may open it.
#[inline]
pub(crate) fn find(name: &CStr) -> Result<Stat, Errno> {
    if is_interposed() { fallback::find(name) } else { DIRECTORY.find(name) }
}

/// An object without a name, which `flags` may forbid to ever get one.
#[inline]
fn unnamed(flags: c_int, mode: sys::mode_t) -> Result<OwnedFd, Errno> {
    let flags = sys::O_TMPFILE | sys::O_RDWR | sys::O_CLOEXEC | flags;
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    let call = || unsafe { sys::open(DIRECTORY.path.as_ptr(), flags, mode) };
    // SAFETY: the call makes a new descriptor.
    unsafe { cvt_owned_fd(call) }
}

/// Gives an object without a name its name.
fn publish_unnamed(draft: &mut Draft<'_>, new: &New<'_>) -> Result<Option<OwnedFd>, Obstacle> {
    let reader = match new.direction {
        Direction::Io => None,
        Direction::Input => Some(read_created(draft.object(), new.namespace)?),
    };
    match link(draft.object(), new.name) {
        Ok(()) => {}
        Err(obstacle) => replace_after(obstacle, draft, new)?,
    }
    Ok(reader)
}

/// Puts a new object in the place of the one that has the name, if that is wanted.
#[cold]
fn replace_after(obstacle: Obstacle, draft: &mut Draft<'_>, new: &New<'_>) -> Result<(), Obstacle> {
    match obstacle {
        Obstacle::Any(failure) if new.replace && failure.is(Errno::EXIST) => {
            // Linking never replaces an object and renaming does, so the new one gets a temporary
            // name first.
            let temporary = named::temporary();
            link(draft.object(), &temporary)?;
            draft.hold(Held::Temporary(temporary.clone()));
            DIRECTORY.replace(&temporary, new.name)
        }
        obstacle => Err(obstacle),
    }
}

/// A read-only handle of an object that has no name yet.
fn read_created(object: BorrowedFd<'_>, namespace: &Namespace) -> Result<OwnedFd, Obstacle> {
    let no_way = || Failure::new(Operation::Open, Errno::NOENT);
    let reopen = || procfs::reopen(object, Direction::Input, Operation::Open)?.ok_or_else(no_way);
    reopen_created(namespace, object, reopen).map_err(|failure| match failure.errno() {
        Some(errno) if errno == Errno::NOENT || draft::is_forbidden(errno) => {
            Obstacle::ThisWay(failure)
        }
        _ => Obstacle::Any(failure),
    })
}

/// Links an object to a name, by its descriptor if the kernel lets us, or else through `/proc`.
#[inline(always)]
fn link(object: BorrowedFd<'_>, name: &CStr) -> Result<(), Obstacle> {
    DIRECTORY.with_path(name, |path| {
        match linkat(object.as_raw_fd(), c"", path, sys::AT_EMPTY_PATH) {
            Ok(()) => Ok(()),
            Err(errno) => link_through_proc(object, path, errno),
        }
    })
}

#[inline]
fn linkat(from: c_int, name: &CStr, to: &CStr, flags: c_int) -> Result<(), Errno> {
    let (name, to) = (name.as_ptr(), to.as_ptr());
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    cvt_retry(|| unsafe { sys::linkat(from, name, sys::AT_FDCWD, to, flags) }).map(drop)
}

/// The other way to link an object, if the first has failed.
#[cold]
fn link_through_proc(object: BorrowedFd<'_>, path: &CStr, errno: Errno) -> Result<(), Obstacle> {
    // Older kernels say ENOENT to a process without the capability for it.
    if errno != Errno::NOENT && !draft::is_forbidden(errno) {
        return Err(Obstacle::of(Operation::Publish)(errno));
    }
    let no_way = |errno| Obstacle::ThisWay(Failure::new(Operation::Publish, errno));
    let Some(from) = procfs::path_to(object)? else { return Err(no_way(errno)) };
    match linkat(sys::AT_FDCWD, from.as_c_str(), path, sys::AT_SYMLINK_FOLLOW) {
        Ok(()) => Ok(()),
        Err(errno) if errno == Errno::NOENT => Err(no_way(errno)),
        Err(errno) => Err(Obstacle::of(Operation::Publish)(errno)),
    }
}

#[cold]
pub(crate) fn anonymous_after(
    errno: Errno,
    namespace: &'static Namespace,
    label: &CStr,
) -> Result<Draft<'static>, Failure> {
    another_anonymous(namespace, label, None, errno)
}

/// `memfd_create`. If that is forbidden, an unnamed file in `/dev/shm` that can never be linked, or
/// in the end one whose name is removed.
pub(crate) fn anonymous(
    namespace: &'static Namespace,
    label: &CStr,
    permissions: Option<sys::mode_t>,
) -> Result<Draft<'static>, Failure> {
    match memfd::create_for(label, permissions) {
        Ok(object) => memfd::draft(namespace, object, permissions),
        Err(errno) => another_anonymous(namespace, label, permissions, errno),
    }
}

/// Another way, if `memfd_create` has failed.
#[cold]
fn another_anonymous(
    namespace: &'static Namespace,
    label: &CStr,
    permissions: Option<sys::mode_t>,
    errno: Errno,
) -> Result<Draft<'static>, Failure> {
    let object = match errno {
        // Another file could be executable. The system is meant to prevent that.
        errno if memfd::refuses_executable(label, permissions.unwrap_or(0), errno) => {
            return Err(Failure::new(Operation::Create, errno).with_hint(
                "this system allows no executable anonymous object (vm.memfd_noexec); ask for \
                 permissions without execution",
            ));
        }
        errno if draft::is_forbidden(errno) => {
            unnamed(sys::O_EXCL, permissions.unwrap_or(sys::S_IRUSR | sys::S_IWUSR))
        }
        errno => Err(errno),
    };
    match object {
        Ok(object) => memfd::draft(namespace, object, permissions),
        Err(errno) if draft::is_forbidden(errno) || errno == Errno::NOENT => {
            fallback::anonymous(namespace, label, permissions)
        }
        Err(errno) => Err(Failure::new(Operation::Create, errno)),
    }
}

/// Only shared memory can answer which seals it has. If a filter forbids the question, its file
/// system says as much. And if `/dev/shm` is not a tmpfs, any file of its file system may be ours.
#[inline]
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    memfd::check_kind(object).or_else(|errno| may_be_memory(object, errno))
}

#[cold]
fn may_be_memory(object: BorrowedFd<'_>, errno: Errno) -> Result<(), Errno> {
    // Not open, or for nothing but its path (O_PATH).
    if errno == Errno::BADF {
        return Err(errno);
    }
    let on_tmpfs = memfd::is_on_its_file_system(object).unwrap_or(false);
    if on_tmpfs || DIRECTORY.has(object)? { Ok(()) } else { Err(errno) }
}

/// Semaphores are in the same directory, under names of their own. A library that replaces
/// `shm_open` may keep objects elsewhere, so they are looked up through it.
pub(crate) fn names() -> Result<Names, Failure> {
    let elsewhere = is_interposed().then_some(fallback::find as _);
    DIRECTORY.names(|name| !name.starts_with(b"sem."), elsewhere)
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    let may_enter = || !matches!(syscalls::stat_path(c"/dev/shm/."), Err(Errno::ACCES));
    match (operation, errno) {
        (Operation::Create, Errno::NOENT) => {
            Some("the directory of the objects is missing; is /dev/shm mounted?")
        }
        (Operation::Open | Operation::Create | Operation::Unlink, Errno::ACCES) if !may_enter() => {
            Some("this user may not enter /dev/shm, where all objects are")
        }
        (Operation::Create | Operation::Publish, Errno::NOSPC) => no_room(),
        (Operation::Create | Operation::Publish, Errno::ROFS) => {
            Some("/dev/shm is mounted read-only")
        }
        _ => None,
    }
}

/// What is missing for another name.
fn no_room() -> Option<&'static str> {
    let path = OsStr::from_bytes(DIRECTORY.path.to_bytes());
    let directory = File::options().read(true).custom_flags(sys::O_PATH).open(path).ok()?;
    Room::of(directory.as_fd())?.missing()
}
