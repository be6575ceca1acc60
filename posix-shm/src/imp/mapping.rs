//! The calls that make and change mappings: `mmap`, `mremap`, `mprotect`, and the address space
//! that is kept free behind a mapping.
//!
//! Nothing here ever replaces a mapping that is not ours. `MAP_FIXED` is used only over address
//! space that this library has reserved. If that fails, some systems leave a gap, into which
//! another thread may have mapped by then. The caller is told ([`Lost`]), and never touches that
//! range again.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

use posix_shm_sys as sys;

use super::syscalls::{self, unmap};
use crate::failure::{Errno, cvt, cvt_retry};

/// A part of an object, and how to map it.
#[derive(Clone, Copy)]
pub(crate) struct Part<'fd> {
    pub(crate) object: BorrowedFd<'fd>,
    /// Where the part begins: at a page of the object's.
    pub(crate) offset: sys::off_t,
    pub(crate) protection: c_int,
    /// Writes stay in this process.
    pub(crate) private: bool,
    pub(crate) no_reserve: bool,
}

impl Part<'_> {
    fn flags(&self) -> c_int {
        let sharing = if self.private { sys::MAP_PRIVATE } else { sys::MAP_SHARED };
        #[cfg(pshm_has_map_noreserve)]
        if self.no_reserve {
            return sharing | sys::MAP_NORESERVE;
        }
        sharing
    }

    /// The rest of the part, from this many bytes on.
    fn after(&self, bytes: usize) -> Self {
        // The end of what is mapped lies inside the object, whose length fits the type.
        Part { offset: self.offset + bytes as sys::off_t, ..*self }
    }
}

/// Why address space could not be taken for an object.
#[derive(Debug)]
pub(crate) enum Lost {
    /// It is still reserved.
    Nothing(Errno),
    /// It may have been lost: nothing may touch it any more.
    Room(Errno),
}

/// `mmap`, at an address of the system's choice, or near `hint` if that is free.
#[inline]
pub(crate) fn map_part(part: &Part<'_>, len: usize, hint: usize) -> Result<NonNull<u8>, Errno> {
    map_as(part, part.protection, len, hint)
}

#[inline]
fn map_as(
    part: &Part<'_>,
    protection: c_int,
    len: usize,
    hint: usize,
) -> Result<NonNull<u8>, Errno> {
    syscalls::map(part.object, protection, part.flags(), part.offset, len, hint)
}

/// `mmap` with `MAP_FIXED`.
///
/// # Safety
///
/// The range is address space that the caller has reserved, and nothing uses it.
unsafe fn map_over(part: Option<&Part<'_>>, start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    let at = start.as_ptr().cast();
    let (protection, flags, fd, offset) = match part {
        Some(part) => (part.protection, part.flags(), part.object.as_raw_fd(), part.offset),
        None => (sys::PROT_NONE, FREE_SPACE, -1, 0),
    };
    // SAFETY: the caller's promise: only reserved address space is replaced.
    cvt(unsafe { sys::mmap(at, len, protection, flags | sys::MAP_FIXED, fd, offset) }).map(drop)
}

/// The flags of address space without memory.
const FREE_SPACE: c_int = {
    #[cfg(pshm_has_map_noreserve)]
    let no_reserve = sys::MAP_NORESERVE;
    #[cfg(not(pshm_has_map_noreserve))]
    let no_reserve = 0;
    sys::MAP_PRIVATE | sys::MAP_ANONYMOUS | no_reserve
};

/// Reserves address space that nobody can touch: `mmap` with `PROT_NONE`.
fn reserve_space(len: usize, hint: usize) -> Result<NonNull<u8>, Errno> {
    let hint = ptr::without_provenance_mut::<c_void>(hint);
    // SAFETY: without MAP_FIXED the call replaces no mapping.
    let start = cvt(unsafe { sys::mmap(hint, len, sys::PROT_NONE, FREE_SPACE, -1, 0) })?;
    NonNull::new(start.cast()).ok_or(Errno::NOMEM)
}

