//! Messages of several objects and bytes, and what a hostile peer makes of them.

use std::ffi::{CString, c_int};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use posix_shm::transfer::{self, Foreign};
use posix_shm::{Error, Kind, Seals, Shm};

use crate::alone::check;
use crate::lab::{
    Cases, NOBODY, become_user, descriptors, fork_child, leaves_nothing, limit, need_root,
    next_descriptor, pipe, refused, status_of, wait_for,
};
use crate::sockets::{KINDS, pair, send_raw, switch_on};

crate::tasks! { EVERYWHERE:
    message_a_signal_does_not_end_a_call
    message_what_the_socket_adds_is_closed_and_counted_or_handed_out
    message_without_room_for_its_descriptors_is_emfile
}

crate::tasks! { ON_LINUX:
    message_of_a_hostile_peer_has_an_outcome_without_a_leak_or_a_wait
    message_of_no_bytes_may_carry_an_object
    message_with_what_may_be_an_object_is_an_error
    message_that_looks_like_one_object_is_refused_for_what_it_is
    message_receiver_of_another_user_cannot_change_what_was_sent
}

extern "C" fn do_nothing(_: c_int) {}

/// The handler lets calls end with `EINTR`.
fn interrupt_every_millisecond() {
    let handler: extern "C" fn(c_int) = do_nothing;
    // SAFETY: every field is an integer or may be null.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // SAFETY: the pointers are to a structure that outlives the call, or null.
    check(unsafe { libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()) }).unwrap();
    let every = libc::timeval { tv_sec: 0, tv_usec: 1000 };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the pointers are to a structure that outlives the call, or null.
    check(unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) }).unwrap();
}

fn message_a_signal_does_not_end_a_call() {
    let object = Shm::anonymous(100).unwrap();
    for kind in KINDS {
        let [here, there] = pair(kind);
        let child = fork_child(|| {
            // A process of its own has its own timer; this one is slow.
            std::thread::sleep(std::time::Duration::from_millis(100));
            object.send_with(&here, b"slow").unwrap();
            std::thread::sleep(std::time::Duration::from_millis(100));
            object.send(&here).unwrap();
        });
        let receiver = fork_child(|| {
            interrupt_every_millisecond();
            let mut bytes = [0; 8];
            let received = transfer::receive(&there, &mut bytes).unwrap();
            assert_eq!((&bytes[..received.bytes], received.objects.len()), (&b"slow"[..], 1));
            Shm::receive(&there).unwrap();
        });
        assert!(wait_for(child).success() && wait_for(receiver).success(), "socket {kind}");
    }
    // Sending waits for room.
    let [here, there] = pair(libc::SOCK_STREAM);
    let message = vec![7; 8 << 20];
    let sender = fork_child(|| {
        interrupt_every_millisecond();
        object.send_with(&here, &message).unwrap();
    });
    let (mut left, mut objects, mut bytes) = (message.len(), 0, vec![0; 4096]);
    while left > 0 {
        let received = transfer::receive(&there, &mut bytes).unwrap();
        (left, objects) = (left - received.bytes, objects + received.objects.len());
    }
    assert_eq!(objects, 1);
    assert!(wait_for(sender).success());
}

