//! Sending and receiving handles, against the same calls made by hand.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use posix_shm::Shm;
use posix_shm::transfer::{self, Objects};

use crate::raw;
use crate::stepped::{CAN_STEP, allocations, cost};

/// What a message may cost over the calls by hand, and each further object.
const ALLOWED: u64 = 400;
const ALLOWED_MORE: u64 = 100;

fn fits(what: &str, by_hand: &dyn Fn(), ours: &dyn Fn(), objects: u64) -> bool {
    let (by_hand, ours) = (cost(by_hand).instructions, cost(ours).instructions);
    let over = ours.saturating_sub(by_hand);
    println!("{what}: {by_hand} by hand, {ours} here, {over} over");
    over <= ALLOWED + (objects - 1) * ALLOWED_MORE
}

pub(crate) fn main() {
    let (here, there) = UnixStream::pair().unwrap();
    let (from, to) = (here.as_raw_fd(), there.as_raw_fd());
    let object = Shm::anonymous(4096).unwrap();
    let fd = object.as_raw_fd();

    if CAN_STEP {
        // Each runs three times: once in the child as well.
        let mut fit =
            fits("Shm::send", &|| raw::send(from, &[fd]), &|| object.send(&here).unwrap(), 1);
        fit &= fits(
            "transfer::send",
            &|| raw::send(from, &[fd]),
            &|| assert_eq!(transfer::send(&here, &[&object], &[0]).unwrap(), 1),
            1,
        );
        // What was sent is taken again.
        (0..12).for_each(|_| raw::receive(to, 1));
        (0..12).for_each(|_| raw::send(from, &[fd]));
        let by_hand = || raw::receive(to, 1);
        fit &= fits("Shm::receive", &by_hand, &|| drop(Shm::receive(&there).unwrap()), 1);
        let ours = || drop(transfer::receive(&there, &mut [0]).unwrap());
        fit &= fits("transfer::receive", &by_hand, &ours, 1);
        (0..6).for_each(|_| raw::send(from, &[fd; 8]));
        fit &= fits("transfer::receive, 8 objects", &|| raw::receive(to, 8), &ours, 8);
        assert!(fit, "more instructions than are allowed over the calls by hand");
    }

    let most = [&object; transfer::MAX_OBJECTS];
    for count in [1, Objects::WITHOUT_ALLOCATING] {
        let allocated = allocations(|| {
            transfer::send(&here, &most[..count], b"bytes").unwrap();
            let received = transfer::receive(&there, &mut [0; 8]).unwrap();
            assert_eq!((received.objects.len(), received.bytes), (count, 5));
        });
        assert_eq!(allocated, 0, "{count} objects were not free");
    }
    let allocated = allocations(|| {
        object.send(&here).unwrap();
        drop(Shm::receive(&there).unwrap());
        transfer::send(&here, &most, b"bytes").unwrap();
    });
    assert_eq!(allocated, 0, "sending, or the simple form, allocates");
    println!("allocations: none up to {} objects", Objects::WITHOUT_ALLOCATING);
}