/// An address that was free a moment ago for this many bytes, and that leaves `rest` when it is
/// divided by `modulus`, a power of two. Another thread may take it.
pub(crate) fn aligned_address(len: usize, modulus: usize, rest: usize) -> Result<usize, Errno> {
    let total = len.checked_add(modulus).ok_or(Errno::NOMEM)?;
    let start = reserve_space(total, 0)?;
    // If it fails, the address is taken, and the caller asks for another.
    // SAFETY: the range was reserved above, and nothing else knows of it.
    let _ = unsafe { unmap(start, total) };
    let address = start.addr().get();
    // Not past the end: at most `modulus` further.
    Ok(address + (rest.wrapping_sub(address) & (modulus - 1)))
}

/// Unmaps a mapping whose pages may be larger than the caller knows: those of a new object are not
/// asked for, and the system takes whole pages alone.
///
/// # Safety
///
/// As [`unmap`]. The length is that with which the whole range was mapped.
#[inline]
pub(crate) unsafe fn unmap_whole(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    match unsafe { unmap(start, len) } {
        Err(Errno::INVAL) => {
            let page = kernel_page_at(start).filter(|page| len % page != 0).ok_or(Errno::INVAL)?;
            // SAFETY: the caller's promise: it was mapped in pages of this size, so up to there.
            unsafe { unmap(start, len.next_multiple_of(page)) }
        }
        result => result,
    }
}

/// The size of the pages of the mapping that begins here, as `/proc` has it.
#[cold]
fn kernel_page_at(start: NonNull<u8>) -> Option<usize> {
    let maps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let begins = format!("{:x}-", start.addr());
    let mut lines = maps.lines().skip_while(|line| !line.starts_with(&begins));
    let size = lines.find_map(|line| line.strip_prefix("KernelPageSize:"))?;
    let kilobytes: usize = size.trim().strip_suffix(" kB")?.parse().ok()?;
    kilobytes.checked_mul(1024).filter(|size| size.is_power_of_two())
}

/// `mprotect`.
///
/// # Safety
///
/// The range consists of mappings of the caller's, and no reference into it needs a protection that
/// it loses.
pub(crate) unsafe fn set_protection(
    start: NonNull<u8>,
    len: usize,
    protection: c_int,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    cvt(unsafe { sys::mprotect(start.as_ptr().cast(), len, protection) }).map(drop)
}

/// Makes a mapping longer and moves it if need be: `mremap`. If it fails, nothing has changed.
///
/// # Safety
///
/// The range is one mapping of the caller's, and nothing points into it.
#[cfg(pshm_has_mremap)]
pub(crate) unsafe fn remap_by_mremap(
    start: NonNull<u8>,
    len: usize,
    to: usize,
    may_move: bool,
) -> Result<NonNull<u8>, Errno> {
    let flags = if may_move { sys::MREMAP_MAYMOVE } else { 0 };
    let at = start.as_ptr().cast();
    // SAFETY: the caller's promise. Without MREMAP_FIXED the call replaces no mapping.
    let moved = cvt(unsafe { sys::mremap(at, len, to, flags, ptr::null_mut()) })?;
    NonNull::new(moved.cast()).ok_or(Errno::NOMEM)
}

/// The same on a system that cannot.
///
/// # Safety
///
/// None is needed: nothing is done.
pub(crate) unsafe fn no_remap(
    _: NonNull<u8>,
    _: usize,
    _: usize,
    _: bool,
) -> Result<NonNull<u8>, Errno> {
    Err(Errno::OPNOTSUPP)
}

// ---- Room behind a mapping that is the object's own ----
//
// On Linux a mapping may reach past the end of its object. So the room is mapped along, without
// access, and `mprotect` opens it. That leaves no moment in which a range belongs to nobody. For
// objects of huge pages it would take pages out of their pool, so they get the other kind of room.

