//! [`Region`]: the pages of a mapping, and the address space that is kept free behind them.
//!
//! ```text
//!  |lead|=======len=======|        |...room that nobody can touch...|
//!  |<------- mapped ------------->|
//!  |<--------------------------- room ----------------------------->|
//!  ^pages
//! ```

use std::ffi::c_int;
use std::io::ErrorKind;
use std::num::NonZero;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use posix_shm_sys as sys;

use crate::failure::{Detail, Errno, Failure, Operation};
use crate::imp::{self, Lost, Part, Stat};

/// The longest mapping: the longest pointer offset.
pub(crate) const MAX_LEN: usize = isize::MAX.unsigned_abs();

#[cold]
pub(crate) fn too_long(bytes: u64) -> Failure {
    Failure::invalid(Operation::Map, too_long_why(bytes))
}

pub(super) fn too_long_why(bytes: u64) -> String {
    format!("{bytes} bytes are more than one mapping can have ({MAX_LEN})")
}

/// Whether a mapping can have this many bytes.
#[inline]
pub(super) fn can_be_mapped_whole(object_len: u64) -> bool {
    object_len.wrapping_sub(1) < MAX_LEN as u64
}

/// How a region was mapped, for what is mapped later.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) protection: c_int,
    /// Writes stay in this process.
    pub(super) private: bool,
    pub(super) no_reserve: bool,
    /// The address of the first byte was given.
    pub(super) fixed: bool,
    /// What the address of the first page was made a multiple of, or as far from one as the offset
    /// is.
    pub(super) modulus: PowerOfTwo,
    /// Address space is kept free behind the pages.
    pub(super) has_room: bool,
    /// The size of the object's pages, if they are not the system's.
    pub(super) huge_page: Option<PowerOfTwo>,
    /// What is done to all that is mapped.
    pub(super) warm: Warm,
}

/// A power of two, in one byte: mappings are moved around, so they are kept small.
#[derive(Clone, Copy, Debug)]
pub(super) struct PowerOfTwo(NonZero<u8>);

impl PowerOfTwo {
    pub(super) const ONE: PowerOfTwo = PowerOfTwo(NonZero::<u8>::MIN);

    /// The callers have checked that it is one.
    pub(super) fn new(value: usize) -> PowerOfTwo {
        // At most 63.
        NonZero::new(value.trailing_zeros() as u8 + 1).map_or(PowerOfTwo::ONE, PowerOfTwo)
    }

    pub(super) fn get(self) -> usize {
        1 << (self.0.get() - 1)
    }
}

/// What an address leaves when it is divided by a power of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Align {
    pub(super) modulus: PowerOfTwo,
    pub(super) rest: usize,
}

impl Align {
    /// Any address will do.
    pub(super) const NONE: Align = Align { modulus: PowerOfTwo::ONE, rest: 0 };
}

/// What is done to pages once they are mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Warm {
    pub(super) collapse: bool,
    pub(super) populate: bool,
    pub(super) lock: bool,
}

impl How {
    /// For reading, and nothing special.
    const PLAIN: How = How {
        protection: sys::PROT_READ,
        private: false,
        no_reserve: false,
        fixed: false,
        modulus: PowerOfTwo::ONE,
        has_room: false,
        huge_page: None,
        warm: Warm { collapse: false, populate: false, lock: false },
    };

    pub(super) fn page(&self) -> usize {
        self.huge_page.map_or_else(imp::page_size, PowerOfTwo::get)
    }
}

/// Which object, if the system was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: NonZero<u64>,
}

impl Identity {
    /// `None` if the system gives objects no number.
    pub(super) fn of(stat: &Stat) -> Option<Identity> {
        Some(Identity { device: stat.device(), inode: NonZero::new(stat.inode())? })
    }
}

