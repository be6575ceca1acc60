//! Mappings that grow, warm up and stay put, where memory, address space and rights are short: an
//! error, and never a signal.

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use posix_shm::{
    Direction, HugePages as Pages, MapOptions, Moved, OpenOptions, Operation, Shm, ShmName,
    WaitOptions, Waited, capabilities,
};

use crate::cgroup;
use crate::filter::{self, Call, if_bits};
use crate::lab::{
    Cases, NOBODY, become_user, creating, fork_child, hints, leaves_nothing, limit, name,
    need_root, own_shm, refused, status_of, truncate, wait_for,
};
use crate::memory::HugePages;

crate::tasks! { ON_LINUX:
    mappings_a_fault_while_populating_is_an_error
    mappings_a_limit_on_address_space_is_an_error_and_loses_nothing
    mappings_a_limit_on_locked_memory_is_an_error
    mappings_a_memory_limit_is_an_error_before_populating
    mappings_an_object_that_is_cut_off_while_it_is_populated
    mappings_of_huge_pages_grow_in_huge_pages
    mappings_populate_without_madvise
    mappings_the_pool_of_huge_pages_is_empty
    mappings_waiting_where_futex_is_forbidden
}

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;

/// An object in `/dev/shm` that has a length, and no memory.
fn sparse(len: usize) -> Shm {
    creating(len as u64).sparse(true).open(name("sparse")).unwrap()
}

/// The file system is full, a peer has cut the object off, or has punched a hole that cannot be
/// filled any more.
fn mappings_a_fault_while_populating_is_an_error() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    let attempts: [(&str, fn(&Shm) -> posix_shm::Result<()>); 6] = [
        ("populate", |object| object.map_mut()?.populate(..)),
        ("on threads", |object| object.map_mut()?.populate_in(.., 3)),
        ("for reading", |object| object.map()?.populate(..)),
        ("an option", |object| MapOptions::new().populate(true).map_mut(object).map(drop)),
        ("lock", |object| object.map_mut()?.lock(..)),
        ("an option, huge", |object| {
            MapOptions::new().huge_pages(true).populate(true).map_mut(object).map(drop)
        }),
    ];
    for (what, attempt) in attempts {
        cases.case(format_args!("{what}, a small file system"), || {
            let object = sparse(64 * MIB);
            let error = leaves_nothing(|| refused(attempt(&object)));
            assert!([Operation::Populate, Operation::Lock].contains(&error.operation()), "{error}");
            hints(&error, &["memory"]);
            object.unlink().unwrap();
        });
        cases.case(format_args!("{what}, a hole that cannot be filled"), || {
            let object = Shm::create(name("holed"), (MIB / 2) as u64).unwrap();
            let mapping = object.map_mut().unwrap();
            object.punch(..).unwrap();
            let full = Shm::create(name("full"), MIB as u64).unwrap();
            // Nothing touches it but the call.
            let error = refused(attempt(&object));
            hints(&error, &["memory"]);
            drop(mapping);
            full.unlink().unwrap();
            object.unlink().unwrap();
        });
    }
    cases.case("cut off before", || {
        let object = Shm::create(name("cut"), 16 * PAGE as u64).unwrap();
        let mapping = object.map_mut().unwrap();
        truncate(&object.as_fd(), 8 * PAGE as i64);
        mapping.populate(..8 * PAGE).unwrap();
        for range in [0..16 * PAGE, 8 * PAGE..9 * PAGE] {
            let error = refused(mapping.populate(range.clone()));
            assert_eq!(error.raw_os_error(), Some(libc::EFAULT), "{error}");
            hints(&error, &["cut off"]);
            refused(mapping.lock(range));
            // A lock that fails leaves nothing locked.
            assert_eq!(locked(), 0);
        }
        // What is past the end cannot be grown to either.
        let mut part = MapOptions::new().len(PAGE).map_mut(&object).unwrap();
        let error = refused(part.grow(&object, 9 * PAGE));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        object.unlink().unwrap();
    });
    cases.case("a growth that cannot be populated", || {
        let object = sparse(64 * MIB);
        for capacity in [1, 64 * MIB] {
            let mut options = MapOptions::new();
            let mut mapping =
                options.len(PAGE).capacity(capacity).populate(true).map_mut(&object).unwrap();
            mapping.bytes().store(0, 5);
            let error = refused(mapping.grow(&object, 64 * MIB));
            assert_eq!(error.operation(), Operation::Populate, "{error}");
            assert_eq!((mapping.len(), mapping.bytes().load(0)), (PAGE, 5), "{capacity}");
            // The memory that was taken is the object's.
            object.punch(PAGE as u64..).unwrap();
        }
        object.unlink().unwrap();
    });
    cases.end();
}

