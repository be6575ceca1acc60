//! Errors say what happened and what helps, in every environment in which they are likely.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;

use posix_shm::{
    Direction, Error, IfExists, OpenOptions, Operation, Permissions, Seals, Shm, unlink,
};

use crate::alone::{check, mount};
use crate::filter;
use crate::lab::{
    Cases, NOBODY, become_user, cannot, creating, hints, leaves_nothing, limit, mount_from, names,
    need_root, own_shm, refused, sources,
};

crate::tasks! { ON_LINUX:
    words_already_exists_does_not_depend_on_the_size
    words_sealed_is_said_of_what_is_sealed
    words_open_or_create_does_not_wait_for_what_waiting_cannot_cure
    words_publish_asks_for_room_before_it_fills
    words_hint_for_inodes
    words_hint_for_locked_memory
    words_hint_for_a_small_file_system
    words_hint_for_a_size_that_nothing_may_be_created_with
    words_hint_for_a_handle_that_cannot_be_opened_again
    words_hint_for_a_forbidden_directory
    words_hint_for_a_missing_directory
    words_hint_for_a_lease
    words_hint_for_descriptors_in_flight
    words_hint_for_a_quota
    words_receive_takes_the_librarys_own_objects_on_any_file_system
    words_one_kind_for_sizing_through_a_read_only_descriptor
    words_supersede_needs_room_for_both_and_says_so
    words_io_error_keeps_the_whole_error
    words_write_at_writes_where_it_says
    words_may_not_replace_is_eperm
    words_an_id_that_is_not_mapped_is_einval
    words_of_what_a_sandbox_forbids
    words_of_the_docs
}

fn words_already_exists_does_not_depend_on_the_size() {
    need_root();
    own_shm("size=8m,mode=1777");
    let mut cases = Cases::new();
    let taken = || {
        for size in [0, 100, 4096, 1 << 20, 16 << 20, 1 << 40] {
            let error = leaves_nothing(|| refused(Shm::create("/old", size)));
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{size}: {error}");
            let optional = leaves_nothing(|| creating(size).open_optional("/old"));
            assert!(optional.unwrap().is_none(), "{size}");
        }
        let error = refused(Shm::publish("/old", &[1; 8192]));
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "published: {error}");
        let with = creating(4096).open_with("/old", |_| Ok::<_, Error>(()));
        assert_eq!(refused(with).kind(), ErrorKind::AlreadyExists);
        let error = refused(creating(4096).open_mapped("/old"));
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "mapped: {error}");
        let error = refused(creating(4096).direction(Direction::Input).open("/old"));
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "to read: {error}");
    };
    drop(Shm::create("/old", 100).unwrap());
    cases.case("anywhere", taken);
    cases.case("a forbidden directory", || {
        let forbidden = std::os::unix::fs::PermissionsExt::from_mode(0o555);
        fs::set_permissions("/dev/shm", forbidden).unwrap();
        become_user(NOBODY);
        taken();
        let error = refused(Shm::create("/new", 4096));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    });
    fs::set_permissions("/dev/shm", std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    cases.case("a file-size limit", || {
        limit(libc::RLIMIT_FSIZE, 4096);
        taken();
    });
    cases.case("a full file system", || {
        let mut filler = Vec::new();
        for size in [1 << 20, 4096] {
            while let Ok(object) = take_room(size) {
                filler.push(object);
            }
        }
        taken();
    });
    cases.case("a read-only file system", || {
        let remount = libc::MS_REMOUNT | libc::MS_RDONLY;
        mount(c"tmpfs", c"/dev/shm", remount, c"").unwrap();
        taken();
        let error = refused(Shm::create("/new", 4096));
        assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem, "{error}");
    });
    cases.end();
}

/// Takes room of the file system at `/dev/shm`, and no name.
fn take_room(size: u64) -> io::Result<fs::File> {
    let mut options = fs::File::options();
    let file = options.read(true).write(true).custom_flags(libc::O_TMPFILE).open("/dev/shm")?;
    // SAFETY: passes no pointer.
    check(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, size as libc::off_t) })?;
    Ok(file)
}

