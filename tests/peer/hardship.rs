//! Tasks in which something is missing or in the way: memory, descriptors, addresses, rights. After
//! each, the process and `/dev/shm` must have what they had before.

use std::collections::BTreeSet;
use std::ffi::{CString, c_int};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, MapOptions, OpenOptions, Operation, Permissions,
    Protection, Shm, ShmName, capabilities, unlink,
};

use crate::alone::{check, mount, mount_own};
use crate::creating;

/// Does one of these tasks. False if there is no such task.
pub(crate) fn task(arguments: &[&str]) -> bool {
    match *arguments {
        ["small-file-system"] => small_file_system(),
        ["no-descriptors", name] => no_descriptors(name),
        ["no-address-space", name] => no_address_space(name),
        ["leave-nothing", name] => leave_nothing(name),
        ["under-signals", name] => under_signals(name),
        ["another-user", name] => another_user(name),
        ["alone", options, program, ref arguments @ ..] => alone(options, program, arguments),
        ["read-only-file-system"] => read_only_file_system(),
        ["planted", name] => planted(name),
        ["message", case, name] => message(case, name),
        _ => return false,
    }
    true
}

/// The prefix of the names that count: none, if this process has a `/dev/shm` of its own, else that
/// of the test.
fn alone_or(prefix: &str) -> &str {
    if mount_own(c"size=64m").is_ok() { "" } else { prefix }
}

/// Runs a program with a `/dev/shm` of its own.
fn alone(options: &str, program: &str, arguments: &[&str]) {
    match mount_own(&CString::new(options).unwrap()) {
        Ok(()) => panic!("{program}: {}", Command::new(program).args(arguments).exec()),
        Err(why) => println!("cannot: mount a /dev/shm of its own: {why}"),
    }
}

/// What this process has, and the names that exist.
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

/// The number of open descriptors, without the one that is used to count.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// Operations that need more memory than there is fail and leave nothing. Others work afterwards.
fn small_file_system() {
    if let Err(why) = mount_own(c"size=1m") {
        println!("cannot: mount a file system of its own: {why}");
        return;
    }
    let before = State::now("");
    assert!(before.names.is_empty(), "a new file system has {:?}", before.names);
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
            let seen = (error.kind(), error.operation());
            assert_eq!(seen, (ErrorKind::StorageFull, Operation::Reserve), "{error}");
            assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}");
            let message = error.to_string();
            let start = format!("reserve {size} bytes for \"/big\": ");
            assert!(message.starts_with(&start), "not {start:?}: {message}");
            // Nothing has the name, so no word of what superseding needs.
            let hint = "has 1048576 bytes free; in a container, raise --shm-size";
            let memfd = "; an anonymous object (Shm::anonymous) needs no room there";
            let hint = if capabilities().seal { format!("{hint}{memfd}") } else { hint.into() };
            assert!(message.ends_with(&hint), "not {hint:?}: {message}");
            assert_eq!(State::now(""), before, "after: {error}");
        }
    }
    // If superseding fails, the old object keeps its name, on systems that supersede in one step.
    let old = Shm::create("/old", 4096).unwrap();
    let full = creating(whole).if_exists(IfExists::Supersede).open("/old").unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    let both = "needs room for the old object and the new one at once";
    let both_are_there = full.hint().unwrap().contains(both);
    assert_eq!(both_are_there, capabilities().supersede_in_one_step, "{full}");
    let in_one_step = capabilities().supersede_in_one_step;
    assert_eq!(old.metadata().unwrap().links(), u64::from(in_one_step));
    assert_eq!(Shm::open("/old").is_ok(), in_one_step);

    // If growing fails, the length stays, even if there is memory for a part.
    for size in [whole + 1, 16 * whole] {
        let error = old.set_len(size).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        assert_eq!(old.len().unwrap(), 4096, "after: {error}");
        assert_eq!(old.metadata().unwrap().allocated(), 4096, "after: {error}");
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

    // A sparse object can have any size, because nothing is reserved.
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

/// If an object exists, a lack of memory for another one is no error. Of threads that race for a
/// name, one gets the memory.
fn there_is_room_for_one(size: u64) {
    let one = Shm::create("/one", size).unwrap();
    assert_eq!(Shm::create("/one", size).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let second = creating(size).open_optional("/one").unwrap();
    assert!(second.is_none(), "created twice: {second:?}");
    let opened = Shm::open_or_create("/one", size).unwrap();
    assert!(!opened.created(), "created twice: {opened:?}");
    drop(opened);
    one.unlink().unwrap();
    drop(one);
    for _ in 0..20 {
        let created: usize = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| Shm::open_or_create("/one", size).unwrap().created()))
                .collect();
            racers.into_iter().map(|racer| usize::from(racer.join().unwrap())).sum()
        });
        assert_eq!(created, 1, "not one thread created the object");
        unlink("/one").unwrap();
    }
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = c_int;

