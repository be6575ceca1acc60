//! Immutable memory: what is refused, an older kernel, and peers that try to write all the same.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;

use posix_shm::{ImmutableMapping, Operation, Seals, Shm, capabilities};

use crate::alone::check;
use crate::filter;
use crate::lab::{
    Cases, creating, leaves_nothing, limit, own_shm, pipe, refused, status_of, truncate,
};
use crate::memory::HugePages;

crate::tasks! { ON_LINUX:
    immutable_memory_is_mapped_where_only_a_private_mapping_is_allowed
    immutable_memory_is_only_what_the_kernel_confirms
    immutable_memory_withstands_a_peer_that_can_write
    immutable_objects_have_no_page_that_the_kernel_still_uses
}

const LEN: usize = 1 << 16;
const ALL: Seals = Seals::WRITE.union(Seals::SHRINK).union(Seals::GROW);

fn sevens() -> Shm {
    let object = Shm::anonymous(LEN as u64).unwrap();
    object.map_mut().unwrap().bytes().fill(7);
    object
}

#[track_caller]
fn is_sevens(mapping: &ImmutableMapping) {
    assert_eq!(mapping.len(), LEN);
    assert!(mapping.iter().all(|&byte| byte == 7), "immutable memory has changed");
}

fn immutable_memory_is_only_what_the_kernel_confirms() {
    assert!(capabilities().map_immutable);
    own_shm("size=8m");
    let mut cases = Cases::new();
    // Every set of seals that is not enough, by handles that can write and that cannot.
    cases.case("seals", || {
        let each = [Seals::WRITE, Seals::SHRINK, Seals::GROW, Seals::FUTURE_WRITE, Seals::SEAL];
        for set in 0..1 << each.len() {
            let seals: Seals =
                (0..each.len()).filter(|at| set & 1 << at != 0).map(|at| each[at]).collect();
            let object = sevens();
            object.seal(seals).unwrap();
            for handle in [object.read_only().unwrap(), object] {
                if seals.contains(ALL) {
                    is_sevens(&handle.map_immutable().unwrap());
                } else {
                    let error = leaves_nothing(|| refused(handle.map_immutable()));
                    let seen = (error.kind(), error.operation());
                    assert_eq!(seen, (ErrorKind::InvalidInput, Operation::Map), "{seals:?}");
                }
            }
        }
    });
    cases.case("a mapping that was made before the object was frozen", || {
        let object = sevens();
        let writer = object.map_mut().unwrap();
        let frozen = object.freeze().unwrap();
        let error = leaves_nothing(|| refused(frozen.map_immutable()));
        assert!(error.to_string().contains("frozen"), "{error}");
        writer.bytes().store(0, 8);
    });
    cases.case("holes", || {
        let punched = sevens();
        punched.punch(4096..8192).unwrap();
        let error = refused(punched.try_clone().unwrap().make_immutable());
        assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidInput, Operation::Seal));
        assert!(!punched.seals().unwrap().intersects(ALL), "it was sealed all the same");
        punched.seal(ALL).unwrap();
        let error = leaves_nothing(|| refused(punched.map_immutable()));
        assert!(error.to_string().contains("holes"), "{error}");
        // What the error says helps.
        punched.reserve(..).unwrap();
        assert_eq!(punched.map_immutable().unwrap()[4096], 0);
    });
    cases.case("as many blocks as it is long, past the end", || {
        let object = creating(LEN as u64).sparse(true).open_anonymous().unwrap();
        let (fd, keep, len) = (object.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, LEN as libc::off_t);
        // SAFETY: passes no pointer.
        check(unsafe { libc::fallocate(fd, keep, len, len) }).unwrap();
        object.seal(ALL).unwrap();
        assert!(object.is_reserved().unwrap(), "the blocks count");
        // The kernel was asked for the pages, so they are there now.
        assert!(object.map_immutable().unwrap().iter().all(|&byte| byte == 0));
        assert_eq!(object.metadata().unwrap().allocated(), 2 * LEN as u64);
    });
    cases.case("nothing can be asked", || {
        let [object, reader] = [sevens(), sevens().read_only().unwrap()];
        filter::forbid(filter::GET_SEALS, libc::EPERM);
        for handle in [object, reader] {
            let error = leaves_nothing(|| refused(handle.map_immutable()));
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
        }
    });
    cases.case("a read-only handle cannot tell", || {
        let reader = sevens().make_immutable().unwrap().read_only().unwrap();
        // As before Linux 5.14.
        filter::forbid(filter::MADVISE, libc::EINVAL);
        let error = leaves_nothing(|| refused(reader.map_immutable()));
        assert_eq!(error.operation(), Operation::Reserve, "{error}");
        assert!(error.hint().unwrap().contains("5.14"), "{error}");
    });
    cases.case("a limit on the length of files, which is final", || {
        let object = sevens().make_immutable().unwrap();
        limit(libc::RLIMIT_FSIZE, 8192);
        assert_eq!(object.map_immutable().unwrap().len(), LEN);
    });
    cases.case("no address space", || {
        let object = sevens().make_immutable().unwrap();
        limit(libc::RLIMIT_AS, 0);
        let error = refused(object.map_immutable());
        assert_eq!((error.kind(), error.operation()), (ErrorKind::OutOfMemory, Operation::Map));
    });
    cases.case("named", || {
        let named = Shm::create("/x", LEN as u64).unwrap();
        let error = leaves_nothing(|| refused(named.map_immutable()));
        assert!(error.to_string().contains("anonymous"), "{error}");
        refused(named.try_clone().unwrap().make_immutable());
        named.unlink().unwrap();
    });
    cases.end();
    let pages = HugePages::add(2);
    let huge = pages.object(0);
    huge.set_len(pages.size).unwrap();
    let error = refused(huge.try_clone().unwrap().make_immutable());
    assert!(error.to_string().contains("huge"), "{error}");
    huge.seal(ALL).unwrap();
    let error = leaves_nothing(|| refused(huge.map_immutable()));
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidInput, Operation::Map));
    assert!(error.to_string().contains("huge"), "{error}");
}