fn words_sealed_is_said_of_what_is_sealed() {
    own_shm("size=8m");
    let mut cases = Cases::new();
    cases.case("nothing lets a named object grow", || {
        let object = Shm::create("/x", 100).unwrap();
        filter::forbid(filter::FALLOCATE, libc::EPERM);
        filter::forbid(filter::FTRUNCATE, libc::EPERM);
        for result in [object.set_len(8192), object.set_len_sparse(8192), object.set_len(10)] {
            let text = refused(result).to_string();
            assert!(!text.contains("seal"), "a named object is never sealed: {text}");
        }
        object.unlink().unwrap();
    });
    cases.case("nothing lets a new object have a length", || {
        filter::forbid(filter::FALLOCATE, libc::EPERM);
        filter::forbid(filter::FTRUNCATE, libc::EPERM);
        filter::forbid(filter::PWRITE, libc::EPERM);
        for result in [Shm::create("/x", 8192), Shm::anonymous(8192), Shm::publish("/x", b"x")] {
            let text = refused(result).to_string();
            assert!(!text.contains("seal"), "a fresh object is not sealed: {text}");
        }
    });
    cases.case("an anonymous object that is sealed for good", || {
        let object = Shm::anonymous(100).unwrap();
        object.seal(Seals::SHRINK | Seals::SEAL).unwrap();
        let error = refused(object.seal(Seals::GROW));
        assert!(!error.to_string().contains("only anonymous"), "it is anonymous: {error}");
        hints(&error, &["Seals::SEAL"]);
        hints(&refused(object.set_len(10)), &["sealed"]);
    });
    cases.case("an anonymous object through a read-only handle", || {
        let object = Shm::anonymous(100).unwrap().read_only().unwrap();
        let error = refused(object.seal(Seals::GROW));
        assert!(!error.to_string().contains("only anonymous"), "it is anonymous: {error}");
    });
    cases.case("a named object", || {
        let object = Shm::create("/x", 100).unwrap();
        hints(&refused(object.seal(Seals::GROW)), &["anonymous"]);
        object.unlink().unwrap();
    });
    cases.end();
}

/// How often this process gave up the processor in one of some attempts: in that in which it did so
/// least often. It may also have to wait for another process once.
fn fewest_sleeps(mut attempt: impl FnMut()) -> libc::c_long {
    let sleeps = || {
        // SAFETY: zeros are a valid value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to the structure that the call fills in.
        check(unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) }).unwrap();
        usage.ru_nvcsw
    };
    let counts = (0..16).map(|_| {
        let before = sleeps();
        attempt();
        sleeps() - before
    });
    counts.min().unwrap()
}

fn words_open_or_create_does_not_wait_for_what_waiting_cannot_cure() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    let mut quick = |what: &str, size: u64, before: fn()| {
        cases.case(what, || {
            before();
            let slept = fewest_sleeps(|| drop(refused(Shm::open_or_create("/x", size))));
            assert_eq!(slept, 0, "it waits, although that cannot help");
        });
    };
    quick("more than the whole file system", 4 << 20, || {});
    quick("more than the whole file system, large", 64 << 20, || {});
    quick("more than any file can have", i64::MAX as u64, || {});
    quick("a file-size limit", 64 << 10, || limit(libc::RLIMIT_FSIZE, 4096));
    quick("a filter", 64 << 10, || {
        for calls in [filter::FALLOCATE, filter::FTRUNCATE, filter::PWRITE] {
            filter::forbid(calls, libc::EPERM);
        }
    });
    cases.end();
}

/// How many bytes the file system at `/dev/shm` has left.
fn free() -> u64 {
    // SAFETY: all fields are integers.
    let mut stat: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path is NUL-terminated, and the pointer is to room for one `statvfs`.
    check(unsafe { libc::statvfs(c"/dev/shm".as_ptr(), &mut stat) }).unwrap();
    stat.f_bavail as u64 * stat.f_frsize as u64
}

