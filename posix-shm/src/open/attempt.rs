//! The loop of opening and creating that carries a [`Policy`] out.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::policy::Policy;
use crate::direction::Direction;
use crate::error::Error;
use crate::failure::{Errno, Failure, Operation};
use crate::holding::{self, NameHold};
use crate::imp::{self, Draft, New, Obstacle, Stopped};
use crate::name::ShmName;
use crate::permissions::Permissions;

/// How often a name may appear and vanish between the two calls of create-or-open.
const FLICKER_LIMIT: usize = 64;

/// How often create-or-open tries again if there is no room for a new object, as long as the room
/// changes. Processes that race for a name may take the room from each other, even if there is
/// enough for the one object that they all want.
const SHORTAGES: u32 = 8;

/// If the room is the same this often in a row, and too little, no other process is taking it. The
/// pauses in between take 15 ms at most.
const SAME_ROOM: u32 = 5;

/// From this size on, reserving the memory costs far more than finding out that the name is taken.
pub(super) const LOOK_FIRST: u64 = 1 << 20;

/// What to open or create.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) name: &'a ShmName,
    pub(super) policy: Policy,
    pub(super) direction: Direction,
    pub(super) permissions: Permissions,
    pub(super) ignore_umask: bool,
    /// How long a new object will be.
    pub(super) size: u64,
    /// The caller's own code fills a new object.
    pub(super) lent: bool,
    /// How short an existing object may be. 0 if it is going to be resized.
    pub(super) at_least: u64,
    pub(super) wait: Duration,
    /// The handle holds presence, from before a new object has its name.
    pub(super) present: bool,
}

/// A descriptor of an object, and if it was asked for, one that holds presence.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) fd: OwnedFd,
    pub(super) presence: Option<OwnedFd>,
    /// This call has created the object.
    pub(super) created: bool,
}

impl Opened {
    /// A new object, without presence.
    #[inline]
    pub(super) fn created(fd: OwnedFd) -> Opened {
        Opened { fd, presence: None, created: true }
    }
}

/// How opening or creating ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The name had an object, or a new one has it.
    Opened(Opened),
    /// Nothing has the name, and the policy does not let us create.
    Absent,
    /// An object has the name, and the policy does not let us open it.
    Present,
    /// An object has the name, but it is too short, also after waiting: its length.
    Short(u64),
}

