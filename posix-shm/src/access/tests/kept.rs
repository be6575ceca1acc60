//! Views that are kept. Miri sees the memory go when the last of them does.

use std::sync::Arc;

use super::*;
use crate::failure::Operation;
use crate::map::Mapping;

#[test]
fn a_kept_view_outlives_every_other_owner_of_the_mapping() {
    let mapping = Arc::new(Mapping::of_own_memory(128));
    let numbers = mapping.view::<u32>(8, 4).unwrap();
    let cell = mapping.view_cell::<u64>(64).unwrap();
    drop(mapping);
    numbers.get().copy_from(&[1, 2, 3, 4]);
    cell.get().store(5);
    let last = numbers.range(2..);
    let one = numbers.cell(1);
    drop(numbers);
    assert_eq!((last.get().to_vec(), one.get().load()), (vec![3, 4], 2));
    assert_eq!(Arc::strong_count(last.mapping()), 3);
    drop((last, cell));
    let copy = one.clone();
    drop(one);
    assert_eq!(copy.mapping().slice::<u32>(8, 4).unwrap().to_vec(), [1, 2, 3, 4]);
}

#[test]
fn a_mapping_is_not_lent_for_a_change_while_a_view_of_it_is_kept() {
    let mut mapping = Arc::new(Mapping::of_own_memory(64));
    assert!(Arc::get_mut(&mut mapping).is_some());
    let view = mapping.view::<u8>(0, 64).unwrap();
    let cell = view.cell(0);
    drop(view);
    assert!(Arc::get_mut(&mut mapping).is_none(), "a view is kept");
    drop(cell);
    assert!(Arc::get_mut(&mut mapping).is_some());
}

#[test]
fn kept_views_are_checked_when_they_are_made() {
    let mapping = Arc::new(Mapping::of_own_memory(64));
    for (offset, count, fits) in [(0, 16, true), (0, 17, false), (64, 0, true), (2, 1, false)] {
        assert_eq!(mapping.view::<u32>(offset, count).is_ok(), fits, "{offset} {count}");
    }
    let error = mapping.view_cell::<u32>(64).unwrap_err();
    assert_eq!(error.operation(), Operation::View);
    let view = mapping.view::<u32>(0, 16).unwrap();
    assert_eq!((view.len(), view.is_empty(), view.range(16..).is_empty()), (16, false, true));
    for wrong in [16..17, 0..17, usize::MAX..usize::MAX] {
        assert!(catch_unwind(AssertUnwindSafe(|| view.range(wrong.clone()))).is_err(), "{wrong:?}");
    }
    assert!(catch_unwind(AssertUnwindSafe(|| view.cell(16))).is_err());
    assert_eq!(Arc::strong_count(&mapping), 2, "a refused view is kept");
}

/// One thread makes the view, others use it, and the last one to drop it unmaps the memory.
#[test]
fn kept_views_go_to_other_threads() {
    let numbers = Arc::new(Mapping::of_own_memory(64)).view::<u32>(0, 4).unwrap();
    let threads = [0, 1, 2, 3].map(|at| {
        let numbers = numbers.clone();
        std::thread::spawn(move || numbers.get().store(at, at as u32))
    });
    let cell = numbers.cell(3);
    drop(numbers);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(std::thread::spawn(move || cell.get().load()).join().unwrap(), 3);
}

#[test]
fn kept_views_owe_nothing_to_a_lifetime() {
    fn is_kept<T: Clone + Send + Sync + fmt::Debug + 'static>() {}
    is_kept::<OwnedSlice<u8>>();
    is_kept::<OwnedCell<u64, crate::map::ReadOnly>>();
    // No larger than a borrowed view and the share of the mapping.
    let word = size_of::<usize>();
    assert_eq!((size_of::<OwnedSlice<u8>>(), size_of::<OwnedCell<u8>>()), (3 * word, 2 * word));
}
