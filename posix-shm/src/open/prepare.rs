//! Makes a request of [`OpenOptions`], fills a new object as they say, and makes the handle.

use std::ffi::{CStr, CString};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

use super::OpenOptions;
use super::attempt::{Fill, LOOK_FIRST, Opened, Outcome, Request};
use super::policy::{IfDoesNotExist, IfExists, Policy};
use crate::direction::Direction;
use crate::error::{Error, Result};
use crate::failure::{Errno, Failure, Operation};
use crate::holding;
use crate::imp::{self, Draft, Growth, Stopped};
use crate::map::{self, Mapping, ReadWrite, WholePages};
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
        // What creates at once has a size that the type can hold.
        let fill = |object: BorrowedFd<'_>| self.fill(object, self.size as sys::off_t);
        match self.create_at_once(self.only_creates(), &name, fill) {
            Ok((fd, ())) => Ok(self.new_handle(fd, name)),
            Err(Stopped::Before) if self.only_opens() => {
                OpenOptions::open_plainly(name, self.direction, self.ignore_estimates)
            }
            Err(stopped) => self.open_sized_from(name, stopped),
        }
    }

    /// [`imp::create_at_once`], if the options allow it.
    #[inline(always)]
    fn create_at_once<T>(
        &self,
        allowed: bool,
        name: &ShmName,
        fill: impl FnOnce(BorrowedFd<'_>) -> Result<T, Failure>,
    ) -> Result<(OwnedFd, T), Stopped> {
        if !allowed {
            return Err(Stopped::Before);
        }
        imp::create_at_once(name.as_c_str(), self.mode(), fill)
    }

    #[inline(never)]
    fn open_sized_from(&self, name: ShmName, stopped: Stopped) -> Result<Shm> {
        let bytes = self.length(Some(&name))?;
        self.open_from(name, stopped, &mut |object| Ok(self.fill(object, bytes)?))
    }

    /// Whether the options do no more than [`open_plainly`](OpenOptions::open_plainly).
    #[inline]
    fn only_opens(&self) -> bool {
        let creates = self.if_does_not_exist == Some(IfDoesNotExist::Create);
        let looks = self.at_least > 0 || self.present || !self.wait.is_zero();
        let sizes = self.size > 0 || self.resize || self.huge_pages.is_some();
        self.if_exists == IfExists::Overwrite && !creates && !looks && !sizes
    }

    /// Whether the options ask only for a new object of usual size, as nearly every creator does.
    /// `resize` and `wait` do not matter: they only affect objects that exist.
    #[inline(always)]
    fn only_creates(&self) -> bool {
        let creates = self.if_exists == IfExists::Error
            && self.direction == Direction::Io
            && self.if_does_not_exist != Some(IfDoesNotExist::Error);
        let special = self.present | self.ignore_umask | self.huge_pages.is_some();
        creates && !special && self.at_least == 0 && (1..LOOK_FIRST).contains(&self.size)
    }

    /// The permissions of a new object.
    #[inline(always)]
    fn mode(&self) -> sys::mode_t {
        self.permissions.unwrap_or_default().to_sys()
    }

    /// [`open`](OpenOptions::open), with another way to fill a new object.
    #[inline(always)]
    pub(crate) fn open_filled(
        &self,
        name: ShmName,
        fill: impl Fn(BorrowedFd<'_>) -> Result<(), Failure>,
    ) -> Result<Shm> {
        match self.create_at_once(self.only_creates(), &name, &fill) {
            Ok((fd, ())) => Ok(self.new_handle(fd, name)),
            Err(stopped) => self.open_from(name, stopped, &mut |object| Ok(fill(object)?)),
        }
    }

    /// [`open_filled`](OpenOptions::open_filled), from where the straight code has stopped.
    #[inline(never)]
    fn open_from(&self, name: ShmName, stopped: Stopped, fill: Fill<'_>) -> Result<Shm> {
        let request = self.request(&name, false)?;
        let opened = request.opened(request.go_on(stopped, fill))?;
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
        let allowed = self.only_creates() && self.maps_all();
        match self.create_at_once(allowed, &name, |object| self.map_filled(object)) {
            Ok((fd, pages)) => Ok((self.new_handle(fd, name), pages.into_mapping())),
            Err(stopped) => self.open_mapped_from(name, stopped),
        }
    }

    /// Fills a new object and maps all of it.
    #[inline(always)]
    fn map_filled(&self, object: BorrowedFd<'_>) -> Result<WholePages, Failure> {
        // It can be mapped, so the type can hold it.
        self.fill(object, self.size as sys::off_t)?;
        self.map_options.map_new_whole(object, self.size)
    }

    /// [`open_mapped`](OpenOptions::open_mapped), from where the straight code has stopped.
    #[inline(never)]
    fn open_mapped_from(
        &self,
        name: ShmName,
        stopped: Stopped,
    ) -> Result<(Shm, Mapping<ReadWrite>)> {
        let bytes = self.length(Some(&name))?;
        let request = self.request(&name, false)?;
        let all = self.maps_all();
        if !all {
            self.check_mappable(request.policy.may_create(), Some(&name))?;
        }
        // Of the last object that was filled: all of it, or what the options say.
        let (mut whole, mut part) = (None, None);
        let outcome = request.go_on(stopped, &mut |object| {
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
        let mut tried = None;
        if self.is_usual() {
            match imp::anonymous_at_once(LABEL) {
                Ok(fd) => {
                    return match self.fill(fd.as_fd(), bytes) {
                        Ok(()) => Ok(self.handle(Opened::created(fd), None)),
                        Err(failure) => Err(unnamed(failure)),
                    };
                }
                Err(errno) => tried = Some(errno),
            }
        }
        self.anonymous(tried, &mut |object| self.fill(object, bytes))
    }

    pub(super) fn open_unnamed_mapped(&self) -> Result<(Shm, Mapping<ReadWrite>)> {
        let mut tried = None;
        if self.is_usual() && self.maps_all() {
            match imp::anonymous_at_once(LABEL) {
                Ok(fd) => {
                    return match self.map_filled(fd.as_fd()) {
                        Ok(pages) => {
                            Ok((self.handle(Opened::created(fd), None), pages.into_mapping()))
                        }
                        Err(failure) => Err(unnamed(failure)),
                    };
                }
                Err(errno) => tried = Some(errno),
            }
        }
        self.open_unnamed_part(tried)
    }

    /// [`open_unnamed_mapped`](OpenOptions::open_unnamed_mapped), of which the straight code has
    /// perhaps been tried.
    #[inline(never)]
    fn open_unnamed_part(&self, tried: Option<Errno>) -> Result<(Shm, Mapping<ReadWrite>)> {
        let bytes = self.length(None)?;
        self.check_mappable(true, None)?;
        let mut mapping = None;
        let object = self.anonymous(tried, &mut |object| {
            self.fill(object, bytes)?;
            let huge = self.huge_pages.is_some();
            mapping = Some(self.map_options.map_new(object, self.size, huge)?);
            Ok(())
        })?;
        match mapping {
            Some(mapping) => Ok((object, mapping)),
            None => unreachable!("a new object is filled"),
        }
    }

    /// Whether an anonymous object needs nothing special.
    #[inline(always)]
    fn is_usual(&self) -> bool {
        let special = self.label.is_some() | self.huge_pages.is_some() | self.present;
        !special && self.permissions.is_none() && self.direction == Direction::Io
    }

    /// Whether all of a new object is mapped, and nothing else is asked for.
    #[inline(always)]
    fn maps_all(&self) -> bool {
        let can_be_mapped = self.if_exists != IfExists::Truncate && self.direction == Direction::Io;
        can_be_mapped && self.huge_pages.is_none() && self.map_options.maps_all(self.size)
    }

    /// Makes an object without a name, if the straight code cannot, or has been tried.
    #[inline(never)]
    fn anonymous(
        &self,
        tried: Option<Errno>,
        fill: &mut dyn FnMut(BorrowedFd<'_>) -> Result<(), Failure>,
    ) -> Result<Shm> {
        let mut draft = match tried {
            Some(errno) => imp::anonymous_after(errno, imp::NAMESPACE, LABEL).map_err(unnamed)?,
            None => self.begin_special()?,
        };
        if let Err(failure) = fill(draft.object()) {
            return Err(unnamed(draft.abandon(failure)));
        }
        let presence = draft.take_presence();
        let fd = draft.keep_unnamed().map_err(unnamed)?;
        Ok(self.handle(Opened { fd, presence, created: true }, None))
    }

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
    pub(super) fn handle_of(&self, opened: Opened, name: ShmName) -> Result<Shm> {
        let existed = !opened.created;
        let object = self.handle(opened, Some(name));
        if existed {
            self.resize_found(&object)?;
        }
        Ok(object)
    }

    #[inline(always)]
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

    /// The handle of a new object that is not empty. Others may have it open already.
    #[inline(always)]
    fn new_handle(&self, fd: OwnedFd, name: ShmName) -> Shm {
        let ignore_estimates = self.ignore_estimates;
        let origin = Origin { created: true, ignore_estimates, ..Origin::default() };
        Shm::new(fd, Some(name), Some(self.direction), origin, None)
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
