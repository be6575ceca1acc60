//! Descriptors and messages that come from elsewhere.

use std::ffi::CString;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use posix_shm::Shm;

use crate::alone::check;
use crate::filter::{self, Call};
use crate::lab::{
    Cases, descriptors, leaves_nothing, limit, memfd, next_descriptor, own_shm, refused, truncate,
};
use crate::sockets::{KINDS, pair, send_raw};

crate::tasks! { EVERYWHERE:
    attack_16_an_empty_datagram_is_not_the_end
    attack_17_a_stray_byte_before_an_object_costs_one_receive
    attack_20_sending_works_without_getsockname
    attack_21_a_message_whose_byte_is_not_zero_is_received_if_nothing_follows
}

crate::tasks! { ON_LINUX:
    attack_15_a_descriptor_for_a_path_alone_is_refused
    attack_18_a_descriptor_that_can_only_write_is_refused
    attack_19_from_fd_closes_the_descriptor_on_exec
    attack_28_a_descriptor_that_finds_no_room_is_emfile
}

fn open(path: &str, flags: libc::c_int) -> OwnedFd {
    let path = CString::new(path).unwrap();
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    check(fd).unwrap();
    // SAFETY: the call made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn attack_15_a_descriptor_for_a_path_alone_is_refused() {
    own_shm("size=1m");
    Shm::create("/x", 100).unwrap();
    let anonymous = Shm::anonymous(100).unwrap();
    let by_number = format!("/proc/self/fd/{}", anonymous.as_raw_fd());
    for path in ["/dev/shm/x", &by_number, "/dev/shm", "/dev/null"] {
        let error = leaves_nothing(|| refused(Shm::from_fd(open(path, libc::O_PATH), None)));
        let kinds = [Some(libc::EBADF), Some(libc::EINVAL), None];
        assert!(kinds.contains(&error.raw_os_error()), "{path}: {error}");
        for kind in KINDS {
            leaves_nothing(|| {
                let [here, there] = pair(kind);
                send_raw(&here, b"\0", &[open(path, libc::O_PATH).as_raw_fd()]);
                refused(Shm::receive(&there));
                // The socket is as good as before.
                anonymous.send(&here).unwrap();
                assert_eq!(Shm::receive(&there).unwrap().len().unwrap(), 100);
            });
        }
    }
    posix_shm::unlink("/x").unwrap();
}

fn attack_16_an_empty_datagram_is_not_the_end() {
    let object = Shm::anonymous(100).unwrap();
    let before = descriptors();
    let (here, there) = UnixDatagram::pair().unwrap();
    here.send(&[]).unwrap();
    let error = refused(Shm::receive(&there));
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert!(!error.to_string().contains("closed"), "{error}");
    object.send(&here).unwrap();
    Shm::receive(&there).expect("the object is the next message");
    drop((here, there));
    // It is the end of these.
    for kind in [libc::SOCK_STREAM, libc::SOCK_SEQPACKET] {
        let [here, there] = pair(kind);
        drop(here);
        let error = refused(Shm::receive(&there));
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
    }
    assert_eq!(descriptors(), before, "descriptors are left open");
}

fn attack_17_a_stray_byte_before_an_object_costs_one_receive() {
    let object = Shm::anonymous(100).unwrap();
    let before = descriptors();
    for stray in [b"\0", b"x"] {
        let (mut here, there) = UnixStream::pair().unwrap();
        for _ in 0..3 {
            here.write_all(stray).unwrap();
            object.send(&here).unwrap();
        }
        for _ in 0..3 {
            let error = refused(Shm::receive(&there));
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
            let received = Shm::receive(&there).expect("the object was sent whole");
            assert_eq!(received.len().unwrap(), object.len().unwrap());
        }
        there.set_nonblocking(true).unwrap();
        assert_eq!(refused(Shm::receive(&there)).kind(), ErrorKind::WouldBlock, "nothing is left");
    }
    assert_eq!(descriptors(), before, "descriptors are left open");
}

