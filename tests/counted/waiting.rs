//! What programs repeat that wait for each other: none of it allocates.

use std::time::Duration;

use posix_shm::Shm;

use crate::stepped::allocations;

pub(crate) fn main() {
    let object = Shm::anonymous(4096).unwrap();
    let mapping = object.map_mut().unwrap();
    let (word, event) = (mapping.atomic::<u32>(0).unwrap(), mapping.event(64).unwrap());
    let cell = mapping.seq_cell::<[u64; 8]>(128).unwrap();
    let soon = Duration::from_millis(1);
    let allocated = allocations(|| {
        drop(object.lock().unwrap());
        assert!(object.try_lock().unwrap().is_some());
        drop(object.presence().unwrap());
        assert!(object.is_unused().unwrap());
        assert_eq!(word.wait_while(|it| it == 0, soon).unwrap(), None);
        assert_eq!(word.notify_all().unwrap(), 0);
        event.reset();
        assert!(!event.wait(soon).unwrap());
        event.set().unwrap();
        cell.store([7; 8]).unwrap();
        assert_eq!(cell.load().unwrap(), [7; 8]);
    });
    assert_eq!(allocated, 0, "waiting or locking allocates");
    println!("allocations: none for locks, presence, waiting, events and snapshots");
}
