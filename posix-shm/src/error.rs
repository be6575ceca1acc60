//! Errors: what was tried, on what, what the system said, what helps. And [`cvt`], the one place that reads `errno`.

use std::borrow::Cow;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::io;

use posix_shm_sys as sys;

use crate::imp;
use crate::name::ShmName;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was being done when an [`Error`] happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Checking or making a name, before any system call.
    Name,
    /// Opening an object that exists (`shm_open`), or deciding whether to.
    Open,
    /// Creating an object: `shm_open` with `O_CREAT | O_EXCL`, or the system's way to make one without a name.
    Create,
    /// Giving a complete object its name.
    Publish,
    /// Reserving memory for an object: `posix_fallocate`, or what a system has for it.
    Reserve,
    /// Changing an object's length (`ftruncate`).
    SetLen,
    /// Reading an object's length, owner, permissions and times (`fstat`).
    Metadata,
    /// Changing permissions (`fchmod`).
    SetPermissions,
    /// Changing the owner (`fchown`).
    SetOwner,
    /// Mapping an object into memory (`mmap`).
    Map,
    /// Removing a mapping (`munmap`).
    Unmap,
    /// Looking at a part of a mapping as values of some type.
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
    /// Sending a handle over a socket (`sendmsg`).
    Send,
    /// Receiving a handle from a socket (`recvmsg`).
    Receive,
    /// Listing the objects there are.
    List,
}

/// What went wrong: the operation, the object's name, the system's error number, and what to do about it.
///
/// It prints as one sentence: what was tried, on which name, what the system said, and what to do where we know it:
///
/// ```text
/// reserve 67108864 bytes for "/frames": No space left on device (os error 28); the shared memory file system has
/// 1048576 bytes free; in a container, raise --shm-size
/// ```
///
/// Converted into an [`io::Error`] it keeps its [`raw_os_error`](io::Error::raw_os_error), so `?` loses no number; what
/// was refused before any system call keeps its whole text instead.
///
/// # Examples
///
/// ```
/// let error = posix_shm::Shm::open("/posix-shm-doc-nobody-made-this").unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// assert_eq!(error.operation(), posix_shm::Operation::Open);
/// assert_eq!(error.name().unwrap().as_os_str(), "/posix-shm-doc-nobody-made-this");
///
/// // A name that breaks a rule never reaches the system.
/// let error = posix_shm::Shm::open("/a/b").unwrap_err();
/// assert_eq!((error.kind(), error.raw_os_error()), (std::io::ErrorKind::InvalidInput, None));
/// ```
#[doc(alias = "shm-error")]
pub struct Error(Box<Inner>);

struct Inner {
    operation: Operation,
    detail: Detail,
    name: Option<ShmName>,
    cause: Cause,
    hint: Option<Cow<'static, str>>,
}

/// The numbers that belong to the sentence.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Detail {
    #[default]
    None,
    /// A length that was wanted.
    Bytes(u64),
    /// A part of an object, `None` for all that follows the offset.
    Range { offset: u64, len: Option<usize> },
}

enum Cause {
    /// The system said no.
    System(Errno),
    /// We said no, before asking the system.
    Refused(io::ErrorKind, Cow<'static, str>),
}

impl Error {
    /// What the system refused.
    #[cold]
    pub(crate) fn system(operation: Operation, errno: Errno, name: Option<&ShmName>) -> Error {
        let hint = hint(operation, errno).map(Cow::Borrowed);
        let cause = Cause::System(errno);
        Error(Box::new(Inner { operation, detail: Detail::None, name: name.cloned(), cause, hint }))
    }

    /// What we refuse ourselves, and why.
    #[cold]
    pub(crate) fn refused(
        operation: Operation,
        kind: io::ErrorKind,
        why: impl Into<Cow<'static, str>>,
        name: Option<&ShmName>,
    ) -> Error {
        let cause = Cause::Refused(kind, why.into());
        let (detail, hint) = (Detail::None, None);
        Error(Box::new(Inner { operation, detail, name: name.cloned(), cause, hint }))
    }

    /// [`Error::refused`] for input that can never work.
    #[cold]
    pub(crate) fn invalid(
        operation: Operation,
        why: impl Into<Cow<'static, str>>,
        name: Option<&ShmName>,
    ) -> Error {
        Error::refused(operation, io::ErrorKind::InvalidInput, why, name)
    }

