//! Never a surprise signal: limits on memory, on the length of files and on what a file system can
//! do are errors, and what was reserved is there.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use posix_shm::{
    Direction, Error, IfExists, MapOptions, OpenOptions, Protection, Seals, Shm, capabilities,
};

use crate::alone::{check, mount};
use crate::filter::{self, FALLOCATE};
use crate::lab::{
    Attempt, Cases, SizedAttempt, cannot, cover, creating, hints, is_complete, leaves_nothing,
    limit, memfd, own_shm, refused, truncate,
};

crate::tasks! { IN_FILES:
    fault_03_what_could_not_be_reserved_is_an_error_or_is_there
    fault_03_growing_where_nothing_can_be_reserved_is_an_error_or_is_there
    fault_04_a_limit_on_the_length_of_files_is_an_error
    fault_04_a_limit_below_a_page_is_an_error_past_a_page
}

crate::tasks! { ON_LINUX:
    fault_03_a_file_system_that_cannot_reserve_is_asked_for_room
    fault_06_an_estimate_of_the_machines_memory_says_how_to_insist
    fault_06_the_estimate_is_not_for_huge_pages
    fault_07_huge_pages_are_mapped_and_unmapped_whole
    fault_11_the_docs_do_not_promise_freedom_from_sigbus
}

/// What a filter or a file system answers that does not let one reserve.
const NO_FALLOCATE: [i32; 4] = [libc::EOPNOTSUPP, libc::ENOSYS, libc::EPERM, libc::EACCES];

/// Touches every page of an object: the child is killed if there is none.
pub(crate) fn touch(object: &Shm) {
    let mapping = object.map_mut().unwrap();
    for offset in (0..mapping.len()).step_by(4096) {
        mapping.bytes().store(offset, 1);
    }
}

fn fault_03_what_could_not_be_reserved_is_an_error_or_is_there() {
    own_shm("size=1m");
    let (big, fits) = (4 << 20, 512 << 10);
    let mut cases = Cases::new();
    for errno in NO_FALLOCATE {
        for (size, room) in [(fits, true), (big, false)] {
            let ways: [(&str, &dyn Fn() -> posix_shm::Result<Shm>); 6] = [
                ("create", &|| Shm::create("/x", size)),
                ("open_or_create", &|| Shm::open_or_create("/x", size)),
                ("supersede", &|| creating(size).if_exists(IfExists::Supersede).open("/x")),
                ("to read", &|| creating(size).direction(Direction::Input).open("/x")),
                ("mapped", &|| creating(size).open_mapped("/x").map(|(object, _)| object)),
                ("open_with", &|| creating(size).open_with("/x", |_| Ok::<_, Error>(()))),
            ];
            for (what, make) in ways {
                cases.case(format_args!("{what} {size}, fallocate: {errno}"), || {
                    filter::forbid(FALLOCATE, errno);
                    if room {
                        is_complete(&make().unwrap(), size);
                        touch(&Shm::open_io("/x").unwrap());
                        posix_shm::unlink("/x").unwrap();
                    } else {
                        let error = leaves_nothing(|| refused(make()));
                        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                    }
                });
            }
        }
        cases.case(format_args!("anonymous, fallocate: {errno}"), || {
            if !capabilities().seal {
                // It is a file like the others.
                return;
            }
            filter::forbid(FALLOCATE, errno);
            let object = Shm::anonymous(big).unwrap();
            is_complete(&object, big);
            touch(&object);
        });
    }
    cases.end();
}

