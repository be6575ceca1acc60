//! The other process. It does one task, asserts what it sees, and exits with 0 if everything is
//! right. If the machine does not allow a task, it prints `cannot: ` and the reason.

use std::env;
use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, MapOptions, Mapping, OpenOptions, Operation, Permissions,
    Protection, ReadWrite, Shm, ShmName, Waited, capabilities, transfer, unlink,
};

use posix_shm_tests_optimised::hammer;

#[path = "peer/alone.rs"]
mod alone;
#[path = "peer/expected.rs"]
mod expected;
#[path = "peer/forking.rs"]
mod forking;
#[cfg(target_os = "linux")]
#[path = "peer/hardship.rs"]
mod hardship;
#[path = "peer/waiting.rs"]
mod waiting;

use alone::check;
use expected::len;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["umask", mask, mode, size, name] => umask(octal(mask), octal(mode), size, name, false),
        ["umask", mask, mode, size, name, "exactly"] => {
            umask(octal(mask), octal(mode), size, name, true);
        }
        ["race", name, rounds] => race(name, rounds.parse().unwrap()),
        ["supersede", name, times] => supersede(name, times.parse().unwrap()),
        ["fork", name] => forking::fork(name),
        ["fork-and-shrink"] => forking::fork_and_shrink(),
        ["descriptor-zero", name] => descriptor_zero(name),
        ["create-unreadable", size, name] => create_unreadable(size.parse().unwrap(), name),
        ["address"] => address(),
        ["touch", protection, access] => touch(protection, access),
        ["out-of-bounds", how] => out_of_bounds(how),
        ["double-stdin"] => double_stdin(),
        ["answer", name, rounds] => answer(name, rounds.parse().unwrap()),
        ["scribble", name] => hammer::scribble(&mapping(name)),
        ["count", name, times] => hammer::count(&mapping(name), times.parse().unwrap()),
        ["leave-behind", name] => leave_behind(name),
        ["work", number, offset] => work(number.parse().unwrap(), offset.parse().unwrap()),
        ["has-seven"] => {
            let object = inherited();
            assert_eq!(object.map().unwrap().slice::<u64>(0, 1).unwrap().load(0), 7);
        }
        ["give-to-root"] => give_to_root(),
        ["closed-descriptor"] => closed_descriptor(),
        ["inherits-nothing"] => inherits_nothing(),
        ["newborn", name, rounds] => newborn(name, rounds.parse().unwrap(), IfExists::Overwrite),
        ["successor", name, rounds] => newborn(name, rounds.parse().unwrap(), IfExists::Supersede),
        ["clean", name] => clean(name),
        ["calls", task, name] => calls(task, name),
        _ if waiting::task(&arguments) => {}
        #[cfg(target_os = "linux")]
        _ if hardship::task(&arguments) => {}
        _ => panic!("no such task: {arguments:?}"),
    }
}

fn mapping(name: &str) -> Mapping<ReadWrite> {
    Shm::open_io(name).unwrap().map_mut().unwrap()
}

fn octal(digits: &str) -> u32 {
    u32::from_str_radix(digits, 8).unwrap()
}

/// For creating an object, which must not exist.
fn creating(size: u64) -> OpenOptions {
    OpenOptions::new().direction(Direction::Io).if_exists(IfExists::Error).size(size).clone()
}

fn umask(mask: u32, mode: u32, size: &str, name: &str, exactly: bool) {
    #[allow(clippy::unnecessary_cast, reason = "the type is narrower on other systems")]
    // SAFETY: passes no pointer.
    unsafe {
        libc::umask(mask as libc::mode_t)
    };
    let object = creating(size.parse().unwrap())
        .permissions(Permissions::from_mode(mode))
        .ignore_umask(exactly)
        .open(name)
        .unwrap();
    println!("{:?}", object.metadata().unwrap().permissions());
}