fn message_what_the_socket_adds_is_closed_and_counted_or_handed_out() {
    let object = Shm::anonymous(100).unwrap();
    let fd = object.as_raw_fd();
    let [read, _write] = pipe();
    for kind in KINDS {
        let [here, there] = pair(kind);
        let credentials = switch_on(&there, libc::SO_PASSCRED);
        let processes = switch_on(&there, libc::SO_PASSPIDFD);
        let before = descriptors();
        for _ in 0..5 {
            send_raw(&here, b"x", &[fd, read.as_raw_fd(), fd]);
            let received = transfer::receive(&there, &mut [0; 4]).unwrap();
            assert_eq!(received.objects.len(), 2);
            assert_eq!(received.others, 1 + usize::from(processes), "socket {kind}");
            assert_eq!(received.control_messages, usize::from(credentials), "socket {kind}");
        }
        assert_eq!(descriptors(), before, "descriptors are left open");
        send_raw(&here, b"x", &[fd, read.as_raw_fd()]);
        let (mut process, mut other, mut pid) = (None, None, 0);
        transfer::receive_with(&there, &mut [0; 4], |foreign| match foreign {
            Foreign::Process(fd) => process = Some(fd),
            Foreign::Descriptor(fd) => other = Some(fd),
            Foreign::Control { level: libc::SOL_SOCKET, kind: libc::SCM_CREDENTIALS, data } => {
                pid = i32::from_ne_bytes(data[..4].try_into().unwrap());
            }
            unknown => panic!("{unknown:?}"),
        })
        .unwrap();
        assert_eq!(process.is_some(), processes, "socket {kind}");
        assert_eq!(pid, std::process::id() as i32, "socket {kind}");
        assert!(other.is_some(), "socket {kind}");
        // What was not taken is closed even if the caller panics.
        send_raw(&here, b"x", &[read.as_raw_fd(), fd, fd, read.as_raw_fd()]);
        let panicked = std::panic::catch_unwind(|| {
            transfer::receive_with(&there, &mut [0; 4], |foreign| {
                drop(foreign);
                panic!("as the test wants");
            })
        });
        assert!(panicked.is_err());
        drop((process, other));
        assert_eq!(descriptors(), before, "descriptors are left open after a panic");
    }
}

fn message_without_room_for_its_descriptors_is_emfile() {
    let object = Shm::anonymous(100).unwrap();
    let fd = object.as_raw_fd();
    let mut cases = Cases::new();
    for kind in KINDS {
        for room in 0..3 {
            cases.case(format_args!("socket {kind}, room for {room}"), || {
                let [here, there] = pair(kind);
                send_raw(&here, b"abcd", &[fd, fd, fd]);
                send_raw(&here, b"x", &[fd]);
                let before = descriptors();
                let next = next_descriptor();
                limit(libc::RLIMIT_NOFILE, next + room);
                let error = refused(transfer::receive(&there, &mut [0; 4]));
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                limit(libc::RLIMIT_NOFILE, next + 100);
                assert_eq!(descriptors(), before, "descriptors are left open");
                let received = transfer::receive(&there, &mut [0; 4]).unwrap();
                assert_eq!((received.bytes, received.objects.len()), (1, 1), "the next is lost");
            });
        }
    }
    cases.end();
}

/// There is no descriptor left to find out whether a file is on the file system of the objects. So
/// it is not said to be something else.
fn message_with_what_may_be_an_object_is_an_error() {
    let mut cases = Cases::new();
    for kind in KINDS {
        cases.case(format_args!("socket {kind}"), || {
            let [here, there] = pair(kind);
            // On another file system, wherever the programs are.
            let file = open("/proc/self/status", libc::O_RDONLY);
            let before = descriptors();
            let next = next_descriptor();
            let is_refused = |count: usize, receive: &dyn Fn() -> Error| {
                send_raw(&here, b"\0", &vec![file.as_raw_fd(); count]);
                // Room for those that come.
                limit(libc::RLIMIT_NOFILE, next + count as u64);
                let error = receive();
                limit(libc::RLIMIT_NOFILE, next + 100);
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                assert_eq!(descriptors(), before, "descriptors are left open");
            };
            is_refused(1, &|| refused(Shm::receive(&there)));
            for count in [1, 3] {
                is_refused(count, &|| {
                    refused(transfer::receive_with(&there, &mut [0], |foreign| {
                        panic!("it was handed out as {foreign:?}")
                    }))
                });
            }
            send_raw(&here, b"\0", &[file.as_raw_fd()]);
            let mut others = 0;
            transfer::receive_with(&there, &mut [0], |_| others += 1).unwrap();
            assert_eq!(others, 1);
        });
    }
    cases.end();
}

