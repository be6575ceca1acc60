//! Handles that travel over sockets with everything that a socket may add, and sockets that carry
//! no handles at all.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use posix_shm::Shm;

use crate::alone::check;
use crate::lab::{Cases, descriptors, limit, pipe, refused};

crate::tasks! { EVERYWHERE:
    fault_10_whatever_the_socket_adds_is_closed
    words_sending_over_a_socket_that_carries_no_descriptors_is_an_error
    words_a_payload_beside_the_descriptor_is_not_lost
}

/// What makes a socket add to each message. The numbers of the newer ones are Linux' own.
const ADDS: &[(&str, libc::c_int)] = &[
    ("SO_PASSCRED", libc::SO_PASSCRED),
    ("SO_PASSSEC", libc::SO_PASSSEC),
    ("SO_PASSPIDFD", libc::SO_PASSPIDFD),
    ("SO_TIMESTAMP", libc::SO_TIMESTAMP),
    ("SO_TIMESTAMPNS", libc::SO_TIMESTAMPNS),
    ("SO_RXQ_OVFL", libc::SO_RXQ_OVFL),
];

pub(crate) const KINDS: [libc::c_int; 3] =
    [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET];

pub(crate) fn pair(kind: libc::c_int) -> [OwnedFd; 2] {
    let mut pair = [-1; 2];
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: the pointer is to room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) }).unwrap();
    pair.map(|fd| {
        // SAFETY: the call made this descriptor for us.
        unsafe { OwnedFd::from_raw_fd(fd) }
    })
}

/// Switches an option on, where the kernel has it.
pub(crate) fn switch_on(socket: &OwnedFd, option: libc::c_int) -> bool {
    let (on, len) = (1 as libc::c_int, size_of::<libc::c_int>() as libc::socklen_t);
    let (fd, level) = (socket.as_raw_fd(), libc::SOL_SOCKET);
    // SAFETY: the pointer is to an integer of that length.
    unsafe { libc::setsockopt(fd, level, option, (&raw const on).cast(), len) == 0 }
}

/// Sends bytes with descriptors, as another program may.
pub(crate) fn send_raw(socket: &OwnedFd, bytes: &[u8], objects: &[libc::c_int]) {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // Room for as many as the kernel takes.
    let mut control = [0_u64; 160];
    let len = size_of_val(objects) as libc::c_uint;
    // SAFETY: every field is an integer or a pointer, which may be null.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: only computes.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(len) } as _;
    // SAFETY: the message has a control buffer with room for the header.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: only computes.
    let cmsg_len = unsafe { libc::CMSG_LEN(len) } as _;
    // SAFETY: the header is inside the buffer, and its fields are integers.
    let filled = unsafe { &mut *header };
    filled.cmsg_level = libc::SOL_SOCKET;
    filled.cmsg_type = libc::SCM_RIGHTS;
    filled.cmsg_len = cmsg_len;
    // SAFETY: the header is inside the buffer.
    let data = unsafe { libc::CMSG_DATA(header) };
    for (index, object) in objects.iter().enumerate() {
        // SAFETY: the buffer has room for all of them.
        let at = unsafe { data.add(size_of::<libc::c_int>() * index) };
        // SAFETY: as above, aligned or not.
        unsafe { at.cast::<libc::c_int>().write_unaligned(*object) };
    }
    // SAFETY: every pointer of the message is to memory that outlives the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    assert_eq!(sent, bytes.len() as isize, "sent");
}

