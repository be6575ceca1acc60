//! `Shm::inspect`.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use posix_shm::{Direction, Kind, OpenOptions, Seals, Shm, capabilities};

use crate::common::{Names, len, page};

fn is_described(object: &Shm, direction: Direction) {
    let found = object.inspect().unwrap();
    assert_eq!(found.metadata.len(), len(10_000));
    assert_eq!(found.direction, direction);
    assert_eq!(found.page_size, page());
    assert_eq!(found.seals - Seals::EXEC, Seals::empty(), "{found:?}");
    assert_eq!(found.is_reserved, object.is_reserved().unwrap());
    if capabilities().seal {
        assert_eq!(found.kind, Kind::Memory);
        assert!(found.is_reserved, "{found:?}");
    }
}

#[test]
fn an_object_is_described_before_it_is_mapped() {
    let anonymous = Shm::anonymous(10_000).unwrap();
    is_described(&anonymous, Direction::Io);
    if capabilities().named {
        let names = Names::new();
        let name = names.name();
        let named = Shm::create(&name, 10_000).unwrap();
        is_described(&named, Direction::Io);
        is_described(&Shm::open(&name).unwrap(), Direction::Input);
        named.unlink().unwrap();
    }
    if capabilities().exact_len {
        let mut options = OpenOptions::new();
        let options = options.direction(Direction::Io).size(1 << 20).sparse(true);
        assert!(!options.open_anonymous().unwrap().inspect().unwrap().is_reserved);
    }
    if capabilities().seal {
        let frozen = anonymous.freeze().unwrap().inspect().unwrap();
        assert!(frozen.seals.contains(Seals::GROW | Seals::SHRINK | Seals::SEAL), "{frozen:?}");
    }
}

#[test]
fn what_is_no_object_is_refused_by_its_kind() {
    let (socket, _other_end) = UnixStream::pair().unwrap();
    let mut child = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdout.take().unwrap();
    child.wait().unwrap();
    let folder = std::fs::File::open("/").unwrap();
    let device = std::fs::File::open("/dev/null").unwrap();
    let program = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let others: [(&str, OwnedFd); 5] = [
        ("socket", socket.into()),
        ("pipe", pipe.into()),
        ("directory", folder.into()),
        ("device", device.into()),
        ("file", program.into()),
    ];
    for (what, fd) in others {
        match Shm::from(fd).inspect() {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{what}: {error}");
                assert!(error.to_string().contains(what), "{what}: {error}");
            }
            // Systems on which an object is a file like any other.
            Ok(found) => assert!(what == "file" && found.kind == Kind::File, "{what}: {found:?}"),
        }
    }
}
