//! [`list`]: the named objects of the system.

use std::ffi::OsString;
use std::fmt;

use crate::error::Result;
use crate::failure::{Errno, Failure, Operation};
use crate::imp;
use crate::metadata::Metadata;
use crate::name::ShmName;

/// A named object, as [`list`] found it.
#[derive(Clone, Debug)]
pub struct Entry {
    name: ShmName,
    metadata: Metadata,
}

impl Entry {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ShmName {
        &self.name
    }

    /// What the system knew about it when the iterator came to it.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// The iterator of [`list`].
pub struct List(Box<dyn Iterator<Item = std::io::Result<OsString>>>);

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

impl Iterator for List {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            let name = match self.0.next()? {
                Ok(name) => name,
                Err(error) => {
                    let errno = error.raw_os_error().map_or(Errno::IO, Errno);
                    return Some(Err(Failure::new(Operation::List, errno).named(None)));
                }
            };
            // A file whose name breaks the rules cannot be opened as an object.
            let Ok(name) = ShmName::new(name) else { continue };
            match imp::find(name.as_c_str()) {
                // Another file has taken the name since it was read.
                Ok(stat) if stat.is_certainly_no_object() => {}
                Ok(stat) => return Some(Ok(Entry { name, metadata: Metadata(stat) })),
                Err(Errno::NOENT) => {}
                Err(errno) => {
                    return Some(Err(Failure::new(Operation::List, errno).named(Some(&name))));
                }
            }
        }
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").finish_non_exhaustive()
    }
}