/// The line of the mapping in `/proc/self/maps`: its permissions.
fn permissions(mapping: &ImmutableMapping) -> String {
    let maps = fs::read_to_string("/proc/thread-self/maps").unwrap();
    let start = format!("{:x}-", mapping.as_ptr().addr());
    let line = maps.lines().find(|line| line.starts_with(&start)).expect("it is mapped");
    line.split(' ').nth(1).unwrap().to_owned()
}

/// As Linux before 6.7, through a descriptor that can write.
fn immutable_memory_is_mapped_where_only_a_private_mapping_is_allowed() {
    let mut cases = Cases::new();
    cases.case("usually it is a shared one", || {
        let mapping = sevens().make_immutable().unwrap().map_immutable().unwrap();
        assert!(permissions(&mapping).starts_with("r--"), "{}", permissions(&mapping));
    });
    cases.case("a private one", || {
        let object = sevens().make_immutable().unwrap();
        filter::forbid(filter::MMAP_SHARED, libc::EPERM);
        let mapping = object.map_immutable().unwrap();
        assert_eq!(permissions(&mapping), "r--p");
        is_sevens(&mapping);
        assert_eq!(object.map().unwrap().bytes().load(LEN - 1), 7);
    });
    cases.case("a private one, and fallocate is forbidden", || {
        let object = sevens().make_immutable().unwrap();
        filter::forbid(filter::FALLOCATE, libc::EPERM);
        filter::forbid(filter::MMAP_SHARED, libc::EPERM);
        is_sevens(&object.map_immutable().unwrap());
    });
    cases.case("never of an object that can change", || {
        let [object, frozen] = [sevens(), sevens().freeze().unwrap()];
        filter::forbid(filter::MMAP_SHARED, libc::EPERM);
        for object in [object, frozen] {
            for error in [refused(object.map()), refused(object.map_mut())] {
                assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
            }
        }
    });
    cases.case("never for writing", || {
        let object = sevens().make_immutable().unwrap();
        filter::forbid(filter::MMAP_SHARED, libc::EPERM);
        assert_eq!(refused(object.map_mut()).raw_os_error(), Some(libc::EPERM));
    });
    cases.end();
}

