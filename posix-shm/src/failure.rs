//! Failures that do not yet have the name of the object: the operation, the system's error number,
//! and the numbers of the message. [`error`](crate::error) makes the public error of them.
//! [`cvt`] is the one place that reads `errno`.

use std::borrow::Cow;
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::NonNull;

use posix_shm_sys as sys;

/// What was being done when an [`Error`](crate::Error) happened.
///
/// # Examples
///
/// ```
/// use posix_shm::{Operation, Shm};
///
/// let object = Shm::anonymous(0)?;
/// let error = object.map().unwrap_err(); // it is empty
/// assert_eq!(error.operation(), Operation::Map);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Checking or making a name, before any system call.
    Name,
    /// Opening an existing object (`shm_open`), or deciding whether to.
    Open,
    /// Creating an object: `shm_open` with `O_CREAT | O_EXCL`, or the system's way to make one
    /// without a name.
    Create,
    /// Giving a complete object its name.
    Publish,
    /// Reserving memory for an object: `posix_fallocate`, or the system's own call for it.
    Reserve,
    /// Changing an object's length (`ftruncate`).
    SetLen,
    /// Giving back the memory of a part of an object (`fallocate`).
    Punch,
    /// Reading an object's length, owner, permissions and times (`fstat`).
    Metadata,
    /// Changing permissions (`fchmod`).
    SetPermissions,
    /// Changing the owner (`fchown`).
    SetOwner,
    /// Mapping an object into memory (`mmap`).
    #[doc(alias = "+map-failed+")]
    #[doc(alias = "MAP_FAILED")]
    Map,
    /// Removing a mapping, or a part of it (`munmap`).
    Unmap,
    /// Making a mapping longer (`mremap`, `mprotect` or `mmap`).
    Grow,
    /// Making two mappings of one.
    Split,
    /// Changing what the pages of a mapping allow (`mprotect`).
    Protect,
    /// Making pages of a mapping present, or asking how many are (`madvise`, `mincore`).
    Populate,
    /// Keeping pages of a mapping in memory, or no longer (`mlock`, `munlock`).
    Lock,
    /// Telling the system how a mapping is used (`madvise`).
    Advise,
    /// Waiting until a word of a mapping changes (`futex`, or what the system
    /// has for it).
    Wait,
    /// Waking those who wait for a word of a mapping (`futex`, or what the system
    /// has for it).
    Notify,
    /// Reading or writing what a [`SeqLock`](crate::SeqLock) guards.
    Snapshot,
    /// Viewing a part of a mapping as values of some type.
    View,
    /// Removing a name (`shm_unlink`).
    Unlink,
    /// Closing a handle (`close`).
    Close,
    /// Reading from an object (`pread`).
    Read,
    /// Writing to an object (`pwrite`).
    Write,
    /// Making another handle of an object (`dup`, or opening it again).
    Clone,
    /// Sealing an object, or asking how it is sealed (`fcntl`).
    Seal,
    /// Holding presence on an object (`fcntl` with a shared lock).
    Presence,
    /// Finding out whether an object is used (`fcntl` with an exclusive lock).
    IsUnused,
    /// Locking an object against others who lock it (`fcntl` with an exclusive lock).
    LockObject,
    /// Sending a handle over a socket (`sendmsg`).
    Send,
    /// Receiving a handle from a socket (`recvmsg`).
    Receive,
    /// Listing the objects of the system.
    List,
}

/// The numbers in the message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Detail {
    #[default]
    None,
    /// The length that was asked for.
    Bytes(u64),
    /// The length that an object has, and the one that was asked for.
    Grown { from: u64, to: u64 },
    /// A part of an object; `None` for everything after the offset.
    Range { offset: u64, len: Option<usize> },
    /// A part of a mapping.
    Part { from: usize, to: usize },
}

/// Who refused.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The system, with its error number.
    System(Errno),
    /// This library.
    Refused(io::ErrorKind, Cow<'static, str>),
}

impl Cause {
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Cause::System(errno) => errno.kind(),
            Cause::Refused(kind, _) => *kind,
        }
    }
}

/// A step that failed. Naming the object makes it an [`Error`](crate::Error).
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) operation: Operation,
    pub(crate) cause: Cause,
    pub(crate) detail: Detail,
    /// What helps, if that depends on more than the operation and the error number.
    pub(crate) hint: Option<Cow<'static, str>>,
    /// How much room the file system had, if that was too little, and more may come back.
    pub(crate) room: Option<u64>,
    /// A name could not be removed; the hint says which.
    pub(crate) left: bool,
}

