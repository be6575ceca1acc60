//! Mappings that become longer and shorter, move, split, and change what they allow.

use std::io::ErrorKind;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, Ordering};

use posix_shm::{
    Direction, IfExists, MapOptions, Moved, OpenOptions, Operation, Protection, Shm, capabilities,
    unlink,
};

use super::page;
use crate::common::{FILES, Names, peer, run_to_death};

/// An object that starts with this many bytes. Every test makes it longer, where that can be done.
fn object(len: usize) -> Shm {
    Shm::anonymous(len as u64).unwrap()
}

/// Gives an object its length. On macOS it has had it from the beginning.
fn lengthen(object: &Shm, len: usize) {
    if capabilities().resize {
        object.grow(len as u64).unwrap();
    }
}

/// The byte that each test has at a place.
fn byte_at(place: usize) -> u8 {
    (place % 251) as u8
}

#[test]
fn within_the_capacity_the_address_stays() {
    let (first, last) = (page(), 64 * page());
    let object = object(if capabilities().resize { first } else { last });
    let mut options = MapOptions::new();
    let mut mapping = options.len(first).capacity(last).map_mut(&object).unwrap();
    let start = mapping.as_ptr();
    assert_eq!(mapping.capacity(), last);
    let mut len = first;
    while len < last {
        mapping.bytes().store(len - 1, byte_at(len));
        len *= 2;
        lengthen(&object, len);
        assert_eq!(mapping.grow(&object, len).unwrap(), Moved::No, "to {len}");
        assert_eq!((mapping.as_ptr(), mapping.len()), (start, len));
        let old = start.wrapping_add(len / 2 - 1);
        // SAFETY: the address is inside the mapping, as it was before.
        let old = unsafe { old.read_volatile() };
        assert_eq!(old, byte_at(len / 2), "through the old pointer, at {len}");
        assert_eq!(mapping.bytes().load(len - 1), 0);
    }
    // Every byte of the object is where it was.
    let seen = object.map().unwrap();
    for place in 0..last {
        assert_eq!(mapping.bytes().load(place), seen.bytes().load(place), "at {place}");
    }
}

#[test]
fn past_the_capacity_the_content_stays() {
    for capacity in [None, Some(1), Some(3 * page()), Some(7 * page() + 1)] {
        let object = object(if capabilities().resize { page() } else { 64 * page() });
        let mut options = MapOptions::new();
        options.len(page());
        if let Some(capacity) = capacity {
            options.capacity(capacity);
        }
        let mut mapping = options.map_mut(&object).unwrap();
        for len in [page() + 1, 2 * page(), 5 * page(), 5 * page() + 7, 64 * page()] {
            let last = mapping.len() - 1;
            mapping.bytes().store(last, byte_at(last));
            lengthen(&object, len);
            let start = mapping.as_ptr();
            let moved = mapping.grow(&object, len).unwrap();
            assert_eq!(moved == Moved::No, mapping.as_ptr() == start, "{capacity:?} {len}");
            if capacity.is_some_and(|capacity| len <= capacity) {
                assert_eq!(moved, Moved::No, "{capacity:?} {len}");
            }
            assert_eq!(mapping.len(), len);
            assert_eq!(mapping.bytes().load(last), byte_at(last), "{capacity:?} {len}");
            // What is new is the object's as well.
            mapping.bytes().store(len - 1, 99);
            assert_eq!(object.map().unwrap().bytes().load(len - 1), 99, "{capacity:?} {len}");
        }
    }
}

#[test]
fn a_mapping_of_any_part_grows() {
    let len = 40 * page();
    let object = object(len);
    let whole = object.map_mut().unwrap();
    for place in 0..len {
        whole.bytes().store(place, byte_at(place));
    }
    for offset in [0, 1, page() - 1, page(), 3 * page() + 5] {
        for capacity in [0, 10 * page()] {
            let mut options = MapOptions::new();
            options.offset(offset as u64).len(10);
            if capacity > 0 {
                options.capacity(capacity);
            }
            let mut part = options.map(&object).unwrap();
            for to in [11, page(), page() + 1, 5 * page(), len - offset] {
                part.grow(&object, to).unwrap();
                assert_eq!(part.len(), to, "{offset} {capacity}");
                let ends = [0, to / 2, to - 1].map(|place| part.bytes().load(place));
                let expected = [0, to / 2, to - 1].map(|place| byte_at(offset + place));
                assert_eq!(ends, expected, "from {offset}, {to} bytes, capacity {capacity}");
            }
        }
    }
}