/// Maps the first `len` bytes, and keeps address space behind them up to `room` bytes.
pub(crate) fn map_with_room_of_object(
    part: &Part<'_>,
    len: usize,
    room: usize,
    hint: usize,
    huge: bool,
) -> Result<NonNull<u8>, Errno> {
    if huge {
        return map_with_reserved_room(part, len, room, hint, huge);
    }
    let start = map_as(part, sys::PROT_NONE, room, hint)?;
    // SAFETY: the mapping was made above, and nothing points into it.
    let opened = unsafe { set_protection(start, len, part.protection) };
    opened.map(|()| start).map_err(|errno| {
        // SAFETY: the mapping was made above, and nothing points into it.
        let _ = unsafe { unmap(start, room) };
        // If it is the object that forbids it, `mmap` says why.
        match map_part(part, len, 0) {
            Ok(plain) => {
                // SAFETY: the mapping was made above, and nothing points into it.
                let _ = unsafe { unmap(plain, len) };
                errno
            }
            Err(errno) => errno,
        }
    })
}

/// Opens a part of the room for access.
///
/// # Safety
///
/// The range is room of a mapping that [`map_with_room_of_object`] made.
pub(crate) unsafe fn open_room_of_object(
    part: &Part<'_>,
    pages: NonNull<u8>,
    from: usize,
    to: usize,
    huge: bool,
) -> Result<(), Lost> {
    if huge {
        // SAFETY: the caller's promise.
        return unsafe { open_reserved_room(part, pages, from, to, huge) };
    }
    // SAFETY: the caller's promise; nothing points into room.
    unsafe { set_protection(offset(pages, from), to - from, part.protection) }
        .map_err(Lost::Nothing)
}

/// Turns the end of a mapping into room again.
///
/// # Safety
///
/// The range is part of a mapping that [`map_with_room_of_object`] made, and nothing points into
/// it.
#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
pub(crate) unsafe fn close_room_of_object(
    pages: NonNull<u8>,
    from: usize,
    to: usize,
    huge: bool,
) -> Result<(), Lost> {
    if huge {
        // SAFETY: the caller's promise.
        return unsafe { close_reserved_room(pages, from, to, huge) };
    }
    let (start, len) = (offset(pages, from), to - from);
    // SAFETY: the caller's promise.
    unsafe { set_protection(start, len, sys::PROT_NONE) }.map_err(Lost::Nothing)?;
    // Gives back the page tables, and the pages that a private mapping has copied. If something
    // forbids it they stay, behind PROT_NONE, until the mapping goes.
    // SAFETY: nothing points into the range any more.
    if unsafe { advise(start, len, sys::MADV_DONTNEED) } == Err(Errno::INVAL) {
        // The pages are locked.
        let _ = unlock(start, len);
        // SAFETY: nothing points into the range any more.
        let _ = unsafe { advise(start, len, sys::MADV_DONTNEED) };
    }
    Ok(())
}

// ---- Room that is reserved without the object ----

/// Maps the first `len` bytes, and keeps address space behind them up to `room` bytes.
pub(crate) fn map_with_reserved_room(
    part: &Part<'_>,
    len: usize,
    room: usize,
    hint: usize,
    _: bool,
) -> Result<NonNull<u8>, Errno> {
    can_be_mapped(part, len)?;
    let start = reserve_space(room, hint)?;
    // SAFETY: the range was reserved above, and nothing points into it.
    match unsafe { map_over(Some(part), start, len) } {
        Ok(()) => Ok(start),
        Err(errno) => {
            if room > len {
                // The first `len` bytes may be another thread's by now.
                // SAFETY: this part of the range was reserved above, and nothing has replaced it.
                let _ = unsafe { unmap(offset(start, len), room - len) };
            }
            Err(errno)
        }
    }
}

/// Maps a part of the object into the room.
///
/// # Safety
///
/// The range is room of a mapping that [`map_with_reserved_room`] made, `part` what that mapping
/// shows.
pub(crate) unsafe fn open_reserved_room(
    part: &Part<'_>,
    pages: NonNull<u8>,
    from: usize,
    to: usize,
    _: bool,
) -> Result<(), Lost> {
    let part = part.after(from);
    can_be_mapped(&part, to - from).map_err(Lost::Nothing)?;
    // SAFETY: the caller's promise.
    unsafe { map_over(Some(&part), offset(pages, from), to - from) }.map_err(Lost::Room)
}