/// Fills a new object through its read-write descriptor. It is called again on a fresh object if a
/// first one could not be given its name.
pub(crate) type Fill<'a> = &'a mut dyn FnMut(BorrowedFd<'_>) -> Result<(), Unfilled>;

/// Why an object was not filled.
#[derive(Debug)]
pub(crate) enum Unfilled {
    /// Our own part of it failed.
    Ours(Failure),
    /// The caller's function said no, and the caller of [`Fill`] knows why.
    Callers,
}

impl From<Failure> for Unfilled {
    fn from(failure: Failure) -> Unfilled {
        Unfilled::Ours(failure)
    }
}

impl Request<'_> {
    /// What was opened, or why nothing was.
    #[inline]
    pub(super) fn opened(&self, outcome: Result<Outcome, Unfilled>) -> Result<Opened, Error> {
        match outcome {
            Ok(Outcome::Opened(opened)) => Ok(opened),
            outcome => Err(self.refusal(outcome)),
        }
    }

    #[cold]
    fn refusal(&self, outcome: Result<Outcome, Unfilled>) -> Error {
        let absent = || Failure::new(Operation::Open, Errno::NOENT);
        let failure = match outcome {
            Err(Unfilled::Ours(failure)) => failure,
            Ok(Outcome::Present) => Failure::new(Operation::Create, Errno::EXIST),
            Ok(Outcome::Short(len)) => self.too_short(len),
            Ok(Outcome::Absent) if self.wait.is_zero() && self.size > 0 => absent()
                .with_hint("a size is for a new object; to create one, set IfDoesNotExist::Create"),
            Ok(Outcome::Absent) if self.wait.is_zero() => absent(),
            Ok(Outcome::Absent) => {
                absent().with_hint(format!("no object has this name after waiting {:?}", self.wait))
            }
            Ok(Outcome::Opened(_)) | Err(Unfilled::Callers) => {
                unreachable!("it is open, or the caller of `attempt` has the error")
            }
        };
        failure.named(Some(self.name))
    }

    /// Goes on where [`imp::create_at_once`] has stopped. The policy is to create.
    pub(super) fn go_on(&self, stopped: Stopped, fill: Fill<'_>) -> Result<Outcome, Unfilled> {
        let new = self.new_object(false);
        let step = match stopped {
            Stopped::Before => return self.attempt(fill),
            Stopped::Unbuilt(obstacle) => Step::Unbuilt(obstacle.into()),
            Stopped::Unpublished(object, obstacle) => {
                Step::Unpublished(Draft::unnamed(&new, object), obstacle)
            }
        };
        self.create_somehow(&new, new.ways(), fill, &mut None, step)
    }

    /// Does what the policy says, as often as there is time to wait.
    pub(super) fn attempt(&self, fill: Fill<'_>) -> Result<Outcome, Unfilled> {
        if self.wait.is_zero() {
            return self.attempt_once(fill);
        }
        let start = Instant::now();
        // Short at first, for a peer that is about to size its object; then longer.
        let mut pause = Duration::from_micros(20);
        loop {
            let outcome = self.attempt_once(fill)?;
            let left = self.wait.saturating_sub(start.elapsed());
            match outcome {
                Outcome::Absent | Outcome::Short(_) if !left.is_zero() => {}
                outcome => return Ok(outcome),
            }
            std::thread::sleep(pause.min(left));
            pause = (2 * pause).min(Duration::from_millis(10));
        }
    }

    /// Does what the policy says, once.
    fn attempt_once(&self, fill: Fill<'_>) -> Result<Outcome, Unfilled> {
        // A complete object whose name was taken, until the name is free again.
        let mut built = None;
        let truncate = match self.policy {
            Policy::Open { truncate } | Policy::OpenOrCreate { truncate } => truncate,
            Policy::Create => return self.create(false, fill, &mut built),
            Policy::Supersede => return self.create(true, fill, &mut built),
        };
        let mut shortages = Shortages::default();
        for _ in 0..FLICKER_LIMIT {
            match imp::open(self.name.as_c_str(), self.direction, truncate) {
                Ok(object) => match self.found(object, truncate)? {
                    Some(outcome) => return Ok(outcome),
                    // Another process has removed the name. Look again what has it now.
                    None => continue,
                },
                Err(Errno::NOENT) if self.policy.may_create() => {}
                Err(Errno::NOENT) => return Ok(Outcome::Absent),
                Err(errno) => return Err(Failure::new(Operation::Open, errno).into()),
            }
            match self.create(false, fill, &mut built) {
                // Another process was quicker.
                Ok(Outcome::Present) => {}
                Err(Unfilled::Ours(failure)) if shortages.may_pass(&failure, self.size) => {
                    pause(shortages.seen);
                }
                result => return result,
            }
        }
        let why = format!(
            "the name appeared and vanished {FLICKER_LIMIT} times between opening and creating"
        );
        Err(Failure::refused(Operation::Open, ErrorKind::ResourceBusy, why).into())
    }

    /// An object that has the name, unless it is too short. `None` if it has lost the name before
    /// this process was present.
    fn found(&self, object: OwnedFd, truncate: bool) -> Result<Option<Outcome>, Failure> {
        if self.at_least > 0 && !truncate {
            let stat = imp::stat(object.as_fd()).map_err(Failure::of(Operation::Metadata))?;
            if stat.is_certainly_no_object() {
                let why = "this is not a shared memory object";
                return Err(Failure::invalid(Operation::Open, why));
            }
            if stat.len() < self.at_least {
                return Ok(Some(Outcome::Short(stat.len())));
            }
        }
        let presence = match self.present {
            false => None,
            true => match self.join(object.as_fd())? {
                None => return Ok(None),
                presence => presence,
            },
        };
        Ok(Some(Outcome::Opened(Opened { fd: object, presence, created: false })))
    }

    /// Holds presence on an object that has the name. `None` if it has the name no more.
    fn join(&self, object: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Failure> {
        let name = self.name.as_c_str();
        let presence = match holding::hold_presence(object, Some(name)) {
            Ok(presence) => presence,
            // It is opened again by its name, which it has lost.
            Err(failure) if holding::is_about_the_name(&failure) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let is_ours = holding::still_means(name, object, Operation::Presence)?;
        Ok(is_ours.then_some(presence))
    }

    /// Creates a new object, or finds that the name is taken. What was built then is kept, so that
    /// it can be given the name later.
    fn create<'a>(
        &'a self,
        replace: bool,
        fill: Fill<'_>,
        built: &mut Option<Draft<'a>>,
    ) -> Result<Outcome, Unfilled> {
        if built.is_some() || self.present {
            let new = self.new_object(replace);
            let step = built.take().map_or(Step::Build, Step::Publish);
            return self.create_somehow(&new, new.ways(), fill, built, step);
        }
        self.create_anew(replace, fill, built)
    }

    fn new_object(&self, replace: bool) -> New<'_> {
        New {
            namespace: imp::NAMESPACE,
            name: self.name.as_c_str(),
            direction: self.direction,
            mode: self.permissions.to_sys(),
            exact: self.ignore_umask,
            replace,
            size: self.size,
            lent: self.lent,
            present: self.present,
        }
    }

    /// [`create`](Request::create), if nothing was built yet and this process need not be present.
    fn create_anew<'a>(
        &'a self,
        replace: bool,
        fill: Fill<'_>,
        built: &mut Option<Draft<'a>>,
    ) -> Result<Outcome, Unfilled> {
        let new = self.new_object(replace);
        let ways = new.ways();
        // Creating under the name itself finds out at once that it is taken.
        let costly = new.lent || new.size >= LOOK_FIRST;
        if costly && ways.len() > 1 && new.is_taken() {
            return Ok(Outcome::Present);
        }
        let step = match imp::draft(&new, ways[0]) {
            Err(obstacle) => Step::Unbuilt(obstacle.into()),
            Ok(mut draft) => match fill(draft.object()) {
                Err(unfilled) => Step::Unbuilt(Unbuilt::of(draft, unfilled)),
                Ok(()) => match imp::publish(&mut draft, &new) {
                    Err(obstacle) => Step::Unpublished(draft, obstacle),
                    Ok(reader) => return Ok(published(draft, reader)),
                },
            },
        };
        self.create_somehow(&new, ways, fill, built, step)
    }

    /// Tries the ways to create, from a step of the first of them on.
    fn create_somehow<'a>(
        &self,
        new: &New<'a>,
        mut ways: &'static [imp::Way],
        fill: Fill<'_>,
        built: &mut Option<Draft<'a>>,
        mut step: Step<'a>,
    ) -> Result<Outcome, Unfilled> {
        let replace = new.replace;
        let best = ways;
        let is_fallback = |ways: &[imp::Way]| ways.len() < best.len();
        let failure = loop {
            step = match step {
                // A sandbox that forbids the best way may also forbid removing a temporary name.
                // So none is made in vain.
                Step::Build if is_fallback(ways) && new.is_taken() => {
                    return Ok(Outcome::Present);
                }
                Step::Build => match build(new, ways[0], fill) {
                    Ok(draft) => Step::Publish(draft),
                    Err(unbuilt) => Step::Unbuilt(unbuilt),
                },
                Step::Unbuilt(Unbuilt::Callers) => return Err(Unfilled::Callers),
                Step::Unbuilt(Unbuilt::Obstacle(Obstacle::ThisWay(_))) if ways.len() > 1 => {
                    ways = &ways[1..];
                    Step::Build
                }
                Step::Unbuilt(Unbuilt::Obstacle(obstacle)) => break Failure::from(obstacle),
                Step::Publish(mut draft) => match publish(&mut draft, new) {
                    Ok(reader) => return Ok(published(draft, reader)),
                    Err(obstacle) => Step::Unpublished(draft, obstacle),
                },
                Step::Unpublished(draft, Obstacle::ThisWay(failure)) if ways.len() > 1 => {
                    // If a name is left, stop here: the next way would leave another.
                    match draft.abandon(failure) {
                        failure if failure.left => break failure,
                        _ => ways = &ways[1..],
                    }
                    Step::Build
                }
                Step::Unpublished(draft, obstacle) => {
                    let failure = Failure::from(obstacle);
                    if !replace && says_taken(&failure) {
                        *built = Some(draft);
                        return Ok(Outcome::Present);
                    }
                    break draft.abandon(failure);
                }
            };
        };
        // If the name is taken, it does not matter that another object could not be made.
        if !failure.left && (!replace && says_taken(&failure) || new.is_taken()) {
            return Ok(Outcome::Present);
        }
        let taken = failure.is(Errno::EXIST) || failure.is(Errno::NOENT);
        if replace && failure.operation == Operation::Publish && taken {
            let why = "other processes keep taking the name, or the temporary one on the way to it";
            let busy = Failure::refused(failure.operation, ErrorKind::ResourceBusy, why);
            return Err(busy.into());
        }
        let is_forbidden = failure.errno().is_some_and(imp::is_forbidden);
        if replace && failure.operation == Operation::Publish && is_forbidden {
            return Err(failure
                .and_hint(
                    "IfExists::Supersede renames the new object over the old one, which must \
                     belong to this user, and which a sandbox may forbid",
                )
                .into());
        }
        if replace && failure.is(Errno::NOSPC) && imp::find(new.name).is_ok() {
            return Err(failure
                .and_hint(
                    "IfExists::Supersede needs room for the old object and the new one at once; \
                     to unlink the old one first helps only if no process uses it",
                )
                .into());
        }
        Err(failure.into())
    }

    /// An existing object is shorter than it must be.
    fn too_short(&self, len: u64) -> Failure {
        let wait = self.wait;
        if wait.is_zero() {
            let why = format!("it has {len} bytes, and at least {} are wanted", self.at_least);
            return Failure::refused(Operation::Open, ErrorKind::InvalidData, why);
        }
        let why = match len {
            0 => format!("it still has no length after waiting {wait:?}"),
            _ => format!("it still has only {len} bytes after waiting {wait:?}"),
        };
        Failure::refused(Operation::Open, ErrorKind::TimedOut, why)
    }
}