/// Mappings of new objects, of which the system was not asked which they are.
#[test]
fn a_mapping_of_a_new_object_does_not_grow_by_another_one() {
    // The portable code does not ask /proc.
    if !FILES || cfg!(posix_shm_portable) {
        return;
    }
    let names = Names::new();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_exists(IfExists::Error).size(100);
    let name = names.name();
    let anonymous = Shm::anonymous(100).unwrap();
    let mapped = anonymous.map_mut().unwrap();
    let mut new = vec![(anonymous, mapped), options.open_anonymous_mapped().unwrap()];
    let mut others = vec![Shm::anonymous(20_000).unwrap()];
    if capabilities().named {
        new.push(options.open_mapped(&name).unwrap());
        unlink(&name).unwrap();
        let other = names.name();
        others.push(Shm::create(&other, 20_000).unwrap());
        unlink(&other).unwrap();
    }
    for (object, mut mapping) in new {
        mapping.bytes().store(0, 7);
        for other in &others {
            // Also to no more than its own last page.
            for len in [200, 20_000] {
                let error = mapping.grow(other, len).unwrap_err();
                let seen = (error.kind(), error.operation());
                assert_eq!(seen, (ErrorKind::InvalidInput, Operation::Grow), "{error}");
                assert!(error.to_string().contains("another object"), "{error}");
                assert_eq!(mapping.len(), 100);
            }
        }
        object.grow(20_000).unwrap();
        mapping.grow(&object, 20_000).unwrap();
        mapping.grow(&others[0], 20_001).unwrap_err();
        mapping.bytes().store(19_999, 8);
        let seen = object.map().unwrap();
        assert_eq!((seen.bytes().load(0), seen.bytes().load(19_999)), (7, 8));
    }
}

#[test]
fn growing_past_the_end_of_the_object_is_refused_and_changes_nothing() {
    let object = object(2 * page());
    for capacity in [0, 100 * page()] {
        let mut options = MapOptions::new();
        options.offset(10);
        if capacity > 0 {
            options.capacity(capacity);
        }
        let mut mapping = options.map_mut(&object).unwrap();
        mapping.bytes().store(0, 5);
        let (start, len) = (mapping.as_ptr(), mapping.len());
        for too_long in [len + 1, 3 * page(), 100 * page(), isize::MAX as usize, usize::MAX] {
            let error = mapping.grow(&object, too_long).unwrap_err();
            let seen = (error.kind(), error.operation(), error.raw_os_error());
            assert_eq!(seen, (ErrorKind::InvalidInput, Operation::Grow, None), "{error}");
            assert_eq!((mapping.as_ptr(), mapping.len()), (start, len));
        }
        let message = mapping.grow(&object, len + 1).unwrap_err().to_string();
        for number in [10, len + 1, 2 * page()] {
            assert!(message.contains(&number.to_string()), "no {number} in: {message}");
        }
        assert_eq!(mapping.bytes().load(0), 5);
    }
}

#[test]
fn growing_to_no_more_than_it_has_does_nothing() {
    let object = object(4 * page());
    let mut mapping = MapOptions::new().len(2 * page()).map_mut(&object).unwrap();
    let start = mapping.as_ptr();
    for len in [0, 1, 2 * page()] {
        assert_eq!(mapping.grow(&object, len).unwrap(), Moved::No);
        assert_eq!((mapping.as_ptr(), mapping.len()), (start, 2 * page()));
    }
    // Not even the object is looked at.
    assert_eq!(mapping.grow(std::io::stdin(), 1).unwrap(), Moved::No);
    // What cannot be looked at has nothing to do with the length.
    // SAFETY: no descriptor has this number, which the system finds out.
    let nothing = unsafe { BorrowedFd::borrow_raw(i32::MAX) };
    let error = mapping.grow(nothing, 3 * page()).unwrap_err();
    assert_eq!((error.operation(), error.raw_os_error()), (Operation::Metadata, Some(libc::EBADF)));
    assert!(!error.to_string().contains("bytes"), "{error}");
}

