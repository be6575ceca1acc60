//! `Shm::send` and `Shm::receive`.

use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

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
