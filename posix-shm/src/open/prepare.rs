//! Makes a request of [`OpenOptions`], fills a new object as they say, and makes the handle.

use std::ffi::{CStr, CString};
use std::io::ErrorKind;
use std::os::fd::BorrowedFd;

use posix_shm_sys as sys;

use super::OpenOptions;
use super::attempt::{Opened, Outcome, Request, Unfilled};
use super::policy::{IfDoesNotExist, IfExists, Policy};
use crate::direction::Direction;
use crate::error::{Error, Result};
use crate::failure::{Failure, Operation};
use crate::holding;
use crate::imp::{self, Draft, Growth};
use crate::map::{self, Mapping, ReadWrite};
use crate::name::ShmName;
use crate::permissions::Permissions;
use crate::shm::{Origin, Shm, UNKNOWN};

/// What the system shows of an anonymous object.
const LABEL: &CStr = c"posix-shm";

impl OpenOptions {
    /// Opens an object that exists, whatever it is.
    pub(crate) fn open_plainly(
        name: ShmName,
        direction: Direction,
        ignore_estimates: bool,
    ) -> Result<Shm> {
        match imp::open(name.as_c_str(), direction, false) {
            Ok(fd) => {
                let origin = Origin { ignore_estimates, ..Origin::default() };
                Ok(Shm::new(fd, Some(name), Some(direction), origin, None))
            }
            Err(errno) => Err(Failure::new(Operation::Open, errno).named(Some(&name))),
        }
    }

    pub(crate) fn open_named(&self, name: ShmName) -> Result<Shm> {
        if self.only_opens() {
            return OpenOptions::open_plainly(name, self.direction, self.ignore_estimates);
        }
        let bytes = self.length(Some(&name))?;
        self.open_filled(name, &mut |object| Ok(self.fill(object, bytes)?))
    }

    /// Whether the options do no more than [`open_plainly`](OpenOptions::open_plainly).
    #[inline]
    fn only_opens(&self) -> bool {
        let creates = self.if_does_not_exist == Some(IfDoesNotExist::Create);
        let looks = self.at_least > 0 || self.present || !self.wait.is_zero();
        let sizes = self.size > 0 || self.resize || self.huge_pages.is_some();
        self.if_exists == IfExists::Overwrite && !creates && !looks && !sizes
    }

