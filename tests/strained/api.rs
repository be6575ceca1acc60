//! What callers can ask for and insist on: `ignore_estimates`, `is_reserved`, `may_fault`,
//! `from_fd`, `grow`, `reserve`, `punch`, more opening options, and errors as plain `io::Error`s.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use posix_shm::{Direction, Error, IfDoesNotExist, MapOptions, OpenOptions, Seals, Shm, ShmName};

use crate::filter;
use crate::lab::{
    Cases, creating, is_complete, leaves_nothing, memfd, names, own_shm, pipe, refused, truncate,
};
use crate::memory::{HugePages, little_memory};

crate::tasks! { ON_LINUX:
    fault_06_a_caller_can_insist
    fault_11_may_fault_is_what_the_kernel_promises
    is_reserved_is_what_the_kernel_answers
    from_fd_checks_the_kind
    from_fd_keeps_the_name
    grow_never_shortens
    grow_refuses_and_changes_nothing
    reserve_takes_memory_and_changes_nothing_else
    reserve_refuses_what_has_no_length
    punch_gives_memory_back
    punch_refuses_what_is_sealed
    resize_gives_an_existing_object_the_size
    at_least_is_a_question
    at_least_waits
    map_options_are_what_open_mapped_maps_with
    label_is_what_proc_shows
    into_io_error_is_plain
    metadata_has_block_size_and_rdev
}

const PAGE: u64 = 4096;

fn allocated(object: &Shm) -> u64 {
    object.metadata().unwrap().allocated()
}

fn fault_06_a_caller_can_insist() {
    own_shm("size=64m");
    little_memory();
    let size = 20 << 20;
    let mut cases = Cases::new();
    cases.case("anonymous", || {
        let object = creating(size).ignore_estimates(true).open_anonymous().unwrap();
        is_complete(&object, size);
        object.set_len(2 * size).expect("who insists once insists on growing, too");
    });
    cases.case("named", || {
        let object = creating(size).ignore_estimates(true).open("/x").unwrap();
        is_complete(&object, size);
        object.unlink().unwrap();
    });
    // Each of these is created in another way than a large one.
    let made: [(&str, fn(&OpenOptions) -> Shm); 4] = [
        ("small, anonymous", |options| options.open_anonymous().unwrap()),
        ("small, anonymous and mapped", |options| options.open_anonymous_mapped().unwrap().0),
        ("small, named", |options| options.open("/x").unwrap()),
        ("small, named and mapped", |options| options.open_mapped("/y").unwrap().0),
    ];
    for (what, make) in made {
        cases.case(what, || {
            let object = make(creating(PAGE).ignore_estimates(true));
            object.grow(size).expect("who insists when creating insists on growing");
            if object.name().is_some() {
                object.unlink().unwrap();
            }
        });
    }
    cases.case("opened", || {
        let made = Shm::create("/x", 4096).unwrap();
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).ignore_estimates(true);
        let object = options.open("/x").unwrap();
        refused(made.grow(size));
        object.grow(size).expect("who insists when opening insists on growing");
        made.unlink().unwrap();
    });
    cases.case("mapped", || {
        drop(creating(size).ignore_estimates(true).open_anonymous_mapped().unwrap())
    });
    cases.case("what the kernel refuses", || {
        let mut options = creating(80 << 20);
        let error = leaves_nothing(|| refused(options.ignore_estimates(true).open("/x")));
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    });
    cases.case("not by default", || {
        let mut options = creating(size);
        let error =
            refused(options.ignore_estimates(true).ignore_estimates(false).open_anonymous());
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    });
    cases.end();
}

/// An object of a whole number of pages, each of which has memory or has not.
fn object(sparse: bool) -> Shm {
    creating(1 << 20).sparse(sparse).open_anonymous().unwrap()
}

