//! The calls that hand-written code makes, with the same guarantees as this library.

use std::ffi::{CStr, c_int};
use std::os::fd::{FromRawFd, OwnedFd};
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

#[repr(C, align(8))]
struct Control([u8; 64]);

/// Asks for the socket's kind, and sends a message of one byte and some descriptors.
pub(crate) fn send(socket: i32, descriptors: &[i32]) {
    // SAFETY: every field is an integer.
    let mut address: libc::sockaddr = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: the pointers are to room for an address and to its length.
    unsafe { libc::getsockname(socket, &raw mut address, &raw mut len) };
    assert_eq!(i32::from(address.sa_family), libc::AF_UNIX);
    let mut byte = [0_u8];
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: every field is an integer or may be null.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    message.msg_control = control.0.as_mut_ptr().cast();
    let bytes = size_of_val(descriptors) as u32;
    // SAFETY: only computes.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes) } as _;
    // SAFETY: the message has a control buffer.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: only computes.
    let cmsg_len = unsafe { libc::CMSG_LEN(bytes) } as _;
    let (cmsg_level, cmsg_type) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
    // SAFETY: there is room for a header.
    let filled = unsafe { &mut *header };
    (filled.cmsg_len, filled.cmsg_level, filled.cmsg_type) = (cmsg_len, cmsg_level, cmsg_type);
    // SAFETY: the header is inside the buffer.
    let data = unsafe { libc::CMSG_DATA(header) };
    for (i, &descriptor) in descriptors.iter().enumerate() {
        // SAFETY: there is room for the descriptors.
        let at = unsafe { data.add(4 * i) };
        // SAFETY: as above.
        unsafe { at.cast::<i32>().write_unaligned(descriptor) };
    }
    // SAFETY: every pointer is to memory that outlives the call.
    let sent = unsafe { libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL) };
    assert_eq!(sent, 1);
}

/// Receives a message, and asks two questions about each descriptor.
pub(crate) fn receive(socket: i32, expected: usize) {
    let mut byte = [0_u8];
    let mut control = std::mem::MaybeUninit::<[u64; 512]>::uninit();
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: every field is an integer or may be null.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: every pointer is to memory that outlives the call.
    let got = unsafe { libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    assert_eq!(got, 1);
    // SAFETY: the call has filled in the message.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: the header is inside the buffer.
    let data = unsafe { libc::CMSG_DATA(header) };
    for i in 0..expected {
        // SAFETY: so many have come.
        let at = unsafe { data.add(4 * i) };
        // SAFETY: as above.
        let fd = unsafe { at.cast::<i32>().read_unaligned() };
        // SAFETY: passes no pointer.
        let seals = unsafe { libc::fcntl(fd, libc::F_GET_SEALS) };
        // SAFETY: passes no pointer.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        assert!(seals >= 0 && flags >= 0);
        // SAFETY: the call made this descriptor for us.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}
