//! Slices of immutable memory. Miri sees the memory go with the mapping.

use std::ops::Deref;
use std::sync::Arc;

use crate::failure::Operation;
use crate::immutable::ImmutableMapping;

#[test]
fn immutable_memory_is_a_slice() {
    fn is_bytes<T: Send + Sync + AsRef<[u8]> + Deref<Target = [u8]> + 'static>() {}
    is_bytes::<ImmutableMapping>();
    let bytes: Vec<u8> = (0..100).collect();
    let mapping = ImmutableMapping::of_own_memory(&bytes);
    assert_eq!((&*mapping, mapping.as_ref().len()), (&bytes[..], 100));
    assert_eq!(mapping.slice::<u8>().unwrap(), bytes);
    let numbers = mapping.slice::<u32>().unwrap();
    assert_eq!((numbers.len(), numbers[24]), (25, u32::from_ne_bytes([96, 97, 98, 99])));
    assert_eq!(mapping.slice::<[u8; 20]>().unwrap()[4][0], 80);
    // Not a whole number of values, or values of no size.
    assert!(mapping.slice::<u64>().is_err());
    assert!(mapping.slice::<[u8; 128]>().is_err());
    assert!(mapping.slice::<()>().is_err());
    assert_eq!(mapping.slice::<u64>().unwrap_err().operation(), Operation::View);

    assert_eq!(mapping.part::<u16>(98, 1).unwrap(), [u16::from_ne_bytes([98, 99])]);
    assert_eq!(mapping.part::<()>(100, usize::MAX).unwrap().len(), usize::MAX);
    for (offset, count) in [(98, 2), (1, 1), (100, 1), (usize::MAX, 1), (2, usize::MAX)] {
        let error = mapping.part::<u16>(offset, count).unwrap_err();
        assert_eq!(error.operation(), Operation::View, "{offset} {count}");
    }
    assert!(mapping.part::<u16>(100, 0).unwrap().is_empty());
    let shared = Arc::new(mapping);
    let other = Arc::clone(&shared);
    assert_eq!(std::thread::spawn(move || other[99]).join().unwrap(), 99);
    assert_eq!(Arc::into_inner(shared).unwrap().unmap().ok(), Some(()));
}
