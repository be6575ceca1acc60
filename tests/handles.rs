//! What a handle can do beside being mapped: publish, wait, clone, seal, be sent, be listed, remove its name.

use std::cell::Cell;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use posix_shm::{
    Direction, Error, IfDoesNotExist, IfExists, OpenOptions, Operation, Permissions, Shm,
    capabilities, list, unlink,
};

use crate::common::{FILES, Names, len, peer, run};

fn open_or_create(size: u64) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create).size(size);
    options
}

#[test]
fn what_is_published_is_all_there() {
    let names = Names::new();
    for bytes in [0, 1, 4096, 5_000_000] {
        let name = names.name();
        let content: Vec<u8> = (0..bytes).map(|i| (i % 251) as u8).collect();
        let object = Shm::publish(&name, &content).unwrap();
        assert!(object.created());
        assert_eq!(object.len().unwrap(), len(bytes));
        if bytes > 0 {
            let found = Shm::open(&name).unwrap().map().unwrap().bytes().to_vec();
            let (found, rest) = found.split_at(content.len());
            assert!(found == content && rest.iter().all(|byte| *byte == 0));
        }
        let error = Shm::publish(&name, b"other").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        object.unlink().unwrap();
    }
}

#[test]
fn a_new_object_is_initialised_and_an_old_one_is_left_alone() {
    let names = Names::new();
    let name = names.name();
    let calls = Cell::new(0);
    let open = |bytes| {
        open_or_create(bytes).open_with::<Error>(&name, |new| {
            calls.set(calls.get() + 1);
            // Nobody else sees it yet, where the system can promise that.
            assert_eq!(Shm::open(&name).is_err(), capabilities().complete_before_named);
            assert_eq!((new.name(), new.created()), (Some(&name), true));
            assert_eq!(new.try_clone()?.len()?, len(bytes));
            new.set_len(100)?;
            new.map_mut()?.bytes().store(99, 7);
            Ok(())
        })
    };
    for bytes in [0, 10] {
        let new = open(bytes).unwrap();
        assert!(new.created());
        assert_eq!(Shm::open(&name).unwrap().map().unwrap().bytes().load(99), 7);
        assert!(!open(bytes).unwrap().created());
        new.set_len(10).unwrap();
        assert_eq!(new.len().unwrap(), len(10));
        unlink(&name).unwrap();
    }
    assert_eq!(calls.get(), 2);
}

#[test]
fn an_initialiser_that_fails_or_panics_leaves_nothing() {
    #[derive(Debug)]
    enum Mine {
        Ours(Error),
        Refused,
    }
    impl From<Error> for Mine {
        fn from(error: Error) -> Mine {
            Mine::Ours(error)
        }
    }
    let names = Names::new();
    let name = names.name();
    for size in [0, 4096] {
        let result = open_or_create(size).open_with(&name, |_| Err(Mine::Refused));
        assert!(matches!(result, Err(Mine::Refused)));
        assert_eq!(Shm::open(&name).unwrap_err().kind(), ErrorKind::NotFound);

        let result = open_or_create(size).open_with::<Mine>(&name, |new| {
            new.map_mut()?;
            Ok(())
        });
        match result {
            Ok(object) => object.unlink().unwrap(),
            Err(Mine::Ours(error)) => assert_eq!((size, error.operation()), (0, Operation::Map)),
            Err(Mine::Refused) => panic!("it is not refused"),
        }

        let panic = catch_unwind(AssertUnwindSafe(|| {
            open_or_create(size).open_with::<Error>(&name, |_| panic!("on purpose"))
        }));
        assert!(panic.is_err());
        assert_eq!(Shm::open(&name).unwrap_err().kind(), ErrorKind::NotFound);
    }
    // A refusal of the policy is no business of the initialiser's.
    let object = Shm::create(&name, 1).unwrap();
    let mut options = open_or_create(1);
    let result = options.if_exists(IfExists::Error).open_with::<Mine>(&name, |_| panic!("not new"));
    assert!(matches!(result, Err(Mine::Ours(error)) if error.kind() == ErrorKind::AlreadyExists));
    object.unlink().unwrap();
}

#[test]
fn an_initialiser_has_the_last_word_on_permissions() {
    if !capabilities().set_permissions {
        return;
    }
    let names = Names::new();
    let [private, readable, unreadable] = [0o600, 0o444, 0o040].map(Permissions::from_mode);
    for (created, then) in [(private, readable), (readable, private), (private, unreadable)] {
        for direction in [Direction::Io, Direction::Input] {
            let name = names.name();
            let mut options = open_or_create(10);
            options.direction(direction).permissions(created);
            let object = options.open_with::<Error>(&name, |new| {
                new.map_mut()?.bytes().store(0, 7);
                new.set_permissions(then)
            });
            let object = object.unwrap();
            assert_eq!(object.metadata().unwrap().permissions(), then);
            assert_eq!(object.map().unwrap().bytes().load(0), 7);
            unlink(&name).unwrap();
        }
    }
}

