//! Presence, cleaning up and locks. What needs other users, namespaces, forks or a filter is in
//! `strained/presence.rs`.

use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, OpenOptions, Operation, Permissions, Shm, ShmName,
    capabilities, unlink,
};

use crate::common::Names;

fn present(if_exists: IfExists, size: u64) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_exists(if_exists).size(size).present(true);
    options
}

/// Whether the name means this object.
fn means(name: &ShmName, object: &Shm) -> bool {
    let identity = |object: &Shm| {
        let metadata = object.metadata().unwrap();
        (metadata.device(), metadata.inode())
    };
    Shm::open(name).is_ok_and(|found| identity(&found) == identity(object))
}

/// Whether the object is unused, now or soon: a process that another test is just starting has this
/// one's descriptors until it runs its program.
fn soon_unused(object: &Shm) -> bool {
    let begun = Instant::now();
    while !object.is_unused().unwrap() {
        if begun.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

#[test]
fn an_object_is_used_while_anyone_is_present() {
    if !capabilities().presence {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 100).unwrap();
    let reader = Shm::open(&name).unwrap();
    let unused = || [&object, &reader].map(|handle| handle.is_unused().unwrap());
    assert_eq!(unused(), [true, true]);
    let first = reader.presence().unwrap();
    assert_eq!(unused(), [false, false]);
    let second = object.presence().unwrap();
    drop(first);
    assert_eq!(unused(), [false, false]);
    // A mapping and handles do not count, and presence outlives the handle that it came from.
    let mapping = object.map().unwrap();
    let clone = object.try_clone().unwrap();
    drop(second);
    assert!(soon_unused(&object));
    assert_eq!(unused(), [true, true]);
    let third = clone.presence().unwrap();
    drop((clone, mapping));
    assert_eq!(unused(), [false, false]);
    drop(third);
    assert!(soon_unused(&object));
    assert_eq!(unused(), [true, true]);
    object.unlink().unwrap();
}

#[test]
fn an_anonymous_object_and_one_that_was_sent_have_presence_of_their_own() {
    if !capabilities().presence || !cfg!(target_os = "linux") {
        return;
    }
    let object = Shm::anonymous(100).unwrap();
    let here = object.presence().unwrap();
    let (sender, receiver) = UnixStream::pair().unwrap();
    object.send(&sender).unwrap();
    let received = Shm::receive(&receiver).unwrap();
    assert!(!received.is_unused().unwrap());
    drop(here);
    assert!(soon_unused(&received), "a handle that was sent does not hold presence");
    let there = received.presence().unwrap();
    assert!(!object.is_unused().unwrap());
    // Sealing the object changes nothing about it.
    let frozen = object.freeze().unwrap();
    assert!(!frozen.is_unused().unwrap());
    drop(there);
    assert!(soon_unused(&frozen));
    let again = frozen.presence().unwrap();
    assert!(!frozen.is_unused().unwrap());
    drop(again);

    let object = OpenOptions::new().direction(Direction::Io).size(8).present(true).clone();
    let object = object.open_anonymous().unwrap();
    assert!(!object.is_unused().unwrap());
    let received = {
        object.send(&sender).unwrap();
        Shm::receive(&receiver).unwrap()
    };
    let reader = object.read_only().unwrap();
    let clone = reader.try_clone().unwrap();
    for (handle, unused) in [(object, false), (reader, false), (clone, true)] {
        drop(handle);
        let is_unused = if unused { soon_unused(&received) } else { received.is_unused().unwrap() };
        assert_eq!(is_unused, unused);
    }
}

#[test]
fn whatever_way_it_is_opened_a_present_handle_holds_presence() {
    if !capabilities().presence {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let other = names.name();
    let create = IfDoesNotExist::Create;
    let mode = Permissions::from_mode(0o200);
    let modes = [Permissions::PRIVATE, mode];
    for size in [0, 100] {
        for permissions in modes {
            for direction in [Direction::Io, Direction::Input] {
                for if_exists in [IfExists::Error, IfExists::Supersede, IfExists::Overwrite] {
                    let mut options = present(if_exists, size);
                    options.permissions(permissions).direction(direction);
                    let object = options.if_does_not_exist(create).open(&name).unwrap();
                    assert!(object.created());
                    assert_eq!(object.metadata().unwrap().permissions(), permissions);
                    assert!(!object.is_unused().unwrap(), "{options:?}");
                    match object.unlink_if_unused() {
                        Ok(removed) => assert!(!removed, "{options:?}"),
                        // Without rights, nobody can open it to lock it.
                        Err(error) => assert_eq!(
                            (error.kind(), permissions),
                            (ErrorKind::PermissionDenied, mode),
                            "{error}"
                        ),
                    }
                    assert!(means(&name, &object) || permissions == mode);
                    let path = object.name().unwrap().clone();
                    drop(object);
                    unlink(path).unwrap();
                }
            }
        }
    }
    let object = Shm::create(&name, 100).unwrap();
    for options in [present(IfExists::Overwrite, 0), present(IfExists::Supersede, 100)] {
        let opened = options.open(&name).unwrap();
        let current = Shm::open(&name).unwrap();
        assert!(!current.is_unused().unwrap(), "{options:?}");
        drop(opened);
        assert!(soon_unused(&current), "{options:?}");
    }
    let (opened, mapping) = present(IfExists::Overwrite, 0).open_mapped(&name).unwrap();
    assert!(!opened.is_unused().unwrap());
    drop((opened, mapping));
    let with = present(IfExists::Error, 8).open_with::<posix_shm::Error>(&other, |_| Ok(()));
    assert!(!Shm::open(&other).unwrap().is_unused().unwrap());
    let optional = present(IfExists::Overwrite, 0).open_optional(&other).unwrap().unwrap();
    drop(with.unwrap());
    assert!(!optional.is_unused().unwrap());
    let short = OpenOptions::new().at_least(9).present(true).open(&other).unwrap_err();
    assert_eq!(short.kind(), ErrorKind::InvalidData);
    drop(optional);
    let opened = Shm::open(&other).unwrap();
    assert!(soon_unused(&opened) && opened.unlink_if_unused().unwrap());
    drop(object);
    unlink(&name).unwrap();
}

#[test]
fn unlink_if_unused_removes_the_name_of_an_unused_object_and_no_other() {
    if !capabilities().presence {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let old = Shm::create(&name, 100).unwrap();
    // A handle that can only read is enough, since the object is this user's.
    let reader = Shm::open(&name).unwrap();
    let here = old.presence().unwrap();
    assert!(!reader.unlink_if_unused().unwrap());
    assert!(means(&name, &old));
    drop(here);
    assert!(soon_unused(&reader) && reader.unlink_if_unused().unwrap());
    assert!(Shm::open(&name).is_err());
    assert!(!reader.unlink_if_unused().unwrap(), "it is removed only once");
    assert!(old.is_unused().unwrap());

    let new = Shm::create(&name, 100).unwrap();
    assert!(!old.unlink_if_unused().unwrap());
    assert!(means(&name, &new), "a successor's name was removed");
    assert!(new.unlink_if_unused().unwrap());

    let anonymous = Shm::anonymous(100).unwrap();
    let error = anonymous.unlink_if_unused().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidInput, Operation::Unlink));
}

#[test]
fn the_last_one_that_leaves_removes_the_name() {
    if !capabilities().presence {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create);
    options.size(100).present(true);
    let (first, second) = (options.open(&name).unwrap(), options.open(&name).unwrap());
    assert!(!first.unlink_if_last().unwrap());
    assert!(means(&name, &second));
    // A clone is present too, and so is whoever has taken presence.
    let clone = second.try_clone().unwrap();
    assert!(!second.unlink_if_last().unwrap());
    let here = clone.presence().unwrap();
    assert!(!clone.unlink_if_last().unwrap());
    let last = Shm::open(&name).unwrap();
    drop(here);
    // A handle without presence has none to end.
    assert!(soon_unused(&last) && last.unlink_if_last().unwrap());
    assert!(Shm::open(&name).is_err());

    let anonymous = options.open_anonymous();
    if let Ok(anonymous) = anonymous {
        let error = anonymous.unlink_if_last().unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidInput, Operation::Unlink));
    }
}

