//! Mapping a whole object, and nothing special: what nearly every program does. It is straight
//! code. Everything else is in [`options`](super::options).

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use super::mapping::Mapping;
use super::markers::{Access, ReadWrite};
use super::options::MapOptions;
use super::region::{Identity, Region, WholePages, can_be_mapped_whole};
use crate::error::Result;
use crate::failure::{Errno, Failure, Operation};
use crate::imp::{self, Stat};
use crate::name::ShmName;

impl MapOptions {
    /// Maps the whole object: [`map_named`](MapOptions::map_named) without any options. If its
    /// length is certain, the system is not asked.
    #[inline(always)]
    pub(crate) fn map_all<A: Access>(
        object: BorrowedFd<'_>,
        certain_len: Option<u64>,
        name: Option<&ShmName>,
    ) -> Result<Mapping<A>> {
        if let Some(len) = certain_len.filter(|len| can_be_mapped_whole(*len)) {
            return match Region::whole(object, A::PROTECTION, A::PRIVATE, len as usize, None) {
                Ok(region) => Ok(Mapping::new(region)),
                Err(errno) => map_uncertain(object, name, errno),
            };
        }
        let mut room = MaybeUninit::uninit();
        let stat = match imp::stat_in(&mut room, object) {
            Ok(stat) => stat,
            Err(errno) => return Err(Failure::new(Operation::Metadata, errno).named(name)),
        };
        let is_usual = !stat.is_certainly_no_object() && imp::huge_page_of(object, stat).is_none();
        if !is_usual || !can_be_mapped_whole(stat.len()) {
            return map_unusual(object, name, stat);
        }
        let (len, identity) = (stat.len() as usize, Identity::of(stat));
        match Region::whole(object, A::PROTECTION, A::PRIVATE, len, identity) {
            Ok(region) => Ok(Mapping::new(region)),
            Err(errno) => Err(MapOptions::new().no_mapping(errno).named(name)),
        }
    }

    /// Whether these options map all of an object of this length, and ask for nothing else.
    #[inline]
    pub(crate) fn maps_all(&self, object_len: u64) -> bool {
        self.is_plain() && can_be_mapped_whole(object_len)
    }

    /// [`map_new`](MapOptions::map_new), if they [map all](MapOptions::maps_all).
    #[inline(always)]
    pub(crate) fn map_new_whole(
        &self,
        object: BorrowedFd<'_>,
        object_len: u64,
    ) -> Result<NewMapping, Failure> {
        // It is at most `MAX_LEN`.
        match WholePages::map(object, ReadWrite::PROTECTION, object_len as usize) {
            Ok(pages) => Ok(NewMapping::Whole(pages)),
            Err(errno) => self.map_new_otherwise(object, object_len, errno),
        }
    }

    #[cold]
    fn map_new_otherwise(
        &self,
        object: BorrowedFd<'_>,
        object_len: u64,
        errno: Errno,
    ) -> Result<NewMapping, Failure> {
        match errno {
            // The directory of the objects may be one of huge pages.
            Errno::INVAL => {
                Ok(NewMapping::Other(Box::new(self.map_new(object, object_len, false)?)))
            }
            errno => Err(self.no_mapping(errno)),
        }
    }
}

/// Maps an object that could not be mapped without asking about it, if it has huge pages.
#[cold]
fn map_uncertain<A: Access>(
    object: BorrowedFd<'_>,
    name: Option<&ShmName>,
    errno: Errno,
) -> Result<Mapping<A>> {
    match imp::stat(object) {
        Ok(stat) if errno == Errno::INVAL && imp::huge_page_of(object, &stat).is_some() => {
            map_unusual(object, name, &stat)
        }
        _ => Err(MapOptions::PLAIN.no_mapping(errno).named(name)),
    }
}

/// Maps an object that has huge pages, or says why it cannot be mapped.
#[inline(never)]
fn map_unusual<A: Access>(
    object: BorrowedFd<'_>,
    name: Option<&ShmName>,
    stat: &Stat,
) -> Result<Mapping<A>> {
    let region = MapOptions::new().region_at(object, A::PROTECTION, A::PRIVATE, stat);
    region.map(Mapping::new).map_err(|failure| failure.named(name))
}

/// A mapping of a new object, small enough to be handed around until the object is complete.
pub(crate) enum NewMapping {
    Whole(WholePages),
    /// Nearly never, so it may take an allocation.
    Other(Box<Mapping<ReadWrite>>),
}

impl NewMapping {
    /// The mapping, as such or in its box.
    #[inline(always)]
    pub(crate) fn whole(self) -> Result<Mapping<ReadWrite>, Box<Mapping<ReadWrite>>> {
        match self {
            NewMapping::Whole(pages) => Ok(Mapping::new(pages.into_region(ReadWrite::PROTECTION))),
            NewMapping::Other(mapping) => Err(mapping),
        }
    }
}