#[test]
fn waiting_ends_when_the_object_has_a_length_or_the_time_is_over() {
    let names = Names::new();
    let name = names.name();
    let short = Duration::from_millis(30);
    let start = Instant::now();
    let error = OpenOptions::new().wait(short).open(&name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(start.elapsed() >= short);
    assert!(OpenOptions::new().wait(short).open_optional(&name).unwrap().is_none());

    let empty = Shm::create(&name, 0).unwrap();
    for mut options in [OpenOptions::new(), open_or_create(10)] {
        let error = options.wait(short).open(&name).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::TimedOut, Operation::Open));
        assert!(error.to_string().contains("no length"), "{error}");
    }
    std::thread::scope(|scope| {
        let opener = scope.spawn(|| OpenOptions::new().wait(Duration::from_secs(60)).open(&name));
        std::thread::sleep(short);
        empty.set_len(4096).unwrap();
        assert_eq!(opener.join().unwrap().unwrap().len().unwrap(), len(4096));
    });
    // What it creates or empties itself is not waited for.
    unlink(&name).unwrap();
    let long = Duration::from_secs(600);
    assert!(open_or_create(0).wait(long).open(&name).unwrap().created());
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_exists(IfExists::Truncate).wait(long);
    assert_eq!(options.open(&name).unwrap().len().unwrap(), 0);
    unlink(&name).unwrap();
}

#[test]
fn permissions_can_be_had_whatever_the_umask() {
    let names = Names::new();
    for size in ["0", "4096"] {
        let name = names.name();
        let said = run(&mut peer("umask", ["077", "0666", size, &name.to_string(), "exactly"]));
        assert_eq!(said, "0o666\n");
        unlink(&name).unwrap();
    }
}

#[test]
fn it_is_read_and_written_by_its_handle() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 10).unwrap();
    object.write_all_at(b"0123456789", 0).unwrap();
    let mut buffer = [0; 8];
    let end = object.len().unwrap();
    assert_eq!(object.read_at(&mut buffer, 7).unwrap(), 8.min(end as usize - 7));
    assert_eq!(&buffer[..3], b"789");
    assert_eq!(object.read_at(&mut buffer, end - 3).unwrap(), 3);
    assert_eq!(object.read_at(&mut buffer, end).unwrap(), 0);
    // Writing past the end makes it longer.
    let longer = object.write_at(b"x", end + 89);
    assert_eq!(longer.ok(), capabilities().resize.then_some(1));
    if capabilities().resize {
        assert_eq!(object.len().unwrap(), len(100));
        // A peer's truncation is a short count.
        Shm::open_io(&name).unwrap().set_len(4).unwrap();
        assert_eq!(object.read_at(&mut buffer, 2).unwrap(), 2);
        let short = object.read_exact_at(&mut buffer, 0).unwrap_err();
        assert_eq!(short.kind(), ErrorKind::UnexpectedEof);
    }
    for result in [object.write_at(b"x", u64::MAX), object.read_at(&mut buffer, 1 << 63)] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let reader = Shm::open(&name).unwrap();
    let refused = reader.write_at(b"x", 0).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EBADF));
    let foreign = Shm::from(OwnedFd::from(reader)).write_at(b"x", 1 << 20).unwrap_err();
    assert_eq!(foreign.raw_os_error(), Some(libc::EBADF));
    let before = object.len().unwrap();
    assert_eq!(object.write_at(b"", before + 1000).unwrap(), 0);
    assert_eq!(object.read_at(&mut [], 0).unwrap(), 0);
    assert_eq!(object.len().unwrap(), before);
    object.unlink().unwrap();
}

#[test]
fn a_clone_is_the_same_object() {
    let object = Shm::anonymous(0).unwrap();
    let clone = object.try_clone().unwrap();
    clone.set_len(100).unwrap();
    assert_eq!(object.len().unwrap(), len(100));
    assert!(!clone.created());
    // What the one has sized, the other does not take for empty.
    object.set_len(10).unwrap();
    assert_eq!(clone.len().unwrap(), len(10));
}

