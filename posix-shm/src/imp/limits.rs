//! Checks limits before anything is taken: those that the system would report by a signal, or by
//! killing a process.
//!
//! | limit | asked | from | how sure |
//! |---|---|---|---|
//! | `RLIMIT_FSIZE` | `getrlimit` | past 4096 bytes | certain |
//! | the file system | `fstatvfs` | 1 MiB | certain, for now |
//! | memory cgroups, v1 and v2, every level | their files | 4 MiB | an estimate |
//! | all memory of the machine | `sysinfo` | 4 MiB | certain |
//! | memory that is free or could be | `sysinfo`, `/proc/meminfo` | 4 MiB | an estimate |
//!
//! Below these sizes, asking costs more than it saves. The kernel's own answer outranks an
//! estimate, and a caller can insist. Estimates say nothing of huge pages, which come from a pool
//! of their own.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use posix_shm_sys as sys;

#[cfg(pshm_has_fallocate)]
use super::estimates;
use super::seals::seals;
use super::stat::{Stat, allocated_by_file};
use super::syscalls;
use crate::failure::{Detail, Errno, Failure, Operation, cvt_retry};
use crate::seals::Seals;

/// How an object is to grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub(crate) from: sys::off_t,
    pub(crate) to: sys::off_t,
    /// No other process has had the object, so its bytes can be overwritten and cut off.
    pub(crate) ours: bool,
    /// The caller insists: estimates are ignored.
    pub(crate) ignore_estimates: bool,
}

/// A length that no sensible limit forbids.
const ONE_PAGE: u64 = 4096;

/// From this growth on, the file system is asked.
const ASK_FILE_SYSTEM: u64 = 1 << 20;

/// From this growth on, estimates are asked for.
const ASK_ESTIMATES: u64 = 4 << 20;

/// Refuses a growth that the system could only refuse by a signal, or too late.
#[inline]
pub(super) fn may_grow(object: BorrowedFd<'_>, growth: Growth) -> Result<(), Failure> {
    // So little is never asked about.
    if growth.to <= ONE_PAGE as sys::off_t { Ok(()) } else { may_grow_long(object, growth) }
}

#[inline(never)]
fn may_grow_long(object: BorrowedFd<'_>, growth: Growth) -> Result<(), Failure> {
    let to = growth.to.unsigned_abs();
    if let Some(limit) = file_size_limit(to).filter(|limit| *limit < to) {
        return Err(too_long(Operation::Reserve, to, limit));
    }
    may_fill(object, &growth)
}

/// The same for memory behind bytes that the object has already. The limit on the length of files
/// does not matter then.
pub(super) fn may_fill(object: BorrowedFd<'_>, range: &Growth) -> Result<(), Failure> {
    let (from, to) = (range.from.unsigned_abs(), range.to.unsigned_abs());
    let wanted = to - from;
    if wanted >= ASK_FILE_SYSTEM {
        ask_file_system(object, range)?;
    }
    ask_for_range(object, from, wanted, range.ignore_estimates)
        .map_err(|failure| failure.with_detail(Detail::Bytes(to)))
}

/// Refuses to take memory for a range, if that could end with the kernel killing a process. What
/// the range has already is not counted.
fn ask_for_range(
    object: BorrowedFd<'_>,
    from: u64,
    wanted: u64,
    ignore_estimates: bool,
) -> Result<(), Failure> {
    let asked = ask_estimates(object, wanted, ignore_estimates);
    #[cfg(pshm_has_fallocate)]
    if asked.as_ref().is_err_and(|refusal| refusal.is(Errno::NOMEM)) {
        if let Some(present @ 1..) = estimates::present(object, from, wanted) {
            return estimates::ask(wanted.saturating_sub(present), ignore_estimates);
        }
    }
    #[cfg(not(pshm_has_fallocate))]
    let _ = from;
    asked
}

/// Refuses to take so much memory if that could end with the kernel killing a process.
fn ask_estimates(
    object: BorrowedFd<'_>,
    wanted: u64,
    ignore_estimates: bool,
) -> Result<(), Failure> {
    #[cfg(pshm_has_fallocate)]
    if wanted >= ASK_ESTIMATES && is_memory(object) {
        return estimates::ask(wanted, ignore_estimates);
    }
    #[cfg(not(pshm_has_fallocate))]
    let _ = (object, wanted, ignore_estimates, ASK_ESTIMATES);
    Ok(())
}

