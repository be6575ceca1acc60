//! Sending and receiving handles, against the same calls made by hand.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use posix_shm::Shm;
use posix_shm::transfer::{self, Objects};

use crate::stepped::{CAN_STEP, allocations, cost};

/// What a message may cost over the calls by hand, and each further object.
const ALLOWED: u64 = 400;
const ALLOWED_MORE: u64 = 100;

#[repr(C, align(8))]
struct Control([u8; 64]);

/// The calls by hand: the socket's kind, and a message of one byte and some descriptors.
fn send_by_hand(socket: i32, descriptors: &[i32]) {
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

/// The calls by hand: a message, and two questions about each descriptor.
fn receive_by_hand(socket: i32, expected: usize) {
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

fn fits(what: &str, by_hand: &dyn Fn(), ours: &dyn Fn(), objects: u64) -> bool {
    let (by_hand, ours) = (cost(by_hand).instructions, cost(ours).instructions);
    let over = ours.saturating_sub(by_hand);
    println!("{what}: {by_hand} by hand, {ours} here, {over} over");
    over <= ALLOWED + (objects - 1) * ALLOWED_MORE
}

pub(crate) fn main() {
    let (here, there) = UnixStream::pair().unwrap();
    let (from, to) = (here.as_raw_fd(), there.as_raw_fd());
    let object = Shm::anonymous(4096).unwrap();
    let fd = object.as_raw_fd();

    if CAN_STEP {
        // Each runs three times: once in the child as well.
        let mut fit =
            fits("Shm::send", &|| send_by_hand(from, &[fd]), &|| object.send(&here).unwrap(), 1);
        fit &= fits(
            "transfer::send",
            &|| send_by_hand(from, &[fd]),
            &|| assert_eq!(transfer::send(&here, &[&object], &[0]).unwrap(), 1),
            1,
        );
        // What was sent is taken again.
        (0..12).for_each(|_| receive_by_hand(to, 1));
        (0..12).for_each(|_| send_by_hand(from, &[fd]));
        let by_hand = || receive_by_hand(to, 1);
        fit &= fits("Shm::receive", &by_hand, &|| drop(Shm::receive(&there).unwrap()), 1);
        let ours = || drop(transfer::receive(&there, &mut [0]).unwrap());
        fit &= fits("transfer::receive", &by_hand, &ours, 1);
        (0..6).for_each(|_| send_by_hand(from, &[fd; 8]));
        fit &= fits("transfer::receive, 8 objects", &|| receive_by_hand(to, 8), &ours, 8);
        assert!(fit, "more instructions than are allowed over the calls by hand");
    }

    let most = [&object; transfer::MAX_OBJECTS];
    for count in [1, Objects::WITHOUT_ALLOCATING] {
        let allocated = allocations(|| {
            transfer::send(&here, &most[..count], b"bytes").unwrap();
            let received = transfer::receive(&there, &mut [0; 8]).unwrap();
            assert_eq!((received.objects.len(), received.bytes), (count, 5));
        });
        assert_eq!(allocated, 0, "{count} objects were not free");
    }
    let allocated = allocations(|| {
        object.send(&here).unwrap();
        drop(Shm::receive(&there).unwrap());
        transfer::send(&here, &most, b"bytes").unwrap();
    });
    assert_eq!(allocated, 0, "sending, or the simple form, allocates");
    println!("allocations: none up to {} objects", Objects::WITHOUT_ALLOCATING);
}