/// A range of mapped pages, and the part of it that the caller sees. Unmapped when dropped.
pub(crate) struct Region {
    /// The first mapped page.
    pages: NonNull<u8>,
    /// How far into it the mapping starts.
    lead: usize,
    len: usize,
    /// How many bytes are mapped; the system rounds up to whole pages. Huge pages are mapped as a
    /// whole.
    mapped: usize,
    /// How many bytes of address space are ours.
    room: usize,
    /// Where in the object the first page is.
    offset: sys::off_t,
    object: Option<Identity>,
    pub(super) how: How,
}

/// What to map.
pub(super) struct Wanted {
    pub(super) offset: sys::off_t,
    pub(super) lead: usize,
    pub(super) len: usize,
    pub(super) mapped: usize,
    /// At least `mapped`.
    pub(super) room: usize,
    /// Where, if that is free.
    pub(super) hint: usize,
    pub(super) object: Option<Identity>,
    /// What the address of the first page leaves when it is divided by the modulus.
    pub(super) rest: usize,
    pub(super) how: How,
}

/// How often an aligned address is looked for, if other threads take it meanwhile.
const ATTEMPTS: usize = 64;

impl Region {
    /// Maps an object of this length as a whole, at an address of the system's choice.
    #[inline(always)]
    pub(super) fn whole(
        fd: BorrowedFd<'_>,
        protection: c_int,
        private: bool,
        len: usize,
        object: Option<Identity>,
    ) -> Result<Region, Errno> {
        let how = How { protection, private, ..How::PLAIN };
        let pages = imp::map_part(&part(fd, 0, &how), len, 0)?;
        Ok(Region { pages, lead: 0, len, mapped: len, room: len, offset: 0, object, how })
    }

    /// The caller has checked that all of it lies inside the object.
    pub(super) fn map(fd: BorrowedFd<'_>, wanted: &Wanted) -> Result<Region, Failure> {
        let Wanted { offset, lead, len, mapped, room, hint, object, rest, how } = *wanted;
        let part = part(fd, offset, &how);
        let map_near = |hint| {
            if how.has_room {
                imp::map_with_room(&part, mapped, room, hint, how.huge_page.is_some())
            } else {
                imp::map_part(&part, mapped, hint)
            }
        };
        let modulus = how.modulus.get();
        for _ in 0..ATTEMPTS {
            let hint = match modulus {
                1 => hint,
                _ => imp::aligned_address(room, modulus, rest)
                    .map_err(Failure::of(Operation::Map))?,
            };
            let pages = map_near(hint).map_err(Failure::of(Operation::Map))?;
            if pages.addr().get() & (modulus - 1) == rest {
                return Ok(Region { pages, lead, len, mapped, room, offset, object, how });
            }
            // SAFETY: the range was mapped above, and nothing points into it.
            let _ = unsafe { imp::unmap(pages, room) };
        }
        let why = "other threads keep taking the aligned addresses";
        Err(Failure::refused(Operation::Map, ErrorKind::ResourceBusy, why))
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        at(self.pages, self.lead)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn page(&self) -> usize {
        self.how.page()
    }

    /// How long the mapping can become without moving.
    pub(super) fn capacity(&self) -> usize {
        if self.how.has_room { self.room - self.lead } else { self.len }
    }

    /// How long it could be, if the object were long enough.
    pub(super) fn longest(&self) -> usize {
        MAX_LEN - self.lead - self.page()
    }

    /// The whole pages around a range of the mapping: their address and length.
    pub(super) fn pages_of(&self, from: usize, to: usize) -> (NonNull<u8>, usize) {
        let page = self.page();
        let (from, to) = (self.lead + from, self.lead + to);
        let first = from - from % page;
        (at(self.pages, first), to.next_multiple_of(page) - first)
    }

    /// Whether what is written to it is written to the object.
    pub(super) fn writes_to_the_object(&self) -> bool {
        !self.how.private && self.how.protection & sys::PROT_WRITE != 0
    }

    /// Where in the object the mapping begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset.unsigned_abs() + self.lead as u64
    }

    /// Whether a place in the mapping is where a page begins or ends.
    pub(super) fn is_between_pages(&self, at: usize) -> bool {
        (self.lead + at) % self.page() == 0
    }

