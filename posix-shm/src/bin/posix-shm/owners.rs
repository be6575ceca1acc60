//! The names of users and groups.

use std::ffi::OsStr;

use uzers::{Groups, Users, UsersCache};

use crate::text::shown;

/// Looks up each name once.
pub(crate) struct Owners {
    cache: Option<UsersCache>,
}

impl Owners {
    /// With numbers instead, if that is what the caller wants.
    pub(crate) fn new(as_numbers: bool) -> Owners {
        Owners { cache: (!as_numbers).then(UsersCache::new) }
    }

    /// The user's name, or the number of a user who has none.
    pub(crate) fn user(&self, uid: u32) -> String {
        let found = self.cache.as_ref().and_then(|cache| cache.get_user_by_uid(uid));
        written(found.as_ref().map(|user| user.name()), uid)
    }

    /// The group's name, or the number of a group that has none.
    pub(crate) fn group(&self, gid: u32) -> String {
        let found = self.cache.as_ref().and_then(|cache| cache.get_group_by_gid(gid));
        written(found.as_ref().map(|group| group.name()), gid)
    }

    pub(crate) fn are_numbers(&self) -> bool {
        self.cache.is_none()
    }
}

fn written(name: Option<&OsStr>, id: u32) -> String {
    name.map_or_else(|| id.to_string(), shown)
}