#[test]
fn a_read_only_handle_cannot_write() {
    let names = Names::new();
    let name = names.name();
    let named = Shm::create(&name, 100).unwrap();
    let mut objects = vec![named];
    match Shm::anonymous(100).unwrap().read_only() {
        Ok(reader) => objects.push(reader),
        Err(error) => {
            assert!(!capabilities().read_only_anonymous);
            assert_eq!(
                (error.kind(), error.operation()),
                (ErrorKind::Unsupported, Operation::Clone)
            );
        }
    }
    for object in &objects {
        let reader = object.read_only().unwrap();
        assert_eq!(reader.metadata().unwrap().inode(), object.metadata().unwrap().inode());
        assert_eq!(reader.map_mut().unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(reader.set_len(5).is_err());
        assert_eq!(reader.map().unwrap().len() as u64, len(100));
    }
    unlink(&name).unwrap();
    assert_eq!(objects[0].read_only().is_ok(), capabilities().read_only_anonymous);
}

#[test]
#[cfg(target_os = "linux")]
fn seals_hold_for_everybody() {
    use posix_shm::Seals;

    let names = Names::new();
    let object = Shm::anonymous(4096).unwrap();
    if capabilities().seal {
        let writer = object.map_mut().unwrap();
        assert!(!object.seals().unwrap().intersects(Seals::SHRINK | Seals::SEAL));
        let error = object.seal(Seals::WRITE).unwrap_err();
        assert_eq!((error.raw_os_error(), error.operation()), (Some(libc::EBUSY), Operation::Seal));
        assert!(error.hint().unwrap().contains("mapped for writing"));
        object.seal(Seals::SHRINK).unwrap();
        assert!(object.seals().unwrap().contains(Seals::SHRINK));
        let error = object.set_len(10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.hint().unwrap().contains("sealed"), "{error}");
        object.set_len(8192).unwrap();

        let frozen = object.freeze().unwrap();
        let all = Seals::SHRINK | Seals::GROW | Seals::FUTURE_WRITE | Seals::SEAL;
        assert!(frozen.seals().unwrap().contains(all));
        assert_eq!(frozen.map_mut().unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(frozen.set_len(1 << 20).is_err() && frozen.seal(Seals::WRITE).is_err());
        assert!(frozen.write_at(b"x", 0).is_err());
        writer.bytes().store(0, 9);
        assert_eq!(frozen.map().unwrap().bytes().load(0), 9);
    }
    let name = names.name();
    let named = Shm::create(&name, 10).unwrap();
    let error = named.seal(Seals::SHRINK).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.hint().unwrap().contains("named"), "{error}");
    assert_eq!(named.seals().unwrap(), Seals::SEAL);
    named.unlink().unwrap();
}

#[test]
fn handles_travel_over_sockets() {
    let (here, there) = UnixStream::pair().unwrap();
    let object = Shm::anonymous(100).unwrap();
    object.map_mut().unwrap().bytes().store(99, 5);
    for _ in 0..3 {
        object.send(&here).unwrap();
    }
    for _ in 0..3 {
        let received = Shm::receive(&there).unwrap();
        assert_eq!(received.metadata().unwrap().inode(), object.metadata().unwrap().inode());
        assert_eq!((received.name(), received.created()), (None, false));
        assert_eq!(received.map_mut().unwrap().bytes().load(99), 5);
        // SAFETY: passes no pointer.
        let flags =
            unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&received), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
    let receive = |socket: &UnixStream| Shm::receive(socket).unwrap_err();
    (&here).write_all(b"x").unwrap();
    assert_eq!(receive(&there).kind(), ErrorKind::InvalidData);
    there.set_nonblocking(true).unwrap();
    assert_eq!(receive(&there).kind(), ErrorKind::WouldBlock);
    there.set_nonblocking(false).unwrap();
    // What is not shared memory is refused, and closed.
    let (reader, mut writer) = UnixStream::pair().unwrap();
    Shm::from(OwnedFd::from(reader)).send(&here).unwrap();
    let error = receive(&there);
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidData, Operation::Receive));
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    drop(here);
    assert_eq!(receive(&there).kind(), ErrorKind::UnexpectedEof);
    // Nobody is there to receive it: an error, and not a signal.
    assert_eq!(object.send(&there).unwrap_err().kind(), ErrorKind::BrokenPipe);
    let no_socket = object.send(object.as_fd()).unwrap_err();
    assert_eq!(no_socket.raw_os_error(), Some(libc::ENOTSOCK));
}

/// A message with as many descriptors as are given.
fn send_many(socket: &UnixStream, descriptors: &[i32]) {
    let mut byte = [0u8];
    let mut parts = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut control = [0u64; 64];
    // SAFETY: every field is an integer or a pointer, which may be null.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut parts;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    let bytes = u32::try_from(size_of_val(descriptors)).unwrap();
    // SAFETY: only computes.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes) } as _;
    // SAFETY: the control buffer is long enough.
    let header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    // SAFETY: there is a header in a buffer of zeroes, aligned for one; its fields are integers.
    let filled = unsafe { &mut *header };
    // SAFETY: only computes.
    filled.cmsg_len = unsafe { libc::CMSG_LEN(bytes) } as _;
    filled.cmsg_level = libc::SOL_SOCKET;
    filled.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: the header is inside the buffer.
    let data = unsafe { libc::CMSG_DATA(header) };
    for (i, descriptor) in descriptors.iter().enumerate() {
        for (j, byte) in descriptor.to_ne_bytes().into_iter().enumerate() {
            // SAFETY: there is room for all of them.
            let at = unsafe { data.add(4 * i + j) };
            // SAFETY: as above.
            unsafe { at.write(byte) };
        }
    }
    // SAFETY: every pointer of the message is to memory that outlives the call.
    let sent = unsafe { libc::sendmsg(std::os::fd::AsRawFd::as_raw_fd(socket), &message, 0) };
    assert_eq!(sent, 1);
}

