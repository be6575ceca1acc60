//! `Shm::send` and `Shm::receive`, and the module `transfer`.

use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use posix_shm::transfer::{self, Foreign};
use posix_shm::{Operation, Shm};

use crate::common::len;

#[test]
fn a_handle_can_be_sent_over_a_socket() {
    let (here, there) = UnixStream::pair().unwrap();
    let object = Shm::anonymous(100).unwrap();
    object.map_mut().unwrap().bytes().store(99, 5);
    for _ in 0..3 {
        object.send(&here).unwrap();
    }
    for _ in 0..3 {
        let received = Shm::receive(&there).unwrap();
        let inodes = [&received, &object].map(|one| one.metadata().unwrap().inode());
        assert_eq!(inodes[0], inodes[1], "another object was received");
        assert_eq!((received.name(), received.created()), (None, false), "{received:?}");
        assert_eq!(received.map_mut().unwrap().bytes().load(99), 5, "another content");
        // SAFETY: passes no pointer.
        let flags = unsafe { libc::fcntl(received.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC, "not closed on exec");
    }
    let receive = |socket: &UnixStream| Shm::receive(socket).unwrap_err();
    (&here).write_all(b"x").unwrap();
    assert_eq!(receive(&there).kind(), ErrorKind::InvalidData);
    there.set_nonblocking(true).unwrap();
    assert_eq!(receive(&there).kind(), ErrorKind::WouldBlock);
    there.set_nonblocking(false).unwrap();
    // A descriptor of something else is refused and closed.
    let (reader, mut writer) = UnixStream::pair().unwrap();
    Shm::from(OwnedFd::from(reader)).send(&here).unwrap();
    let error = receive(&there);
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidData, Operation::Receive));
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    drop(here);
    assert_eq!(receive(&there).kind(), ErrorKind::UnexpectedEof);
    // The other end is closed: an error, and not a signal.
    assert_eq!(object.send(&there).unwrap_err().kind(), ErrorKind::BrokenPipe);
    let no_socket = object.send(object.as_fd()).unwrap_err();
    assert_eq!(no_socket.raw_os_error(), Some(libc::ENOTSOCK));
}

/// Sends a message with all these descriptors.
pub(crate) fn send_many(socket: &UnixStream, descriptors: &[i32]) {
    let mut byte = [0u8];
    let mut parts = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut control = [0u64; 64];
    // SAFETY: every field is an integer or a pointer, and a pointer may be null.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut parts;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    let bytes = u32::try_from(size_of_val(descriptors)).unwrap();
    // SAFETY: only computes.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes) } as _;
    // SAFETY: the control buffer is long enough.
    let header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    // SAFETY: the buffer is aligned and has room for a header; zeroes are valid integers.
    let filled = unsafe { &mut *header };
    // SAFETY: only computes.
    filled.cmsg_len = unsafe { libc::CMSG_LEN(bytes) } as _;
    filled.cmsg_level = libc::SOL_SOCKET;
    filled.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: the header is inside the buffer.
    let data = unsafe { libc::CMSG_DATA(header) };
    for (i, descriptor) in descriptors.iter().enumerate() {
        for (j, byte) in descriptor.to_ne_bytes().into_iter().enumerate() {
            // SAFETY: the buffer has room for all descriptors.
            let at = unsafe { data.add(4 * i + j) };
            // SAFETY: as above.
            unsafe { at.write(byte) };
        }
    }
    // SAFETY: every pointer of the message is to memory that outlives the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &message, 0) };
    assert_eq!(sent, 1, "sendmsg failed");
}

#[test]
fn surplus_descriptors_are_closed() {
    let (here, there) = UnixStream::pair().unwrap();
    for count in [2, 8, 9, 60] {
        // Once sent and dropped here, the reading ends exist only in the message.
        let pipes: Vec<_> = (0..count).map(|_| UnixStream::pair().unwrap()).collect();
        let ends: Vec<i32> = pipes.iter().map(|(reader, _)| reader.as_raw_fd()).collect();
        send_many(&here, &ends);
        let writers: Vec<_> = pipes.into_iter().map(|(_, writer)| writer).collect();
        let error = Shm::receive(&there).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{count} descriptors: {error}");
        for mut writer in writers {
            // The child of another test has copies of all descriptors until it starts its program.
            let start = Instant::now();
            let error = loop {
                match writer.write(b"x") {
                    Err(error) => break error,
                    Ok(_) if start.elapsed() < Duration::from_secs(10) => {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    Ok(_) => panic!("a surplus descriptor of {count} is still open"),
                }
            };
            assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{count} descriptors: {error}");
        }
    }
    // The socket still works.
    Shm::anonymous(1).unwrap().send(&here).unwrap();
    assert_eq!(Shm::receive(&there).unwrap().len().unwrap(), len(1));
}

/// Every kind of socket that carries descriptors here.
fn kinds() -> impl Iterator<Item = (&'static str, [OwnedFd; 2])> {
    let kinds = [
        ("stream", libc::SOCK_STREAM),
        ("datagram", libc::SOCK_DGRAM),
        #[cfg(not(target_vendor = "apple"))]
        ("seqpacket", libc::SOCK_SEQPACKET),
    ];
    kinds.into_iter().map(|(name, kind)| {
        let mut pair = [-1; 2];
        // SAFETY: the pointer is to room for two descriptors.
        let made = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) };
        assert_eq!(made, 0, "{name}");
        // SAFETY: the call made these descriptors for us.
        (name, pair.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
    })
}

