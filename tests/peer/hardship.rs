//! Tasks in which something is missing or in the way: room, descriptors, addresses, rights, quiet. After each, the process has
//! what it had, and so has `/dev/shm`.

use std::collections::BTreeSet;
use std::ffi::c_int;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, MapOptions, OpenOptions, Operation, Permissions,
    Protection, Shm, ShmName, capabilities, unlink,
};

use crate::alone::{check, mount, mount_own};
use crate::creating;

/// Does one of these tasks. False if the arguments name none.
pub(crate) fn task(arguments: &[&str]) -> bool {
    match *arguments {
        ["small-file-system"] => small_file_system(),
        ["no-descriptors", name] => no_descriptors(name),
        ["no-address-space", name] => no_address_space(name),
        ["leave-nothing", name] => leave_nothing(name),
        ["under-signals", name] => under_signals(name),
        ["another-user", name] => another_user(name),
        ["read-only-file-system"] => read_only_file_system(),
        ["planted", name] => planted(name),
        _ => return false,
    }
    true
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
    let in_one_step = capabilities().supersede_in_one_step;
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

/// With 0, then 1 free descriptor: whatever needs one more fails and leaves nothing.
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

/// Everything works under a thousand signals a second, without `SA_RESTART`.
fn under_signals(name: &str) {
    // Longer than the time between two signals to reserve, where there is room for it: a container's own has 64 MB.
    let size: u64 = if mount_own(c"size=300m").is_ok() { 64 << 20 } else { 8 << 20 };
    extern "C" fn ignore(_: c_int) {}
    // SAFETY: all its fields are integers or may be null.
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
        assert_eq!(object.metadata().unwrap().allocated(), size.next_multiple_of(4096));
        mapping.bytes().range(..1 << 20).fill(1);
        object.set_len(2 * size).unwrap();
        assert_eq!(object.len().unwrap(), 2 * size);
        object.set_len(100).unwrap();
        assert!(!Shm::open_or_create(name, size).unwrap().created());
        let reader = Shm::open(name).unwrap().read_only().unwrap();
        assert_eq!(reader.map().unwrap().bytes().load(99), 1);
        object.unlink().unwrap();
        Shm::publish(name, &vec![7; 1 << 20]).unwrap().unlink().unwrap();
        Shm::anonymous(1 << 20).unwrap().close().unwrap();
    }
}

/// As a user whom permissions bind: what is another's stays as it is, and nothing is left beside it.
fn another_user(name: &str) {
    let counted = alone_or(name);
    // SAFETY: passes no pointer.
    if unsafe { libc::geteuid() } != 0 || !counted.is_empty() {
        println!("cannot: be two users in turn");
        return;
    }
    // As the system's own is, so that everybody may create and only owners remove.
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
        assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied, "{i}");
    }
    assert_eq!(Shm::create(name, 100).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(creating(100).open_optional(name).unwrap().is_none());
    assert_eq!(State::now(counted), before);
    assert_eq!((object.len().unwrap(), object.metadata().unwrap().links()), (100, 1));
    // One's own is one's own.
    let other = format!("{name}.own");
    Shm::create(&other, 100).unwrap().unlink().unwrap();
    // What fails is not left behind, even where its maker could not open it.
    for permissions in [Permissions::empty(), Permissions::USER_WRITE, Permissions::GROUP_READ] {
        let error = creating(1 << 60).permissions(permissions).open(&other).unwrap_err();
        assert_eq!(error.operation(), Operation::Reserve);
        assert_eq!(State::now(counted), before);
    }
}

fn read_only_file_system() {
    if let Err(why) = mount_own(c"size=1m") {
        println!("cannot: mount a file system of its own: {why}");
        return;
    }
    let old = Shm::create("/old", 100).unwrap();
    // Open for writing, it would keep the file system from being made read-only.
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
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EROFS), "{i}");
    }
    assert_eq!(State::now(""), before);
    assert_eq!(Shm::open("/old").unwrap().map().unwrap().len(), 100);
    Shm::anonymous(100)
        .map(drop)
        .or_else(|error| {
            // Elsewhere even what has no name has one for a moment.
            if cfg!(posix_shm_portable) { Ok(()) } else { Err(error) }
        })
        .unwrap();
}

/// What stands under a name and is no object is not followed, and holds up nobody.
fn planted(name: &str) {
    let path = format!("/dev/shm{name}");
    let elsewhere = format!("{path}.elsewhere");
    fs::write(&elsewhere, b"precious").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    for result in [Shm::open(name), Shm::open_io(name), Shm::open_or_create(name, 100)] {
        let error = result.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
        assert!(error.hint().unwrap().contains("symbolic link"), "{error}");
    }
    assert_eq!(Shm::create(name, 100).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let mut truncate = OpenOptions::new();
    truncate.direction(Direction::Io).if_exists(IfExists::Truncate);
    assert!(truncate.open(name).is_err());
    // The link itself is what gives way.
    creating(100).if_exists(IfExists::Supersede).open(name).unwrap().unlink().unwrap();
    assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");
    fs::remove_file(&elsewhere).unwrap();

    let fifo = std::ffi::CString::new(path).unwrap();
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    check(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }).unwrap();
    if !cfg!(posix_shm_portable) {
        for result in [Shm::open(name), Shm::open_io(name)] {
            let error = result.unwrap().map().unwrap_err();
            assert!(error.to_string().contains("no shared memory object"), "{error}");
        }
    }
    assert_eq!(Shm::create(name, 100).unwrap_err().kind(), ErrorKind::AlreadyExists);
    unlink(name).unwrap();
}