fn fault_03_growing_where_nothing_can_be_reserved_is_an_error_or_is_there() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    for errno in NO_FALLOCATE {
        for (size, room) in [(512 << 10, true), (4 << 20, false)] {
            cases.case(format_args!("to {size}, fallocate: {errno}"), || {
                let object = Shm::create("/x", 8192).unwrap();
                object.map_mut().unwrap().bytes().fill(7);
                filter::forbid(FALLOCATE, errno);
                match object.set_len(size) {
                    Ok(()) => {
                        assert!(room, "there is no room for it");
                        assert!(object.metadata().unwrap().allocated() >= size, "not reserved");
                        assert_eq!(object.len().unwrap(), size);
                    }
                    Err(error) => {
                        assert_eq!(object.len().unwrap(), 8192, "{error}");
                        assert!(!error.to_string().contains("seal"), "{error}");
                    }
                }
                touch(&object);
                object.unlink().unwrap();
                let start = object.map().unwrap().bytes().range(1..4096).to_vec();
                assert!(start.iter().all(|&byte| byte == 7), "the content has changed");
            });
        }
    }
    cases.end();
}

/// `ramfs` has no `fallocate`.
fn fault_03_a_file_system_that_cannot_reserve_is_asked_for_room() {
    own_shm("size=1m");
    mount(c"ramfs", c"/dev/shm", 0, c"").unwrap();
    let size = 4 << 20;
    let object = Shm::create("/x", size).unwrap();
    is_complete(&object, size);
    // Peers may have it now, so no zeros can be written where they write.
    match object.set_len(2 * size) {
        Ok(()) => assert!(object.metadata().unwrap().allocated() >= 2 * size, "not reserved"),
        Err(error) => assert_eq!(object.len().unwrap(), size, "{error}"),
    }
    touch(&object);
    object.unlink().unwrap();
}

fn fault_04_a_limit_on_the_length_of_files_is_an_error() {
    const LIMIT: u64 = 8192;
    own_shm("size=64m");
    let mut cases = Cases::new();
    let attempts: [SizedAttempt<()>; 13] = [
        ("anonymous", |size| Shm::anonymous(size).map(drop)),
        ("anonymous, sparse", |size| creating(size).sparse(true).open_anonymous().map(drop)),
        ("create", |size| Shm::create("/x", size).map(drop)),
        ("create sparse", |size| creating(size).sparse(true).open("/x").map(drop)),
        ("create mapped", |size| creating(size).open_mapped("/x").map(drop)),
        ("create to read", |size| creating(size).direction(Direction::Input).open("/x").map(drop)),
        ("supersede", |size| creating(size).if_exists(IfExists::Supersede).open("/old").map(drop)),
        ("open_with", |size| creating(size).open_with("/x", |_| Ok::<_, Error>(())).map(drop)),
        ("publish", |size| Shm::publish("/x", &vec![1; size as usize]).map(drop)),
        ("set_len", |size| Shm::open_io("/old")?.set_len(size)),
        ("set_len_sparse", |size| Shm::open_io("/old")?.set_len_sparse(size)),
        ("grow", |size| Shm::open_io("/old")?.grow(size)),
        ("resize", |size| {
            let mut options = OpenOptions::new();
            options.direction(Direction::Io).resize(true).size(size).open("/old").map(drop)
        }),
    ];
    Shm::create("/old", 100).unwrap();
    for (what, attempt) in attempts {
        if what == "supersede" && !capabilities().supersede_in_one_step {
            // The old object is gone first.
            continue;
        }
        for size in [LIMIT + 1, 1 << 20, 8 << 20, 40 << 20] {
            cases.case(format_args!("{what} {size}"), || {
                limit(libc::RLIMIT_FSIZE, LIMIT);
                let error = leaves_nothing(|| refused(attempt(size)));
                assert_eq!(error.kind(), ErrorKind::FileTooLarge, "{error}");
                assert_eq!(error.raw_os_error(), Some(libc::EFBIG), "{error}");
                hints(&error, &["RLIMIT_FSIZE", "ulimit -f"]);
                assert_eq!(Shm::open("/old").unwrap().len().unwrap(), 100);
            });
        }
    }
    cases.case("write_at", || {
        let object = Shm::open_io("/old").unwrap();
        limit(libc::RLIMIT_FSIZE, LIMIT);
        for offset in [LIMIT, 1 << 20] {
            let error = object.write_at(b"beyond", offset).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::FileTooLarge, "{error}");
        }
        let error = object.write_all_at(b"across", LIMIT - 3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge, "{error}");
        object.set_len(100).unwrap();
    });
    let long = creating(1 << 20).sparse(true).open("/long").unwrap();
    cases.case("what is longer already", || {
        limit(libc::RLIMIT_FSIZE, LIMIT);
        // A peer may have shortened it before the kernel looks, so that it would grow.
        for result in [long.set_len(1 << 19), long.set_len_sparse(1 << 18), long.reserve(..)] {
            assert_eq!(refused(result).kind(), ErrorKind::FileTooLarge);
        }
        long.set_len(1 << 20).expect("it has this length");
        long.set_len_sparse(1 << 20).expect("it has this length");
        assert!(!Shm::open_or_create("/long", 1 << 20).unwrap().created());
        assert_eq!(long.len().unwrap(), 1 << 20);
        long.set_len(LIMIT).expect("within the limit");
    });
    long.unlink().unwrap();
    cases.case("what fits", || {
        limit(libc::RLIMIT_FSIZE, LIMIT);
        Shm::anonymous(LIMIT).unwrap();
        Shm::create("/x", LIMIT).unwrap().unlink().unwrap();
        Shm::publish("/x", &[1; LIMIT as usize]).unwrap().unlink().unwrap();
        assert_eq!(Shm::open_or_create("/old", 1 << 20).unwrap().len().unwrap(), 100);
    });
    cases.end();
}

