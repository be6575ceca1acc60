//! Removing names: `unlink.rs` and `presence.rs`.

use super::{LOCKED, Library, Mutation, NAME, NOENT};
use crate::explorer::Step;
use crate::site::Site;

impl Library<'_, '_> {
    /// `Shm::unlink`.
    pub(super) fn unlink(&mut self, object: u8) -> Step<()> {
        static SITE: Site = Site {
            file: "unlink.rs",
            function: "unlink(&self",
            does: &["imp::find(name.as_c_str())", "found.is_same_object(", "imp::unlink(name"],
        };
        let me = self.me();
        if !self.is(Mutation::UnlinkWithoutComparing) && self.find(&SITE)? != object {
            return Ok(());
        }
        self.call(&SITE, "unlink", |world| world.unlink(me, NAME, Some(object)))?;
        Ok(())
    }

    /// `Shm::unlink_if_last`.
    pub(super) fn unlink_if_last(&mut self, object: u8) -> Step<()> {
        static SITE: Site = Site {
            file: "presence.rs",
            function: "unlink_if_last",
            does: &["self.end_presence()", "self.unlink_if_unused()"],
        };
        self.process.pass(&SITE);
        self.leave(object);
        self.unlink_unused(object)
    }

    pub(super) fn unlink_unused(&mut self, object: u8) -> Step<()> {
        static SITE: Site = Site {
            file: "presence.rs",
            function: "unlink_unused",
            does: &[
                "holding::open_again(self.fd()",
                "Ok(cleaner) => Unlocks(cleaner)",
                "imp::try_lock(cleaner.0.as_fd(), place, Hold::Exclusive)",
                "holding::poll(holding::PATIENCE, || lock(Place::Name))",
                "lock(Place::Presence)",
                "holding::still_means(name, self.fd(), Operation::Unlink)?",
                "imp::unlink(name)",
            ],
        };
        let (me, mine) = (self.me(), self.mine());
        let waits = !self.is(Mutation::CleanWithoutWaiting);
        let named = match self.is(Mutation::CleanWithoutNameLock) {
            true => 0,
            // To wait for it is to make the call later.
            false => self.process.call(&SITE, "lock the name", |world, choice| {
                let patient = world.rules.patient && waits;
                let lock = &mut world.object(object).name_lock;
                match *lock {
                    _ if choice > 0 => None,
                    0 => {
                        *lock = mine;
                        Some(0)
                    }
                    _ => (!patient).then_some(LOCKED),
                }
            })?,
        };
        if named == LOCKED {
            return Ok(());
        }
        let takes_lock = !self.is(Mutation::CleanWithoutPresenceLock);
        let locked = self.call(&SITE, "lock presence, exclusive", |world| {
            let object = world.object(object);
            if object.present != 0 || object.cleaner != 0 {
                return LOCKED;
            }
            if takes_lock {
                object.cleaner = mine;
            }
            0
        })?;
        let may_remove = locked != LOCKED
            && (self.is(Mutation::CleanWithoutLooking) || self.still_means(object)?);
        if may_remove {
            if self.is(Mutation::CleanAfterUnlocking) {
                self.unlock_all(object)?;
            }
            self.call(&SITE, "unlink", |world| {
                let has = world.find(NAME);
                if has != NOENT && world.object(has).present != 0 {
                    world.accuse("an object that is in use has lost its name");
                }
                world.unlink(me, NAME, Some(object))
            })?;
        }
        self.unlock_all(object)?;
        Ok(())
    }
}