/// One of them removes the name, and the others say so.
#[test]
fn of_many_cleaners_one_removes_the_name() {
    if !capabilities().presence {
        return;
    }
    let names = Names::new();
    let name = names.name();
    for _ in 0..200 {
        let object = Shm::create(&name, 8).unwrap();
        let removed: usize = std::thread::scope(|scope| {
            let clean =
                || usize::from(Shm::open(&name).is_ok_and(|it| it.unlink_if_unused().unwrap()));
            let cleaners: Vec<_> = (0..4).map(|_| scope.spawn(clean)).collect();
            cleaners.into_iter().map(|cleaner| cleaner.join().unwrap()).sum()
        });
        assert_eq!(removed, 1);
        assert!(!object.unlink_if_unused().unwrap());
    }
}

/// Asking takes no lock, so that no other process ever sees one that nobody has.
#[test]
fn asking_never_makes_an_object_look_used() {
    if !capabilities().lock {
        return;
    }
    let names = Names::new();
    let object = Shm::create(names.name(), 8).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cleaner = Shm::open(object.name().unwrap()).unwrap();
        let other = Shm::open(object.name().unwrap()).unwrap();
        let (done, object) = (&done, &object);
        // These ask, and take the exclusive lock.
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                assert!(other.is_unused().unwrap())
            }
        });
        scope.spawn(move || {
            // Of a name that means another object, so that nothing is removed.
            while !done.load(Ordering::Relaxed) {
                let lock = cleaner.try_lock().unwrap();
                assert!(cleaner.is_unused().unwrap(), "a lock is not presence");
                drop(lock);
            }
        });
        for _ in 0..20_000 {
            assert!(object.is_unused().unwrap(), "it looks used");
        }
        done.store(true, Ordering::Relaxed);
    });
    object.unlink().unwrap();
}

