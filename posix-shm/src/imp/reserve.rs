//! Reserving memory for an object, so that a shortage is an error now and not a signal later.
//! [`limits`] says whether there is enough, and this takes it.

use std::os::fd::BorrowedFd;

use posix_shm_sys as sys;

use super::limits::{self, Growth, may_grow, shortage};
#[cfg(pshm_has_fallocate)]
use super::seals::seals;
use super::stat::{Stat, allocated_by_file};
use super::syscalls;
use crate::failure::{Errno, Failure, Operation};

/// Gives an object a length without reserving memory.
pub(crate) fn resize(object: BorrowedFd<'_>, to: sys::off_t) -> Result<(), Failure> {
    if !limits::may_be_as_long(object, to)? {
        return Ok(());
    }
    syscalls::set_len(object, to)
        .map_err(|errno| limits::denied(object, Failure::new(Operation::SetLen, errno)))
}

/// Reserves memory by [`resize`], on a system where `ftruncate` reserves it or nothing does.
pub(crate) fn by_resizing(object: BorrowedFd<'_>, growth: Growth) -> Result<(), Failure> {
    may_grow(object, growth)?;
    syscalls::set_len(object, growth.to).map_err(|errno| shortage(object, growth.to, errno))
}

/// Grows an object with memory behind every byte: `fallocate`, which sets the length too.
#[cfg(pshm_has_fallocate)]
#[inline]
pub(crate) fn by_fallocate(object: BorrowedFd<'_>, growth: Growth) -> Result<(), Failure> {
    may_grow(object, growth)?;
    // Not posix_fallocate: if the file system cannot reserve, glibc's reads and writes bytes, which
    // peers may be writing too.
    match syscalls::fallocate(object, 0, growth.from, growth.to - growth.from) {
        Ok(()) => Ok(()),
        Err(errno) => after_fallocate(object, growth, errno),
    }
}

/// Goes on where `fallocate` has failed.
#[cfg(pshm_has_fallocate)]
#[cold]
fn after_fallocate(object: BorrowedFd<'_>, growth: Growth, errno: Errno) -> Result<(), Failure> {
    let to = growth.to;
    let result = match errno {
        // First past the end, where no peer sees it. Then the length, in a step that never
        // shortens.
        Errno::INTR => {
            let keep = sys::FALLOC_FL_KEEP_SIZE;
            in_steps(&growth, |at, len| syscalls::fallocate(object, keep, at, len))
                .and_then(|()| retry(|| syscalls::fallocate(object, 0, to - 1, 1)))
        }
        errno => Err(errno),
    };
    match result {
        Ok(()) => Ok(()),
        // The file system cannot do it, or a filter forbids it. A seal gives EPERM too.
        Err(errno) if is_unavailable(object, &growth, errno) => by_writing(object, &growth, errno),
        Err(errno) => Err(give_back(object, &growth, shortage(object, to, errno))),
    }
}

/// Whether nothing can be reserved here, and not just for this object.
#[cfg(pshm_has_fallocate)]
fn is_unavailable(object: BorrowedFd<'_>, growth: &Growth, errno: Errno) -> bool {
    use crate::seals::Seals;
    match errno {
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::ACCES => true,
        // A new object has no seals.
        Errno::PERM if growth.ours => true,
        Errno::PERM => {
            let against = Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE;
            seals(object).is_ok_and(|found| !found.intersects(against))
        }
        _ => false,
    }
}

/// Reserves memory without a call for it, by writing zeros. That is right only for an object that
/// no other process can be writing to.
#[cfg(any(pshm_has_fallocate, pshm_has_posix_fallocate))]
fn by_writing(object: BorrowedFd<'_>, growth: &Growth, errno: Errno) -> Result<(), Failure> {
    if !growth.ours {
        return Err(shortage(object, growth.to, errno).with_hint(
            "memory cannot be reserved for this object here; set_len_sparse() sets the length \
             without",
        ));
    }
    // The file system is asked at any size here, since writing would take all its room first.
    limits::ask_file_system(object, growth)?;
    write_zeros(object, growth)
        .map_err(|errno| give_back(object, growth, shortage(object, growth.to, errno)))
}

/// Writes zeros to all that is new.
#[cfg(any(pshm_has_fallocate, pshm_has_posix_fallocate))]
fn write_zeros(object: BorrowedFd<'_>, growth: &Growth) -> Result<(), Errno> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut at = growth.from;
    while at < growth.to {
        let most = (growth.to - at).min(ZEROS.len() as sys::off_t);
        // At most the length of the zeros.
        match syscalls::write_at(object, &ZEROS[..most as usize], at)? {
            0 => return Err(Errno::NOSPC),
            written => at += written as sys::off_t,
        }
    }
    Ok(())
}

