//! Objects that are files in the directory of a tmpfs. Calls for files can do more than POSIX's for
//! shared memory: build an object under another name and rename it, look at it without opening it,
//! list the names.

use std::ffi::CStr;
#[cfg(target_os = "linux")]
use std::ffi::c_int;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

use super::draft::{Draft, Held, New, Obstacle, is_forbidden};
use super::limits::Room;
use super::named::{create_temporary, reopen, reopen_created, settle_permissions};
use super::stat::Stat;
use super::syscalls;
use crate::bytes;
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation, cvt_owned_fd, cvt_retry};

/// A directory, and what the names of its files begin with.
#[derive(Clone, Copy)]
pub(super) struct Directory {
    pub(super) path: &'static CStr,
    pub(super) prefix: &'static [u8],
}

impl Directory {
    /// Calls a function with the path of a name, which starts with its slash. The path is on the
    /// stack, and is not moved: that would take longer than to make it.
    #[inline(always)]
    pub(super) fn with_path<T>(&self, name: &CStr, call: impl FnOnce(&CStr) -> T) -> T {
        /// What a portable name takes with the directory, and some more.
        const SHORT: usize = 48;
        match path_in(&mut [0; SHORT], self.parts(name)) {
            Some(path) => call(path),
            None => self.with_long_path(name, call),
        }
    }

    #[inline(never)]
    fn with_long_path<T>(&self, name: &CStr, call: impl FnOnce(&CStr) -> T) -> T {
        /// For a directory, the longest name of a file, and a NUL byte.
        const LONGEST: usize = 288;
        // No checked name is longer. The system refuses an empty path.
        call(path_in(&mut [0; LONGEST], self.parts(name)).unwrap_or_default())
    }

    /// What the path of a name is made of.
    #[inline(always)]
    fn parts<'a>(&'a self, name: &'a CStr) -> [&'a [u8]; 4] {
        let name = name.to_bytes();
        match self.prefix {
            // The name brings the slash.
            b"" => [self.path.to_bytes(), name, b"", b""],
            prefix => [self.path.to_bytes(), b"/", prefix, name.get(1..).unwrap_or_default()],
        }
    }

    /// The object that has the name now, whoever may open it.
    #[inline]
    pub(super) fn find(&self, name: &CStr) -> Result<Stat, Errno> {
        self.with_path(name, syscalls::stat_path)
    }

    /// Whether a descriptor is of a plain file of the same file system.
    pub(super) fn has(&self, object: BorrowedFd<'_>) -> Result<bool, Errno> {
        let file = syscalls::stat(object)?;
        if file.kind() != sys::S_IFREG {
            return Ok(false);
        }
        let flags = sys::O_RDONLY | sys::O_DIRECTORY | sys::O_CLOEXEC;
        let path = self.path.as_ptr();
        // SAFETY: the path is a NUL-terminated string.
        let call = || unsafe { sys::open(path, flags, 0) };
        // SAFETY: the call makes a new descriptor.
        let directory = unsafe { cvt_owned_fd(call) }?;
        let same_device = file.device() == syscalls::stat(directory.as_fd())?.device();
        // Files of an overlay have the device of the layer that they are in.
        let id = |fd| Room::of(fd).map(|room| room.id).filter(|id| *id != 0);
        let same_id = || id(object).is_some_and(|file| id(directory.as_fd()) == Some(file));
        Ok(same_device || same_id())
    }

    /// An object under a name that no other process knows, to be filled there. A process that is
    /// killed leaves the name behind.
    pub(super) fn draft(&self, new: &New<'_>) -> Result<Draft<'static>, Obstacle> {
        let draft = create_temporary(new.namespace, new.mode, new.lent)?;
        match settle_permissions(draft.object(), new) {
            Ok(()) => Ok(draft),
            Err(failure) => Err(draft.abandon(failure).into()),
        }
    }

    /// Renames what [`draft`](Directory::draft) made to its own name. Answers with a read-only
    /// handle, if that is wanted.
    pub(super) fn publish(
        &self,
        draft: &mut Draft<'_>,
        new: &New<'_>,
    ) -> Result<Option<OwnedFd>, Obstacle> {
        let Held::Temporary(temporary) = draft.held() else { return Ok(None) };
        let reader = match new.direction {
            Direction::Io => None,
            Direction::Input => {
                let object = draft.object();
                let again = || reopen(new.namespace, temporary, object, Direction::Input);
                Some(reopen_created(new.namespace, object, again)?)
            }
        };
        if new.replace {
            self.replace(temporary, new.name)?;
        } else {
            self.with_path(temporary, |from| {
                self.with_path(new.name, |to| rename_to_free(from, to))
            })
            .map_err(Obstacle::of(Operation::Publish))?;
        }
        Ok(reader)
    }

    /// Renames, replacing an object that has the name. If that is forbidden, so is superseding: any
    /// other way would remove the old name before the new object has it. But if nothing has the
    /// name, there are others.
    pub(super) fn replace(&self, from: &CStr, to: &CStr) -> Result<(), Obstacle> {
        self.with_path(from, |from| self.with_path(to, |to| rename(from, to))).map_err(|errno| {
            let failure = Failure::new(Operation::Publish, errno);
            match self.find(to) {
                Err(Errno::NOENT) if is_forbidden(errno) => Obstacle::ThisWay(failure),
                _ => Obstacle::Any(failure),
            }
        })
    }
}

