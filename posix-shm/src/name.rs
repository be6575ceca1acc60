//! [`ShmName`]: every rule about names, checked once, before any system call.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes;
use crate::error::{Error, Result};
use crate::failure::{Errno, Failure, Operation};
use crate::imp;

/// The name of a shared memory object, as `shm_open` takes it: valid on this system.
///
/// `"foo"` and `"/foo"` are the same name: exactly one leading slash is stored.
///
/// Functions of this crate take everything that can become a `ShmName`: a `&str`, a `String`, a
/// `&OsStr`, a `&Path`, a `&CStr`, a `&ShmName` or a `ShmName`. They check a name, unless it is a
/// `ShmName` already. A `ShmName` is cheap to clone: a name of at most 30 bytes is kept in the
/// value itself, and clones of a longer one share their memory.
///
/// On Linux, names that begin with `sem.` are those of named semaphores. They are not refused, but
/// [`list`](crate::list()) leaves them out.
///
/// Names are bytes and need not be UTF-8. All users of the system share one flat space of names.
/// There are no directories, so a slash may only come first.
///
/// # Platform-specific behavior
///
/// The longest name, counted after the slash, has 255 bytes on Linux, 247 on NetBSD (which puts 8
/// bytes before it), 30 on macOS and 1022 on FreeBSD (less the path of the jail). OpenBSD takes any
/// length. [`ShmName::portable`] takes only names that are valid on all of them.
///
/// # Examples
///
/// ```
/// use posix_shm::ShmName;
///
/// let name = ShmName::new("frames")?;
/// assert_eq!(name.as_os_str(), "/frames");
/// assert_eq!(name, ShmName::new("/frames")?);
/// assert!(ShmName::new("/video/frames").is_err());
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone)]
pub struct ShmName(Stored);

/// Where the slash, the name and a NUL byte are.
#[derive(Clone)]
enum Stored {
    /// Here. `len` counts the bytes before the NUL byte; those behind it mean nothing.
    Short {
        /// So wide that no padding is moved between it and the bytes.
        len: u32,
        bytes: Short,
    },
    Long(Arc<CStr>),
}

/// Aligned, so that it is moved by few instructions.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Short([u8; SHORT]);

/// The longest name, after the slash, that is valid everywhere: macOS stores 31 bytes with it.
const PORTABLE_MAX: usize = 30;

/// What a portable name takes, with the slash and a NUL byte.
const SHORT: usize = PORTABLE_MAX + 2;

// A name that is valid everywhere is valid here.
const _: () = assert!(PORTABLE_MAX <= imp::NAME_MAX);

/// How many characters [`ShmName::random`] adds: five random bits each, 80 in all.
const RANDOM_LEN: usize = 16;

