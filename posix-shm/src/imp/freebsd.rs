//! FreeBSD (13 or later): objects are the kernel's own, under paths that are no files. The facts are those of
//! `sys/kern/uipc_shm.c`.
//!
//! A name has its slash, flags beside POSIX' own are refused, and who renames an object or removes its name must be able to read
//! and write it. What is written past the end of a named object is not written at all.
//!
//! What it cannot promise: memory. To size an object counts its swap, and unless `vm.overcommit` says otherwise that is all. To
//! keep all from writing while somebody has an object mapped for that (there is no `F_SEAL_FUTURE_WRITE`). A process that is
//! killed while it builds an object leaves a temporary name behind.

use std::ffi::{CStr, OsString, c_char, c_int};
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::ptr;

use posix_shm_sys as sys;

pub(crate) use super::calls::set_len;
pub(crate) use super::memfd::check_kind;
use super::named;
pub(crate) use super::named::unlink;
pub(crate) use super::plain::{find, open};
use super::{Fill, Names, New, calls, memfd, memory};
use crate::capabilities::Capabilities;
use crate::error::{Errno, Failure, Operation, cvt, cvt_retry};
use crate::open::Direction;
use crate::permissions::Permissions;

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
    set_permissions: true,
    read_write_at: true,
    list: true,
    seal: true,
    freeze_while_mapped: false,
    read_only_anonymous: true,
    tell_objects_apart: true,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = true;

/// Who lacks these may not even rename what is their own.
const OWNER: Permissions = Permissions::USER_READ.union(Permissions::USER_WRITE);

/// Built under a temporary name, then renamed by `shm_rename`.
pub(crate) fn build<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    named::build_elsewhere(new, fill, build_aside)
}

fn build_aside<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    let (temporary, object) =
        named::create_temporary(new.mode).map_err(Failure::of(Operation::Create))?;
    let guard = Unpublished { name: &temporary, object: object.as_fd() };
    named::settle_permissions(object.as_fd(), &new)?;
    let filled = fill(object.as_fd())?;
    // Those of the mode, or what has been made of them since.
    let metadata = calls::stat(object.as_fd()).map_err(Failure::of(Operation::Metadata))?;
    let permissions = metadata.permissions();
    let set = |permissions: Permissions| {
        calls::set_permissions(object.as_fd(), permissions.to_sys())
            .map_err(Failure::of(Operation::SetPermissions))
    };
    if !permissions.contains(OWNER) {
        set(permissions | OWNER)?;
    }
    let reader = match new.direction {
        Direction::Io => None,
        Direction::Input => {
            let reader = open(&temporary, Direction::Input, false);
            Some(reader.map_err(Failure::of(Operation::Open))?)
        }
    };
    rename(&temporary, &new).map_err(Failure::of(Operation::Publish))?;
    guard.keep();
    if !permissions.contains(OWNER) {
        // Until now its owner could do more than is wanted, and nobody else.
        let guard = Unpublished { name: new.name, object: object.as_fd() };
        set(permissions)?;
        guard.keep();
    }
    Ok((reader.unwrap_or(object), filled))
}

/// A name that is removed again when this is dropped, which its object's permissions must allow.
struct Unpublished<'a> {
    name: &'a CStr,
    object: BorrowedFd<'a>,
}

impl Unpublished<'_> {
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unpublished<'_> {
    fn drop(&mut self) {
        // There is an error on its way already, and nothing else that could be done.
        let _ = calls::stat(self.object).and_then(|found| {
            calls::set_permissions(self.object, (found.permissions() | OWNER).to_sys())
        });
        let _ = unlink(self.name);
    }
}

fn rename(from: &CStr, new: &New<'_>) -> Result<(), Errno> {
    let flags = if new.replace { 0 } else { sys::SHM_RENAME_NOREPLACE };
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    cvt_retry(|| unsafe { sys::shm_rename(from.as_ptr(), new.name.as_ptr(), flags) }).map(drop)
}

/// `memfd_create`: `shm_open` with `SHM_ANON`, but that the object can be sealed, and grows when it is written to.
pub(crate) fn anonymous<T>(
    permissions: Option<sys::mode_t>,
    fill: Fill<'_, T>,
) -> Result<(OwnedFd, T), Failure> {
    let object = memfd::create(0).map_err(Failure::of(Operation::Create))?;
    memfd::complete(object, permissions, fill)
}

/// `posix_fallocate`, which here only makes an object longer, and says `ENOSPC` where there is a limit: that of `vm.overcommit`, of
/// `RLIMIT_SWAP`, of `rctl`. No file system can be full.
pub(crate) fn reserve(
    object: BorrowedFd<'_>,
    from: sys::off_t,
    to: sys::off_t,
) -> Result<(), Failure> {
    grow(object, from, to - from).map_err(|errno| memory::failure(object, to, errno))
}