impl Failure {
    /// The system refused.
    #[cold]
    pub(crate) fn new(operation: Operation, errno: Errno) -> Failure {
        Failure::from_cause(operation, Cause::System(errno))
    }

    /// [`Failure::new`] for `map_err`.
    pub(crate) fn of(operation: Operation) -> impl Fn(Errno) -> Failure {
        move |errno| Failure::new(operation, errno)
    }

    /// This library refused, and why.
    #[cold]
    pub(crate) fn refused(
        operation: Operation,
        kind: io::ErrorKind,
        why: impl Into<Cow<'static, str>>,
    ) -> Failure {
        Failure::from_cause(operation, Cause::Refused(kind, why.into()))
    }

    fn from_cause(operation: Operation, cause: Cause) -> Failure {
        Failure { operation, cause, detail: Detail::None, hint: None, room: None, left: false }
    }

    /// [`Failure::refused`] for input that can never work.
    #[cold]
    pub(crate) fn invalid(operation: Operation, why: impl Into<Cow<'static, str>>) -> Failure {
        Failure::refused(operation, io::ErrorKind::InvalidInput, why)
    }

    pub(crate) fn with_detail(mut self, detail: Detail) -> Failure {
        self.detail = detail;
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Adds another sentence to the hint.
    #[cold]
    pub(crate) fn and_hint(self, more: &str) -> Failure {
        match &self.hint {
            Some(hint) => {
                let hint = format!("{hint}; {more}");
                self.with_hint(hint)
            }
            None => self.with_hint(more.to_owned()),
        }
    }

    /// The system's error number, if it was the system that refused.
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self.cause {
            Cause::System(errno) => Some(errno),
            Cause::Refused(..) => None,
        }
    }

    pub(crate) fn is(&self, errno: Errno) -> bool {
        self.errno() == Some(errno)
    }

    pub(crate) fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }
}

/// An error number of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) c_int);

// Those of sockets come from the `libc` crate, as sockets do.
#[allow(dead_code, reason = "not every system gives all of them")]
impl Errno {
    pub(crate) const ACCES: Errno = Errno(sys::EACCES);
    pub(crate) const AFNOSUPPORT: Errno = Errno(sys::EAFNOSUPPORT);
    pub(crate) const AGAIN: Errno = Errno(sys::EAGAIN);
    pub(crate) const BADF: Errno = Errno(sys::EBADF);
    pub(crate) const BUSY: Errno = Errno(sys::EBUSY);
    pub(crate) const CANCELED: Errno = Errno(sys::ECANCELED);
    pub(crate) const CONNRESET: Errno = Errno(libc::ECONNRESET);
    pub(crate) const DOM: Errno = Errno(sys::EDOM);
    pub(crate) const DQUOT: Errno = Errno(sys::EDQUOT);
    pub(crate) const EXIST: Errno = Errno(sys::EEXIST);
    pub(crate) const FAULT: Errno = Errno(sys::EFAULT);
    pub(crate) const FBIG: Errno = Errno(sys::EFBIG);
    pub(crate) const INTR: Errno = Errno(sys::EINTR);
    pub(crate) const INVAL: Errno = Errno(sys::EINVAL);
    pub(crate) const IO: Errno = Errno(sys::EIO);
    pub(crate) const ISDIR: Errno = Errno(sys::EISDIR);
    pub(crate) const LOOP: Errno = Errno(sys::ELOOP);
    pub(crate) const MFILE: Errno = Errno(sys::EMFILE);
    pub(crate) const NAMETOOLONG: Errno = Errno(sys::ENAMETOOLONG);
    pub(crate) const NFILE: Errno = Errno(sys::ENFILE);
    pub(crate) const NODEV: Errno = Errno(sys::ENODEV);
    pub(crate) const NOENT: Errno = Errno(sys::ENOENT);
    pub(crate) const NOMEM: Errno = Errno(sys::ENOMEM);
    pub(crate) const NOSPC: Errno = Errno(sys::ENOSPC);
    pub(crate) const ROFS: Errno = Errno(sys::EROFS);
    pub(crate) const NOSYS: Errno = Errno(sys::ENOSYS);
    pub(crate) const NOTSUP: Errno = Errno(sys::ENOTSUP);
    pub(crate) const NOTDIR: Errno = Errno(sys::ENOTDIR);
    pub(crate) const NXIO: Errno = Errno(sys::ENXIO);
    pub(crate) const NOTSOCK: Errno = Errno(libc::ENOTSOCK);
    pub(crate) const OPNOTSUPP: Errno = Errno(sys::EOPNOTSUPP);
    pub(crate) const SPIPE: Errno = Errno(sys::ESPIPE);
    pub(crate) const TIMEDOUT: Errno = Errno(sys::ETIMEDOUT);
    pub(crate) const PERM: Errno = Errno(sys::EPERM);
    pub(crate) const PIPE: Errno = Errno(libc::EPIPE);
    #[cfg(pshm_has_etoomanyrefs)]
    pub(crate) const TOOMANYREFS: Errno = Errno(sys::ETOOMANYREFS);

