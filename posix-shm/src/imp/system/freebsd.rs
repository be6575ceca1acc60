//! FreeBSD (13 or later). Objects are the kernel's own, under paths that are not files. The facts
//! are those of `sys/kern/uipc_shm.c`.
//!
//! A name keeps its slash. Flags beside those of POSIX are refused. Renaming an object and removing
//! its name take permission to read and write it. Writing past the end of a named object writes
//! nothing there.
//!
//! What it cannot promise:
//!
//! * Memory. Sizing an object only counts its swap, unless `vm.overcommit` says otherwise.
//! * A seal that leaves one writer: there is no `F_SEAL_FUTURE_WRITE`.
//! * No name left: a process that is killed while it builds an object leaves a temporary name.

use std::ffi::{CStr, c_char, c_int};
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use posix_shm_sys as sys;

use crate::capabilities::Capabilities;
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation, cvt, cvt_owned_fd, cvt_retry};
use crate::imp::draft::{Draft, Held, Namespace, New, Obstacle, Way};
use crate::imp::limits::Growth;
use crate::imp::limits::shortage;
use crate::imp::reserve::{retry, write_new as write_sized};
use crate::imp::stat::Stat;
use crate::imp::{memfd, named, syscalls};
use crate::permissions::Permissions;

pub(crate) use crate::imp::fallback::open_again;
pub(crate) use crate::imp::fallback::{
    EXCLUSIVE, no_is_used as is_used, no_try_lock as try_lock, no_unlock as unlock_all,
    no_wait as wait_for_lock,
};
pub(crate) use crate::imp::fallback::{create_at_once, no_anonymous_after as anonymous_after};
pub(crate) use crate::imp::fallback::{find, open, protect};
pub(crate) use crate::imp::fallback::{
    may_write, no_collapse as collapse, no_shows as shows, no_transparent_page as transparent_page,
};
pub(crate) use crate::imp::mapping::{
    close_reserved_room as close_room, map_with_reserved_room as map_with_room, no_remap as remap,
    no_resident_pages as resident_pages, open_reserved_room as open_room,
};
pub(crate) use crate::imp::memfd::check_kind;
pub(crate) use crate::imp::named::{create, unlink};
pub(crate) use crate::imp::populate::by_reading as populate;
pub(crate) use crate::imp::reserve::{no_punch as punch, no_range as reserve_range};
use crate::imp::syscalls::set_len;
pub(crate) use crate::imp::wait::always as can_sleep;
#[cfg(pshm_has__umtx_op)]
pub(crate) use crate::imp::wait::umtx::{wait, wake};
#[cfg(not(pshm_has__umtx_op))]
pub(crate) use crate::imp::wait::{no_wait as wait, no_wake as wake};

/// The kernel's limit counts the slash and the NUL byte.
pub(crate) const NAME_MAX: usize = sys::PATH_MAX as usize - 2;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    named: true,
    other_users: true,
    umask: true,
    exact_len: true,
    complete_before_named: true,
    supersede_in_one_step: true,
    reserve: false,
    resize: true,
    grow_never_shortens: RESERVE_ONLY_GROWS,
    punch: false,
    set_permissions: true,
    read_write_at: true,
    list: true,
    seal: true,
    freeze_while_mapped: false,
    map_immutable: false,
    read_only_anonymous: true,
    tell_objects_apart: true,
    presence: false,
    lock: false,
    move_mappings: false,
    copy_on_write: true,
    collapse: false,
    huge_pages: true,
    residency: false,
    wait: cfg!(pshm_has__umtx_op),
    // The kernel looks the page up as if it were to be written.
    wait_read_only: false,
    notify_counts: false,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = true;

pub(crate) const TELLS_WHAT_IS_MAPPED: bool = false;

pub(crate) const NAMESPACE: &Namespace = &Namespace {
    create,
    open,
    find,
    unlink,
    ways: || &[Way::Temporary, Way::Named],
    capabilities: CAPABILITIES,
    // Without these an owner may not even rename or remove their own object.
    removing_needs: || Permissions::PRIVATE,
};

