//! Everything that differs between systems. This file includes the file of one system, and states
//! what each of them must have.
//!
//! # The contract of a system
//!
//! `system/NAME.rs` has these items. It can take any of them from the shared files below.
//!
//! ```text
//! // How long a name may be, in bytes after the slash.
//! const NAME_MAX: usize
//! // What the system can promise.
//! const CAPABILITIES: Capabilities
//! // Whether reserve() leaves an object alone that a peer has made longer in the meantime.
//! const RESERVE_ONLY_GROWS: bool
//! // How it treats names: its ways to build a named object, and what the
//! // shared code must know.
//! const NAMESPACE: &Namespace
//!
//! // Makes a named object in the best way, if nothing stands against it.
//! fn create_at_once<T>(&CStr, mode_t, fill: impl FnOnce(BorrowedFd) -> Result<T, Failure>)
//!     -> Result<(OwnedFd, T), Stopped>
//! // Begins a named object. The caller then fills it.
//! fn draft(&New, Way) -> Result<Draft, Obstacle>
//! // Gives the complete object its name. Returns a read-only handle if one is wanted.
//! fn publish(&mut Draft, &New) -> Result<Option<OwnedFd>, Obstacle>
//! // Begins an object without a name. Makes one that needs nothing special, or else begins
//! // one in another way.
//! fn anonymous(&Namespace, label: &CStr, Option<mode_t>) -> Result<Draft, Failure>
//! fn anonymous_at_once(label: &CStr) -> Result<OwnedFd, Errno>
//! fn anonymous_after(Errno, &Namespace, label: &CStr) -> Result<Draft, Failure>
//! // The same, of huge pages from a pool. Which sizes there are.
//! fn anonymous_of_huge_pages(&Namespace, &CStr, Option<mode_t>, page: Option<u64>)
//!     -> Result<Draft, Failure>
//! fn pooled_pages() -> Result<Vec<u64>, Failure>
//!
//! // By name: creates exclusively (NAMESPACE has this one), opens, tells which
//! // object has the name, removes the name. Lists all names.
//! fn create(&CStr, Direction, mode_t) -> Result<OwnedFd, Errno>
//! fn open(&CStr, Direction, truncate: bool) -> Result<OwnedFd, Errno>
//! fn find(&CStr) -> Result<Stat, Errno>
//! fn unlink(&CStr) -> Result<(), Errno>
//! fn names() -> Result<Names, Failure>
//! fn Names::next_name(&mut self) -> Option<Result<&[u8], Errno>>
//! fn Names::stat(&self, last: &CStr, &mut MaybeUninit<Stat>) -> Result<&Stat, Errno>
//!
//! // Sets the length, without memory.
//! fn resize(BorrowedFd, off_t) -> Result<(), Failure>
//! // Makes the object longer, with memory for what is new.
//! fn reserve(BorrowedFd, Growth) -> Result<(), Failure>
//! // Takes memory for bytes that the object has, and gives it back.
//! fn reserve_range(BorrowedFd, Growth) -> Result<(), Failure>
//! fn punch(BorrowedFd, off_t, off_t) -> Result<(), Errno>
//! // How many bytes of memory the object has.
//! fn allocated(&Stat) -> u64
//! // The size of its pages, if they are huge pages.
//! fn huge_page_of(BorrowedFd, &Stat) -> Option<u64>
//!
//! // Maps an object, and keeps address space behind it. Opens a part of that room for
//! // access, and closes it again. Makes a mapping longer, and moves it if need be.
//! fn map_with_room(&Part, len: usize, room: usize, hint: usize, huge: bool)
//!     -> Result<NonNull<u8>, Errno>
//! unsafe fn open_room(&Part, NonNull<u8>, from: usize, to: usize, huge: bool)
//!     -> Result<(), Lost>
//! unsafe fn close_room(NonNull<u8>, from: usize, to: usize, huge: bool) -> Result<(), Lost>
//! unsafe fn remap(NonNull<u8>, len: usize, to: usize, may_move: bool)
//!     -> Result<NonNull<u8>, Errno>
//! // Whether a mapping shows an object, and whether that can be told.
//! fn shows(NonNull<u8>, BorrowedFd) -> Option<bool>
//! const TELLS_WHAT_IS_MAPPED: bool
//! // Makes pages present, without a signal. Tells how many are in memory.
//! fn populate(NonNull<u8>, len: usize, write: bool, private: bool) -> Result<(), Errno>
//! fn resident_pages(NonNull<u8>, pages: usize) -> Result<usize, Errno>
//! // Makes huge pages of usual ones. How large they are.
//! fn collapse(NonNull<u8>, len: usize) -> Result<(), Errno>
//! fn transparent_page() -> Option<usize>
//!
//! // Sleeps until somebody wakes those who sleep on the word, in any process. Not at all if
//! // it has another value. The time is one of wait::now(). Wakes one of them, or all.
//! fn wait(NonNull<u32>, seen: u32, until: Option<Duration>) -> Result<Slept, Errno>
//! fn wake(NonNull<u32>, all: bool) -> Result<usize, Errno>
//! // Whether the running system can sleep, if CAPABILITIES says that it can.
//! fn can_sleep() -> bool
//!
//! // Refuses a write that the system would answer with a signal.
//! fn may_write(BorrowedFd, off_t, usize, ignore_estimates: bool) -> Result<(), Failure>
//! // Writes anywhere; writes the content of a new object.
//! fn write_at(BorrowedFd, &[u8], off_t) -> Result<usize, Errno>
//! fn write_new(BorrowedFd, &[u8]) -> Result<(), Failure>
//!
//! // Keeps other users out of an object that has the kernel's own permissions.
//! fn protect(BorrowedFd) -> Result<(), Failure>
//! // Makes a second handle, which can only read.
//! fn read_only(&Namespace, BorrowedFd, Option<&CStr>) -> Result<OwnedFd, Failure>
//! // Refuses a descriptor that is not of shared memory.
//! fn check_kind(BorrowedFd) -> Result<(), Errno>
//! // Opens an object again, so that the description is its own. Takes a lock for one, if
//! // it is free; waits for it; drops all. What an exclusive one needs. Whether anyone is
//! // present.
//! fn open_again(&Namespace, BorrowedFd, Option<&CStr>, Direction, Operation)
//!     -> Result<OwnedFd, Failure>
//! fn try_lock(BorrowedFd, Place, Hold) -> Result<bool, Errno>
//! fn wait_for_lock(BorrowedFd, Place) -> Result<(), Errno>
//! fn unlock_all(BorrowedFd) -> Result<(), Errno>
//! const EXCLUSIVE: Direction
//! fn is_used(&Namespace, BorrowedFd, Option<&CStr>) -> Result<bool, Failure>
//! // What helps against an error, if that is special to this system.
//! fn hint(Operation, Errno) -> Option<&'static str>
//! ```
//!
//! # To add a system, touch these
//!
//! 1. `imp/system/NAME.rs`: the contract above. Start with a copy of the system that is most like
//!    it, or of `other.rs`. Take the facts from the system's source and manual, and cite them.
//! 2. `mod system` in this file: a line that includes the new file.
//! 3. `SYSTEMS` in `posix-shm/build.rs`: the value of `target_os`, which chooses the file.
//! 4. `posix-shm-sys/build/names.rs`: the functions and constants that only this system has. The
//!    comment at its top says how.
//! 5. `posix-shm-sys/wrapper.h`: a branch that refuses another system's headers.
//! 6. `posix-shm-sys/build/report.rs`: what users install there.
//! 7. `NOT_IN_LIBC` in `tests/build.rs`: the constants that the `libc` crate lacks.
//! 8. `longest` in `tests/name.rs`: the longest name. The other tests ask `capabilities()`.
//! 9. `TARGETS` in `scripts/portability.d/targets.py`: how it is checked without the machine.
//!    `.github/workflows/native.yml`: a job that tests it on the machine.
//! 10. `guide/what_differs_where.md`, and `targets` in `deny.toml`.
//!
//! # Shared by several systems
//!
//! * Calls: [`syscalls`] has those that mean the same everywhere. [`mod@seals`] and [`socket`] have
//!   those of their subjects. `stat` has what `fstat` says.
//! * Building objects: [`mod@draft`] is an object that is not complete yet. [`named`] creates it by
//!   `shm_open`, [`tmpfs`] as a file, `memfd` without a name. `entries` lists the files.
//! * Memory: [`limits`] and `estimates` ask whether there is enough, and [`mod@reserve`] takes it.
//! * Mappings: [`mapping`] makes and changes them. [`mod@populate`] makes their pages present, and
//!   `huge` makes them huge.
//! * Waiting: [`mod@wait`] has the calls that sleep and wake, what each system answers, and the
//!   clock.
//! * [`procfs`] opens an object again. `ofd` and `flock` lock it. [`proc_text`] reads what `/proc`
//!   and cgroups say.
//! * [`fork`] tells a process from its child.
//! * [`fallback`] is what POSIX gives everywhere.