    pub(crate) fn kind(self) -> io::ErrorKind {
        match self {
            // Two numbers on some systems; std knows one of them, and our oldest std neither.
            Errno(number) if [sys::ENOTSUP, sys::EOPNOTSUPP].contains(&number) => {
                io::ErrorKind::Unsupported
            }
            // The descriptor cannot do that: it is read-only, or not open at all.
            Errno::BADF => io::ErrorKind::InvalidInput,
            // FreeBSD's answer for a descriptor with fewer rights, and for names in its sandbox.
            #[cfg(pshm_has_enotcapable)]
            Errno(sys::ENOTCAPABLE) => io::ErrorKind::PermissionDenied,
            #[cfg(pshm_has_ecapmode)]
            Errno(sys::ECAPMODE) => io::ErrorKind::PermissionDenied,
            _ => io::Error::from(self).kind(),
        }
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.0)
    }
}

/// What C functions return when they fail: -1, as an integer or as a pointer.
pub(crate) trait MinusOne: Copy {
    fn is_minus_one(self) -> bool;
}

impl MinusOne for c_int {
    fn is_minus_one(self) -> bool {
        self == -1
    }
}

impl MinusOne for isize {
    fn is_minus_one(self) -> bool {
        self == -1
    }
}

impl MinusOne for *mut c_void {
    fn is_minus_one(self) -> bool {
        self == sys::MAP_FAILED
    }
}

/// Turns the -1 of a C function into its `errno`. Call it on the result itself, before anything
/// else can set `errno`.
#[inline]
pub(crate) fn cvt<T: MinusOne>(returned: T) -> Result<T, Errno> {
    if returned.is_minus_one() { Err(last()) } else { Ok(returned) }
}

/// [`cvt`] for calls that a signal may interrupt before they did anything. `EINTR` never leaves
/// this library.
#[inline]
pub(crate) fn cvt_retry<T: MinusOne>(mut call: impl FnMut() -> T) -> Result<T, Errno> {
    match cvt(call()) {
        Err(Errno::INTR) => again(call),
        result => result,
    }
}

/// Makes a call again for as long as a signal interrupts it. Out of line, so that what it passes
/// need not be kept for it.
#[cold]
#[inline(never)]
fn again<T: MinusOne>(mut call: impl FnMut() -> T) -> Result<T, Errno> {
    loop {
        match cvt(call()) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// [`cvt_retry`] for calls that open a descriptor.
///
/// # Safety
///
/// What the call returns is a descriptor that it made for this call alone.
#[inline]
pub(crate) unsafe fn cvt_owned_fd(call: impl FnMut() -> c_int) -> Result<OwnedFd, Errno> {
    let fd = cvt_retry(call)?;
    // SAFETY: the caller's promise: nobody else owns this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// [`cvt`] for a function that returns null when it fails.
#[allow(dead_code, reason = "not every system calls one")]
pub(crate) fn cvt_pointer<T>(returned: *mut T) -> Result<NonNull<T>, Errno> {
    NonNull::new(returned).ok_or_else(last)
}

/// [`cvt_pointer`] for a function that also returns null at the end of something, and then leaves
/// `errno` alone.
#[allow(dead_code, reason = "not every system calls one")]
pub(crate) fn next_or_errno<T>(call: impl FnOnce() -> *mut T) -> Option<Result<NonNull<T>, Errno>> {
    // SAFETY: passes no pointer.
    let errno = unsafe { sys::errno_location() };
    // SAFETY: it is this thread's own.
    unsafe { errno.write(0) };
    match cvt_pointer(call()) {
        Err(Errno(0)) => None,
        result => Some(result),
    }
}

#[cold]
#[expect(clippy::disallowed_methods, reason = "the one place that reads errno")]
fn last() -> Errno {
    // An error made by `last_os_error` always has its number.
    Errno(io::Error::last_os_error().raw_os_error().unwrap_or_default())
}
