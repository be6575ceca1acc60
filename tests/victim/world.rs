//! The objects that the victim looks at, before and after its task.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

/// The ends of the names: a name without an object, and that of an object full of sevens.
pub(crate) const NEW: &str = ".new";
pub(crate) const OLD: &str = ".old";

/// The length of the old object.
pub(crate) const OLD_SIZE: u64 = 12288;

/// Each byte, and how often it is repeated.
pub(crate) fn runs(mut content: &[u8]) -> Vec<(u8, u64)> {
    let mut runs = Vec::new();
    while let Some(&byte) = content.first() {
        // Whole pages are compared at once: the tests run thousands of victims.
        let page = [byte; 4096];
        let mut len = 0;
        while content[len..].starts_with(&page) {
            len += page.len();
        }
        len += content[len..].iter().take_while(|other| **other == byte).count();
        runs.push((byte, len as u64));
        content = &content[len..];
    }
    runs
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    /// As [`runs`] returns it.
    pub(crate) content: Vec<(u8, u64)>,
    pub(crate) mode: u32,
    pub(crate) owner: u32,
}

/// The objects by the end of their names, after the prefix. Others by the whole name.
#[derive(Clone, Debug)]
pub(crate) struct World(pub(crate) BTreeMap<String, Object>);

impl World {
    /// All objects if the `/dev/shm` is this process's own, else those with the prefix.
    pub(crate) fn now(prefix: &str, alone: bool) -> World {
        let prefix = prefix.trim_start_matches('/');
        let mut objects = BTreeMap::new();
        for entry in fs::read_dir("/dev/shm").unwrap().map(io::Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            // What begins with `x.10` is not of `x.1`, and may be gone at any moment.
            let rest =
                name.strip_prefix(prefix).filter(|rest| matches!(rest.get(..1), None | Some(".")));
            let rest = rest.map(str::to_owned);
            if rest.is_none() && !alone {
                continue;
            }
            let (content, metadata) = (fs::read(entry.path()).unwrap(), entry.metadata().unwrap());
            let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
            objects.insert(rest.unwrap_or(name), Object { content: runs(&content), mode, owner });
        }
        World(objects)
    }

    /// Adds a new object of zeroes, with the default permissions.
    pub(crate) fn make(&mut self, name: &str, len: u64) {
        let content = if len == 0 { vec![] } else { vec![(0, len)] };
        // SAFETY: passes no pointer.
        let owner = unsafe { libc::geteuid() };
        self.0.insert(name.to_owned(), Object { content, mode: 0o600, owner });
    }

    pub(crate) fn of(&mut self, name: &str) -> &mut Object {
        self.0.get_mut(name).unwrap_or_else(|| panic!("there is no object {name}"))
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
}
