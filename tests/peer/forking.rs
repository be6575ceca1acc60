//! Objects of a process that forks.

use std::io::ErrorKind;

use posix_shm::Shm;

use crate::alone::check;
use crate::expected::len;

/// A forked child that drops the guard removes nothing. Its parent removes the name.
pub(crate) fn fork(name: &str) {
    let guard = Shm::create(name, 100).unwrap().unlink_on_drop();
    // SAFETY: the process has one thread.
    match unsafe { libc::fork() } {
        -1 => panic!("no fork"),
        0 => drop(guard),
        child => {
            let mut status = 0;
            // SAFETY: the pointer is to an integer.
            check(unsafe { libc::waitpid(child, &mut status, 0) }).unwrap();
            assert_eq!(status, 0, "the child failed");
            assert_eq!(Shm::open(name).unwrap().len().unwrap(), len(100));
            drop(guard);
            let gone = Shm::open(name).expect_err("the parent did not remove the name");
            assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
        }
    }
}

/// A child that was forked has the descriptor too, so its parent must ask for the length.
pub(crate) fn fork_and_shrink() {
    let object = Shm::anonymous(3 * 4096).unwrap();
    // SAFETY: the process has one thread.
    match unsafe { libc::fork() } {
        -1 => panic!("no fork"),
        0 => object.set_len_sparse(100).unwrap(),
        child => {
            let mut status = 0;
            // SAFETY: the pointer is to an integer.
            check(unsafe { libc::waitpid(child, &mut status, 0) }).unwrap();
            assert_eq!(status, 0, "the child failed");
            assert_eq!(object.map_mut().unwrap().len(), 100, "the length from before the fork");
        }
    }
}