/// Whether creating failed because the name is taken. Other calls have this number for other
/// reasons.
fn says_taken(failure: &Failure) -> bool {
    matches!(failure.operation, Operation::Create | Operation::Publish) && failure.is(Errno::EXIST)
}

/// Why an object was not built.
enum Unbuilt {
    Obstacle(Obstacle),
    Callers,
}

impl Unbuilt {
    /// Of an object that could not be filled. Nothing is left of it, or the failure says what.
    fn of(draft: Draft<'_>, unfilled: Unfilled) -> Unbuilt {
        match unfilled {
            Unfilled::Ours(failure) => Obstacle::Any(draft.abandon(failure)).into(),
            Unfilled::Callers => Unbuilt::Callers,
        }
    }
}

/// How far creating has come.
enum Step<'a> {
    Build,
    Unbuilt(Unbuilt),
    Publish(Draft<'a>),
    Unpublished(Draft<'a>, Obstacle),
}

fn published(mut draft: Draft<'_>, reader: Option<OwnedFd>) -> Outcome {
    let presence = draft.take_presence();
    let object = draft.keep();
    let fd = reader.unwrap_or(object);
    Outcome::Opened(Opened { fd, presence, created: true })
}

impl From<Obstacle> for Unbuilt {
    fn from(obstacle: Obstacle) -> Unbuilt {
        Unbuilt::Obstacle(obstacle)
    }
}

/// Builds an object in one way. If that fails, nothing is left of it, or the failure says what.
fn build<'a>(new: &New<'a>, way: imp::Way, fill: Fill<'_>) -> Result<Draft<'a>, Unbuilt> {
    let draft = match new.present {
        false => imp::draft(new, way)?,
        true => present_draft(new, way)?,
    };
    match fill(draft.object()) {
        Ok(()) => Ok(draft),
        Err(unfilled) => Err(Unbuilt::of(draft, unfilled)),
    }
}

/// Gives a complete object its name. If it is present and takes the name over, no process that
/// removes unused objects may do that between the look at the old object and its replacement.
fn publish<'a>(draft: &mut Draft<'a>, new: &New<'a>) -> Result<Option<OwnedFd>, Obstacle> {
    if !new.present || !new.replace || draft.has_own_name() {
        return imp::publish(draft, new);
    }
    for _ in 0..FLICKER_LIMIT {
        let held = holding::hold_name(new.name)?;
        let is_free = matches!(held, NameHold::Free);
        let mut anew = *new;
        anew.replace = !is_free;
        match imp::publish(draft, &anew) {
            // An object has taken the free name in the meantime.
            Err(Obstacle::Any(failure)) if is_free && says_taken(&failure) => {}
            result => return result,
        }
    }
    // The caller says what that means.
    Err(Failure::new(Operation::Publish, Errno::EXIST).into())
}

