//! The other process: does one task, asserts what it sees, and exits with 0 if all was as it should be.
//!
//! A task that the machine does not allow says `cannot: ` and why.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{CStr, c_int};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{Ordering, fence};

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, MapOptions, OpenOptions, Operation, Permissions,
    Protection, Shm, ShmName, unlink,
};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["umask", mask, mode, size, name] => umask(octal(mask), octal(mode), size, name, false),
        ["umask", mask, mode, size, name, "exactly"] => {
            umask(octal(mask), octal(mode), size, name, true);
        }
        ["fork", name] => fork(name),
        ["descriptor-zero", name] => descriptor_zero(name),
        ["create-unreadable", size, name] => create_unreadable(size.parse().unwrap(), name),
        ["address"] => address(),
        ["touch", protection, access] => touch(protection, access),
        ["double-stdin"] => double_stdin(),
        ["answer", name, rounds] => answer(name, rounds.parse().unwrap()),
        ["scribble", name] => scribble(name),
        ["count", name, times] => count(name, times.parse().unwrap()),
        ["leave-behind", name] => leave_behind(name),
        ["small-file-system"] => small_file_system(),
        ["no-descriptors", name] => no_descriptors(name),
        ["no-address-space", name] => no_address_space(name),
        ["leave-nothing", name] => leave_nothing(name),
        ["calls", task, name] => calls(task, name),
        _ => panic!("no such task: {arguments:?}"),
    }
}

fn octal(digits: &str) -> u32 {
    u32::from_str_radix(digits, 8).unwrap()
}

/// Turns the -1 of a C function into its reason.
#[expect(clippy::disallowed_methods, reason = "the one place here that reads errno")]
fn check(returned: c_int) -> io::Result<()> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// For creating alone, with a size or none.
fn creating(size: u64) -> OpenOptions {
    OpenOptions::new().direction(Direction::Io).if_exists(IfExists::Error).size(size).clone()
}

fn umask(mask: u32, mode: u32, size: &str, name: &str, exactly: bool) {
    // SAFETY: passes no pointer.
    unsafe { libc::umask(mask) };
    let object = creating(size.parse().unwrap())
        .permissions(Permissions::from_mode(mode))
        .ignore_umask(exactly)
        .open(name)
        .unwrap();
    println!("{:?}", object.metadata().unwrap().permissions());
}

/// A child that ends with the guard in its hands removes nothing; its parent does.
fn fork(name: &str) {
    let guard = Shm::create(name, 100).unwrap().unlink_on_drop();
    // SAFETY: the process has one thread.
    match unsafe { libc::fork() } {
        -1 => panic!("no fork"),
        0 => drop(guard),
        child => {
            let mut status = 0;
            // SAFETY: the pointer is to an integer.
            check(unsafe { libc::waitpid(child, &mut status, 0) }).unwrap();
            assert_eq!(status, 0);
            assert_eq!(Shm::open(name).unwrap().len().unwrap(), 100);
            drop(guard);
            assert!(Shm::open(name).is_err());
        }
    }
}

fn descriptor_zero(name: &str) {
    // SAFETY: nothing in this process uses its standard input.
    check(unsafe { libc::close(0) }).unwrap();
    let create: [fn(&str) -> posix_shm::Result<Shm>; 3] =
        [|name| Shm::create(name, 100), |name| Shm::create(name, 0), |_| Shm::anonymous(100)];
    for create in create {
        let object = create(name).unwrap();
        assert_eq!(object.as_raw_fd(), 0);
        if object.name().is_some() {
            drop(object.unlink_on_drop());
            assert!(Shm::open(name).is_err());
        } else {
            object.close().unwrap();
        }
    }
    assert_eq!(Shm::anonymous(1).unwrap().as_raw_fd(), 0);
}

