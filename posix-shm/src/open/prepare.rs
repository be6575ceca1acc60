//! Makes a request of [`OpenOptions`], fills a new object as they say, and makes the handle.

use std::ffi::CString;
use std::io::ErrorKind;
use std::os::fd::BorrowedFd;

use posix_shm_sys as sys;

use super::OpenOptions;
use super::attempt::{Fill, Opened, Outcome, Request};
use super::policy::{IfExists, Policy};
use crate::direction::Direction;
use crate::error::{Error, Result};
use crate::failure::{Failure, Operation};
use crate::holding;
use crate::imp::{self, Growth};
use crate::map;
use crate::name::ShmName;
use crate::permissions::Permissions;
use crate::shm::{Origin, Shm};

impl OpenOptions {
    /// [`open`](OpenOptions::open), with another way to fill a new object.
    pub(crate) fn open_filled(&self, name: &ShmName, fill: Fill<'_, (), Error>) -> Result<Shm> {
        let request = self.request(name, false)?;
        match request.attempt(fill)? {
            Outcome::Found(opened) => self.found(opened, name),
            Outcome::Created(opened, ()) => Ok(self.created(opened, Some(name))),
            refused => Err(refused.refusal(&request)),
        }
    }

    pub(super) fn anonymous<T>(
        &self,
        fill: impl FnOnce(BorrowedFd<'_>) -> Result<T, Failure>,
    ) -> Result<(Shm, T)> {
        if self.direction == Direction::Input {
            let why = "an anonymous read-only object could never have content; use Direction::Io";
            return Err(Failure::invalid(Operation::Create, why).named(None));
        }
        let label = self.c_label()?;
        let label = label.as_deref().unwrap_or(c"posix-shm");
        let make = || {
            let permissions = self.permissions.map(Permissions::to_sys);
            let draft = match self.huge_pages {
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
            let mut draft = draft;
            if self.present {
                if let Err(obstacle) = holding::hold_presence_on_new(&mut draft) {
                    return Err(draft.abandon(obstacle.into()));
                }
            }
            match fill(draft.object()) {
                Ok(made) => {
                    let presence = draft.take_presence();
                    Ok((Opened { fd: draft.keep_unnamed()?, presence }, made))
                }
                Err(failure) => Err(draft.abandon(failure)),
            }
        };
        let (opened, made) = make().map_err(|failure: Failure| failure.named(None))?;
        Ok((self.created(opened, None), made))
    }

    /// Gives a new object its length.
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

    pub(super) fn created(&self, opened: Opened, name: Option<&ShmName>) -> Shm {
        let mut origin = self.origin(true);
        origin.unprotected = name.is_none() && self.permissions.is_none();
        Shm::new(opened.fd, name.cloned(), Some(self.direction), origin)
            .with_presence(opened.presence)
    }

    pub(super) fn found(&self, opened: Opened, name: &ShmName) -> Result<Shm> {
        let object = self.handle(opened, name);
        self.resize_found(&object)?;
        Ok(object)
    }

    /// The handle of an existing object.
    pub(super) fn handle(&self, opened: Opened, name: &ShmName) -> Shm {
        Shm::new(opened.fd, Some(name.clone()), Some(self.direction), self.origin(false))
            .with_presence(opened.presence)
    }

    /// Gives an existing object the size, if that is wanted.
    pub(super) fn resize_found(&self, object: &Shm) -> Result<()> {
        match (self.resize, self.sparse) {
            (false, _) => Ok(()),
            (true, true) => object.set_len_sparse(self.size),
            (true, false) => object.set_len(self.size),
        }
    }

    pub(super) fn origin(&self, created: bool) -> Origin {
        Origin {
            created,
            ignore_estimates: self.ignore_estimates,
            still_empty: created && self.size == 0,
            ..Origin::default()
        }
    }

    /// The size as the system's type.
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
