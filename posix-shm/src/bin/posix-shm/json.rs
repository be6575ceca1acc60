//! What `--json` says of an object.

use std::ffi::OsStr;
use std::time::{SystemTime, UNIX_EPOCH};

use posix_shm::Metadata;
use serde_json::{Map, Value, json};

use crate::owners::Owners;
use crate::text::shown;

/// A name: as it is if it is UTF-8, and as it is shown, which tells every byte.
pub(crate) fn name(name: &OsStr) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("name".into(), name.to_str().into());
    map.insert("shown".into(), shown(name).into());
    map
}

/// The name and what `stat` knows.
pub(crate) fn object(
    name_of_it: &OsStr,
    metadata: &Metadata,
    owners: &Owners,
) -> Map<String, Value> {
    let mut map = name(name_of_it);
    let facts = json!({
        "size": metadata.len(),
        "memory": metadata.allocated(),
        "mode": format!("{:04o}", metadata.permissions().mode()),
        "uid": metadata.uid(),
        "gid": metadata.gid(),
        "owner": owners.user(metadata.uid()),
        "group": owners.group(metadata.gid()),
        "device": metadata.device(),
        "inode": metadata.inode(),
        "nlink": metadata.links(),
        "atime": seconds(metadata.accessed()),
        "mtime": seconds(metadata.modified()),
        "ctime": seconds(metadata.changed()),
    });
    if let Value::Object(facts) = facts {
        map.extend(facts);
    }
    map
}

/// Seconds since 1970 with nine places, as FreeBSD's tool writes them. A string: a number of 64
/// bits would lose the last places.
pub(crate) fn seconds(time: SystemTime) -> String {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => format!("{}.{:09}", since.as_secs(), since.subsec_nanos()),
        Err(before) => {
            let until = before.duration();
            format!("-{}.{:09}", until.as_secs(), until.subsec_nanos())
        }
    }
}
