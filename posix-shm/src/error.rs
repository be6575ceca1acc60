//! [`Error`]: what was tried, on which object, what the system answered, and what helps.

use std::fmt;
use std::io;

use crate::failure::{Cause, Detail, Errno, Failure, Operation};
use crate::imp;
use crate::name::ShmName;

/// The result of everything in this crate that can fail.
///
/// # Examples
///
/// ```
/// use posix_shm::{Result, Shm, ShmName};
///
/// fn frames(name: &ShmName) -> Result<Shm> {
///     Shm::create(name, 640 * 480)
/// }
///
/// frames(&ShmName::random("doc.")?)?.unlink()?;
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: the operation, the object's name, the system's error number, and what helps.
///
/// It prints as one sentence:
///
/// ```text
/// reserve 67108864 bytes for "/frames": No space left on device (os error 28); the shared
/// memory file system has 1048576 bytes free; in a container, raise --shm-size; an anonymous
/// object (Shm::anonymous) needs no room there
/// ```
///
/// With `{:?}` it prints the same sentence, so `unwrap` and a `main` that returns an error show it.
/// `{:#?}` shows each part.
///
/// If `?` converts it into an [`io::Error`], it is kept whole inside and prints the same.
/// [`into_io_error`](Error::into_io_error) makes the plain error of the system instead.
///
/// # Examples
///
/// ```
/// let error = posix_shm::Shm::open("/posix-shm-doc-absent").unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// assert_eq!(error.operation(), posix_shm::Operation::Open);
/// assert_eq!(error.name().unwrap().as_os_str(), "/posix-shm-doc-absent");
///
/// // A name that breaks a rule never reaches the system.
/// let error = posix_shm::Shm::open("/a/b").unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
/// assert_eq!(error.raw_os_error(), None);
/// ```
#[doc(alias = "shm-error")]
#[doc(alias = "strerror")]
pub struct Error(Box<Inner>);

struct Inner {
    failure: Failure,
    name: Option<ShmName>,
}

impl Failure {
    /// The public error of this failure, with what helps against it.
    #[cold]
    pub(crate) fn named(mut self, name: Option<&ShmName>) -> Error {
        if let (None, Some(errno)) = (&self.hint, self.errno()) {
            self.hint = hint(self.operation, errno).map(Into::into);
        }
        // What can be sealed is a memfd, which is in no file system that can be full or read-only.
        let new = matches!(self.operation, Operation::Create | Operation::Publish);
        let no_room = match self.errno() {
            Some(Errno::NOSPC) => {
                new || matches!(self.operation, Operation::Reserve | Operation::Write)
            }
            Some(Errno::ROFS) => new,
            _ => false,
        };
        // For an object that exists, it is too late to have no name.
        let no_room = no_room && !matches!(self.detail, Detail::Grown { .. });
        if no_room && name.is_some() && imp::CAPABILITIES.seal {
            self = self.and_hint("an anonymous object (Shm::anonymous) needs no room there");
        }
        Error(Box::new(Inner { failure: self, name: name.cloned() }))
    }
}

impl Error {
    /// What was being done.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = posix_shm::Shm::open("/posix-shm-doc-absent").unwrap_err();
    /// assert_eq!(error.operation(), posix_shm::Operation::Open);
    /// ```
    #[must_use]
    #[doc(alias = "mmap-error")]
    pub fn operation(&self) -> Operation {
        self.0.failure.operation
    }

    /// The kind of error, as `std::io` sorts them.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = posix_shm::ShmName::new("a/b").unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// ```
    #[must_use]
    #[doc(alias = "shm-exists")]
    #[doc(alias = "shm-does-not-exist")]
    pub fn kind(&self) -> io::ErrorKind {
        self.0.failure.kind()
    }

    /// The name of the object, if it has one and the operation knew it. The functions of
    /// [`MapOptions`](crate::MapOptions) take any descriptor, so they do not know it.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = posix_shm::Shm::open("/posix-shm-doc-absent").unwrap_err();
    /// assert_eq!(error.name().unwrap().as_os_str(), "/posix-shm-doc-absent");
    /// ```
    #[must_use]
    #[doc(alias = "shm-error-name")]
    pub fn name(&self) -> Option<&ShmName> {
        self.0.name.as_ref()
    }

