//! One descriptor over a Unix socket: `sendmsg` and `recvmsg` with `SCM_RIGHTS`. The `libc` crate
//! has the layout of the messages.

use std::ffi::c_int;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::failure::{Errno, cvt, cvt_retry};

/// Control messages with descriptors, aligned as their headers must be. There is room for all that
/// any system lets a peer send in one message (253 descriptors on Linux, 2 KiB on macOS), so that
/// all are seen and closed. macOS leaves what is cut off open in this process, and OpenBSD refuses
/// the whole message with `EMSGSIZE`.
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

/// A message of these bytes, since some systems drop a control message that comes alone, with a
/// control message in `control`.
fn message(
    bytes: &mut libc::iovec,
    control: &mut MaybeUninit<Control>,
    space: usize,
) -> libc::msghdr {
    // SAFETY: every field is an integer or a pointer, and pointers may be null.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = space as _;
    message
}

/// If the system has these flags, a peer that is gone is an error and not a signal, and a
/// descriptor that is received is closed on exec from the start.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL;
#[cfg(not(target_vendor = "apple"))]
const RECEIVE_FLAGS: c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: c_int = 0;
#[cfg(target_vendor = "apple")]
const RECEIVE_FLAGS: c_int = 0;

/// For systems on which receiving has not done it. A child that is started in between inherits the
/// descriptor.
#[cfg(target_vendor = "apple")]
fn close_on_exec(descriptor: &OwnedFd) {
    // SAFETY: passes no pointer. It cannot fail for a descriptor that is open.
    let _ = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// Whether a descriptor is of a Unix socket. Others take a message and drop what comes with it.
fn is_unix(socket: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut address = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let at = address.as_mut_ptr().cast();
    // SAFETY: the pointers are to room for an address and to its length.
    match cvt(unsafe { libc::getsockname(socket.as_raw_fd(), at, &raw mut len) }) {
        Ok(_) => {}
        // A filter forbids the question. Sending may be allowed.
        Err(Errno::PERM | Errno::NOSYS | Errno::ACCES) => return Ok(true),
        Err(errno) => return Err(errno),
    }
    // SAFETY: every field is an integer, and all are zero or filled in.
    let address = unsafe { address.assume_init() };
    Ok(c_int::from(address.ss_family) == libc::AF_UNIX)
}

/// The kind of a socket: `SOCK_STREAM` and the like. None if the system does not tell.
fn kind_of(socket: BorrowedFd<'_>) -> Option<c_int> {
    let mut kind: c_int = 0;
    let mut len = size_of::<c_int>() as libc::socklen_t;
    let (level, option, at) = (libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast());
    // SAFETY: the pointers are to an integer and to its length.
    let asked = unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, at, &raw mut len) };
    cvt(asked).ok().map(|_| kind)
}

/// Sends one descriptor. `EAFNOSUPPORT`: the socket is of a kind that carries none.
pub(crate) fn send(socket: BorrowedFd<'_>, object: BorrowedFd<'_>) -> Result<(), Errno> {
    if !is_unix(socket)? {
        return Err(Errno::AFNOSUPPORT);
    }
    let mut byte = [0_u8];
    let mut parts = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut control = MaybeUninit::<Control>::zeroed();
    let message = message(&mut parts, &mut control, space(1));
    // SAFETY: the message has a control buffer with room for one descriptor.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: only computes.
    let len = unsafe { libc::CMSG_LEN(size_of::<c_int>() as libc::c_uint) };
    // SAFETY: there is a first header in a buffer with room for it, aligned for one; its fields are
    // integers.
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
    /// Every descriptor of an object that came. A dropped one is closed.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// There were more descriptors than there was room for.
    pub(crate) truncated: bool,
    /// The other side has closed.
    pub(crate) ended: bool,
    /// There were more bytes than the one that [`send`] writes.
    pub(crate) payload: bool,
}