#[test]
fn surplus_descriptors_are_closed() {
    let (here, there) = UnixStream::pair().unwrap();
    for count in [2, 8, 9, 60] {
        // Each has only one end open but for what is on its way.
        let pipes: Vec<_> = (0..count).map(|_| UnixStream::pair().unwrap()).collect();
        let ends: Vec<i32> =
            pipes.iter().map(|(reader, _)| std::os::fd::AsRawFd::as_raw_fd(reader)).collect();
        send_many(&here, &ends);
        let writers: Vec<_> = pipes.into_iter().map(|(_, writer)| writer).collect();
        let error = Shm::receive(&there).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        for mut writer in writers {
            assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
    }
    // The socket still works.
    Shm::anonymous(1).unwrap().send(&here).unwrap();
    assert_eq!(Shm::receive(&there).unwrap().len().unwrap(), len(1));
}

#[test]
fn objects_are_listed_and_what_is_none_is_not() {
    let names = Names::new();
    if !capabilities().list {
        assert_eq!(list().unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    let (name, other) = (names.name(), names.name());
    let object = Shm::create(&name, 5000).unwrap();
    object.set_permissions(Permissions::from_mode(0o640)).unwrap();
    if !FILES {
        let mut entries = list().unwrap().filter_map(Result::ok);
        assert_eq!(
            entries.find(|entry| entry.name() == &name).unwrap().metadata().len(),
            len(5000)
        );
        return object.unlink().unwrap();
    }
    // As sem_open does, beside it.
    let semaphore = format!("/dev/shm/sem.{}", other.to_string().trim_start_matches('/'));
    std::fs::write(&semaphore, b"semaphore").unwrap();
    let directory = format!("/dev/shm{other}");
    std::fs::create_dir(&directory).unwrap();
    // Others come and go meanwhile.
    let entries: Vec<_> = list().unwrap().map(|entry| entry.unwrap()).collect();
    std::fs::remove_dir(directory).unwrap();
    std::fs::remove_file(semaphore).unwrap();
    object.unlink().unwrap();
    let ours: Vec<_> = entries.iter().filter(|entry| entry.name() == &name).collect();
    assert_eq!(ours.len(), 1);
    let metadata = ours[0].metadata();
    assert_eq!((metadata.len(), metadata.permissions().mode()), (5000, 0o640));
    let strangers = |entry: &&posix_shm::Entry| {
        let found = entry.name().to_string();
        found == other.to_string() || found.starts_with("/sem.")
    };
    assert_eq!(entries.iter().find(strangers).map(|entry| entry.name()), None);
}

#[test]
fn a_name_is_removed_on_drop_only_if_it_is_still_ours() {
    let names = Names::new();
    let name = names.name();
    drop(Shm::create(&name, 1).unwrap().unlink_on_drop());
    assert!(Shm::open(&name).is_err());

    let kept = Shm::create(&name, 1).unwrap().unlink_on_drop().keep();
    assert_eq!(Shm::open(&name).unwrap().len().unwrap(), len(1));

    // A successor's object stays, where it can be told from its predecessor.
    let guard = kept.unlink_on_drop();
    unlink(&name).unwrap();
    let mut successor = Shm::create(&name, 2).unwrap();
    drop(guard);
    if capabilities().tell_objects_apart {
        assert_eq!(Shm::open(&name).unwrap().len().unwrap(), len(2));
    } else {
        assert!(Shm::open(&name).is_err());
        successor = Shm::create(&name, 2).unwrap();
    }

    // Opening never asks for it, and a panic does it too.
    drop(Shm::open(&name).unwrap());
    assert!(Shm::open(&name).is_ok());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _guard = successor.unlink_on_drop();
        panic!("on purpose");
    }));
    assert!(panic.is_err() && Shm::open(&name).is_err());
    drop(Shm::anonymous(1).unwrap().unlink_on_drop());
}

#[test]
fn a_forked_child_removes_nothing() {
    let names = Names::new();
    run(&mut peer("fork", [names.name().as_os_str()]));
}

#[test]
fn descriptor_zero_is_a_descriptor_like_any_other() {
    let names = Names::new();
    run(&mut peer("descriptor-zero", [names.name().as_os_str()]));
}