#[allow(clippy::unnecessary_cast, reason = "the type is narrower on 32 bits")]
fn limit(resource: Resource, to: u64) {
    let limit = libc::rlimit { rlim_cur: to as libc::rlim_t, rlim_max: libc::RLIM_INFINITY };
    let mut old = limit;
    // SAFETY: the pointer is to an rlimit.
    check(unsafe { libc::getrlimit(resource, &mut old) }).unwrap();
    let limit = libc::rlimit { rlim_max: old.rlim_max, ..limit };
    // SAFETY: the pointer is to an rlimit.
    check(unsafe { libc::setrlimit(resource, &limit) }).unwrap();
}

/// With no free descriptor, and then with one, operations that need more fail and leave nothing.
fn no_descriptors(name: &str) {
    let counted = alone_or(name);
    let before = State::now(counted);
    let existing = format!("{name}.old");
    Shm::create(&existing, 10).unwrap();
    let attempts: &[&dyn Fn() -> posix_shm::Result<()>] = &[
        &|| Shm::create(name, 100).map(drop),
        &|| creating(0).open(name).map(drop),
        &|| creating(100).open_mapped(name).map(drop),
        &|| creating(100).if_exists(IfExists::Supersede).open(name).map(drop),
        &|| Shm::anonymous(100).map(drop),
        &|| Shm::open(&existing).map(drop),
    ];
    // The limit is on the number of a descriptor. A new one gets the lowest number that is free.
    let in_use = fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
    limit(libc::RLIMIT_NOFILE, in_use);
    let errors: Vec<_> = attempts.iter().map(|attempt| attempt().unwrap_err()).collect();
    limit(libc::RLIMIT_NOFILE, in_use + 1);
    // It needs one descriptor to set the size, and a second, read-only one to return.
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

/// An object that was created and cannot be mapped is removed.
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
        let seen = (error.kind(), error.operation());
        assert_eq!(seen, (ErrorKind::OutOfMemory, Operation::Map), "{error}");
    }
    assert_eq!(State::now(counted), before);
}

/// Every operation succeeds and fails. Then the process must have what it had before.
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

        Shm::create(&name, 10).unwrap_err();
        let second = creating(10).open_optional(&name).unwrap();
        assert!(second.is_none(), "created twice: {second:?}");
        Shm::open(format!("{prefix}.absent")).unwrap_err();
        creating(u64::MAX).open(format!("{prefix}.absent")).unwrap_err();
        creating(i64::MAX as u64).open(format!("{prefix}.absent")).unwrap_err();
        reader.set_len(1).unwrap_err();
        reader.map_mut().unwrap_err();
        MapOptions::new().offset(20_000).map(&object).unwrap_err();
        let taken = mapped.as_ptr();
        MapOptions::new().address(taken).map(&object).unwrap_err();
        object.unlink().unwrap_err();

        let (anonymous, memory) = creating(4096).open_anonymous_mapped().unwrap();
        creating(1 << 60).open_anonymous().unwrap_err();
        memory.unmap().unwrap();
        anonymous.close().unwrap();
        superseding.unlink().unwrap();
        drop((object, reader, mappings, again, mapped));
    }
    assert_eq!(State::now(counted), before);
}