    /// The system's error number (`errno`), or `None` if this crate refused before any system
    /// call.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = posix_shm::ShmName::new("a/b").unwrap_err();
    /// assert_eq!(error.raw_os_error(), None); // the system was not asked
    /// ```
    #[must_use]
    #[doc(alias = "errno")]
    #[doc(alias = "*errno*")]
    #[doc(alias = "c-error")]
    #[doc(alias = "shm-error-errno")]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.failure.errno().map(|errno| errno.0)
    }

    /// The plain error of the system, with its [`raw_os_error`](io::Error::raw_os_error), as
    /// functions of `std` return it. The operation, the name and the hint are lost. An error that
    /// this crate found before any system call has no number and is kept whole.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Error, Shm};
    ///
    /// let error = Shm::open("/posix-shm-doc-absent").unwrap_err();
    /// let number = error.raw_os_error();
    /// assert_eq!(error.into_io_error().raw_os_error(), number);
    ///
    /// // `?` and `From` keep the whole error instead.
    /// let error = std::io::Error::from(Shm::open("/posix-shm-doc-absent").unwrap_err());
    /// let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    /// assert_eq!(inner.name().unwrap().as_os_str(), "/posix-shm-doc-absent");
    /// ```
    #[must_use]
    pub fn into_io_error(self) -> io::Error {
        match self.0.failure.errno() {
            Some(errno) => io::Error::from(errno),
            None => io::Error::from(self),
        }
    }

    pub(crate) fn with_hint(mut self, hint: &'static str) -> Error {
        self.0.failure.hint = Some(hint.into());
        self
    }

    /// What helps, if this crate knows: the last part of the message.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = posix_shm::Shm::open("/posix-shm-doc-absent").unwrap_err();
    /// if let Some(hint) = error.hint() {
    ///     assert!(error.to_string().ends_with(hint));
    /// }
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.failure.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { failure: Failure { operation, cause, detail, hint, .. }, name } = &*self.0;
        let object = Object(name.as_ref());
        match (operation, detail) {
            (Operation::Reserve, Detail::Bytes(n)) => write!(f, "reserve {n} bytes for {object}")?,
            (Operation::Reserve, Detail::Grown { from, to }) => {
                write!(f, "grow {object} from {from} to {to} bytes")?;
            }
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
            (Operation::Unmap, Detail::Bytes(n)) => write!(f, "shrink a mapping to {n} bytes")?,
            (Operation::Grow, Detail::Bytes(n)) => write!(f, "grow a mapping to {n} bytes")?,
            (Operation::Split, Detail::Bytes(n)) => write!(f, "split a mapping at byte {n}")?,
            (Operation::Snapshot, _) if cause.kind() == io::ErrorKind::WouldBlock => {
                write!(f, "take a snapshot")?;
            }
            (Operation::Snapshot, _) => write!(f, "write under a sequence lock")?,
            (Operation::Wait, _) => write!(f, "wait for a word of a mapping")?,
            (Operation::Notify, _) => write!(f, "wake those who wait for a word of a mapping")?,
            (operation, Detail::Part { from, to }) => {
                write!(f, "{} bytes {from}..{to} of a mapping", operation.verb())?;
            }
            (operation, _) if operation.is_of_mapping() => {
                write!(f, "{} a mapping", operation.verb())?;
            }
            (Operation::Receive, _) => write!(f, "receive an object")?,
            (Operation::List, _) if name.is_none() => write!(f, "list the objects")?,
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

/// How a message calls an object.
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
    /// Whether it is done to a mapping, which does not know the object's name.
    fn is_of_mapping(self) -> bool {
        use Operation::{Advise, Grow, Lock, Populate, Protect, Split, Unmap};
        matches!(self, Advise | Grow | Lock | Populate | Protect | Split | Unmap)
    }

    fn verb(self) -> &'static str {
        match self {
            Operation::Name => "name",
            Operation::Open => "open",
            Operation::Create => "create",
            Operation::Publish => "publish",
            Operation::Reserve => "reserve memory for",
            Operation::SetLen => "set the length of",
            Operation::Punch => "punch a hole into",
            Operation::Metadata => "read the metadata of",
            Operation::SetPermissions => "set the permissions of",
            Operation::SetOwner => "set the owner of",
            Operation::Map => "map",
            Operation::Unmap => "unmap",
            Operation::Grow => "grow",
            Operation::Split => "split",
            Operation::Protect => "change the protection of",
            Operation::Populate => "populate",
            Operation::Lock => "lock",
            Operation::Advise => "advise on",
            Operation::View => "view",
            Operation::Snapshot => "take a snapshot of",
            Operation::Wait => "wait for",
            Operation::Notify => "notify",
            Operation::Unlink => "unlink",
            Operation::Close => "close",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Clone => "make another handle of",
            Operation::Seal => "seal",
            Operation::Presence => "hold presence on",
            Operation::IsUnused => "look for users of",
            Operation::LockObject => "take the lock of",
            Operation::Send => "send",
            Operation::Receive => "receive",
            Operation::List => "list",
        }
    }
}

