//! Names: creating, publishing, superseding, opening and removing, with and without presence.
//!
//! There is one name that all processes want, and one temporary name for each. What a process
//! builds has its own object; numbers are never used again, as a process that compares an object
//! holds a descriptor of it.

use crate::explorer::{Answer, Process, Program, Step, World};
use crate::site::Site;

mod opening;
mod publishing;
mod removing;

pub use opening::{Ask, Policy, Way};

/// How many processes there are at most.
pub const PROCESSES: usize = 3;
const OBJECTS: usize = 12;

/// The name that all want. The temporary name of a process has the number after the process's.
const NAME: usize = 0;

/// Errors, as answers of calls. Other answers are numbers of objects, or 0.
const EXIST: Answer = 100;
const NOENT: Answer = 101;
const NOSPC: Answer = 102;
const FORBIDDEN: Answer = 103;
const LOCKED: Answer = 104;
const OTHER: Answer = 105;

fn is_error(answer: Answer) -> bool {
    answer >= EXIST
}

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// `Shm::unlink` does not look what has the name.
    UnlinkWithoutComparing,
    /// A draft that is given up does not look what has its name.
    AbandonWithoutComparing,
    /// A new object gets its name first, and its memory then.
    NameBeforeMemory,
    /// Presence is taken when the object has its name.
    PresenceAfterName,
    /// An object that is built under its own name is not looked for after taking presence.
    NewbornWithoutLooking,
    /// Opening with presence does not look whether the object still has its name.
    JoinWithoutLooking,
    /// Opening is not tried again if the object has lost its name.
    FoundWithoutLength,
    /// Creating renames over whatever has the name.
    CreateByReplacing,
    /// Superseding removes the name before the new object takes it.
    SupersedeByUnlinking,
    /// Superseding does not keep the old object's name from those who remove it.
    SupersedeWithoutHolding,
    /// Holding a name does not look whether it still means the locked object.
    HoldWithoutLooking,
    /// Superseding a name that was free replaces what has taken it.
    ReplaceWhatWasFree,
    /// Superseding under the name itself removes what has taken it in between, too.
    ClaimTwice,
    /// Removing an unused object does not wait for another process that may be removing it.
    CleanWithoutWaiting,
    /// Removing an unused object takes no lock on its name.
    CleanWithoutNameLock,
    /// Removing an unused object asks whether it is used, and takes no lock for that.
    CleanWithoutPresenceLock,
    /// Removing an unused object does not look whether it has the name.
    CleanWithoutLooking,
    /// Removing an unused object gives its locks back before it removes the name.
    CleanAfterUnlocking,
    /// An object that was built and not named leaves its temporary name.
    KeepTemporaryName,
}

/// What must hold in a model, besides what always must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Objects may be visible before they are complete: they are built under their own name.
    pub incomplete_is_visible: bool,
    /// Nothing removes names. So one process creates, and all have the same object.
    pub name_stays: bool,
    /// Once something has the name, something always has it.
    pub never_free: bool,
    /// A name may change hands between the comparison and the removal.
    pub gap_after_comparing: bool,
    /// Objects that are in use may be superseded.
    pub superseding: bool,
    /// All of them leave at their end, so nothing has the name once all have finished.
    pub last_removes: bool,
    /// No process is stopped for so long that others give up waiting for it. A creator that gives
    /// up removes a name that it has not locked.
    pub patient: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Object {
    complete: bool,
    /// A bit for each process that holds the shared lock.
    present: u8,
    /// One more than the process that has the exclusive lock on presence.
    cleaner: u8,
    /// One more than the process that has the lock on the name.
    name_lock: u8,
}

/// How opening or creating ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An existing object.
    Found(u8),
    /// A new object.
    Created(u8),
    /// Nothing has the name.
    Absent,
    /// Something has the name.
    Present,
    /// It is too short.
    Short,
    /// Other processes were always quicker.
    Busy,
    /// A call failed.
    Failed,
}

