//! Opening and creating: `open/attempt.rs`, `holding.rs`, `imp/draft.rs` and the ways to build an
//! object.

use super::{
    EXIST, FORBIDDEN, LOCKED, Library, Mutation, NAME, NOENT, NOSPC, Namespace, OTHER, Outcome,
    is_error,
};
use crate::explorer::{Answer, Step};
use crate::site::Site;

/// How often the loops try. The library's limits are higher; what happens in a third round has
/// happened in the second.
pub(super) const TRIES: usize = 3;

/// `Policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Only what is there.
    Open,
    /// What is there, or a new object.
    OpenOrCreate,
    /// Only a new object.
    Create,
    /// A new object, which replaces what is there.
    Supersede,
}

/// How an object is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Without a name, then linked.
    Unnamed,
    /// Under a temporary name, then renamed.
    Temporary,
    /// Under its own name.
    Named,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// What to do.
    pub policy: Policy,
    /// The ways that the system has, the best first.
    pub ways: &'static [Way],
    /// Linking an object without a name is forbidden.
    pub no_link: bool,
    /// The system has no `renameat2`.
    pub no_renameat2: bool,
    /// With presence.
    pub present: bool,
    /// An existing object must have a length.
    pub at_least: bool,
    /// Look first whether the name is taken, as for large objects.
    pub look_first: bool,
}

impl Ask {
    /// Opens or creates in the best way.
    #[must_use]
    pub fn new(policy: Policy) -> Ask {
        Ask {
            policy,
            ways: &[Way::Unnamed, Way::Temporary, Way::Named],
            no_link: false,
            no_renameat2: false,
            present: false,
            at_least: false,
            look_first: false,
        }
    }

    /// With presence.
    #[must_use]
    pub fn present(self) -> Ask {
        Ask { present: true, ..self }
    }

    /// The system has only these ways.
    #[must_use]
    pub fn ways(self, ways: &'static [Way]) -> Ask {
        Ask { ways, ..self }
    }
}

/// `Draft`.
#[derive(Clone, Copy)]
pub(super) struct Draft {
    pub(super) object: u8,
    pub(super) way: Way,
    /// The name that it has.
    pub(super) held: Option<usize>,
}

/// `Obstacle`.
pub(super) enum Obstacle {
    ThisWay,
    Any(Answer),
}

/// `NameHold`.
pub(super) enum NameHold {
    Held(u8),
    Free,
    Busy,
}

pub(super) type Attempt<T> = Step<Result<T, Obstacle>>;

impl Library<'_, '_> {
    /// Opens or creates, and notes how that ended.
    pub(super) fn open(&mut self, ask: &Ask) -> Step<Outcome> {
        let outcome = self.attempt_once(ask)?;
        let me = self.me();
        self.process.note(|world| {
            if let Outcome::Found(object) = outcome {
                if ask.at_least && !world.object(object).complete {
                    world.accuse("an object was opened that is too short");
                }
            }
            world.outcomes[me] = Some(outcome);
        });
        Ok(outcome)
    }

    fn attempt_once(&mut self, ask: &Ask) -> Step<Outcome> {
        static SITE: Site = Site {
            file: "open/attempt.rs",
            function: "attempt_once",
            does: &[
                "let mut built = None;",
                "self.create(false, fill, &mut built)",
                "self.create(true, fill, &mut built)",
                "match imp::open(",
                "self.found(object, truncate)?",
                "None => continue",
                "self.create(false, fill, &mut built)",
                "Ok(Outcome::Present) => {}",
            ],
        };
        let mut built = None;
        let mut outcome = Outcome::Busy;
        if matches!(ask.policy, Policy::Create | Policy::Supersede) {
            outcome = self.create(ask, ask.policy == Policy::Supersede, &mut built)?;
        } else {
            for _ in 0..TRIES {
                match self.call(&SITE, "open", |world| world.find(NAME))? {
                    NOENT if ask.policy == Policy::Open => {
                        outcome = Outcome::Absent;
                        break;
                    }
                    NOENT => {}
                    object => match self.found(ask, object)? {
                        Some(found) => {
                            outcome = found;
                            break;
                        }
                        None => continue,
                    },
                }
                match self.create(ask, false, &mut built)? {
                    Outcome::Present => {}
                    other => {
                        outcome = other;
                        break;
                    }
                }
            }
        }
        // What was built, and is not needed, is dropped.
        if let Some(draft) = built {
            if !self.is(Mutation::KeepTemporaryName) {
                self.abandon(&draft)?;
            }
        }
        Ok(outcome)
    }

