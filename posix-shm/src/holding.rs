//! Holding presence and locks on an object: what opening and the methods of a handle share.

use std::ffi::CStr;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation};
use crate::imp::{self, Draft, Hold, Obstacle, Place};

/// How long presence and removing wait for a process that is removing the object's name. It takes
/// that process three system calls, unless it is stopped.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) const UNFINISHED: &str =
    "another process is about to remove its name, and does not finish";

/// Opens an object again, and is present through the new description.
pub(crate) fn hold_presence(
    object: BorrowedFd<'_>,
    name: Option<&CStr>,
) -> Result<OwnedFd, Failure> {
    let description = open_again(object, name, Direction::Input, Operation::Presence)?;
    join(description.as_fd())?;
    Ok(description)
}

/// Is present on a new object, before it has its name if the way to build it allows that.
///
/// `false` if it had its name already, and another process has found it unused and removed that.
pub(crate) fn hold_presence_on_new(draft: &mut Draft<'_>) -> Result<bool, Obstacle> {
    let operation = Operation::Presence;
    let reopen = || open_again(draft.object(), draft.name(), Direction::Input, operation);
    let description = match imp::reopen_created(imp::NAMESPACE, draft.object(), reopen) {
        // Without /proc, an object that has no name yet cannot be opened again.
        Err(failure) if draft.name().is_none() && may_be_about_the_way(&failure) => {
            return Err(Obstacle::ThisWay(failure));
        }
        Err(failure) if draft.has_own_name() && is_about_the_name(&failure) => return Ok(false),
        result => result?,
    };
    join(description.as_fd())?;
    let is_ours = match draft.name().filter(|_| draft.has_own_name()) {
        Some(name) => still_means(name, draft.object(), operation)?,
        None => true,
    };
    draft.set_presence(description);
    Ok(is_ours)
}

/// Whether another way to open an object again may work.
fn may_be_about_the_way(failure: &Failure) -> bool {
    let is_forbidden = |errno| errno == Errno::NOENT || imp::is_forbidden(errno);
    imp::CAPABILITIES.presence && failure.errno().is_some_and(is_forbidden)
}

/// A description that drops its locks before it is closed. A child that another thread forks at
/// this moment has the description too, and closing it here would not be enough.
#[derive(Debug)]
pub(crate) struct Unlocks(pub(crate) OwnedFd);

impl Drop for Unlocks {
    fn drop(&mut self) {
        // A drop cannot report an error, and closing is what else there is to do.
        let _ = imp::unlock_all(self.0.as_fd());
    }
}

/// What [`hold_name`] found.
#[derive(Debug)]
pub(crate) enum NameHold {
    /// While this lives, no process that takes part gives the name to another object.
    Held {
        #[allow(dead_code, reason = "it is kept open")]
        description: Unlocks,
    },
    /// Nothing has the name.
    Free,
    /// This user may not lock what has the name, or it is no object.
    NotPossible,
}

/// Keeps a name with the object that has it now.
pub(crate) fn hold_name(name: &CStr) -> Result<NameHold, Failure> {
    const TRIES: u32 = 64;
    let operation = Operation::Presence;
    let busy = |why| Err(Failure::refused(operation, ErrorKind::ResourceBusy, why));
    for _ in 0..TRIES {
        let description = match imp::open(name, imp::EXCLUSIVE, false) {
            Ok(description) => Unlocks(description),
            Err(Errno::NOENT) => return Ok(NameHold::Free),
            Err(
                Errno::ACCES
                | Errno::PERM
                | Errno::LOOP
                | Errno::NXIO
                | Errno::ISDIR
                | Errno::INVAL,
            ) => return Ok(NameHold::NotPossible),
            Err(errno) => return Err(Failure::new(operation, errno)),
        };
        let attempt = || imp::try_lock(description.0.as_fd(), Place::Name, Hold::Exclusive);
        if !poll(PATIENCE, attempt).map_err(Failure::of(operation))? {
            return busy(UNFINISHED);
        }
        if still_means(name, description.0.as_fd(), operation)? {
            return Ok(NameHold::Held { description });
        }
    }
    busy("other processes keep giving the name to other objects")
}

/// Whether opening an object again by its name has failed because another object has it, or none.
pub(crate) fn is_about_the_name(failure: &Failure) -> bool {
    let is_gone = failure.operation == Operation::Open && failure.is(Errno::NOENT);
    is_gone || failure.errno().is_none() && failure.kind() == ErrorKind::AlreadyExists
}

/// Whether a name still means this object.
pub(crate) fn still_means(
    name: &CStr,
    object: BorrowedFd<'_>,
    operation: Operation,
) -> Result<bool, Failure> {
    let ours = imp::stat(object).map_err(Failure::of(Operation::Metadata))?;
    match imp::find(name) {
        Ok(found) => Ok(found.is_same_object(&ours)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(Failure::new(operation, errno)),
    }
}

/// Opens an object again, for a lock of its own.
pub(crate) fn open_again(
    object: BorrowedFd<'_>,
    name: Option<&CStr>,
    direction: Direction,
    operation: Operation,
) -> Result<OwnedFd, Failure> {
    let has = match operation {
        Operation::LockObject => imp::CAPABILITIES.lock,
        _ => imp::CAPABILITIES.presence,
    };
    if !has {
        return Err(Failure::new(operation, Errno::OPNOTSUPP));
    }
    imp::open_again(imp::NAMESPACE, object, name, direction, operation)
}

/// Takes the shared lock. If a process has the exclusive one, it is removing the name, and that
/// takes a moment.
fn join(description: BorrowedFd<'_>) -> Result<(), Failure> {
    let operation = Operation::Presence;
    let attempt = || imp::try_lock(description, Place::Presence, Hold::Shared);
    match poll(PATIENCE, attempt) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::refused(operation, ErrorKind::ResourceBusy, UNFINISHED)),
        Err(errno) => Err(Failure::new(operation, errno)),
    }
}

/// Tries until it succeeds, or the time is over. The pauses grow: from 20 µs to 5 ms.
pub(crate) fn poll(
    limit: Duration,
    mut attempt: impl FnMut() -> Result<bool, Errno>,
) -> Result<bool, Errno> {
    if attempt()? {
        return Ok(true);
    }
    let start = Instant::now();
    let mut pause = Duration::from_micros(20);
    loop {
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(pause.min(left));
        if attempt()? {
            return Ok(true);
        }
        pause = (2 * pause).min(Duration::from_millis(5));
    }
}