#[test]
fn one_at_a_time_has_the_lock() {
    if !capabilities().lock {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 16).unwrap();
    let lock = object.lock().unwrap();
    let other = Shm::open(&name).unwrap();
    // Nobody else gets it, by whatever handle, and it is not presence.
    assert!(object.try_lock().unwrap().is_none());
    assert!(other.try_lock().unwrap().is_none());
    assert!(other.is_unused().unwrap());
    let start = Instant::now();
    assert!(other.lock_for(Duration::from_millis(30)).unwrap().is_none());
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(30), "it waited only {took:?}");
    drop(lock);
    let lock = other.lock_for(Duration::MAX).unwrap();
    assert!(lock.is_some());
    // Presence and the lock do not meet.
    let here = object.presence().unwrap();
    drop((lock, here));
    assert!(object.try_lock().unwrap().is_some());

    let mapping = object.map_mut().unwrap();
    let words = mapping.slice::<u64>(0, 2).unwrap();
    let inside = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (object, words, inside) = (&object, &words, &inside);
            scope.spawn(move || {
                for round in 0..500 {
                    let lock = match (thread + round) % 3 {
                        0 => object.lock().unwrap(),
                        _ => object.lock_for(Duration::from_secs(60)).unwrap().unwrap(),
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two have the lock");
                    words.store(0, words.load(0) + 1);
                    words.store(1, words.load(1) + 1);
                    inside.fetch_sub(1, Ordering::Relaxed);
                    drop(lock);
                }
            });
        }
    });
    assert_eq!([words.load(0), words.load(1)], [2000, 2000]);
    object.unlink().unwrap();
}

#[test]
fn the_descriptors_are_closed_on_exec_and_after_use() {
    if !capabilities().presence || !cfg!(target_os = "linux") {
        return;
    }
    let names = Names::new();
    let object = Shm::create(names.name(), 16).unwrap();
    let path = std::fs::read_link(format!("/proc/self/fd/{}", object.as_raw_fd())).unwrap();
    let open = || -> Vec<i32> {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let ours = entries.filter(|it| std::fs::read_link(it.path()).is_ok_and(|to| to == path));
        ours.map(|it| it.file_name().to_str().unwrap().parse().unwrap()).collect()
    };
    let here = object.presence().unwrap();
    let lock = capabilities().lock.then(|| object.lock().unwrap());
    let found = open();
    assert_eq!(found.len(), 2 + usize::from(lock.is_some()));
    for fd in found {
        // SAFETY: passes no pointer.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) }, libc::FD_CLOEXEC);
    }
    drop((here, lock));
    assert_eq!(open().len(), 1);
    assert!(soon_unused(&object) && object.unlink_if_unused().unwrap());
    assert_eq!(open().len(), 1, "only the handle's own is left");
}