/// The kilobytes that this process has locked.
fn locked() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A peer cuts the object off and lengthens it, again and again.
fn mappings_an_object_that_is_cut_off_while_it_is_populated() {
    own_shm("size=256m");
    let mut cases = Cases::new();
    cases.case("by a thread", || {
        let len = 64 * MIB;
        let object = Shm::create(name("cut"), len as u64).unwrap();
        let (over, mapping) = (AtomicBool::new(false), object.map_mut().unwrap());
        let mut outcomes = [0; 2];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    truncate(&object.as_fd(), (len / 4) as i64);
                    truncate(&object.as_fd(), len as i64);
                }
            });
            for round in 0..60 {
                let result =
                    mapping.populate_with(.., 1 + round % 2, |_| ControlFlow::Continue(()));
                match result {
                    Ok(done) => {
                        assert_eq!(done, len);
                        outcomes[0] += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.raw_os_error(), Some(libc::EFAULT), "{error}");
                        outcomes[1] += 1;
                    }
                }
            }
            over.store(true, Ordering::Relaxed);
        });
        println!("populated and refused: {outcomes:?}");
        object.unlink().unwrap();
    });
    cases.end();
}

/// A limit on address space stops a capacity and a growth, and nothing is lost by that.
fn mappings_a_limit_on_address_space_is_an_error_and_loses_nothing() {
    own_shm("size=256m");
    let mut cases = Cases::new();
    cases.case("capacity", || {
        let object = Shm::anonymous(16 * PAGE as u64).unwrap();
        limit(libc::RLIMIT_AS, 1 << 30);
        let huge = 1_usize.checked_shl(40).unwrap_or(7 << 28);
        for capacity in [3 << 29, huge] {
            let mut options = MapOptions::new();
            let error = leaves_nothing(|| refused(options.capacity(capacity).map_mut(&object)));
            assert_eq!(error.raw_os_error(), Some(libc::ENOMEM), "{error}");
            hints(&error, &["RLIMIT_AS", &format!("no {capacity} bytes of addresses")]);
        }
        MapOptions::new().capacity(100 << 20).map_mut(&object).unwrap();
    });
    cases.case("growth of a copy", || {
        let object = sparse(3 << 29);
        let mut copy = MapOptions::new().len(PAGE).map_copy_on_write(&object).unwrap();
        limit(libc::RLIMIT_AS, 1 << 30);
        let error = leaves_nothing(|| refused(copy.grow(&object, 3 << 29)));
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM), "{error}");
        object.unlink().unwrap();
    });
    for (what, populated, capacity, align) in [
        ("growth", false, 0, 1),
        ("growth, populated", true, 0, 1),
        ("growth past the capacity", false, 2 * PAGE, 1),
        ("growth, aligned", false, 0, 1 << 21),
    ] {
        cases.case(what, || {
            let object = sparse(3 << 29);
            let mut options = MapOptions::new();
            options.len(PAGE).align(align).populate(populated);
            if capacity > 0 {
                options.capacity(capacity);
            }
            let mut mapping = options.map_mut(&object).unwrap();
            mapping.bytes().fill(7);
            limit(libc::RLIMIT_AS, 1 << 30);
            let start = mapping.as_ptr();
            let error = leaves_nothing(|| refused(mapping.grow(&object, 3 << 29)));
            let seen = (error.raw_os_error(), error.operation());
            assert_eq!(seen, (Some(libc::ENOMEM), Operation::Grow), "{error}");
            hints(&error, &["RLIMIT_AS"]);
            assert_eq!((mapping.as_ptr(), mapping.len()), (start, PAGE));
            assert!(mapping.bytes().to_vec().iter().all(|&byte| byte == 7));
            // It can still grow by less.
            mapping.grow(&object, 4 * PAGE).unwrap();
            assert_eq!(mapping.bytes().load(0), 7);
            object.unlink().unwrap();
        });
    }
    cases.end();
}

