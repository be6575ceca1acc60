//! [`Draft`]: a new object that is not complete yet, with the name that must go if it fails.

use std::ffi::{CStr, CString};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

use super::fork::Mark;
use super::stat::Stat;
use super::syscalls;
use crate::capabilities::Capabilities;
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation};
use crate::permissions::Permissions;

/// How a system treats names: what the shared code must know.
#[derive(Debug)]
#[allow(dead_code, reason = "not every system shares all of that code")]
pub(crate) struct Namespace {
    pub(super) create: fn(&CStr, Direction, sys::mode_t) -> Result<OwnedFd, Errno>,
    pub(super) open: fn(&CStr, Direction, bool) -> Result<OwnedFd, Errno>,
    pub(super) find: fn(&CStr) -> Result<Stat, Errno>,
    pub(super) unlink: fn(&CStr) -> Result<(), Errno>,
    /// The ways to build a named object, the best first.
    pub(super) ways: fn() -> &'static [Way],
    pub(super) capabilities: Capabilities,
    /// The permissions that `find` and `unlink` want an object to have.
    pub(super) removing_needs: fn() -> Permissions,
}

/// How a named object is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "not every system has all of them")]
pub(crate) enum Way {
    /// Without a name, then linked to its own.
    Unnamed,
    /// Under a name that no other process knows, then renamed.
    Temporary,
    /// Under its own name, where others can open it before it is complete.
    Named,
}

/// A named object to be built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct New<'a> {
    pub(crate) namespace: &'static Namespace,
    pub(crate) name: &'a CStr,
    pub(crate) direction: Direction,
    pub(crate) mode: sys::mode_t,
    /// The permissions must be exactly `mode`, whatever the umask.
    pub(crate) exact: bool,
    /// Take the name over from an object that has it; otherwise that is `EEXIST`.
    pub(crate) replace: bool,
    /// How long the caller is going to make it.
    pub(crate) size: u64,
    /// The caller's own code, which may fork, runs before the object is complete.
    pub(crate) lent: bool,
    /// This process is to be present before the object has its name.
    pub(crate) present: bool,
}

impl New<'_> {
    /// Whether the object is complete as soon as it exists.
    fn is_complete_at_once(&self) -> bool {
        let Self { size, lent, exact, replace, present, .. } = *self;
        size == 0 && !lent && !exact && !replace && !present
    }

    /// Whether an object has the name, and keeps it.
    pub(crate) fn is_taken(&self) -> bool {
        !self.replace && (self.namespace.find)(self.name).is_ok()
    }

    /// The ways to build it, the best one first.
    pub(crate) fn ways(&self) -> &'static [Way] {
        if self.is_complete_at_once() { &[Way::Named] } else { (self.namespace.ways)() }
    }
}

/// Why an object was not built.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// The system does not allow this way. Another way may work.
    ThisWay(Failure),
    /// No other way would do better.
    Any(Failure),
}

impl Obstacle {
    /// For `map_err`: if a kernel or a sandbox forbids the call itself, another way may work.
    pub(super) fn of(operation: Operation) -> impl Fn(Errno) -> Obstacle {
        move |errno| {
            let failure = Failure::new(operation, errno);
            if is_forbidden(errno) { Obstacle::ThisWay(failure) } else { Obstacle::Any(failure) }
        }
    }
}

impl From<Obstacle> for Failure {
    fn from(obstacle: Obstacle) -> Failure {
        let (Obstacle::ThisWay(failure) | Obstacle::Any(failure)) = obstacle;
        failure
    }
}

impl From<Failure> for Obstacle {
    fn from(failure: Failure) -> Obstacle {
        Obstacle::Any(failure)
    }
}

/// Whether an answer may mean "not by this call": a kernel without the call or the flag, a file
/// system without it, a filter or a security module that forbids it.
pub(crate) fn is_forbidden(errno: Errno) -> bool {
    let answers =
        [Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL, Errno::PERM, Errno::ACCES, Errno::ISDIR];
    answers.contains(&errno)
}

/// How far [`create_at_once`](super::create_at_once) has come.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// It has done nothing.
    Before,
    /// There is no object.
    Unbuilt(Obstacle),
    /// The object is complete, and has no name.
    Unpublished(OwnedFd, Obstacle),
}

/// A new object that is not complete yet. If it is dropped, its name goes with it.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    namespace: &'static Namespace,
    object: ManuallyDrop<OwnedFd>,
    held: Held<'a>,
    /// Holds presence on the object.
    presence: Option<OwnedFd>,
    /// Of the process that made it. `None` if only our own code runs until it is complete, which
    /// does not fork.
    mark: Option<Mark>,
}

/// The name that an object has before it is complete.
#[derive(Debug)]
pub(super) enum Held<'a> {
    /// None.
    Nothing,
    /// One that no other process knows.
    Temporary(CString),
    /// Its own.
    Own(&'a CStr),
}

