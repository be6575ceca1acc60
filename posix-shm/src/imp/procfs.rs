//! Linux' `/proc`: a second way to what a descriptor has open.
//!
//! A path there has only the descriptor's number, and may lead elsewhere. `/proc/self` is the
//! thread-group leader, and a thread need not share its descriptors. Something else may be mounted
//! over `/proc`. So the path goes through this thread, and the file is compared with the object.

use std::ffi::CStr;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use posix_shm_sys as sys;

use super::draft::{Namespace, is_forbidden};
use super::mapping::{self, Part};
use super::proc_text::file_mapped_at;
use super::{named, syscalls};
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation, cvt_owned_fd};

/// Opens the same object again. `None` if `/proc` does not lead to it; `EACCES` if the
/// object's permissions forbid it.
pub(super) fn reopen(
    object: BorrowedFd<'_>,
    direction: Direction,
    operation: Operation,
) -> Result<Option<OwnedFd>, Failure> {
    for path in paths(object) {
        // A FIFO that a peer has planted must not make us wait for its other end.
        let flags = named::access(direction) | sys::O_CLOEXEC | sys::O_NONBLOCK;
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        let call = || unsafe { sys::open(path.as_c_str().as_ptr(), flags, 0) };
        // SAFETY: the call makes a new descriptor.
        let handle = match unsafe { cvt_owned_fd(call) } {
            Ok(handle) => handle,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(Failure::new(operation, errno)),
        };
        let stat = syscalls::stat(handle.as_fd()).map_err(Failure::of(Operation::Metadata))?;
        let ours = syscalls::stat(object).map_err(Failure::of(Operation::Metadata))?;
        if !stat.is_same_object(&ours) {
            continue;
        }
        if stat.is_certainly_no_object() {
            let why = "this is not a shared memory object";
            return Err(Failure::refused(operation, ErrorKind::InvalidInput, why));
        }
        return Ok(Some(handle));
    }
    Ok(None)
}

/// Whether an answer to opening a path in `/proc` may be about the path and not about the object.
fn is_refusal(failure: &Failure, operation: Operation) -> bool {
    // A socket, and a link that is not followed.
    let others = [Errno::NXIO, Errno::LOOP, Errno::NOTDIR];
    let refuses = |errno| is_forbidden(errno) || others.contains(&errno);
    failure.operation == operation && failure.errno().is_some_and(refuses)
}

/// The path that leads to the object of a descriptor. `None` if `/proc` is not there, or leads
/// elsewhere.
pub(super) fn path_to(object: BorrowedFd<'_>) -> Result<Option<Path>, Failure> {
    let ours = syscalls::stat(object).map_err(Failure::of(Operation::Metadata))?;
    let leads_to_it = |path: &Path| {
        syscalls::stat_target(path.as_c_str()).is_ok_and(|found| found.is_same_object(&ours))
    };
    Ok(paths(object).find(leads_to_it))
}

/// The paths that should lead to the object. Linux before 3.17 has only the second.
fn paths(object: BorrowedFd<'_>) -> impl Iterator<Item = Path> {
    let number = object.as_raw_fd();
    ["thread-self", "self"].into_iter().map(move |whose| Path::new(whose, number))
}

/// A path to a descriptor. It is no `CString`, since a program may lock again and again.
pub(super) struct Path([u8; Path::ROOM]);

impl Path {
    /// The longest one is `/proc/thread-self/fd/2147483647`.
    const ROOM: usize = 32;

    fn new(whose: &str, number: RawFd) -> Path {
        let mut bytes = [0; Path::ROOM];
        // The last byte stays zero. If a path did not fit, nothing would have the shorter one but
        // another descriptor, which is compared with the object.
        let _ = write!(&mut bytes[..Path::ROOM - 1], "/proc/{whose}/fd/{number}");
        Path(bytes)
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        // The system would refuse an empty path.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

/// Whether a mapping that begins here shows an object: `/proc` says so of this mapping, and of
/// another one that is made of the object for a moment. `None` if it does not tell.
#[cold]
pub(crate) fn shows(start: NonNull<u8>, object: BorrowedFd<'_>) -> Option<bool> {
    let len = syscalls::page_size();
    let part =
        Part { object, offset: 0, protection: sys::PROT_NONE, private: false, no_reserve: false };
    let probe = mapping::map_part(&part, len, 0).ok()?;
    // Not of the whole process: the thread that it began with may have ended.
    let maps =
        std::fs::read("/proc/thread-self/maps").or_else(|_| std::fs::read("/proc/self/maps"));
    // SAFETY: the mapping was made above, and nothing points into it.
    let _ = unsafe { mapping::unmap_whole(probe, len) };
    let maps = maps.ok()?;
    Some(file_mapped_at(&maps, start.addr().get())? == file_mapped_at(&maps, probe.addr().get())?)
}

/// A second, read-only handle of the same object.
pub(crate) fn read_only(
    namespace: &Namespace,
    object: BorrowedFd<'_>,
    name: Option<&CStr>,
) -> Result<OwnedFd, Failure> {
    open_again(namespace, object, name, Direction::Input, Operation::Clone)
}

/// Opens the same object again, through `/proc`, or else by its name.
pub(crate) fn open_again(
    namespace: &Namespace,
    object: BorrowedFd<'_>,
    name: Option<&CStr>,
    direction: Direction,
    operation: Operation,
) -> Result<OwnedFd, Failure> {
    match (reopen(object, direction, operation), name) {
        (Ok(Some(handle)), _) => Ok(handle),
        (Ok(None), Some(name)) => named::reopen(namespace, name, object, direction),
        // Nor does `/proc` lead to a descriptor that is not open.
        (Ok(None), None) if syscalls::stat(object).is_err_and(|errno| errno == Errno::BADF) => {
            Err(Failure::new(operation, Errno::BADF))
        }
        (Ok(None), None) => Err(Failure::new(operation, Errno::OPNOTSUPP)
            .with_hint("an anonymous object is opened again through /proc; is it mounted?")),
        // A false /proc, or a sandbox that closes it. The name may do, but the first error tells
        // more.
        (Err(failure), Some(name)) if is_refusal(&failure, operation) => {
            named::reopen(namespace, name, object, direction).map_err(|_| failure)
        }
        (Err(failure), _) => Err(failure),
    }
}