fn set_nonblocking(socket: &OwnedFd) {
    // SAFETY: passes no pointer.
    let set = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(set, 0);
}

/// Some objects, each of another content.
fn some(count: usize) -> Vec<Shm> {
    let one = |i| {
        let object = Shm::anonymous(8).unwrap();
        object.map_mut().unwrap().slice::<u64>(0, 1).unwrap().store(0, i as u64);
        object
    };
    (0..count).map(one).collect()
}

fn content(object: &Shm) -> u64 {
    object.map().unwrap().slice::<u64>(0, 1).unwrap().load(0)
}

#[test]
fn several_objects_and_bytes_travel_in_one_message() {
    let objects = some(transfer::MAX_OBJECTS);
    for (kind, [here, there]) in kinds() {
        for count in [0, 1, 2, 8, 9, 200, transfer::MAX_OBJECTS] {
            let given: Vec<&Shm> = objects.iter().take(count).collect();
            let sent = transfer::send(&here, &given, b"some bytes").unwrap();
            assert_eq!(sent, 10, "{kind}, {count} objects");
            let mut bytes = [0; 64];
            let received = transfer::receive(&there, &mut bytes).unwrap();
            assert_eq!(&bytes[..received.bytes], b"some bytes", "{kind}, {count} objects");
            assert_eq!(received.objects.len(), count, "{kind}");
            assert_eq!((received.others, received.control_messages), (0, 0), "{kind}, {count}");
            for (i, object) in received.objects.enumerate() {
                assert_eq!(content(&object), i as u64, "{kind}: their order is lost");
                // SAFETY: passes no pointer.
                let flags = unsafe { libc::fcntl(object.as_raw_fd(), libc::F_GETFD) };
                assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC, "not closed on exec");
            }
        }
        let one = &objects[0];
        for refused in [
            transfer::send(&here, &[one], &[]),
            transfer::send(&here, &[], &[]),
            transfer::send(&here, &vec![one; transfer::MAX_OBJECTS + 1], b"x"),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput, "{kind}");
        }
        let no_room = transfer::receive(&there, &mut []).unwrap_err();
        assert_eq!(no_room.kind(), ErrorKind::InvalidInput, "{kind}");
        set_nonblocking(&there);
        let empty = transfer::receive(&there, &mut [0]).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::WouldBlock, "{kind}: something was sent");
    }
}

#[test]
fn what_does_not_fit_comes_next_or_is_an_error() {
    let objects = some(2);
    for (kind, [here, there]) in kinds() {
        objects[0].send_with(&here, b"0123456789").unwrap();
        let mut bytes = [0; 4];
        match transfer::receive(&there, &mut bytes) {
            Ok(mut received) => {
                assert_eq!(kind, "stream");
                assert_eq!((received.bytes, &bytes), (4, b"0123"));
                assert_eq!(content(&received.objects.next().unwrap()), 0);
                let mut rest = [0; 64];
                let received = transfer::receive(&there, &mut rest).unwrap();
                assert_eq!(&rest[..received.bytes], b"456789");
                assert_eq!(received.objects.len(), 0, "the object came twice");
            }
            Err(error) => {
                assert_ne!(kind, "stream", "{error}");
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{kind}: {error}");
            }
        }
        // The next message is whole.
        objects[1].send_with(&here, b"next").unwrap();
        let mut received = transfer::receive(&there, &mut bytes).unwrap();
        assert_eq!((received.bytes, &bytes), (4, b"next"), "{kind}");
        assert_eq!(content(&received.objects.next().unwrap()), 1, "{kind}");
    }
}