fn create_unreadable(size: u64, name: &str) {
    // SAFETY: passes no pointer.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: passes no pointer; the process has one thread.
        check(unsafe { libc::setresuid(65534, 65534, 65534) }).unwrap();
    }
    let object = creating(size)
        .direction(Direction::Input)
        .if_does_not_exist(IfDoesNotExist::Create)
        .permissions(Permissions::GROUP_READ)
        .open(name)
        .unwrap();
    let metadata = object.metadata().unwrap();
    assert_eq!((metadata.len(), metadata.permissions()), (size, Permissions::GROUP_READ));
    assert_eq!(Shm::open(name).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(MapOptions::new().map_raw(&object, Protection::WRITE).is_err());
}

fn address() {
    // SAFETY: passes no pointer.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    let object = Shm::anonymous(3 * page as u64).unwrap();
    let writer = object.map_mut().unwrap();
    for i in 0..writer.len() {
        writer.bytes().store(i, (i % 251) as u8);
    }
    // Where there is room, since it has just been made.
    let room = object.map().unwrap();
    let address = room.as_ptr();
    room.unmap().unwrap();

    let here = MapOptions::new().address(address).map(&object).unwrap();
    assert_eq!(here.as_ptr(), address);
    // Taken: nothing is replaced.
    let error = MapOptions::new().address(address).map(&object).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::AlreadyExists, Operation::Map));
    assert_eq!(here.bytes().load(5), 5);
    here.unmap().unwrap();

    // The address is that of the first byte, which lies in its page as the offset does.
    let inside = address.wrapping_add(page + 100);
    let at = |offset| MapOptions::new().offset(offset).len(10).address(inside).map(&object);
    let part = at(page as u64 + 100).unwrap();
    assert_eq!((part.as_ptr(), part.len()), (inside, 10));
    assert_eq!(part.bytes().load(0), ((page + 100) % 251) as u8);
    drop(part);
    assert_eq!(at(page as u64).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(at(101).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Is killed for it.
fn touch(protection: &str, access: &str) {
    let protection = match protection {
        "none" => Protection::NONE,
        "read" => Protection::READ,
        _ => panic!("no such protection"),
    };
    let object = Shm::anonymous(4096).unwrap();
    let mapping = MapOptions::new().map_raw(&object, protection).unwrap();
    match access {
        // SAFETY: mapped memory outside all that Rust knows; that it may not be read is what is tested.
        "read" => drop(unsafe { mapping.as_ptr().read_volatile() }),
        // SAFETY: the same for writing.
        "write" => unsafe { mapping.as_ptr().write_volatile(1) },
        _ => panic!("no such access"),
    }
}

fn double_stdin() {
    let object = Shm::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mapping = object.map_mut().unwrap();
    let numbers = mapping.slice::<u64>(0, mapping.len() / 8).unwrap();
    for i in 0..numbers.len() {
        numbers.store(i, 2 * numbers.load(i));
    }
}

/// Waits for each odd number in the first word and answers with the even one after it, its square in the second.
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

/// How the scribbler's whole words tell themselves from pieces: the upper half is the lower one, turned.
fn whole_word(half: u32) -> u64 {
    u64::from(half) | u64::from(!half.rotate_left(7)) << 32
}

/// Writes without end and without any care, as a hostile peer would: whole words into the first page, random bytes of random
/// lengths everywhere else.
fn scribble(name: &str) {
    let mapping = Shm::open_io(name).unwrap().map_mut().unwrap();
    let words = mapping.slice::<u64>(0, 512).unwrap();
    let rest = mapping.bytes().range(4096..);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut junk = vec![0; 5000];
    loop {
        for i in 0..words.len() {
            words.store(i, whole_word(random() as u32));
        }
        junk.chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&random().to_ne_bytes()[..chunk.len()]));
        for _ in 0..100 {
            let len = random() as usize % junk.len();
            let start = random() as usize % (rest.len() - len);
            rest.range(start..start + len).copy_from(&junk[..len]);
            rest.store(random() as usize % rest.len(), random() as u8);
        }
    }
}

