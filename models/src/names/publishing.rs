//! Giving an object its name, or taking back what was made: `open/attempt.rs`, `holding.rs`,
//! `imp/draft.rs` and the system's calls.

use super::opening::{Ask, Attempt, Draft, NameHold, Obstacle, TRIES, Way};
use super::{EXIST, FORBIDDEN, LOCKED, Library, Mutation, NAME, NOENT, Namespace, is_error};
use crate::explorer::{Answer, Step};
use crate::site::Site;

impl Library<'_, '_> {
    /// `publish` of `open/attempt.rs`.
    pub(super) fn publish(&mut self, ask: &Ask, draft: &mut Draft, replace: bool) -> Attempt<()> {
        static SITE: Site = Site {
            file: "open/attempt.rs",
            function: "publish",
            does: &[
                "!new.present || !new.replace || draft.has_own_name()",
                "return imp::publish(draft, new)",
                "holding::hold_name(new.name)?",
                "anew.replace = !is_free",
                "imp::publish(draft, &anew)",
                "is_free && says_taken(&failure)",
            ],
        };
        self.process.pass(&SITE);
        if !ask.present
            || !replace
            || draft.held == Some(NAME)
            || self.is(Mutation::SupersedeWithoutHolding)
        {
            return self.publish_by_system(ask, draft, replace);
        }
        for _ in 0..TRIES {
            let (held, replaces) = match self.hold_name()? {
                NameHold::Held(object) => (Some(object), true),
                NameHold::Free => (None, self.is(Mutation::ReplaceWhatWasFree)),
                NameHold::Busy => return Ok(Err(Obstacle::Any(LOCKED))),
            };
            let published = self.publish_by_system(ask, draft, replaces)?;
            if let Some(object) = held {
                self.unlock_all(object)?;
            }
            match published {
                Err(Obstacle::Any(EXIST)) if held.is_none() => {}
                published => return Ok(published),
            }
        }
        Ok(Err(Obstacle::Any(EXIST)))
    }

    pub(super) fn hold_name(&mut self) -> Step<NameHold> {
        static SITE: Site = Site {
            file: "holding.rs",
            function: "hold_name",
            does: &[
                "imp::open(name, imp::EXCLUSIVE, false)",
                "Ok(NameHold::Free)",
                "imp::try_lock(description.0.as_fd(), Place::Name, Hold::Exclusive)",
                "still_means(name",
                "NameHold::Held",
            ],
        };
        for _ in 0..TRIES {
            let object = self.call(&SITE, "open", |world| world.find(NAME))?;
            if object == NOENT {
                return Ok(NameHold::Free);
            }
            if self.lock_name(&SITE, object)? == LOCKED {
                return Ok(NameHold::Busy);
            }
            if self.is(Mutation::HoldWithoutLooking) || self.still_means(object)? {
                return Ok(NameHold::Held(object));
            }
            self.unlock_all(object)?;
        }
        Ok(NameHold::Busy)
    }

    pub(super) fn lock_name(&mut self, site: &'static Site, object: u8) -> Step<Answer> {
        let mine = self.mine();
        self.call(site, "lock the name", |world| {
            let lock = &mut world.object(object).name_lock;
            if *lock != 0 && *lock != mine {
                return LOCKED;
            }
            *lock = mine;
            0
        })
    }

    /// `Unlocks` is dropped.
    pub(super) fn unlock_all(&mut self, object: u8) -> Step<Answer> {
        static SITE: Site = Site {
            file: "holding.rs",
            function: "drop",
            does: &["imp::unlock_all(self.0.as_fd())"],
        };
        let mine = self.mine();
        self.call(&SITE, "unlock all", |world| {
            let object = world.object(object);
            for lock in [&mut object.cleaner, &mut object.name_lock] {
                if *lock == mine {
                    *lock = 0;
                }
            }
            0
        })
    }

