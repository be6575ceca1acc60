//! Descriptors over Unix sockets: `sendmsg` and `recvmsg` with `SCM_RIGHTS`. The `libc` crate has
//! the layout of the messages.

use std::ffi::c_int;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use crate::failure::{Errno, cvt, cvt_retry};

/// How many descriptors one message may carry: `SCM_MAX_FD` in Linux' `include/net/scm.h`. Other
/// systems take more.
pub(crate) const MAX_DESCRIPTORS: usize = 253;

/// Room for control messages, aligned as their headers must be. It is never cleared: we or the
/// system fill in what is read.
#[repr(C)]
union Control<const ROOM: usize> {
    header: libc::cmsghdr,
    bytes: [u8; ROOM],
}

/// Room for all that any system lets a peer send in one message (253 descriptors on Linux, 2 KiB on
/// macOS), so that all are seen and closed. macOS leaves what is cut off open in this process, and
/// OpenBSD refuses the whole message with `EMSGSIZE`.
const ROOM_FOR_ALL: usize = 4096;

/// Room for a control message with one descriptor, which is all that most messages have.
const ROOM_FOR_ONE: usize = space(1);

/// The bytes of a control message with this many descriptors.
#[inline]
const fn space(descriptors: usize) -> usize {
    assert!(descriptors <= MAX_DESCRIPTORS);
    // A few words.
    let bytes = (descriptors * size_of::<c_int>()) as libc::c_uint;
    // SAFETY: only computes.
    unsafe { libc::CMSG_SPACE(bytes) as usize }
}

/// A message of these bytes, with control messages of `space` bytes in `control`.
#[inline]
fn message<const ROOM: usize>(
    bytes: &mut libc::iovec,
    control: &mut MaybeUninit<Control<ROOM>>,
    space: usize,
) -> libc::msghdr {
    assert!(space <= ROOM);
    // SAFETY: every field is an integer or a pointer, and pointers may be null.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = bytes;
    message.msg_iovlen = 1;
    if space > 0 {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = space as _;
    }
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

/// Makes a peer that is gone an error and not a signal, on systems that have no flag for one call.
#[cfg(target_vendor = "apple")]
fn no_signal(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    let (on, len) = (1 as c_int, size_of::<c_int>() as libc::socklen_t);
    let (level, option, at) = (libc::SOL_SOCKET, libc::SO_NOSIGPIPE, (&raw const on).cast());
    // SAFETY: the pointer is to an integer of that length.
    cvt(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, at, len) }).map(drop)
}

#[cfg(not(target_vendor = "apple"))]
fn no_signal(_: BorrowedFd<'_>) -> Result<(), Errno> {
    Ok(())
}

/// For systems on which receiving has not done it. A child that is started in between inherits the
/// descriptor.
#[cfg(target_vendor = "apple")]
fn close_on_exec(descriptor: &OwnedFd) {
    // SAFETY: passes no pointer. It cannot fail for a descriptor that is open.
    let _ = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// `EAFNOSUPPORT` if a descriptor is not of a Unix socket. Other sockets take a message and drop
/// the descriptors that come with it.
#[inline]
fn check_unix(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // Room for the family alone: the system cuts off what does not fit.
    // SAFETY: every field is an integer.
    let mut address: libc::sockaddr = unsafe { mem::zeroed() };
    let mut len = size_of::<libc::sockaddr>() as libc::socklen_t;
    let at = &raw mut address;
    // SAFETY: the pointers are to room for an address and to its length.
    match cvt(unsafe { libc::getsockname(socket.as_raw_fd(), at, &raw mut len) }) {
        Ok(_) if c_int::from(address.sa_family) == libc::AF_UNIX => Ok(()),
        Ok(_) => Err(Errno::AFNOSUPPORT),
        // A filter forbids the question. Sending may be allowed.
        Err(Errno::PERM | Errno::NOSYS | Errno::ACCES) => Ok(()),
        Err(errno) => Err(errno),
    }
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

/// Sends bytes, and at most [`MAX_DESCRIPTORS`] descriptors with the first of them. Returns how
/// many bytes were sent. `EAFNOSUPPORT`: the socket is of a kind that carries no descriptors.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    descriptors: impl ExactSizeIterator<Item = RawFd>,
    bytes: &[u8],
) -> Result<usize, Errno> {
    send_in::<ROOM_FOR_ALL>(socket, descriptors, bytes)
}

/// [`send`] for one byte and one descriptor.
pub(crate) fn send_one(socket: BorrowedFd<'_>, descriptor: RawFd, byte: u8) -> Result<(), Errno> {
    // `sendmsg` sends the byte, or fails.
    send_in::<ROOM_FOR_ONE>(socket, [descriptor].into_iter(), &[byte]).map(drop)
}

#[inline(always)]
fn send_in<const ROOM: usize>(
    socket: BorrowedFd<'_>,
    descriptors: impl ExactSizeIterator<Item = RawFd>,
    bytes: &[u8],
) -> Result<usize, Errno> {
    check_unix(socket)?;
    no_signal(socket)?;
    // The call only reads them.
    let start = bytes.as_ptr().cast_mut().cast();
    let mut parts = libc::iovec { iov_base: start, iov_len: bytes.len() };
    let mut control = MaybeUninit::<Control<ROOM>>::uninit();
    let space = if descriptors.len() == 0 { 0 } else { space(descriptors.len()) };
    let message = message(&mut parts, &mut control, space);
    if space > 0 {
        fill(&message, space, descriptors);
    }
    // SAFETY: every pointer of the message is to memory that outlives the call, and the call only
    // reads it.
    cvt_retry(|| unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, SEND_FLAGS) })
        .map(isize::unsigned_abs)
}