impl ShmName {
    /// Checks a name against the rules of this system.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, and the message says which rule was broken: the name is empty or `/` alone,
    /// has a NUL byte or a slash after the first byte, or is `.` or `..`; `InvalidFilename`
    /// (`ENAMETOOLONG`) if it is longer than this system allows.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::ShmName;
    ///
    /// assert_eq!(ShmName::new("frames")?, ShmName::new("/frames")?);
    /// assert!(ShmName::new("/video/frames").is_err());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn new(name: impl AsRef<OsStr>) -> Result<ShmName> {
        ShmName::checked(name.as_ref().as_bytes(), imp::NAME_MAX)
    }

    /// Checks a name against the rules of every supported system.
    ///
    /// Beyond the rules of [`ShmName::new`], the name has at most 30 bytes after the slash, all of
    /// them from the POSIX portable filename character set (`A`–`Z`, `a`–`z`, `0`–`9`, `.`, `_`,
    /// `-`). So a name that would fail on macOS is refused on Linux too.
    ///
    /// # Errors
    ///
    /// As [`ShmName::new`]; `InvalidInput` also for a byte outside the portable set.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::ShmName;
    ///
    /// assert!(ShmName::portable("/org.example.frames").is_ok());
    /// assert!(ShmName::portable("/a-name-that-macos-would-not-take").is_err());
    /// assert!(ShmName::portable("/frames #1").is_err());
    /// ```
    pub fn portable(name: impl AsRef<OsStr>) -> Result<ShmName> {
        let name = ShmName::checked(name.as_ref().as_bytes(), PORTABLE_MAX)?;
        let is_portable = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
        match name.after_slash().iter().find(|b| !is_portable(b)) {
            None => Ok(name),
            Some(b) => Err(refused(
                name.after_slash(),
                &format!("byte {b:#04x} is not in the POSIX portable filename character set"),
            )),
        }
    }

    /// Makes a name that nobody can guess: the prefix and 16 random characters (80 bits from the
    /// system's random source).
    ///
    /// The name is portable if the prefix has at most 14 bytes, all portable.
    ///
    /// # Errors
    ///
    /// As [`ShmName::new`] for the whole name, and what the random source reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::ShmName;
    ///
    /// let name = ShmName::random("my-app.")?;
    /// assert!(name.as_os_str().to_str().unwrap().starts_with("/my-app."));
    /// assert_ne!(name, ShmName::random("my-app.")?);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn random(prefix: &str) -> Result<ShmName> {
        let suffix = imp::random_suffix::<RANDOM_LEN>()
            .map_err(|errno| Failure::new(Operation::Name, errno).named(None))?;
        ShmName::checked(&[prefix.as_bytes(), &suffix].concat(), imp::NAME_MAX)
    }

    /// The name as a C string, with its leading slash.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::ShmName;
    ///
    /// assert_eq!(ShmName::new("frames")?.as_c_str(), c"/frames");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_c_str(&self) -> &CStr {
        match &self.0 {
            Stored::Short { len, bytes } => {
                let with_nul = &bytes.0[..=*len as usize];
                // SAFETY: when it was made, it was found to have no other NUL byte than the one
                // that was put behind it.
                unsafe { CStr::from_bytes_with_nul_unchecked(with_nul) }
            }
            Stored::Long(name) => name,
        }
    }

    /// The name with its leading slash.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::ShmName;
    ///
    /// assert_eq!(ShmName::new("frames")?.as_os_str(), "/frames");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Stored::Short { len, bytes } => &bytes.0[..*len as usize],
            Stored::Long(name) => name.to_bytes(),
        }
    }

    fn after_slash(&self) -> &[u8] {
        &self.bytes()[1..]
    }

    fn checked(given: &[u8], max: usize) -> Result<ShmName> {
        let rest = match given {
            [b'/', rest @ ..] => rest,
            _ => given,
        };
        if rest.len() > PORTABLE_MAX {
            return ShmName::long(given, rest, max);
        }
        // What is behind the name breaks no rule, so 16 bytes can always be looked at together.
        let mut bytes = [1; SHORT];
        bytes::copy(&mut bytes[1..=rest.len()], rest);
        let is_wrong = match (rest.first_chunk(), rest.last_chunk()) {
            // At most 30, so these are all.
            (Some(first), Some(last)) => has_nul_or_slash(first) | has_nul_or_slash(last),
            _ => bytes[1..].first_chunk().is_none_or(has_nul_or_slash),
        };
        if is_wrong || rest.len() <= 2 && is_directory(rest) {
            return Err(refusal(given, rest, max));
        }
        bytes[0] = b'/';
        bytes[rest.len() + 1] = 0;
        // At most 31.
        Ok(ShmName(Stored::Short { len: rest.len() as u32 + 1, bytes: Short(bytes) }))
    }

    /// [`checked`](ShmName::checked) for a name that is not short.
    #[inline(never)]
    fn long(given: &[u8], rest: &[u8], max: usize) -> Result<ShmName> {
        if rest.len() > max || rest.contains(&b'/') {
            return Err(refusal(given, rest, max));
        }
        let bytes = [b"/", rest, b"\0"].concat();
        match CStr::from_bytes_with_nul(&bytes) {
            Ok(name) => Ok(ShmName(Stored::Long(name.into()))),
            Err(_) => Err(refusal(given, rest, max)),
        }
    }
}

