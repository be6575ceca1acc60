//! What a third attack found: limits that were looked for in the wrong place, options that
//! contradict each other too late, and promises about descriptors from elsewhere.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use posix_shm::{Direction, IfExists, MapOptions, OpenOptions, Operation, Permissions, Seals, Shm};

use crate::alone::{check, mount};
use crate::cgroup;
use crate::filter;
use crate::lab::{
    Cases, NOBODY, become_user, cannot, creating, hints, leaves_nothing, limit, need_root, own_shm,
    refused,
};
use crate::memory::HugePages;
use crate::sockets::{pair, send_raw};

crate::tasks! { ON_LINUX:
    attack_33_no_byte_of_a_mount_hides_a_limit
    attack_34_a_thread_in_another_group_does_not_hide_the_limit
    attack_35_a_least_length_above_the_size_of_a_resize_is_refused
    attack_36_read_only_protects_what_came_from_elsewhere
    attack_37_locked_pages_do_not_give_way
    attack_38_a_disk_is_not_memory
    attack_39_a_failed_reserve_says_what_memory_there_is
    attack_40_one_byte_is_a_whole_message_of_its_own
    attack_41_the_umask_spares_every_anonymous_object
    attack_42_a_limit_on_files_does_not_make_an_object_fault
    attack_43_the_first_length_never_shortens
    attack_44_an_executable_object_is_not_made_in_another_way
    attack_45_sizing_needs_no_inode
    attack_46_what_cannot_be_mapped_is_not_cut_before
    attack_47_objects_of_a_folder_of_huge_pages_are_mapped_and_unmapped
}

const MIB: u64 = 1 << 20;

/// More than the group has.
const TOO_MUCH: u64 = 256 * MIB;

/// Asking for more than the group has is an error, and does not kill.
fn is_refused() {
    let error = refused(Shm::anonymous(TOO_MUCH));
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
}

fn attack_33_no_byte_of_a_mount_hides_a_limit() {
    own_shm("size=1g");
    let group = cgroup::group();
    let mut cases = Cases::new();
    cases.case("the path of a mount", || {
        let path = CString::new(b"/dev/shm/Fotos-M\xfcnchen".to_vec()).unwrap();
        fs::create_dir(OsStr::from_bytes(path.to_bytes())).unwrap();
        mount(c"tmpfs", &path, 0, c"").unwrap();
        group.join();
        is_refused();
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        check(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }).unwrap();
        fs::remove_dir(OsStr::from_bytes(path.to_bytes())).unwrap();
    });
    cases.end();
}

/// Version 1 lets each thread be in a group of its own, and counts the memory of the process.
fn attack_34_a_thread_in_another_group_does_not_hide_the_limit() {
    own_shm("size=1g");
    let tasks = "/sys/fs/cgroup/memory/tasks";
    if !fs::exists(tasks).unwrap_or(false) {
        cannot("move a thread: there are no memory groups of version 1");
    }
    let group = cgroup::group();
    let mut cases = Cases::new();
    let this_thread = || {
        // SAFETY: passes no pointer.
        unsafe { libc::gettid() }
    };
    cases.case("a thread that left", || {
        group.join();
        let leaves = || {
            fs::write(tasks, this_thread().to_string()).unwrap();
            is_refused();
        };
        std::thread::scope(|scope| scope.spawn(leaves).join()).unwrap();
    });
    cases.case("a thread alone in the group", || {
        let enters = || {
            group.join_thread(this_thread());
            Shm::anonymous(TOO_MUCH).expect("its memory is not counted there");
        };
        std::thread::scope(|scope| scope.spawn(enters).join()).unwrap();
    });
    cases.end();
}

fn attack_35_a_least_length_above_the_size_of_a_resize_is_refused() {
    own_shm("size=1m");
    let old = Shm::create("/x", 8192).unwrap();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).size(50).resize(true).at_least(100);
    for result in [
        options.open("/x"),
        options.open_with("/x", |_| Ok::<_, posix_shm::Error>(())),
        options.if_exists(IfExists::Overwrite).open_with("/x", |_| Ok::<_, posix_shm::Error>(())),
    ] {
        assert_eq!(refused(result).kind(), ErrorKind::InvalidInput);
        assert_eq!(old.len().unwrap(), 8192, "it was cut all the same");
    }
    old.unlink().unwrap();
}

fn attack_36_read_only_protects_what_came_from_elsewhere() {
    need_root();
    own_shm("size=1m");
    let mut cases = Cases::new();
    let again = |object: Shm, way: &str| match way {
        "from_fd" => Shm::from_fd(OwnedFd::from(object), None).unwrap(),
        "from" => Shm::from(OwnedFd::from(object)),
        _ => {
            let [here, there] = pair(libc::SOCK_STREAM);
            object.send(&here).unwrap();
            Shm::receive(&there).unwrap()
        }
    };
    for way in ["from_fd", "from", "receive"] {
        cases.case(way, || {
            let reader = again(Shm::anonymous(4096).unwrap(), way).read_only().unwrap();
            let mode = reader.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "another user can write");
            // A name has permissions that somebody chose.
            let mode = Permissions::from_mode(0o666);
            let named = creating(100).permissions(mode).ignore_umask(true).open("/x").unwrap();
            let inode = named.metadata().unwrap().inode();
            let reader = again(named, way).read_only().unwrap();
            let found = reader.metadata().unwrap();
            assert_eq!((found.inode(), found.permissions()), (inode, mode));
            posix_shm::unlink("/x").unwrap();
        });
        cases.case(format_args!("{way}, another user's"), || {
            let object = Shm::anonymous(4096).unwrap();
            become_user(NOBODY);
            // It stays as it is, and the handle is as good.
            let reader = again(object, way).read_only().unwrap();
            refused(reader.map_mut());
        });
    }
    cases.end();
}