/// Adds to the first word, again and again.
fn count(name: &str, times: u64) {
    let mapping = Shm::open_io(name).unwrap().map_mut().unwrap();
    let counter = mapping.cell::<u64>(0).unwrap();
    for _ in 0..times {
        counter.fetch_add(1);
    }
}

/// Dies without a word to anybody, as a crash does.
fn leave_behind(name: &str) {
    let (_object, mapping) = creating(4096).open_mapped(name).unwrap();
    mapping.slice::<u32>(0, 1).unwrap().store(0, 0xfeed);
    // SAFETY: passes no pointer.
    check(unsafe { libc::raise(libc::SIGKILL) }).unwrap();
}

/// Which names count where: all, if nobody else is there, else those that begin like the test's own.
fn alone_or(prefix: &str) -> &str {
    if mount_own(c"size=64m").is_ok() { "" } else { prefix }
}

/// What a process has, and the names that count.
#[derive(Debug, PartialEq)]
struct State {
    names: BTreeSet<String>,
    descriptors: usize,
    shared_mappings: usize,
}

impl State {
    fn now(prefix: &str) -> State {
        let prefix = prefix.trim_start_matches('/');
        let names = fs::read_dir("/dev/shm").unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names = names.filter(|name| name.starts_with(prefix));
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        State {
            names: names.collect(),
            descriptors: descriptors(),
            shared_mappings: maps.lines().filter(|line| line.contains("s ")).count(),
        }
    }
}

/// How many descriptors are open, without the one that looks.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// Everything fails that needs more than there is, and leaves nothing; what fits works afterwards.
fn small_file_system() {
    if let Err(why) = mount_own(c"size=1m") {
        println!("cannot: mount a file system of its own: {why}");
        return;
    }
    let before = State::now("");
    assert!(before.names.is_empty());
    let whole = 1 << 20;
    there_is_room_for_one(600 << 10);
    assert_eq!(State::now(""), before);
    for size in [16 * whole, 2 * whole, whole + 1] {
        let mapped = creating(size).open_mapped("/big").map(drop);
        let read_only = creating(size)
            .direction(Direction::Input)
            .if_does_not_exist(IfDoesNotExist::Create)
            .open("/big")
            .map(drop);
        let superseding = creating(size).if_exists(IfExists::Supersede).open("/big").map(drop);
        for result in [Shm::create("/big", size).map(drop), mapped, read_only, superseding] {
            let error = result.unwrap_err();
            assert_eq!(
                (error.kind(), error.operation()),
                (ErrorKind::StorageFull, Operation::Reserve)
            );
            assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
            let message = error.to_string();
            assert!(
                message.starts_with(&format!("reserve {size} bytes for \"/big\": ")),
                "{message}"
            );
            let hint = "has 1048576 bytes free; in a container, raise --shm-size";
            assert!(message.ends_with(hint), "{message}");
            assert_eq!(State::now(""), before);
        }
    }
    // What is superseded in vain keeps its name, where the system has a way to take a name over in one step.
    let old = Shm::create("/old", 4096).unwrap();
    let full = creating(whole).if_exists(IfExists::Supersede).open("/old").unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    let in_one_step = !cfg!(posix_shm_portable);
    assert_eq!(old.metadata().unwrap().links(), u64::from(in_one_step));
    assert_eq!(Shm::open("/old").is_ok(), in_one_step);

    // Growing in vain keeps the length, also where some of it could be had.
    for size in [whole + 1, 16 * whole] {
        assert_eq!(old.set_len(size).unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(old.len().unwrap(), 4096);
        assert_eq!(old.metadata().unwrap().allocated(), 4096);
    }
    let fresh = creating(0).open("/fresh").unwrap();
    assert_eq!(fresh.set_len(whole).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(fresh.len().unwrap(), 0);
    fresh.set_len(8192).unwrap();
    fresh.unlink().unwrap();
    drop(fresh);
    assert_eq!(old.unlink().is_ok(), in_one_step);
    drop(old);
    assert_eq!(State::now(""), before);

    // What is not reserved can be had at any size, and is nobody's promise.
    let sparse = creating(16 * whole).sparse(true).open("/sparse").unwrap();
    sparse.unlink().unwrap();
    drop(sparse);

    let (object, mapping) = creating(whole / 2).open_mapped("/fits").unwrap();
    for i in 0..mapping.len() {
        mapping.bytes().store(i, 1);
    }
    object.unlink().unwrap();
    drop((object, mapping));
    assert_eq!(State::now(""), before);
}

/// Where a name is taken, that there is no room for another object does not matter; and those who race for a name do not
/// take the room from each other until nobody has it.
fn there_is_room_for_one(size: u64) {
    let one = Shm::create("/one", size).unwrap();
    assert_eq!(Shm::create("/one", size).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(creating(size).open_optional("/one").unwrap().is_none());
    assert!(!Shm::open_or_create("/one", size).unwrap().created());
    one.unlink().unwrap();
    drop(one);
    for _ in 0..20 {
        let created: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| Shm::open_or_create("/one", size).unwrap().created()))
                .collect();
            racers.into_iter().map(|racer| usize::from(racer.join().unwrap())).sum()
        });
        assert_eq!(created, 1);
        unlink("/one").unwrap();
    }
}

