//! What [`OpenOptions`] comes down to: which combination it is, and the loop of opening and creating that carries it out.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use posix_shm_sys as sys;

use super::{Direction, IfDoesNotExist, IfExists, OpenOptions};
use crate::error::{Errno, Error, Failure, Operation, Result};
use crate::imp;
use crate::map;
use crate::name::ShmName;
use crate::permissions::Permissions;
use crate::shm::{self, Shm};

/// How often a name may appear and vanish between the two calls of create-or-open.
const FLICKER_LIMIT: usize = 64;

/// How often create-or-open looks again where there is no room for a new object: those who race for a name may take it from
/// each other, though there is room for the one that they all want.
const SHORTAGES: u32 = 8;

/// Waits for a random time, of at most 1 ms at first and twice as long each time, so that not all look again together.
fn pause(time: u32) {
    let mut random = [0];
    // Without a random source they wait equally long, and most likely not from the same moment on.
    let _ = imp::random(&mut random);
    std::thread::sleep(Duration::from_micros(4 + 4 * u64::from(random[0])) * (1 << (time - 1)));
}

/// An object that is there and has no length yet.
const NO_LENGTH: Errno = Errno::AGAIN;

/// The combinations that make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Open { truncate: bool },
    OpenOrCreate { truncate: bool },
    Create,
    Supersede,
}

/// A handle that was opened, and what was made of the object on the way.
pub(super) struct Opened<T> {
    pub(super) fd: OwnedFd,
    pub(super) created: bool,
    pub(super) made: T,
}

/// What to make of an object: with one that was found, and with one that is being created.
pub(super) struct Make<'a, T> {
    pub(super) found: &'a dyn Fn(BorrowedFd<'_>) -> Result<T>,
    pub(super) new: &'a dyn Fn(BorrowedFd<'_>) -> Result<T, Failure>,
    /// A new object can be made something of only once.
    pub(super) once: bool,
}

impl OpenOptions {
    pub(super) fn anonymous<T>(
        &self,
        make: &dyn Fn(BorrowedFd<'_>) -> Result<T, Failure>,
    ) -> Result<(Shm, T)> {
        if self.direction == Direction::Input {
            return Err(Error::invalid(
                Operation::Create,
                "an anonymous read-only object could never have content; use Direction::Io",
                None,
            ));
        }
        let permissions = self.permissions.map(Permissions::to_sys);
        let (fd, made) = imp::anonymous(permissions, &mut |fd| make(fd))
            .map_err(|failure| failure.named(None))?;
        Ok(self.shm(Opened { fd, created: true, made }, None, false))
    }

    /// The handle. What `once` was given to a user's own function may have any length.
    pub(super) fn shm<T>(&self, opened: Opened<T>, name: Option<&ShmName>, once: bool) -> (Shm, T) {
        let Opened { fd, created, made } = opened;
        let still_empty = created && self.size == 0 && !once;
        (Shm::new(fd, name.cloned(), self.direction, created, still_empty), made)
    }

    /// What the policy says, as often as there is time to wait. The inner error is its refusal: `ENOENT` or `EEXIST`.
    pub(super) fn attempt<T>(
        &self,
        name: &ShmName,
        make: &Make<'_, T>,
    ) -> Result<Result<Opened<T>, Failure>> {
        let policy = self.policy(name)?;
        if self.wait.is_zero() {
            return self.attempt_once(policy, name, make);
        }
        let start = Instant::now();
        // Soon at first, for a peer that is about to size what it has created; then seldom.
        let mut pause = Duration::from_micros(20);
        loop {
            let result = self.attempt_once(policy, name, make)?;
            let refusal = match &result {
                Err(refusal) if matches!(refusal.errno, Errno::NOENT | NO_LENGTH) => refusal.errno,
                _ => return Ok(result),
            };
            let left = self.wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return if refusal == NO_LENGTH {
                    let why = format!("it exists, and had no length after {:?}", self.wait);
                    Err(Error::refused(Operation::Open, ErrorKind::TimedOut, why, Some(name)))
                } else {
                    Ok(result)
                };
            }
            std::thread::sleep(pause.min(left));
            pause = (2 * pause).min(Duration::from_millis(10));
        }
    }

    /// One go at what the policy says. The inner error is its refusal, or `NO_LENGTH` where that is waited for.
    fn attempt_once<T>(
        &self,
        policy: Policy,
        name: &ShmName,
        make: &Make<'_, T>,
    ) -> Result<Result<Opened<T>, Failure>> {
        let truncate = match policy {
            Policy::Open { truncate } | Policy::OpenOrCreate { truncate } => truncate,
            Policy::Create => return self.create(name, false, make),
            Policy::Supersede => return self.create(name, true, make),
        };
        let mut shortages = 0;
        for _ in 0..FLICKER_LIMIT {
            match imp::open(name.as_c_str(), self.direction, truncate) {
                Ok(fd) => {
                    if !self.wait.is_zero() && !truncate && self.is_empty(fd.as_fd(), name)? {
                        return Ok(Err(Failure::new(Operation::Open, NO_LENGTH)));
                    }
                    let made = (make.found)(fd.as_fd())?;
                    return Ok(Ok(Opened { fd, created: false, made }));
                }
                Err(Errno::NOENT) if policy.may_create() => {}
                Err(Errno::NOENT) => return Ok(Err(Failure::new(Operation::Open, Errno::NOENT))),
                Err(errno) => return Err(Error::system(Operation::Open, errno, Some(name))),
            }
            match self.create(name, false, make) {
                Ok(Ok(opened)) => return Ok(Ok(opened)),
                // Somebody was quicker.
                Ok(Err(_)) => {}
                Err(error)
                    if error.operation() == Operation::Reserve
                        && shortages < SHORTAGES
                        && !make.once =>
                {
                    shortages += 1;
                    pause(shortages);
                }
                Err(error) => return Err(error),
            }
        }
        let why = format!(
            "the name appeared and vanished {FLICKER_LIMIT} times between opening and creating"
        );
        Err(Error::refused(Operation::Open, ErrorKind::ResourceBusy, why, Some(name)))
    }