fn mappings_a_limit_on_locked_memory_is_an_error() {
    need_root();
    let mut cases = Cases::new();
    for bytes in [0, 64 << 10] {
        cases.case(format_args!("a limit of {bytes}"), || {
            limit(libc::RLIMIT_MEMLOCK, bytes);
            let object = Shm::anonymous(16 * MIB as u64).unwrap();
            let mapping = object.map_mut().unwrap();
            become_user(NOBODY);
            let error = refused(mapping.lock(..));
            let kinds = [ErrorKind::OutOfMemory, ErrorKind::PermissionDenied];
            assert!(kinds.contains(&error.kind()), "{error}");
            hints(&error, &["RLIMIT_MEMLOCK"]);
            assert_eq!(locked(), 0, "a part is locked");
            let mut options = MapOptions::new();
            let error = leaves_nothing(|| refused(options.lock(true).map_mut(&object)));
            assert_eq!(error.operation(), Operation::Lock, "{error}");
            if bytes > 0 {
                mapping.lock(..PAGE).unwrap();
                assert_eq!(locked(), 4);
                // A locked mapping that would grow past the limit stays as it is.
                let mut options = MapOptions::new();
                let mut small = options.len(PAGE).lock(true).map_mut(&object).unwrap();
                small.bytes().store(0, 9);
                let error = refused(small.grow(&object, 16 * MIB));
                hints(&error, &["RLIMIT_MEMLOCK"]);
                assert_eq!((small.len(), small.bytes().load(0)), (PAGE, 9));
                // In its room it grows first. The error says what could not be locked.
                let mut roomy = options.capacity(16 * MIB).map_mut(&object).unwrap();
                let error = refused(roomy.grow(&object, 16 * MIB));
                assert_eq!(error.operation(), Operation::Lock, "{error}");
                let part = format!("{PAGE}..{}", 16 * MIB);
                assert!(error.to_string().contains(&part), "no {part} in: {error}");
                assert_eq!(roomy.len(), PAGE);
            }
        });
    }
    cases.end();
}

/// To populate a sparse object takes memory. If a control group does not have it, that is said
/// before the kernel would kill for it.
fn mappings_a_memory_limit_is_an_error_before_populating() {
    own_shm("size=1g");
    let group = cgroup::group();
    group.set_memory(64 << 20);
    let mut cases = Cases::new();
    let options: [(&str, fn(&mut MapOptions) -> &mut MapOptions); 3] = [
        ("populate", |options| options.populate(true)),
        ("lock", |options| options.lock(true)),
        ("huge pages", |options| options.huge_pages(true)),
    ];
    for (what, set) in options {
        cases.case(what, || {
            group.join();
            let object = sparse(256 * MIB);
            let mut options = MapOptions::new();
            let error = leaves_nothing(|| refused(set(&mut options).map_mut(&object)));
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
            hints(&error, &["cgroup"]);
            // A part that fits is fine.
            set(&mut options).len(MIB).map_mut(&object).unwrap();
            object.unlink().unwrap();
        });
    }
    cases.end();
}

