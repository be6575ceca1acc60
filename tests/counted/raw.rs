//! The calls that hand-written code makes, with the same guarantees as this library.

use std::ffi::{CStr, c_int};
use std::ptr;

fn ok(returned: c_int) -> c_int {
    assert!(returned >= 0);
    returned
}

/// An object that has no name yet, in `/dev/shm`.
pub(crate) fn unnamed() -> c_int {
    let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the path is a NUL-terminated string.
    ok(unsafe { libc::open(c"/dev/shm".as_ptr(), flags, 0o600) })
}

pub(crate) fn anonymous() -> c_int {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | libc::MFD_NOEXEC_SEAL;
    // SAFETY: the label is a NUL-terminated string.
    ok(unsafe { libc::memfd_create(c"by-hand".as_ptr(), flags) })
}

pub(crate) fn reserve(fd: c_int, len: usize) {
    // SAFETY: passes no pointer.
    ok(unsafe { libc::fallocate(fd, 0, 0, len as libc::off_t) });
}

pub(crate) fn write(fd: c_int, bytes: &[u8]) {
    // SAFETY: the pointer is to as many bytes.
    let written = unsafe { libc::pwrite(fd, bytes.as_ptr().cast(), bytes.len(), 0) };
    assert_eq!(written, bytes.len() as isize);
}

pub(crate) fn read(fd: c_int, bytes: &mut [u8]) {
    // SAFETY: the pointer is to as many bytes.
    let read = unsafe { libc::pread(fd, bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    assert_eq!(read, bytes.len() as isize);
}

pub(crate) fn name(fd: c_int, path: &CStr) {
    let (empty, to) = (c"".as_ptr(), path.as_ptr());
    // SAFETY: both are NUL-terminated strings.
    ok(unsafe { libc::linkat(fd, empty, libc::AT_FDCWD, to, libc::AT_EMPTY_PATH) });
}

pub(crate) fn open(name: &CStr) -> c_int {
    // SAFETY: the name is a NUL-terminated string.
    ok(unsafe { libc::shm_open(name.as_ptr(), libc::O_RDONLY, 0) })
}

pub(crate) fn stat(fd: c_int) -> libc::stat {
    // SAFETY: every field is an integer.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to room for the answer.
    ok(unsafe { libc::fstat(fd, &raw mut stat) });
    stat
}

pub(crate) fn stat_path(path: &CStr) -> libc::stat {
    // SAFETY: every field is an integer.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the path is a NUL-terminated string, and the pointer is to room for the answer.
    ok(unsafe { libc::lstat(path.as_ptr(), &raw mut stat) });
    stat
}

pub(crate) fn map(fd: c_int, protection: c_int, len: usize) -> *mut u8 {
    let shared = libc::MAP_SHARED;
    // SAFETY: without MAP_FIXED the call replaces no mapping.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, shared, fd, 0) };
    assert_ne!(start, libc::MAP_FAILED);
    start.cast()
}

pub(crate) fn map_and_touch(fd: c_int, len: usize) -> *mut u8 {
    let start = map(fd, libc::PROT_READ | libc::PROT_WRITE, len);
    // SAFETY: the mapping was made above.
    unsafe { start.write_volatile(1) };
    start
}

pub(crate) fn unmap(start: *mut u8, len: usize) {
    // SAFETY: the callers have made this mapping, and do not use it any more.
    ok(unsafe { libc::munmap(start.cast(), len) });
}

pub(crate) fn close(fd: c_int) {
    // SAFETY: the callers own the descriptor.
    ok(unsafe { libc::close(fd) });
}

pub(crate) fn unlink(name: &CStr) {
    // SAFETY: the name is a NUL-terminated string.
    ok(unsafe { libc::shm_unlink(name.as_ptr()) });
}

/// All plain files that are no semaphores, and what `fstatat` says of them: how many.
pub(crate) fn list(stat: bool) -> usize {
    // SAFETY: the path is a NUL-terminated string.
    let stream = unsafe { libc::opendir(c"/dev/shm".as_ptr()) };
    assert!(!stream.is_null());
    // SAFETY: the stream is open.
    let directory = unsafe { libc::dirfd(stream) };
    let mut found = 0;
    loop {
        // SAFETY: the stream is open.
        let entry = unsafe { libc::readdir64(stream) };
        if entry.is_null() {
            break;
        }
        // SAFETY: the entry is valid until the next call.
        let entry = unsafe { &*entry };
        // SAFETY: the name is a NUL-terminated string inside the entry.
        let name = unsafe { CStr::from_ptr(entry.d_name.as_ptr()) };
        if entry.d_type != libc::DT_REG || name.to_bytes().starts_with(b"sem.") {
            continue;
        }
        if stat {
            // SAFETY: every field is an integer.
            let mut stat: libc::stat = unsafe { std::mem::zeroed() };
            let (into, link) = (&raw mut stat, libc::AT_SYMLINK_NOFOLLOW);
            // SAFETY: the name is a NUL-terminated string, the pointer to room for the answer.
            ok(unsafe { libc::fstatat(directory, name.as_ptr(), into, link) });
        }
        found += 1;
    }
    // SAFETY: the stream is open, and not used any more.
    unsafe { libc::closedir(stream) };
    found
}