fn words_publish_asks_for_room_before_it_fills() {
    own_shm("size=32m");
    let content = vec![1; 64 << 20];
    let room = free();
    let mut cases = Cases::new();
    cases.case("the words", || {
        let error = leaves_nothing(|| refused(Shm::publish("/x", &content)));
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        let said = format!("{room} bytes free");
        assert!(error.to_string().contains(&said), "not {said:?}: {error}");
        assert_eq!(free(), room);
    });
    cases.case("nothing is written", || {
        filter::kill(filter::PWRITE);
        refused(Shm::publish("/x", &content));
    });
    cases.end();
}

fn words_hint_for_inodes() {
    let mut cases = Cases::new();
    for size in [0, 4096, 2 << 20] {
        cases.case(format_args!("{size} bytes"), || {
            own_shm("size=8m,nr_inodes=4");
            let mut count = 0;
            let error = loop {
                match Shm::create(format!("/x{count}"), size) {
                    Ok(_) => count += 1,
                    Err(error) => break error,
                }
            };
            assert_eq!(count, 3, "as many as there are inodes, without the directory's own");
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
            hints(&error, &["inode", "Shm::anonymous"]);
            assert!(!error.to_string().contains("bytes free"), "room is not what lacks: {error}");
        });
    }
    cases.end();
}

fn words_hint_for_locked_memory() {
    need_root();
    let mut cases = Cases::new();
    cases.case("mlockall", || {
        limit(libc::RLIMIT_MEMLOCK, 64 << 10);
        let object = Shm::anonymous(16 << 20).unwrap();
        become_user(NOBODY);
        // SAFETY: passes no pointer.
        check(unsafe { libc::mlockall(libc::MCL_FUTURE) }).unwrap();
        let error = refused(object.map());
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}");
        hints(&error, &["RLIMIT_MEMLOCK", "ulimit -l"]);
    });
    cases.end();
}

fn words_hint_for_a_small_file_system() {
    own_shm("size=64k");
    for size in [100 << 10, 1 << 20, 64 << 20] {
        let error = refused(Shm::create("/x", size));
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        hints(&error, &["anonymous"]);
    }
    hints(&refused(Shm::publish("/x", &[1; 100 << 10])), &["anonymous"]);
}

fn words_hint_for_a_size_that_nothing_may_be_created_with() {
    own_shm("size=1m");
    let mut options = OpenOptions::new();
    options.size(100);
    for direction in [Direction::Input, Direction::Io] {
        let error = refused(options.direction(direction).open("/absent"));
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        hints(&error, &["IfDoesNotExist::Create"]);
    }
    let error = refused(Shm::open("/absent"));
    assert!(!error.to_string().contains("IfDoesNotExist::Create"), "nobody gave a size: {error}");
}

/// "Open it with `Direction::Io`" helps only those who can.
fn words_hint_for_a_handle_that_cannot_be_opened_again() {
    let object = Shm::anonymous(4096).unwrap();
    let reader = object.read_only().unwrap();
    let frozen = Shm::anonymous(4096).unwrap().freeze().unwrap();
    for (what, handle, words) in [
        ("read_only", &reader, ["read_only", "read-only"]),
        ("freeze", &frozen, ["freeze", "seal"]),
    ] {
        for error in [refused(handle.map_mut()), refused(handle.set_len(8192))] {
            let text = error.to_string();
            assert!(
                !text.contains("open it") && !text.contains("open the object"),
                "{what}: {text}"
            );
            assert!(words.iter().any(|word| text.contains(word)), "{what}: not why: {error}");
        }
    }
    own_shm("size=1m");
    let named = Shm::create("/x", 100).unwrap();
    let error = refused(Shm::open("/x").unwrap().map_mut());
    hints(&error, &["Direction::Io"]);
    named.unlink().unwrap();
}

fn words_hint_for_a_forbidden_directory() {
    need_root();
    own_shm("size=1m,mode=700");
    Shm::create("/x", 100).unwrap();
    become_user(NOBODY);
    for result in [Shm::open("/x"), Shm::open_io("/x"), Shm::create("/y", 100)] {
        let error = refused(result);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        hints(&error, &["/dev/shm"]);
    }
}

