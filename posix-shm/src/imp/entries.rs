//! [`Entries`]: the names in the directory of the objects, read by one stream (`readdir`).

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr::NonNull;

#[cfg(not(target_os = "linux"))]
use libc::{dirent, readdir};
#[cfg(target_os = "linux")]
use libc::{dirent64 as dirent, readdir64 as readdir};
use posix_shm_sys as sys;

use super::stat::Stat;
use super::syscalls;
use super::tmpfs::Directory;
use crate::failure::{Errno, Failure, Operation, cvt_pointer, next_or_errno};

impl Directory {
    /// All names that `is_object` says can mean an object. `find`, if given, looks objects up by
    /// name; otherwise an object is its entry in the directory.
    pub(super) fn names(
        &self,
        is_object: fn(&[u8]) -> bool,
        find: Option<fn(&CStr) -> Result<Stat, Errno>>,
    ) -> Result<Entries, Failure> {
        let opened = loop {
            // SAFETY: the path is a NUL-terminated string.
            match cvt_pointer(unsafe { libc::opendir(self.path.as_ptr()) }) {
                Err(Errno::INTR) => {}
                result => break result,
            }
        };
        let stream = opened.map_err(Failure::of(Operation::List))?;
        // SAFETY: the stream is open.
        let descriptor = unsafe { libc::dirfd(stream.as_ptr()) };
        let prefix = self.prefix;
        Ok(Entries { prefix, stream, descriptor, is_object, find, last: None, ended: false })
    }
}

/// The names of all objects, on a system that keeps them in a directory.
pub(crate) struct Entries {
    prefix: &'static [u8],
    /// Open until this value is dropped.
    stream: NonNull<libc::DIR>,
    /// That of `stream`, which closes it.
    descriptor: RawFd,
    is_object: fn(&[u8]) -> bool,
    find: Option<fn(&CStr) -> Result<Stat, Errno>>,
    /// The name of the last entry, in the stream's memory, where it stays until the next one.
    last: Option<NonNull<CStr>>,
    /// At the end, or after an error.
    ended: bool,
}

// SAFETY: a stream may be used from any thread, and `last` points into memory that it owns.
unsafe impl Send for Entries {}

// SAFETY: `&self` methods only read `last` and call `fstatat`. Reading on, which overwrites that
// memory, takes `&mut self`.
unsafe impl Sync for Entries {}

impl Entries {
    /// What is known of a file of the directory, even if it is a symbolic link.
    #[inline]
    fn stat_file<'a>(
        &self,
        file: &CStr,
        room: &'a mut MaybeUninit<Stat>,
    ) -> Result<&'a Stat, Errno> {
        syscalls::stat_in_directory(room, self.descriptor, file)
    }

    /// Whether an entry is a plain file.
    fn is_file(&self, kind: u8, file: &CStr) -> bool {
        match kind {
            libc::DT_REG => true,
            // Not every file system tells.
            libc::DT_UNKNOWN => {
                let mut room = MaybeUninit::uninit();
                self.stat_file(file, &mut room).is_ok_and(|stat| stat.kind() == sys::S_IFREG)
            }
            _ => false,
        }
    }

    /// The next name as the system has it, without the slash or with it.
    #[inline]
    pub(crate) fn next_name(&mut self) -> Option<Result<&[u8], Errno>> {
        self.last = None;
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
            let name = match self.prefix {
                // `strip_prefix` would call `memcmp` with a dangling pointer, which costs 70 ns
                // where it reads by masks.
                b"" => Some(file.to_bytes()),
                prefix => file.to_bytes().strip_prefix(prefix),
            };
            match name {
                Some(name) if (self.is_object)(name) && self.is_file(kind, file) => {
                    self.last = Some(file.into());
                    return Some(Ok(name));
                }
                _ => {}
            }
        }
        None
    }

    /// What the system knows about the object whose name [`next_name`](Entries::next_name) returned
    /// last, which is `name`. `room` saves copying a large structure.
    #[inline]
    pub(crate) fn stat<'a>(
        &self,
        name: &CStr,
        room: &'a mut MaybeUninit<Stat>,
    ) -> Result<&'a Stat, Errno> {
        if let Some(find) = self.find {
            return Ok(room.write(find(name)?));
        }
        let last = self.last.ok_or(Errno::NOENT)?;
        // SAFETY: the stream has not been read since, and is open.
        let file = unsafe { last.as_ref() };
        self.stat_file(file, room)
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

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    /// Some file systems leave it to `stat`.
    #[test]
    fn what_an_entry_is_may_not_be_said() {
        let directory = Directory { path: c"/proc/self", prefix: b"" };
        let entries = directory.names(|_| true, None).unwrap();
        let kinds = [
            (c"status", true),
            (c"fd", false),
            // A symbolic link to a file.
            (c"exe", false),
            (c"no such entry", false),
        ];
        for (file, is_file) in kinds {
            assert_eq!(entries.is_file(libc::DT_UNKNOWN, file), is_file, "{file:?}");
        }
        assert!(entries.is_file(libc::DT_REG, c"no such entry"), "it was asked");
        assert!(!entries.is_file(libc::DT_LNK, c"status"));
    }
}
