//! Reading and writing an object by its handle: where the system can, without mapping it, so that no page is faulted and nothing
//! can be a signal.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use posix_shm_sys as sys;

use crate::error::{Errno, Failure, Operation, Result};
use crate::imp;
use crate::map::{self, MapOptions, Mapping, ReadOnly, ReadWrite};
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
/// macOS has no such calls for shared memory; OpenBSD has, and they do not see what is mapped; elsewhere POSIX promises nothing.
/// So on systems other than Linux, Android, FreeBSD and NetBSD ([`capabilities`](crate::capabilities) say which) the bytes are
/// copied through a mapping that is made for it. A peer that shortens the object in that moment can still end the process; on
/// macOS no object becomes shorter. What makes an object longer there is [`set_len`](Shm::set_len), with its errors.
///
/// FreeBSD makes a named object longer first, where the end is written past, and then writes.
///
/// # Examples
///
/// ```
/// use std::os::unix::fs::FileExt;
///
/// let object = posix_shm::Shm::anonymous(8)?;
/// object.write_all_at(b"hello", 3)?;
/// let mut text = [0; 5];
/// assert_eq!(object.read_at(&mut text, 3)?, 5);
/// assert_eq!(&text, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
impl FileExt for Shm {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let at = offset_of(offset)?;
        if imp::CAPABILITIES.read_write_at {
            Ok(imp::read_at(self.as_fd(), buffer, at)?)
        } else {
            Ok(self.read_mapped(buffer, offset)?)
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let at = offset_of(offset)?;
        if imp::CAPABILITIES.read_write_at {
            Ok(imp::write_at(self.as_fd(), bytes, at)?)
        } else {
            Ok(self.write_mapped(bytes, offset)?)
        }
    }
}

/// The same through a mapping, where the system has nothing else.
impl Shm {
    fn read_mapped(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let there = usize::try_from(self.len()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let buffer = match buffer.len().min(there) {
            0 => return Ok(0),
            len => &mut buffer[..len],
        };
        let mut part = MapOptions::new();
        part.offset(offset).len(buffer.len());
        let mapping: Mapping<ReadOnly> = part.map_named(self.as_fd(), self.name())?;
        mapping.bytes().copy_to(buffer);
        Ok(buffer.len())
    }

    fn write_mapped(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let failed = |failure: Failure| failure.named(self.name());
        let write_failed = |errno| failed(Failure::new(Operation::Write, errno));
        if !imp::is_writable(self.as_fd()).map_err(write_failed)? {
            return Err(write_failed(Errno::BADF));
        }
        let (from, end) = (self.len()?, offset.saturating_add(bytes.len() as u64));
        if from < end {
            let end = sys::off_t::try_from(end).map_err(|_| write_failed(Errno(sys::EFBIG)))?;
            // What the system says of a length always fits its own type.
            imp::reserve(self.as_fd(), from as sys::off_t, end).map_err(failed)?;
        }
        let mut part = MapOptions::new();
        part.offset(offset).len(bytes.len());
        let mapping: Mapping<ReadWrite> = part.map_named(self.as_fd(), self.name())?;
        mapping.bytes().copy_from(bytes);
        Ok(bytes.len())
    }
}

/// Gives a new object its content.
fn write_new(object: BorrowedFd<'_>, contents: &[u8]) -> Result<(), Failure> {
    if imp::CAPABILITIES.read_write_at {
        return imp::write_new(object, contents);
    }
    if !contents.is_empty() {
        // A slice is never longer than `isize::MAX`.
        imp::reserve(object, 0, contents.len() as sys::off_t)?;
        let mapping = map::new_object(object, contents.len())?;
        mapping.bytes().copy_from(contents);
    }
    Ok(())
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
    /// memory, [`Operation::Write`] or [`Operation::Reserve`].
    ///
    /// # Platform-specific behavior
    ///
    /// Where [`capabilities`](crate::capabilities) say that an object is not complete before it is named, it can be opened
    /// while it is being written. Where they say that `read_at` and `write_at` go another way, so does this: through a mapping.
    /// On macOS what follows the content in its last page is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::publish(&name, b"all or nothing")?;
    /// assert_eq!(Shm::open(&name)?.map()?.bytes().range(..14).to_vec(), b"all or nothing");
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
            .open_filled(name.as_ref(), &|fd| write_new(fd, contents))
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