/// Creates, supersedes, opens and removes at random. The creator of an object signs it, and must be
/// the first and only one that does.
fn race(name: &str, rounds: u32) {
    let mut state = u64::from(std::process::id()) | 1 << 40;
    let mut signed = 0;
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let opened = match state % 8 {
            0..4 => Shm::open_or_create(name, 64).map(Some),
            4 => creating(64).if_exists(IfExists::Supersede).open(name).map(Some),
            5 => creating(64).open_optional(name),
            6 => unlink(name).map(|()| None),
            _ => Shm::open_io(name).and_then(|object| object.unlink()).map(|()| None),
        };
        match opened {
            Ok(Some(object)) => {
                let found = object.len().unwrap();
                let promised = capabilities().complete_before_named;
                assert!(found == len(64) || !promised, "an object of only {found} bytes");
                if object.created() {
                    signed += 1;
                    let mapping = object.map_mut().unwrap();
                    let first = mapping.atomic::<u64>(0).unwrap().swap(state, Ordering::SeqCst);
                    assert_eq!(first, 0, "an object with two creators");
                }
            }
            Ok(None) => {}
            // Only the errors that the documentation names for these calls.
            Err(error) => {
                let known = [ErrorKind::NotFound, ErrorKind::ResourceBusy];
                let taken_over = !capabilities().supersede_in_one_step
                    && error.kind() == ErrorKind::AlreadyExists;
                assert!(known.contains(&error.kind()) || taken_over, "{error}");
            }
        }
    }
    println!("{signed}");
}

/// Supersedes an object again and again, each time with a page that repeats one number.
fn supersede(name: &str, times: u64) {
    for i in 1..=times {
        creating(4096)
            .if_exists(IfExists::Supersede)
            .open_with::<posix_shm::Error>(name, |new| {
                new.map_mut()?.slice::<u64>(0, 512)?.fill(i);
                Ok(())
            })
            .unwrap();
    }
}

/// Opens, creates and supersedes an object again and again, and is present on it for a moment. In
/// this time the name must mean the object. Prints how often it did so, and created it.
fn newborn(name: &str, rounds: u32, if_exists: IfExists) {
    let identity = |object: &Shm| {
        let metadata = object.metadata().unwrap();
        (metadata.device(), metadata.inode())
    };
    let (mut state, mut created) = (u64::from(std::process::id()) | 1 << 40, 0);
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).present(true).if_exists(if_exists);
        options.if_does_not_exist(IfDoesNotExist::Create);
        // Unsized and sized objects are created in different ways.
        options.size(if state & 1 == 0 { 0 } else { 64 });
        let object = match options.open(name) {
            Ok(object) => object,
            // It came and went too often.
            Err(error) if error.kind() == ErrorKind::ResourceBusy => continue,
            Err(error) => panic!("{error}"),
        };
        created += u32::from(object.created());
        for _ in 0..state >> 8 & 3 {
            let found = Shm::open(name).expect("the name of a live object was removed");
            assert_eq!(identity(&found), identity(&object), "the name means another object");
            assert!(!found.is_unused().unwrap(), "a live object is called dead");
            // Others do what they can.
            assert!(!found.unlink_if_unused().unwrap(), "a live object was removed");
        }
        // The name is this one's for as long as the handle lives.
        let found = Shm::open(name).expect("the name of a live object was removed");
        assert_eq!(identity(&found), identity(&object), "the name means another object");
        drop(object);
        // Now and then nobody is present for a moment.
        if state >> 10 & 1 == 0 {
            std::thread::sleep(Duration::from_micros(state >> 11 & 127));
        }
    }
    println!("{created}");
}

