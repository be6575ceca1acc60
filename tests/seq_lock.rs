//! Snapshots between processes. Every order of the steps is in `models/`.

use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use posix_shm::{Operation, SeqCell, SeqSlice, Shm};

use crate::common::{Names, page, peer};
use crate::wait::{Children, PATIENCE, all_ready};

#[test]
fn what_is_refused_is_said_of_the_offset_of_the_lock() {
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    let len = mapping.len();
    let refused = |offset: usize, count: usize, says: &[&str]| {
        let error = mapping.seq_slice::<u64>(offset, count).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        for says in says {
            assert!(error.to_string().contains(says), "{error}");
        }
    };
    let all = len / 8;
    mapping.seq_slice::<u64>(0, all - 1).unwrap();
    let front = SeqCell::<u64>::VALUE;
    refused(0, all, &["from offset 0 on, a lock and", &format!("take {} bytes", front + len)]);
    refused(len, 0, &[&format!("from offset {len} on")]);
    refused(usize::MAX, 1, &[&format!("from offset {} on", usize::MAX)]);
    refused(0, usize::MAX, &["from offset 0 on"]);
    refused(front + 1, 1, &[&format!("offset {}", front + 1), &format!("fits is {}", 2 * front)]);
    // What needs the alignment: the values, or the lock.
    let of_values =
        if front > size_of::<u32>() { "misaligned for u64" } else { "misaligned for u32" };
    refused(front / 2, 1, &[of_values, &format!("multiple of {front}")]);
    let cell = mapping.seq_cell::<[u8; 3]>(2).unwrap_err().to_string();
    assert!(
        cell.contains("offset 2 is misaligned for u32") && cell.contains("fits is 4"),
        "{cell}"
    );
}

#[test]
fn a_slice_and_its_lock_have_the_size_that_it_says() {
    fn fits<T: posix_shm::AnyBitPattern>(count: usize) {
        let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
        let align = SeqCell::<T>::VALUE;
        let offset = (mapping.len() - SeqSlice::<T>::size(count)) / align * align;
        assert!(mapping.seq_slice::<T>(offset, count).is_ok(), "{count} at {offset}");
        let next = offset + align;
        assert!(mapping.seq_slice::<T>(next, count).is_err(), "{count} at {next}");
    }
    for count in [1, 7, 100] {
        fits::<u8>(count);
        fits::<u32>(count);
        fits::<u64>(count);
        fits::<[u16; 3]>(count);
    }
    assert_eq!(SeqSlice::<f64>::size(1), SeqCell::<f64>::SIZE);
    for count in [usize::MAX, usize::MAX / 8 + 1] {
        std::panic::catch_unwind(|| SeqSlice::<u64>::size(count)).unwrap_err();
    }
}

/// A lock and an event that a structure has for fields are those at the same offset.
#[test]
fn fields_of_a_structure_are_locks_and_events() {
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    let words = mapping.cell::<[u32; 2]>(64).unwrap();
    words.event().set().unwrap();
    assert!(mapping.event(64).unwrap().reset());
    assert!(!words.event().is_set());
    let lock = mapping.slice::<u32>(128, 2).unwrap().cell(1).seq_lock();
    let second = lock.write(|| mapping.seq_lock(132).unwrap().write(|| ())).unwrap();
    assert_eq!(second.unwrap_err().kind(), ErrorKind::ResourceBusy);
    mapping.seq_lock(128).unwrap().write(|| ()).unwrap();
}