/// Writes the one control message of a message, whose buffer has `space` bytes for it.
#[inline]
fn fill(message: &libc::msghdr, space: usize, descriptors: impl ExactSizeIterator<Item = RawFd>) {
    // The gaps too, so that the system is given nothing uninitialised.
    // SAFETY: the control buffer has that many bytes.
    unsafe { message.msg_control.cast::<u8>().write_bytes(0, space) };
    let size = (descriptors.len() * size_of::<c_int>()) as libc::c_uint;
    // SAFETY: the message has a control buffer with room for these descriptors.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: only computes.
    let len = unsafe { libc::CMSG_LEN(size) };
    // SAFETY: there is a first header in a buffer with room for it, aligned for one; its fields are
    // integers, and all are zero.
    let filled = unsafe { &mut *header };
    filled.cmsg_level = libc::SOL_SOCKET;
    filled.cmsg_type = libc::SCM_RIGHTS;
    filled.cmsg_len = len as _;
    // SAFETY: the header is inside the buffer.
    let data = unsafe { libc::CMSG_DATA(header) };
    let room = size as usize / size_of::<c_int>();
    for (index, descriptor) in descriptors.take(room).enumerate() {
        // SAFETY: behind the header there is room for `room` descriptors.
        let at = unsafe { data.add(index * size_of::<c_int>()) };
        // SAFETY: as above, aligned or not.
        unsafe { at.cast::<c_int>().write_unaligned(descriptor) };
    }
}

/// What came beside the bytes of a message.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// A descriptor that the peer has sent.
    Sent(OwnedFd),
    /// A descriptor of the peer itself, which the system added.
    #[cfg_attr(not(pshm_has_scm_pidfd), allow(dead_code, reason = "only Linux adds one"))]
    Process(OwnedFd),
    /// A control message without descriptors.
    Other { level: c_int, kind: c_int, data: &'a [u8] },
}

/// What a call has received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// How many bytes.
    pub(crate) bytes: usize,
    /// The other side has closed.
    pub(crate) ended: bool,
    /// `msg_flags`.
    flags: c_int,
}

impl Taken {
    /// Whether the message had more bytes than there was room for.
    pub(crate) fn is_cut(self) -> bool {
        self.flags & libc::MSG_TRUNC != 0
    }

    /// Whether there were more descriptors than could be had here.
    pub(crate) fn lacks_descriptors(self) -> bool {
        self.flags & libc::MSG_CTRUNC != 0
    }
}

/// The control messages of a message. Dropping it closes the descriptors that were not taken.
#[derive(Debug)]
pub(crate) struct Items<'a> {
    message: &'a libc::msghdr,
    /// The next header.
    header: *mut libc::cmsghdr,
    /// The descriptors of the last header that are not taken, and how they are handed out.
    next: *const u8,
    left: usize,
    wrap: Wrap,
}

