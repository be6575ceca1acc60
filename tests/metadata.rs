//! `Shm::metadata`, compared with what `std::fs` says about the same file.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use posix_shm::{Shm, unlink};

use crate::common::{FILES, Names};

#[test]
fn metadata_matches_what_std_fs_reports() {
    if !FILES {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let before = SystemTime::now() - Duration::from_secs(2);
    let object = Shm::create(&name, 5000).unwrap();
    let metadata = object.metadata().unwrap();
    let file = std::fs::metadata(format!("/dev/shm{name}")).unwrap();
    assert_eq!(metadata.len(), 5000);
    assert_eq!(metadata.len(), file.len());
    assert_eq!((metadata.device(), metadata.inode()), (file.dev(), file.ino()));
    assert_eq!((metadata.uid(), metadata.gid()), (file.uid(), file.gid()));
    assert_eq!(metadata.permissions().mode(), file.mode() & 0o7777);
    assert_eq!(metadata.links(), 1);
    assert_eq!(metadata.allocated(), 8192);
    assert_eq!(metadata.modified(), file.modified().unwrap());
    assert_eq!(metadata.accessed(), file.accessed().unwrap());
    for time in [metadata.modified(), metadata.accessed(), metadata.changed()] {
        let now = SystemTime::now() + Duration::from_secs(2);
        assert!(before < time && time < now, "not between {before:?} and {now:?}: {time:?}");
    }
    unlink(&name).unwrap();
    assert_eq!(object.metadata().unwrap().links(), 0);
}
