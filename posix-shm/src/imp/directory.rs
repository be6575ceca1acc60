//! Objects that are files of a directory of a tmpfs, where the directory's own calls can do what POSIX' cannot: build an object
//! under another name and rename it, look at what may not be opened, list the names.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::DirEntry;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use posix_shm_sys as sys;

use super::named::{self, Unlinker};
use super::{Fill, Names, New};
use crate::error::{Errno, Failure, Operation, cvt, cvt_retry};
use crate::metadata::Metadata;
use crate::open::Direction;

/// A directory, and what the names of its files begin with.
pub(super) struct Directory {
    pub(super) path: &'static CStr,
    pub(super) prefix: &'static [u8],
}

impl Directory {
    /// The path of a name, which starts with its slash.
    pub(super) fn path_of(&self, name: &CStr) -> CString {
        let name = name.to_bytes().strip_prefix(b"/").unwrap_or(name.to_bytes());
        // No part has a NUL byte, so there is nothing to cut; an empty path would be refused by the system.
        CString::new([self.path.to_bytes(), b"/", self.prefix, name].concat()).unwrap_or_default()
    }

    /// What a name means now, whoever may open it.
    pub(super) fn find(&self, name: &CStr) -> Result<Metadata, Errno> {
        stat(&self.path_of(name))
    }

    /// The names that there are, of which `is_object` says which can mean one.
    pub(super) fn names(&self, is_object: fn(&OsStr) -> bool) -> Result<Names, Failure> {
        let failed = |error: io::Error| {
            Failure::new(Operation::List, Errno(error.raw_os_error().unwrap_or(sys::EIO)))
        };
        let entries = std::fs::read_dir(OsStr::from_bytes(self.path.to_bytes())).map_err(failed)?;
        let prefix = self.prefix;
        let name_of = move |entry: DirEntry| {
            let name = entry.file_name().into_vec();
            let name = OsString::from_vec(name.strip_prefix(prefix)?.to_vec());
            (is_object(&name) && entry.file_type().is_ok_and(|kind| kind.is_file())).then_some(name)
        };
        Ok(Box::new(entries.filter_map(move |entry| entry.map(name_of).transpose())))
    }

    /// Built under a name that nobody else knows, then renamed. A process that is killed leaves that name behind.
    pub(super) fn build<T>(
        &self,
        new: New<'_>,
        fill: Fill<'_, T>,
    ) -> Result<(OwnedFd, T), Failure> {
        let (temporary, object) =
            named::create_temporary(new.mode).map_err(Failure::of(Operation::Create))?;
        let guard = Unlinker::new(&temporary);
        named::settle_permissions(object.as_fd(), &new)?;
        let filled = fill(object.as_fd())?;
        let handle = match new.direction {
            Direction::Io => object,
            Direction::Input => {
                let reopen = || {
                    open(&temporary, Direction::Input, false).map_err(Failure::of(Operation::Open))
                };
                named::reopen_created(object.as_fd(), reopen)?
            }
        };
        let (from, to) = (self.path_of(&temporary), self.path_of(new.name));
        let renamed = if new.replace { rename(&from, &to) } else { rename_to_free(&from, &to) };
        renamed.map_err(Failure::of(Operation::Publish))?;
        guard.keep();
        Ok((handle, filled))
    }
}

/// Opens what has the name, and what is no object at once: without the flag, a FIFO planted there would hold up whoever opens
/// it. On an object it does nothing.
pub(crate) fn open(name: &CStr, direction: Direction, truncate: bool) -> Result<OwnedFd, Errno> {
    named::open(name, direction, truncate, sys::O_NONBLOCK)
}

/// `fstatat`, of the file itself and not of what it may be a link to.
pub(super) fn stat(path: &CStr) -> Result<Metadata, Errno> {
    let mut stat = MaybeUninit::<sys::stat>::uninit();
    // SAFETY: the path is a NUL-terminated string, and the pointer is to room for one `stat`.
    cvt(unsafe {
        sys::fstatat(sys::AT_FDCWD, path.as_ptr(), stat.as_mut_ptr(), sys::AT_SYMLINK_NOFOLLOW)
    })?;
    // SAFETY: the call succeeded, so it has filled it in; and every field is an integer.
    Ok(Metadata::new(unsafe { stat.assume_init() }))
}

pub(super) fn rename(from: &CStr, to: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    cvt_retry(|| unsafe { sys::rename(from.as_ptr(), to.as_ptr()) }).map(drop)
}

/// Renames to a name that nothing has, or says `EEXIST`.
fn rename_to_free(from: &CStr, to: &CStr) -> Result<(), Errno> {
    #[cfg(pshm_has_renameat2)]
    {
        // SAFETY: both paths are NUL-terminated strings that outlive the call.
        match cvt_retry(|| unsafe {
            sys::renameat2(
                sys::AT_FDCWD,
                from.as_ptr(),
                sys::AT_FDCWD,
                to.as_ptr(),
                sys::RENAME_NOREPLACE,
            )
        }) {
            // A kernel without the call, or without the flag on this file system.
            Err(Errno(sys::ENOSYS) | Errno::INVAL) => {}
            result => return result.map(drop),
        }
    }
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    cvt_retry(|| unsafe { sys::link(from.as_ptr(), to.as_ptr()) })?;
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    // The object is complete under its name; a temporary one that could not be removed takes nothing from it.
    let _ = cvt_retry(|| unsafe { sys::unlink(from.as_ptr()) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::name::ShmName;

    /// As on NetBSD, which the tests do not run on.
    #[test]
    fn names_with_something_before_them() {
        let name = ShmName::random("posix-shm-").unwrap();
        let folder =
            std::env::temp_dir().join(name.as_os_str().to_str().unwrap().trim_matches('/'));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(".object_one"), b"1234").unwrap();
        fs::write(folder.join("two"), b"no object").unwrap();
        fs::create_dir(folder.join(".object_three")).unwrap();
        std::os::unix::fs::symlink("two", folder.join(".object_four")).unwrap();

        let path = CString::new(folder.as_os_str().as_bytes()).unwrap();
        let directory = Directory { path: Box::leak(path.into_boxed_c_str()), prefix: b".object_" };
        let names: Vec<_> = directory.names(|_| true).unwrap().map(Result::unwrap).collect();
        assert_eq!(names, ["one"]);
        assert_eq!(directory.names(|name| name != "one").unwrap().count(), 0);
        assert_eq!(directory.find(c"/one").unwrap().len(), 4);
        assert_eq!(directory.find(c"/two").unwrap_err(), Errno::NOENT);

        let [one, three, five] = [c"/one", c"/three", c"/five"].map(|name| directory.path_of(name));
        assert_eq!(rename_to_free(&one, &three), Err(Errno::EXIST));
        assert_eq!(rename_to_free(&one, &five), Ok(()));
        assert_eq!(directory.find(c"/one").unwrap_err(), Errno::NOENT);
        assert_eq!(directory.find(c"/five").unwrap().len(), 4);
        fs::remove_dir_all(folder).unwrap();
    }
}