    /// [`open`](OpenOptions::open), with another way to fill a new object.
    #[inline]
    pub(crate) fn open_filled(
        &self,
        name: ShmName,
        fill: &mut impl FnMut(BorrowedFd<'_>) -> Result<(), Unfilled>,
    ) -> Result<Shm> {
        let request = self.request(&name, false)?;
        let opened = request.opened(request.attempt(fill))?;
        self.handle_of(opened, name)
    }

    pub(super) fn open_named_optional(&self, name: ShmName) -> Result<Option<Shm>> {
        let bytes = self.length(Some(&name))?;
        let request = self.request(&name, false)?;
        let outcome = request.attempt(&mut |object| Ok(self.fill(object, bytes)?));
        if let Ok(Outcome::Absent | Outcome::Present) = outcome {
            return Ok(None);
        }
        let opened = request.opened(outcome)?;
        self.handle_of(opened, name).map(Some)
    }

    pub(super) fn open_named_mapped(&self, name: ShmName) -> Result<(Shm, Mapping<ReadWrite>)> {
        let bytes = self.length(Some(&name))?;
        let request = self.request(&name, false)?;
        let all = self.maps_all();
        if !all {
            self.check_mappable(request.policy.may_create(), Some(&name))?;
        }
        // Of the last object that was filled: all of it, or what the options say.
        let (mut whole, mut part) = (None, None);
        let outcome = request.attempt(&mut |object| {
            self.fill(object, bytes)?;
            if all {
                whole = Some(self.map_options.map_new_whole(object, self.size)?);
            } else {
                part = Some(self.map_options.map_new(object, self.size, false)?);
            }
            Ok(())
        });
        let opened = request.opened(outcome)?;
        if !opened.created {
            return self.map_found(opened, name);
        }
        let object = self.handle(opened, Some(name));
        match (whole, part) {
            (Some(whole), _) => Ok((object, whole.into_mapping())),
            (None, Some(part)) => Ok((object, part)),
            (None, None) => unreachable!("a new object is filled"),
        }
    }

    /// Maps an object that exists, and gives it the size, if that is wanted.
    fn map_found(&self, opened: Opened, name: ShmName) -> Result<(Shm, Mapping<ReadWrite>)> {
        let object = self.handle(opened, Some(name));
        // What can fail comes before what cannot be undone.
        if self.resize && object.len()? > self.size {
            let (options, size) = (&self.map_options, self.size);
            let mapping = options.map_before_cut(object.fd(), size, object.name())?;
            self.resize_found(&object)?;
            return Ok((object, mapping));
        }
        self.resize_found(&object)?;
        let mapping = self.map_options.map_named(object.fd(), object.name())?;
        Ok((object, mapping))
    }

    pub(super) fn open_unnamed(&self) -> Result<Shm> {
        let bytes = self.length(None)?;
        if self.is_usual() {
            return Ok(self.anonymous(true, |object| self.fill(object, bytes))?.0);
        }
        Ok(self.anonymous(false, |object| self.fill(object, bytes))?.0)
    }

    pub(super) fn open_unnamed_mapped(&self) -> Result<(Shm, Mapping<ReadWrite>)> {
        let bytes = self.length(None)?;
        if self.is_usual() && self.maps_all() {
            let (object, mapping) = self.anonymous(true, |object| {
                self.fill(object, bytes)?;
                self.map_options.map_new_whole(object, self.size)
            })?;
            return Ok((object, mapping.into_mapping()));
        }
        self.open_unnamed_part()
    }

    #[inline(never)]
    fn open_unnamed_part(&self) -> Result<(Shm, Mapping<ReadWrite>)> {
        let bytes = self.length(None)?;
        self.check_mappable(true, None)?;
        self.anonymous(false, |object| {
            self.fill(object, bytes)?;
            self.map_options.map_new(object, self.size, self.huge_pages.is_some())
        })
    }

    /// Whether an anonymous object needs nothing special.
    #[inline(always)]
    fn is_usual(&self) -> bool {
        let special = self.label.is_some() || self.huge_pages.is_some() || self.present;
        !special && self.direction == Direction::Io
    }

    /// Whether all of a new object is mapped, and nothing else is asked for.
    #[inline(always)]
    fn maps_all(&self) -> bool {
        let can_be_mapped = self.if_exists != IfExists::Truncate && self.direction == Direction::Io;
        can_be_mapped && self.map_options.maps_all(self.size)
    }

    /// Makes an object without a name.
    #[inline(always)]
    fn anonymous<T>(
        &self,
        usual: bool,
        fill: impl FnOnce(BorrowedFd<'_>) -> Result<T, Failure>,
    ) -> Result<(Shm, T)> {
        let mut draft = if usual {
            let permissions = self.permissions.map(Permissions::to_sys);
            imp::anonymous(imp::NAMESPACE, LABEL, permissions).map_err(unnamed)?
        } else {
            self.begin_special()?
        };
        let made = match fill(draft.object()) {
            Ok(made) => made,
            Err(failure) => return Err(unnamed(draft.abandon(failure))),
        };
        let presence = draft.take_presence();
        let fd = draft.keep_unnamed().map_err(unnamed)?;
        Ok((self.handle(Opened { fd, presence, created: true }, None), made))
    }

    #[inline(never)]
    fn begin_special(&self) -> Result<Draft<'static>> {
        if self.direction == Direction::Input {
            let why = "an anonymous read-only object could never have content; use Direction::Io";
            return Err(Failure::invalid(Operation::Create, why).named(None));
        }
        let label = self.c_label()?;
        let label = label.as_deref().unwrap_or(LABEL);
        self.begin_labelled(label).map_err(|failure| failure.named(None))
    }

    fn begin_labelled(&self, label: &CStr) -> Result<Draft<'static>, Failure> {
        let permissions = self.permissions.map(Permissions::to_sys);
        let mut draft = match self.huge_pages {
            None => imp::anonymous(imp::NAMESPACE, label, permissions)?,
            Some(pages) => {
                let size = pages.size();
                imp::anonymous_of_huge_pages(imp::NAMESPACE, label, permissions, size)?
            }
        };
        if self.huge_pages.is_some() {
            if let Err(failure) = self.check_whole(draft.object()) {
                return Err(draft.abandon(failure));
            }
        }
        if self.present {
            if let Err(obstacle) = holding::hold_presence_on_new(&mut draft) {
                return Err(draft.abandon(obstacle.into()));
            }
        }
        Ok(draft)
    }