/// The namespace, with the locks of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Namespace {
    objects: [Object; OBJECTS],
    made: u8,
    /// One more than the object; 0 if the name is free.
    names: [u8; 1 + PROCESSES],
    rules: Rules,
    /// How many more calls may fail for lack of memory.
    shortages: u8,
    /// How often the name has changed hands.
    changes: u8,
    /// For each process, one more than the changes when it last looked.
    looked: [u8; PROCESSES],
    outcomes: [Option<Outcome>; PROCESSES],
    finished: [bool; PROCESSES],
    /// Has ended. It holds nothing.
    gone: [bool; PROCESSES],
    wrong: Option<&'static str>,
}

impl Namespace {
    /// An empty namespace.
    #[must_use]
    pub fn new(rules: Rules) -> Namespace {
        Namespace {
            objects: [Object::default(); OBJECTS],
            made: 0,
            names: [0; 1 + PROCESSES],
            rules,
            shortages: 0,
            changes: 0,
            looked: [0; PROCESSES],
            outcomes: [None; PROCESSES],
            finished: [false; PROCESSES],
            gone: [false; PROCESSES],
            wrong: None,
        }
    }

    /// A complete object has the name already.
    #[must_use]
    pub fn with_object(mut self) -> Namespace {
        let object = self.make();
        self.objects[usize::from(object)].complete = true;
        self.names[NAME] = object + 1;
        self
    }

    /// So many calls may fail for lack of memory.
    #[must_use]
    pub fn with_shortages(self, shortages: u8) -> Namespace {
        Namespace { shortages, ..self }
    }

    fn make(&mut self) -> u8 {
        self.made += 1;
        self.made - 1
    }

    fn object(&mut self, object: u8) -> &mut Object {
        &mut self.objects[usize::from(object)]
    }

    fn find(&self, name: usize) -> Answer {
        if self.names[name] == 0 { NOENT } else { self.names[name] - 1 }
    }

    fn set(&mut self, name: usize, value: u8) {
        self.names[name] = value;
        if name == NAME {
            self.changes += 1;
        }
    }

    fn accuse(&mut self, of: &'static str) {
        self.wrong = self.wrong.or(Some(of));
    }

    /// Removes a name, which the process takes to be that of an object, if it cares.
    fn unlink(&mut self, me: usize, name: usize, takes_for: Option<u8>) -> Answer {
        let has = self.find(name);
        if has == NOENT {
            return NOENT;
        }
        if name == NAME && takes_for.is_some_and(|object| object != has) {
            let has_looked = self.looked[me] != 0 && self.looked[me] != self.changes + 1;
            if !(self.rules.gap_after_comparing && has_looked) {
                self.accuse("a stranger's object has lost its name");
            }
        }
        self.set(name, 0);
        0
    }

    fn create(&mut self, name: usize) -> Answer {
        if self.names[name] != 0 {
            return EXIST;
        }
        let object = self.make();
        self.set(name, object + 1);
        object
    }

    fn link(&mut self, object: u8, name: usize) -> Answer {
        if self.names[name] != 0 {
            return EXIST;
        }
        self.set(name, object + 1);
        0
    }

    fn rename(&mut self, from: usize, to: usize, replace: bool) -> Answer {
        match (self.names[from], self.names[to]) {
            (0, _) => NOENT,
            (_, taken) if taken != 0 && !replace => EXIST,
            (object, _) => {
                self.set(to, object);
                self.names[from] = 0;
                0
            }
        }
    }
}