/// Begins an object on which this process is present. It is not filled yet.
fn present_draft<'a>(new: &New<'a>, way: imp::Way) -> Result<Draft<'a>, Obstacle> {
    for _ in 0..FLICKER_LIMIT {
        // This way removes the old object's name at once.
        let held = match way {
            imp::Way::Named if new.replace => Some(holding::hold_name(new.name)?),
            _ => None,
        };
        let is_free = matches!(held, Some(NameHold::Free));
        let mut anew = *new;
        anew.replace = new.replace && !is_free;
        let mut draft = match imp::draft(&anew, way) {
            // An object has taken the free name, and no one keeps that from losing it.
            Err(Obstacle::Any(failure)) if held.is_some() && says_taken(&failure) => continue,
            result => result?,
        };
        match holding::hold_presence_on_new(&mut draft) {
            Ok(true) => return Ok(draft),
            // Under its own name it was unused for a moment, and another process has seen that.
            Ok(false) => {}
            Err(Obstacle::ThisWay(failure)) => {
                return Err(Obstacle::ThisWay(draft.abandon(failure)));
            }
            Err(Obstacle::Any(failure)) => return Err(Obstacle::Any(draft.abandon(failure))),
        }
    }
    let why = format!("other processes have removed or taken its name {FLICKER_LIMIT} times");
    Err(Failure::refused(Operation::Create, ErrorKind::ResourceBusy, why).into())
}

