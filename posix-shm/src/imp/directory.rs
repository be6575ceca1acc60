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
                    super::open(&temporary, Direction::Input, false)
                        .map_err(Failure::of(Operation::Open))
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