/// Whether the pages of an object are memory that the estimates are about. Those of a disk are not:
/// they can be written back. Nor are huge pages, which come from a pool of their own.
#[cfg(pshm_has_fallocate)]
fn is_memory(object: BorrowedFd<'_>) -> bool {
    match syscalls::file_system(object) {
        Ok(syscalls::TMPFS) => true,
        // A file system without a limit has no disk. What cannot be asked may be memory.
        Ok(_) if Room::of(object).is_some_and(|room| room.bytes.is_some()) => false,
        _ => huge_page(object).is_none(),
    }
}

/// Refuses to touch so much of a sparse object that the kernel could kill a process for it.
pub(crate) fn may_take(object: BorrowedFd<'_>, missing: u64) -> Result<(), Failure> {
    ask_estimates(object, missing, false)
        .map_err(|failure| failure.with_detail(Detail::Bytes(missing)))
}

/// Refuses to make an object longer than this process may make files. The kernel would send
/// `SIGXFSZ`, which kills. Making it shorter is refused too if it stays longer than the limit,
/// since a peer may have shortened it by then. Returns `false` if it has this length already, so
/// there is nothing to do.
#[inline]
pub(super) fn may_be_as_long(object: BorrowedFd<'_>, to: sys::off_t) -> Result<bool, Failure> {
    let to = to.unsigned_abs();
    let Some(limit) = file_size_limit(to).filter(|limit| *limit < to) else { return Ok(true) };
    let len = syscalls::stat(object).map_err(Failure::of(Operation::Metadata))?.len();
    if to == len { Ok(false) } else { Err(too_long(Operation::SetLen, to, limit)) }
}

/// Refuses a write that begins at the limit for files or past it, or that takes memory whose
/// shortage would be a signal. A write that only ends past the limit is cut short by the kernel.
pub(crate) fn may_write(
    object: BorrowedFd<'_>,
    offset: sys::off_t,
    len: usize,
    ignore_estimates: bool,
) -> Result<(), Failure> {
    let offset = offset.unsigned_abs();
    let end = offset.saturating_add(len as u64);
    match file_size_limit(end) {
        Some(limit) if offset >= limit && len > 0 => Err(too_long(Operation::Write, end, limit)),
        _ => ask_for_range(object, offset, len as u64, ignore_estimates)
            .map_err(|failure| Failure { operation: Operation::Write, ..failure }),
    }
}

/// How long this process may make a file, if that is limited and a length of `to` could exceed it.
fn file_size_limit(to: u64) -> Option<u64> {
    if to <= ONE_PAGE {
        return None;
    }
    syscalls::file_size_limit()
}

#[cold]
fn too_long(operation: Operation, to: u64, limit: u64) -> Failure {
    Failure::new(operation, Errno::FBIG).with_detail(Detail::Bytes(to)).with_hint(format!(
        "this process may not make files longer than {limit} bytes; raise RLIMIT_FSIZE (ulimit -f)"
    ))
}

/// Refuses a growth for which the file system has no room. Without this check, the attempt would
/// first take all its room from other processes.
pub(super) fn ask_file_system(object: BorrowedFd<'_>, growth: &Growth) -> Result<(), Failure> {
    // Memory that the object already has, anywhere in it, is not taken again.
    let allocated = syscalls::stat(object).map_or(0, |stat| allocated_by_file(&stat));
    let had = growth.from.unsigned_abs().max(allocated);
    let wanted = growth.to.unsigned_abs().saturating_sub(had);
    match Room::of(object) {
        Some(room) if room.bytes.is_some_and(|bytes| bytes < wanted) => {
            Err(shortage(object, growth.to, Errno::NOSPC))
        }
        _ => Ok(()),
    }
}