/// Makes an object longer, if there is not as much of it from the offset on already.
fn grow(object: BorrowedFd<'_>, offset: sys::off_t, len: sys::off_t) -> Result<(), Errno> {
    loop {
        match memory::posix_fallocate(object, offset, len) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// `pwrite`, which stops at the end of a named object: it is made longer first.
pub(crate) fn write_at(
    object: BorrowedFd<'_>,
    bytes: &[u8],
    offset: sys::off_t,
) -> Result<usize, Errno> {
    match calls::write_at(object, bytes, offset)? {
        written if written == bytes.len() => Ok(written),
        _ => {
            // A slice is never longer than `isize::MAX`.
            grow(object, offset, bytes.len() as sys::off_t)?;
            calls::write_at(object, bytes, offset)
        }
    }
}

/// Sized, then written.
pub(crate) fn write_new(object: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Failure> {
    if !bytes.is_empty() {
        // A slice is never longer than `isize::MAX`.
        reserve(object, 0, bytes.len() as sys::off_t)?;
    }
    calls::write_new(object, bytes)
}

/// Another descriptor that can do less, for good: `cap_rights_limit`. The object cannot be opened again, and need not be.
pub(crate) fn read_only(object: BorrowedFd<'_>, _: Option<&CStr>) -> Result<OwnedFd, Failure> {
    let limited = || {
        let fd = calls::clone(object)?;
        let mut rights = MaybeUninit::<libc::cap_rights_t>::uninit();
        let version = libc::CAP_RIGHTS_VERSION;
        let allowed = libc::CAP_FSTAT | libc::CAP_MMAP_R | libc::CAP_PREAD;
        let end = 0_u64;
        // SAFETY: the pointer is to room for one set of rights; the list of them ends with 0.
        unsafe { libc::__cap_rights_init(version, rights.as_mut_ptr(), allowed, end) };
        // SAFETY: the pointer is to the rights that the call above has filled in.
        cvt(unsafe { libc::cap_rights_limit(fd.as_raw_fd(), rights.as_ptr()) })?;
        Ok(fd)
    };
    limited().map_err(Failure::of(Operation::Clone))
}

/// Its swap. The blocks of an object are pages, and those of `st_blksize` bytes.
pub(crate) fn allocated(stat: &sys::stat) -> u64 {
    let (blocks, size) = (stat.st_blocks, i64::from(stat.st_blksize));
    u64::try_from(blocks.saturating_mul(size)).unwrap_or_default()
}

/// The paths that the kernel knows: `sysctl kern.ipc.posix_shm_list`, as `posixshmcontrol` reads it. The layout of its entries is
/// the `libc` crate's business.
pub(crate) fn names() -> Result<Names, Failure> {
    let list = posix_shm_list().map_err(Failure::of(Operation::List))?;
    let mut names = Vec::new();
    let mut rest = &list[..];
    // Each entry begins with its own length, and is shorter than the structure: a path takes what it needs.
    while let Some((size, _)) = rest.split_first_chunk::<{ size_of::<c_int>() }>() {
        let size = usize::try_from(c_int::from_ne_bytes(*size)).unwrap_or(0);
        let Some((entry, others)) = rest.split_at_checked(size).filter(|_| size > 0) else { break };
        let path = entry.get(offset_of!(libc::kinfo_file, kf_path)..).unwrap_or_default();
        let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
        names.push(Ok(OsString::from_vec(path.to_vec())));
        rest = others;
    }
    Ok(Box::new(names.into_iter()))
}

fn posix_shm_list() -> Result<Vec<u8>, Errno> {
    /// How often objects are created faster than the list of them is read.
    const ATTEMPTS: usize = 16;
    let read = |at: *mut u8, len: &mut usize| {
        let (name, len) = (c"kern.ipc.posix_shm_list".as_ptr().cast::<c_char>(), &raw mut *len);
        // SAFETY: the name is a NUL-terminated string, and the pointer to as many bytes as the length says, or null.
        cvt(unsafe { libc::sysctlbyname(name, at.cast(), len, ptr::null(), 0) }).map(drop)
    };
    let mut tried = 1;
    loop {
        let mut len = 0;
        read(ptr::null_mut(), &mut len)?;
        // With room for those that come meanwhile.
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
            "FreeBSD lets only those remove or take over a name who may read and write its object",
        ),
        (Operation::Map, Errno(sys::ENOTCAPABLE)) => {
            Some("the handle does not allow this access; to write, open it with Direction::Io")
        }
        (Operation::Open | Operation::Create, Errno(sys::ECAPMODE)) => Some(
            "in capability mode there are no names: make an anonymous object, and send its handle",
        ),
        _ => None,
    }
}
