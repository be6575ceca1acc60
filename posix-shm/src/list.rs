//! [`list`] and [`list_names`]: the named objects of the system.

use std::ffi::OsStr;
use std::fmt;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, Result};
use crate::failure::{Errno, Failure, Operation};
use crate::imp::{self, Names};
use crate::metadata::Metadata;
use crate::name::ShmName;

/// A named object, as [`list`] found it.
///
/// # Examples
///
/// ```
/// # if !posix_shm::capabilities().list { return Ok(()) }
/// let all: Vec<_> = posix_shm::list()?.flatten().collect();
/// let bytes: u64 = all.iter().map(|entry| entry.metadata().allocated()).sum();
/// println!("{} objects take {bytes} bytes", all.len());
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Entry {
    name: ShmName,
    metadata: Metadata,
}

impl Entry {
    /// Its name.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName, list};
    ///
    /// # if !posix_shm::capabilities().list { return Ok(()) }
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?.unlink_on_drop();
    /// assert!(list()?.flatten().any(|entry| *entry.name() == name));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &ShmName {
        &self.name
    }

    /// What the system knew about it when the iterator came to it.
    ///
    /// # Examples
    ///
    /// ```
    /// # if !posix_shm::capabilities().list { return Ok(()) }
    /// for entry in posix_shm::list()?.flatten() {
    ///     println!("{:?} has {} bytes", entry.name(), entry.metadata().len());
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// The iterator of [`list`].
///
/// # Examples
///
/// ```
/// # if !posix_shm::capabilities().list { return Ok(()) }
/// let objects: posix_shm::List = posix_shm::list()?;
/// println!("{} objects", objects.flatten().count());
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub struct List(Names);

/// The iterator of [`list_names`].
///
/// # Examples
///
/// ```
/// # if !posix_shm::capabilities().list { return Ok(()) }
/// let names: posix_shm::ListNames = posix_shm::list_names()?;
/// println!("{} names", names.flatten().count());
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub struct ListNames(Names);

/// The named objects of the system, of all users, in no order.
///
/// Entries that are not shared memory are skipped: semaphores, which Linux keeps in the same
/// directory, and everything that is not a plain file. An object that appears or vanishes while the
/// list is read may be listed or not.
///
/// # Errors
///
/// `Unsupported` if the system cannot list names. The iterator returns an error if reading the list
/// or asking about an object fails. An object that has vanished since is skipped.
///
/// # Platform-specific behavior
///
/// Linux reads `/dev/shm`, NetBSD `/var/shm`, FreeBSD `sysctl kern.ipc.posix_shm_list`. FreeBSD
/// tells more than the name only to users who may read the object; for others the iterator returns
/// an error (`PermissionDenied`). macOS and OpenBSD cannot list names, and Android has none.
///
/// # Examples
///
/// ```
/// if posix_shm::capabilities().list {
///     for entry in posix_shm::list()? {
///         let entry = entry?;
///         println!("{} {}", entry.metadata().len(), entry.name());
///     }
/// }
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub fn list() -> Result<List> {
    imp::names().map(List).map_err(|failure| failure.named(None))
}

/// The names of the objects of the system, of all users, in no order. This is [`list`] without what
/// the system knows about each object, and takes about a quarter of the time if there are many.
///
/// # Errors
///
/// As [`list`].
///
/// # Platform-specific behavior
///
/// As [`list`]. FreeBSD tells the names to everyone.
///
/// # Examples
///
/// ```
/// use posix_shm::{Shm, ShmName};
///
/// let name = ShmName::random("doc.")?;
/// let object = Shm::create(&name, 4096)?;
/// if posix_shm::capabilities().list {
///     assert!(posix_shm::list_names()?.any(|found| found.is_ok_and(|found| found == name)));
/// }
/// object.unlink()?;
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub fn list_names() -> Result<ListNames> {
    imp::names().map(ListNames).map_err(|failure| failure.named(None))
}

/// The next valid name. No object can be opened by an invalid one.
#[inline(always)]
fn next_name(names: &mut Names) -> Option<Result<ShmName>> {
    loop {
        match names.next_name()? {
            Ok(name) => {
                if let Ok(name) = ShmName::new(OsStr::from_bytes(name)) {
                    return Some(Ok(name));
                }
            }
            Err(errno) => return Some(Err(failed(errno, None))),
        }
    }
}

#[cold]
fn failed(errno: Errno, name: Option<&ShmName>) -> Error {
    Failure::new(Operation::List, errno).named(name)
}

impl Iterator for List {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            let name = match next_name(&mut self.0)? {
                Ok(name) => name,
                Err(error) => return Some(Err(error)),
            };
            match self.0.stat(name.as_c_str(), &mut MaybeUninit::uninit()) {
                // Another file has taken the name since it was read.
                Ok(stat) if stat.is_certainly_no_object() => {}
                Ok(stat) => return Some(Ok(Entry { name, metadata: Metadata(*stat) })),
                Err(Errno::NOENT) => {}
                Err(errno) => return Some(Err(failed(errno, Some(&name)))),
            }
        }
    }
}

impl Iterator for ListNames {
    type Item = Result<ShmName>;

    fn next(&mut self) -> Option<Result<ShmName>> {
        next_name(&mut self.0)
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").finish_non_exhaustive()
    }
}

impl fmt::Debug for ListNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListNames").finish_non_exhaustive()
    }
}