fn fault_11_may_fault_is_what_the_kernel_promises() {
    own_shm("size=8m");
    let mut cases = Cases::new();
    let sealed = |seals: Seals, sparse: bool| {
        let object = object(sparse);
        object.seal(seals).unwrap();
        object.may_fault().unwrap()
    };
    cases.case("seals", || {
        for (seals, may_fault) in [
            (Seals::empty(), true),
            (Seals::SHRINK, true),
            (Seals::SHRINK | Seals::GROW | Seals::SEAL, true),
            (Seals::WRITE, true),
            (Seals::FUTURE_WRITE, true),
            // It may still become longer, without memory for that.
            (Seals::SHRINK | Seals::WRITE, true),
            (Seals::SHRINK | Seals::FUTURE_WRITE, true),
            (Seals::SHRINK | Seals::GROW | Seals::WRITE, false),
            (Seals::SHRINK | Seals::GROW | Seals::FUTURE_WRITE, false),
            (Seals::all().difference(Seals::EXEC), false),
        ] {
            assert_eq!(sealed(seals, false), may_fault, "{seals:?}");
            assert!(sealed(seals, true), "{seals:?}, and no memory is there");
        }
    });
    cases.case("frozen, by any handle", || {
        let frozen = object(false).freeze().unwrap();
        assert!(!frozen.may_fault().unwrap());
        assert!(!frozen.read_only().unwrap().may_fault().unwrap());
        assert!(!frozen.try_clone().unwrap().may_fault().unwrap());
        let (here, there) = UnixStream::pair().unwrap();
        frozen.send(&here).unwrap();
        assert!(!Shm::receive(&there).unwrap().may_fault().unwrap());
        assert!(!Shm::anonymous(100).unwrap().freeze().unwrap().may_fault().unwrap());
    });
    cases.case("holes", || {
        let punched = object(false);
        punched.punch(PAGE..2 * PAGE).unwrap();
        assert!(punched.freeze().unwrap().may_fault().unwrap(), "a page was given back");
        let written = object(true);
        written.write_all_at(&[1; 1 << 20], 0).unwrap();
        assert!(!written.freeze().unwrap().may_fault().unwrap(), "each page was written");
        let longer = object(false);
        longer.set_len_sparse(2 << 20).unwrap();
        assert!(longer.freeze().unwrap().may_fault().unwrap(), "half of it is not reserved");
    });
    cases.case("memory past the end does not count", || {
        let peers = object(true);
        peers.set_len_sparse(2 << 20).unwrap();
        peers.reserve(1 << 20..).unwrap();
        // SAFETY: passes no pointer.
        let kept = unsafe {
            libc::fallocate(peers.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 2 << 20, 2 << 20)
        };
        assert_eq!(kept, 0);
        let frozen = peers.freeze().unwrap();
        assert!(frozen.is_reserved().unwrap(), "the blocks are as many as it is long");
        // It asks the kernel for the missing half, and gets it.
        assert!(!frozen.may_fault().unwrap());
        assert!(frozen.map().unwrap().bytes().iter().all(|byte| byte == 0));
    });
    cases.case("named", || {
        let named = Shm::create("/x", 4096).unwrap();
        assert!(named.may_fault().unwrap(), "anybody can shorten it");
        named.unlink().unwrap();
    });
    cases.case("what cannot be asked", || {
        let frozen = object(false).freeze().unwrap();
        filter::forbid(filter::GET_SEALS, libc::EPERM);
        assert!(frozen.may_fault().unwrap_or(true), "it does not know");
    });
    cases.end();
    let pages = HugePages::add(2);
    let huge = pages.object(0);
    huge.set_len(pages.size).unwrap();
    huge.seal(Seals::SHRINK | Seals::GROW | Seals::FUTURE_WRITE).unwrap();
    assert!(huge.may_fault().unwrap(), "a huge page may not come back");
}