/// `madvise` with what populates.
const POPULATE: &[Call] = &[
    if_bits(libc::SYS_madvise, 2, u32::MAX, libc::MADV_POPULATE_READ as u32),
    if_bits(libc::SYS_madvise, 2, u32::MAX, libc::MADV_POPULATE_WRITE as u32),
];

/// A kernel before 5.14 says `EINVAL`, a filter something else. The promise is the same.
fn mappings_populate_without_madvise() {
    own_shm("size=8m");
    let mut cases = Cases::new();
    for errno in [libc::EINVAL, libc::EPERM, libc::ENOSYS, libc::EACCES] {
        cases.case(format_args!("{errno}"), || {
            filter::forbid(POPULATE, errno);
            let object = sparse(4 * MIB);
            let mapping = object.map_mut().unwrap();
            mapping.bytes().store(3 * PAGE, 7);
            let range = PAGE..4 * MIB - 1;
            leaves_nothing(|| mapping.populate_in(range, 2)).unwrap();
            assert_eq!(object.metadata().unwrap().allocated(), (4 * MIB - PAGE) as u64);
            assert_eq!(mapping.bytes().load(3 * PAGE), 7);
            truncate(&object.as_fd(), 64 * MIB as i64);
            let all = object.map_mut().unwrap();
            let error = leaves_nothing(|| refused(all.populate(..)));
            assert_eq!(error.raw_os_error(), Some(libc::EFAULT), "{error}");
            object.unlink().unwrap();
        });
    }
    cases.end();
}

/// Everything is counted in huge pages, and the address space behind them too.
fn mappings_of_huge_pages_grow_in_huge_pages() {
    let pages = HugePages::add(4);
    let size = pages.size as usize;
    let mut cases = Cases::new();
    let object = || {
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).huge_pages(Pages::of(pages.size)).size(4 * pages.size);
        options
    };
    cases.case("created and mapped", || {
        leaves_nothing(|| {
            let (made, mapping) = object().open_anonymous_mapped().unwrap();
            assert_eq!(made.metadata().unwrap().block_size(), pages.size);
            assert_eq!((made.len().unwrap(), mapping.len()), (4 * pages.size, 4 * size));
            if capabilities().collapse {
                let found = mapping.collapse(5..size + 7).unwrap();
                assert_eq!((found.huge, found.usual), (size + 2, 0));
            }
            mapping.bytes().store(4 * size - 1, 1);
            mapping.unmap().unwrap();
        });
    });
    for capacity in [None, Some(2 * size), Some(4 * size)] {
        for offset in [0, 4096, size + 5] {
            cases.case(format_args!("growing, {capacity:?}, from {offset}"), || {
                let object = object().open_anonymous().unwrap();
                let mut options = MapOptions::new();
                options.offset(offset as u64).len(10);
                if let Some(capacity) = capacity {
                    options.capacity(capacity);
                }
                let mut mapping = options.map_mut(&object).unwrap();
                mapping.bytes().fill(5);
                for len in [11, 4096, size - 5, size + 1, 4 * size - offset] {
                    let moved = mapping.grow(&object, len).unwrap();
                    let fits = capacity.is_some_and(|capacity| len <= capacity);
                    assert!(moved == Moved::No || !fits, "{len}");
                    assert_eq!((mapping.len(), mapping.bytes().load(9)), (len, 5));
                    mapping.bytes().store(len - 1, 6);
                    assert_eq!(object.map().unwrap().bytes().load(offset + len - 1), 6);
                }
                mapping.shrink_to(1).unwrap();
                mapping.grow(&object, 4 * size - offset).unwrap();
                assert_eq!(mapping.bytes().load(4 * size - offset - 1), 6);
                mapping.populate(..).unwrap();
                mapping.advise(.., posix_shm::Advice::DontDump).unwrap();
                let found = mapping.collapse(..).unwrap();
                assert_eq!((found.huge, found.usual), (mapping.len(), 0));
                let between = size - offset % size;
                let (first, second) = mapping.split_at(between).unwrap();
                first.unmap().unwrap();
                assert_eq!(second.bytes().load(second.len() - 1), 6);
                second.unmap().unwrap();
            });
        }
    }
    cases.case("not between huge pages", || {
        let object = object().open_anonymous().unwrap();
        let error = refused(object.map().unwrap().split_at(4096));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    });
    cases.case("a size that is no multiple", || {
        for bytes in [1, pages.size - 1, pages.size + 4096] {
            let error = leaves_nothing(|| refused(object().size(bytes).open_anonymous()));
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("huge page"), "{error}");
        }
        let empty = object().size(0).open_anonymous().unwrap();
        empty.set_len(pages.size).unwrap();
    });
    cases.end();
}