/// How the descriptors of a control message are handed out.
type Wrap = fn(OwnedFd) -> Item<'static>;

/// How the descriptors of this kind of control message are handed out, if it has descriptors.
fn descriptors_of(level: c_int, kind: c_int) -> Option<Wrap> {
    match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_RIGHTS) => Some(Item::Sent),
        // Linux adds one if the socket has SO_PASSPIDFD.
        #[cfg(pshm_has_scm_pidfd)]
        (libc::SOL_SOCKET, posix_shm_sys::SCM_PIDFD) => Some(Item::Process),
        _ => None,
    }
}

/// Takes a descriptor out of a control message.
///
/// # Safety
///
/// `at`, aligned or not, holds a descriptor that `recvmsg` created and that nothing else owns.
#[inline]
unsafe fn read_descriptor(at: *const u8) -> Option<OwnedFd> {
    // SAFETY: the caller's promise.
    let descriptor = unsafe { at.cast::<c_int>().read_unaligned() };
    if descriptor < 0 {
        // An error number: the kernel had no descriptor left for it.
        return None;
    }
    // SAFETY: the caller's promise.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    #[cfg(target_vendor = "apple")]
    close_on_exec(&descriptor);
    Some(descriptor)
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            while self.left > 0 {
                // SAFETY: so many descriptors are left in the buffer, and each is read once.
                let descriptor = unsafe { read_descriptor(self.next) };
                self.next = self.next.wrapping_add(size_of::<c_int>());
                self.left -= 1;
                if let Some(descriptor) = descriptor {
                    return Some((self.wrap)(descriptor));
                }
            }
            if self.header.is_null() {
                return None;
            }
            if let Some(other) = self.advance() {
                return Some(other);
            }
        }
    }
}

impl<'a> Items<'a> {
    #[cold]
    fn close_all(&mut self) {
        self.for_each(drop);
    }

    /// Goes to the next header. Returns a message without descriptors, or makes those that it has
    /// the next ones.
    #[allow(clippy::unnecessary_cast, reason = "the fields are narrower on other systems")]
    fn advance(&mut self) -> Option<Item<'a>> {
        // SAFETY: a header inside the control buffer, which the system has filled in; its fields
        // are integers.
        let found = unsafe { self.header.read_unaligned() };
        // SAFETY: the header is inside the buffer.
        let data = unsafe { libc::CMSG_DATA(self.header) };
        // SAFETY: only computes.
        let empty = unsafe { libc::CMSG_LEN(0) } as usize;
        // A header may claim more than was delivered.
        let filled = (self.message.msg_controllen as usize).min(ROOM_FOR_ALL);
        let end = self.message.msg_control.addr() + filled;
        let delivered = end.saturating_sub(data.addr());
        let bytes = (found.cmsg_len as usize).saturating_sub(empty).min(delivered);
        // SAFETY: a header of this message.
        self.header = unsafe { libc::CMSG_NXTHDR(self.message, self.header) };
        let (level, kind) = (found.cmsg_level, found.cmsg_type);
        if let Some(wrap) = descriptors_of(level, kind) {
            (self.next, self.left, self.wrap) = (data, bytes / size_of::<c_int>(), wrap);
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "the call's buffer is not mapped")]
        // SAFETY: so many bytes of the buffer are filled in, and nothing writes to it.
        let data = unsafe { std::slice::from_raw_parts(data, bytes) };
        Some(Item::Other { level, kind, data })
    }
}

impl Drop for Items<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.left != 0 || !self.header.is_null() {
            self.close_all();
        }
    }
}

