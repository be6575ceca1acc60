//! Making pages present, counting them, and keeping them in memory.

use std::io::ErrorKind;
use std::ops::ControlFlow;

use posix_shm::{MapOptions, Operation, Shm, capabilities};
#[cfg(target_os = "linux")]
use posix_shm::{Mapping, ReadWrite};

use super::page;
use crate::common::{FILES, Names};

/// An object without memory, where the system has such objects.
fn sparse(len: usize) -> Shm {
    let object = Shm::anonymous(0).unwrap();
    object.set_len_sparse(len as u64).unwrap();
    object
}

/// How many bytes of the object are in memory.
fn present(object: &Shm) -> u64 {
    object.metadata().unwrap().allocated()
}

#[test]
fn populating_makes_the_pages_present_and_changes_no_byte() {
    let len = 64 * page();
    let object = sparse(len);
    let mapping = object.map_mut().unwrap();
    mapping.bytes().store(3 * page(), 7);
    mapping.populate(..).unwrap();
    if FILES {
        assert_eq!(present(&object), len as u64, "some pages are not there");
    }
    let bytes = mapping.bytes().to_vec();
    assert_eq!(bytes[3 * page()], 7);
    assert_eq!(bytes.iter().filter(|&&byte| byte != 0).count(), 1);
    // Once more, and through a mapping that can only be read.
    mapping.populate(..).unwrap();
    object.map().unwrap().populate(..).unwrap();
    assert_eq!(mapping.bytes().to_vec(), bytes);
}

#[test]
fn populating_a_range_reaches_the_pages_around_it() {
    if !FILES {
        return;
    }
    let cases = [(0..1, 1), (0..page(), 1), (page() - 1..page() + 1, 2), (5..5, 0)];
    for (range, pages) in cases {
        for reading in [false, true] {
            let object = sparse(8 * page());
            if reading {
                object.map().unwrap().populate(range.clone()).unwrap();
            } else {
                object.map_mut().unwrap().populate(range.clone()).unwrap();
            }
            let expected = (pages * page()) as u64;
            assert_eq!(present(&object), expected, "{range:?}, reading: {reading}");
        }
    }
    // The place of the mapping in its object counts, and what is behind it stays as it is.
    let object = sparse(8 * page());
    let mut options = MapOptions::new();
    options.offset(page() as u64 + 1).len(page()).map_mut(&object).unwrap().populate(..).unwrap();
    assert_eq!(present(&object), 2 * page() as u64);
}

#[test]
fn ranges_outside_are_refused() {
    let mapping = Shm::anonymous(2 * page() as u64).unwrap().map_mut().unwrap();
    let len = mapping.len();
    #[allow(clippy::reversed_empty_ranges, reason = "that is what is tested")]
    for (from, to) in [(0, len + 1), (len + 1, len + 1), (5, 4), (0, usize::MAX)] {
        let results = [
            (mapping.populate(from..to), Operation::Populate),
            (mapping.residency(from..to).map(drop), Operation::Populate),
            (mapping.lock(from..to), Operation::Lock),
            (mapping.unlock(from..to), Operation::Lock),
            (mapping.advise(from..to, posix_shm::Advice::Normal), Operation::Advise),
            (mapping.collapse(from..to).map(drop), Operation::Advise),
        ];
        for (result, operation) in results {
            let error = result.unwrap_err();
            let seen = (error.kind(), error.operation());
            assert_eq!(seen, (ErrorKind::InvalidInput, operation), "{from}..{to}: {error}");
        }
    }
    assert!(mapping.populate(..=usize::MAX).is_err());
    mapping.populate(len..).unwrap();
    mapping.populate(..=len - 1).unwrap();
}