fn fault_10_whatever_the_socket_adds_is_closed() {
    let object = Shm::anonymous(100).unwrap();
    object.map_mut().unwrap().bytes().store(7, 8);
    let mut cases = Cases::new();
    let all: Vec<_> = ADDS.iter().map(|add| add.1).collect();
    let single = ADDS.iter().map(|(name, option)| (*name, vec![*option]));
    for (what, options) in single.chain([("all of them", all)]) {
        for kind in KINDS {
            let [here, there] = pair(kind);
            let on = options.iter().filter(|&&option| switch_on(&there, option)).count();
            if on == 0 {
                // This kernel does not know the option.
                continue;
            }
            cases.case(format_args!("{what}, socket {kind}"), || {
                let before = descriptors();
                for _ in 0..10 {
                    object.send(&here).unwrap();
                    let received = Shm::receive(&there).unwrap();
                    assert_eq!(received.map().unwrap().bytes().load(7), 8);
                }
                assert_eq!(descriptors(), before, "descriptors are left open");
                let fd = object.as_raw_fd();
                for _ in 0..10 {
                    send_raw(&here, b"0", &[fd, fd, fd]);
                    refused(Shm::receive(&there));
                    send_raw(&here, b"0", &[here.as_raw_fd()]);
                    refused(Shm::receive(&there));
                    // SAFETY: the pointer is to one byte.
                    let sent = unsafe { libc::send(here.as_raw_fd(), b"0".as_ptr().cast(), 1, 0) };
                    assert_eq!(sent, 1);
                    refused(Shm::receive(&there));
                }
                assert_eq!(descriptors(), before, "descriptors of refused messages are left open");
            });
        }
    }
    let [here, there] = pair(libc::SOCK_SEQPACKET);
    if switch_on(&there, libc::SO_PASSPIDFD) {
        // Without room, the kernel puts an error number where the descriptor would be.
        cases.case("a descriptor fits, and what the socket adds does not", || {
            let before = descriptors();
            for _ in 0..3 {
                object.send(&here).unwrap();
            }
            // The lowest that is free.
            let next = fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
            for room in [1, 0, 2] {
                limit(libc::RLIMIT_NOFILE, next + room);
                let received = Shm::receive(&there);
                limit(libc::RLIMIT_NOFILE, next + 100);
                if let Ok(object) = received {
                    assert_eq!(object.map().unwrap().bytes().load(7), 8, "room for {room}");
                }
                assert_eq!(descriptors(), before, "room for {room}: descriptors are left open");
            }
        });
    }
    cases.end();
}

fn words_sending_over_a_socket_that_carries_no_descriptors_is_an_error() {
    let object = Shm::anonymous(100).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_accepted, _) = listener.accept().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.connect(udp.local_addr().unwrap()).unwrap();
    for (what, socket) in [("TCP", stream.as_fd()), ("UDP", udp.as_fd())] {
        match object.send(socket) {
            Ok(()) => panic!("{what}: it says that it was sent"),
            Err(error) => {
                assert!(error.to_string().contains("Unix"), "{what}: {error}");
            }
        }
    }
    let [read, write] = pipe();
    for (what, no_socket) in [("pipe", write.as_fd()), ("pipe", read.as_fd())] {
        assert!(object.send(no_socket).is_err(), "{what}");
    }
    assert!(object.send(fs::File::open("/dev/null").unwrap()).is_err());
    let (here, there) = UnixDatagram::pair().unwrap();
    object.send(&here).unwrap();
    Shm::receive(&there).unwrap();
}

/// On a stream the rest is read next. Of a datagram nothing is left to read, so it is refused.
fn words_a_payload_beside_the_descriptor_is_not_lost() {
    let object = Shm::anonymous(100).unwrap();
    let before = descriptors();
    for kind in [libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        let [here, there] = pair(kind);
        send_raw(&here, b"hello", &[object.as_raw_fd()]);
        let error = refused(Shm::receive(&there));
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(error.to_string().contains("bytes"), "{error}");
        // The next message is whole.
        object.send(&here).unwrap();
        Shm::receive(&there).unwrap();
    }
    let [here, there] = pair(libc::SOCK_STREAM);
    send_raw(&here, b"hello", &[object.as_raw_fd()]);
    let received = Shm::receive(&there);
    drop(here);
    if received.is_ok() {
        let mut rest = String::new();
        UnixStream::from(there.try_clone().unwrap()).read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "ello", "what came beside the descriptor is lost");
    }
    drop((there, received));
    assert_eq!(descriptors(), before, "descriptors are left open");
}