    /// `imp::publish`.
    fn publish_by_system(&mut self, ask: &Ask, draft: &mut Draft, replace: bool) -> Attempt<()> {
        static SITE: Site = Site {
            file: "imp/system/linux.rs",
            function: "publish",
            does: &["publish_unnamed(draft, new)", "publish_another(draft, new)"],
        };
        static ANOTHER: Site = Site {
            file: "imp/system/linux.rs",
            function: "publish_another",
            does: &["DIRECTORY.publish(draft, new)", "named::publish_claimed(draft, new)"],
        };
        self.process.pass(&SITE);
        self.process.pass(&ANOTHER);
        let replace = replace || self.is(Mutation::CreateByReplacing);
        let answer = match draft.way {
            Way::Unnamed => self.publish_unnamed(ask, draft, replace)?,
            Way::Temporary if replace => self.replace(1 + self.me())?,
            Way::Temporary => self.rename_to_free(ask)?,
            Way::Named => 0,
        };
        Ok(match answer {
            FORBIDDEN => Err(Obstacle::ThisWay),
            errno if is_error(errno) => Err(Obstacle::Any(errno)),
            _ => {
                draft.held = None;
                Ok(())
            }
        })
    }

    fn publish_unnamed(&mut self, ask: &Ask, draft: &mut Draft, replace: bool) -> Step<Answer> {
        static SITE: Site = Site {
            file: "imp/system/linux.rs",
            function: "publish_unnamed",
            does: &["link(draft.object(), new.name)", "replace_after(obstacle, draft, new)?"],
        };
        static AFTER: Site = Site {
            file: "imp/system/linux.rs",
            function: "replace_after",
            does: &[
                "new.replace && failure.is(Errno::EXIST)",
                "link(draft.object(), &temporary)?",
                "draft.hold(Held::Temporary(",
                "DIRECTORY.replace(&temporary, new.name)",
            ],
        };
        let (object, me) = (draft.object, self.me());
        let link = |world: &mut Namespace, name| match ask.no_link {
            true => FORBIDDEN,
            false => world.link(object, name),
        };
        if replace && self.is(Mutation::SupersedeByUnlinking) {
            self.call(&SITE, "unlink", |world| world.unlink(me, NAME, None))?;
        }
        let answer = self.call(&SITE, "link to the name", |world| link(world, NAME))?;
        if answer != EXIST || !replace {
            return Ok(answer);
        }
        let answer = self.call(&AFTER, "link to a temporary name", |world| link(world, 1 + me))?;
        if is_error(answer) {
            return Ok(answer);
        }
        draft.held = Some(1 + me);
        self.replace(1 + me)
    }

    fn replace(&mut self, from: usize) -> Step<Answer> {
        static SITE: Site =
            Site { file: "imp/tmpfs.rs", function: "replace", does: &["rename(from, to)"] };
        self.call(&SITE, "rename over the name", |world| world.rename(from, NAME, true))
    }

    fn rename_to_free(&mut self, ask: &Ask) -> Step<Answer> {
        static SITE: Site = Site {
            file: "imp/tmpfs.rs",
            function: "rename_to_free",
            does: &["sys::renameat2(", "sys::RENAME_NOREPLACE", "link(from, to)?", "unlink(from)"],
        };
        let (from, me) = (1 + self.me(), self.me());
        if !ask.no_renameat2 {
            return self.call(&SITE, "renameat2", |world| world.rename(from, NAME, false));
        }
        let linked = self.call(&SITE, "link to the name", |world| {
            let object = world.find(from);
            world.link(object, NAME)
        })?;
        if is_error(linked) {
            return Ok(linked);
        }
        self.call(&SITE, "unlink the temporary name", |world| world.unlink(me, from, None))
    }

    /// A draft is dropped: `remove_if_same`.
    pub(super) fn abandon(&mut self, draft: &Draft) -> Step<()> {
        static SITE: Site = Site {
            file: "imp/draft.rs",
            function: "remove_if_same",
            does: &[
                "syscalls::stat(object)?",
                "(namespace.find)(name)",
                "found.is_same_object(&ours)",
                "(namespace.unlink)(name)",
            ],
        };
        let Some(name) = draft.held else {
            self.leave(draft.object);
            return Ok(());
        };
        let (me, object) = (self.me(), draft.object);
        let found = match self.is(Mutation::AbandonWithoutComparing) {
            true => object,
            false if name == NAME => self.find(&SITE)?,
            false => self.call(&SITE, "find", |world| world.find(name))?,
        };
        if found == object {
            self.call(&SITE, "unlink", |world| world.unlink(me, name, Some(object)))?;
        }
        self.leave(object);
        Ok(())
    }
}