    pub(crate) fn unmap(self) -> Result<(), Errno> {
        std::mem::ManuallyDrop::new(self).unmap_pages()
    }

    /// Call it once.
    fn unmap_pages(&mut self) -> Result<(), Errno> {
        // SAFETY: these pages were given to this value alone. The value ends here, and every view
        // of them borrows from it.
        unsafe { imp::unmap_whole(self.pages, self.room.max(self.mapped)) }
    }

    /// `mprotect`.
    pub(super) fn protect(&mut self, protection: c_int) -> Result<(), Errno> {
        // SAFETY: the pages are this value's. No view of them is alive, since the value is borrowed
        // exclusively.
        unsafe { imp::set_protection(self.pages, self.mapped, protection) }?;
        self.how.protection = protection;
        Ok(())
    }

    /// Gives the pages after this many bytes to a region of their own. A page begins there.
    pub(super) fn split(self, bytes: usize) -> (Region, Region) {
        let whole = std::mem::ManuallyDrop::new(self);
        let here = whole.lead + bytes;
        let first = Region {
            pages: whole.pages,
            lead: whole.lead,
            len: bytes,
            mapped: here,
            room: here,
            offset: whole.offset,
            object: whole.object,
            how: How { has_room: false, ..whole.how },
        };
        let second = Region {
            pages: at(whole.pages, here),
            lead: 0,
            len: whole.len - bytes,
            mapped: whole.mapped - here,
            room: whole.room.max(whole.mapped) - here,
            // It lies inside the object, whose length fits the type.
            offset: whole.offset + here as sys::off_t,
            object: whole.object,
            // It begins where the first ends.
            how: How { modulus: PowerOfTwo::ONE, ..whole.how },
        };
        (first, second)
    }

    /// Unmaps all but the first bytes.
    pub(super) fn shrink(&mut self, len: usize) -> Result<(), Errno> {
        let page = self.page();
        let end = (self.lead + len).next_multiple_of(page);
        let old_end = self.mapped.next_multiple_of(page);
        if end < old_end {
            if self.how.has_room {
                // SAFETY: the pages are this value's. No view of them is alive, since the value is
                // borrowed exclusively.
                match unsafe {
                    imp::close_room(self.pages, end, old_end, self.how.huge_page.is_some())
                } {
                    Ok(()) => {}
                    Err(Lost::Nothing(errno)) => return Err(errno),
                    Err(Lost::Room(errno)) => {
                        self.lose_room(end, old_end);
                        self.len = len;
                        return Err(errno);
                    }
                }
            } else {
                // SAFETY: as above.
                unsafe { imp::unmap(at(self.pages, end), old_end - end) }?;
                self.room = end;
            }
            self.mapped = end;
        }
        self.len = len;
        Ok(())
    }

    /// Whose this part of the address space is now cannot be known, so it is never touched again.
    /// What is behind it goes too.
    fn lose_room(&mut self, from: usize, to: usize) {
        if self.room > to {
            // SAFETY: this part is still the region's own room, and nothing points into it.
            let _ = unsafe { imp::unmap(at(self.pages, to), self.room - to) };
        }
        self.mapped = self.mapped.min(from);
        self.room = from;
        self.how.has_room = false;
    }

    /// Makes the mapping longer. Returns whether it has moved.
    pub(super) fn grow(&mut self, fd: BorrowedFd<'_>, len: usize) -> Result<bool, Failure> {
        let wanted = (self.lead + len).next_multiple_of(self.page());
        let have = self.mapped.next_multiple_of(self.page());
        if wanted <= have {
            // The rest of the last page.
            self.len = len;
            return Ok(false);
        }
        let old_len = self.len;
        let moved = if self.how.has_room && wanted <= self.room {
            self.open_room(fd, have, wanted)?;
            false
        } else {
            self.move_to(fd, have, wanted)?
        };
        self.mapped = wanted;
        self.len = len;
        if let Err(failure) = self.warm(old_len, len) {
            // What was mapped before stays. What cannot be unmapped now goes with the rest.
            let _ = self.shrink(old_len);
            self.len = old_len;
            return Err(failure);
        }
        Ok(moved)
    }

