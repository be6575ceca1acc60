//! [`Entries`]: the names in the directory of the objects, read by one stream (`readdir`).

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

#[cfg(not(target_os = "linux"))]
use libc::{dirent, readdir};
#[cfg(target_os = "linux")]
use libc::{dirent64 as dirent, readdir64 as readdir};
use posix_shm_sys as sys;

use super::named::{Listing, Names};
use super::stat::Stat;
use super::syscalls;
use super::tmpfs::Directory;
use crate::failure::{Errno, Failure, Operation, cvt_pointer, next_or_errno};

impl Directory {
    /// All names that `is_object` says can mean an object.
    pub(super) fn names(&self, is_object: fn(&[u8]) -> bool) -> Result<Names, Failure> {
        let opened = loop {
            // SAFETY: the path is a NUL-terminated string.
            match cvt_pointer(unsafe { libc::opendir(self.path.as_ptr()) }) {
                Err(Errno::INTR) => {}
                result => break result,
            }
        };
        let stream = opened.map_err(Failure::of(Operation::List))?;
        Ok(Box::new(Entries { directory: *self, stream, is_object, ended: false }))
    }
}

struct Entries {
    directory: Directory,
    /// Open until this value is dropped.
    stream: NonNull<libc::DIR>,
    is_object: fn(&[u8]) -> bool,
    /// At the end, or after an error.
    ended: bool,
}

impl Entries {
    /// What is known of a file of the directory, even if it is a symbolic link.
    fn stat_file(&self, file: &CStr) -> Result<Stat, Errno> {
        // SAFETY: the stream is open.
        let descriptor = unsafe { libc::dirfd(self.stream.as_ptr()) };
        // SAFETY: the descriptor is the stream's, which stays open.
        let directory = unsafe { BorrowedFd::borrow_raw(descriptor) };
        syscalls::stat_in_directory(directory.as_raw_fd(), file)
    }

    /// Whether an entry is a plain file.
    fn is_file(&self, kind: u8, file: &CStr) -> bool {
        match kind {
            libc::DT_REG => true,
            // Not every file system tells.
            libc::DT_UNKNOWN => self.stat_file(file).is_ok_and(|stat| stat.kind() == sys::S_IFREG),
            _ => false,
        }
    }
}

impl Listing for Entries {
    fn next_name(&mut self) -> Option<Result<&[u8], Errno>> {
        while !self.ended {
            // SAFETY: the stream is open, and used by nothing else at this moment.
            let entry = match next_or_errno(|| unsafe { readdir(self.stream.as_ptr()) }) {
                Some(Ok(entry)) => entry.as_ptr(),
                ended => {
                    self.ended = true;
                    return ended.map(|error| error.map(|_| &[][..]));
                }
            };
            let (kind, name) = fields_of(entry);
            // SAFETY: the entry has a NUL-terminated name. It stays until the next call, and this
            // value is borrowed until then.
            let file = unsafe { CStr::from_ptr(name.cast()) };
            match file.to_bytes().strip_prefix(self.directory.prefix) {
                Some(name) if (self.is_object)(name) && self.is_file(kind, file) => {
                    return Some(Ok(name));
                }
                _ => {}
            }
        }
        None
    }

    fn stat(&self, name: &CStr) -> Result<Stat, Errno> {
        match self.directory.prefix {
            // Without its slash.
            b"" => self.stat_file(&name[1..]),
            _ => self.directory.find(name),
        }
    }
}

/// The kind of an entry, and where its name is. The entry may be shorter than its type, so there is
/// no reference to it.
fn fields_of(entry: *const dirent) -> (u8, *const u8) {
    // SAFETY: the pointer is to an entry, which has at least the fields before the name.
    let kind = unsafe { (*entry).d_type };
    // SAFETY: only computes an address in the entry.
    let name = unsafe { &raw const (*entry).d_name };
    (kind, name.cast())
}

impl Drop for Entries {
    fn drop(&mut self) {
        // SAFETY: the stream is open, and this is its end.
        unsafe { libc::closedir(self.stream.as_ptr()) };
    }
}