    fn found(&mut self, ask: &Ask, object: u8) -> Step<Option<Outcome>> {
        static SITE: Site = Site {
            file: "open/attempt.rs",
            function: "found",
            does: &[
                "imp::stat(object.as_fd())",
                "Outcome::Short(stat.len())",
                "self.join(object.as_fd())",
                "None => return Ok(None)",
                "Outcome::Opened(",
            ],
        };
        static JOIN: Site = Site {
            file: "open/attempt.rs",
            function: "join",
            does: &["holding::hold_presence(object", "holding::still_means(name, object"],
        };
        self.process.pass(&SITE);
        if ask.at_least
            && !self.is(Mutation::FoundWithoutLength)
            && self.call(&SITE, "stat", |world| world.object(object).complete.into())? == 0
        {
            return Ok(Some(Outcome::Short));
        }
        if ask.present {
            self.process.pass(&JOIN);
            if self.join(object)? == LOCKED {
                return Ok(Some(Outcome::Failed));
            }
            if !self.is(Mutation::JoinWithoutLooking) && !self.still_means(object)? {
                self.leave(object);
                return Ok(None);
            }
        }
        Ok(Some(Outcome::Found(object)))
    }

    /// Takes presence, or finds that another process has the exclusive lock all the time. (To wait
    /// for it is to make the call later.)
    fn join(&mut self, object: u8) -> Step<Answer> {
        static SITE: Site = Site {
            file: "holding.rs",
            function: "join",
            does: &["imp::try_lock(description, Place::Presence, Hold::Shared)", "poll(PATIENCE"],
        };
        let me = self.me();
        self.process.call(&SITE, "lock presence, shared", |world, choice| {
            let patient = world.rules.patient;
            let object = world.object(object);
            match object.cleaner {
                _ if choice > 0 => None,
                0 => {
                    object.present |= 1 << me;
                    Some(0)
                }
                _ => (!patient).then_some(LOCKED),
            }
        })
    }

    /// A description that holds presence is closed.
    pub(super) fn leave(&mut self, object: u8) {
        let me = self.me();
        self.process.note(|world| world.object(object).present &= !(1 << me));
    }