    pub(crate) fn with_detail(mut self, detail: Detail) -> Error {
        self.0.detail = detail;
        self
    }

    fn with_hint(mut self, hint: String) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The name of the object, where it has one and the operation knew it. What takes any descriptor, as
    /// [`MapOptions`](crate::MapOptions) does, does not.
    #[must_use]
    pub fn name(&self) -> Option<&ShmName> {
        self.0.name.as_ref()
    }

    /// The kind of error, as `std::io` sorts them.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match &self.0.cause {
            Cause::System(errno) => errno.kind(),
            Cause::Refused(kind, _) => *kind,
        }
    }

    /// The system's error number (`errno`), or `None` for what was refused before any system call.
    #[must_use]
    #[doc(alias = "errno")]
    #[doc(alias = "shm-error-errno")]
    pub fn raw_os_error(&self) -> Option<i32> {
        match &self.0.cause {
            Cause::System(errno) => Some(errno.0),
            Cause::Refused(..) => None,
        }
    }

    /// What to do about it, where we know.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, detail, name, cause, hint } = &*self.0;
        let object = Object(name.as_ref());
        match (operation, detail) {
            (Operation::Reserve, Detail::Bytes(n)) => write!(f, "reserve {n} bytes for {object}")?,
            (Operation::SetLen, Detail::Bytes(n)) => {
                write!(f, "set the length of {object} to {n} bytes")?;
            }
            (Operation::Map, Detail::Range { offset, len: Some(len) }) => {
                write!(f, "map {len} bytes of {object} from offset {offset}")?;
            }
            (Operation::Map, Detail::Range { offset, len: None }) if *offset > 0 => {
                write!(f, "map {object} from offset {offset}")?;
            }
            (Operation::Name, _) => write!(f, "name an object")?,
            (Operation::View, _) => write!(f, "view a part of a mapping")?,
            (Operation::Unmap, _) => write!(f, "unmap a mapping")?,
            (Operation::Receive, _) => write!(f, "receive an object")?,
            (Operation::List, _) => write!(f, "list the objects")?,
            (operation, _) => write!(f, "{} {object}", operation.verb())?,
        }
        match cause {
            Cause::System(errno) => write!(f, ": {}", io::Error::from(*errno))?,
            Cause::Refused(_, why) => write!(f, ": {why}")?,
        }
        match hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// An object as a sentence calls it.
struct Object<'a>(Option<&'a ShmName>);

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "{name:?}"),
            None => f.write_str("the object"),
        }
    }
}

impl Operation {
    fn verb(self) -> &'static str {
        match self {
            Operation::Name => "name",
            Operation::Open => "open",
            Operation::Create => "create",
            Operation::Publish => "publish",
            Operation::Reserve => "reserve memory for",
            Operation::SetLen => "set the length of",
            Operation::Metadata => "read the metadata of",
            Operation::SetPermissions => "set the permissions of",
            Operation::SetOwner => "set the owner of",
            Operation::Map => "map",
            Operation::Unmap => "unmap",
            Operation::View => "view",
            Operation::Unlink => "unlink",
            Operation::Close => "close",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Clone => "make another handle of",
            Operation::Seal => "seal",
            Operation::Send => "send",
            Operation::Receive => "receive",
            Operation::List => "list",
        }
    }
}

/// What helps against an error number, where that does not depend on the object.
fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    if let Some(hint) = imp::hint(operation, errno) {
        return Some(hint);
    }
    Some(match (operation, errno) {
        (_, Errno::MFILE) => "this process has no free descriptor; close some or raise its limit",
        (_, Errno::NFILE) => "the system has no free descriptor",
        (Operation::Open, Errno::ACCES) => {
            "the object's permissions do not allow this user this direction"
        }
        (Operation::Open, Errno::LOOP) => {
            "a symbolic link stands where the object should, and links are not followed"
        }
        (Operation::Create | Operation::Publish, Errno::EXIST) => {
            "an object of this name exists already"
        }
        (Operation::Map, Errno::ACCES) => {
            "the handle does not allow this access; to write, open it with Direction::Io"
        }
        (Operation::Map, Errno::PERM) => {
            "the object is sealed against it, or its file system allows nothing to be executed"
        }
        (Operation::SetPermissions, Errno::PERM) => {
            "the object is another user's, or is sealed against becoming executable"
        }
        (Operation::Seal, Errno::PERM) => {
            "named objects cannot be sealed, nor can what is sealed against it; only anonymous ones can"
        }
        (Operation::Seal, Errno::BUSY) => "the object is mapped for writing somewhere",
        (Operation::SetLen | Operation::Reserve | Operation::Write, Errno::PERM) => {
            "the object is sealed against it"
        }
        (Operation::Map, Errno::NOMEM) => {
            "there is no address range of this length, or this process has too many mappings"
        }
        (Operation::SetLen | Operation::Reserve, Errno::BADF | Errno::INVAL) => {
            "the handle may be read-only; to size an object, open it with Direction::Io"
        }
        _ => return None,
    })
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("operation", &self.operation())
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("raw_os_error", &self.raw_os_error())
            .field("message", &self.to_string())
            .finish()
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        match &error.0.cause {
            Cause::System(errno) => io::Error::from(*errno),
            Cause::Refused(kind, _) => io::Error::new(*kind, error),
        }
    }
}