fn words_hint_for_a_missing_directory() {
    own_shm("size=1m");
    mount_from("tmpfs", "/dev", "tmpfs", 0);
    for size in [0, 100, 2 << 20] {
        let error = Shm::create("/x", size).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        hints(&error, &["is /dev/shm mounted"]);
    }
}

fn words_hint_for_a_lease() {
    own_shm("size=1m");
    drop(Shm::create("/x", 100).unwrap());
    let file = fs::File::options().read(true).write(true).open("/dev/shm/x").unwrap();
    // SAFETY: passes no pointer; the signal of the lease is ignored.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    // SAFETY: passes no pointer.
    let leased = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
    if let Err(why) = check(leased) {
        cannot(format_args!("lease a file of tmpfs: {why}"));
    }
    let mut cases = Cases::new();
    cases.case("open", || {
        let error = refused(Shm::open("/x"));
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}");
        hints(&error, &["lease"]);
        assert_eq!(refused(Shm::open_io("/x")).raw_os_error(), Some(libc::EAGAIN));
    });
    cases.end();
}

fn words_hint_for_descriptors_in_flight() {
    need_root();
    let mut cases = Cases::new();
    cases.case("many that nobody receives", || {
        let (here, _there) = UnixStream::pair().unwrap();
        let object = Shm::anonymous(100).unwrap();
        // What is in flight is counted for each user.
        become_user(NOBODY - 7);
        limit(libc::RLIMIT_NOFILE, 20);
        for _ in 0..100 {
            if let Err(error) = object.send(&here) {
                assert_eq!(error.raw_os_error(), Some(libc::ETOOMANYREFS), "{error}");
                hints(&error, &["receive", "in flight", "on their way"]);
                return;
            }
        }
        panic!("none was refused");
    });
    cases.end();
}

fn words_hint_for_a_quota() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    cases.case("reserving", || {
        filter::forbid(filter::FALLOCATE, libc::EDQUOT);
        let error = leaves_nothing(|| refused(Shm::create("/x", 8192)));
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
        hints(&error, &["quota"]);
    });
    cases.case("creating", || {
        filter::forbid(filter::O_TMPFILE, libc::EDQUOT);
        let error = leaves_nothing(|| refused(Shm::create("/x", 8192)));
        hints(&error, &["quota"]);
    });
    cases.case("publishing", || {
        filter::forbid(filter::PWRITE, libc::EDQUOT);
        filter::forbid(filter::FALLOCATE, libc::EDQUOT);
        let error = leaves_nothing(|| refused(Shm::publish("/x", &[1; 8192])));
        hints(&error, &["quota"]);
    });
    cases.end();
}

/// Sends a named object to this process itself, and receives it.
fn is_received() {
    let (here, there) = UnixStream::pair().unwrap();
    let object = Shm::create("/x", 8192).unwrap();
    object.map_mut().unwrap().bytes().store(8191, 9);
    object.send(&here).unwrap();
    let received = Shm::receive(&there).unwrap();
    assert_eq!(received.map().unwrap().bytes().load(8191), 9);
    object.read_only().unwrap().send(&here).unwrap();
    refused(Shm::receive(&there).unwrap().map_mut());
    object.unlink().unwrap();
}

