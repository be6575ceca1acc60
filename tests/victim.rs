//! Runs one operation of the library, so that a tracer can make its system calls fail or kill the
//! process at one of them: `victim TASK NAME HOW`.
//!
//! It runs the task between two marks, then prints the result and what is left. A wrong result is a
//! panic. `victim list` prints the names of the tasks that this system can do. `HOW` is one of:
//!
//! - `alone`: in a `/dev/shm` of its own, if the machine allows that;
//! - `without-proc`: the same, and without `/proc`;
//! - `shared`: in the system's `/dev/shm`. The test looks at the objects and cleans up.

use std::env;
use std::ffi::c_int;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use posix_shm::{Shm, ShmName, unlink};

#[path = "peer/alone.rs"]
mod alone;
#[path = "victim/handles.rs"]
mod handles;
#[path = "victim/mappings.rs"]
mod mappings;
#[path = "victim/presence.rs"]
mod presence;
#[path = "victim/tasks.rs"]
mod tasks;
#[path = "victim/world.rs"]
mod world;

use alone::{mount, mount_own};
use tasks::{ErrorName, Given, Got, HUGE, SIZE, creating, heir};
use world::{NEW, OLD, OLD_SIZE, World};

/// The number of descriptors, and the bytes of all mappings that are shared or nothing but address
/// space. It needs no `/proc` once the file is open.
fn held(maps: &mut File) -> (usize, usize) {
    let mut lines = String::with_capacity(1 << 16);
    maps.rewind().unwrap();
    maps.read_to_string(&mut lines).unwrap();
    // One call for all, since the tracer stops at each.
    let ask = |fd: c_int| libc::pollfd { fd, events: 0, revents: 0 };
    let mut descriptors: [libc::pollfd; 40] = std::array::from_fn(|fd| ask(fd as c_int));
    // SAFETY: the pointer is to as many structures as the call may read and write.
    let answer = unsafe { libc::poll(descriptors.as_mut_ptr(), 40, 0) };
    assert!(answer >= 0, "poll failed");
    let open = descriptors.iter().filter(|it| it.revents & libc::POLLNVAL == 0).count();
    let ours = lines.lines().filter(|line| line.contains("s ") || line.contains(" ---p "));
    let bytes = |line: &str| {
        let (from, to) = line.split_once(' ')?.0.split_once('-')?;
        let [from, to] = [from, to].map(|end| usize::from_str_radix(end, 16).unwrap());
        Some(to - from)
    };
    (open, ours.filter_map(bytes).sum())
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments == ["list"] {
        let possible = tasks::all().filter(|task| task.is_possible());
        possible.for_each(|task| println!("{}", task.name));
        return;
    }
    let [task, prefix, how] = &arguments[..] else { panic!("not a task: {arguments:?}") };
    let task = tasks::all().find(|known| known.name == task).expect("no such task");
    // SAFETY: passes no pointer.
    unsafe { libc::umask(0o022) };
    let shared = how == "shared";
    let alone = !shared && mount_own(c"").is_ok();
    let mut maps = File::open("/proc/self/maps").unwrap();
    if how == "without-proc" {
        if !alone || mount(c"tmpfs", c"/proc", 0, c"").is_err() {
            println!("cannot: hide /proc");
            return;
        }
        assert!(!fs::exists("/proc/self").unwrap(), "/proc is still there");
    }
    let before = held(&mut maps);
    let mut given = give(prefix, shared);
    let mut expected = World::now(prefix, alone);
    let result = between_marks(|| (task.run)(&mut given));
    let failed = result.is_err();
    match result {
        // The functions of std's traits return std's error.
        Ok(Got::Bytes(Err(error), _)) => {
            println!("error Plain {} {error}", error.raw_os_error().expect("a number"));
        }
        Ok(got) => {
            (task.effect)(&mut expected);
            println!("ok");
            assert!((task.is_right)(&got), "{task:?} returned the wrong value: {got:?}");
        }
        Err(error) => {
            let name = match task.error_name {
                ErrorName::New => Some(&given.new),
                ErrorName::Old => Some(&given.old),
                ErrorName::OldOrNo if error.name().is_some() => Some(&given.old),
                ErrorName::No | ErrorName::OldOrNo => None,
            };
            assert_eq!(error.name(), name, "{task:?}: {error}");
            // The message has the name too, and the reason that the system gave.
            let text = error.to_string();
            let has_name = name.is_none_or(|name| text.contains(&format!("{name:?}")));
            assert!(has_name, "{task:?}: the message does not have the name {name:?}: {text}");
            // 0 if it was the library that refused.
            let number = error.raw_os_error().unwrap_or_default();
            let has_number = number == 0 || text.contains(&format!("(os error {number})"));
            assert!(has_number, "{task:?}: the message does not have the number {number}: {text}");
            println!("error {:?} {number} {text}", error.operation());
        }
    }
    drop(given);
    let after = held(&mut maps);
    println!("held {} {}", after.0 - before.0, after.1 as isize - before.1 as isize);
    let mut found = World::now(prefix, alone);
    // The portable code removes the name first. If it cannot make the new object, nothing has it.
    let superseding = cfg!(posix_shm_portable) && task.name.starts_with("supersede");
    if superseding && failed && !found.0.contains_key(OLD) {
        expected.remove(OLD);
    }
    for (name, object) in &found.0 {
        if !expected.0.contains_key(name) {
            println!("extra {name} {object:?}");
        }
    }
    found.0.retain(|name, _| expected.0.contains_key(name));
    assert_eq!(found.0, expected.0, "{task:?} left other objects than it should");
    if !shared {
        for end in [NEW, OLD] {
            // Either may be gone.
            let _ = unlink(format!("{prefix}{end}"));
        }
    }
}

/// Makes what the task may use.
fn give(prefix: &str, shared: bool) -> Given {
    let [new, old] = [NEW, OLD].map(|end| ShmName::new(format!("{prefix}{end}")).unwrap());
    if !shared {
        let (_, sevens) = creating(OLD_SIZE).open_mapped(&old).unwrap();
        sevens.bytes().fill(7);
    }
    // A process that was killed before may have removed it.
    let object = Shm::open_io(&old).ok();
    let mapping = object.as_ref().and_then(|object| object.map_mut().ok());
    let descriptor = object.as_ref().map(|object| object.try_clone().unwrap().into());
    let [anonymous, frozen, immutable] = [(); 3].map(|()| Shm::anonymous(SIZE).ok());
    let frozen = frozen.and_then(|object| object.freeze().ok());
    let immutable = immutable.and_then(|object| object.make_immutable().ok());
    let sockets = UnixStream::pair().unwrap();
    if let Some(descriptor) = &descriptor {
        Shm::from(OwnedFd::try_clone(descriptor).unwrap()).send(&sockets.0).unwrap();
    }
    // Makes the page that tells this process from a child, which stays.
    drop(Shm::anonymous(SIZE).map(Shm::unlink_on_drop));
    let huge = Shm::anonymous(HUGE).ok();
    let heir = heir();
    Given {
        new,
        old,
        object,
        mapping,
        descriptor,
        anonymous,
        frozen,
        immutable,
        huge,
        sockets,
        heir,
    }
}

/// Does the work between two calls that the library never makes and that the tests recognise.
fn between_marks<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: passes no pointer.
    unsafe { libc::getppid() };
    let result = work();
    // SAFETY: passes no pointer.
    unsafe { libc::getppid() };
    result
}