fn message_of_no_bytes_may_carry_an_object() {
    let object = Shm::anonymous(100).unwrap();
    let [here, there] = pair(libc::SOCK_DGRAM);
    (0..2).for_each(|_| send_raw(&here, b"", &[object.as_raw_fd()]));
    assert_eq!(Shm::receive(&there).unwrap().len().unwrap(), 100);
    let received = transfer::receive(&there, &mut [0]).unwrap();
    assert_eq!((received.bytes, received.objects.len()), (0, 1));
}

/// What is delivered has the length of a message with one object, and is none.
fn message_that_looks_like_one_object_is_refused_for_what_it_is() {
    let object = Shm::anonymous(100).unwrap();
    let fd = object.as_raw_fd();
    let is_refused = |socket: &OwnedFd, why: &str| {
        let before = descriptors();
        let error = refused(Shm::receive(socket));
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(descriptors(), before, "descriptors are left open");
    };
    let mut cases = Cases::new();
    for kind in KINDS {
        cases.case(format_args!("socket {kind}, room for one of two"), || {
            let [here, there] = pair(kind);
            send_raw(&here, b"0", &[fd, fd]);
            let next = next_descriptor();
            limit(libc::RLIMIT_NOFILE, next + 1);
            let error = refused(Shm::receive(&there));
            limit(libc::RLIMIT_NOFILE, next + 100);
            assert!(error.to_string().contains("several descriptors"), "{error}");
            assert_eq!(next_descriptor(), next, "a descriptor is left open");
        });
        cases.case(format_args!("socket {kind}, a descriptor that the system adds"), || {
            let [here, there] = pair(kind);
            // Older kernels add none.
            switch_on(&there, libc::SO_PASSPIDFD);
            // SAFETY: the pointer is to one byte.
            let sent = unsafe { libc::send(here.as_raw_fd(), b"0".as_ptr().cast(), 1, 0) };
            assert_eq!(sent, 1);
            is_refused(&there, "had no object");
        });
        cases.case(format_args!("socket {kind}, something that is no object"), || {
            let [here, there] = pair(kind);
            send_raw(&here, b"0", &[here.as_raw_fd()]);
            is_refused(&there, "not of shared memory");
        });
    }
    cases.end();
}