/// Writing to pages that are there causes no page faults.
#[test]
#[cfg(target_os = "linux")]
fn nothing_is_left_to_fault() {
    let len = 512 * page();
    let faults = |object: &Shm, populate: bool| {
        let mapping = object.map_mut().unwrap();
        if populate {
            mapping.populate(..).unwrap();
        }
        let before = minor_faults();
        (0..len).step_by(page()).for_each(|place| mapping.bytes().store(place, 1));
        minor_faults() - before
    };
    if cfg!(any(posix_shm_portable, posix_shm_apple)) {
        // They promise the memory, and not that it is mapped for writing.
        return;
    }
    let plain = faults(&sparse(len), false);
    assert!(plain >= 512, "only {plain} faults");
    let new = sparse(len);
    let first = faults(&new, true);
    assert!(first < 16, "{first} faults in a new object");
    let attached = faults(&new, true);
    assert!(attached < 16, "{attached} faults in an object that was full");
    // As the kernel reads around a fault, attaching without it takes fewer than one each.
    let reserved = Shm::anonymous(len as u64).unwrap();
    assert!(faults(&reserved, true) < 16);
}

/// The page faults of this thread.
#[cfg(target_os = "linux")]
fn minor_faults() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is to room for one `rusage`.
    let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    assert_eq!(result, 0);
    // SAFETY: the call has filled it in.
    #[allow(clippy::useless_conversion, reason = "the type is narrower on 32 bits")]
    i64::from(unsafe { usage.assume_init() }.ru_minflt)
}

#[test]
fn any_number_of_threads_populates_everything() {
    let len = 40 << 20;
    for threads in [0, 1, 2, 7, 1000] {
        let object = sparse(len);
        let mapping = object.map_mut().unwrap();
        mapping.populate_in(.., threads).unwrap();
        if FILES {
            assert_eq!(present(&object), len as u64, "{threads} threads");
        }
    }
}

#[test]
fn populating_can_be_watched_and_stopped() {
    let len = 80 << 20;
    for threads in [1, 3] {
        let object = sparse(len);
        let mapping = object.map_mut().unwrap();
        let mut seen = vec![0];
        let done = mapping.populate_with(.., threads, |done| {
            seen.push(done);
            ControlFlow::Continue(())
        });
        assert_eq!(done.unwrap(), len);
        assert!(seen.is_sorted(), "it went back: {seen:?}");
        assert_eq!(seen.last(), Some(&len));
        assert!(seen.len() > 2 || threads > 1, "it was watched only {} times", seen.len());

        let object = sparse(len);
        let mapping = object.map_mut().unwrap();
        let mut calls = 0;
        let stopped = mapping.populate_with(.., threads, |done| {
            calls += 1;
            assert!(done > 0);
            ControlFlow::Break(())
        });
        let done = stopped.unwrap();
        // Other threads may have been quicker than the one that was told to stop.
        let most = if threads == 1 { len - 1 } else { len };
        assert!((1..=most).contains(&done), "{done} of {len}, {threads} threads");
        assert!(calls >= 1);
        if FILES {
            assert_eq!(present(&object), done as u64, "{threads} threads");
        }
        // It goes on where it was.
        mapping.populate(..).unwrap();
    }
}

/// What is reported are the bytes of the range, although whole pages are made present.
#[test]
fn a_small_range_is_reported_once_and_as_long_as_it_is() {
    let object = sparse(8 * page());
    let mapping = object.map_mut().unwrap();
    for threads in [1, 4] {
        let mut seen = Vec::new();
        let done = mapping.populate_with(page() + 5..page() + 10, threads, |done| {
            seen.push(done);
            ControlFlow::Continue(())
        });
        assert_eq!((done.unwrap(), seen), (5, vec![5]), "{threads} threads");
    }
}

#[test]
fn the_options_populate_what_is_mapped_and_what_is_added() {
    if !FILES {
        return;
    }
    for capacity in [0, 64 * page()] {
        let object = sparse(8 * page());
        let mut options = MapOptions::new();
        options.len(2 * page()).populate(true);
        if capacity > 0 {
            options.capacity(capacity);
        }
        let mut mapping = options.map_mut(&object).unwrap();
        assert_eq!(present(&object), 2 * page() as u64);
        mapping.grow(&object, 5 * page()).unwrap();
        assert_eq!(present(&object), 5 * page() as u64);
        mapping.bytes().store(5 * page() - 1, 1);
    }
}