/// After a failure halfway: gives back what was reserved, unless a peer may have used it. On Linux
/// what stays is memory past the end of the object, which the next growth uses.
#[cold]
fn give_back(object: BorrowedFd<'_>, growth: &Growth, failure: Failure) -> Failure {
    if growth.ours {
        // The error that matters is the first one.
        let _ = syscalls::set_len(object, growth.from);
        return failure;
    }
    match syscalls::stat(object) {
        Ok(stat) if stat.len() > growth.from.unsigned_abs() => {
            let len = stat.len();
            failure.and_hint(&format!("the object has {len} bytes now, which peers may be using"))
        }
        Ok(stat) => {
            let whole = stat.len().next_multiple_of(syscalls::page_size() as u64);
            match allocated_by_file(&stat).saturating_sub(whole) {
                0 => failure,
                more => failure.and_hint(&format!(
                    "{more} bytes of memory stay reserved past the end of the object"
                )),
            }
        }
        _ => failure,
    }
}

/// Takes the memory step by step; `allocate` is the system's call for it, for an offset and a
/// length.
///
/// Some systems undo all they did when a signal arrives, and would never finish under a fast timer.
/// So after a first interruption it goes on in steps that keep their progress.
fn in_steps(
    growth: &Growth,
    allocate: impl Fn(sys::off_t, sys::off_t) -> Result<(), Errno>,
) -> Result<(), Errno> {
    /// A step as small as this takes some microseconds and is retried as it is.
    const SMALLEST_STEP: sys::off_t = 64 << 10;
    let mut step = ((growth.to - growth.from) / 4).max(SMALLEST_STEP);
    let mut done = growth.from;
    while done < growth.to {
        let bytes = step.min(growth.to - done);
        match allocate(done, bytes) {
            Ok(()) => done += bytes,
            Err(Errno::INTR) => step = (step / 4).max(SMALLEST_STEP),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Makes a call again for as long as a signal interrupts it.
pub(super) fn retry(call: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Grows an object with memory behind every byte: `posix_fallocate`, on a system of which only
/// POSIX's promise is known.
#[cfg(pshm_has_posix_fallocate)]
pub(crate) fn by_posix_fallocate(object: BorrowedFd<'_>, growth: Growth) -> Result<(), Failure> {
    may_grow(object, growth)?;
    let allocate = |at, len| syscalls::posix_fallocate(object, at, len);
    let result = match allocate(growth.from, growth.to - growth.from) {
        Err(Errno::INTR) => in_steps(&growth, allocate),
        result => result,
    };
    match result {
        Ok(()) => Ok(()),
        // Systems that have the call, but not for shared memory: QNX, musl on other file systems.
        // And filters that forbid it.
        Err(
            errno @ (Errno::OPNOTSUPP | Errno::NODEV | Errno::INVAL | Errno::NOSYS | Errno::ACCES),
        ) => by_writing(object, &growth, errno),
        // To a new object it can only be a filter's answer; to others, also a seal's.
        Err(errno @ Errno::PERM) if growth.ours => by_writing(object, &growth, errno),
        Err(errno) => Err(give_back(object, &growth, shortage(object, growth.to, errno))),
    }
}

/// Reserves memory behind bytes that an object has already, by `fallocate`.
#[cfg(pshm_has_fallocate)]
pub(crate) fn range_by_fallocate(object: BorrowedFd<'_>, range: Growth) -> Result<(), Failure> {
    may_fill_inside(object, &range)?;
    let keep = sys::FALLOC_FL_KEEP_SIZE;
    in_steps(&range, |at, len| syscalls::fallocate(object, keep, at, len))
        .map_err(|errno| with_what_stays(object, shortage(object, range.to, errno)))
}

/// Refuses to fill a range inside an object. If a peer can shorten the object, the range may be
/// past its end by then, and the limit on the length of files counts.
#[cfg(pshm_has_fallocate)]
fn may_fill_inside(object: BorrowedFd<'_>, range: &Growth) -> Result<(), Failure> {
    use crate::seals::Seals;
    match may_grow(object, *range) {
        Err(failure) if failure.is(Errno::FBIG) => {
            let is_final = seals(object).is_ok_and(|found| found.contains(Seals::SHRINK));
            if is_final { limits::may_fill(object, range) } else { Err(failure) }
        }
        result => result,
    }
}

/// Adds how much memory the object has after a failure halfway. What was taken cannot be told from
/// what it had before, so it is not given back.
#[cold]
fn with_what_stays(object: BorrowedFd<'_>, failure: Failure) -> Failure {
    match syscalls::stat(object).map(|stat| allocated_by_file(&stat)) {
        Ok(allocated) if failure.is(Errno::NOSPC) || failure.is(Errno::NOMEM) => {
            failure.and_hint(&format!("the object has {allocated} bytes of memory now"))
        }
        _ => failure,
    }
}

/// The same by `posix_fallocate`.
#[cfg(pshm_has_posix_fallocate)]
pub(crate) fn range_by_posix_fallocate(
    object: BorrowedFd<'_>,
    range: Growth,
) -> Result<(), Failure> {
    may_grow(object, range)?;
    in_steps(&range, |at, len| syscalls::posix_fallocate(object, at, len))
        .map_err(|errno| shortage(object, range.to, errno))
}

/// The same on a system that cannot.
pub(crate) fn no_range(_: BorrowedFd<'_>, _: Growth) -> Result<(), Failure> {
    Err(Failure::new(Operation::Reserve, Errno::OPNOTSUPP))
}

/// Gives memory back by `fallocate`.
#[cfg(pshm_has_fallocate)]
pub(crate) fn punch_by_fallocate(
    object: BorrowedFd<'_>,
    from: sys::off_t,
    len: sys::off_t,
) -> Result<(), Errno> {
    let mode = sys::FALLOC_FL_PUNCH_HOLE | sys::FALLOC_FL_KEEP_SIZE;
    retry(|| syscalls::fallocate(object, mode, from, len))
}

/// The same on a system that cannot.
pub(crate) fn no_punch(_: BorrowedFd<'_>, _: sys::off_t, _: sys::off_t) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

/// Writes all bytes from the start of a new object, which makes it that long and takes the memory
/// for it.
pub(crate) fn write_new(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Failure> {
    // A slice is never longer than `isize::MAX`.
    let len = bytes.len() as sys::off_t;
    let growth = Growth { from: 0, to: len, ours: true, ignore_estimates: false };
    may_grow(fd, growth).map_err(|failure| Failure { operation: Operation::Write, ..failure })?;
    let mut done = 0;
    while done < bytes.len() {
        let written = match syscalls::write_at(fd, &bytes[done..], done as sys::off_t) {
            // Nothing written and no reason given: there is no room.
            Ok(0) => Err(Errno::NOSPC),
            result => result,
        };
        done += written.map_err(|errno| {
            // What has been written would count as taken.
            let _ = syscalls::set_len(fd, 0);
            let failure = shortage(fd, len, errno);
            Failure { operation: Operation::Write, ..failure }
        })?;
    }
    Ok(())
}

/// What an object lacks to never fault, although its length is final and nobody can punch holes
/// into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The system may lose such a page.
    HugePages,
    /// It has less memory than it is long.
    Memory,
}

/// What the object lacks, as far as counting tells. [`has_all_memory`] is sure.
pub(crate) fn lack_of(object: BorrowedFd<'_>, stat: &Stat) -> Option<Lack> {
    if limits::huge_page_of(object, stat).is_some() {
        Some(Lack::HugePages)
    } else {
        (allocated_by_file(stat) < stat.len()).then_some(Lack::Memory)
    }
}

/// Makes sure that there is memory behind every byte of an object of this length that no one can
/// take away any more. Counting blocks does not tell: some may lie past the end. So the kernel is
/// asked to reserve what is missing, or to read every page, if the descriptor can only read.
#[cfg(pshm_has_fallocate)]
pub(crate) fn has_all_memory(object: BorrowedFd<'_>, len: u64) -> Result<(), Failure> {
    let to = syscalls::off_t(len, Operation::Reserve)?;
    let range = Growth { from: 0, to, ours: false, ignore_estimates: false };
    let Err(failure) = range_by_fallocate(object, range) else { return Ok(()) };
    // If it was this that refused it, it refuses it again.
    limits::may_fill(object, &range)?;
    let Err(errno) = syscalls::populate_read(object, len) else { return Ok(()) };
    Err(match failure.errno() {
        Some(Errno::BADF) => {
            let failure = Failure::new(Operation::Reserve, errno).with_detail(failure.detail);
            failure.with_hint(
                "not all of its memory is there, or the system cannot tell through a read-only \
                 handle (Linux before 5.14)",
            )
        }
        // No seal forbids to reserve what is inside the object.
        Some(Errno::PERM) => failure.with_hint("the system forbids the call, as a sandbox does"),
        _ => failure,
    })
}

/// No system without seals and reserved memory can tell.
#[cfg(not(pshm_has_fallocate))]
pub(crate) fn has_all_memory(_: BorrowedFd<'_>, _: u64) -> Result<(), Failure> {
    Err(Failure::new(Operation::Reserve, Errno::OPNOTSUPP))
}