/// The failure to reserve memory for an object of `bytes`. If there is too little, the hint says
/// how much there is.
#[cold]
pub(super) fn shortage(object: BorrowedFd<'_>, bytes: sys::off_t, errno: Errno) -> Failure {
    let detail = Detail::Bytes(bytes.unsigned_abs());
    let failure = Failure::new(Operation::Reserve, errno).with_detail(detail);
    if errno != Errno::NOSPC {
        return denied(object, failure);
    }
    match huge_page(object) {
        Some(page) => failure.with_hint(format!(
            "too few huge pages of {page} bytes are free; the administrator can add more"
        )),
        _ => match Room::of(object) {
            Some(room) => {
                let may_come_back = room.capacity.is_some_and(|all| bytes.unsigned_abs() <= all);
                let bytes = room.bytes.filter(|_| may_come_back);
                Failure { room: bytes, ..room.explain(failure) }
            }
            None => failure,
        },
    }
}

/// Says why sizing or filling an object was denied: a seal, or something that forbids the call.
#[cold]
pub(crate) fn denied(object: BorrowedFd<'_>, failure: Failure) -> Failure {
    let all = Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE;
    if !failure.is(Errno::PERM) && !failure.is(Errno::ACCES) {
        failure
    } else if seals(object).is_ok_and(|found| found.intersects(all)) {
        failure.with_hint("the object is sealed against this")
    } else {
        failure.with_hint("the system forbids the call, as a sandbox does")
    }
}

/// What a file system has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes, if they are limited.
    pub(crate) bytes: Option<u64>,
    /// How many bytes that would be if the file system were empty.
    capacity: Option<u64>,
    /// Inodes, if they are limited.
    inodes: Option<u64>,
    /// The file system's number.
    pub(crate) id: u64,
    /// The size of its blocks or pages.
    block: u64,
}

impl Room {
    /// `fstatvfs`; `None` if it fails.
    pub(crate) fn of(object: BorrowedFd<'_>) -> Option<Room> {
        let mut stat = MaybeUninit::<sys::statvfs>::uninit();
        // SAFETY: the pointer is to room for one `statvfs`.
        cvt_retry(|| unsafe { sys::fstatvfs(object.as_raw_fd(), stat.as_mut_ptr()) }).ok()?;
        // SAFETY: the call succeeded, so it has filled in the structure.
        let stat = unsafe { stat.assume_init() };
        // A file system without a limit has no blocks at all.
        #[allow(clippy::unnecessary_cast, reason = "the types are narrower on other systems")]
        let bytes =
            |blocks: u64| (stat.f_blocks > 0).then(|| blocks.saturating_mul(stat.f_frsize as u64));
        #[allow(clippy::unnecessary_cast, reason = "the types are narrower on other systems")]
        Some(Room {
            bytes: bytes(stat.f_bavail as u64),
            capacity: bytes(stat.f_blocks as u64),
            inodes: (stat.f_files > 0).then_some(stat.f_favail as u64),
            id: stat.f_fsid as u64,
            block: stat.f_bsize as u64,
        })
    }

    /// What is missing for a new name, after an `ENOSPC`.
    pub(super) fn missing(self) -> Option<&'static str> {
        (self.inodes == Some(0)).then_some(
            "the shared memory file system has no inode free; remove names, or mount it with more \
             (nr_inodes=)",
        )
    }

    /// Says how much there is, after an `ENOSPC`.
    #[cold]
    fn explain(self, failure: Failure) -> Failure {
        // Only a new name needs an inode.
        match self.bytes {
            Some(bytes) => failure.with_hint(format!(
                "the shared memory file system has {bytes} bytes free; in a container, raise \
                 --shm-size"
            )),
            None => failure,
        }
    }
}

/// The size of an object's pages, if they are huge pages from a pool of their own.
fn huge_page(object: BorrowedFd<'_>) -> Option<u64> {
    huge_page_of(object, &syscalls::stat(object).ok()?)
}

/// [`huge_page`] of an object whose `stat` is at hand. Other file systems may have long blocks too,
/// but only those of huge pages count their room in them.
#[inline]
pub(crate) fn huge_page_of(object: BorrowedFd<'_>, stat: &Stat) -> Option<u64> {
    // No system has smaller pages, so most need not be asked for theirs.
    if stat.block_size() <= ONE_PAGE { None } else { larger_page_of(object, stat) }
}

#[inline(never)]
fn larger_page_of(object: BorrowedFd<'_>, stat: &Stat) -> Option<u64> {
    let size = stat.block_size();
    let larger = size > syscalls::page_size() as u64 && size.is_power_of_two();
    (larger && Room::of(object)?.block == size).then_some(size)
}