/// Tries to change the object in every way that a peer with a writable descriptor has. Returns what
/// was allowed.
fn attack(fd: RawFd, victim: libc::pid_t, memory: *mut libc::c_void) -> Vec<&'static str> {
    let mut allowed = Vec::new();
    let mut attempt = |what: &'static str, returned: libc::c_long| {
        if returned != -1 {
            allowed.push(what);
        }
    };
    let (eights, page) = ([8_u8; 4096], 4096);
    let iov = libc::iovec { iov_base: eights.as_ptr().cast_mut().cast(), iov_len: page };
    let remote = libc::iovec { iov_base: memory, iov_len: page };
    macro_rules! attempt {
        ($($call:ident($($argument:expr),*))*) => {
            // SAFETY: each pointer is to as many bytes as its call reads, or none of ours.
            $(attempt(stringify!($call), unsafe { libc::$call($($argument),*) } as _);)*
        };
    }
    let (input, output) = (fs::File::open("/proc/self/exe").unwrap(), pipe());
    attempt! {
        write(fd, eights.as_ptr().cast(), page)
        pwrite(fd, eights.as_ptr().cast(), page, 0)
        pwritev(fd, &raw const iov, 1, 0)
        ftruncate(fd, 0)
        ftruncate(fd, 100)
        ftruncate(fd, 2 * LEN as libc::off_t)
        fallocate(fd, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, 0, 4096)
        fallocate(fd, libc::FALLOC_FL_ZERO_RANGE, 0, 4096)
        fallocate(fd, libc::FALLOC_FL_COLLAPSE_RANGE, 0, 4096)
        fallocate(fd, libc::FALLOC_FL_INSERT_RANGE, 0, 4096)
        fallocate(fd, 0, 0, 2 * LEN as libc::off_t)
        sendfile(fd, input.as_raw_fd(), std::ptr::null_mut(), page)
        fcntl(fd, libc::F_ADD_SEALS, 0)
        process_vm_writev(victim, &raw const iov, 1, &raw const remote, 1, 0)
    }
    // Bytes in a pipe, to be moved into the object.
    // SAFETY: the pointer is to as many bytes.
    check(unsafe { libc::write(output[1].as_raw_fd(), eights.as_ptr().cast(), page) } as i32)
        .unwrap();
    let null = std::ptr::null_mut::<libc::loff_t>;
    attempt! { splice(output[0].as_raw_fd(), null(), fd, null(), page, 0) }
    // Opened again, with whatever access the permissions allow.
    let path = std::ffi::CString::new(format!("/proc/self/fd/{fd}")).unwrap();
    // SAFETY: the path is a NUL-terminated string.
    let again = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_TRUNC) };
    attempt("truncating while it is opened again", again as _);
    // SAFETY: the path is a NUL-terminated string.
    let again = unsafe { libc::open(path.as_ptr(), libc::O_RDWR) };
    check(again).expect("the owner may open it");
    // The length that it has, or had before the attack.
    truncate(&fd, LEN as i64);
    for fd in [fd, again] {
        let both = libc::PROT_READ | libc::PROT_WRITE;
        attempt! { pwrite(fd, eights.as_ptr().cast(), page, 0) }
        let map = |protection, flags| {
            // SAFETY: without MAP_FIXED the call replaces no mapping.
            unsafe { libc::mmap(std::ptr::null_mut(), LEN, protection, flags, fd, 0) }
        };
        for protection in [both, libc::PROT_WRITE, both | libc::PROT_EXEC] {
            let mapped = map(protection, libc::MAP_SHARED);
            attempt(
                "a shared mapping for writing",
                if mapped == libc::MAP_FAILED { -1 } else { 0 },
            );
        }
        let shared = map(libc::PROT_READ, libc::MAP_SHARED);
        // Linux before 6.7 refuses it.
        if shared != libc::MAP_FAILED {
            attempt! {
                mprotect(shared, LEN, both)
                madvise(shared, LEN, libc::MADV_REMOVE)
            }
            attempt("userfaultfd", register_userfaults(shared).into());
        }
        // Its own copies may be written, and nobody else sees them.
        let private = map(both, libc::MAP_PRIVATE);
        assert_ne!(private, libc::MAP_FAILED, "a private mapping");
        // SAFETY: the mapping is as long, and nothing else uses it.
        unsafe { private.cast::<u8>().write_bytes(8, LEN) };
        // SAFETY: as above.
        check(unsafe { libc::madvise(private, LEN, libc::MADV_DONTNEED) }).unwrap();
    }
    allowed
}