#[test]
fn a_full_socket_takes_a_part_and_says_how_much() {
    let objects = some(3);
    let given: Vec<&Shm> = objects.iter().collect();
    for (kind, [here, there]) in kinds() {
        set_nonblocking(&here);
        let message = vec![7; 1 << 22];
        let sent = match transfer::send(&here, &given, &message) {
            Ok(sent) => sent,
            Err(error) => {
                // More than a message may have.
                assert_ne!(kind, "stream", "{error}");
                assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{kind}");
                while transfer::send(&here, &given, b"x").is_ok() {}
                0
            }
        };
        let full = transfer::send(&here, &given, &message[..64]).unwrap_err();
        let no_buffers = full.raw_os_error() == Some(libc::ENOBUFS);
        assert!(full.kind() == ErrorKind::WouldBlock || no_buffers, "{kind}: {full}");
        if kind == "stream" {
            let rest = objects[0].send_with(&here, b"x").unwrap_err();
            assert_eq!(rest.kind(), ErrorKind::WouldBlock, "{rest}");
            let (mut objects, mut left, mut bytes) = (0, sent, vec![0; 1 << 16]);
            assert!(left > 0 && left < message.len(), "{left} bytes fit");
            while left > 0 {
                let received = transfer::receive(&there, &mut bytes).unwrap();
                objects += received.objects.len();
                left -= received.bytes;
            }
            assert_eq!(objects, 3, "the objects of a message that was sent in part");
        }
    }
}

#[test]
fn the_rest_of_a_message_is_sent_when_there_is_room() {
    let (here, there) = UnixStream::pair().unwrap();
    let object = &some(1)[0];
    let message: Vec<u8> = (0..1 << 22).map(|i: u32| (i % 251) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| object.send_with(&here, &message).unwrap());
        let (mut all, mut objects, mut bytes) = (Vec::new(), 0, vec![0; 1 << 16]);
        while all.len() < message.len() {
            let received = transfer::receive(&there, &mut bytes).unwrap();
            all.extend_from_slice(&bytes[..received.bytes]);
            objects += received.objects.len();
        }
        assert!(all == message, "other bytes came");
        assert_eq!(objects, 1);
    });
}

#[test]
fn the_end_is_an_error_and_half_a_message_is_not() {
    for (kind, [here, there]) in kinds() {
        some(1)[0].send_with(&here, b"half").unwrap();
        drop(here);
        let mut bytes = [0; 8];
        let received = transfer::receive(&there, &mut bytes).unwrap();
        assert_eq!((received.bytes, received.objects.len()), (4, 1), "{kind}");
        if kind == "datagram" {
            // It has no end.
            set_nonblocking(&there);
        }
        let end = transfer::receive(&there, &mut bytes).unwrap_err();
        if kind == "datagram" {
            let kinds = [ErrorKind::WouldBlock, ErrorKind::ConnectionReset];
            assert!(kinds.contains(&end.kind()), "{end}");
        } else {
            assert_eq!(end.kind(), ErrorKind::UnexpectedEof, "{kind}: {end}");
        }
        // No signal: the test would be killed.
        let gone = transfer::send(&there, &[], b"x").unwrap_err();
        let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionRefused, ErrorKind::NotConnected];
        let kinds = [&kinds[..], &[ErrorKind::ConnectionReset]].concat();
        assert!(kinds.contains(&gone.kind()), "{kind}: {gone}");
    }
}

#[test]
fn an_empty_datagram_is_a_message() {
    let (here, there) = std::os::unix::net::UnixDatagram::pair().unwrap();
    here.send(&[]).unwrap();
    let received = transfer::receive(&there, &mut [0; 4]).unwrap();
    assert_eq!((received.bytes, received.objects.len()), (0, 0));
}

#[test]
fn other_descriptors_are_counted_and_closed_or_handed_out() {
    let object = &some(1)[0];
    for (kind, [here, there]) in kinds() {
        for hand_out in [false, true] {
            let (end, mut other_end) = UnixStream::pair().unwrap();
            let end = Shm::from(OwnedFd::from(end));
            transfer::send(&here, &[&end, object, &end, object], b"x").unwrap();
            drop(end);
            let mut out = Vec::new();
            let received = if hand_out {
                transfer::receive_with(&there, &mut [0], |foreign| match foreign {
                    Foreign::Descriptor(fd) => out.push(fd),
                    other => panic!("{kind}: {other:?}"),
                })
            } else {
                transfer::receive(&there, &mut [0])
            };
            let received = received.unwrap();
            assert_eq!((received.objects.len(), received.others), (2, 2), "{kind}");
            assert_eq!(out.len(), if hand_out { 2 } else { 0 }, "{kind}");
            assert_eq!(other_end.write(b"x").is_ok(), hand_out, "{kind}: open or closed");
            drop(out);
            let error = other_end.write(b"x").expect_err("a descriptor is left open");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{kind}: {error}");
        }
    }
}
