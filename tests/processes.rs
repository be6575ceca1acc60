//! Several processes and one object.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{Ordering, fence};

use posix_shm::{IfExists, OpenOptions, Shm, unlink};

use crate::common::{Names, len, peer, run_to_death};

#[test]
fn two_processes_talk_through_one_object() {
    const ROUNDS: u64 = 2000;
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 16).unwrap();
    let mapping = object.map_mut().unwrap();
    let words = mapping.slice::<u64>(0, 2).unwrap();
    let mut other =
        peer("answer", [name.to_string(), ROUNDS.to_string()]).spawn().expect("the peer starts");
    for round in 0..ROUNDS {
        words.store(0, 2 * round + 1);
        while words.load(0) != 2 * round + 2 {
            let ended = other.try_wait().unwrap();
            assert!(ended.is_none_or(|status| status.success()), "the peer failed: {ended:?}");
            std::thread::yield_now();
        }
        fence(Ordering::SeqCst);
        assert_eq!(words.load(1), round * round, "the answer of round {round}");
    }
    let status = other.wait().unwrap();
    assert!(status.success(), "the peer failed: {status}");
    object.unlink().unwrap();
}

#[test]
fn an_object_of_a_killed_process_can_be_read_superseded_and_removed() {
    let names = Names::new();
    let name = names.name();
    for supersede in [false, true] {
        let status = run_to_death(&mut peer("leave-behind", [name.as_os_str()]));
        assert_eq!(status.signal(), Some(libc::SIGKILL), "the peer was not killed: {status}");
        let left = Shm::open(&name).unwrap();
        let word = left.map().unwrap().slice::<u32>(0, 1).unwrap().load(0);
        assert_eq!(word, 0xfeed, "the content of the killed process is lost");
        if supersede {
            let new = OpenOptions::new()
                .direction(posix_shm::Direction::Io)
                .if_exists(IfExists::Supersede)
                .size(8192)
                .open(&name)
                .unwrap();
            assert!(new.created(), "the old object was not superseded");
            assert_eq!((left.len().unwrap(), new.len().unwrap()), (len(4096), len(8192)));
        }
        unlink(&name).unwrap();
    }
}