    fn open_room(&mut self, fd: BorrowedFd<'_>, have: usize, wanted: usize) -> Result<(), Failure> {
        let part = part(fd, self.offset, &self.how);
        let huge = self.how.huge_page.is_some();
        // SAFETY: the range is this region's own room.
        match unsafe { imp::open_room(&part, self.pages, have, wanted, huge) } {
            Ok(()) => Ok(()),
            Err(Lost::Nothing(errno)) => Err(grow_failure(errno)),
            Err(Lost::Room(errno)) => {
                self.lose_room(have, wanted);
                Err(grow_failure(errno))
            }
        }
    }

    /// Moves the pages to where there is room for more of them.
    fn move_to(&mut self, fd: BorrowedFd<'_>, have: usize, wanted: usize) -> Result<bool, Failure> {
        if self.how.fixed {
            let why = "its address was given, so it cannot move; give it a capacity when mapping";
            return Err(Failure::refused(Operation::Grow, ErrorKind::Unsupported, why));
        }
        if self.how.modulus.get() == 1 && self.how.huge_page.is_none() {
            // SAFETY: the pages are this value's. No view of them is alive, since the value is
            // borrowed exclusively.
            match unsafe { imp::remap(self.pages, have, wanted, true) } {
                Ok(pages) => {
                    let moved = pages != self.pages;
                    if self.room > have {
                        // The room stays behind, and is of no more use.
                        // SAFETY: it is this region's own, and nothing points into it.
                        let _ = unsafe { imp::unmap(at(self.pages, have), self.room - have) };
                    }
                    self.pages = pages;
                    self.room = wanted;
                    self.how.has_room = false;
                    return Ok(moved);
                }
                Err(errno) if !map_anew_after(errno) => return Err(grow_failure(errno)),
                Err(_) => {}
            }
        }
        if self.how.private {
            let why = "what was written to it would be lost, since it must be mapped again here; \
                       give it a capacity when mapping";
            return Err(Failure::refused(Operation::Grow, ErrorKind::Unsupported, why));
        }
        if self.object.is_none() && imp::CAPABILITIES.tell_objects_apart {
            let why = "it must be mapped again here, and which object it shows is not known; give \
                       it a capacity, or map it with Shm::map_mut";
            return Err(Failure::refused(Operation::Grow, ErrorKind::Unsupported, why));
        }
        let anew = Wanted {
            offset: self.offset,
            lead: self.lead,
            len: self.len,
            mapped: wanted,
            room: wanted,
            hint: 0,
            object: self.object,
            rest: self.pages.addr().get() & (self.how.modulus.get() - 1),
            how: How { has_room: false, ..self.how },
        };
        let anew = Region::map(fd, &anew)
            .map_err(|failure| Failure { operation: Operation::Grow, ..failure })?;
        *self = anew;
        if self.how.warm != Warm::default() {
            // The old pages were warm too.
            self.warm(0, self.len)?;
        }
        Ok(true)
    }

    /// Finds out whether the region shows this object, if nobody asked when it was mapped. If it
    /// shows another one, refuses this one.
    pub(super) fn identify(&mut self, object: BorrowedFd<'_>, stat: &Stat) -> Result<(), Failure> {
        if self.object.is_none() && imp::CAPABILITIES.tell_objects_apart {
            match imp::shows(self.pages, object) {
                Some(true) => self.object = Identity::of(stat),
                Some(false) => return Err(another_object()),
                None => {}
            }
        }
        Ok(())
    }