fn is_reserved_is_what_the_kernel_answers() {
    own_shm("size=8m");
    for make in [Shm::anonymous, |size| Shm::create("/x", size)] {
        for size in [0, 1, PAGE, 10_000, 1 << 20] {
            let object = make(size).unwrap();
            assert!(object.is_reserved().unwrap(), "{size}");
            object.set_len_sparse(size + 2 * PAGE).unwrap();
            assert!(!object.is_reserved().unwrap(), "{size} and two pages without memory");
            object.reserve(..).unwrap();
            assert!(object.is_reserved().unwrap(), "{size}, reserved later");
            object.punch(..PAGE).unwrap();
            assert!(!object.is_reserved().unwrap(), "{size}, and a page given back");
            if object.name().is_some() {
                object.unlink().unwrap();
            }
        }
    }
    let sparse = object(true);
    assert!(!sparse.is_reserved().unwrap());
    sparse.write_all_at(&[1; 1 << 19], 0).unwrap();
    assert!(!sparse.is_reserved().unwrap(), "half of it was written");
    sparse.write_all_at(&[1; 1 << 19], 1 << 19).unwrap();
    assert!(sparse.is_reserved().unwrap(), "all of it was written");
    assert!(sparse.read_only().unwrap().is_reserved().unwrap(), "through another handle");
}

fn from_fd_checks_the_kind() {
    own_shm("size=8m");
    let path = std::ffi::CString::new("/dev/shm/fifo").unwrap();
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    crate::alone::check(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }).unwrap();
    let open = |path: &str| OwnedFd::from(fs::File::open(path).unwrap());
    let both = || fs::File::options().read(true).write(true).open("/dev/shm/fifo").unwrap();
    let kinds: [(&str, &dyn Fn() -> OwnedFd); 6] = [
        ("a device", &|| open("/dev/null")),
        ("a device of zeros", &|| open("/dev/zero")),
        ("a directory", &|| open("/dev/shm")),
        ("a FIFO", &|| OwnedFd::from(both())),
        ("a pipe", &|| pipe().into_iter().next().unwrap()),
        ("a socket", &|| OwnedFd::from(UnixStream::pair().unwrap().0)),
    ];
    for (what, make) in kinds {
        let error = leaves_nothing(|| refused(Shm::from_fd(make(), None)));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{what}: {error}");
    }
    let object = memfd(0).unwrap();
    truncate(&object, 100);
    let object = Shm::from_fd(object, None).unwrap();
    assert_eq!((object.len().unwrap(), object.created(), object.name()), (100, false, None));
    object.map_mut().unwrap().bytes().store(99, 1);
    object.set_len(200).unwrap();
    assert_eq!(object.map().unwrap().bytes().load(99), 1);
    let reader = Shm::from_fd(OwnedFd::from(object.read_only().unwrap()), None).unwrap();
    refused(reader.map_mut());
    let error = refused(reader.set_len(300));
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

fn from_fd_keeps_the_name() {
    own_shm("size=8m");
    let name = ShmName::new("/x").unwrap();
    let fd = OwnedFd::from(Shm::create(&name, 100).unwrap());
    let number = fd.as_raw_fd();
    let object = Shm::from_fd(fd, Some(name.clone())).unwrap();
    assert_eq!((object.name(), object.as_raw_fd()), (Some(&name), number));
    object.unlink().unwrap();
    assert!(names().is_empty());
    // The name is believed, and still only removed from the object that has it.
    Shm::create(&name, 100).unwrap();
    refused(object.unlink());
    assert_eq!(names().len(), 1);
    refused(Shm::from_fd(OwnedFd::from(fs::File::open("/dev/null").unwrap()), Some(name)));
}

