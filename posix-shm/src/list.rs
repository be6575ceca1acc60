//! [`list`]: the objects there are.

use std::ffi::OsString;
use std::fmt;

use crate::error::{Errno, Error, Operation, Result};
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

    /// What the system knew about it.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// The iterator of [`list`].
pub struct List(Box<dyn Iterator<Item = std::io::Result<OsString>>>);

/// The named objects of the system, of all users, in no order.
///
/// What is no shared memory is left out: semaphores, which Linux keeps beside the objects, and anything that is not a plain
/// file. What appears or vanishes meanwhile may be in it or not.
///
/// # Errors
///
/// `Unsupported` where the system cannot tell. The iterator gives an error where reading the list, or asking about an object,
/// fails; an object that has vanished since is no error.
///
/// # Platform-specific behavior
///
/// Linux reads `/dev/shm`, NetBSD `/var/shm`, FreeBSD `sysctl kern.ipc.posix_shm_list`. FreeBSD tells more than the name only to
/// those who may read the object; for others it is an error of the iterator (`PermissionDenied`). macOS and OpenBSD do not tell,
/// and on Android there is nothing to tell.
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
                    let errno = Errno(error.raw_os_error().unwrap_or_default());
                    return Some(Err(Error::system(Operation::List, errno, None)));
                }
            };
            // What the directory holds is a name by our rules, or nothing that we could open.
            let Ok(name) = ShmName::new(name) else { continue };
            match imp::find(name.as_c_str()) {
                Ok(metadata) => return Some(Ok(Entry { name, metadata })),
                Err(Errno::NOENT) => {}
                Err(errno) => return Some(Err(Error::system(Operation::List, errno, Some(&name)))),
            }
        }
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").finish_non_exhaustive()
    }
}