impl World for Namespace {
    fn end(&mut self, process: usize) {
        self.gone[process] = true;
        for object in &mut self.objects {
            object.present &= !(1 << process);
            for lock in [&mut object.cleaner, &mut object.name_lock] {
                if usize::from(*lock) == process + 1 {
                    *lock = 0;
                }
            }
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let has = self.find(NAME);
        let is_complete = is_error(has) || self.objects[usize::from(has)].complete;
        if !is_complete && !self.rules.incomplete_is_visible {
            return Err("what has the name is not complete");
        }
        if self.rules.never_free && has == NOENT && self.changes > 0 {
            return Err("nothing has the name for a moment");
        }
        let outcomes = || self.outcomes.iter().flatten();
        let created = outcomes().filter(|outcome| matches!(outcome, Outcome::Created(_))).count();
        if self.rules.name_stays && created > 1 {
            return Err("two processes have created");
        }
        for outcome in outcomes() {
            let (Outcome::Found(object) | Outcome::Created(object)) = outcome else { continue };
            if self.rules.name_stays && *object != has {
                return Err("a process has another object than the others");
            }
        }
        for (process, outcome) in self.outcomes.iter().enumerate() {
            let Some(Outcome::Found(object) | Outcome::Created(object)) = outcome else {
                continue;
            };
            let is_present = self.objects[usize::from(*object)].present & 1 << process != 0;
            if is_present && *object != has && !self.rules.superseding {
                return Err("an object that is in use has lost its name");
            }
        }
        if self.rules.last_removes && self.finished == [true; PROCESSES] && has != NOENT {
            return Err("all have left, and the name is still there");
        }
        for process in 0..PROCESSES {
            if self.finished[process] && self.names[1 + process] != 0 {
                return Err("a temporary name is left");
            }
        }
        Ok(())
    }
}

/// What a process does.
#[derive(Clone, Copy, Debug)]
pub enum Task {
    /// Opens or creates, and keeps what it gets.
    Open(Ask),
    /// The same, and then `Shm::unlink`.
    OpenAndUnlink(Ask),
    /// Opens what has the name, and then `Shm::unlink_if_unused`.
    Clean,
    /// Opens or creates, and then `Shm::unlink_if_last`.
    OpenAndLeave(Ask),
}

/// The program of a process that does a task.
#[must_use]
pub fn program<'a>(task: Task, mutation: Option<Mutation>) -> Program<'a, Namespace> {
    Box::new(move |process| {
        let mut library = Library { process, mutation };
        match task {
            Task::Open(ask) => {
                library.open(&ask)?;
            }
            Task::OpenAndUnlink(ask) => {
                if let Outcome::Found(object) | Outcome::Created(object) = library.open(&ask)? {
                    library.unlink(object)?;
                }
            }
            Task::Clean => {
                if let Outcome::Found(object) = library.open(&Ask::new(Policy::Open))? {
                    library.unlink_unused(object)?;
                }
            }
            Task::OpenAndLeave(ask) => {
                if let Outcome::Found(object) | Outcome::Created(object) = library.open(&ask)? {
                    library.unlink_if_last(object)?;
                }
            }
        }
        let me = library.process.me;
        library.process.note(|world| world.finished[me] = true);
        Ok(())
    })
}

/// The library in one process.
struct Library<'p, 'w> {
    process: &'p mut Process<'w, Namespace>,
    mutation: Option<Mutation>,
}

impl Library<'_, '_> {
    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn me(&self) -> usize {
        self.process.me
    }

    /// How a lock says that it is this process's.
    #[allow(clippy::cast_possible_truncation, reason = "there are three processes")]
    fn mine(&self) -> u8 {
        self.process.me as u8 + 1
    }

    /// A call that goes one way.
    fn call(
        &mut self,
        site: &'static Site,
        what: &'static str,
        act: impl FnOnce(&mut Namespace) -> Answer,
    ) -> Step<Answer> {
        self.process.call(site, what, |world, choice| (choice == 0).then(|| act(world)))
    }

    /// What has the name.
    fn find(&mut self, site: &'static Site) -> Step<Answer> {
        let me = self.me();
        self.call(site, "find", |world| {
            world.looked[me] = world.changes + 1;
            world.find(NAME)
        })
    }

    fn still_means(&mut self, object: u8) -> Step<bool> {
        static SITE: Site = Site {
            file: "holding.rs",
            function: "still_means",
            does: &["imp::stat(object)", "imp::find(name)", "found.is_same_object(&ours)"],
        };
        Ok(self.find(&SITE)? == object)
    }
}