fn grow_never_shortens() {
    own_shm("size=16m");
    let object = Shm::create("/x", 100).unwrap();
    object.map_mut().unwrap().bytes().fill(7);
    for (to, len) in
        [(0, 100), (50, 100), (100, 100), (5000, 5000), (4999, 5000), (1 << 20, 1 << 20)]
    {
        object.grow(to).unwrap();
        assert_eq!(object.len().unwrap(), len, "grown to {to}");
        assert!(allocated(&object) >= len, "grown to {to}, and no memory");
    }
    let bytes = object.map().unwrap().bytes().range(..200).to_vec();
    assert!(bytes[..100].iter().all(|&byte| byte == 7), "the content is changed");
    assert!(bytes[100..].iter().all(|&byte| byte == 0));
    // A peer makes it longer, and this process does not know.
    let empty = Shm::create("/empty", 0).unwrap();
    Shm::open_io("/empty").unwrap().set_len(9000).unwrap();
    empty.grow(4096).unwrap();
    assert_eq!(empty.len().unwrap(), 9000);
    let other = Shm::create("/other", 0).unwrap();
    std::thread::scope(|scope| {
        for step in [1_u64, 2, 3, 5] {
            let other = &other;
            scope.spawn(move || {
                let mut before = 0;
                for len in (0..1 << 20).step_by(4096 * step as usize) {
                    other.grow(len).unwrap();
                    let now = other.len().unwrap();
                    assert!(now >= before.max(len), "it has become shorter: {now} of {before}");
                    before = now;
                }
            });
        }
    });
}

fn grow_refuses_and_changes_nothing() {
    own_shm("size=1m");
    let object = Shm::create("/x", 8192).unwrap();
    for to in [2 << 20, 64 << 20] {
        let error = refused(object.grow(to));
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        assert_eq!((object.len().unwrap(), allocated(&object)), (8192, 8192));
    }
    assert_eq!(refused(object.grow(u64::MAX)).kind(), ErrorKind::InvalidInput);
    let reader = Shm::open("/x").unwrap();
    assert_eq!(refused(reader.grow(10_000)).kind(), ErrorKind::InvalidInput);
    let sealed = Shm::anonymous(100).unwrap();
    sealed.seal(Seals::GROW).unwrap();
    assert_eq!(refused(sealed.grow(101)).kind(), ErrorKind::PermissionDenied);
    sealed.grow(100).expect("it is that long");
    assert_eq!(sealed.len().unwrap(), 100);
}

fn reserve_takes_memory_and_changes_nothing_else() {
    let object = object(true);
    object.write_all_at(b"content", 10 * PAGE).unwrap();
    object.reserve(0..PAGE).unwrap();
    assert_eq!(allocated(&object), 2 * PAGE);
    object.reserve(PAGE..=PAGE).unwrap();
    assert_eq!(allocated(&object), 3 * PAGE, "one byte needs its page");
    object.reserve(2 * PAGE..2 * PAGE).unwrap();
    assert_eq!(allocated(&object), 3 * PAGE, "nothing needs nothing");
    object.reserve(..4 * PAGE).unwrap();
    assert_eq!(allocated(&object), 5 * PAGE);
    object.reserve(255 * PAGE..).unwrap();
    assert_eq!(allocated(&object), 6 * PAGE);
    object.reserve(..).unwrap();
    assert_eq!((object.len().unwrap(), allocated(&object)), (1 << 20, 1 << 20));
    let mut found = [0; 7];
    object.read_exact_at(&mut found, 10 * PAGE).unwrap();
    assert_eq!(&found, b"content");
}

fn reserve_refuses_what_has_no_length() {
    own_shm("size=1m");
    let object = creating(8192).sparse(true).open("/x").unwrap();
    #[allow(clippy::reversed_empty_ranges, reason = "what is refused")]
    for range in [0..8193, 8192..8193, 9000..9001, 0..u64::MAX, 100..50] {
        let error = refused(object.reserve(range.clone()));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{range:?}: {error}");
        assert_eq!((object.len().unwrap(), allocated(&object)), (8192, 0), "{range:?}");
    }
    let error = refused(Shm::open("/x").unwrap().reserve(..));
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let large = creating(4 << 20).sparse(true).open("/large").unwrap();
    let error = refused(large.reserve(..));
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert_eq!(large.len().unwrap(), 4 << 20);
}