/// Built under a temporary name, then renamed by `shm_rename`.
pub(crate) fn draft<'a>(new: &New<'a>, way: Way) -> Result<Draft<'a>, Obstacle> {
    if way == Way::Named {
        return Ok(named::claim(new)?);
    }
    let draft = named::create_temporary(new.namespace, new.mode, new.lent)?;
    match named::settle_permissions(draft.object(), new) {
        Ok(()) => Ok(draft),
        Err(failure) => Err(draft.abandon(failure).into()),
    }
}

pub(crate) fn publish<'a>(
    draft: &mut Draft<'a>,
    new: &New<'a>,
) -> Result<Option<OwnedFd>, Obstacle> {
    match draft.held() {
        Held::Temporary(_) => Ok(rename_draft(draft, new)?),
        _ => Ok(named::publish_claimed(draft, new)?),
    }
}

/// Renames the object to its own name, and answers with its read-only handle if that is wanted.
fn rename_draft<'a>(draft: &mut Draft<'a>, new: &New<'a>) -> Result<Option<OwnedFd>, Failure> {
    // Those of the mode, unless the caller has changed them since.
    let stat = syscalls::stat(draft.object()).map_err(Failure::of(Operation::Metadata))?;
    let permissions = stat.permissions();
    let set = |object: BorrowedFd<'_>, permissions: Permissions| {
        syscalls::set_permissions(object, permissions.to_sys())
            .map_err(Failure::of(Operation::SetPermissions))
    };
    if !permissions.contains((NAMESPACE.removing_needs)()) {
        set(draft.object(), permissions | (NAMESPACE.removing_needs)())?;
    }
    let Held::Temporary(temporary) = draft.held() else { return Ok(None) };
    let reader = match new.direction {
        Direction::Io => None,
        Direction::Input => {
            Some(named::reopen(new.namespace, temporary, draft.object(), Direction::Input)?)
        }
    };
    rename(temporary, new).map_err(Failure::of(Operation::Publish))?;
    draft.hold(Held::Own(new.name));
    if !permissions.contains((NAMESPACE.removing_needs)()) {
        // Until now its owner could do more than was asked for; other users could not.
        set(draft.object(), permissions)?;
    }
    Ok(reader)
}

fn rename(from: &CStr, new: &New<'_>) -> Result<(), Errno> {
    let flags = if new.replace { 0 } else { sys::SHM_RENAME_NOREPLACE };
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    cvt_retry(|| unsafe { sys::shm_rename(from.as_ptr(), new.name.as_ptr(), flags) }).map(drop)
}

pub(crate) fn anonymous_at_once(label: &CStr) -> Result<OwnedFd, Errno> {
    memfd::create(label, 0)
}

/// `memfd_create`: `shm_open` with `SHM_ANON`, except that the object can be sealed and grows when
/// it is written to.
pub(crate) fn anonymous(
    namespace: &'static Namespace,
    label: &CStr,
    permissions: Option<sys::mode_t>,
) -> Result<Draft<'static>, Failure> {
    let object = memfd::create(label, 0).map_err(Failure::of(Operation::Create))?;
    memfd::draft(namespace, object, permissions)
}

/// `shm_create_largepage` without a name. Such an object gets all its memory when it is sized.
pub(crate) fn anonymous_of_huge_pages(
    namespace: &'static Namespace,
    _: &CStr,
    permissions: Option<sys::mode_t>,
    page: Option<u64>,
) -> Result<Draft<'static>, Failure> {
    let sizes = pooled_pages()?;
    // The kernel counts its sizes from the usual one, and `pooled_pages` leaves that one out.
    let index = match page {
        None if sizes.is_empty() => None,
        None => Some(1),
        Some(page) => sizes.iter().position(|size| *size == page).map(|at| at + 1),
    };
    let Some(index) = index else {
        let hint = format!("the system has huge pages of {sizes:?} bytes");
        return Err(Failure::new(Operation::Create, Errno::INVAL).with_hint(hint));
    };
    let mode = permissions.unwrap_or(sys::S_IRUSR | sys::S_IWUSR);
    // There are at most a handful of sizes.
    let (flags, index) = (sys::O_RDWR | sys::O_CLOEXEC, index as c_int);
    let policy = sys::SHM_LARGEPAGE_ALLOC_DEFAULT;
    // SAFETY: the name is the one that stands for no name, and is not followed.
    let call = || unsafe { sys::shm_create_largepage(sys::SHM_ANON, flags, index, policy, mode) };
    // SAFETY: the call makes a new descriptor.
    let object = unsafe { cvt_owned_fd(call) }.map_err(Failure::of(Operation::Create))?;
    memfd::draft(namespace, object, permissions)
}