fn attack_37_locked_pages_do_not_give_way() {
    own_shm("size=1m");
    let group = cgroup::group();
    let mut cases = Cases::new();
    cases.case("files that are never written back", || {
        mount(c"ramfs", c"/dev/shm", 0, c"").unwrap();
        group.join();
        let first = Shm::create("/a", 40 * MIB).unwrap();
        for result in [Shm::create("/b", 40 * MIB), Shm::anonymous(40 * MIB)] {
            assert_eq!(refused(result).kind(), ErrorKind::OutOfMemory);
        }
        first.unlink().unwrap();
    });
    cases.end();
}

/// A folder of the disk in the place of `/dev/shm`, as in some containers.
fn attack_38_a_disk_is_not_memory() {
    own_shm("size=1m");
    let folder = std::env::temp_dir().join(format!("posix-shm.{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let path = CString::new(folder.as_os_str().as_bytes()).unwrap();
    // SAFETY: the paths are NUL-terminated strings that outlive the call, and the rest is null.
    let bound = check(unsafe {
        let null = std::ptr::null();
        libc::mount(path.as_ptr(), c"/dev/shm".as_ptr(), null, libc::MS_BIND, null.cast())
    });
    let on_disk = bound.is_ok() && {
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let last = text.lines().rfind(|line| line.contains(" /dev/shm ")).unwrap_or_default();
        ["ext4", "xfs", "btrfs"].iter().any(|kind| last.contains(&format!(" - {kind} ")))
    };
    let group = cgroup::group();
    let mut cases = Cases::new();
    if on_disk {
        cases.case("more than the group has", || {
            group.join();
            let object = Shm::create("/x", TOO_MUCH).expect("it takes no memory");
            object.unlink().unwrap();
        });
    }
    cases.end();
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    let _ = unsafe { libc::umount2(c"/dev/shm".as_ptr(), libc::MNT_DETACH) };
    fs::remove_dir(&folder).unwrap();
    if !on_disk {
        cannot("put a disk in the place of /dev/shm");
    }
}

fn attack_39_a_failed_reserve_says_what_memory_there_is() {
    own_shm("size=4m");
    let object = creating(6 * MIB).sparse(true).open("/x").unwrap();
    object.reserve(4 * MIB..6 * MIB).unwrap();
    // Steps, so that the first one stays.
    let error = refused(object.reserve(..4 * MIB));
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    let allocated = object.metadata().unwrap().allocated();
    hints(&error, &[&format!("{allocated} bytes of memory now")]);
    object.unlink().unwrap();
}

/// What follows in another message is not part of it.
fn attack_40_one_byte_is_a_whole_message_of_its_own() {
    let object = Shm::anonymous(100).unwrap();
    for kind in [libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        leaves_nothing(|| {
            let [here, there] = pair(kind);
            send_raw(&here, b"x", &[object.as_raw_fd()]);
            send_raw(&here, b"hello", &[]);
            assert_eq!(Shm::receive(&there).unwrap().len().unwrap(), 100, "socket {kind}");
        });
    }
}

fn attack_41_the_umask_spares_every_anonymous_object() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    let ways: [(&str, &[&[filter::Call]]); 3] = [
        ("memfd_create", &[]),
        ("a file", &[filter::MEMFD_CREATE]),
        ("a name", &[filter::MEMFD_CREATE, filter::O_TMPFILE]),
    ];
    for (way, calls) in ways {
        cases.case(way, || {
            // SAFETY: passes no pointer.
            unsafe { libc::umask(0o077) };
            calls.iter().for_each(|calls| filter::forbid(calls, libc::EPERM));
            let mode = Permissions::from_mode(0o666);
            let object = creating(100).permissions(mode).open_anonymous().unwrap();
            assert_eq!(object.metadata().unwrap().permissions(), mode);
        });
    }
    cases.end();
}

fn attack_42_a_limit_on_files_does_not_make_an_object_fault() {
    let frozen = Shm::anonymous(64 << 10).unwrap().freeze().unwrap();
    let open = Shm::anonymous(64 << 10).unwrap();
    let grown = Shm::anonymous(64 << 10).unwrap();
    grown.seal(Seals::SHRINK).unwrap();
    let mut cases = Cases::new();
    for most in [0, 8192] {
        cases.case(format_args!("{most} bytes"), || {
            limit(libc::RLIMIT_FSIZE, most);
            assert!(!frozen.may_fault().unwrap(), "its length is final");
            assert!(!frozen.read_only().unwrap().may_fault().unwrap(), "through a reader");
            grown.reserve(..).expect("it gets no shorter, so all of it is inside");
            assert_eq!(refused(open.reserve(..)).kind(), ErrorKind::FileTooLarge);
        });
    }
    cases.end();
}

fn attack_43_the_first_length_never_shortens() {
    own_shm("size=1m");
    for len in [0, 100, 4096] {
        let created = Shm::create("/x", 0).unwrap();
        let peer = Shm::open_io("/x").unwrap();
        peer.set_len(8192).unwrap();
        peer.write_all_at(b"peer", 4000).unwrap();
        created.set_len(len).unwrap();
        assert_eq!(peer.len().unwrap(), 8192, "{len}: what a peer wrote is gone");
        // The second one does what it says.
        created.set_len(len).unwrap();
        assert_eq!(peer.len().unwrap(), len);
        created.unlink().unwrap();
    }
}

/// `vm.memfd_noexec` is the system's own rule. A filter stands in for it here.
fn attack_44_an_executable_object_is_not_made_in_another_way() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    cases.case("the system refuses the flag", || {
        let exec = libc::MFD_EXEC;
        filter::forbid(&[filter::if_bits(libc::SYS_memfd_create, 1, exec, exec)], libc::EACCES);
        let mode = Permissions::from_mode(0o700);
        let error = refused(creating(100).permissions(mode).open_anonymous());
        assert_eq!(error.operation(), Operation::Create, "{error}");
        hints(&error, &["vm.memfd_noexec"]);
        Shm::anonymous(100).expect("it is not to be executed");
    });
    cases.end();
}