#[allow(dead_code, reason = "not every system uses all of it")]
mod draft;
#[cfg(any(target_os = "linux", target_os = "netbsd"))]
#[allow(dead_code, reason = "not every system uses it")]
mod entries;
#[cfg(pshm_has_fallocate)]
mod estimates;
#[allow(dead_code, reason = "not every system uses all of it")]
mod fallback;
#[cfg(any(pshm_system = "netbsd", pshm_system = "openbsd"))]
mod flock;
mod fork;
#[cfg(all(pshm_has_memfd_create, pshm_has_mfd_hugetlb, pshm_has_madv_collapse))]
#[allow(dead_code, reason = "not every system uses it")]
mod huge;
#[allow(dead_code, reason = "not every system uses all of it")]
mod limits;
#[allow(dead_code, reason = "not every system uses all of it")]
mod locks;
#[allow(dead_code, reason = "not every system uses all of it")]
mod mapping;
#[cfg(pshm_has_memfd_create)]
#[allow(dead_code, reason = "not every system uses it")]
mod memfd;
#[allow(dead_code, reason = "not every system uses all of it")]
mod named;
#[cfg(pshm_has_f_ofd_setlk)]
#[allow(dead_code, reason = "not every system uses it")]
mod ofd;
#[allow(dead_code, reason = "not every system uses all of it")]
mod populate;
#[allow(dead_code, reason = "not every system uses it")]
mod proc_text;
#[allow(dead_code, reason = "not every system uses it")]
mod procfs;
#[allow(dead_code, reason = "not every system uses all of it")]
mod reserve;
mod seals;
mod socket;
mod stat;
#[allow(dead_code, reason = "not every system uses all of it")]
mod syscalls;
#[allow(dead_code, reason = "not every system uses it")]
mod tmpfs;