impl Held<'_> {
    fn name(&self) -> Option<&CStr> {
        match self {
            Held::Nothing => None,
            Held::Temporary(name) => Some(name),
            Held::Own(name) => Some(name),
        }
    }
}

impl<'a> Draft<'a> {
    /// `lent` is that of [`New`].
    pub(super) fn new(
        namespace: &'static Namespace,
        object: OwnedFd,
        held: Held<'a>,
        lent: bool,
    ) -> Draft<'a> {
        let mark = (lent && held.name().is_some()).then(Mark::now);
        Draft { namespace, object: ManuallyDrop::new(object), held, presence: None, mark }
    }

    /// One that has no name yet.
    pub(crate) fn unnamed(new: &New<'_>, object: OwnedFd) -> Draft<'a> {
        Draft::new(new.namespace, object, Held::Nothing, new.lent)
    }

    /// The object, to be filled.
    pub(crate) fn object(&self) -> BorrowedFd<'_> {
        self.object.as_fd()
    }

    /// The name that it has now, if it has one.
    pub(crate) fn name(&self) -> Option<&CStr> {
        self.held.name()
    }

    /// Whether it has its own name already.
    pub(crate) fn has_own_name(&self) -> bool {
        matches!(self.held, Held::Own(_))
    }

    /// Keeps a description that holds presence for as long as the draft.
    pub(crate) fn set_presence(&mut self, presence: OwnedFd) {
        self.presence = Some(presence);
    }

    pub(crate) fn take_presence(&mut self) -> Option<OwnedFd> {
        self.presence.take()
    }

    pub(super) fn held(&self) -> &Held<'a> {
        &self.held
    }

    /// Says which name must go from now on if the object does not become complete.
    pub(super) fn hold(&mut self, held: Held<'a>) {
        self.held = held;
    }

    /// Returns the object. Its name stays. Presence ends, unless it was taken before.
    pub(crate) fn keep(mut self) -> OwnedFd {
        drop(self.presence.take());
        let mut draft = ManuallyDrop::new(self);
        draft.held = Held::Nothing;
        // SAFETY: the draft is never used or dropped again, so this is the only owner.
        unsafe { ManuallyDrop::take(&mut draft.object) }
    }

    /// An anonymous object: its temporary name, if it had one, is removed.
    pub(crate) fn keep_unnamed(mut self) -> Result<OwnedFd, Failure> {
        if let Some(name) = self.held.name() {
            if let Err(errno) = (self.namespace.unlink)(name) {
                return Err(self.abandon(Failure::new(Operation::Unlink, errno)));
            }
            self.held = Held::Nothing;
        }
        Ok(self.keep())
    }

    /// Removes what was built. If its name cannot be removed, the failure says so.
    #[cold]
    pub(crate) fn abandon(mut self, failure: Failure) -> Failure {
        let name = self.held.name().map(CStr::to_owned);
        match (self.remove(), name) {
            (Err(errno), Some(name)) => left_behind(failure, &name, errno),
            _ => failure,
        }
    }

    /// Removes the name, if it still means this object and this process has made it.
    fn remove(&mut self) -> Result<(), Errno> {
        let held = std::mem::replace(&mut self.held, Held::Nothing);
        match held.name() {
            Some(name) if self.mark.as_ref().is_none_or(Mark::is_of_this_process) => {
                remove_if_same(self.namespace, name, self.object.as_fd())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // This error cannot be reported: the caller's own error, or a panic, is on its way.
        let _ = self.remove();
        // SAFETY: dropped nowhere else but in `keep`, after which this does not run.
        unsafe { ManuallyDrop::drop(&mut self.object) };
    }
}

/// Removes a name if it means this object. Another process may have removed it and given the name
/// to another one.
fn remove_if_same(namespace: &Namespace, name: &CStr, object: BorrowedFd<'_>) -> Result<(), Errno> {
    if namespace.capabilities.tell_objects_apart {
        let ours = syscalls::stat(object)?;
        let needed = ours.permissions() | (namespace.removing_needs)();
        if needed != ours.permissions() {
            // It is about to go, so its permissions do not matter any more.
            syscalls::set_permissions(object, needed.to_sys())?;
        }
        match (namespace.find)(name) {
            Ok(found) if found.is_same_object(&ours) => {}
            Ok(_) | Err(Errno::NOENT) => return Ok(()),
            // No descriptor is free to look at it, but the object still has a name: this one.
            Err(Errno::MFILE | Errno::NFILE) if ours.links() > 0 => {}
            Err(errno) => return Err(errno),
        }
    }
    match (namespace.unlink)(name) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Adds to a failure that a name is left.
#[cold]
pub(super) fn left_behind(failure: Failure, name: &CStr, errno: Errno) -> Failure {
    let name = name.to_string_lossy();
    let why = std::io::Error::from(errno);
    let failure = failure.and_hint(&format!(
        "the name {name:?} could not be removed ({why}) and is left, with its memory"
    ));
    Failure { left: true, ..failure }
}
