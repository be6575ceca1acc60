//! Asking the system for all that the model knows.

use std::os::unix::fs::FileExt;

use super::{Machine, Map, NAMES, Object};
use crate::lab::names;

impl Machine {
    /// The system agrees with the model in all that can be asked.
    pub(super) fn check(&self) {
        let there = names();
        for (nth, name) in NAMES.iter().enumerate() {
            assert_eq!(there.contains(*name), self.names[nth].is_some(), "the name {name}");
        }
        let named = self.names.iter().flatten().count();
        assert_eq!(there.len(), named, "there are other names: {there:?}");
        let listed = posix_shm::list().expect("they can be listed").count();
        assert_eq!(listed, named, "list()");
        for (at, handle) in self.handles.iter().enumerate() {
            let Object { bytes, anonymous, seals, .. } = &self.objects[handle.object];
            let metadata = handle.shm.metadata().expect("it has metadata");
            assert_eq!(metadata.len(), bytes.len() as u64, "the length of {at}");
            let has_name = self.names.contains(&Some(handle.object));
            assert_eq!(metadata.links() > 0, has_name, "the links of {at}");
            assert_eq!(handle.shm.created(), handle.created, "created() of {at}");
            let name = handle.shm.name().map(|name| name.as_os_str().to_string_lossy());
            let name = name.map(|name| name.trim_start_matches('/').to_owned());
            assert_eq!(name.as_deref(), handle.name.map(|nth| NAMES[nth]), "the name of {at}");
            let mut read = vec![0; bytes.len() + 1];
            let count = handle.shm.read_at(&mut read, 0).expect("it can be read");
            assert_eq!(count, bytes.len(), "how much is read of {at}");
            let differs = (0..count).find(|place| read[*place] != bytes[*place]);
            assert_eq!(differs, None, "the bytes of {at}");
            if *anonymous {
                let found = handle.shm.seals().expect("it can be asked");
                assert!(found.contains(*seals), "the seals of {at}: {found:?}");
            }
        }
        for (at, (map, object)) in self.maps.iter().enumerate() {
            let bytes = &self.objects[*object].bytes;
            let load = |place| match map {
                Map::Reads(map) => map.bytes().load(place),
                Map::Writes(map) => map.bytes().load(place),
                Map::Copies(map, _) => map.bytes().load(place),
            };
            let (len, changed): (_, &[_]) = match map {
                Map::Reads(map) => (map.len(), &[]),
                Map::Writes(map) => (map.len(), &[]),
                Map::Copies(map, changed) => (map.len(), changed),
            };
            // A page that was changed privately keeps the bytes that it had then.
            let is_private = |place: usize| changed.iter().any(|it| it.0 / 4096 == place / 4096);
            for place in (0..len.min(bytes.len())).step_by(41) {
                if !is_private(place) {
                    assert_eq!(load(place), bytes[place], "byte {place} of mapping {at}");
                }
            }
        }
    }
}