fn mappings_the_pool_of_huge_pages_is_empty() {
    let pages = HugePages::add(2);
    let free = fs::read_to_string("/proc/meminfo").unwrap();
    let free = free.lines().find_map(|line| line.strip_prefix("HugePages_Free:")).unwrap();
    let free: u64 = free.trim().parse().unwrap();
    let mut cases = Cases::new();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).huge_pages(Pages::default()).size((free + 50) * pages.size);
    cases.case("more than there are", || {
        for error in [
            leaves_nothing(|| refused(options.open_anonymous())),
            leaves_nothing(|| refused(options.open_anonymous_mapped())),
        ] {
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
            hints(&error, &["huge pages", "administrator"]);
        }
    });
    cases.case("more than there are, sparse", || {
        let object = options.clone().sparse(true).open_anonymous().unwrap();
        let error = leaves_nothing(|| refused(object.map_mut()));
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        hints(&error, &["huge pages"]);
        // Without a promise it is mapped, and asking for a page that is not there is an error.
        let mapping = MapOptions::new().no_reserve(true).map_mut(&object).unwrap();
        let error = refused(mapping.populate(..));
        assert_eq!(error.operation(), Operation::Populate, "{error}");
    });
    cases.case("a size that the system does not have", || {
        for size in [3, 4096, 1 << 40] {
            let error = refused(options.clone().huge_pages(Pages::of(size)).open_anonymous());
            assert_eq!(error.operation(), Operation::Create, "{error}");
            hints(&error, &[&pages.size.to_string()]);
        }
    });
    cases.case("a name", || {
        let error = refused(options.open(ShmName::new(name("huge")).unwrap()));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    });
    cases.end();
}

/// The waiter polls instead, and notifying wakes nobody. Peers that sleep look again by themselves.
fn mappings_waiting_where_futex_is_forbidden() {
    for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
        let object = Shm::anonymous(PAGE as u64).unwrap();
        let mapping = object.map_mut().unwrap();
        let word = mapping.atomic::<u32>(64).unwrap();
        let peer = fork_child(|| {
            // It sleeps, and is not woken.
            let options = WaitOptions::new().look_again(Duration::from_millis(50));
            assert_eq!(word.wait_while(|it| it == 0, options).unwrap(), Some(1));
            std::thread::sleep(Duration::from_millis(20));
            word.store(2, Ordering::Release);
            assert_eq!(word.notify_all().unwrap(), 0, "nobody sleeps");
        });
        let status = status_of(|| {
            filter::forbid(filter::FUTEX, errno);
            let begun = Instant::now();
            let limit = Duration::from_millis(3);
            assert_eq!(word.wait(0, limit).unwrap(), Waited::TimedOut);
            assert_eq!(word.wait_while(|it| it == 0, limit).unwrap(), None);
            assert!(begun.elapsed() >= 2 * limit, "too early");
            word.store(1, Ordering::Release);
            assert_eq!(word.notify_all().unwrap(), 0);
            assert_eq!(word.notify_one().unwrap(), 0);
            assert_eq!(word.wait_while(|it| it == 1, None).unwrap(), Some(2));
        });
        assert!(status.success(), "{errno}: {status}");
        assert!(wait_for(peer).success(), "{errno}: the peer failed");
    }
}