/// A `/dev/shm` that only this process sees, so that what others do there does not count.
fn mount_own(options: &CStr) -> io::Result<()> {
    // SAFETY: passes no pointer.
    let user = unsafe { libc::geteuid() };
    // SAFETY: passes no pointer.
    let group = unsafe { libc::getegid() };
    let as_user = if user == 0 { 0 } else { libc::CLONE_NEWUSER };
    // SAFETY: passes no pointer; the process has one thread.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS | as_user) })?;
    if user != 0 {
        // Without them the user has no id there, and may create nothing.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    }
    let mount = |kind: &CStr, on: &CStr, flags, options: &CStr| {
        let none = c"none".as_ptr();
        // SAFETY: all are NUL-terminated strings that outlive the call.
        check(unsafe {
            libc::mount(none, on.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast())
        })
    };
    mount(c"none", c"/", libc::MS_REC | libc::MS_PRIVATE, c"")?;
    mount(c"tmpfs", c"/dev/shm", 0, options)
}

fn limit(resource: libc::__rlimit_resource_t, to: u64) {
    let limit = libc::rlimit { rlim_cur: to, rlim_max: libc::RLIM_INFINITY };
    let mut old = limit;
    // SAFETY: the pointer is to an rlimit.
    check(unsafe { libc::getrlimit(resource, &mut old) }).unwrap();
    let limit = libc::rlimit { rlim_max: old.rlim_max, ..limit };
    // SAFETY: the pointer is to an rlimit.
    check(unsafe { libc::setrlimit(resource, &limit) }).unwrap();
}

/// With 0, then 1 free descriptor: whatever needs one more fails and leaves nothing.
fn no_descriptors(name: &str) {
    let counted = alone_or(name);
    let before = State::now(counted);
    let existing = format!("{name}.existing");
    Shm::create(&existing, 10).unwrap();
    let attempts: &[&dyn Fn() -> posix_shm::Result<()>] = &[
        &|| Shm::create(name, 100).map(drop),
        &|| creating(0).open(name).map(drop),
        &|| creating(100).open_mapped(name).map(drop),
        &|| creating(100).if_exists(IfExists::Supersede).open(name).map(drop),
        &|| Shm::anonymous(100).map(drop),
        &|| Shm::open(&existing).map(drop),
    ];
    // The limit is on the number of a descriptor, and there may be gaps: what a new one would get is the lowest that is free.
    let in_use = fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
    limit(libc::RLIMIT_NOFILE, in_use);
    let errors: Vec<_> = attempts.iter().map(|attempt| attempt().unwrap_err()).collect();
    limit(libc::RLIMIT_NOFILE, in_use + 1);
    // Sized by one descriptor, handed out as another: the second is not to be had.
    let both = creating(100)
        .direction(Direction::Input)
        .if_does_not_exist(IfDoesNotExist::Create)
        .open(name)
        .unwrap_err();
    limit(libc::RLIMIT_NOFILE, in_use + 100);
    for error in errors.iter().chain([&both]) {
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
        assert!(error.hint().unwrap().contains("no free descriptor"), "{error}");
    }
    unlink(&existing).unwrap();
    assert_eq!(State::now(counted), before);
    Shm::create(name, 100).unwrap().unlink().unwrap();
}

/// An object that is made and then cannot be mapped is not left behind.
fn no_address_space(name: &str) {
    let counted = alone_or(name);
    let before = State::now(counted);
    limit(libc::RLIMIT_AS, 512 << 20);
    let size = 1 << 30;
    let mapped = creating(size).sparse(true).open_mapped(name).map(drop);
    let anonymous = creating(size).sparse(true).open_anonymous_mapped().map(drop);
    let object = creating(size).sparse(true).open(name).unwrap();
    let whole = object.map().map(drop);
    object.unlink().unwrap();
    drop(object);
    for result in [mapped, anonymous, whole] {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::OutOfMemory, Operation::Map));
    }
    assert_eq!(State::now(counted), before);
}