/// A writer in another process is killed again and again, mostly while it writes. What is read is
/// never a mix, the lock says if it was left half-written, and it can be mended.
#[test]
fn no_snapshot_is_a_mix_and_a_killed_writer_can_be_mended() {
    const SIZE: usize = 1 << 20;
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, SIZE as u64).unwrap();
    let (writer, reader) = (object.map_mut().unwrap(), object.map().unwrap());
    let count = (SIZE - 128) / 8;
    let frame = reader.seq_slice::<u64>(64, count).unwrap();
    let cell = reader.seq_cell::<[u64; 6]>(SIZE - 56).unwrap();
    let mut pixels = vec![0; count];
    let (mut halves, mut frames, mut cells) = (0, 0_u32, 0_u32);
    let begun = Instant::now();
    // Until it was killed in the middle at least once, and has been read.
    for round in 0.. {
        let child = peer("frames", [name.as_os_str()]).spawn().expect("the peer starts");
        let mut children = Children(vec![child]);
        all_ready(&writer, 0, round + 1);
        let read = Instant::now();
        while read.elapsed() < Duration::from_millis(5 + u64::from(round) % 7) {
            match frame.copy_to(&mut pixels) {
                Ok(()) => {
                    assert!(pixels.iter().all(|pixel| *pixel == pixels[0]), "a torn frame");
                    frames += 1;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            match cell.load() {
                Ok(words) => {
                    assert_eq!(words, [words[0]; 6]);
                    cells += 1;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
        }
        children.0[0].kill().unwrap();
        children.0[0].wait().unwrap();
        let lock = writer.seq_slice::<u64>(64, count).unwrap().lock();
        if let Err(error) = frame.copy_to(&mut pixels) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
            assert_eq!(lock.write(|| ()).unwrap_err().kind(), ErrorKind::ResourceBusy);
            let whole = writer.seq_slice::<u64>(64, count).unwrap().values();
            lock.reset(|| whole.fill(5)).unwrap();
            halves += 1;
        }
        lock.write(|| ()).unwrap();
        let cell = writer.seq_cell::<[u64; 6]>(SIZE - 56).unwrap();
        cell.lock().reset(|| cell.value().store([5; 6])).unwrap();
        if round >= 20 && halves > 0 && frames > 0 && cells > 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{halves} halves, {frames} frames, {cells} cells");
    }
    object.unlink().unwrap();
}

#[test]
fn a_second_writer_is_an_error_and_so_is_a_reset_under_a_writer() {
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    let lock = mapping.seq_lock(64).unwrap();
    lock.write(|| {
        let error = lock.write(|| panic!("two at once")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
        assert_eq!(error.operation(), Operation::Snapshot, "{error}");
        assert_eq!(lock.try_read(|| panic!("half-written")), None);
        let error = lock.read(|| panic!("half-written")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        assert_eq!(error.operation(), Operation::Snapshot, "{error}");
    })
    .unwrap();
    let error = lock.write(|| lock.reset(|| ()).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
    assert_eq!(lock.read(|| 5).unwrap(), 5);
    assert_eq!(error.operation(), Operation::Snapshot, "{error}");
    // Of two that take it over, one fails.
    let error = lock.reset(|| lock.reset(|| ()).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
    // A writer that panics is like one that was killed.
    let panicked = std::panic::AssertUnwindSafe(|| lock.write(|| panic!("while it writes")));
    std::panic::catch_unwind(panicked).unwrap_err();
    assert_eq!(lock.write(|| ()).unwrap_err().kind(), ErrorKind::ResourceBusy);
    lock.reset(|| ()).unwrap();
    lock.write(|| ()).unwrap();
}

#[test]
fn a_reader_tries_again_if_a_writer_came_between_and_not_for_ever() {
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    let lock = mapping.seq_lock(64).unwrap();
    let mut calls = 0;
    let read = lock.read(|| {
        calls += 1;
        if calls < 3 {
            lock.write(|| ()).unwrap();
        }
        calls
    });
    assert_eq!(read.unwrap(), 3);
    let mut calls = 0;
    let error = lock
        .read(|| {
            calls += 1;
            lock.write(|| ()).unwrap();
        })
        .unwrap_err();
    assert_eq!((error.kind(), calls), (ErrorKind::WouldBlock, 128), "{error}");
}

/// Readers of one value, while it is written all the time.
#[test]
fn no_value_is_torn() {
    let object = Shm::anonymous(page()).unwrap();
    let (writer, reader) = (object.map_mut().unwrap(), object.map().unwrap());
    // The sequence wraps around on the way.
    writer.cell::<u32>(64).unwrap().store(u32::MAX - 999);
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let cell = writer.seq_cell::<[u64; 8]>(64).unwrap();
            (1..=100_000).for_each(|n| cell.store([n; 8]).unwrap());
        });
        let cell = reader.seq_cell::<[u64; 8]>(64).unwrap();
        let mut last = 0;
        while !writing.is_finished() {
            if let Ok(value) = cell.load() {
                assert_eq!(value, [value[0]; 8]);
                assert!(value[0] >= last, "{} came after {last}", value[0]);
                last = value[0];
            }
        }
        assert_eq!(cell.load().unwrap(), [100_000; 8]);
    });
}

#[test]
fn cells_and_slices_have_their_place_and_stay_inside() {
    assert_eq!((SeqCell::<u8>::VALUE, SeqCell::<u8>::SIZE), (4, 5));
    // Rust aligns an integer of 8 bytes to 4 on some machines.
    let align = align_of::<u64>();
    assert_eq!((SeqCell::<[u64; 2]>::VALUE, SeqCell::<[u64; 2]>::SIZE), (align, align + 16));
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    mapping.seq_cell::<u64>(8).unwrap().store(9).unwrap();
    assert_eq!(mapping.cell::<u32>(8).unwrap().load(), 2);
    assert_eq!(mapping.cell::<u64>(8 + align).unwrap().load(), 9);
    let len = mapping.len();
    for bad in [2, align / 2, len - 8, usize::MAX - 7] {
        let error = mapping.seq_cell::<u64>(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}: {error}");
    }
    let error = mapping.seq_slice::<u64>(8, len / 8 - 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}