    fn create(&mut self, ask: &Ask, replace: bool, built: &mut Option<Draft>) -> Step<Outcome> {
        static SITE: Site = Site {
            file: "open/attempt.rs",
            function: "create",
            does: &[
                "built.is_some() || self.present",
                "built.take().map_or(Step::Build, Step::Publish)",
                "self.create_somehow(",
                "self.create_anew(",
            ],
        };
        // The best way alone, in straight code; if it fails, another function goes on.
        static AT_ONCE: Site = Site {
            file: "imp/system/linux.rs",
            function: "create_at_once",
            does: &[
                "unnamed(0, mode)",
                "fill(object.as_fd())",
                "link(object.as_fd(), name)",
                "Stopped::Unpublished(object, obstacle)",
            ],
        };
        static GO_ON: Site = Site {
            file: "open/attempt.rs",
            function: "go_on",
            does: &[
                "Stopped::Before => return self.attempt(fill)",
                "Stopped::Unbuilt(obstacle) => Step::Unbuilt",
                "Step::Unpublished(Draft::unnamed(&new, object), obstacle)",
                "self.create_somehow(",
            ],
        };
        static ANEW: Site = Site {
            file: "open/attempt.rs",
            function: "create_anew",
            does: &[
                "costly && ways.len() > 1 && new.is_taken()",
                "imp::draft(&new, ways[0])",
                "fill(draft.object())",
                "Unbuilt::of(draft, unfilled)",
                "imp::publish(&mut draft, &new)",
                "Step::Unpublished(draft, obstacle)",
                "published(draft, reader)",
                "self.create_somehow(",
            ],
        };
        static SOMEHOW: Site = Site {
            file: "open/attempt.rs",
            function: "create_somehow",
            does: &[
                "Step::Build if is_fallback(ways) && new.is_taken()",
                "build(new, ways[0], fill)",
                "publish(&mut draft, new)",
                "published(draft, reader)",
                "draft.abandon(failure)",
                "!replace && says_taken(&failure)",
                "*built = Some(draft);",
                "draft.abandon(failure)",
                "!replace && says_taken(&failure) || new.is_taken()",
            ],
        };
        static TAKEN: Site =
            Site { file: "imp/draft.rs", function: "is_taken", does: &["!self.replace && "] };
        for site in [&AT_ONCE, &GO_ON, &SITE, &ANEW, &SOMEHOW, &TAKEN] {
            self.process.pass(site);
        }
        let mut ways = ask.ways;
        if built.is_none()
            && ways.len() > 1
            && ask.look_first
            && !replace
            && !is_error(self.find(&SITE)?)
        {
            return Ok(Outcome::Present);
        }
        let failure = loop {
            let mut draft = match built.take() {
                Some(built) => built,
                None => {
                    let is_fallback = ways.len() < ask.ways.len();
                    if !replace && is_fallback && !is_error(self.find(&SITE)?) {
                        return Ok(Outcome::Present);
                    }
                    match self.build(ask, ways[0], replace)? {
                        Ok(draft) => draft,
                        Err(Obstacle::ThisWay) if ways.len() > 1 => {
                            ways = &ways[1..];
                            continue;
                        }
                        Err(Obstacle::ThisWay) => break FORBIDDEN,
                        Err(Obstacle::Any(errno)) => break errno,
                    }
                }
            };
            match self.publish(ask, &mut draft, replace)? {
                Ok(()) => {
                    if self.is(Mutation::NameBeforeMemory) {
                        self.fill(&draft)?;
                    }
                    if self.is(Mutation::PresenceAfterName) && ask.present {
                        self.join(draft.object)?;
                    }
                    return Ok(Outcome::Created(draft.object));
                }
                Err(Obstacle::ThisWay) if ways.len() > 1 => {
                    self.abandon(&draft)?;
                    ways = &ways[1..];
                }
                Err(Obstacle::Any(EXIST)) if !replace => {
                    *built = Some(draft);
                    return Ok(Outcome::Present);
                }
                Err(obstacle) => {
                    self.abandon(&draft)?;
                    break match obstacle {
                        Obstacle::ThisWay => FORBIDDEN,
                        Obstacle::Any(errno) => errno,
                    };
                }
            }
        };
        if !replace && (failure == EXIST || !is_error(self.find(&SITE)?)) {
            return Ok(Outcome::Present);
        }
        Ok(Outcome::Failed)
    }