/// The sizes of `getpagesizes` but for the smallest.
pub(crate) fn pooled_pages() -> Result<Vec<u64>, Failure> {
    const MOST: usize = 16;
    let mut sizes = [0_usize; MOST];
    // SAFETY: the pointer is to room for as many sizes as the call may write.
    let count = cvt(unsafe { libc::getpagesizes(sizes.as_mut_ptr(), MOST as c_int) })
        .map_err(Failure::of(Operation::List))?;
    let sizes = sizes.iter().take(count.unsigned_abs() as usize).skip(1);
    Ok(sizes.map(|size| *size as u64).collect())
}

/// The size of an object's pages, if it was made by `shm_create_largepage`: only those count their
/// blocks in it. `st_blksize` is always the usual size.
pub(crate) fn huge_page_of(_: BorrowedFd<'_>, stat: &Stat) -> Option<u64> {
    let usual = syscalls::page_size() as u64;
    let page = stat.len().checked_div(stat.blocks())?;
    (page > usual && page.is_power_of_two()).then_some(page)
}

pub(crate) fn resize(object: BorrowedFd<'_>, to: sys::off_t) -> Result<(), Failure> {
    set_len(object, to).map_err(Failure::of(Operation::SetLen))
}

/// `posix_fallocate`, which here only makes an object longer. It says `ENOSPC` at a limit: that of
/// `vm.overcommit`, of `RLIMIT_SWAP`, of `rctl`. There is no file system that could be full.
pub(crate) fn reserve(object: BorrowedFd<'_>, growth: Growth) -> Result<(), Failure> {
    let Growth { from, to, .. } = growth;
    grow(object, from, to - from).map_err(|errno| shortage(object, to, errno))
}

/// Makes an object longer, unless it already reaches that far.
fn grow(object: BorrowedFd<'_>, offset: sys::off_t, len: sys::off_t) -> Result<(), Errno> {
    retry(|| syscalls::posix_fallocate(object, offset, len))
}

/// `pwrite`, which stops at the end of a named object: it is made longer first.
pub(crate) fn write_at(
    object: BorrowedFd<'_>,
    bytes: &[u8],
    offset: sys::off_t,
) -> Result<usize, Errno> {
    match syscalls::write_at(object, bytes, offset)? {
        written if written == bytes.len() => Ok(written),
        _ => {
            // A slice is never longer than `isize::MAX`.
            grow(object, offset, bytes.len() as sys::off_t)?;
            syscalls::write_at(object, bytes, offset)
        }
    }
}