#[test]
fn residency_counts_the_bytes_in_memory() {
    let object = sparse(16 * page());
    let mapping = object.map_mut().unwrap();
    match mapping.residency(..) {
        Ok(none) => {
            assert!(capabilities().residency, "it works");
            assert_eq!(none, 0);
        }
        Err(error) => {
            assert!(!capabilities().residency, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            return;
        }
    }
    mapping.bytes().store(2 * page(), 1);
    mapping.bytes().store(5 * page() - 1, 1);
    assert_eq!(mapping.residency(..).unwrap(), 2 * page());
    assert_eq!(mapping.residency(2 * page()..3 * page()).unwrap(), page());
    assert_eq!(mapping.residency(..2 * page()).unwrap(), 0);
    assert_eq!(mapping.residency(2 * page()..2 * page() + 1).unwrap(), 1);
    assert_eq!(mapping.residency(7..7).unwrap(), 0);
    // Whoever has put them there.
    object.map_mut().unwrap().populate(..).unwrap();
    assert_eq!(mapping.residency(..).unwrap(), 16 * page());
    // More pages than one call asks about.
    let large = sparse(5000 * page());
    let mapping = large.map_mut().unwrap();
    mapping.populate(page()..).unwrap();
    assert_eq!(mapping.residency(..).unwrap(), 4999 * page());
}

#[test]
fn locked_pages_are_locked_until_they_are_not() {
    let object = sparse(8 * page());
    let mapping = object.map_mut().unwrap();
    mapping.lock(page()..3 * page()).unwrap();
    mapping.lock(2 * page()..2 * page()).unwrap();
    if FILES {
        assert_eq!(present(&object), 2 * page() as u64, "locked pages are not there");
    }
    #[cfg(target_os = "linux")]
    {
        let locked = |place: usize| super::kilobytes(place_in(&mapping, place), "Locked:");
        assert_eq!([0, page(), 3 * page()].map(locked), [0, 2 * page() / 1024, 0]);
        mapping.unlock(page()..2 * page()).unwrap();
        assert_eq!([page(), 2 * page()].map(locked), [0, page() / 1024]);
    }
    mapping.unlock(..).unwrap();
    // Nothing was locked there.
    mapping.unlock(..).unwrap();
    mapping.bytes().fill(1);
}

#[cfg(target_os = "linux")]
fn place_in(mapping: &Mapping<ReadWrite>, place: usize) -> *const u8 {
    mapping.as_ptr().wrapping_add(place)
}

#[test]
#[cfg(target_os = "linux")]
fn the_options_lock_what_is_mapped_and_what_is_added() {
    // An aligned mapping is mapped anew to grow.
    for (capacity, align) in [(0, 1), (64 * page(), 1), (0, 1 << 21)] {
        let object = Shm::anonymous(8 * page() as u64).unwrap();
        let mut options = MapOptions::new();
        options.len(2 * page()).lock(true).align(align);
        if capacity > 0 {
            options.capacity(capacity);
        }
        let mut mapping = options.map_mut(&object).unwrap();
        mapping.grow(&object, 5 * page()).unwrap();
        for place in [0, 2 * page(), 5 * page() - 1] {
            let flags = super::flags(place_in(&mapping, place));
            assert!(flags.contains(&"lo".to_owned()), "{place} is not locked: {flags:?}");
        }
        // Locked pages can be cut off too.
        mapping.shrink_to(page()).unwrap();
        mapping.grow(&object, 3 * page()).unwrap();
        mapping.bytes().fill(1);
    }
}

/// Through every kind of handle.
#[test]
fn a_handle_for_reading_can_populate_and_lock() {
    let names = Names::new();
    if !capabilities().named {
        return;
    }
    let object = Shm::create(names.name(), 4 * page() as u64).unwrap();
    let reader = Shm::open(object.name().unwrap()).unwrap();
    let mapping = MapOptions::new().populate(true).lock(true).map(&reader).unwrap();
    mapping.populate_in(.., 2).unwrap();
    mapping.unlock(..).unwrap();
    assert_eq!(mapping.bytes().load(0), 0);
    object.unlink().unwrap();
}
