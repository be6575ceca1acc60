//! One descriptor over a Unix socket: `sendmsg` and `recvmsg` with `SCM_RIGHTS`, the layout of whose messages is the `libc`
//! crate's business.

use std::ffi::c_int;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::{Errno, cvt_retry};

/// Control messages with descriptors, aligned as their headers want to be. There is room for all that any system lets a peer
/// send in one message (253 descriptors on Linux, 2 KiB on macOS), so that they are seen and closed: what is cut off, macOS
/// leaves open in this process, and OpenBSD says `EMSGSIZE` for the whole.
#[repr(C)]
union Control {
    header: libc::cmsghdr,
    bytes: [u8; 4096],
}

/// The bytes of a control message with this many descriptors.
fn space(descriptors: usize) -> usize {
    // A few words.
    let bytes = (descriptors * size_of::<c_int>()) as libc::c_uint;
    // SAFETY: only computes.
    let space = unsafe { libc::CMSG_SPACE(bytes) } as usize;
    assert!(space <= size_of::<Control>());
    space
}

/// A message of one byte, since some systems drop a control message that comes alone, with a control message in `control`.
fn message(
    byte: &mut libc::iovec,
    control: &mut MaybeUninit<Control>,
    space: usize,
) -> libc::msghdr {
    // SAFETY: every field is an integer or a pointer, which may be null.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = byte;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = space as _;
    message
}

/// What must be in `flags` where the system has it: a peer that is gone is an error and no signal; and what is received is
/// closed on exec from the start.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL;
#[cfg(not(target_vendor = "apple"))]
const RECEIVE_FLAGS: c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: c_int = 0;
#[cfg(target_vendor = "apple")]
const RECEIVE_FLAGS: c_int = 0;

/// Where receiving has not done it already. A child that is started in between inherits the descriptor.
#[cfg(target_vendor = "apple")]
fn close_on_exec(descriptor: &OwnedFd) {
    // SAFETY: passes no pointer.
    // It cannot fail for a descriptor that is open.
    let _ = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
}

pub(crate) fn send(socket: BorrowedFd<'_>, object: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut byte = [0_u8];
    let mut parts = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut control = MaybeUninit::<Control>::zeroed();
    let message = message(&mut parts, &mut control, space(1));
    // SAFETY: the message has a control buffer with room for one descriptor.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: only computes.
    let len = unsafe { libc::CMSG_LEN(size_of::<c_int>() as libc::c_uint) };
    // SAFETY: there is a first header in a buffer with room for it, aligned for one; its fields are integers.
    let filled = unsafe { &mut *header };
    filled.cmsg_level = libc::SOL_SOCKET;
    filled.cmsg_type = libc::SCM_RIGHTS;
    filled.cmsg_len = len as _;
    // SAFETY: the header is inside the buffer.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: behind the header there is room for one descriptor, aligned or not.
    unsafe { data.cast::<c_int>().write_unaligned(object.as_raw_fd()) };
    // SAFETY: every pointer of the message is to memory that outlives the call.
    cvt_retry(|| unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, SEND_FLAGS) })
        .map(drop)
}

/// What came in one message.
#[derive(Debug)]
pub(crate) struct Received {
    /// Every descriptor that came; what is dropped is closed.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// There were more than there was room for.
    pub(crate) truncated: bool,
    /// The other side has closed.
    pub(crate) ended: bool,
}

pub(crate) fn receive(socket: BorrowedFd<'_>) -> Result<Received, Errno> {
    let mut byte = [0_u8];
    let mut parts = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut control = MaybeUninit::<Control>::zeroed();
    let mut message = message(&mut parts, &mut control, size_of::<Control>());
    let target = &raw mut message;
    // SAFETY: every pointer of the message is to memory that outlives the call, and as long as it says.
    let bytes = cvt_retry(|| unsafe { libc::recvmsg(socket.as_raw_fd(), target, RECEIVE_FLAGS) })?;
    let mut descriptors = Vec::new();
    // SAFETY: the call has filled in the message.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: a header inside the control buffer, as the function says; its fields are integers.
        let found = unsafe { header.read_unaligned() };
        if (found.cmsg_level, found.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            // SAFETY: the header is inside the buffer.
            let data = unsafe { libc::CMSG_DATA(header) };
            // SAFETY: only computes.
            let empty = unsafe { libc::CMSG_LEN(0) } as usize;
            // A header may speak of more than was delivered.
            let filled = (message.msg_controllen as usize).min(size_of::<Control>());
            let delivered = (message.msg_control.addr() + filled).saturating_sub(data.addr());
            let bytes = (found.cmsg_len as usize).saturating_sub(empty).min(delivered);
            for index in 0..bytes / size_of::<c_int>() {
                // SAFETY: as far as that, the message is in the buffer.
                let at = unsafe { data.add(index * size_of::<c_int>()) };
                // SAFETY: as above, aligned or not.
                let descriptor = unsafe { at.cast::<c_int>().read_unaligned() };
                // SAFETY: the call made this descriptor for us, and nobody else knows its number.
                let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
                #[cfg(target_vendor = "apple")]
                close_on_exec(&descriptor);
                descriptors.push(descriptor);
            }
        }
        // SAFETY: a header of this message.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    let truncated = message.msg_flags & libc::MSG_CTRUNC != 0;
    Ok(Received { descriptors, truncated, ended: bytes == 0 })
}