/// The docs say that a limit below a page is not looked for, for an object of one page.
fn fault_04_a_limit_below_a_page_is_an_error_past_a_page() {
    own_shm("size=1m");
    Shm::create("/old", 100).unwrap();
    let mut cases = Cases::new();
    let attempts: [Attempt<()>; 5] = [
        ("create", || Shm::create("/x", 5000).map(drop)),
        ("anonymous", || Shm::anonymous(5000).map(drop)),
        ("publish", || Shm::publish("/x", &[1; 5000]).map(drop)),
        ("set_len", || Shm::open_io("/old")?.set_len(5000)),
        ("set_len_sparse", || Shm::open_io("/old")?.set_len_sparse(5000)),
    ];
    for (what, attempt) in attempts {
        for most in [0, 1000] {
            cases.case(format_args!("{what}, of at most {most} bytes"), || {
                limit(libc::RLIMIT_FSIZE, most);
                let error = leaves_nothing(|| refused(attempt()));
                assert_eq!(error.kind(), ErrorKind::FileTooLarge, "{error}");
            });
        }
    }
    cases.case("write_at", || {
        let object = Shm::open_io("/old").unwrap();
        limit(libc::RLIMIT_FSIZE, 1000);
        let error = object.write_at(b"beyond", 4096).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge, "{error}");
    });
    cases.end();
}

/// As where a file system's cache counts as used, and is given back when it is asked for.
pub(crate) fn little_memory() {
    let told = fs::read_to_string("/proc/meminfo").unwrap();
    let mut lines = String::new();
    for line in told.lines() {
        let field = line.split(':').next().unwrap();
        match field {
            "MemAvailable" | "MemFree" => lines += &format!("{field}: 1024 kB\n"),
            "SwapFree" | "SwapTotal" => lines += &format!("{field}: 0 kB\n"),
            _ => lines += &format!("{line}\n"),
        }
    }
    cover("/proc/meminfo", &lines);
    // The kernel's own answer would outrank that.
    filter::forbid(filter::SYSINFO, libc::EPERM);
}

