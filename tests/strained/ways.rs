//! Ways round what a sandbox forbids: whichever single call is forbidden, and with whatever answer,
//! everything that can be done without it still works.

use std::ffi::c_int;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use posix_shm::{
    Direction, Error, IfDoesNotExist, IfExists, OpenOptions, Operation, Permissions, Seals, Shm,
    ShmName, unlink,
};

use crate::filter::{self, Answer, Call};
use crate::lab::{
    Attempt, Cases, NOBODY, become_user, creating, is_complete, leaves_nothing, memfd, names,
    need_root, own_shm, refused,
};

crate::tasks! { ON_LINUX:
    ways_round_memfd_create
    ways_round_flags_of_memfd_create
    ways_round_flags_of_memfd_create_are_not_for_others
    ways_round_linkat
    ways_round_linkat_by_descriptor
    ways_round_fallocate
    ways_round_renameat2
    ways_round_rename
    ways_round_getrandom
    ways_round_o_tmpfile
    ways_round_openat2
    ways_round_statx
    ways_round_what_leaves_a_name
    ways_round_what_only_tells
    ways_round_for_a_user_without_rights
    ways_round_f_get_seals
    ways_round_all_but_shm_open
    ways_round_one_route_to_the_names
}

/// What a kernel without the call answers, and what sandboxes and security modules do.
const FORBIDDEN: [c_int; 3] = [libc::EPERM, libc::ENOSYS, libc::EACCES];

const SIZE: u64 = 100_000;

/// Whether no call that renames is allowed now.
static NO_RENAME: AtomicBool = AtomicBool::new(false);

/// What is to work, whatever is forbidden.
const ATTEMPTS: &[Attempt<()>] = &[
    ("create", || made("/new", Shm::create("/new", SIZE)?)),
    ("create large", || {
        let object = Shm::create("/new", 20 << 20)?;
        is_complete(&object, 20 << 20);
        object.unlink()
    }),
    ("create empty, then set_len", || {
        let object = Shm::create("/new", 0)?;
        if grown(&object, SIZE)? { made("/new", object) } else { object.unlink() }
    }),
    ("create mapped", || made("/new", creating(SIZE).open_mapped("/new")?.0)),
    ("create to read", || {
        let object = creating(SIZE).direction(Direction::Input).open("/new")?;
        refused(object.map_mut());
        made("/new", object)
    }),
    ("create with permissions", || {
        let mode = Permissions::from_mode(0o666);
        let object = creating(SIZE).permissions(mode).ignore_umask(true).open("/new")?;
        assert_eq!(object.metadata()?.permissions(), mode);
        made("/new", object)
    }),
    ("create what exists", || {
        for size in [0, SIZE, 2 << 20] {
            let error = refused(Shm::create("/old", size));
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{size}: {error}");
        }
        Ok(())
    }),
    ("open_or_create, absent", || {
        let object = Shm::open_or_create("/new", SIZE)?;
        assert!(object.created());
        made("/new", object)
    }),
    ("open_or_create, present", || {
        let object = Shm::open_or_create("/old", SIZE)?;
        assert!(!object.created());
        assert_eq!(object.len()?, 50);
        Ok(())
    }),
    ("open_or_create to read", || {
        let mut options = OpenOptions::new();
        options.if_does_not_exist(IfDoesNotExist::Create).size(SIZE);
        made("/new", options.open("/new")?)
    }),
    ("open_with", || {
        let object = creating(SIZE).open_with("/new", |new| {
            new.map_mut()?.bytes().fill(9);
            Ok::<_, Error>(())
        })?;
        let bytes = object.map()?.bytes().to_vec();
        assert!(bytes.len() as u64 == SIZE && bytes.iter().all(|&byte| byte == 9));
        object.unlink()
    }),
    ("supersede", || {
        let old = Shm::open("/old")?;
        let object = match creating(SIZE).if_exists(IfExists::Supersede).open("/old") {
            // Nothing else replaces in one step, and nothing is lost.
            Err(error) if NO_RENAME.load(Ordering::Relaxed) => {
                assert_eq!(error.operation(), Operation::Publish, "{error}");
                assert_eq!((old.len()?, old.metadata()?.links()), (50, 1), "the old object");
                return Ok(());
            }
            object => object?,
        };
        assert_eq!((old.len()?, old.metadata()?.links()), (50, 0));
        is_complete(&object, SIZE);
        object.unlink()?;
        // For the next one.
        Shm::create("/old", 50).map(drop)
    }),
    ("supersede, absent", || {
        made("/new", creating(SIZE).if_exists(IfExists::Supersede).open("/new")?)
    }),
    ("publish", || {
        let content = vec![6; SIZE as usize];
        let object = Shm::publish("/new", &content)?;
        assert!(object.map()?.bytes().to_vec() == content);
        object.unlink()
    }),
    ("anonymous", || {
        let object = Shm::anonymous(SIZE)?;
        is_complete(&object, SIZE);
        grown(&object, 2 * SIZE)?;
        object.read_only().map(drop)
    }),
    ("anonymous mapped", || creating(SIZE).open_anonymous_mapped().map(drop)),
    ("a random name", || {
        let name = ShmName::random("way.")?;
        assert_ne!(name, ShmName::random("way.")?);
        Shm::create(&name, SIZE)?.unlink()
    }),
    ("grow", || {
        let object = Shm::open_io("/old")?;
        grown(&object, SIZE)?;
        object.set_len(50)
    }),
    ("opened again", || {
        let object = Shm::open_io("/old")?.read_only()?;
        assert_eq!(object.len()?, 50);
        refused(object.map_mut());
        Ok(())
    }),
    ("listed", || {
        assert_eq!(posix_shm::list()?.count(), 1);
        Ok(())
    }),
    ("sent and received", || {
        let (here, there) = UnixStream::pair().unwrap();
        for object in [Shm::open("/old")?, Shm::anonymous(50)?] {
            object.send(&here)?;
            assert_eq!(Shm::receive(&there)?.len()?, 50);
        }
        Ok(())
    }),
];