/// Turns the end of a mapping into room again.
///
/// # Safety
///
/// The range is part of a mapping that [`map_with_reserved_room`] made, and nothing points into it.
pub(crate) unsafe fn close_reserved_room(
    pages: NonNull<u8>,
    from: usize,
    to: usize,
    _: bool,
) -> Result<(), Lost> {
    // SAFETY: the caller's promise.
    unsafe { map_over(None, offset(pages, from), to - from) }.map_err(Lost::Room)
}

/// Whether the object lets a part of it be mapped: finds out before anything is replaced.
fn can_be_mapped(part: &Part<'_>, len: usize) -> Result<(), Errno> {
    let start = map_part(part, len, 0)?;
    // SAFETY: the mapping was made above, and nothing points into it.
    let _ = unsafe { unmap(start, len) };
    Ok(())
}

/// An address in a range of ours.
fn offset(pages: NonNull<u8>, bytes: usize) -> NonNull<u8> {
    let at = pages.as_ptr().wrapping_add(bytes);
    // SAFETY: the callers stay inside a range of addresses, which does not reach up to where they
    // wrap around to null.
    unsafe { NonNull::new_unchecked(at) }
}

// ---- What is done to mapped pages ----

/// `madvise`, once.
///
/// # Safety
///
/// The advice leaves every byte that something points to as it is, or as if a peer had changed it.
pub(crate) unsafe fn advise(start: NonNull<u8>, len: usize, advice: c_int) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    cvt(unsafe { sys::madvise(start.as_ptr().cast(), len, advice) }).map(drop)
}

/// `mlock`.
pub(crate) fn lock(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: keeping pages in memory changes no byte. A range that is not mapped is an error.
    cvt(unsafe { sys::mlock(start.as_ptr().cast(), len) }).map(drop)
}

/// `munlock`.
pub(crate) fn unlock(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: as `lock`.
    cvt(unsafe { sys::munlock(start.as_ptr().cast(), len) }).map(drop)
}

/// How many of these pages are in memory: `mincore`.
#[cfg(pshm_has_mincore)]
pub(crate) fn resident_pages_by_mincore(start: NonNull<u8>, pages: usize) -> Result<usize, Errno> {
    const AT_ONCE: usize = 1024;
    let page = syscalls::page_size();
    let mut answers = [0_u8; AT_ONCE];
    let mut resident = 0;
    let mut done = 0;
    while done < pages {
        let count = AT_ONCE.min(pages - done);
        let at = offset(start, done * page).as_ptr().cast();
        // SAFETY: the pointer is to room for an answer for each page.
        match cvt(unsafe { sys::mincore(at, count * page, answers.as_mut_ptr()) }) {
            Err(Errno::AGAIN) => continue,
            result => result?,
        };
        // The other bits are reserved.
        resident += answers[..count].iter().filter(|answer| **answer & 1 != 0).count();
        done += count;
    }
    Ok(resident)
}

/// The same on a system that cannot tell.
pub(crate) fn no_resident_pages(_: NonNull<u8>, _: usize) -> Result<usize, Errno> {
    Err(Errno::OPNOTSUPP)
}

/// Something to tell the system about pages. `None` where the system does not have it.
#[derive(Clone, Copy)]
pub(crate) enum Wish {
    /// By `madvise`.
    Advice(c_int),
    /// By `minherit`.
    #[cfg(all(not(pshm_has_madv_dontfork), any(pshm_has_inherit_none, pshm_has_map_inherit_none)))]
    Inheritance(c_int),
}

/// The constant, if the headers have it.
macro_rules! wishes {
    ($($wish:ident: $constant:ident if $has:ident;)*) => {
        $(
            #[cfg($has)]
            pub(crate) const $wish: Option<Wish> = Some(Wish::Advice(sys::$constant));
            #[cfg(not($has))]
            pub(crate) const $wish: Option<Wish> = None;
        )*
    };
}