fn fault_06_an_estimate_of_the_machines_memory_says_how_to_insist() {
    own_shm("size=64m");
    little_memory();
    let mut cases = Cases::new();
    let attempts: [Attempt<()>; 2] = [
        ("anonymous", || Shm::anonymous(100 << 20).map(drop)),
        ("named", || Shm::create("/x", 40 << 20)?.unlink()),
    ];
    for (what, attempt) in attempts {
        cases.case(what, || {
            if let Err(error) = attempt() {
                assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
                hints(&error, &["ignore_estimates"]);
            }
        });
    }
    cases.end();
}

/// What the pool of huge pages is set by.
const POOL: &str = "/proc/sys/vm/nr_hugepages";

/// Keeps more huge pages in the machine's pool while it lives.
pub(crate) struct HugePages {
    /// Locked, since two tests would undo each other's change.
    _pool: fs::File,
    before: u64,
    /// The size of each.
    pub(crate) size: u64,
}

impl HugePages {
    pub(crate) fn add(count: u64) -> HugePages {
        let told = fs::read_to_string("/proc/meminfo").unwrap();
        let size = told.lines().find_map(|line| line.strip_prefix("Hugepagesize:"));
        let size = size.and_then(|size| size.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let Some(size) = size else { cannot("use huge pages: the kernel has none") };
        let pool = match fs::File::options().read(true).write(true).open(POOL) {
            Ok(pool) => pool,
            Err(why) => cannot(format_args!("add huge pages: {why}")),
        };
        // SAFETY: passes no pointer.
        check(unsafe { libc::flock(pool.as_raw_fd(), libc::LOCK_EX) }).unwrap();
        let now = || fs::read_to_string(POOL).unwrap().trim().parse::<u64>().unwrap();
        let before = now();
        let pages = HugePages { _pool: pool, before, size: 1024 * size };
        fs::write(POOL, (before + count).to_string()).unwrap();
        if now() < before + count {
            drop(pages);
            cannot("add huge pages: memory is too fragmented");
        }
        pages
    }

    /// An object of huge pages that another program has made.
    pub(crate) fn object(&self, len: u64) -> Shm {
        let object = memfd(libc::MFD_HUGETLB).unwrap();
        truncate(&object, len as i64);
        Shm::from(object)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        fs::write(POOL, self.before.to_string()).unwrap();
    }
}

/// The pool is not in what the machine has available.
fn fault_06_the_estimate_is_not_for_huge_pages() {
    own_shm("size=8m");
    let pages = HugePages::add(10);
    little_memory();
    let mut cases = Cases::new();
    cases.case("as many as there are", || {
        let object = pages.object(0);
        object.set_len(10 * pages.size).unwrap();
        assert_eq!(object.metadata().unwrap().allocated(), 10 * pages.size);
    });
    cases.case("more than there are", || {
        let object = pages.object(0);
        let error = refused(object.set_len(1000 * pages.size));
        let kinds = [ErrorKind::OutOfMemory, ErrorKind::StorageFull];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert_eq!(object.len().unwrap(), 0);
    });
    cases.end();
}

/// How many mappings of objects the process has.
fn mappings() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("memfd:")).count()
}