/// Receives bytes and what comes with them, which `handle` may take.
pub(crate) fn receive<T>(
    socket: BorrowedFd<'_>,
    into: &mut [u8],
    handle: impl FnOnce(Taken, &mut Items<'_>) -> T,
) -> Result<T, Errno> {
    take(socket, into, RECEIVE_FLAGS, handle)
}

/// Whether bytes follow that have no descriptor of their own. Takes nothing, and does not wait.
pub(crate) fn more_follows(socket: BorrowedFd<'_>) -> bool {
    // Only a stream has no ends of messages.
    if [libc::SOCK_DGRAM, libc::SOCK_SEQPACKET].map(Some).contains(&kind_of(socket)) {
        return false;
    }
    let look = RECEIVE_FLAGS | libc::MSG_PEEK | libc::MSG_DONTWAIT;
    let follows = take(socket, &mut [0], look, |taken, items| {
        !taken.ended && !items.any(|item| matches!(item, Item::Sent(_)))
    });
    follows.unwrap_or(false)
}

/// [`receive`] for one descriptor. A message that has one and nothing else is taken directly;
/// `handle` gets every other message.
#[inline]
pub(crate) fn receive_one<E>(
    socket: BorrowedFd<'_>,
    byte: &mut [u8; 1],
    handle: impl FnOnce(Taken, &mut Items<'_>) -> Result<OwnedFd, E>,
) -> Result<Result<OwnedFd, E>, Errno> {
    call(socket, byte, RECEIVE_FLAGS, |message, bytes| {
        // SAFETY: the call has filled in the message, and nothing of it is taken.
        match unsafe { only(message) } {
            Some(descriptor) => Ok(descriptor),
            None => sort(socket, message, bytes, handle),
        }
    })
}

fn take<T>(
    socket: BorrowedFd<'_>,
    into: &mut [u8],
    flags: c_int,
    handle: impl FnOnce(Taken, &mut Items<'_>) -> T,
) -> Result<T, Errno> {
    call(socket, into, flags, |message, bytes| sort(socket, message, bytes, handle))
}

/// `recvmsg`. `then` gets the message that it has filled in, and how many bytes came.
#[inline]
fn call<T>(
    socket: BorrowedFd<'_>,
    into: &mut [u8],
    flags: c_int,
    then: impl FnOnce(&libc::msghdr, usize) -> T,
) -> Result<T, Errno> {
    let mut parts = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let mut control = MaybeUninit::<Control<ROOM_FOR_ALL>>::uninit();
    let mut message = message(&mut parts, &mut control, ROOM_FOR_ALL);
    let target = &raw mut message;
    // SAFETY: every pointer of the message is to memory that outlives the call, and as long as it
    // says.
    let bytes = cvt_retry(|| unsafe { libc::recvmsg(socket.as_raw_fd(), target, flags) })?;
    Ok(then(&message, bytes.unsigned_abs()))
}

/// The descriptor of a message that has one and nothing else, and is whole.
///
/// # Safety
///
/// `recvmsg` has filled in `message`, and its descriptors have not been taken.
#[inline]
#[allow(clippy::unnecessary_cast, reason = "the fields are narrower on other systems")]
unsafe fn only(message: &libc::msghdr) -> Option<OwnedFd> {
    let cut = message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
    // SAFETY: only computes.
    let one = unsafe { libc::CMSG_LEN(size_of::<c_int>() as libc::c_uint) } as usize;
    // OpenBSD does not count the padding.
    if cut || !(one..=ROOM_FOR_ONE).contains(&(message.msg_controllen as usize)) {
        return None;
    }
    let header = message.msg_control.cast::<libc::cmsghdr>();
    // SAFETY: the system has filled in more bytes than a header has; its fields are integers.
    let found = unsafe { header.read_unaligned() };
    let kind = (found.cmsg_level, found.cmsg_type, found.cmsg_len as usize);
    if kind != (libc::SOL_SOCKET, libc::SCM_RIGHTS, one) {
        return None;
    }
    // SAFETY: the header is inside the buffer.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: the header says that there is one descriptor, and the buffer was filled to its end.
    unsafe { read_descriptor(data) }
}

/// Hands out what a call has received.
#[inline]
fn sort<T>(
    socket: BorrowedFd<'_>,
    message: &libc::msghdr,
    bytes: usize,
    handle: impl FnOnce(Taken, &mut Items<'_>) -> T,
) -> T {
    // SAFETY: the call has filled in the message.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // An empty datagram is a message.
    let ended = bytes == 0 && kind_of(socket) != Some(libc::SOCK_DGRAM);
    let taken = Taken { bytes, ended, flags: message.msg_flags };
    let (next, wrap) = (ptr::null(), Item::Sent as Wrap);
    handle(taken, &mut Items { message, header, next, left: 0, wrap })
}