/// Removes the object whenever it is unused, until its parent closes its standard input. Prints how
/// often.
fn clean(name: &str) {
    let mut removed = 0;
    let parent = io::stdin();
    let ended = || {
        let mut ask = libc::pollfd { fd: parent.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one structure.
        unsafe { libc::poll(&raw mut ask, 1, 0) != 0 }
    };
    while !ended() {
        let Ok(object) = Shm::open(name) else { continue };
        removed += u32::from(object.unlink_if_unused().unwrap());
    }
    println!("{removed}");
}

fn descriptor_zero(name: &str) {
    // SAFETY: nothing in this process uses its standard input.
    check(unsafe { libc::close(0) }).unwrap();
    let create: [fn(&str) -> posix_shm::Result<Shm>; 3] =
        [|name| Shm::create(name, 100), |name| Shm::create(name, 0), |_| Shm::anonymous(100)];
    for create in create {
        let object = create(name).unwrap();
        assert_eq!(object.as_raw_fd(), 0, "{object:?}");
        if object.name().is_some() {
            drop(object.unlink_on_drop());
            let gone = Shm::open(name).expect_err("the name was not removed");
            assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
        } else {
            object.close().unwrap();
        }
    }
    assert_eq!(Shm::anonymous(1).unwrap().as_raw_fd(), 0);
}

fn create_unreadable(size: u64, name: &str) {
    // SAFETY: passes no pointer.
    if unsafe { libc::geteuid() } == 0 {
        // Sets all three user ids.
        // SAFETY: passes no pointer; the process has one thread.
        check(unsafe { libc::setuid(65534) }).unwrap();
    }
    let object = creating(size)
        .direction(Direction::Input)
        .if_does_not_exist(IfDoesNotExist::Create)
        .permissions(Permissions::GROUP_READ)
        .open(name);
    if size > 0 && !capabilities().set_permissions {
        // The library cannot give itself the permission for a moment. It fails and leaves nothing.
        let error = object.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        let absent = Shm::open(name).expect_err("an object is left");
        assert_eq!(absent.kind(), ErrorKind::NotFound, "{absent}");
        return;
    }
    let object = object.unwrap();
    let metadata = object.metadata().unwrap();
    assert_eq!((metadata.len(), metadata.permissions()), (size, Permissions::GROUP_READ));
    assert_eq!(Shm::open(name).unwrap_err().kind(), ErrorKind::PermissionDenied);
    MapOptions::new().map_raw(&object, Protection::WRITE).unwrap_err();
}

fn address() {
    // SAFETY: passes no pointer.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    let object = Shm::anonymous(3 * page as u64).unwrap();
    let writer = object.map_mut().unwrap();
    for i in 0..writer.len() {
        writer.bytes().store(i, (i % 251) as u8);
    }
    // An address that is free, because it was just unmapped.
    let room = object.map().unwrap();
    let address = room.as_ptr();
    room.unmap().unwrap();

    let here = MapOptions::new().address(address).map(&object).unwrap();
    assert_eq!(here.as_ptr(), address);
    // The address is taken now. The mapping there is not replaced.
    let error = MapOptions::new().address(address).map(&object).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::AlreadyExists, Operation::Map));
    assert_eq!(here.bytes().load(5), 5);
    here.unmap().unwrap();

    // The address is that of the first byte. Its place in the page is that of the offset.
    let inside = address.wrapping_add(page + 100);
    let at = |offset| MapOptions::new().offset(offset).len(10).address(inside).map(&object);
    let part = at(page as u64 + 100).unwrap();
    assert_eq!((part.as_ptr(), part.len()), (inside, 10));
    assert_eq!(part.bytes().load(0), ((page + 100) % 251) as u8);
    drop(part);
    assert_eq!(at(page as u64).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(at(101).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Accesses memory that has another protection. The system kills the process.
fn touch(protection: &str, access: &str) {
    let protection = match protection {
        "none" => Protection::NONE,
        "read" => Protection::READ,
        _ => panic!("no such protection"),
    };
    let object = Shm::anonymous(4096).unwrap();
    let mapping = MapOptions::new().map_raw(&object, protection).unwrap();
    match access {
        // SAFETY: the memory is mapped, and Rust knows nothing of it. The system does not allow the
        // access, which is what this tests.
        "read" => drop(unsafe { mapping.as_ptr().read_volatile() }),
        // SAFETY: as above.
        "write" => unsafe { mapping.as_ptr().write_volatile(1) },
        _ => panic!("no such access"),
    }
}

/// Touches what a mapping has no more, or not yet. The system kills the process.
fn out_of_bounds(how: &str) {
    let page = usize::try_from(expected::page()).unwrap();
    let object = Shm::anonymous(4 * page as u64).unwrap();
    let mut options = MapOptions::new();
    let capacity = options.clone().len(page).capacity(4 * page).clone();
    let mapping = match how {
        "shrunk" => {
            let mut mapping = options.map_mut(&object).unwrap();
            mapping.shrink_to(page).unwrap();
            mapping
        }
        "shrunk-in-room" => {
            let mut mapping = options.capacity(4 * page).map_mut(&object).unwrap();
            mapping.shrink_to(page).unwrap();
            mapping
        }
        "room" => capacity.map_mut(&object).unwrap(),
        "read-only" => {
            let reader = object.map_mut().unwrap().into_read_only().unwrap();
            // SAFETY: the memory is mapped, and Rust knows nothing of it. The system does not allow
            // the access, which is what this tests.
            unsafe { reader.as_ptr().cast_mut().write_volatile(1) };
            return;
        }
        "guard" => {
            let mapping = object.map_mut().unwrap();
            mapping.advise(page..2 * page, posix_shm::Advice::Guard).unwrap();
            mapping
        }
        _ => panic!("no such way"),
    };
    assert_eq!(mapping.bytes().load(page - 1), 0);
    let outside = mapping.as_ptr().wrapping_add(page);
    // SAFETY: as above.
    unsafe { outside.read_volatile() };
}

fn double_stdin() {
    let object = Shm::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mapping = object.map_mut().unwrap();
    let numbers = mapping.slice::<u64>(0, mapping.len() / 8).unwrap();
    for i in 0..numbers.len() {
        numbers.store(i, 2 * numbers.load(i));
    }
}

/// Waits for each odd number in the first word, writes a square into the second word, and answers
/// with the next even number.
fn answer(name: &str, rounds: u64) {
    let mapping = Shm::open_io(name).unwrap().map_mut().unwrap();
    let words = mapping.slice::<u64>(0, 2).unwrap();
    for round in 0..rounds {
        while words.load(0) != 2 * round + 1 {
            std::thread::yield_now();
        }
        words.store(1, round * round);
        fence(Ordering::SeqCst);
        words.store(0, 2 * round + 2);
    }
}

/// Kills itself, and leaves an object behind.
fn leave_behind(name: &str) {
    let (_object, mapping) = creating(4096).open_mapped(name).unwrap();
    mapping.slice::<u32>(0, 1).unwrap().store(0, 0xfeed);
    // SAFETY: passes no pointer.
    check(unsafe { libc::raise(libc::SIGKILL) }).unwrap();
}

/// Does a task twice, the second time between two marks: calls that the test recognises.
/// The object that the parent says it has passed on: at the number that it tells, or else as the
/// standard input.
fn inherited() -> Shm {
    let descriptor = match env::var("WORK_FD") {
        Ok(number) => {
            // SAFETY: the parent says that this descriptor is ours, and nothing else here uses it.
            unsafe { OwnedFd::from_raw_fd(number.parse().unwrap()) }
        }
        Err(_) => io::stdin().as_fd().try_clone_to_owned().unwrap(),
    };
    let object = Shm::from_fd(descriptor, None).unwrap();
    // SAFETY: passes no pointer.
    let flags = unsafe { libc::fcntl(object.as_raw_fd(), libc::F_GETFD) };
    assert_eq!(flags, libc::FD_CLOEXEC, "this process's own children would inherit it");
    object
}

/// A worker: signs its part, and finds no second object that it inherited.
fn work(number: u64, offset: usize) {
    let object = inherited();
    assert_eq!(object.len().unwrap(), 1 << 30);
    object.map_mut().unwrap().cell::<u64>(offset).unwrap().store(7 + number);
    holds_no_object_but(&[object.as_raw_fd()]);
}

/// Without rights, no one can give an object away.
fn give_to_root() {
    // SAFETY: passes no pointer.
    if unsafe { libc::geteuid() } == 0 {
        // Sets all three user ids.
        // SAFETY: passes no pointer; the process has one thread.
        check(unsafe { libc::setuid(65534) }).unwrap();
    }
    let object = Shm::anonymous(1).unwrap();
    let error = object.set_owner(Some(0), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_ne!(object.metadata().unwrap().uid(), 0);
}

/// Every call that takes a descriptor, with a number that nothing is open at.
fn closed_descriptor() {
    // SAFETY: nothing is open at this number, so no one owns it. Nothing is closed twice, since the
    // closing of it fails; `ManuallyDrop` keeps std from that.
    let object = ManuallyDrop::new(unsafe { Shm::from_raw_fd(1000) });
    let (here, _there) = UnixStream::pair().unwrap();
    let mut command = std::process::Command::new("true");
    let refusals = [
        ("len", object.len().err()),
        ("metadata", object.metadata().err()),
        ("inspect", object.inspect().err()),
        ("set_len", object.set_len(1).err()),
        ("set_len_sparse", object.set_len_sparse(1).err()),
        ("set_permissions", object.set_permissions(Permissions::PRIVATE).err()),
        ("set_owner", object.set_owner(None, None).err()),
        ("map", object.map().err()),
        ("map_mut", object.map_mut().err()),
        ("map_raw", MapOptions::new().map_raw(&*object, Protection::READ).err()),
        ("try_clone", object.try_clone().err()),
        ("pass_to", object.pass_to(&mut command).err()),
        ("send", object.send(&here).err()),
        ("send over it", Shm::anonymous(1).unwrap().send(&*object).err()),
        ("receive", Shm::receive(&*object).err()),
        ("transfer::receive", transfer::receive(&*object, &mut [0]).err()),
    ];
    let by_proc = capabilities().read_only_anonymous;
    let read_only = by_proc.then(|| ("read_only", object.read_only().err()));
    for (call, refusal) in refusals.into_iter().chain(read_only) {
        let error = refusal.unwrap_or_else(|| panic!("{call}: it took a closed descriptor"));
        assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{call}: {error}");
    }
    let mut byte = [0];
    assert!(object.read_at(&mut byte, 0).is_err() && object.write_at(&byte, 0).is_err());
}

fn inherits_nothing() {
    holds_no_object_but(&[]);
}

/// Asserts that this process has no descriptor of an object as large as the test's, but these.
fn holds_no_object_but(own: &[i32]) {
    for number in 0..1024 {
        // SAFETY: passes no pointer. The number is that of an open descriptor, or the call fails.
        let open = unsafe { libc::fcntl(number, libc::F_GETFD) } != -1;
        if open && !own.contains(&number) {
            // SAFETY: the descriptor is open, and stays so.
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
            let other = Shm::from(fd.try_clone_to_owned().unwrap());
            assert!(other.len().unwrap() != 1 << 30, "descriptor {number} was inherited");
        }
    }
}

fn calls(task: &str, name: &str) {
    let name = ShmName::new(name).unwrap();
    let (here, there) = UnixStream::pair().unwrap();
    let anonymous = Shm::anonymous(4096).unwrap();
    let task: &dyn Fn() = match task {
        "sent" => &|| {
            anonymous.send(&here).unwrap();
            Shm::receive(&there).unwrap().close().unwrap();
        },
        "transferred" => &|| {
            transfer::send(&here, &[&anonymous, &anonymous], b"bytes").unwrap();
            let received = transfer::receive(&there, &mut [0; 8]).unwrap();
            assert_eq!((received.bytes, received.objects.len()), (5, 2));
        },
        "inspected" => &|| {
            assert_eq!(anonymous.inspect().unwrap().metadata.len(), 4096);
        },
        "by-hand" => &|| {
            let object = creating(0).open(&name).unwrap();
            object.set_len(4096).unwrap();
            let mapping = object.map_mut().unwrap();
            mapping.bytes().store(0, 1);
            mapping.unmap().unwrap();
            object.close().unwrap();
            unlink(&name).unwrap();
        },
        "existing" => &|| {
            let object = Shm::open(&name).unwrap();
            let mapping = object.map().unwrap();
            assert_eq!(mapping.bytes().load(0), 0);
            mapping.unmap().unwrap();
            object.close().unwrap();
        },
        "anonymous" => &|| {
            let (object, mapping) = creating(4096).open_anonymous_mapped().unwrap();
            mapping.bytes().store(0, 1);
            mapping.unmap().unwrap();
            object.close().unwrap();
        },
        "anonymous-in-part" => &|| {
            let part = |options: &mut MapOptions| {
                let mut creating = creating(4096);
                let created = creating.map_options(options.len(1000)).open_anonymous_mapped();
                let (object, mapping) = created.unwrap();
                mapping.unmap().unwrap();
                object.close().unwrap();
            };
            part(&mut MapOptions::new());
            part(MapOptions::new().capacity(1 << 20));
            part(MapOptions::new().populate(true));
        },
        "anonymous-in-steps" => &|| {
            let object = Shm::anonymous(4096).unwrap();
            let mapping = object.map_mut().unwrap();
            mapping.bytes().store(0, 1);
            mapping.unmap().unwrap();
            object.close().unwrap();
        },
        "mapped" => &|| {
            let (object, mapping) = creating(4096).open_mapped(&name).unwrap();
            mapping.bytes().store(0, 1);
            mapping.unmap().unwrap();
            object.close().unwrap();
            unlink(&name).unwrap();
        },
        "in-steps" => &|| {
            let object = Shm::create(&name, 4096).unwrap();
            let mapping = object.map_mut().unwrap();
            mapping.bytes().store(0, 1);
            mapping.unmap().unwrap();
            object.close().unwrap();
            unlink(&name).unwrap();
        },
        "present" => &|| {
            let object = creating(4096).present(true).open(&name).unwrap();
            let cleaner = Shm::open(&name).unwrap();
            assert!(!cleaner.is_unused().unwrap());
            object.close().unwrap();
            assert!(cleaner.unlink_if_unused().unwrap());
        },
        "open-present" => &|| drop(OpenOptions::new().present(true).open(&name).unwrap()),
        "presence" => &|| drop(Shm::open(&name).unwrap().presence().unwrap()),
        "lock" => &|| drop(Shm::open_io(&name).unwrap().try_lock().unwrap().unwrap()),
        "immutable" => &|| {
            let object = Shm::anonymous(4096).unwrap().make_immutable().unwrap();
            let mapping = object.map_immutable().unwrap();
            object.close().unwrap();
            assert_eq!(mapping[0], 0);
            mapping.unmap().unwrap();
        },
        "grown-in-its-room" => &|| {
            let object = Shm::open_io(&name).unwrap();
            let mut options = MapOptions::new();
            let mut mapping = options.len(4096).capacity(1 << 30).map_mut(&object).unwrap();
            mapping.grow(&object, 3 * 4096).unwrap();
            mapping.grow(&object, 3 * 4096).unwrap();
            mapping.shrink_to(4096).unwrap();
            mapping.unmap().unwrap();
            object.close().unwrap();
        },
        "moved" => &|| {
            let object = Shm::open_io(&name).unwrap();
            let mut mapping = MapOptions::new().len(4096).map_mut(&object).unwrap();
            mapping.grow(&object, 3 * 4096).unwrap();
            mapping.shrink_to(2 * 4096).unwrap();
            let (first, second) = mapping.split_at(4096).unwrap();
            first.unmap().unwrap();
            second.into_read_only().unwrap().unmap().unwrap();
            object.close().unwrap();
        },
        "aligned" => &|| {
            let object = Shm::open(&name).unwrap();
            MapOptions::new().align(1 << 21).map(&object).unwrap().unmap().unwrap();
            object.close().unwrap();
        },
        "warm" => &|| {
            let object = Shm::open_io(&name).unwrap();
            let mapping = MapOptions::new().populate(true).lock(true).map_mut(&object).unwrap();
            mapping.unlock(..).unwrap();
            mapping.advise(.., posix_shm::Advice::Random).unwrap();
            mapping.unmap().unwrap();
            let reader = object.map().unwrap();
            reader.populate(..).unwrap();
            reader.unmap().unwrap();
            object.close().unwrap();
        },
        "waited" => &|| {
            let object = Shm::open_io(&name).unwrap();
            let mapping = object.map_mut().unwrap();
            let word = mapping.atomic::<u32>(64).unwrap();
            // What is there already, and what only looks.
            assert_eq!(word.wait(1, None).unwrap(), Waited::Changed);
            assert_eq!(word.wait(0, Duration::ZERO).unwrap(), Waited::TimedOut);
            assert_eq!(word.wait_while(|value| value == 1, None).unwrap(), Some(0));
            assert_eq!(word.notify_all().unwrap(), 0);
            assert_eq!(word.notify_one().unwrap(), 0);
            // It looks once more when the time is up.
            assert_eq!(word.wait(0, Duration::from_nanos(1)).unwrap(), Waited::TimedOut);
            mapping.unmap().unwrap();
            object.close().unwrap();
        },
        "event" => &|| {
            let object = Shm::open_io(&name).unwrap();
            let mapping = object.map_mut().unwrap();
            let event = mapping.event(64).unwrap();
            for _ in 0..3 {
                event.set().unwrap();
                assert!(event.wait(None).unwrap());
            }
            assert!(event.reset());
            assert!(!event.wait(Duration::ZERO).unwrap());
            // As if somebody waited.
            mapping.slice::<u32>(64, 2).unwrap().store(1, 1);
            event.set().unwrap();
            mapping.bytes().fill(0);
            mapping.unmap().unwrap();
            object.close().unwrap();
        },
        "published" => &|| {
            Shm::publish(&name, &[1; 4096]).unwrap().close().unwrap();
            unlink(&name).unwrap();
        },
        _ => panic!("no such task"),
    };
    task();
    // SAFETY: passes no pointer.
    unsafe { libc::getppid() };
    task();
    // SAFETY: passes no pointer.
    unsafe { libc::getppid() };
}
