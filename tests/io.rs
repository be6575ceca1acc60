//! `Shm::read_at` and `Shm::write_at`.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use posix_shm::{Shm, capabilities};

use crate::common::{Names, len};

#[test]
fn a_handle_reads_and_writes_at_offsets() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 10).unwrap();
    object.write_all_at(b"0123456789", 0).unwrap();
    let mut buffer = [0; 8];
    let end = object.len().unwrap();
    assert_eq!(object.read_at(&mut buffer, 7).unwrap(), 8.min(end as usize - 7));
    assert_eq!(&buffer[..3], b"789");
    assert_eq!(object.read_at(&mut buffer, end - 3).unwrap(), 3);
    assert_eq!(object.read_at(&mut buffer, end).unwrap(), 0);
    // A write past the end makes the object longer.
    let longer = object.write_at(b"x", end + 89);
    assert_eq!(longer.ok(), capabilities().resize.then_some(1));
    if capabilities().resize {
        assert_eq!(object.len().unwrap(), len(100));
        // If a peer truncates the object, the count is short.
        Shm::open_io(&name).unwrap().set_len(4).unwrap();
        assert_eq!(object.read_at(&mut buffer, 2).unwrap(), 2);
        let short = object.read_exact_at(&mut buffer, 0).unwrap_err();
        assert_eq!(short.kind(), ErrorKind::UnexpectedEof);
    }
    let written = object.write_at(b"x", u64::MAX).unwrap_err();
    assert_eq!(written.kind(), ErrorKind::InvalidInput, "{written}");
    let read = object.read_at(&mut buffer, 1 << 63).unwrap_err();
    assert_eq!(read.kind(), ErrorKind::InvalidInput, "{read}");
    let reader = Shm::open(&name).unwrap();
    let refused = reader.write_at(b"x", 0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    let foreign = Shm::from(OwnedFd::from(reader)).write_at(b"x", 1 << 20).unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::InvalidInput);
    let before = object.len().unwrap();
    assert_eq!(object.write_at(b"", before + 1000).unwrap(), 0);
    assert_eq!(object.read_at(&mut [], 0).unwrap(), 0);
    assert_eq!(object.len().unwrap(), before);
    object.unlink().unwrap();
}