/// Every operation works under a thousand signals a second, without `SA_RESTART`.
fn under_signals(name: &str) {
    // So large, if possible, that reserving takes longer than the time between two signals. The
    // `/dev/shm` of a container has 64 MB.
    let size: u64 = if mount_own(c"size=300m").is_ok() { 64 << 20 } else { 8 << 20 };
    extern "C" fn ignore(_: c_int) {}
    // SAFETY: every field is an integer or a pointer that may be null.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = ignore as extern "C" fn(c_int) as usize;
    // SAFETY: the pointer is to an action whose handler does nothing.
    check(unsafe { libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()) }).unwrap();
    let often = libc::timeval { tv_sec: 0, tv_usec: 1000 };
    let timer = libc::itimerval { it_interval: often, it_value: often };
    // SAFETY: the pointer is to a timer.
    check(unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) }).unwrap();
    for round in 0..20 {
        let size = size + round;
        let (object, mapping) = creating(size).open_mapped(name).unwrap();
        let allocated = object.metadata().unwrap().allocated();
        assert_eq!(allocated, size.next_multiple_of(4096), "round {round}");
        mapping.bytes().range(..1 << 20).fill(1);
        object.set_len(2 * size).unwrap();
        assert_eq!(object.len().unwrap(), 2 * size, "round {round}");
        object.set_len(100).unwrap();
        let created = Shm::open_or_create(name, size).unwrap().created();
        assert!(!created, "round {round}: created twice");
        let reader = Shm::open(name).unwrap().read_only().unwrap();
        assert_eq!(reader.map().unwrap().bytes().load(99), 1, "round {round}");
        object.unlink().unwrap();
        Shm::publish(name, &vec![7; 1 << 20]).unwrap().unlink().unwrap();
        Shm::anonymous(1 << 20).unwrap().close().unwrap();
    }
}

/// As a user without root rights: an object of another user cannot be changed, and nothing is left.
fn another_user(name: &str) {
    let counted = alone_or(name);
    // SAFETY: passes no pointer.
    if unsafe { libc::geteuid() } != 0 || !counted.is_empty() {
        println!("cannot: be two users in turn");
        return;
    }
    // The mode of the system's own: every user may create, and only owners may remove.
    fs::set_permissions("/dev/shm", std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    let object = Shm::create(name, 100).unwrap();
    // SAFETY: passes no pointer; the process has one thread.
    check(unsafe { libc::setresuid(65534, 65534, 65534) }).unwrap();
    let before = State::now(counted);
    let denied = [
        Shm::open(name).map(drop),
        Shm::open_io(name).map(drop),
        Shm::open_or_create(name, 100).map(drop),
        unlink(name),
        object.unlink(),
        object.set_permissions(Permissions::USER_ALL),
        object.set_owner(Some(65534), None),
        creating(100).if_exists(IfExists::Supersede).open(name).map(drop),
    ];
    for (i, result) in denied.into_iter().enumerate() {
        let error = result.expect_err("another user's object can be used");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "attempt {i}: {error}");
    }
    assert_eq!(Shm::create(name, 100).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let second = creating(100).open_optional(name).unwrap();
    assert!(second.is_none(), "created twice: {second:?}");
    assert_eq!(State::now(counted), before);
    assert_eq!((object.len().unwrap(), object.metadata().unwrap().links()), (100, 1));
    // The user may create and remove objects of its own.
    let other = format!("{name}.own");
    Shm::create(&other, 100).unwrap().unlink().unwrap();
    // A failure leaves nothing, even if the user could not open the object.
    for permissions in [Permissions::empty(), Permissions::USER_WRITE, Permissions::GROUP_READ] {
        let error = creating(1 << 60).permissions(permissions).open(&other).unwrap_err();
        assert_eq!(error.operation(), Operation::Reserve, "{permissions:?}: {error}");
        assert_eq!(State::now(counted), before, "{permissions:?}");
    }
}

fn read_only_file_system() {
    if let Err(why) = mount_own(c"size=1m") {
        println!("cannot: mount a file system of its own: {why}");
        return;
    }
    let old = Shm::create("/old", 100).unwrap();
    // A file system with a file open for writing cannot become read-only.
    drop(old);
    mount(c"tmpfs", c"/dev/shm", libc::MS_REMOUNT | libc::MS_RDONLY, c"").unwrap();
    let before = State::now("");
    let refused = [
        Shm::create("/new", 100).map(drop),
        Shm::create("/new", 0).map(drop),
        Shm::publish("/new", b"x").map(drop),
        creating(100).open_mapped("/new").map(drop),
        creating(100).if_exists(IfExists::Supersede).open("/old").map(drop),
        Shm::open_io("/old").map(drop),
        unlink("/old"),
    ];
    for (i, result) in refused.into_iter().enumerate() {
        let error = result.expect_err("a read-only file system was changed");
        assert_eq!(error.raw_os_error(), Some(libc::EROFS), "attempt {i}: {error}");
        let helps = error.to_string().contains("mounted read-only; an anonymous object");
        // The portable code does not know how the system's directory is mounted.
        assert_eq!(helps, i < 5 && !cfg!(posix_shm_portable), "attempt {i}: {error}");
    }
    assert_eq!(State::now(""), before);
    assert_eq!(Shm::open("/old").unwrap().map().unwrap().len(), 100);
    Shm::anonymous(100)
        .map(drop)
        .or_else(|error| {
            // The portable code gives an anonymous object a name for a moment.
            if cfg!(posix_shm_portable) { Ok(()) } else { Err(error) }
        })
        .unwrap();
}

/// A symbolic link under the name is refused. A FIFO does not block, and cannot be mapped.
fn planted(name: &str) {
    let path = format!("/dev/shm{name}");
    let elsewhere = format!("{path}.elsewhere");
    fs::write(&elsewhere, b"precious").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    for result in [Shm::open(name), Shm::open_io(name), Shm::open_or_create(name, 100)] {
        let error = result.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP), "{error}");
        assert!(error.hint().unwrap().contains("symbolic link"), "{error}");
    }
    assert_eq!(Shm::create(name, 100).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let mut truncate = OpenOptions::new();
    truncate.direction(Direction::Io).if_exists(IfExists::Truncate);
    truncate.open(name).unwrap_err();
    // Supersede replaces the link itself.
    creating(100).if_exists(IfExists::Supersede).open(name).unwrap().unlink().unwrap();
    assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");
    fs::remove_file(&elsewhere).unwrap();

    let fifo = CString::new(path).unwrap();
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    check(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }).unwrap();
    if !cfg!(posix_shm_portable) {
        for result in [Shm::open(name), Shm::open_io(name)] {
            let error = result.unwrap().map().unwrap_err();
            assert!(error.to_string().contains("not a shared memory object"), "{error}");
        }
    }
    assert_eq!(Shm::create(name, 100).unwrap_err().kind(), ErrorKind::AlreadyExists);
    unlink(name).unwrap();
}