/// Sized, then written.
pub(crate) fn write_new(object: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Failure> {
    if !bytes.is_empty() {
        // A slice is never longer than `isize::MAX`.
        let to = bytes.len() as sys::off_t;
        reserve(object, Growth { from: 0, to, ours: true, ignore_estimates: false })?;
    }
    write_sized(object, bytes)
}

/// A second descriptor that can do less, for good: `cap_rights_limit`. The object cannot be opened
/// again, and need not be.
pub(crate) fn read_only(
    _: &Namespace,
    object: BorrowedFd<'_>,
    _: Option<&CStr>,
) -> Result<OwnedFd, Failure> {
    let limited = || {
        let fd = syscalls::clone(object)?;
        let mut rights = MaybeUninit::<libc::cap_rights_t>::uninit();
        let version = libc::CAP_RIGHTS_VERSION;
        let allowed = libc::CAP_FSTAT | libc::CAP_MMAP_R | libc::CAP_PREAD;
        let end = 0_u64;
        // SAFETY: the pointer is to room for one set of rights; the list of rights ends with 0.
        unsafe { libc::__cap_rights_init(version, rights.as_mut_ptr(), allowed, end) };
        // SAFETY: the pointer is to the rights that the call above has filled in.
        cvt(unsafe { libc::cap_rights_limit(fd.as_raw_fd(), rights.as_ptr()) })?;
        Ok(fd)
    };
    limited().map_err(Failure::of(Operation::Clone))
}

/// An object's swap. Its blocks are pages, of `st_blksize` bytes each.
pub(crate) fn allocated(stat: &Stat) -> u64 {
    stat.blocks().saturating_mul(stat.block_size())
}

/// The paths that the kernel knows: `sysctl kern.ipc.posix_shm_list`, as `posixshmcontrol` reads
/// it. The `libc` crate has the layout of its entries.
pub(crate) fn names() -> Result<Names, Failure> {
    let list = posix_shm_list().map_err(Failure::of(Operation::List))?;
    let mut names = Vec::new();
    let mut rest = &list[..];
    // Each entry begins with its own length. It is shorter than the structure, by the unused end of
    // the path.
    while let Some((size, _)) = rest.split_first_chunk::<{ size_of::<c_int>() }>() {
        let size = usize::try_from(c_int::from_ne_bytes(*size)).unwrap_or(0);
        let Some((entry, others)) = rest.split_at_checked(size).filter(|_| size > 0) else { break };
        let path = entry.get(offset_of!(libc::kinfo_file, kf_path)..).unwrap_or_default();
        let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
        names.push(path.to_vec());
        rest = others;
    }
    Ok(Names { names: names.into_iter(), last: Vec::new() })
}

/// The names of a list that was read as a whole.
pub(crate) struct Names {
    names: std::vec::IntoIter<Vec<u8>>,
    last: Vec<u8>,
}

impl Names {
    pub(crate) fn next_name(&mut self) -> Option<Result<&[u8], Errno>> {
        self.last = self.names.next()?;
        Some(Ok(&self.last))
    }

    pub(crate) fn stat<'a>(
        &self,
        name: &CStr,
        room: &'a mut MaybeUninit<Stat>,
    ) -> Result<&'a Stat, Errno> {
        Ok(room.write(find(name)?))
    }
}

fn posix_shm_list() -> Result<Vec<u8>, Errno> {
    /// How often to try again if objects appear faster than their list is read.
    const ATTEMPTS: usize = 16;
    let read = |at: *mut u8, len: &mut usize| {
        let (name, len) = (c"kern.ipc.posix_shm_list".as_ptr().cast::<c_char>(), &raw mut *len);
        // SAFETY: the name is a NUL-terminated string, and the pointer is null or to as many bytes
        // as the length says.
        cvt(unsafe { libc::sysctlbyname(name, at.cast(), len, ptr::null(), 0) }).map(drop)
    };
    let mut tried = 1;
    loop {
        let mut len = 0;
        read(ptr::null_mut(), &mut len)?;
        // With room for objects that appear meanwhile.
        let mut list = vec![0_u8; len + len / 2 + size_of::<libc::kinfo_file>()];
        len = list.len();
        match read(list.as_mut_ptr(), &mut len) {
            Err(Errno::NOMEM) if tried < ATTEMPTS => tried += 1,
            Err(errno) => return Err(errno),
            Ok(()) => {
                list.truncate(len);
                return Ok(list);
            }
        }
    }
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    match (operation, errno) {
        (Operation::Unlink | Operation::Publish, Errno::ACCES) => Some(
            "on FreeBSD, removing or taking over a name takes permission to read and write the \
             object",
        ),
        (Operation::Map, Errno(sys::ENOTCAPABLE)) => {
            Some("the handle does not allow this access; writing takes a handle of Direction::Io")
        }
        (Operation::Open | Operation::Create, Errno(sys::ECAPMODE)) => {
            Some("capability mode has no names; make an anonymous object, and send its handle")
        }
        _ => None,
    }
}