fn punch_gives_memory_back() {
    let object = object(false);
    let mapping = object.map_mut().unwrap();
    mapping.bytes().fill(7);
    object.punch(PAGE..3 * PAGE).unwrap();
    assert_eq!(allocated(&object), (1 << 20) - 2 * PAGE);
    object.punch(10 * PAGE + 10..10 * PAGE + 20).unwrap();
    object.punch(255 * PAGE..).unwrap();
    object.punch(5..5).unwrap();
    assert_eq!(object.len().unwrap(), 1 << 20);
    for (index, byte) in mapping.bytes().to_vec().into_iter().enumerate() {
        let at = index as u64;
        let holes = [PAGE..3 * PAGE, 10 * PAGE + 10..10 * PAGE + 20, 255 * PAGE..1 << 20];
        let zero = holes.iter().any(|hole| hole.contains(&at));
        assert_eq!(byte, if zero { 0 } else { 7 }, "byte {index}");
    }
    object.punch(..).unwrap();
    assert_eq!((object.len().unwrap(), allocated(&object)), (1 << 20, 0));
}

fn punch_refuses_what_is_sealed() {
    let sealed = Shm::anonymous(8192).unwrap();
    sealed.map_mut().unwrap().bytes().fill(7);
    sealed.seal(Seals::WRITE).unwrap();
    assert_eq!(refused(sealed.punch(..)).kind(), ErrorKind::PermissionDenied);
    let reader = Shm::anonymous(8192).unwrap().read_only().unwrap();
    assert_eq!(refused(reader.punch(..)).kind(), ErrorKind::InvalidInput);
    let object = Shm::anonymous(8192).unwrap();
    #[allow(clippy::reversed_empty_ranges, reason = "what is refused")]
    let error = refused(object.punch(100..50));
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    // Past the end there is nothing to give back.
    let _ = object.punch(4096..1 << 30);
    assert_eq!(object.len().unwrap(), 8192);
    assert_eq!(sealed.map().unwrap().bytes().load(8191), 7);
}

fn resize_gives_an_existing_object_the_size() {
    own_shm("size=1m");
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).size(8192).resize(true);
    assert_eq!(refused(options.open("/x")).kind(), ErrorKind::NotFound);
    for before in [0, 100, 8192, 100_000] {
        let old = Shm::create("/x", before).unwrap();
        let object = options.open("/x").unwrap();
        assert_eq!((object.len().unwrap(), object.created()), (8192, false), "from {before}");
        assert!(allocated(&object) >= 8192, "from {before}");
        let (_, mapping) = options.open_mapped("/x").unwrap();
        assert_eq!(mapping.len(), 8192);
        old.unlink().unwrap();
    }
    let created = options.clone().if_does_not_exist(IfDoesNotExist::Create).open("/x").unwrap();
    assert!(created.created());
    assert_eq!(created.len().unwrap(), 8192);
    let error = refused(options.clone().direction(Direction::Input).open("/x"));
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let error = refused(options.clone().size(4 << 20).open("/x"));
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert_eq!(created.len().unwrap(), 8192, "a resizing that failed has changed it");
}

fn at_least_is_a_question() {
    own_shm("size=1m");
    let object = Shm::create("/x", 8192).unwrap();
    let mut options = OpenOptions::new();
    for direction in [Direction::Input, Direction::Io] {
        options.direction(direction);
        for bytes in [0, 1, 8191, 8192] {
            assert_eq!(options.at_least(bytes).open("/x").unwrap().len().unwrap(), 8192);
        }
        for bytes in [8193, 1 << 30] {
            let error = leaves_nothing(|| refused(options.at_least(bytes).open("/x")));
            assert_ne!(error.kind(), ErrorKind::NotFound, "{error}");
            let text = error.to_string();
            assert!(text.contains("8192") && text.contains(&bytes.to_string()), "{text}");
        }
    }
    let mut either = OpenOptions::new();
    either.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create);
    either.size(1 << 14).at_least(1 << 14);
    refused(either.open("/x"));
    refused(either.open_mapped("/x"));
    assert!(either.open("/y").unwrap().created());
    assert!(!either.open("/y").unwrap().created());
    assert_eq!(object.len().unwrap(), 8192);
}