#[test]
fn growing_takes_the_object_that_is_mapped() {
    let (one, other) = (object(8 * page()), object(8 * page()));
    let mut mapping = MapOptions::new().len(page()).map_mut(&one).unwrap();
    let grown = mapping.grow(&other, 8 * page());
    if capabilities().tell_objects_apart {
        let error = grown.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("another object"), "{error}");
        assert_eq!(mapping.len(), page());
    }
    let (socket, _end) = std::os::unix::net::UnixStream::pair().unwrap();
    let error = mapping.grow(OwnedFd::from(socket), 9 * page()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    // Any handle of it will do.
    let clone = one.try_clone().unwrap();
    drop(one);
    mapping.grow(&clone, 8 * page()).unwrap();
    assert_eq!(mapping.len(), 8 * page());
}

#[test]
fn what_open_mapped_returns_grows_as_far_as_the_system_can() {
    let bytes = 8 * page() as u64;
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).size(bytes).map_options(MapOptions::new().len(page()));
    let (object, mut mapping) = options.open_anonymous_mapped().unwrap();
    match mapping.grow(&object, 8 * page()) {
        Ok(_) => assert_eq!(mapping.len(), 8 * page()),
        Err(error) => {
            let known = !capabilities().tell_objects_apart;
            assert!(!capabilities().move_mappings && !known, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert_eq!(mapping.len(), page());
        }
    }
    // With a capacity it knows the object, and need not move.
    options.map_options(MapOptions::new().len(page()).capacity(8 * page()));
    let (object, mut mapping) = options.open_anonymous_mapped().unwrap();
    assert_eq!(mapping.grow(&object, 8 * page()).unwrap(), Moved::No);
    mapping.bytes().store(8 * page() - 1, 1);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_terabyte_of_capacity_takes_no_memory() {
    let object = object(page());
    let capacity = 1 << 40;
    let mut mapping = MapOptions::new().capacity(capacity).map_mut(&object).unwrap();
    assert_eq!(mapping.capacity(), capacity);
    let start = mapping.as_ptr();
    if capabilities().resize {
        lengthen(&object, 1 << 20);
        assert_eq!(mapping.grow(&object, 1 << 20).unwrap(), Moved::No);
        mapping.bytes().fill(3);
        // The object's very end can be that far away.
        if FILES {
            object.set_len_sparse(1 << 40).unwrap();
            assert_eq!(mapping.grow(&object, 1 << 40).unwrap(), Moved::No);
            mapping.bytes().store((1 << 40) - 1, 4);
            assert_eq!(mapping.bytes().load((1 << 20) - 1), 3);
        }
    }
    assert_eq!(mapping.as_ptr(), start);
}

#[test]
fn a_capacity_that_no_process_has_is_an_error() {
    let object = object(page());
    // A process of 32 bits may have half of all addresses, and more.
    let most = if cfg!(target_pointer_width = "64") { isize::MAX as usize } else { usize::MAX };
    for capacity in [most, isize::MAX as usize + 1, usize::MAX] {
        let error = MapOptions::new().capacity(capacity).map(&object).unwrap_err();
        let kinds = [ErrorKind::OutOfMemory, ErrorKind::InvalidInput];
        assert!(kinds.contains(&error.kind()), "{capacity}: {error}");
        assert_eq!(error.operation(), Operation::Map);
        let is_too_long = error.to_string().contains("more than one mapping can have");
        assert_eq!(is_too_long, isize::try_from(capacity).is_err(), "{capacity}: {error}");
    }
    // Less than the mapping itself is no capacity, and no error.
    let mapping = MapOptions::new().capacity(1).map(&object).unwrap();
    assert!(mapping.capacity() >= page());
}

#[test]
fn a_capacity_is_rounded_up_to_whole_pages() {
    let object = object(4 * page());
    let mut options = MapOptions::new();
    let mut mapping = options.len(10).capacity(page() + 1).map_mut(&object).unwrap();
    assert_eq!(mapping.capacity(), 2 * page());
    assert_eq!(mapping.grow(&object, 2 * page()).unwrap(), Moved::No);
    mapping.bytes().fill(5);
    assert_eq!(object.map().unwrap().bytes().load(2 * page() - 1), 5);
    // The bytes before the offset take their part of the first page.
    let mapping = options.offset(5).map(&object).unwrap();
    assert_eq!(mapping.capacity(), 2 * page() - 5);
}

/// Other threads map and unmap all the while. None of their mappings may ever lie in the range, and
/// none may be replaced.
#[test]
fn no_other_threads_mapping_falls_into_the_range() {
    let over = AtomicBool::new(false);
    let (first, last) = (page(), 256 * page());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let own = object(4 * page());
                own.map_mut().unwrap().bytes().fill(77);
                while !over.load(Ordering::Relaxed) {
                    let theirs: Vec<_> = (0..16).map(|_| own.map().unwrap()).collect();
                    std::thread::yield_now();
                    for mapping in &theirs {
                        let found = [0, page(), 4 * page() - 1].map(|at| mapping.bytes().load(at));
                        assert_eq!(found, [77; 3], "a mapping of another thread was replaced");
                    }
                }
            });
        }
        for round in 0..60 {
            let object = object(if capabilities().resize { first } else { last });
            let mut options = MapOptions::new();
            options.len(first);
            match round % 3 {
                0 => _ = options.capacity(last),
                1 => _ = options.capacity(last).align(1 << 21),
                _ => {}
            }
            let mut mapping = options.map_mut(&object).unwrap();
            let mut len = first;
            while len < last {
                mapping.bytes().range(len - page()..).fill(5);
                len += len / 2 / page() * page() + page();
                len = len.min(last);
                lengthen(&object, len);
                mapping.grow(&object, len).unwrap();
            }
            mapping.bytes().range(last - page()..).fill(5);
            assert_eq!(mapping.bytes().load(last - 1), 5);
            mapping.shrink_to(first).unwrap();
            mapping.grow(&object, last).unwrap();
            assert_eq!(mapping.bytes().load(last - 1), 5);
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_given_address_is_kept_or_growing_is_refused() {
    let object = object(64 * page());
    // An address behind which nothing is, so that only the promise keeps it from moving.
    let room = MapOptions::new().len(page()).capacity(64 * page()).map(&object).unwrap();
    let address = room.as_ptr();
    drop(room);
    // Another test's thread may have taken it.
    let mut options = MapOptions::new();
    let Ok(mut mapping) = options.len(page()).capacity(4 * page()).address(address).map(&object)
    else {
        return;
    };
    assert_eq!(mapping.as_ptr(), address);
    assert_eq!(mapping.grow(&object, 4 * page()).unwrap(), Moved::No);
    let error = mapping.grow(&object, 5 * page()).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unsupported, Operation::Grow));
    assert_eq!((mapping.as_ptr(), mapping.len()), (address, 4 * page()));
}