/// The shortages of memory that one attempt has seen.
#[derive(Default)]
struct Shortages {
    seen: u32,
    /// How much room there was at the last one, and how often in a row.
    room: Option<u64>,
    same: u32,
}

impl Shortages {
    /// Whether a failure may be gone soon, because another process is at work and took the room.
    fn may_pass(&mut self, failure: &Failure, wanted: u64) -> bool {
        let Some(room) = failure.room else {
            return false;
        };
        // If there is enough already, another process had taken it and has given it back.
        let is_back = wanted > 0 && room >= wanted;
        self.same = if self.room == Some(room) && !is_back { self.same + 1 } else { 1 };
        self.room = Some(room);
        self.seen += 1;
        self.seen <= SHORTAGES && self.same < SAME_ROOM
    }
}

/// Waits for a random time, of at most 1 ms at first and twice as long each time, so that not all
/// look again together.
fn pause(time: u32) {
    let mut random = [0];
    // Without a random source all wait equally long, but most likely not from the same moment on.
    let _ = imp::random(&mut random);
    std::thread::sleep(Duration::from_micros(4 + 4 * u64::from(random[0])) * (1 << (time - 1)));
}

#[cfg(test)]
mod tests {
    use super::{SHORTAGES, Shortages};
    use crate::failure::{Errno, Failure, Operation};

    /// How many attempts are made, if this much room is found after each.
    fn attempts(wanted: u64, room: impl Fn(u64) -> Option<u64>) -> u32 {
        let mut shortages = Shortages::default();
        let mut may_pass = |attempt| {
            let mut failure = Failure::new(Operation::Reserve, Errno::NOSPC);
            failure.room = room(attempt);
            shortages.may_pass(&failure, wanted)
        };
        1 + (1..100).take_while(|attempt| may_pass(*attempt)).count() as u32
    }

    #[test]
    fn a_shortage_is_waited_for_as_long_as_the_room_changes() {
        assert_eq!(attempts(100, |_| None), 1, "nothing says that more may come back");
        assert_eq!(attempts(100, |_| Some(7)), 5, "nobody else takes room or gives it back");
        assert_eq!(attempts(100, Some), SHORTAGES + 1, "it changes");
        assert_eq!(attempts(100, |attempt| Some(attempt % 2)), SHORTAGES + 1, "it comes and goes");
        assert_eq!(attempts(100, |_| Some(100)), SHORTAGES + 1, "there was enough again");
        assert_eq!(attempts(100, |_| Some(101)), SHORTAGES + 1, "there was more than enough");
        assert_eq!(attempts(0, |_| Some(0)), 5, "only names lack");
        // It stays the same for a while, then changes, then stays the same.
        assert_eq!(attempts(100, |attempt| Some(u64::from(attempt > 3))), 3 + 5);
    }
}