    /// Gives a new object its length.
    #[inline(always)]
    pub(super) fn fill(&self, object: BorrowedFd<'_>, bytes: sys::off_t) -> Result<(), Failure> {
        let ignore_estimates = self.ignore_estimates;
        match bytes {
            0 => Ok(()),
            bytes if self.sparse => imp::resize(object, bytes),
            to => imp::reserve(object, Growth { from: 0, to, ours: true, ignore_estimates }),
        }
    }

    /// Refuses a size that is not a multiple of the object's huge pages.
    fn check_whole(&self, object: BorrowedFd<'_>) -> Result<(), Failure> {
        let stat = imp::stat(object).map_err(Failure::of(Operation::Metadata))?;
        match imp::huge_page_of(object, &stat) {
            Some(page) if self.size % page != 0 => {
                let why = format!(
                    "a size of {} bytes is not a multiple of its huge pages, of {page} bytes each",
                    self.size
                );
                Err(Failure::invalid(Operation::Create, why))
            }
            _ => Ok(()),
        }
    }

    #[inline(always)]
    pub(super) fn request<'a>(&self, name: &'a ShmName, lent: bool) -> Result<Request<'a>> {
        let policy = Policy::of(self.direction, self.if_exists, self.if_does_not_exist)
            .map_err(|why| Failure::invalid(Operation::Open, why).named(Some(name)))?;
        let refuse = |why| Err(Failure::invalid(Operation::Open, why).named(Some(name)));
        if self.huge_pages.is_some() {
            return refuse("only anonymous objects can have huge pages from a pool");
        }
        if self.resize && self.direction == Direction::Input {
            return refuse("resizing an object takes a handle that can write; use Direction::Io");
        }
        if self.resize && self.size == 0 {
            return refuse("resize gives an object the size, so set one; to empty it, truncate");
        }
        if self.if_exists == IfExists::Truncate && (self.resize || self.at_least > 0) {
            return refuse(
                "IfExists::Truncate empties an object, so neither resize nor at_least goes with it",
            );
        }
        // An initialiser may still make a new object longer.
        let is_short = self.size < self.at_least;
        if is_short && (self.resize || policy.may_create() && !lent) {
            return refuse(
                "the size is less than at_least, so the call would refuse its own object",
            );
        }
        Ok(Request {
            name,
            policy,
            direction: self.direction,
            permissions: self.permissions.unwrap_or_default(),
            ignore_umask: self.ignore_umask,
            size: self.size,
            lent,
            // An object that is waited for must have a length, unless this call gives it one.
            at_least: match self.resize {
                true => 0,
                false => self.at_least.max(u64::from(!self.wait.is_zero())),
            },
            wait: self.wait,
            present: self.present,
        })
    }

    /// The label as the system takes it.
    #[inline]
    pub(super) fn c_label(&self) -> Result<Option<CString>> {
        /// Linux puts `memfd:` before it, and takes 255 bytes in all.
        const LONGEST: usize = 249;
        let refuse = |why| Failure::invalid(Operation::Create, why).named(None);
        match &self.label {
            None => Ok(None),
            Some(text) if text.len() > LONGEST => Err(refuse("a label can have at most 249 bytes")),
            Some(text) => match CString::new(text.as_str()) {
                Ok(label) => Ok(Some(label)),
                Err(_) => Err(refuse("a label cannot have a NUL byte")),
            },
        }
    }

    /// The handle of what was opened. If it existed before, it gets the size, if that is wanted.
    #[inline(always)]
    pub(super) fn handle_of(&self, opened: Opened, name: ShmName) -> Result<Shm> {
        let existed = !opened.created;
        let object = self.handle(opened, Some(name));
        if existed {
            self.resize_found(&object)?;
        }
        Ok(object)
    }

    #[inline]
    fn handle(&self, opened: Opened, name: Option<ShmName>) -> Shm {
        let Opened { fd, presence, created } = opened;
        let is_anonymous = name.is_none();
        // What has a name may be open elsewhere. But if it was empty, it can only have grown.
        let is_known = self.size == 0
            || is_anonymous && imp::CAPABILITIES.exact_len && self.huge_pages.is_none();
        let origin = Origin {
            created,
            ignore_estimates: self.ignore_estimates,
            unprotected: is_anonymous && self.permissions.is_none(),
            known_len: if created && is_known { self.size } else { UNKNOWN },
        };
        Shm::new(fd, name, Some(self.direction), origin, presence)
    }

    /// Gives an existing object the size, if that is wanted.
    #[inline]
    pub(super) fn resize_found(&self, object: &Shm) -> Result<()> {
        match (self.resize, self.sparse) {
            (false, _) => Ok(()),
            (true, true) => object.set_len_sparse(self.size),
            (true, false) => object.set_len(self.size),
        }
    }

    /// The size as the system's type.
    #[inline]
    pub(super) fn length(&self, name: Option<&ShmName>) -> Result<sys::off_t> {
        imp::off_t(self.size, Operation::Create).map_err(|failure| failure.named(name))
    }

    /// Refuses a new object that the initialiser has left shorter than `at_least`.
    pub(super) fn check_filled(&self, object: BorrowedFd<'_>) -> Result<(), Failure> {
        if self.at_least == 0 {
            return Ok(());
        }
        let len = imp::stat(object).map_err(Failure::of(Operation::Metadata))?.len();
        if len < self.at_least {
            let why = format!(
                "the initialiser left it with {len} bytes, and at_least wants {}",
                self.at_least
            );
            return Err(Failure::refused(Operation::Create, ErrorKind::InvalidData, why));
        }
        Ok(())
    }

    /// Refuses options that leave nothing to map.
    #[inline]
    pub(super) fn check_mappable(&self, may_create: bool, name: Option<&ShmName>) -> Result<()> {
        let refuse = |why| Err(Failure::invalid(Operation::Map, why).named(name));
        match usize::try_from(self.size) {
            _ if self.direction == Direction::Input => {
                refuse("a writable mapping needs a writable handle; use Direction::Io")
            }
            _ if self.if_exists == IfExists::Truncate => {
                refuse("IfExists::Truncate would leave nothing to map")
            }
            Ok(0) if may_create => refuse(
                "an object that is created needs a size, or there is nothing to map; set size()",
            ),
            // Before anything is made or resized.
            Ok(1..=map::MAX_LEN) if may_create || self.resize => {
                self.map_options.check(self.size).map_err(|failure| failure.named(name))
            }
            Ok(..=map::MAX_LEN) => Ok(()),
            _ => Err(map::too_long(self.size).named(name)),
        }
    }
}

/// The error of an object without a name.
#[cold]
fn unnamed(failure: Failure) -> Error {
    failure.named(None)
}
