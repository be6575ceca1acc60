//! `Mapping::advise`: what each advice does to shared memory, and which are refused.

use std::io::ErrorKind;
#[cfg(target_os = "linux")]
use std::os::unix::process::ExitStatusExt;

use posix_shm::{Advice, Direction, MapOptions, OpenOptions, Operation, Shm};

use super::page;
#[cfg(target_os = "linux")]
use crate::common::{FILES, peer, run_to_death};

const ALL: [Advice; 16] = [
    Advice::Normal,
    Advice::Sequential,
    Advice::Random,
    Advice::WillNeed,
    Advice::DontNeed,
    Advice::Cold,
    Advice::PageOut,
    Advice::Remove,
    Advice::DontFork,
    Advice::DoFork,
    Advice::DontDump,
    Advice::DoDump,
    Advice::HugePage,
    Advice::NoHugePage,
    Advice::Guard,
    Advice::Unguard,
];

/// Those that every system has.
const EVERYWHERE: [Advice; 5] =
    [Advice::Normal, Advice::Sequential, Advice::Random, Advice::WillNeed, Advice::DontNeed];

/// Those that take whole pages.
const WHOLE: [Advice; 5] =
    [Advice::Remove, Advice::DontFork, Advice::DoFork, Advice::Guard, Advice::Unguard];

#[test]
fn every_advice_is_taken_or_unsupported() {
    for advice in ALL {
        let object = Shm::anonymous(8 * page() as u64).unwrap();
        let mapping = object.map_mut().unwrap();
        mapping.bytes().fill(7);
        match mapping.advise(2 * page()..4 * page(), advice) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let needed = cfg!(target_os = "linux") || EVERYWHERE.contains(&advice);
                assert!(!needed, "{advice:?}: {error}");
            }
            // A kernel that is too old for it or built without it, or an emulator.
            Err(error) => {
                use Advice::{Cold, Guard, HugePage, NoHugePage, PageOut, Unguard};
                let known = [Guard, Unguard, Cold, PageOut, HugePage, NoHugePage];
                assert!(known.contains(&advice), "{advice:?}: {error}");
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{advice:?}: {error}");
                continue;
            }
        }
        mapping.advise(2 * page()..2 * page(), advice).unwrap();
        // The other pages are as before.
        for place in [0, 2 * page() - 1, 4 * page(), 8 * page() - 1] {
            assert_eq!(mapping.bytes().load(place), 7, "{advice:?}, at {place}");
        }
        if !matches!(advice, Advice::Remove | Advice::Guard) {
            assert_eq!(mapping.bytes().to_vec(), vec![7; 8 * page()], "{advice:?}");
        }
    }
}

#[test]
fn what_takes_whole_pages_refuses_parts_of_them() {
    let object = Shm::anonymous(4 * page() as u64).unwrap();
    let mapping = object.map_mut().unwrap();
    mapping.bytes().fill(7);
    for advice in WHOLE {
        for (from, to) in [(0, 1), (1, page()), (page() - 1, page() + 1), (1, 4 * page())] {
            let error = mapping.advise(from..to, advice).unwrap_err();
            let seen = (error.kind(), error.operation(), error.raw_os_error());
            let expected = (ErrorKind::InvalidInput, Operation::Advise, None);
            assert_eq!(seen, expected, "{advice:?} {from}..{to}: {error}");
        }
        // A mapping that begins inside a page does not have all of that page.
        let part = MapOptions::new().offset(1).map_mut(&object).unwrap();
        assert!(part.advise(..page() - 1, advice).is_err(), "{advice:?}");
    }
    // What is behind a mapping's end is the object's.
    let short = MapOptions::new().len(page() + 1).map_mut(&object).unwrap();
    assert!(short.advise(.., Advice::Remove).is_err());
    assert_eq!(mapping.bytes().to_vec(), vec![7; 4 * page()]);
}

#[test]
#[cfg(target_os = "linux")]
fn removing_gives_the_memory_back_for_everyone() {
    if !FILES {
        return;
    }
    let object = Shm::anonymous(8 * page() as u64).unwrap();
    let (mapping, peer) = (object.map_mut().unwrap(), object.map().unwrap());
    mapping.bytes().fill(7);
    mapping.advise(page()..3 * page(), Advice::Remove).unwrap();
    assert_eq!(object.metadata().unwrap().allocated(), 6 * page() as u64);
    let found = [0, page(), 3 * page() - 1, 3 * page()].map(|place| peer.bytes().load(place));
    assert_eq!(found, [7, 0, 0, 7]);
    // It takes the right to write.
    let error = peer.advise(..page(), Advice::Remove).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    // What a copy-on-write mapping has written is its own: the object stays as it is.
    let copy = MapOptions::new().map_copy_on_write(&object).unwrap();
    let error = copy.advise(..page(), Advice::Remove).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!(peer.bytes().load(0), 7);
}