fn open(path: &str, flags: c_int) -> OwnedFd {
    let path = CString::new(path).unwrap();
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    check(fd).unwrap_or_else(|why| panic!("{path:?}: {why}"));
    // SAFETY: the call made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// What a hostile peer sends, and how many objects are in it.
type Attack = (&'static str, fn(&OwnedFd), Option<usize>);

const ATTACKS: &[Attack] = &[
    ("none", |socket| send_raw(socket, b"x", &[]), Some(0)),
    ("a directory", |socket| send_raw(socket, b"x", &[open("/", 0).as_raw_fd()]), Some(0)),
    ("a device", |socket| send_raw(socket, b"x", &[open("/dev/zero", 2).as_raw_fd()]), Some(0)),
    ("the socket itself", |socket| send_raw(socket, b"x", &[socket.as_raw_fd()]), Some(0)),
    (
        "O_PATH",
        |socket| {
            let object = Shm::anonymous(10).unwrap();
            let path = format!("/proc/self/fd/{}", object.as_raw_fd());
            send_raw(socket, b"x", &[open(&path, libc::O_PATH).as_raw_fd()]);
        },
        Some(0),
    ),
    (
        "one that can only write",
        |socket| {
            let object = Shm::anonymous(10).unwrap();
            let path = format!("/proc/self/fd/{}", object.as_raw_fd());
            send_raw(socket, b"x", &[open(&path, libc::O_WRONLY).as_raw_fd()]);
        },
        Some(0),
    ),
    (
        "an object between others",
        |socket| {
            let object = Shm::anonymous(10).unwrap();
            let [read, write] = pipe();
            let all = [read.as_raw_fd(), object.as_raw_fd(), write.as_raw_fd()];
            send_raw(socket, b"x", &all);
        },
        Some(1),
    ),
    (
        "253",
        |socket| {
            let object = Shm::anonymous(10).unwrap();
            send_raw(socket, b"x", &vec![object.as_raw_fd(); 253]);
        },
        Some(253),
    ),
    (
        "253 others",
        |socket| {
            let null = open("/dev/null", 0);
            send_raw(socket, b"x", &vec![null.as_raw_fd(); 253]);
        },
        Some(0),
    ),
    (
        "an empty object",
        |socket| send_raw(socket, b"x", &[Shm::anonymous(0).unwrap().as_raw_fd()]),
        Some(1),
    ),
    (
        "an endless object",
        |socket| {
            let object = Shm::anonymous(0).unwrap();
            object.set_len_sparse(i64::MAX as u64).unwrap();
            send_raw(socket, b"x", &[object.as_raw_fd()]);
        },
        Some(1),
    ),
    ("half a message", |socket| send_raw(socket, b"ab", &[]), Some(0)),
    ("nothing", |_| {}, None),
];

/// The peer is another process, and another user if that is possible.
fn message_of_a_hostile_peer_has_an_outcome_without_a_leak_or_a_wait() {
    let mut cases = Cases::new();
    for (what, attack, objects) in ATTACKS {
        for kind in KINDS {
            for simple in [false, true] {
                cases.case(format_args!("{what}, socket {kind}, simple: {simple}"), || {
                    let [here, there] = pair(kind);
                    switch_on(&there, libc::SO_PASSCRED);
                    switch_on(&there, libc::SO_PASSPIDFD);
                    // The peer attacks, sends something honest, and ends.
                    let peer = status_of(|| {
                        // SAFETY: passes no pointer.
                        if unsafe { libc::geteuid() } == 0 {
                            become_user(NOBODY);
                        }
                        attack(&here);
                        Shm::anonymous(7).unwrap().send(&here).unwrap();
                    });
                    assert!(peer.success(), "the peer failed");
                    drop(here);
                    let before = descriptors();
                    // A stream may give both messages at once; the honest one has a byte.
                    let mut seen = Vec::new();
                    for _ in 0..4 {
                        if simple {
                            match Shm::receive(&there) {
                                Ok(object) => seen.push(object.len().unwrap()),
                                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                                Err(_) => {}
                            }
                        } else {
                            match transfer::receive(&there, &mut [0; 1]) {
                                Ok(received) => {
                                    let inspect = |object: Shm| object.inspect().unwrap();
                                    let lens = received.objects.map(inspect).map(|found| {
                                        assert_eq!(found.kind, Kind::Memory);
                                        found.metadata.len()
                                    });
                                    seen.extend(lens);
                                }
                                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                                Err(error) => {
                                    let cut = error.kind() == ErrorKind::InvalidData;
                                    assert!(cut && *what == "half a message", "{error}");
                                }
                            }
                        }
                        if seen.last() == Some(&7) {
                            break;
                        }
                    }
                    assert_eq!(seen.last(), Some(&7), "the honest message: {seen:?}");
                    let hostile = seen.len() - 1;
                    // The simple form takes a single object alone.
                    let expected = match objects.unwrap_or(0) {
                        n if !simple => n,
                        1 if *what != "an object between others" => 1,
                        _ => 0,
                    };
                    assert_eq!(hostile, expected, "{seen:?}");
                    assert_eq!(descriptors(), before, "descriptors are left open");
                });
            }
        }
    }
    cases.end();
}

/// Tries everything that could change an object, through a descriptor of it. Returns what worked.
fn attack_object(object: &Shm) -> Vec<String> {
    let fd = object.as_raw_fd();
    let mut worked = Vec::new();
    let mut tried = |what: &str, returned: c_int| {
        if returned != -1 {
            worked.push(what.to_owned());
        }
    };
    // SAFETY: passes no pointer.
    tried("truncating", unsafe { libc::ftruncate(fd, 0) });
    // SAFETY: passes no pointer.
    tried("growing", unsafe { libc::ftruncate(fd, 1 << 20) });
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: passes no pointer.
    tried("punching", unsafe { libc::fallocate(fd, punch, 0, 4096) });
    // SAFETY: the pointer is to a byte.
    let wrote = unsafe { libc::pwrite(fd, b"x".as_ptr().cast(), 1, 0) };
    tried("writing", wrote as c_int);
    // SAFETY: passes no pointer.
    tried("sealing", unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, libc::F_SEAL_SEAL) });
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let map = |protection| {
        // SAFETY: without MAP_FIXED it replaces no mapping.
        unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_SHARED, fd, 0) }
    };
    tried("mapping to write", if map(both) == libc::MAP_FAILED { -1 } else { 0 });
    let reader = map(libc::PROT_READ);
    if reader != libc::MAP_FAILED {
        // SAFETY: the mapping is ours, and nothing else uses it.
        tried("mprotect", unsafe { libc::mprotect(reader, 4096, both) });
    }
    worked
}