    /// Refuses an object that the region does not show, or that is too short for this length.
    pub(super) fn check(&self, stat: &Stat, len: usize) -> Result<(), Failure> {
        let refuse = |why: String| Err(Failure::invalid(Operation::Grow, why));
        if stat.is_certainly_no_object() {
            return refuse("this is not a shared memory object".into());
        }
        if imp::CAPABILITIES.tell_objects_apart
            && self.object.is_some_and(|object| Some(object) != Identity::of(stat))
        {
            return Err(another_object());
        }
        let (offset, object_len) = (self.offset(), stat.len());
        match offset.checked_add(len as u64) {
            Some(end) if end <= object_len => Ok(()),
            _ => refuse(format!(
                "from offset {offset}, that reaches past the end of the object, which has \
                 {object_len} bytes; make the object longer first (Shm::grow)"
            )),
        }
    }

    /// Does to a range what the options say about all pages.
    pub(super) fn warm(&self, from: usize, to: usize) -> Result<(), Failure> {
        let Warm { collapse, populate, lock } = self.how.warm;
        if collapse {
            // What is new may fill a huge page that was begun before.
            let begun = imp::transparent_page().map_or(from, |size| from.saturating_sub(size));
            self.collapse(begun, to)?;
        }
        if populate {
            self.populate(from, to, 1, &mut |_| std::ops::ControlFlow::Continue(()))?;
        }
        if lock {
            self.lock(from, to)?;
        }
        Ok(())
    }
}

/// After these, mapping the object again may help. The first is said of a mapping that has parts
/// with settings of their own.
fn map_anew_after(errno: Errno) -> bool {
    [Errno::FAULT, Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS, Errno::PERM, Errno::ACCES]
        .contains(&errno)
}

#[cold]
fn another_object() -> Failure {
    Failure::invalid(Operation::Grow, "this is another object than the one that is mapped")
}

fn grow_failure(errno: Errno) -> Failure {
    Failure::new(Operation::Grow, errno)
}

#[inline]
fn part<'fd>(object: BorrowedFd<'fd>, offset: sys::off_t, how: &How) -> Part<'fd> {
    let How { protection, private, no_reserve, .. } = *how;
    Part { object, offset, protection, private, no_reserve }
}

/// An address in a range of pages of ours.
pub(super) fn at(pages: NonNull<u8>, bytes: usize) -> NonNull<u8> {
    let at = pages.as_ptr().wrapping_add(bytes);
    // SAFETY: the callers stay inside a range of addresses of ours or at its end. No such range
    // reaches up to where addresses wrap around to null.
    unsafe { NonNull::new_unchecked(at) }
}

/// The failure of something that is done to a range of a mapping.
pub(super) fn range_failure(
    operation: Operation,
    from: usize,
    to: usize,
) -> impl Fn(Errno) -> Failure {
    move |errno| Failure::new(operation, errno).with_detail(Detail::Part { from, to })
}

/// A shared mapping of a whole object. Unmapped when dropped, unless it has become a [`Region`].
pub(crate) struct WholePages {
    pages: NonNull<u8>,
    len: usize,
}

impl WholePages {
    #[inline(always)]
    pub(super) fn map(
        fd: BorrowedFd<'_>,
        protection: c_int,
        len: usize,
    ) -> Result<WholePages, Errno> {
        let how = How { protection, ..How::PLAIN };
        let pages = imp::map_part(&part(fd, 0, &how), len, 0)?;
        Ok(WholePages { pages, len })
    }

    #[inline(always)]
    pub(super) fn into_region(self, protection: c_int) -> Region {
        let WholePages { pages, len } = *std::mem::ManuallyDrop::new(self);
        let how = How { protection, ..How::PLAIN };
        Region { pages, lead: 0, len, mapped: len, room: len, offset: 0, object: None, how }
    }
}

impl Drop for WholePages {
    fn drop(&mut self) {
        // SAFETY: these pages were given to this value alone, and nothing points into them yet.
        let _ = unsafe { imp::unmap_whole(self.pages, self.len) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // A drop cannot report an error; `unmap` does.
        let _ = self.unmap_pages();
    }
}

// SAFETY: a region is an address range of the process and nothing else. Any thread may unmap it.
unsafe impl Send for Region {}
// SAFETY: a shared reference only tells addresses, and does to pages what any thread may do.
unsafe impl Sync for Region {}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