fn attack_45_sizing_needs_no_inode() {
    let mut cases = Cases::new();
    let says = |error: posix_shm::Error| {
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        assert!(!error.to_string().contains("inode"), "{error}");
        hints(&error, &["bytes free"]);
    };
    cases.case("the last inode is in use", || {
        own_shm("size=1m,nr_inodes=2");
        let object = Shm::create("/a", 512 << 10).unwrap();
        says(refused(object.set_len(MIB + 4096)));
        says(refused(object.grow(MIB + 4096)));
        object.set_len_sparse(4 * MIB).unwrap();
        says(refused(object.reserve(..)));
        object.unlink().unwrap();
    });
    cases.end();
}

fn attack_46_what_cannot_be_mapped_is_not_cut_before() {
    own_shm("size=64m");
    let object = Shm::create("/x", 32 * MIB).unwrap();
    let taken = object.map().unwrap();
    let mut misaligned = MapOptions::new();
    misaligned.address(0x10001 as *const u8);
    let mut in_the_way = MapOptions::new();
    in_the_way.address(taken.as_ptr());
    let mut resizing = OpenOptions::new();
    resizing.direction(Direction::Io).resize(true);
    let mut cases = Cases::new();
    for (what, options) in [("misaligned", &misaligned), ("taken", &in_the_way)] {
        cases.case(what, || {
            for size in [4096, 16 * MIB] {
                let result = resizing.size(size).map_options(options).open_mapped("/x");
                leaves_nothing(|| drop(refused(result)));
                assert_eq!(object.len().unwrap(), 32 * MIB, "it was cut to {size}");
            }
        });
    }
    cases.case("no address space", || {
        limit(libc::RLIMIT_AS, 0);
        let result = resizing.size(16 * MIB).map_options(&MapOptions::new()).open_mapped("/x");
        assert_eq!(refused(result).kind(), ErrorKind::OutOfMemory);
        assert_eq!(object.len().unwrap(), 32 * MIB);
    });
    cases.case("what fits", || {
        resizing.map_options(&MapOptions::new());
        let (_, mapping) = resizing.size(8192).open_mapped("/x").unwrap();
        assert_eq!((mapping.len(), object.len().unwrap()), (8192, 8192));
        let (_, mapping) = resizing.size(16384).open_mapped("/x").unwrap();
        assert_eq!((mapping.len(), object.len().unwrap()), (16384, 16384));
    });
    cases.end();
    object.unlink().unwrap();
}

fn attack_47_objects_of_a_folder_of_huge_pages_are_mapped_and_unmapped() {
    own_shm("size=1m");
    let pages = HugePages::add(3);
    let mut cases = Cases::new();
    cases.case("a new object", || {
        mount(c"hugetlbfs", c"/dev/shm", 0, c"").unwrap();
        for (offset, size) in [(0, 5000), (0, 4096), (4096, 2 * pages.size), (1, 5000)] {
            let mut options = creating(size);
            options.map_options(MapOptions::new().offset(offset));
            leaves_nothing(|| {
                let (object, mapping) = options.open_mapped("/x").unwrap();
                mapping.bytes().store(0, 7);
                assert_eq!(object.map().unwrap().bytes().load(offset as usize), 7);
                mapping.unmap().unwrap_or_else(|error| panic!("{offset} {size}: {error}"));
                object.unlink().unwrap();
            });
        }
    });
    cases.end();
}