fn attack_18_a_descriptor_that_can_only_write_is_refused() {
    own_shm("size=1m");
    Shm::create("/x", 100).unwrap();
    let anonymous = Shm::anonymous(100).unwrap();
    let by_number = format!("/proc/self/fd/{}", anonymous.as_raw_fd());
    for path in ["/dev/shm/x", &by_number] {
        let error = leaves_nothing(|| refused(Shm::from_fd(open(path, libc::O_WRONLY), None)));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}: {error}");
        for kind in KINDS {
            let error = leaves_nothing(|| {
                let [here, there] = pair(kind);
                send_raw(&here, b"\0", &[open(path, libc::O_WRONLY).as_raw_fd()]);
                refused(Shm::receive(&there))
            });
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{path}: {error}");
        }
        let reader = Shm::from_fd(open(path, libc::O_RDONLY), None).unwrap();
        refused(reader.set_len(50));
        Shm::from_fd(open(path, libc::O_RDWR), None).unwrap().set_len(100).unwrap();
    }
    posix_shm::unlink("/x").unwrap();
}

fn attack_19_from_fd_closes_the_descriptor_on_exec() {
    let object = memfd(0).unwrap();
    truncate(&object, 100);
    // SAFETY: passes no pointer.
    let copy = unsafe { libc::dup(object.as_raw_fd()) };
    check(copy).unwrap();
    let flags = || {
        // SAFETY: passes no pointer.
        unsafe { libc::fcntl(copy, libc::F_GETFD) }
    };
    assert_eq!(flags(), 0, "the case needs one that stays open");
    // SAFETY: the call made this descriptor for us.
    let handle = Shm::from_fd(unsafe { OwnedFd::from_raw_fd(copy) }, None).unwrap();
    assert_eq!(flags(), libc::FD_CLOEXEC, "a program that is started now would have it");
    assert_eq!(handle.as_raw_fd(), copy, "it is the same descriptor");
}

/// It is no fault of the peer, which may be an honest one.
fn attack_28_a_descriptor_that_finds_no_room_is_emfile() {
    let object = Shm::anonymous(100).unwrap();
    let mut cases = Cases::new();
    for kind in KINDS {
        cases.case(format_args!("{kind}"), || {
            let [here, there] = pair(kind);
            object.send(&here).unwrap();
            limit(libc::RLIMIT_NOFILE, next_descriptor());
            let error = refused(Shm::receive(&there));
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
        });
    }
    cases.end();
}

/// Where the call is not one of `socketcall`, as on 32-bit x86 in older C libraries.
const GETSOCKNAME: &[Call] = &[filter::any(libc::SYS_getsockname)];

fn attack_20_sending_works_without_getsockname() {
    let mut cases = Cases::new();
    for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
        for kind in KINDS {
            cases.case(format_args!("{errno}, socket {kind}"), || {
                let object = Shm::anonymous(100).unwrap();
                object.map_mut().unwrap().bytes().store(7, 8);
                let [here, there] = pair(kind);
                filter::forbid(GETSOCKNAME, errno);
                object.send(&here).unwrap();
                assert_eq!(Shm::receive(&there).unwrap().map().unwrap().bytes().load(7), 8);
            });
        }
    }
    cases.end();
}

fn attack_21_a_message_whose_byte_is_not_zero_is_received_if_nothing_follows() {
    let object = Shm::anonymous(100).unwrap();
    object.map_mut().unwrap().bytes().store(7, 8);
    let before = descriptors();
    for kind in KINDS {
        let [here, there] = pair(kind);
        for byte in [b"x", b"\xff"] {
            send_raw(&here, byte, &[object.as_raw_fd()]);
            let received = Shm::receive(&there).expect("nothing follows");
            assert_eq!(received.map().unwrap().bytes().load(7), 8);
        }
        // What has a descriptor of its own is another message.
        send_raw(&here, b"x", &[object.as_raw_fd()]);
        send_raw(&here, b"y", &[object.as_raw_fd()]);
        object.send(&here).unwrap();
        for _ in 0..3 {
            Shm::receive(&there).expect("three messages were sent");
        }
        // Nor does the end follow.
        send_raw(&here, b"x", &[object.as_raw_fd()]);
        drop(here);
        Shm::receive(&there).expect("nothing follows but the end");
    }
    assert_eq!(descriptors(), before, "descriptors are left open");
}