/// Prints the message of an error that only a process of its own can have.
fn message(case: &str, name: &str) {
    let result = match case {
        "denied" => {
            // SAFETY: passes no pointer.
            if unsafe { libc::geteuid() } == 0 {
                // SAFETY: passes no pointer; the process has one thread.
                check(unsafe { libc::setresuid(65534, 65534, 65534) }).unwrap();
            }
            Shm::open(name)
        }
        "presence-denied" | "cleaning-denied" | "lock-denied" => {
            // SAFETY: passes no pointer.
            if unsafe { libc::geteuid() } != 0 && case == "presence-denied" {
                println!("cannot: open an object that this user may not open");
                return;
            }
            let object = Shm::open(name).unwrap();
            // SAFETY: passes no pointer.
            if unsafe { libc::geteuid() } == 0 {
                // SAFETY: passes no pointer; the process has one thread.
                check(unsafe { libc::setresuid(65534, 65534, 65534) }).unwrap();
                // Or this process may not look at its own /proc.
                // SAFETY: passes no pointer.
                check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) }).unwrap();
            }
            let error = match case {
                "presence-denied" => object.presence().map(drop),
                "cleaning-denied" => object.unlink_if_unused().map(drop),
                _ => object.lock().map(drop),
            };
            error.map(|()| object)
        }
        "no-descriptor" => {
            limit(libc::RLIMIT_NOFILE, 0);
            Shm::open(name)
        }
        "full" => {
            if let Err(why) = mount_own(c"size=1m") {
                println!("cannot: mount a file system of its own: {why}");
                return;
            }
            Shm::create(name, 2 << 20)
        }
        _ => panic!("no such case: {case}"),
    };
    print!("{}", result.expect_err("it must fail"));
}
