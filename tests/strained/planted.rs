//! Files that are no objects stand where objects are looked for: nothing waits, and nothing is
//! followed.

use std::ffi::CString;
use std::fs;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use posix_shm::{Direction, IfDoesNotExist, IfExists, OpenOptions, Shm, unlink};

use crate::alone::{check, mount};
use crate::lab::{Cases, creating, own_shm, refused};

crate::tasks! { IN_FILES:
    fault_02_a_planted_fifo_is_refused_at_once
    fault_02_nothing_planted_is_opened_again
    fault_02_a_fifo_that_takes_the_name_of_an_open_object_is_refused
    fault_02_waiting_for_an_object_ends_in_time
}

/// The kinds of files that are no objects.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Fifo,
    Socket,
    Directory,
    Device,
    Symlink,
    /// A link to a FIFO.
    ToFifo,
}

const KINDS: [Kind; 6] =
    [Kind::Fifo, Kind::Socket, Kind::Directory, Kind::Device, Kind::Symlink, Kind::ToFifo];

pub(crate) fn fifo(path: &str) {
    let path = CString::new(path).unwrap();
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o666) }).unwrap();
}

/// Plants a file, or tells that it may not.
fn plant(kind: Kind, path: &str) -> bool {
    match kind {
        Kind::Fifo => fifo(path),
        Kind::Socket => drop(UnixListener::bind(path).unwrap()),
        Kind::Directory => fs::create_dir(path).unwrap(),
        Kind::Device => {
            let (path, null) = (CString::new(path).unwrap(), libc::makedev(1, 3));
            // SAFETY: the path is a NUL-terminated string that outlives the call.
            let made = unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, null) } == 0;
            // SAFETY: passes no pointer.
            assert!(made || unsafe { libc::geteuid() } != 0, "root may make devices");
            return made;
        }
        Kind::Symlink => std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        Kind::ToFifo => {
            let target = format!("{path}.target");
            fifo(&target);
            std::os::unix::fs::symlink(target, path).unwrap();
        }
    }
    true
}

fn fault_02_a_planted_fifo_is_refused_at_once() {
    own_shm("size=8m");
    fifo("/dev/shm/x");
    let mut cases = Cases::new();
    cases.case("opened, then opened again", || {
        refused(Shm::open("/x").and_then(|object| object.read_only()));
    });
    cases.case("opened for both, then opened again", || {
        refused(Shm::open_io("/x").and_then(|object| object.read_only()));
    });
    cases.case("a descriptor of it, opened again", || {
        let file = fs::File::options().read(true).write(true).open("/dev/shm/x").unwrap();
        let object = Shm::from(std::os::fd::OwnedFd::from(file));
        refused(object.read_only());
        refused(object.map());
        refused(object.set_len(10));
        refused(object.freeze());
    });
    cases.end();
}

/// What no planted file can take part in.
type Attempt = (&'static str, fn(&str) -> posix_shm::Result<()>);

const ATTEMPTS: &[Attempt] = &[
    ("open, read_only", |name| Shm::open(name)?.read_only().map(drop)),
    ("open, map", |name| Shm::open(name)?.map().map(drop)),
    ("open_io, read_only", |name| Shm::open_io(name)?.read_only().map(drop)),
    ("open_io, set_len", |name| Shm::open_io(name)?.set_len(100)),
    ("create", |name| Shm::create(name, 100).map(drop)),
    ("create empty", |name| Shm::create(name, 0).map(drop)),
    ("publish", |name| Shm::publish(name, b"content").map(drop)),
    ("create to read", |name| creating(100).direction(Direction::Input).open(name).map(drop)),
    ("open_or_create, map", |name| Shm::open_or_create(name, 100)?.map().map(drop)),
    ("open_or_create to read, map", |name| {
        let mut options = OpenOptions::new();
        options.if_does_not_exist(IfDoesNotExist::Create).size(100);
        options.open(name)?.map().map(drop)
    }),
    ("open_mapped", |name| {
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).open_mapped(name).map(drop)
    }),
    ("truncate, map", |name| {
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).if_exists(IfExists::Truncate);
        options.open(name)?.map().map(drop)
    }),
];

fn fault_02_nothing_planted_is_opened_again() {
    own_shm("size=8m");
    let mut cases = Cases::new();
    for kind in KINDS {
        let name = format!("/{kind:?}");
        if !plant(kind, &format!("/dev/shm{name}")) {
            continue;
        }
        for (what, attempt) in ATTEMPTS {
            cases.case(format_args!("{kind:?}: {what}"), || drop(refused(attempt(&name))));
        }
        cases.case(format_args!("{kind:?}: replaced"), || {
            let replaced = creating(100).if_exists(IfExists::Supersede).open(&name);
            if kind == Kind::Directory {
                refused(replaced);
            } else {
                assert_eq!(replaced.unwrap().len().unwrap(), 100);
                unlink(&name).unwrap();
                plant(kind, &format!("/dev/shm{name}.again"));
            }
        });
    }
    cases.case("listed", || {
        if posix_shm::capabilities().list {
            let found: Vec<_> = posix_shm::list().unwrap().collect();
            assert_eq!(found.len(), 0, "{found:?}");
        }
    });
    cases.end();
}

/// Without `/proc` a named object is opened again by its name, which a peer may have taken over.
fn fault_02_a_fifo_that_takes_the_name_of_an_open_object_is_refused() {
    own_shm("size=8m");
    mount(c"tmpfs", c"/proc", 0, c"").unwrap();
    let object = Shm::create("/x", 100).unwrap();
    unlink("/x").unwrap();
    fifo("/dev/shm/x");
    let mut cases = Cases::new();
    cases.case("read_only", || drop(refused(object.read_only())));
    cases.case("unlink", || drop(refused(object.unlink())));
    cases.case("unlink_on_drop", || {
        drop(object.try_clone().unwrap().unlink_on_drop());
        assert!(fs::exists("/dev/shm/x").unwrap(), "the name of another file is gone");
    });
    cases.end();
}

fn fault_02_waiting_for_an_object_ends_in_time() {
    own_shm("size=8m");
    fifo("/dev/shm/x");
    let mut cases = Cases::new();
    for direction in [Direction::Input, Direction::Io] {
        cases.case(format_args!("{direction:?}"), || {
            let start = Instant::now();
            let mut options = OpenOptions::new();
            options.direction(direction).wait(Duration::from_millis(50));
            refused(options.open("/x").and_then(|object| object.map()));
            assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
        });
    }
    cases.end();
}
