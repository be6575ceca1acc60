//! Reading and writing an object through its handle. If the system can do it without a mapping,
//! there is no page fault and no signal.

use std::io;
use std::os::unix::fs::FileExt;

use posix_shm_sys as sys;

use crate::error::{Error, Result};
use crate::failure::{Errno, Failure, Operation};
use crate::imp::{self, Growth};
use crate::map::{MapOptions, Mapping, ReadOnly, ReadWrite};
use crate::shm::{READ_ONLY, Shm};

/// Reads and writes by `pread` and `pwrite`: the safe way to touch an object of a peer that you do
/// not trust. If the object has become shorter, a read is short. If the file system has no room, or
/// the process may not make files so long, a write returns an error. Neither causes a signal,
/// unless the limit on the length of files is below 4096 bytes: that is not looked for.
///
/// Writing past the end makes the object longer. For a single pass over an object this is also
/// faster than mapping it: a quarter of the time at 4 KiB.
///
/// Before a write of 4 MiB or more, this crate asks Linux how much memory there is, as
/// [`set_len`](Shm::set_len) does. Before shorter writes it does not: if a memory cgroup or the
/// machine has nothing left, the system may kill a process, as for any other memory.
///
/// An error of the system is a plain one, with its `raw_os_error`. Writing through a read-only
/// handle is `InvalidInput`.
///
/// # Platform-specific behavior
///
/// macOS has no such calls for shared memory. OpenBSD has them, but they do not see what is mapped.
/// Elsewhere POSIX promises nothing. So on systems other than Linux, Android, FreeBSD and NetBSD
/// ([`capabilities`](crate::capabilities()) says which) the bytes are copied through a mapping that
/// lives as long as the call. A peer that shortens the object at that moment can still cause a
/// `SIGBUS`; on macOS no object becomes shorter. On all these systems a write past the end
/// makes the object longer as [`set_len`](Shm::set_len) does, with its errors.
///
/// FreeBSD makes a named object longer first, and then writes.
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
            Ok(imp::read_at(self.fd(), buffer, at)?)
        } else {
            self.read_mapped(buffer, offset).map_err(Error::into_io_error)
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let at = offset_of(offset)?;
        if imp::CAPABILITIES.read_write_at {
            self.may_write_at(at, bytes.len())?;
            imp::write_at(self.fd(), bytes, at).map_err(|errno| self.why_not_written(errno))
        } else {
            self.write_mapped(bytes, offset).map_err(Error::into_io_error)
        }
    }
}

/// The same through a mapping, for systems that have nothing else.
impl Shm {
    /// Refuses a write that the system would answer with a signal, or would do at another offset.
    fn may_write_at(&self, offset: sys::off_t, len: usize) -> io::Result<()> {
        // The object may have a length from now on.
        self.take_still_empty();
        imp::may_write(self.fd(), offset, len, self.ignores_estimates())
            .map_err(|failure| self.named(failure).into_io_error())?;
        // A peer that shares the open descriptor may have set a flag on it.
        if imp::appends(self.fd())? {
            let why = "the descriptor is in append mode (O_APPEND), so the system would write at \
                       the end";
            return Err(self.named(Failure::invalid(Operation::Write, why)).into_io_error());
        }
        Ok(())
    }

    /// The error of a write: the system's own, but for a read-only handle.
    #[cold]
    fn why_not_written(&self, errno: Errno) -> io::Error {
        match (errno, imp::is_writable(self.fd())) {
            (Errno::BADF, Ok(false)) => read_only(self).into_io_error(),
            _ => errno.into(),
        }
    }

    fn read_mapped(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let there = usize::try_from(self.len()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let buffer = match buffer.len().min(there) {
            0 => return Ok(0),
            len => &mut buffer[..len],
        };
        let mut part = MapOptions::new();
        part.offset(offset).len(buffer.len());
        let mapping: Mapping<ReadOnly> = part.map_named(self.fd(), self.name())?;
        mapping.bytes().copy_to(buffer);
        Ok(buffer.len())
    }

    fn write_mapped(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.take_still_empty();
        let failed = self.error(Operation::Write);
        if !imp::is_writable(self.fd()).map_err(&failed)? {
            return Err(read_only(self));
        }
        let (from, end) = (self.len()?, offset.saturating_add(bytes.len() as u64));
        if from < end {
            let end = sys::off_t::try_from(end).map_err(|_| failed(Errno::FBIG))?;
            // A length that the system reports fits its own type.
            let from = from as sys::off_t;
            let ignore_estimates = self.ignores_estimates();
            imp::reserve(self.fd(), Growth { from, to: end, ours: false, ignore_estimates })
                .map_err(|failure| self.named(failure))?;
        }
        let mut part = MapOptions::new();
        part.offset(offset).len(bytes.len());
        let mapping: Mapping<ReadWrite> = part.map_named(self.fd(), self.name())?;
        mapping.bytes().copy_from(bytes);
        Ok(bytes.len())
    }
}

#[cold]
fn read_only(object: &Shm) -> Error {
    object.named(Failure::invalid(Operation::Write, READ_ONLY))
}

fn offset_of(offset: u64) -> io::Result<sys::off_t> {
    let invalid = io::ErrorKind::InvalidInput;
    sys::off_t::try_from(offset)
        .map_err(|_| io::Error::new(invalid, "the offset is past the end of any object"))
}
