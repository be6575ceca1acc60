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

    pub(super) fn unlink_unused(&mut self, object: u8) -> Step<()> {
        static SITE: Site = Site {
            file: "presence.rs",
            function: "unlink_unused",
            does: &[
                "holding::open_again(self.fd()",
                "Ok(cleaner) => Unlocks(cleaner)",
                "lock(Place::Name)?",
                "lock(Place::Presence)?",
                "holding::still_means(name, self.fd(), Operation::Unlink)?",
                "imp::unlink(name)",
            ],
        };
        let (me, mine) = (self.me(), self.mine());
        if !self.is(Mutation::CleanWithoutNameLock) && self.lock_name(&SITE, object)? == LOCKED {
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