/// Such a mapping knows that it can write.
#[test]
fn what_was_mapped_while_it_was_made_can_give_memory_back() {
    let mut options = OpenOptions::new();
    let (object, mapping) =
        options.direction(Direction::Io).size(4 * page() as u64).open_anonymous_mapped().unwrap();
    mapping.bytes().fill(1);
    match mapping.advise(..page(), Advice::Remove) {
        Ok(()) => assert_eq!((mapping.bytes().load(0), mapping.bytes().load(page())), (0, 1)),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
    }
    drop(object);
}

#[test]
#[cfg(target_os = "linux")]
fn the_kernel_shows_what_was_advised() {
    if !FILES {
        return;
    }
    /// Only kernels that are built with huge pages have it.
    const HUGE: &str = "/sys/kernel/mm/transparent_hugepage";
    let object = Shm::anonymous(8 * page() as u64).unwrap();
    let shown = [
        (Advice::Sequential, "sr", Advice::Normal),
        (Advice::Random, "rr", Advice::Normal),
        (Advice::DontFork, "dc", Advice::DoFork),
        (Advice::DontDump, "dd", Advice::DoDump),
        (Advice::HugePage, "hg", Advice::NoHugePage),
        (Advice::NoHugePage, "nh", Advice::HugePage),
    ];
    for (advice, flag, undo) in shown {
        let mapping = object.map_mut().unwrap();
        let has = |place: usize| {
            super::flags(mapping.as_ptr().wrapping_add(place)).contains(&flag.to_owned())
        };
        let advised = mapping.advise(page()..3 * page(), advice);
        if ["hg", "nh"].contains(&flag) && !std::fs::exists(HUGE).unwrap() {
            assert_eq!(advised.unwrap_err().kind(), ErrorKind::InvalidInput, "{advice:?}");
            continue;
        }
        advised.unwrap();
        let found = [0, page(), 3 * page() - 1, 3 * page()].map(has);
        assert_eq!(found, [false, true, true, false], "{advice:?}");
        mapping.advise(.., undo).unwrap();
        assert!(!has(page()), "{undo:?} does not undo {advice:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_copy_on_write_mapping_can_take_back_what_it_wrote() {
    if !FILES {
        return;
    }
    let object = Shm::anonymous(2 * page() as u64).unwrap();
    let copy = MapOptions::new().map_copy_on_write(&object).unwrap();
    copy.store(0, 5_u8).unwrap();
    copy.advise(.., Advice::DontNeed).unwrap();
    assert_eq!(copy.bytes().load(0), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_guard_kills_who_touches_it_and_goes_again() {
    let object = Shm::anonymous(3 * page() as u64).unwrap();
    let (mapping, peer_mapping) = (object.map_mut().unwrap(), object.map_mut().unwrap());
    mapping.bytes().fill(7);
    if let Err(error) = mapping.advise(page()..2 * page(), Advice::Guard) {
        // Before Linux 6.15.
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        return;
    }
    // Asking for it is an error, and a peer does not notice.
    let error = mapping.populate(..).unwrap_err();
    assert_eq!(error.operation(), Operation::Populate, "{error}");
    assert_eq!(peer_mapping.bytes().load(page()), 7);
    mapping.advise(.., Advice::Unguard).unwrap();
    assert_eq!(mapping.bytes().to_vec(), vec![7; 3 * page()]);
    let status = run_to_death(&mut peer("out-of-bounds", ["guard"]));
    assert_eq!(status.signal(), Some(libc::SIGSEGV), "{status:?}");
}

/// A forked child lacks the pages, which a child that only reads them shows by its end.
#[test]
#[cfg(target_os = "linux")]
fn what_a_child_is_not_to_have_it_does_not_have() {
    let object = Shm::anonymous(2 * page() as u64).unwrap();
    let mapping = object.map_mut().unwrap();
    mapping.advise(page().., Advice::DontFork).unwrap();
    let ends = [0, page()].map(|place| {
        let address = mapping.as_ptr().wrapping_add(place);
        // SAFETY: the child only reads memory and ends.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "no fork");
        if child == 0 {
            // SAFETY: the memory is mapped, or the system kills the child, which is what this
            // tests.
            let byte = unsafe { address.read_volatile() };
            // SAFETY: passes no pointer.
            unsafe { libc::_exit(i32::from(byte)) };
        }
        let mut status = 0;
        // SAFETY: the pointer is to an integer.
        let waited = unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(waited, child);
        std::process::ExitStatus::from_raw(status)
    });
    assert!(ends[0].success(), "{ends:?}");
    assert_eq!(ends[1].signal(), Some(libc::SIGSEGV), "{ends:?}");
}