/// Makes an object longer that peers may have, with the memory, or tells that nothing can be
/// reserved: zeros cannot be written where a peer may write already.
fn grown(object: &Shm, to: u64) -> posix_shm::Result<bool> {
    let before = object.len()?;
    match object.set_len(to) {
        Ok(()) => {
            assert!(object.metadata()?.allocated() >= to, "nothing is reserved");
            assert_eq!(object.len()?, to);
            Ok(true)
        }
        Err(error) if error.operation() == Operation::Reserve => {
            assert!(!error.to_string().contains("seal"), "{error}");
            assert_eq!(object.len()?, before);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// A new object is complete. Its name goes.
#[track_caller]
fn made(name: &str, object: Shm) -> posix_shm::Result<()> {
    is_complete(&object, SIZE);
    let found = Shm::open(name)?;
    assert_eq!(found.metadata()?.inode(), object.metadata()?.inode(), "another object");
    unlink(name)
}

/// Everything works while the calls of one of these sets give one of these answers.
fn all_work(sets: &[&[&[Call]]], errnos: &[c_int]) {
    own_shm("size=64m");
    all_work_here(sets, errnos);
}

fn all_work_here(sets: &[&[&[Call]]], errnos: &[c_int]) {
    Shm::create("/old", 50).unwrap();
    let mut cases = Cases::new();
    for (number, set) in sets.iter().enumerate() {
        for errno in errnos {
            for (what, attempt) in ATTEMPTS {
                cases.case(format_args!("{what}, calls {number}, answer {errno}"), || {
                    let no_rename = set.contains(&filter::RENAMES) && !cfg!(posix_shm_portable);
                    NO_RENAME.store(no_rename, Ordering::Relaxed);
                    set.iter().for_each(|calls| filter::forbid(calls, *errno));
                    leaves_nothing(|| attempt().unwrap_or_else(|error| panic!("{error:?}")));
                });
            }
        }
    }
    cases.end();
}

fn ways_round_memfd_create() {
    let errnos = [libc::EPERM, libc::ENOSYS, libc::EACCES, libc::EINVAL];
    all_work(&[&[filter::MEMFD_CREATE]], &errnos);
}

/// As Linux before 6.3, which each thread asks once, and not for each object.
fn ways_round_flags_of_memfd_create() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let with = |flag: u32| filter::if_bits(libc::SYS_memfd_create, 1, flag, flag);
    filter::answer(&[with(libc::MFD_NOEXEC_SEAL), with(libc::MFD_EXEC)], |_| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        Answer::Fail(libc::EINVAL)
    });
    for executable in [false, true, false] {
        let mut options = creating(SIZE);
        if executable {
            options.permissions(Permissions::from_mode(0o700));
        }
        is_complete(&options.open_anonymous().unwrap(), SIZE);
        assert_eq!(ASKED.load(Ordering::Relaxed), 1, "the kernel was asked again");
    }
}

/// What one thread's filter refuses, or what is refused of executable objects, takes no seal from
/// other objects.
fn ways_round_flags_of_memfd_create_are_not_for_others() {
    let seals = || Shm::anonymous(SIZE).unwrap().seals().unwrap();
    let executable = || {
        let mut options = creating(SIZE);
        options.permissions(Permissions::from_mode(0o700));
        is_complete(&options.open_anonymous().unwrap(), SIZE);
    };
    let refuse = |flag: u32| {
        filter::forbid(&[filter::if_bits(libc::SYS_memfd_create, 1, flag, flag)], libc::EINVAL);
    };
    let usual = seals();
    let in_thread = std::thread::scope(|scope| {
        let refused = || {
            refuse(libc::MFD_NOEXEC_SEAL);
            seals()
        };
        scope.spawn(refused).join().unwrap()
    });
    assert_eq!(in_thread, Seals::empty(), "the filter refuses nothing");
    assert_eq!(seals(), usual, "another thread's filter took the seal");
    refuse(libc::MFD_EXEC);
    executable();
    assert_eq!(seals(), usual, "an executable object took the seal from others");
}

fn ways_round_linkat() {
    let sets: &[&[&[Call]]] = &[&[filter::LINKAT], &[filter::LINKS]];
    all_work(sets, &FORBIDDEN);
    unlink("/old").unwrap();
    // "Not there" is what older kernels say, and what a missing /proc says. Older versions of musl
    // have no call but `link` for the last way, and there it is an error.
    let sets = if cfg!(target_env = "musl") { &sets[..1] } else { sets };
    all_work_here(sets, &[libc::ENOENT]);
}

fn ways_round_linkat_by_descriptor() {
    let errnos = [libc::EPERM, libc::ENOSYS, libc::EACCES, libc::ENOENT, libc::EINVAL];
    all_work(&[&[filter::LINKAT_BY_DESCRIPTOR]], &errnos);
}

fn ways_round_fallocate() {
    let errnos = [libc::EPERM, libc::ENOSYS, libc::EACCES, libc::EOPNOTSUPP];
    all_work(&[&[filter::FALLOCATE]], &errnos);
}

fn ways_round_renameat2() {
    let errnos = [libc::EPERM, libc::ENOSYS, libc::EACCES, libc::EINVAL];
    // Needed where nothing can be linked that has no name.
    all_work(&[&[filter::RENAMEAT2], &[filter::RENAMEAT2, filter::O_TMPFILE]], &errnos);
}

fn ways_round_rename() {
    all_work(&[&[filter::RENAME], &[filter::RENAMES]], &FORBIDDEN);
}

fn ways_round_getrandom() {
    all_work(&[&[filter::GETRANDOM], &[filter::GETRANDOM, filter::O_TMPFILE]], &FORBIDDEN);
}

fn ways_round_o_tmpfile() {
    let errnos = [libc::EPERM, libc::ENOSYS, libc::EACCES, libc::EOPNOTSUPP, libc::EISDIR];
    all_work(&[&[filter::O_TMPFILE]], &errnos);
}

fn ways_round_openat2() {
    all_work(&[&[filter::OPENAT2]], &FORBIDDEN);
}

fn ways_round_statx() {
    all_work(&[&[filter::STATX]], &FORBIDDEN);
}

/// If a temporary name cannot be removed, another way would leave another.
fn ways_round_what_leaves_a_name() {
    own_shm("size=1m");
    for calls in [filter::LINKS, filter::RENAMES, filter::UNLINKS] {
        filter::forbid(calls, libc::EPERM);
    }
    let before = names();
    let error = refused(Shm::create("/x", 100));
    let after = names();
    let left: Vec<&String> = after.difference(&before).collect();
    assert_eq!(left.len(), 1, "{error}: {left:?}");
    assert_ne!(left[0], "x", "{error}");
}

/// What is only asked for to refuse early, and to say more.
fn ways_round_what_only_tells() {
    let all = [filter::STATFS, filter::RLIMIT, filter::SYSINFO];
    all_work(&[&all[..1], &all[1..2], &all[2..], &all], &FORBIDDEN);
}

fn ways_round_for_a_user_without_rights() {
    need_root();
    own_shm("size=64m,mode=1777");
    let mut cases = Cases::new();
    cases.case("another user", || {
        become_user(NOBODY);
        let sets: [&[&[Call]]; 4] =
            [&[], &[filter::LINKAT_BY_DESCRIPTOR], &[filter::O_TMPFILE], &[filter::LINKS]];
        all_work_here(&sets, &[libc::EPERM]);
    });
    cases.end();
}

fn ways_round_f_get_seals() {
    let errnos = [libc::EPERM, libc::ENOSYS, libc::EACCES, libc::EINVAL];
    all_work(&[&[filter::GET_SEALS]], &errnos);
    // What is no object is not received for all that.
    filter::forbid(filter::GET_SEALS, libc::EPERM);
    let (here, there) = UnixStream::pair().unwrap();
    let null = Shm::from(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
    null.send(&here).unwrap();
    refused(Shm::receive(&there));
    let memfd = Shm::from(memfd(0).unwrap());
    memfd.send(&here).unwrap();
    Shm::receive(&there).unwrap();
}

/// What is left is what POSIX has: `shm_open` under the name itself, `ftruncate` and writing.
fn ways_round_all_but_shm_open() {
    let calls = [
        filter::MEMFD_CREATE,
        filter::LINKS,
        filter::RENAMES,
        filter::O_TMPFILE,
        filter::FALLOCATE,
        filter::GETRANDOM,
        filter::OPENAT2,
        filter::STATX,
        filter::GET_SEALS,
    ];
    all_work(&[&calls], &FORBIDDEN);
}

/// What another library put over `shm_open` is either asked for everything, or the documentation
/// says that it is not.
fn ways_round_one_route_to_the_names() {
    let text: String = crate::lab::sources().into_iter().map(|(_, text)| text).collect();
    let said = ["preload", "interpos"].iter().any(|word| text.to_lowercase().contains(word));
    assert!(said, "no word on a library that is preloaded over shm_open");
}