/// A step that failed inside [`imp`](crate::imp), where the name is not known: [`Failure::named`] makes the [`Error`].
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) operation: Operation,
    pub(crate) errno: Errno,
    pub(crate) detail: Detail,
    /// What helps, where that depends on the moment.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(operation: Operation, errno: Errno) -> Failure {
        Failure { operation, errno, detail: Detail::None, hint: None }
    }

    /// For `map_err`: the failure of one operation.
    pub(crate) fn of(operation: Operation) -> impl FnOnce(Errno) -> Failure {
        move |errno| Failure::new(operation, errno)
    }

    #[cold]
    pub(crate) fn named(self, name: Option<&ShmName>) -> Error {
        let error = Error::system(self.operation, self.errno, name).with_detail(self.detail);
        match self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// An error number of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) c_int);

impl Errno {
    pub(crate) const ACCES: Errno = Errno(sys::EACCES);
    pub(crate) const AGAIN: Errno = Errno(sys::EAGAIN);
    pub(crate) const BADF: Errno = Errno(sys::EBADF);
    pub(crate) const BUSY: Errno = Errno(sys::EBUSY);
    pub(crate) const EXIST: Errno = Errno(sys::EEXIST);
    pub(crate) const INTR: Errno = Errno(sys::EINTR);
    pub(crate) const INVAL: Errno = Errno(sys::EINVAL);
    pub(crate) const LOOP: Errno = Errno(sys::ELOOP);
    pub(crate) const MFILE: Errno = Errno(sys::EMFILE);
    pub(crate) const NAMETOOLONG: Errno = Errno(sys::ENAMETOOLONG);
    pub(crate) const NFILE: Errno = Errno(sys::ENFILE);
    pub(crate) const NOENT: Errno = Errno(sys::ENOENT);
    pub(crate) const NOMEM: Errno = Errno(sys::ENOMEM);
    pub(crate) const NOSPC: Errno = Errno(sys::ENOSPC);
    pub(crate) const NOTSUP: Errno = Errno(sys::EOPNOTSUPP);
    pub(crate) const PERM: Errno = Errno(sys::EPERM);

    pub(crate) fn kind(self) -> io::ErrorKind {
        match self {
            // On some systems two numbers; std knows one of them, or in our oldest compiler's time none.
            Errno(number) if [sys::ENOTSUP, sys::EOPNOTSUPP].contains(&number) => {
                io::ErrorKind::Unsupported
            }
            // What a descriptor that was made to do less says on FreeBSD, and whatever takes a name in its sandbox.
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

/// What C functions return when they fail: -1, as the integer or the pointer that it is.
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

/// Turns the -1 of a C function into its `errno`. To be called on the result itself, before anything else can set it.
#[inline]
pub(crate) fn cvt<T: MinusOne>(returned: T) -> Result<T, Errno> {
    if returned.is_minus_one() { Err(last()) } else { Ok(returned) }
}

/// [`cvt`] for calls that a signal may interrupt before they did anything: `EINTR` never leaves this library.
pub(crate) fn cvt_retry<T: MinusOne>(mut call: impl FnMut() -> T) -> Result<T, Errno> {
    loop {
        match cvt(call()) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

#[cold]
#[expect(clippy::disallowed_methods, reason = "the one place that reads errno")]
fn last() -> Errno {
    // An error made by `last_os_error` always has its number.
    Errno(io::Error::last_os_error().raw_os_error().unwrap_or_default())
}
