//! macOS and Apple's other systems: objects are no files, and much that is true of files is not true of them. The facts are those
//! of XNU's `bsd/kern/posix_shm.c`.
//!
//! What it cannot promise: the length of an object is set once, in whole pages, and there is no memory that could be reserved.
//! `O_TRUNC`, `fchmod`, `fchown`, `read` and `write` are refused. The umask is not asked. Nothing tells one object from another
//! (`st_dev`, `st_ino` and the times are 0), nor which names there are. An object has its name before it is filled.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

pub(crate) use super::calls::{allocated, write_at, write_new};
pub(crate) use super::named::{build, unlink};
/// Memory comes when it is touched, and where there is none left the system ends somebody. No call could be asked for it.
pub(crate) use super::plain::reserve;
pub(crate) use super::plain::{anonymous, find, names, read_only};
use super::{calls, plain};
use crate::capabilities::Capabilities;
use crate::error::{Errno, Operation};
use crate::open::Direction;

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
    set_permissions: false,
    read_write_at: false,
    list: false,
    seal: false,
    freeze_while_mapped: false,
    read_only_anonymous: false,
    tell_objects_apart: false,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = false;

/// To truncate is refused for an object that has a length, with `EOPNOTSUPP` and not with the kernel's `EINVAL`, which says
/// nothing. `O_TRUNC` never goes out: where the kernel takes it, it does nothing.
pub(crate) fn open(name: &CStr, direction: Direction, truncate: bool) -> Result<OwnedFd, Errno> {
    let object = plain::open(name, direction, false)?;
    if truncate && calls::stat(object.as_fd())?.len() > 0 {
        return Err(Errno::NOTSUP);
    }
    Ok(object)
}

/// More than a process can address. The kernel would take any length, piece by piece.
const TOO_LONG: sys::off_t = 1 << 47;

/// `ftruncate`, once in the life of an object. What has the pages already that are asked for stays as it is: a length of 0 would
/// make a new object one that can never have another. The kernel lets read-only handles do it too, so that is seen to here.
pub(crate) fn set_len(object: BorrowedFd<'_>, bytes: sys::off_t) -> Result<(), Errno> {
    let pages = |bytes: u64| bytes.div_ceil(calls::page_size() as u64);
    let has_them = || Ok(pages(calls::stat(object)?.len()) == pages(bytes.unsigned_abs()));
    if !calls::is_writable(object)? {
        return Err(Errno::BADF);
    }
    if has_them()? {
        return Ok(());
    }
    if bytes >= TOO_LONG {
        return Err(Errno::NOMEM);
    }
    match calls::set_len(object, bytes) {
        // Somebody else has just done it.
        Err(Errno::INVAL) if has_them()? => Ok(()),
        result => result,
    }
}

/// All that `fstat` says of an object's kind is nothing, and of all else something.
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    if calls::stat(object)?.kind() == 0 { Ok(()) } else { Err(Errno::INVAL) }
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    Some(match (operation, errno) {
        (Operation::Open, Errno::NOTSUP)
        | (Operation::SetLen | Operation::Reserve, Errno::INVAL) => {
            "macOS sets the length of an object once; IfExists::Supersede puts a new one in its place"
        }
        (Operation::SetPermissions | Operation::SetOwner, Errno::INVAL) => {
            "macOS has no such call for shared memory; give the permissions where it is created"
        }
        (Operation::Map, Errno::PERM) => {
            "the handle does not allow this access; to write, open it with Direction::Io"
        }
        _ => return None,
    })
}