/// Writes the parts one after the other into the zeros. None of them has a NUL byte. `None` if they
/// are too long.
#[inline(always)]
fn path_in<'a>(zeros: &'a mut [u8], parts: [&[u8]; 4]) -> Option<&'a CStr> {
    let mut end = 0;
    for part in parts {
        bytes::copy(zeros.get_mut(end..end + part.len())?, part);
        end += part.len();
    }
    let with_nul = zeros.get(..=end)?;
    // SAFETY: no part has a NUL byte, and behind them is the first of the zeros that are left.
    Some(unsafe { CStr::from_bytes_with_nul_unchecked(with_nul) })
}

fn link(from: &CStr, to: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    cvt_retry(|| unsafe { sys::link(from.as_ptr(), to.as_ptr()) }).map(drop)
}

fn unlink(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    cvt_retry(|| unsafe { sys::unlink(path.as_ptr()) }).map(drop)
}

fn rename(from: &CStr, to: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    match cvt_retry(|| unsafe { sys::rename(from.as_ptr(), to.as_ptr()) }) {
        // A filter may allow the newer call and not this one.
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCES) => {}
        result => return result.map(drop),
    }
    let (here, from, to) = (sys::AT_FDCWD, from.as_ptr(), to.as_ptr());
    // The C library's function makes the older call if there are no flags.
    #[cfg(target_os = "linux")]
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    let renamed = cvt_retry(|| unsafe {
        libc::syscall(libc::SYS_renameat2, here, from, here, to, 0) as c_int
    });
    #[cfg(not(target_os = "linux"))]
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    let renamed = cvt_retry(|| unsafe { sys::renameat(here, from, here, to) });
    renamed.map(drop)
}

/// Renames to a name that is free, or says `EEXIST`.
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
            // The kernel, the file system or a filter lacks the call or the flag.
            Err(errno) if is_forbidden(errno) => {}
            result => return result.map(drop),
        }
    }
    link(from, to)?;
    // As in `replace`.
    let _ = unlink(from);
    Ok(())
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::imp::named::temporary;

    /// As on NetBSD, where the tests do not run.
    #[test]
    fn names_with_something_before_them() {
        let name = temporary();
        let folder = std::env::temp_dir().join(name.to_str().unwrap().trim_matches('/'));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(".object_one"), b"1234").unwrap();
        fs::write(folder.join("two"), b"no object").unwrap();
        fs::create_dir(folder.join(".object_three")).unwrap();
        std::os::unix::fs::symlink("two", folder.join(".object_four")).unwrap();

        let path = CString::new(folder.as_os_str().as_bytes()).unwrap();
        let directory = Directory { path: Box::leak(path.into_boxed_c_str()), prefix: b".object_" };
        let mut names = directory.names(|_| true, None).unwrap();
        assert_eq!(names.next_name(), Some(Ok(&b"one"[..])));
        assert_eq!(names.stat(c"/one", &mut MaybeUninit::uninit()).unwrap().len(), 4);
        assert_eq!(names.next_name(), None);
        assert_eq!(names.next_name(), None, "it begins again");
        assert_eq!(directory.names(|name| name != b"one", None).unwrap().next_name(), None);
        assert_eq!(directory.find(c"/one").unwrap().len(), 4);
        assert_eq!(directory.find(c"/two").unwrap_err(), Errno::NOENT);

        let path_of = |name| directory.with_path(name, CStr::to_owned);
        let [one, three, five] = [c"/one", c"/three", c"/five"].map(path_of);
        assert_eq!(rename_to_free(&one, &three), Err(Errno::EXIST));
        assert_eq!(rename_to_free(&one, &five), Ok(()));
        assert_eq!(directory.find(c"/one").unwrap_err(), Errno::NOENT);
        assert_eq!(directory.find(c"/five").unwrap().len(), 4);

        // On both sides of where the path is written elsewhere, and where it is too long.
        let folder_len = directory.path.to_bytes().len() + b"/.object_".len();
        for len in 1..300 {
            let name = CString::new([b"/".to_vec(), vec![b'x'; len]].concat()).unwrap();
            let path = directory.with_path(&name, CStr::to_owned);
            if folder_len + len < 288 {
                let expected = [directory.path.to_bytes(), b"/.object_", &name.to_bytes()[1..]];
                assert_eq!(path.to_bytes(), expected.concat(), "{len}");
            } else {
                assert_eq!(path.to_bytes(), b"", "{len}");
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