#[allow(dead_code, reason = "not every system uses all of it")]
mod wait;

// build.rs chooses the file; the default is other.rs.
#[cfg(pshm_system = "android")]
#[path = "system/android.rs"]
mod system;
#[cfg(pshm_system = "apple")]
#[path = "system/apple.rs"]
mod system;
#[cfg(pshm_system = "freebsd")]
#[path = "system/freebsd.rs"]
mod system;
#[cfg(pshm_system = "linux")]
#[path = "system/linux.rs"]
mod system;
#[cfg(pshm_system = "netbsd")]
#[path = "system/netbsd.rs"]
mod system;
#[cfg(pshm_system = "openbsd")]
#[path = "system/openbsd.rs"]
mod system;
#[cfg(pshm_system = "other")]
#[path = "system/other.rs"]
mod system;

pub(crate) use draft::{Draft, New, Obstacle, Stopped, Way, is_forbidden};
pub(crate) use fork::{Mark, forks};
pub(crate) use limits::{Growth, denied, may_take};
pub(crate) use locks::{Hold, Place};
pub(crate) use mapping::{
    Lost, Part, Wish, aligned_address, lock, map_part, set_protection, unlock, unmap_whole,
};
pub(crate) use named::reopen_created;
pub(crate) use reserve::{Lack, has_all_memory, lack_of};
pub(crate) use seals::{add_seals, seals};
pub(crate) use socket::{
    Item, Items, MAX_DESCRIPTORS, Taken, more_follows, receive, receive_one, send, send_one,
};
pub(crate) use stat::Stat;
pub(crate) use syscalls::{
    appends, clone, clone_above, close, close_on_exec, direction, is_writable, keep_on_exec, off_t,
    page_size, random, random_suffix, read_at, set_owner, set_permissions, stat, stat_in, unmap,
};
pub(crate) use system::{
    CAPABILITIES, EXCLUSIVE, NAME_MAX, NAMESPACE, Names, RESERVE_ONLY_GROWS, TELLS_WHAT_IS_MAPPED,
    allocated, anonymous, anonymous_after, anonymous_at_once, anonymous_of_huge_pages, can_sleep,
    check_kind, close_room, collapse, create_at_once, draft, find, hint, huge_page_of, is_used,
    map_with_room, may_write, names, open, open_again, open_room, pooled_pages, populate, protect,
    publish, punch, read_only, remap, reserve, reserve_range, resident_pages, resize, shows,
    transparent_page, try_lock, unlink, unlock_all, wait, wait_for_lock, wake, write_at, write_new,
};
pub(crate) use wait::{Slept, now, pause};