fn at_least_waits() {
    own_shm("size=1m");
    let object = Shm::create("/x", 100).unwrap();
    let mut options = OpenOptions::new();
    options.at_least(8192).wait(Duration::from_secs(4));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| options.open("/x").unwrap().len().unwrap());
        std::thread::sleep(Duration::from_millis(50));
        object.set_len(4096).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished(), "it is too short still");
        object.set_len(9000).unwrap();
        assert_eq!(waiting.join().unwrap(), 9000);
    });
    options.at_least(10_000).wait(Duration::from_millis(50));
    let error = refused(options.open("/x"));
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
}

fn map_options_are_what_open_mapped_maps_with() {
    own_shm("size=1m");
    let mut part = MapOptions::new();
    part.offset(5000).len(100);
    let mut options = creating(16384);
    options.map_options(&part);
    let (object, mapping) = options.open_mapped("/x").unwrap();
    assert_eq!((mapping.len(), object.len().unwrap()), (100, 16384));
    mapping.bytes().fill(7);
    let bytes = object.map().unwrap().bytes().range(4999..5101).to_vec();
    assert_eq!((bytes[0], bytes[1], bytes[100], bytes[101]), (0, 7, 7, 0));
    let mut opening = OpenOptions::new();
    opening.direction(Direction::Io).map_options(&part);
    let (_, again) = opening.open_mapped("/x").unwrap();
    assert_eq!((again.len(), again.bytes().load(99)), (100, 7));
    let (_, anonymous) = options.open_anonymous_mapped().unwrap();
    assert_eq!(anonymous.len(), 100);
    // What cannot be mapped is not made.
    part.offset(16384).len(1);
    let error = leaves_nothing(|| refused(options.map_options(&part).open_mapped("/new")));
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    refused(opening.map_options(&part).open_mapped("/x"));
}

fn label_is_what_proc_shows() {
    let shown = |object: &Shm| {
        let link = format!("/proc/self/fd/{}", object.as_raw_fd());
        fs::read_link(link).unwrap().to_str().unwrap().to_owned()
    };
    let mut options = creating(100);
    let labelled = options.label("frames of camera 1").open_anonymous().unwrap();
    assert!(shown(&labelled).contains("memfd:frames of camera 1"), "{}", shown(&labelled));
    let (mapped, _) = options.open_anonymous_mapped().unwrap();
    assert!(shown(&mapped).contains("memfd:frames of camera 1"), "{}", shown(&mapped));
    assert!(shown(&Shm::anonymous(100).unwrap()).contains("memfd:posix-shm"));
    for bad in ["a\0b".to_owned(), "x".repeat(1000)] {
        let error = refused(creating(100).label(&bad).open_anonymous());
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

fn into_io_error_is_plain() {
    let plain = refused(Shm::open("/posix-shm-test.absent")).into_io_error();
    assert_eq!(plain.raw_os_error(), Some(libc::ENOENT));
    assert_eq!(plain.kind(), ErrorKind::NotFound);
    assert!(plain.get_ref().is_none());
    let error: Error = refused(Shm::create("/posix-shm-test.absent", u64::MAX));
    let plain = error.into_io_error();
    assert_eq!((plain.kind(), plain.raw_os_error()), (ErrorKind::InvalidInput, None));
}

fn metadata_has_block_size_and_rdev() {
    let object = Shm::anonymous(100).unwrap().metadata().unwrap();
    assert_eq!((object.block_size(), object.rdev()), (PAGE, 0));
    let pages = HugePages::add(1);
    let huge = pages.object(pages.size);
    assert_eq!(huge.metadata().unwrap().block_size(), pages.size);
    let device = OwnedFd::from(fs::File::open("/dev/null").unwrap());
    assert_eq!(Shm::from(device).metadata().unwrap().rdev(), libc::makedev(1, 3));
}