    fn is_empty(&self, object: BorrowedFd<'_>, name: &ShmName) -> Result<bool> {
        let metadata = imp::stat(object)
            .map_err(|errno| Error::system(Operation::Metadata, errno, Some(name)))?;
        Ok(metadata.len() == 0)
    }

    /// A new object. The inner error is `EEXIST`.
    fn create<T>(
        &self,
        name: &ShmName,
        replace: bool,
        make: &Make<'_, T>,
    ) -> Result<Result<Opened<T>, Failure>> {
        let new = imp::New {
            name: name.as_c_str(),
            direction: self.direction,
            mode: self.permissions.unwrap_or_default().to_sys(),
            exact: self.ignore_umask,
            replace,
            size: self.size,
            once: make.once,
        };
        match imp::build(new, &mut |fd| (make.new)(fd)) {
            Ok((fd, made)) => Ok(Ok(Opened { fd, created: true, made })),
            // What replaces does not mind what exists, so there it is another's doing in the middle of ours.
            Err(failure) if failure.errno == Errno::EXIST && !replace => Ok(Err(failure)),
            Err(failure) => Err(failure.named(Some(name))),
        }
    }

    /// Gives a new object its length.
    pub(super) fn fill(&self, fd: BorrowedFd<'_>, bytes: sys::off_t) -> Result<(), Failure> {
        match bytes {
            0 => Ok(()),
            bytes if self.sparse => imp::set_len(fd, bytes).map_err(Failure::of(Operation::SetLen)),
            bytes => imp::reserve(fd, 0, bytes),
        }
    }

    /// Which combination this is, if it is one that can work.
    pub(super) fn policy(&self, name: &ShmName) -> Result<Policy> {
        let if_does_not_exist = self.if_does_not_exist.unwrap_or({
            match (self.direction, self.if_exists) {
                (Direction::Input, _) | (_, IfExists::Overwrite | IfExists::Truncate) => {
                    IfDoesNotExist::Error
                }
                (Direction::Io, IfExists::Supersede | IfExists::Error) => IfDoesNotExist::Create,
            }
        });
        let create = if_does_not_exist == IfDoesNotExist::Create;
        let refuse = |why| Err(Error::invalid(Operation::Open, why, Some(name)));
        match self.if_exists {
            IfExists::Truncate if self.direction == Direction::Input => refuse(
                "POSIX leaves truncating through a read-only handle undefined; use Direction::Io",
            ),
            IfExists::Overwrite if create => Ok(Policy::OpenOrCreate { truncate: false }),
            IfExists::Overwrite => Ok(Policy::Open { truncate: false }),
            IfExists::Truncate if create => Ok(Policy::OpenOrCreate { truncate: true }),
            IfExists::Truncate => Ok(Policy::Open { truncate: true }),
            IfExists::Supersede if create => Ok(Policy::Supersede),
            IfExists::Supersede => refuse(
                "to supersede is to create, which IfDoesNotExist::Error forbids (the default with Direction::Input); \
                 set IfDoesNotExist::Create, or use IfExists::Overwrite",
            ),
            IfExists::Error if create => Ok(Policy::Create),
            IfExists::Error => refuse(
                "IfExists::Error with IfDoesNotExist::Error (the default with Direction::Input) can never succeed; \
                 set IfDoesNotExist::Create",
            ),
        }
    }

    /// The size as the system's type.
    pub(super) fn length(&self, name: Option<&ShmName>) -> Result<sys::off_t> {
        shm::to_off_t(self.size, Operation::Create, name)
    }

    /// The size as that of a mapping, where there is one and it can be written.
    pub(super) fn mappable_len(&self, may_create: bool, name: Option<&ShmName>) -> Result<usize> {
        let refuse = |why| Err(Error::invalid(Operation::Map, why, name));
        match usize::try_from(self.size) {
            _ if self.direction == Direction::Input => {
                refuse("a mapping that can be written needs a handle that can; use Direction::Io")
            }
            _ if self.if_exists == IfExists::Truncate => {
                refuse("IfExists::Truncate would leave nothing to map")
            }
            Ok(0) if may_create => {
                refuse("an object that is created needs a size, or there is nothing to map")
            }
            Ok(len) if len <= map::MAX_LEN => Ok(len),
            _ => Err(map::too_long(self.size, name)),
        }
    }
}

impl Policy {
    pub(super) fn may_create(self) -> bool {
        !matches!(self, Policy::Open { .. })
    }
}