    fn build(&mut self, ask: &Ask, way: Way, replace: bool) -> Attempt<Draft> {
        static SITE: Site = Site {
            file: "open/attempt.rs",
            function: "build",
            does: &[
                "imp::draft(new, way)?",
                "present_draft(new, way)?",
                "match fill(draft.object())",
                "Unbuilt::of(draft, unfilled)",
            ],
        };
        static OF: Site =
            Site { file: "open/attempt.rs", function: "of", does: &["draft.abandon(failure)"] };
        self.process.pass(&SITE);
        self.process.pass(&OF);
        let draft = match ask.present && !self.is(Mutation::PresenceAfterName) {
            false => self.draft(way, replace, TRIES)?,
            true => self.present_draft(way, replace)?,
        };
        let draft = match draft {
            Ok(draft) => draft,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        if !self.is(Mutation::NameBeforeMemory) && self.fill(&draft)? == NOSPC {
            self.abandon(&draft)?;
            return Ok(Err(Obstacle::Any(NOSPC)));
        }
        Ok(Ok(draft))
    }

    /// Gives a new object its length and its memory.
    fn fill(&mut self, draft: &Draft) -> Step<Answer> {
        static SITE: Site =
            Site { file: "open/prepare.rs", function: "fill", does: &["imp::reserve(object"] };
        let object = draft.object;
        self.process.call(&SITE, "reserve", |world, choice| match choice {
            0 => {
                world.object(object).complete = true;
                Some(0)
            }
            1 if world.shortages > 0 => {
                world.shortages -= 1;
                Some(NOSPC)
            }
            _ => None,
        })
    }

    fn present_draft(&mut self, way: Way, replace: bool) -> Attempt<Draft> {
        static SITE: Site = Site {
            file: "open/attempt.rs",
            function: "present_draft",
            does: &[
                "imp::Way::Named if new.replace",
                "holding::hold_name(new.name)?",
                "anew.replace = new.replace && !is_free",
                "imp::draft(&anew, way)",
                "held.is_some() && says_taken(&failure) => continue",
                "holding::hold_presence_on_new(&mut draft)",
                "Ok(true) => return Ok(draft)",
                "Ok(false) => {}",
            ],
        };
        static NEW: Site = Site {
            file: "holding.rs",
            function: "hold_presence_on_new",
            does: &["join(description.as_fd())?", "still_means(name, draft.object()"],
        };
        self.process.pass(&SITE);
        for _ in 0..TRIES {
            let (mut held, mut is_free) = (None, false);
            let holds = way == Way::Named && replace;
            if holds && !self.is(Mutation::SupersedeWithoutHolding) {
                match self.hold_name()? {
                    NameHold::Held(object) => held = Some(object),
                    NameHold::Free => is_free = !self.is(Mutation::ReplaceWhatWasFree),
                    NameHold::Busy => return Ok(Err(Obstacle::Any(LOCKED))),
                }
            }
            let tries = if self.is(Mutation::ClaimTwice) { 3 } else { 2 };
            let draft = match self.draft(way, replace && !is_free, tries)? {
                Ok(draft) => draft,
                Err(Obstacle::Any(EXIST)) if holds => {
                    if let Some(object) = held {
                        self.unlock_all(object)?;
                    }
                    continue;
                }
                Err(obstacle) => return Ok(Err(obstacle)),
            };
            self.process.pass(&NEW);
            if self.join(draft.object)? == LOCKED {
                self.abandon(&draft)?;
                return Ok(Err(Obstacle::Any(LOCKED)));
            }
            let has_own_name = draft.held == Some(NAME);
            let is_ours = !has_own_name
                || self.is(Mutation::NewbornWithoutLooking)
                || self.still_means(draft.object)?;
            if let Some(object) = held {
                self.unlock_all(object)?;
            }
            if is_ours {
                return Ok(Ok(draft));
            }
            self.leave(draft.object);
        }
        Ok(Err(Obstacle::Any(OTHER)))
    }

    /// Begins an object. Under its own name, it tries so often.
    fn draft(&mut self, way: Way, replace: bool, tries: usize) -> Attempt<Draft> {
        static UNNAMED: Site = Site {
            file: "imp/system/linux.rs",
            function: "draft",
            does: &["Way::Unnamed =>", "unnamed(0, new.mode)", "Held::Nothing"],
        };
        static TEMPORARY: Site = Site {
            file: "imp/named.rs",
            function: "create_temporary",
            does: &["(namespace.create)(&name", "Held::Temporary(name)"],
        };
        static CLAIM: Site = Site {
            file: "imp/named.rs",
            function: "claim",
            does: &[
                "if new.present { 2 } else",
                "(new.namespace.create)(new.name",
                "Err(Errno::EXIST) if new.replace",
                "(new.namespace.unlink)(new.name)",
                "Held::Own(new.name)",
            ],
        };
        let me = self.me();
        let (object, held) = match way {
            Way::Unnamed => (self.call(&UNNAMED, "open with O_TMPFILE", Namespace::make)?, None),
            Way::Temporary => {
                let name = 1 + me;
                let create = |world: &mut Namespace| world.create(name);
                (self.call(&TEMPORARY, "create a temporary name", create)?, Some(name))
            }
            Way::Named => {
                let mut tried = 1;
                let object = loop {
                    let answer = self.call(&CLAIM, "create", |world| world.create(NAME))?;
                    if answer != EXIST || !replace || tried == tries {
                        break answer;
                    }
                    tried += 1;
                    self.call(&CLAIM, "unlink", |world| world.unlink(me, NAME, None))?;
                };
                (object, Some(NAME))
            }
        };
        if is_error(object) {
            return Ok(Err(Obstacle::Any(object)));
        }
        Ok(Ok(Draft { object, way, held }))
    }
}