/// Checks what a function was given as a name, unless it is a [`ShmName`].
pub(crate) fn checked(name: impl TryInto<ShmName, Error: Into<Error>>) -> Result<ShmName> {
    name.try_into().map_err(Into::into)
}

/// Two loops, which are a few vector instructions each.
#[inline(always)]
fn has_nul_or_slash(bytes: &[u8; 16]) -> bool {
    let has = |wanted| bytes.iter().fold(false, |found, byte| found | (*byte == wanted));
    has(0) | has(b'/')
}

fn is_directory(rest: &[u8]) -> bool {
    matches!(rest, b"" | b"." | b"..")
}

/// Which rule a name breaks.
#[cold]
fn refusal(given: &[u8], rest: &[u8], max: usize) -> Error {
    match rest {
        [] => refused(given, "it is empty"),
        _ if is_directory(rest) => refused(given, "it would name a directory"),
        _ if rest.contains(&b'/') => {
            refused(given, "it has a slash after its first byte, and there are no folders")
        }
        _ if rest.len() > max => too_long(rest, max),
        _ => refused(given, "it has a NUL byte"),
    }
}

#[cold]
fn refused(given: &[u8], why: &str) -> Error {
    let why = format!("{:?} cannot be used: {why}", lossy(given));
    Failure::invalid(Operation::Name, why).named(None)
}

#[cold]
fn too_long(rest: &[u8], max: usize) -> Error {
    // InvalidFilename, which our oldest compiler has no public name for.
    let kind = Errno::NAMETOOLONG.kind();
    let why = format!(
        "{:?} cannot be used: it has {} bytes after the slash, and the limit is {max}",
        lossy(rest),
        rest.len()
    );
    Failure::refused(Operation::Name, kind, why).named(None)
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl AsRef<OsStr> for ShmName {
    fn as_ref(&self) -> &OsStr {
        self.as_os_str()
    }
}

impl std::str::FromStr for ShmName {
    type Err = Error;

    /// As [`ShmName::new`].
    fn from_str(name: &str) -> Result<ShmName> {
        ShmName::new(name)
    }
}

/// Conversions that check a name, as [`ShmName::new`] does.
macro_rules! checked_from {
    ($($given:ty),*) => {
        $(
            impl TryFrom<$given> for ShmName {
                type Error = Error;

                /// As [`ShmName::new`].
                fn try_from(name: $given) -> Result<ShmName> {
                    ShmName::new(name)
                }
            }
        )*
    };
}

checked_from!(&str, &&str, &String, String, &OsStr, &OsString, OsString, &Path, &PathBuf, PathBuf);

impl TryFrom<&CStr> for ShmName {
    type Error = Error;

    /// As [`ShmName::new`].
    fn try_from(name: &CStr) -> Result<ShmName> {
        ShmName::checked(name.to_bytes(), imp::NAME_MAX)
    }
}

impl From<&ShmName> for ShmName {
    /// A clone, which is cheap.
    fn from(name: &ShmName) -> ShmName {
        name.clone()
    }
}

/// For names that need no check.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Error {
        match never {}
    }
}

impl PartialEq for ShmName {
    fn eq(&self, other: &ShmName) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for ShmName {}

impl PartialOrd for ShmName {
    fn partial_cmp(&self, other: &ShmName) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ShmName {
    fn cmp(&self, other: &ShmName) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Hash for ShmName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl fmt::Display for ShmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&lossy(self.bytes()))
    }
}

impl fmt::Debug for ShmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_os_str(), f)
    }
}

impl From<ShmName> for CString {
    fn from(name: ShmName) -> CString {
        name.as_c_str().to_owned()
    }
}