/// Everything the library does, well and badly; then the process has what it had.
fn leave_nothing(prefix: &str) {
    let counted = alone_or(prefix);
    let before = State::now(counted);
    let name = ShmName::new(prefix).unwrap();
    for round in 0..3 {
        let object = Shm::create(&name, 10_000).unwrap();
        let reader = Shm::open(&name).unwrap();
        let mappings = (
            object.map_mut().unwrap(),
            reader.map().unwrap(),
            MapOptions::new().offset(5000).len(10).map_mut(&object).unwrap(),
            MapOptions::new().offset(4096).map_raw(&object, Protection::NONE).unwrap(),
        );
        let (again, mapped) =
            OpenOptions::new().direction(Direction::Io).open_mapped(&name).unwrap();
        let superseding = creating(round * 100).if_exists(IfExists::Supersede).open(&name).unwrap();

        assert!(Shm::create(&name, 10).is_err());
        assert!(creating(10).open_optional(&name).unwrap().is_none());
        assert!(Shm::open(format!("{prefix}.absent")).is_err());
        assert!(creating(u64::MAX).open(format!("{prefix}.absent")).is_err());
        assert!(creating(i64::MAX as u64).open(format!("{prefix}.absent")).is_err());
        assert!(reader.set_len(1).is_err() && reader.map_mut().is_err());
        assert!(MapOptions::new().offset(20_000).map(&object).is_err());
        let taken = mapped.as_ptr();
        assert!(MapOptions::new().address(taken).map(&object).is_err());
        assert!(object.unlink().is_err());

        let (anonymous, memory) = creating(4096).open_anonymous_mapped().unwrap();
        assert!(creating(1 << 60).open_anonymous().is_err());
        memory.unmap().unwrap();
        anonymous.close().unwrap();
        superseding.unlink().unwrap();
        drop((object, reader, mappings, again, mapped));
    }
    assert_eq!(State::now(counted), before);
}

/// Does a task twice, the second time between two calls that a tracer recognises.
fn calls(task: &str, name: &str) {
    let name = ShmName::new(name).unwrap();
    let task: &dyn Fn() = match task {
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
        "mapped" => &|| {
            let (object, mapping) = creating(4096).open_mapped(&name).unwrap();
            mapping.bytes().store(0, 1);
            mapping.unmap().unwrap();
            object.close().unwrap();
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