/// Registers a shared mapping for page faults that the process answers itself, with bytes of its
/// choice. -1 if that is refused.
fn register_userfaults(start: *mut libc::c_void) -> libc::c_int {
    // From linux/userfaultfd.h, which the libc crate does not have.
    const UFFD_API: u64 = 0xaa;
    const UFFDIO_API: u64 = 0xc018_aa3f;
    const UFFDIO_REGISTER: u64 = 0xc020_aa00;
    const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;
    // SAFETY: passes no pointer.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) } as RawFd;
    if fd == -1 {
        return -1;
    }
    let mut api = [UFFD_API, 0, 0];
    // SAFETY: the pointer is to the structure that the request reads and fills in.
    check(unsafe { libc::ioctl(fd, UFFDIO_API as _, api.as_mut_ptr()) }).unwrap();
    let mut range = [start.addr() as u64, LEN as u64, UFFDIO_REGISTER_MODE_MISSING, 0];
    // SAFETY: the pointer is to the structure that the request reads and fills in.
    unsafe { libc::ioctl(fd, UFFDIO_REGISTER as _, range.as_mut_ptr()) }
}

fn immutable_memory_withstands_a_peer_that_can_write() {
    let object = sevens();
    // A peer that has everything: the descriptor, the user, and this process' own rights.
    let fd = object.as_raw_fd();
    let object = object.make_immutable().unwrap();
    let mapping = object.map_immutable().unwrap();
    let (victim, memory) = (std::process::id() as libc::pid_t, mapping.as_ptr().cast_mut().cast());
    let status = status_of(|| {
        let allowed = attack(fd, victim, memory);
        assert!(allowed.is_empty(), "a peer may call {allowed:?}");
        is_sevens(&mapping);
    });
    assert!(status.success(), "{status}");
    is_sevens(&mapping);
    // Nor does this process change it by its own handle, in safe code.
    refused(object.map_mut());
    refused(object.set_len(0));
    refused(object.punch(..));
    object.write_at(&[8], 0).unwrap_err();
    object.grow(2 * LEN as u64).unwrap_err();
    is_sevens(&mapping);
    // A debugger may write what is private, and not even that.
    if permissions(&mapping) == "r--s" {
        let own = fs::OpenOptions::new().write(true).open("/proc/self/mem").unwrap();
        own.write_at(&[8], mapping.as_ptr().addr() as u64).unwrap_err();
    }
    is_sevens(&mapping);
    // The same attack on an object that is not sealed succeeds, so it tests something.
    let object = sevens();
    let reader = object.map().unwrap();
    let (fd, memory) = (object.as_raw_fd(), reader.as_ptr().cast_mut().cast());
    let status = status_of(|| {
        let allowed = attack(fd, victim, memory);
        let all = ["write", "pwrite", "ftruncate", "fallocate", "splice", "mprotect", "madvise"];
        assert!(all.iter().all(|call| allowed.contains(call)), "only {allowed:?}");
    });
    assert!(status.success(), "{status}");
    truncate(&object, LEN as i64);
    assert_ne!(reader.bytes().load(0), 7, "nothing was written");
}

/// A page that is on its way to a device or a pipe may still be written, so the kernel refuses the
/// seal until it has arrived.
fn immutable_objects_have_no_page_that_the_kernel_still_uses() {
    let object = sevens();
    let [end, start] = pipe();
    let mapping = object.map_mut().unwrap();
    let bytes = libc::iovec { iov_base: mapping.as_mut_ptr().cast(), iov_len: 4096 };
    // SAFETY: the pointer is to one structure, whose bytes are mapped.
    let given = unsafe { libc::vmsplice(start.as_raw_fd(), &raw const bytes, 1, 0) };
    assert_eq!(given, 4096);
    drop(mapping);
    let error = refused(object.try_clone().unwrap().make_immutable());
    assert_eq!((error.kind(), error.operation()), (ErrorKind::ResourceBusy, Operation::Seal));
    assert!(!object.seals().unwrap().contains(Seals::WRITE));
    let mut read = [0; 4096];
    // SAFETY: the pointer is to as many bytes.
    assert_eq!(unsafe { libc::read(end.as_raw_fd(), read.as_mut_ptr().cast(), 4096) }, 4096);
    is_sevens(&object.make_immutable().unwrap().map_immutable().unwrap());
}