/// What helps against an error number, whatever the object. To add a hint, add it here.
fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    if let Some(hint) = imp::hint(operation, errno) {
        return Some(hint);
    }
    Some(match (operation, errno) {
        (_, Errno::MFILE) => "this process has no free descriptor; close some or raise its limit",
        (_, Errno::NFILE) => "the system has no free descriptor",
        (_, Errno::NOSYS) => "the system lacks the call, or a sandbox forbids it",
        (_, Errno::DQUOT) => "this user's quota on the file system is used up",
        #[cfg(pshm_has_etoomanyrefs)]
        (Operation::Send, Errno::TOOMANYREFS) => {
            "too many descriptors are on their way; let the receivers take theirs, or raise \
             RLIMIT_NOFILE"
        }
        (Operation::Send, Errno::AFNOSUPPORT) => {
            "only a Unix socket, such as a UnixStream, carries an object to another process"
        }
        (Operation::Send | Operation::Receive, Errno::PIPE | Errno::CONNRESET) => {
            "the other side has closed"
        }
        (Operation::Send, Errno::AGAIN) => {
            "the socket has no room, and is non-blocking or has a time limit; nothing was sent"
        }
        (Operation::Receive, Errno::AGAIN) => {
            "nothing was sent yet, and the socket is non-blocking or has a time limit"
        }
        (Operation::Send | Operation::Receive, Errno::NOTSOCK) => {
            "objects are sent over Unix sockets, such as a UnixStream"
        }
        (Operation::Open | Operation::Clone, Errno::AGAIN) => {
            "another process holds a lease on the object (F_SETLEASE); try again later"
        }
        (Operation::Map | Operation::Grow, Errno::AGAIN) => {
            "this process locks its memory (mlockall) and may not lock so much; raise \
             RLIMIT_MEMLOCK"
        }
        (Operation::SetOwner, Errno::PERM) => {
            "only a privileged process may give an object to another user; its owner may choose \
             one of their own groups"
        }
        (Operation::SetOwner, Errno::INVAL) => {
            "the id has no mapping in the user namespace of this process"
        }
        (Operation::Open | Operation::Unlink, Errno::NOENT) => "no object has this name",
        (Operation::Open | Operation::Unlink, Errno::ISDIR) => "a directory has the name",
        (Operation::Open, Errno::ACCES) => "this user may not open the object in this direction",
        (Operation::Open, Errno::NXIO) => "a socket or a device has the name",
        (Operation::Open, Errno::LOOP) => "the name is a symbolic link, and links are not followed",
        (Operation::Create, Errno::EXIST) => {
            "an object has this name; open_or_create opens it, IfExists::Supersede replaces it"
        }
        (Operation::IsUnused | Operation::LockObject, Errno::ACCES) => {
            "an exclusive lock takes permission to write the object"
        }
        (
            Operation::Presence | Operation::IsUnused | Operation::LockObject,
            Errno::NXIO | Errno::ISDIR,
        ) => "this is not a shared memory object",
        (Operation::Presence, Errno::ACCES) => "presence takes permission to read the object",
        (
            Operation::Presence | Operation::IsUnused | Operation::LockObject,
            Errno::PERM | Errno::INVAL,
        ) => {
            "the kernel (Linux before 3.15) or a sandbox does not allow locks of open file \
             descriptions"
        }
        (Operation::Populate, Errno::FAULT) => {
            "the object has no memory for a page of it: the object was cut off, or there is none \
             left; Shm::reserve takes it beforehand"
        }
        (Operation::Wait | Operation::Notify, Errno::FAULT) => {
            "the object has no memory for the word: a peer has cut it off, or there is none left"
        }
        (Operation::Lock, Errno::NOMEM | Errno::PERM | Errno::AGAIN) => {
            "this process may not lock so much (raise RLIMIT_MEMLOCK), or the object has no memory \
             for a page of it"
        }
        (Operation::Map | Operation::Grow, Errno::ACCES) => {
            "the handle does not allow this access (writing takes one that was opened for it, with \
             Direction::Io), or a sandbox forbids the call"
        }
        (Operation::Map | Operation::Grow, Errno::PERM) => {
            "the object is sealed against writing, its file system forbids executing, or a sandbox \
             forbids the call"
        }
        (Operation::SetPermissions, Errno::PERM | Errno::ACCES) => {
            "the object belongs to another user, is sealed against becoming executable, or a \
             sandbox forbids the call"
        }
        (Operation::Seal, Errno::ACCES) => "the system forbids the call, as a sandbox does",
        (Operation::Seal, Errno::INVAL) => {
            "only anonymous objects can be sealed, and only with seals that the system has"
        }
        (Operation::Seal, Errno::BUSY) => {
            "the object is mapped for writing somewhere, or through a handle that can write; unmap \
             it there first"
        }
        (Operation::Map | Operation::Grow, Errno::NOMEM) => {
            "no address range of this length is free, this process has too many mappings, or its \
             limit on address space (RLIMIT_AS) is reached"
        }
        _ => return None,
    })
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `unwrap` and a `main` that returns an error print this form.
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
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

/// Keeps the whole error inside: `io::Error::get_ref` and a downcast to [`Error`] give it back.
/// [`Error::into_io_error`] makes the plain one.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}