/// A mapping of a part is right and goes whole, or it is refused before anything is mapped.
fn part_of_huge_pages(object: &Shm, options: &MapOptions) {
    let before = mappings();
    for dropped in [false, true] {
        match options.map(object) {
            Ok(mapping) => {
                let _ = mapping.bytes().load(mapping.len() - 1);
                assert_eq!(mappings(), before + 1);
                if dropped {
                    drop(mapping);
                } else {
                    mapping.unmap().expect("what was mapped can be unmapped");
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                assert_eq!(error.raw_os_error(), None, "the kernel had to refuse it: {error}");
            }
        }
        assert_eq!(mappings(), before, "the mapping is left");
    }
}

fn fault_07_huge_pages_are_mapped_and_unmapped_whole() {
    own_shm("size=8m");
    let pages = HugePages::add(3);
    let object = pages.object(2 * pages.size);
    let whole = object.map_mut().unwrap();
    whole.bytes().store(0, 1);
    whole.bytes().store(pages.size as usize, 2);
    let mut cases = Cases::new();
    let size = pages.size;
    for (offset, len) in [
        (0, 4096),
        (0, 4097),
        (0, 1),
        (4096, 4096),
        (4096, 1),
        (1, 4096),
        (size, 4096),
        (size - 1, 2),
        (size + 4096, 100),
        (0, 2 * size - 1),
        (size, size),
    ] {
        cases.case(format_args!("{len} bytes from {offset}"), || {
            let mut options = MapOptions::new();
            options.offset(offset).len(len as usize);
            part_of_huge_pages(&object, &options);
        });
    }
    cases.case("to the end", || {
        part_of_huge_pages(&object, MapOptions::new().offset(size));
        part_of_huge_pages(&object, MapOptions::new().offset(4096));
    });
    cases.case("the bytes are those at the offset", || {
        if let Ok(mapping) = MapOptions::new().offset(size).len(4096).map(&object) {
            assert_eq!(mapping.bytes().load(0), 2);
        }
    });
    cases.case("raw", || {
        let before = mappings();
        for len in [1, 4096, size as usize] {
            let raw = MapOptions::new().len(len).map_raw(&object, Protection::READ);
            match raw {
                Ok(raw) => raw.unmap().expect("what was mapped can be unmapped"),
                Err(error) => assert_eq!(error.raw_os_error(), None, "{error}"),
            }
            assert_eq!(mappings(), before, "the mapping is left");
        }
    });
    cases.case("at an address", || {
        let there = MapOptions::new().offset(size).map(&object).unwrap();
        let address = there.as_ptr();
        there.unmap().unwrap();
        part_of_huge_pages(&object, MapOptions::new().address(address).offset(size));
        part_of_huge_pages(&object, MapOptions::new().address(address.wrapping_add(4096)));
    });
    cases.case("shortened to no multiple", || {
        let other = pages.object(size);
        match other.set_len(size / 2) {
            Ok(()) => assert!(other.len().unwrap() >= size / 2),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                assert_eq!(error.raw_os_error(), None, "the kernel had to refuse it: {error}");
            }
        }
    });
    cases.case("a length that is no multiple", || {
        let other = pages.object(0);
        match other.set_len(4096) {
            Ok(()) => {
                let len = other.len().unwrap();
                assert!(len >= 4096, "{len}");
                part_of_huge_pages(&other, &MapOptions::new());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                assert_eq!(error.raw_os_error(), None, "the kernel had to refuse it: {error}");
                hints_or_says(&error, "page");
            }
        }
    });
    cases.case("sent and received", || {
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        object.send(&here).unwrap();
        let received = Shm::receive(there.as_fd()).unwrap();
        assert_eq!(received.map().unwrap().bytes().load(0), 1);
        part_of_huge_pages(&received, MapOptions::new().len(4096));
    });
    drop(whole);
    cases.end();
}

#[track_caller]
fn hints_or_says(error: &Error, word: &str) {
    assert!(error.to_string().contains(word), "no word of {word:?}: {error}");
}

/// Sealed against shrinking, an object can still have holes.
fn fault_11_the_docs_do_not_promise_freedom_from_sigbus() {
    let object = creating(1 << 20).sparse(true).open_anonymous().unwrap();
    object.seal(Seals::SHRINK | Seals::GROW).unwrap();
    assert_eq!(object.metadata().unwrap().allocated(), 0, "sealed, and no memory is there");
    for (path, text) in crate::lab::sources() {
        for promise in ["need fear no", "fear no", "cannot be killed by"] {
            assert!(!text.contains(promise), "{path} promises: {promise:?}");
        }
    }
    let text: String = crate::lab::sources().into_iter().map(|(_, text)| text).collect();
    assert!(text.contains("may_fault"), "no word of the question that can be asked instead");
}