#[test]
fn an_aligned_mapping_is_aligned_and_stays_so() {
    let object = object(64 * page());
    for align in [1, 8, page(), 16 * page(), 1 << 20, 1 << 21, 1 << 24] {
        for capacity in [0, 2 * page(), 64 * page()] {
            let mut options = MapOptions::new();
            options.len(page()).align(align);
            if capacity > 0 {
                options.capacity(capacity);
            }
            let mut mapping = options.map_mut(&object).unwrap();
            assert_eq!(mapping.as_ptr().addr() % align, 0, "{align} {capacity}");
            mapping.bytes().store(0, 3);
            for len in [2 * page(), 64 * page()] {
                let moved = mapping.grow(&object, len).unwrap();
                assert_eq!(mapping.as_ptr().addr() % align, 0, "{align} {capacity} {len}");
                assert!(moved == Moved::No || len > capacity, "{align} {capacity} {len}");
                assert_eq!((mapping.len(), mapping.bytes().load(0)), (len, 3));
            }
        }
    }
    // The offset of the first byte in its page is its place in memory too.
    let inside = MapOptions::new().offset(64).align(64).map(&object).unwrap();
    assert_eq!(inside.as_ptr().addr() % 64, 0);
    for (offset, align) in [(1, 2), (64, 128), (64, page()), (page() as u64 + 1, 1 << 21)] {
        let error = MapOptions::new().offset(offset).align(align).map(&object).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{offset} {align}: {error}");
    }
    for align in [0, 3, 4097, usize::MAX] {
        let error = MapOptions::new().align(align).map(&object).unwrap_err();
        assert!(error.to_string().contains("power of two"), "{align}: {error}");
    }
    let most = 1 << (usize::BITS - 1);
    // It is an address of a process of 32 bits.
    if cfg!(target_pointer_width = "32") {
        return;
    }
    let error = MapOptions::new().align(most).map(&object).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
}

#[test]
fn an_aligned_mapping_that_moves_is_aligned_again() {
    let object = object(16 * page());
    let align = 1 << 21;
    for capacity in [1, 2 * page()] {
        let mut options = MapOptions::new();
        options.len(page()).align(align).capacity(capacity);
        let mut mapping = options.map_mut(&object).unwrap();
        // It cannot grow where it is: here is something, or another thread's.
        let behind = mapping.as_ptr().wrapping_add(mapping.capacity());
        let behind = MapOptions::new().len(page()).address(behind).map(&object);
        assert_eq!(mapping.grow(&object, 4 * page()).unwrap(), Moved::Yes);
        assert_eq!(mapping.as_ptr().addr() % align, 0, "{capacity}");
        drop(behind);
        // It has left its room behind.
        mapping.shrink_to(page()).unwrap();
        assert_eq!(mapping.capacity(), page());
    }
}