fn words_receive_takes_the_librarys_own_objects_on_any_file_system() {
    own_shm("size=64m");
    let mut cases = Cases::new();
    cases.case("tmpfs", is_received);
    cases.case("ramfs", || {
        mount(c"ramfs", c"/dev/shm", 0, c"").unwrap();
        is_received();
    });
    cases.case("overlayfs", || {
        for folder in ["lower", "upper", "work"] {
            fs::create_dir(format!("/dev/shm/{folder}")).unwrap();
        }
        let options = c"lowerdir=/dev/shm/lower,upperdir=/dev/shm/upper,workdir=/dev/shm/work";
        match mount(c"overlay", c"/dev/shm", 0, options) {
            Ok(()) => is_received(),
            // In a user namespace, or a kernel without it.
            Err(why) => cannot(format_args!("mount an overlayfs: {why}")),
        }
    });
    cases.case("a disk's file system", || {
        // A folder of the disk, whatever it is formatted as.
        let folder = std::env::temp_dir().join(format!("posix-shm-test.{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        mount_from(folder.to_str().unwrap(), "/dev/shm", "none", libc::MS_BIND);
        let failed = std::panic::catch_unwind(is_received);
        let _ = unlink("/x");
        fs::remove_dir(&folder).unwrap();
        failed.unwrap();
    });
    for name in names() {
        fs::remove_dir_all(format!("/dev/shm/{name}")).unwrap();
    }
    cases.case("what is no object", || {
        let (here, there) = UnixStream::pair().unwrap();
        for path in ["/dev/null", "/dev/shm", "/dev/zero"] {
            let file = fs::File::open(path).unwrap();
            Shm::from(OwnedFd::from(file)).send(&here).unwrap();
            let error = refused(Shm::receive(&there));
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{path}: {error}");
        }
    });
    cases.end();
}

/// To size an object needs a writable handle, whether it is known to be none, grows or shrinks.
fn words_one_kind_for_sizing_through_a_read_only_descriptor() {
    own_shm("size=64m");
    let object = Shm::create("/x", 8192).unwrap();
    let known = Shm::open("/x").unwrap();
    let unknown = Shm::from(OwnedFd::from(fs::File::open("/dev/shm/x").unwrap()));
    for (what, handle) in [("known", &known), ("unknown", &unknown)] {
        for result in [
            handle.set_len(1 << 20),
            handle.set_len(32 << 20),
            handle.set_len(100),
            handle.set_len(8192),
            handle.set_len_sparse(1 << 20),
            handle.set_len_sparse(100),
        ] {
            let error = refused(result);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{what}: {error}");
            assert!(error.to_string().contains("read-only"), "{what}: {error}");
        }
    }
    assert_eq!(object.len().unwrap(), 8192);
    object.unlink().unwrap();
}

fn words_supersede_needs_room_for_both_and_says_so() {
    own_shm("size=1m");
    let size = 600 << 10;
    Shm::create("/x", size).unwrap();
    let error = refused(creating(size).if_exists(IfExists::Supersede).open("/x"));
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    hints(&error, &["both", "unlink", "old"]);
    // Where the old one is not what takes the room, that is not said.
    let error = refused(creating(4 << 20).if_exists(IfExists::Supersede).open("/other"));
    assert!(!error.to_string().contains("both"), "{error}");
}

fn words_io_error_keeps_the_whole_error() {
    let open = || -> io::Result<()> {
        Shm::open("/posix-shm-test.absent")?;
        Ok(())
    };
    let error = open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let whole = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let whole = whole.expect("the library's own error is not inside");
    assert_eq!(whole.operation(), Operation::Open);
    assert_eq!(whole.raw_os_error(), Some(libc::ENOENT));
    assert_eq!(whole.name().unwrap().to_string(), "/posix-shm-test.absent");
    assert!(error.to_string().contains("posix-shm-test.absent"), "{error}");

    let invalid = io::Error::from(refused(Shm::create("/posix-shm-test.absent", u64::MAX)));
    assert_eq!(invalid.kind(), ErrorKind::InvalidInput);
    let whole = invalid.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).unwrap();
    assert_eq!(whole.raw_os_error(), None);
}

/// A peer that shares the description may set `O_APPEND`, which Linux' `pwrite` obeys.
fn words_write_at_writes_where_it_says() {
    let object = Shm::anonymous(100).unwrap();
    let peer = object.try_clone().unwrap();
    // SAFETY: passes no pointer.
    let set =
        unsafe { libc::fcntl(peer.as_raw_fd(), libc::F_SETFL, libc::O_RDWR | libc::O_APPEND) };
    check(set).unwrap();
    let result = object.write_at(b"here", 10);
    assert_eq!(object.len().unwrap(), 100, "it wrote at the end: {result:?}");
    let mut found = [0; 4];
    object.read_exact_at(&mut found, 10).unwrap();
    match result {
        Ok(4) => assert_eq!(&found, b"here"),
        Ok(written) => panic!("{written} bytes were written"),
        Err(error) => assert!(error.to_string().contains("O_APPEND"), "{error}"),
    }
}

/// In a sticky directory only the owner replaces an object.
fn words_may_not_replace_is_eperm() {
    need_root();
    own_shm("size=1m,mode=1777");
    Shm::create("/x", 100).unwrap();
    let mut cases = Cases::new();
    cases.case("another user", || {
        become_user(NOBODY);
        let mut supersede = creating(200);
        supersede.if_exists(IfExists::Supersede);
        let error = leaves_nothing(|| refused(supersede.open("/x")));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
    });
    cases.end();
    let text: String = sources().into_iter().map(|(_, text)| text).collect();
    let open = text.split("pub fn open(").next().unwrap();
    let errors = &open[open.rfind("# Errors").expect("`OpenOptions::open` lists its errors")..];
    assert!(errors.contains("EPERM"), "not in the documentation of `open`: {errors}");
}

fn words_an_id_that_is_not_mapped_is_einval() {
    need_root();
    let mut cases = Cases::new();
    cases.case("in a namespace of users", || {
        // SAFETY: passes no pointer; the process has one thread.
        if let Err(why) = check(unsafe { libc::unshare(libc::CLONE_NEWUSER) }) {
            cannot(format_args!("make a namespace of users: {why}"));
        }
        fs::write("/proc/self/uid_map", "0 0 1").unwrap();
        let object = Shm::anonymous(100).unwrap();
        let error = refused(object.set_owner(Some(12345), None));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        hints(&error, &["namespace", "mapped"]);
    });
    cases.end();
}

/// The object is not to blame alone.
fn words_of_what_a_sandbox_forbids() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
        cases.case(format_args!("one call fails: {errno}"), || {
            let object = Shm::anonymous(4096).unwrap();
            filter::forbid(filter::FCHMOD, errno);
            filter::forbid(filter::ADD_SEALS, errno);
            filter::forbid(filter::MMAP_SHARED, errno);
            let private = Permissions::PRIVATE;
            let errors = [
                refused(object.set_permissions(private)),
                refused(object.seal(Seals::GROW)),
                refused(object.map()),
                refused(object.map_mut()),
            ];
            for error in &errors {
                assert_eq!(error.raw_os_error(), Some(errno), "{error}");
                hints(error, &["sandbox"]);
            }
        });
        cases.case(format_args!("nothing can be renamed: {errno}"), || {
            Shm::create("/old", 100).unwrap();
            filter::forbid(filter::RENAMES, errno);
            let error = refused(creating(100).if_exists(IfExists::Supersede).open("/old"));
            assert_eq!(error.operation(), Operation::Publish, "{error}");
            hints(&error, &["renames"]);
            unlink("/old").unwrap();
        });
    }
    cases.end();
}

/// What the documentation has to say, since no test can: who may be surprised otherwise.
fn words_of_the_docs() {
    let text: String = sources().into_iter().map(|(_, text)| text).collect();
    let lower = text.to_lowercase();
    let mut missing = BTreeSet::new();
    for (what, words) in [
        ("Python before 3.13 removes what it attached", &["python"][..]),
        ("which Python", &["3.13"]),
        ("the order of several words: fences", &["fence"]),
        ("a least length is a question of its own", &["at_least"]),
        ("leftovers: superseding needs room for both", &["room for both", "both objects"]),
        ("the temporary name that may stay", &["posix-shm."]),
        ("who creates a control group's limit is asked", &["cgroup", "control group"]),
        ("the limit on the length of files", &["rlimit_fsize"]),
    ] {
        if !words.iter().any(|word| lower.contains(word)) {
            missing.insert(what);
        }
    }
    assert!(missing.is_empty(), "the documentation has no word on: {missing:#?}");
}
