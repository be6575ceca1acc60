//! Reading and writing an object without mapping it: no page is faulted, and nothing can be a signal.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use posix_shm_sys as sys;

use crate::error::{Failure, Operation, Result};
use crate::imp;
use crate::open::{Direction, IfDoesNotExist, IfExists, OpenOptions};
use crate::shm::Shm;

/// Reads and writes by `pread` and `pwrite`: the safe way to touch an object of a peer that is not trusted. Where the object is
/// shorter than it was, a read is short; where there is no memory, a write is an error; never a signal.
///
/// Writing past the end makes the object longer. For one pass over an object it is also faster than mapping: a quarter of the
/// time at 4 KiB.
///
/// # Platform-specific behavior
///
/// macOS has no such calls for shared memory, and reports `ENXIO`.
///
/// # Examples
///
/// ```
/// use std::os::unix::fs::FileExt;
///
/// let object = posix_shm::Shm::anonymous(8)?;
/// object.write_all_at(b"hello", 3)?;
/// let mut text = [0; 10];
/// assert_eq!(object.read_at(&mut text, 3)?, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
impl FileExt for Shm {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(imp::read_at(self.as_fd(), buffer, offset_of(offset)?)?)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        Ok(imp::write_at(self.as_fd(), bytes, offset_of(offset)?)?)
    }
}

fn offset_of(offset: u64) -> io::Result<sys::off_t> {
    let invalid = io::ErrorKind::InvalidInput;
    sys::off_t::try_from(offset)
        .map_err(|_| io::Error::new(invalid, "the offset is past the end of any object"))
}

impl Shm {
    /// Creates an object with this content, for reading and writing: written by `pwrite`, then named.
    ///
    /// Whoever opens it finds all of it. No page is faulted, which takes half the time of mapping and copying.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`]: `AlreadyExists` where an object has the name, `StorageFull` (`ENOSPC`) where there is no
    /// memory, [`Operation::Write`].
    ///
    /// # Platform-specific behavior
    ///
    /// Where [`capabilities`](crate::capabilities) say that an object is not complete before it is named, it can be opened
    /// while it is being written.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::publish(&name, b"all or nothing")?;
    /// assert_eq!(Shm::open(&name)?.map()?.bytes().to_vec(), b"all or nothing");
    ///
    /// object.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "pwrite")]
    pub fn publish(name: impl AsRef<OsStr>, contents: &[u8]) -> Result<Shm> {
        OpenOptions::new()
            .direction(Direction::Io)
            .if_exists(IfExists::Error)
            .if_does_not_exist(IfDoesNotExist::Create)
            .size(contents.len() as u64)
            .open_filled(name.as_ref(), &|fd| imp::write_all(fd, contents))
    }

    /// Another handle of the same opening, with the same direction: `fcntl` with `F_DUPFD_CLOEXEC`.
    ///
    /// # Errors
    ///
    /// `EMFILE`: no descriptor is free.
    #[doc(alias = "dup")]
    pub fn try_clone(&self) -> Result<Shm> {
        let fd = imp::clone(self.as_fd())
            .map_err(|errno| Failure::new(Operation::Clone, errno).named(self.name()))?;
        Ok(self.again(fd))
    }
}