#[test]
fn a_mapping_shrinks_and_grows_again() {
    let len = 16 * page();
    let object = object(len);
    for capacity in [0, len] {
        let mut options = MapOptions::new();
        if capacity > 0 {
            options.capacity(capacity);
        }
        let mut mapping = options.map_mut(&object).unwrap();
        mapping.bytes().fill(8);
        let start = mapping.as_ptr();
        for to in [len, len - 1, 9 * page() + 1, 9 * page(), 1] {
            mapping.shrink_to(to).unwrap();
            assert_eq!((mapping.as_ptr(), mapping.len()), (start, to));
            assert_eq!(mapping.bytes().load(to - 1), 8);
        }
        for refused in [0, 2, usize::MAX] {
            let error = mapping.shrink_to(refused).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{refused}: {error}");
            assert_eq!(mapping.len(), 1);
        }
        // Nothing is lost of the object.
        let moved = mapping.grow(&object, len).unwrap();
        assert!(moved == Moved::No || capacity == 0, "it has moved in spite of its capacity");
        assert_eq!(mapping.bytes().to_vec(), vec![8; len]);
    }
}

/// The system kills who touches what was cut off.
#[test]
fn what_was_cut_off_cannot_be_touched() {
    let expected = if cfg!(target_vendor = "apple") { libc::SIGBUS } else { libc::SIGSEGV };
    for how in ["shrunk", "shrunk-in-room", "room", "read-only"] {
        let status = run_to_death(&mut peer("out-of-bounds", [how]));
        assert!(
            [Some(expected), Some(libc::SIGSEGV)].contains(&status.signal()),
            "{how}: {status:?}"
        );
    }
}

#[test]
fn two_mappings_of_one_are_each_on_their_own() {
    let len = 8 * page();
    let object = object(len);
    let whole = object.map_mut().unwrap();
    for place in 0..len {
        whole.bytes().store(place, byte_at(place));
    }
    let start = whole.as_ptr();
    let (first, second) = whole.split_at(3 * page()).unwrap();
    assert_eq!((first.as_ptr(), first.len()), (start, 3 * page()));
    assert_eq!((second.as_ptr(), second.len()), (start.wrapping_add(3 * page()), 5 * page()));
    // Each in its own thread, and the first is unmapped while the second is in use.
    std::thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(first.bytes().load(3 * page() - 1), byte_at(3 * page() - 1));
            first.unmap().unwrap();
        });
        scope.spawn(|| second.bytes().store(0, 200));
    });
    assert_eq!(second.bytes().load(1), byte_at(3 * page() + 1));
    let (middle, end) = second.split_at(page()).unwrap();
    end.unmap().unwrap();
    assert_eq!(object.map().unwrap().bytes().load(3 * page()), 200);
    drop(middle);
}

#[test]
fn a_mapping_splits_only_between_pages() {
    let object = object(4 * page());
    for bytes in [0, 1, page() - 1, page() + 1, 4 * page(), usize::MAX] {
        let error = object.map().unwrap().split_at(bytes).unwrap_err();
        let seen = (error.kind(), error.operation());
        assert_eq!(seen, (ErrorKind::InvalidInput, Operation::Split), "{bytes}: {error}");
    }
    // A mapping may begin inside a page: the pages count, not its own bytes.
    let offset = |at: usize| {
        let mut options = MapOptions::new();
        options.offset(100).map(&object).unwrap().split_at(at).map(|(a, b)| (a.len(), b.len()))
    };
    assert_eq!(offset(page() - 100).unwrap(), (page() - 100, 3 * page()));
    assert!(offset(page()).is_err());
}