fn message_receiver_of_another_user_cannot_change_what_was_sent() {
    need_root();
    let frozen = || {
        let object = Shm::anonymous(4096).unwrap();
        object.map_mut().unwrap().bytes().store(0, 9);
        object.freeze().unwrap()
    };
    let read_only = || {
        let object = Shm::anonymous(4096).unwrap();
        object.map_mut().unwrap().bytes().store(0, 9);
        let reader = object.read_only().unwrap();
        (object, reader)
    };
    let mut cases = Cases::new();
    for kind in KINDS {
        cases.case(format_args!("a read-only handle, socket {kind}"), || {
            let (object, reader) = read_only();
            let [here, there] = pair(kind);
            reader.send(&here).unwrap();
            let peer = status_of(|| {
                become_user(NOBODY);
                let received = Shm::receive(&there).unwrap();
                let worked = attack_object(&received);
                assert!(worked.is_empty(), "{worked:?}");
                let path = format!("/proc/self/fd/{}", received.as_raw_fd());
                let again = fs::OpenOptions::new().write(true).open(path);
                let error = again.expect_err("it was opened again for writing");
                assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            });
            assert!(peer.success(), "the peer could change it");
            assert_eq!(object.len().unwrap(), 4096);
            assert_eq!(object.map().unwrap().bytes().load(0), 9);
            assert_eq!(object.seals().unwrap() & Seals::SEAL, Seals::empty(), "it was sealed");
        });
        cases.case(format_args!("a frozen object, socket {kind}"), || {
            let object = frozen();
            let [here, there] = pair(kind);
            object.send(&here).unwrap();
            let peer = status_of(|| {
                become_user(NOBODY);
                let received = Shm::receive(&there).unwrap();
                let found = received.inspect().unwrap();
                let fixed = Seals::FUTURE_WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL;
                assert!(found.seals.contains(fixed), "{found:?}");
                let worked = attack_object(&received);
                assert!(worked.is_empty(), "{worked:?}");
                // It can be opened again, which helps nobody.
                let path = format!("/proc/self/fd/{}", received.as_raw_fd());
                if let Ok(again) = fs::OpenOptions::new().read(true).write(true).open(path) {
                    let worked = attack_object(&Shm::from(OwnedFd::from(again)));
                    assert!(worked.is_empty(), "opened again: {worked:?}");
                }
            });
            assert!(peer.success(), "the peer could change it");
            assert_eq!(object.len().unwrap(), 4096);
            assert_eq!(object.map().unwrap().bytes().load(0), 9);
        });
    }
    cases.end();
    leaves_nothing(|| drop((frozen(), read_only())));
}