impl Wish {
    pub(crate) const NORMAL: Option<Wish> = Some(Wish::Advice(sys::MADV_NORMAL));
    pub(crate) const SEQUENTIAL: Option<Wish> = Some(Wish::Advice(sys::MADV_SEQUENTIAL));
    pub(crate) const RANDOM: Option<Wish> = Some(Wish::Advice(sys::MADV_RANDOM));
    pub(crate) const WILL_NEED: Option<Wish> = Some(Wish::Advice(sys::MADV_WILLNEED));
    pub(crate) const DONT_NEED: Option<Wish> = Some(Wish::Advice(sys::MADV_DONTNEED));

    wishes! {
        COLD: MADV_COLD if pshm_has_madv_cold;
        PAGE_OUT: MADV_PAGEOUT if pshm_has_madv_pageout;
        REMOVE: MADV_REMOVE if pshm_has_madv_remove;
        HUGE_PAGE: MADV_HUGEPAGE if pshm_has_madv_hugepage;
        NO_HUGE_PAGE: MADV_NOHUGEPAGE if pshm_has_madv_nohugepage;
        GUARD: MADV_GUARD_INSTALL if pshm_has_madv_guard_install;
        UNGUARD: MADV_GUARD_REMOVE if pshm_has_madv_guard_install;
    }

    #[cfg(pshm_has_madv_dontdump)]
    wishes! {
        DONT_DUMP: MADV_DONTDUMP if pshm_has_madv_dontdump;
        DO_DUMP: MADV_DODUMP if pshm_has_madv_dontdump;
    }
    // FreeBSD's names.
    #[cfg(not(pshm_has_madv_dontdump))]
    wishes! {
        DONT_DUMP: MADV_NOCORE if pshm_has_madv_nocore;
        DO_DUMP: MADV_CORE if pshm_has_madv_nocore;
    }

    #[cfg(pshm_has_madv_dontfork)]
    wishes! {
        DONT_FORK: MADV_DONTFORK if pshm_has_madv_dontfork;
        DO_FORK: MADV_DOFORK if pshm_has_madv_dontfork;
    }
    // FreeBSD's names; then those of OpenBSD and NetBSD.
    #[cfg(all(not(pshm_has_madv_dontfork), pshm_has_inherit_none))]
    pub(crate) const DONT_FORK: Option<Wish> = Some(Wish::Inheritance(sys::INHERIT_NONE));
    #[cfg(all(not(pshm_has_madv_dontfork), pshm_has_inherit_none))]
    pub(crate) const DO_FORK: Option<Wish> = Some(Wish::Inheritance(sys::INHERIT_SHARE));
    #[cfg(all(not(any(pshm_has_madv_dontfork, pshm_has_inherit_none)), pshm_has_map_inherit_none))]
    pub(crate) const DONT_FORK: Option<Wish> = Some(Wish::Inheritance(sys::MAP_INHERIT_NONE));
    #[cfg(all(not(any(pshm_has_madv_dontfork, pshm_has_inherit_none)), pshm_has_map_inherit_none))]
    pub(crate) const DO_FORK: Option<Wish> = Some(Wish::Inheritance(sys::MAP_INHERIT_SHARE));
    #[cfg(not(any(pshm_has_madv_dontfork, pshm_has_inherit_none, pshm_has_map_inherit_none)))]
    wishes! {
        DONT_FORK: NONE if pshm_has_madv_dontfork;
        DO_FORK: NONE if pshm_has_madv_dontfork;
    }

    /// Tells it.
    ///
    /// # Safety
    ///
    /// It leaves every byte that something points to as it is, or as if a peer had changed it.
    pub(crate) unsafe fn tell(self, start: NonNull<u8>, len: usize) -> Result<(), Errno> {
        match self {
            Wish::Advice(advice) => {
                // SAFETY: the caller's promise.
                cvt_retry(|| unsafe { sys::madvise(start.as_ptr().cast(), len, advice) }).map(drop)
            }
            #[cfg(all(
                not(pshm_has_madv_dontfork),
                any(pshm_has_inherit_none, pshm_has_map_inherit_none)
            ))]
            Wish::Inheritance(inherit) => {
                // SAFETY: it only matters to a child.
                cvt(unsafe { sys::minherit(start.as_ptr().cast(), len, inherit) }).map(drop)
            }
        }
    }
}