#[test]
fn the_parts_of_a_mapping_grow_and_shrink() {
    let object = object(16 * page());
    let mut options = MapOptions::new();
    let whole = options.len(4 * page()).capacity(16 * page()).map_mut(&object).unwrap();
    whole.bytes().fill(6);
    let (mut first, mut second) = whole.split_at(2 * page()).unwrap();
    assert_eq!((first.capacity(), second.capacity()), (2 * page(), 14 * page()));
    assert_eq!(second.grow(&object, 14 * page()).unwrap(), Moved::No);
    second.bytes().store(14 * page() - 1, 1);
    assert_eq!(object.map().unwrap().bytes().load(16 * page() - 1), 1);
    // The second is behind it.
    assert_eq!(first.grow(&object, 4 * page()).unwrap(), Moved::Yes);
    assert_eq!(first.bytes().to_vec(), vec![6; 4 * page()]);
    second.shrink_to(1).unwrap();
    assert_eq!((first.bytes().load(0), second.bytes().load(0)), (6, 6));
}

#[test]
fn the_parts_of_a_mapping_know_their_place_in_the_object() {
    let names = Names::new();
    if !capabilities().named {
        return;
    }
    let made = Shm::create(names.name(), 16 * page() as u64).unwrap();
    // Through this handle the mappings have the name, by which `names` finds those that are left.
    let object = Shm::open_io(made.name().unwrap()).unwrap();
    made.unlink().unwrap();
    let mut options = MapOptions::new();
    options.offset(2 * page() as u64).len(5 * page()).capacity(8 * page());
    let (mut first, mut second) = options.map_mut(&object).unwrap().split_at(2 * page()).unwrap();
    assert_eq!((first.len(), first.capacity()), (2 * page(), 2 * page()));
    assert_eq!((second.len(), second.capacity()), (3 * page(), 6 * page()));
    // The first part has no room any more, and gets none by shrinking.
    first.shrink_to(page()).unwrap();
    assert_eq!(first.capacity(), page());
    let error = second.grow(&object, 12 * page() + 1).unwrap_err().to_string();
    assert!(error.contains(&format!("from offset {}", 4 * page())), "{error}");
    // Past its room, which goes with the old place.
    assert_eq!(second.grow(&object, 12 * page()).unwrap(), Moved::Yes);
    second.bytes().store(12 * page() - 1, 1);
    assert_eq!(object.map().unwrap().bytes().load(16 * page() - 1), 1);
}

#[test]
fn writing_can_be_given_up() {
    let object = object(3 * page());
    let mut options = MapOptions::new();
    let writer = options.offset(7).capacity(8 * page()).map_mut(&object).unwrap();
    writer.bytes().fill(4);
    let start = writer.as_ptr();
    let mut reader = writer.into_read_only().unwrap();
    assert_eq!((reader.as_ptr(), reader.len()), (start, 3 * page() - 7));
    assert_eq!(reader.bytes().to_vec(), vec![4; 3 * page() - 7]);
    if capabilities().resize {
        lengthen(&object, 5 * page());
        assert_eq!(reader.grow(&object, 5 * page() - 7).unwrap(), Moved::No);
        assert_eq!(reader.bytes().load(5 * page() - 8), 0);
    }
    if FILES {
        assert_eq!(shown(reader.as_ptr()), "r--s");
    }
}

#[test]
fn a_raw_mapping_changes_its_protection() {
    let object = object(2 * page());
    let mut raw = MapOptions::new().map_raw(&object, Protection::NONE).unwrap();
    let protections = [
        (Protection::READ | Protection::WRITE, "rw-s"),
        (Protection::READ, "r--s"),
        (Protection::NONE, "---s"),
        (Protection::READ | Protection::WRITE, "rw-s"),
    ];
    for (protection, shows) in protections {
        raw.protect(protection).unwrap();
        if FILES {
            assert_eq!(shown(raw.as_ptr()), shows);
        }
    }
    // SAFETY: the memory can be written now, and nobody else has it.
    unsafe { raw.as_ptr().write_volatile(9) };
    assert_eq!(object.map().unwrap().bytes().load(0), 9);

    let names = Names::new();
    if !capabilities().named {
        return;
    }
    let writable = Shm::create(names.name(), 10).unwrap();
    let reader = Shm::open(writable.name().unwrap()).unwrap();
    let mut raw = MapOptions::new().map_raw(&reader, Protection::READ).unwrap();
    let made_writable = raw.protect(Protection::READ | Protection::WRITE);
    writable.unlink().unwrap();
    if cfg!(target_os = "linux") {
        let error = made_writable.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::PermissionDenied, Operation::Protect)
        );
    }
}

/// What `/proc` shows of the mapping at an address.
fn shown(address: *const u8) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let at = |line: &&str| line.starts_with(&format!("{:x}-", address as usize / page() * page()));
    maps.lines().find(at).unwrap().split(' ').nth(1).unwrap().to_owned()
}