/// The kinds of control messages with descriptors, and whether a peer has sent these descriptors.
const WITH_DESCRIPTORS: &[(c_int, bool)] = &[
    (libc::SCM_RIGHTS, true),
    // A descriptor of the peer itself, which Linux adds if the socket has SO_PASSPIDFD.
    #[cfg(pshm_has_scm_pidfd)]
    (posix_shm_sys::SCM_PIDFD, false),
];

pub(crate) fn receive(socket: BorrowedFd<'_>) -> Result<Received, Errno> {
    let (mut received, first) = take(socket, RECEIVE_FLAGS)?;
    // An empty datagram is a message.
    received.ended = received.ended && kind_of(socket) != Some(libc::SOCK_DGRAM);
    // A stream has no ends of messages. `send` writes a zero. After another byte, what follows
    // without a descriptor of its own counts as part of the message.
    let others = [libc::SOCK_DGRAM, libc::SOCK_SEQPACKET].map(Some);
    if !received.descriptors.is_empty() && first != 0 && !others.contains(&kind_of(socket)) {
        let look = RECEIVE_FLAGS | libc::MSG_PEEK | libc::MSG_DONTWAIT;
        let next = take(socket, look).ok().map(|(next, _)| next);
        received.payload |= next.is_some_and(|next| !next.ended && next.descriptors.is_empty());
    }
    Ok(received)
}

/// Takes one byte of a message, with all descriptors of the message. Returns the byte too.
fn take(socket: BorrowedFd<'_>, flags: c_int) -> Result<(Received, u8), Errno> {
    // No more than `send` writes, so that no byte of another message is taken.
    let mut first = [0_u8; 1];
    let mut parts = libc::iovec { iov_base: first.as_mut_ptr().cast(), iov_len: first.len() };
    let mut control = MaybeUninit::<Control>::zeroed();
    let mut message = message(&mut parts, &mut control, size_of::<Control>());
    let target = &raw mut message;
    // SAFETY: every pointer of the message is to memory that outlives the call, and as long as it
    // says.
    let bytes = cvt_retry(|| unsafe { libc::recvmsg(socket.as_raw_fd(), target, flags) })?;
    let mut descriptors = Vec::new();
    // SAFETY: the call has filled in the message.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: a header inside the control buffer, as the function says; its fields are
        // integers.
        let found = unsafe { header.read_unaligned() };
        let known = WITH_DESCRIPTORS.iter().find(|known| known.0 == found.cmsg_type);
        if let (libc::SOL_SOCKET, Some((_, sent))) = (found.cmsg_level, known) {
            // SAFETY: the header is inside the buffer.
            let data = unsafe { libc::CMSG_DATA(header) };
            // SAFETY: only computes.
            let empty = unsafe { libc::CMSG_LEN(0) } as usize;
            // A header may claim more than was delivered.
            let filled = (message.msg_controllen as usize).min(size_of::<Control>());
            let delivered = (message.msg_control.addr() + filled).saturating_sub(data.addr());
            let bytes = (found.cmsg_len as usize).saturating_sub(empty).min(delivered);
            for index in 0..bytes / size_of::<c_int>() {
                // SAFETY: as far as that, the message is in the buffer.
                let at = unsafe { data.add(index * size_of::<c_int>()) };
                // SAFETY: as above, aligned or not.
                let descriptor = unsafe { at.cast::<c_int>().read_unaligned() };
                if descriptor < 0 {
                    // An error number: the kernel had no descriptor left for it.
                    continue;
                }
                // SAFETY: the call made this descriptor for us, and nobody else knows its number.
                let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
                #[cfg(target_vendor = "apple")]
                close_on_exec(&descriptor);
                if *sent {
                    descriptors.push(descriptor);
                }
            }
        }
        // SAFETY: a header of this message.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    let truncated = message.msg_flags & libc::MSG_CTRUNC != 0;
    let payload = message.msg_flags & libc::MSG_TRUNC != 0;
    Ok((Received { descriptors, truncated, ended: bytes == 0, payload }, first[0]))
}
