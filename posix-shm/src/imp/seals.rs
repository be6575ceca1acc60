//! Seals: `fcntl` with `F_ADD_SEALS` and `F_GET_SEALS`, on systems that have them.

use std::os::fd::BorrowedFd;

use crate::failure::Errno;
#[cfg(pshm_has_f_add_seals)]
use crate::failure::cvt_retry;
use crate::seals::Seals;

/// Each seal and the system's bit for it.
#[cfg(pshm_has_f_add_seals)]
const BITS: &[(Seals, std::ffi::c_int)] = &[
    (Seals::SEAL, posix_shm_sys::F_SEAL_SEAL),
    (Seals::SHRINK, posix_shm_sys::F_SEAL_SHRINK),
    (Seals::GROW, posix_shm_sys::F_SEAL_GROW),
    (Seals::WRITE, posix_shm_sys::F_SEAL_WRITE),
    #[cfg(pshm_has_f_seal_future_write)]
    (Seals::FUTURE_WRITE, posix_shm_sys::F_SEAL_FUTURE_WRITE),
    #[cfg(pshm_has_f_seal_exec)]
    (Seals::EXEC, posix_shm_sys::F_SEAL_EXEC),
];

#[cfg(pshm_has_f_add_seals)]
pub(crate) fn add_seals(object: BorrowedFd<'_>, seals: Seals) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;

    let known = BITS.iter().filter(|(seal, _)| seals.contains(*seal));
    let (named, bits) =
        known.fold((Seals::empty(), 0), |(named, bits), (seal, bit)| (named | *seal, bits | bit));
    if named != seals {
        // The system does not have one of them.
        return Err(Errno::INVAL);
    }
    // SAFETY: passes no pointer.
    cvt_retry(|| unsafe {
        posix_shm_sys::fcntl(object.as_raw_fd(), posix_shm_sys::F_ADD_SEALS, bits)
    })
    .map(drop)
}

#[cfg(pshm_has_f_add_seals)]
pub(crate) fn seals(object: BorrowedFd<'_>) -> Result<Seals, Errno> {
    use std::os::fd::AsRawFd;

    // SAFETY: passes no pointer.
    let bits = cvt_retry(|| unsafe {
        posix_shm_sys::fcntl(object.as_raw_fd(), posix_shm_sys::F_GET_SEALS, 0)
    })?;
    Ok(BITS.iter().filter(|(_, bit)| bits & bit != 0).map(|(seal, _)| *seal).collect())
}

/// Whether the system can say which seals it has: an error, if it is not of shared memory.
#[cfg(pshm_has_f_add_seals)]
#[allow(dead_code, reason = "not every system with seals asks")]
#[inline]
pub(super) fn has_seals(object: BorrowedFd<'_>) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;

    // SAFETY: passes no pointer.
    cvt_retry(|| unsafe { posix_shm_sys::fcntl(object.as_raw_fd(), posix_shm_sys::F_GET_SEALS, 0) })
        .map(drop)
}

#[cfg(not(pshm_has_f_add_seals))]
#[allow(dead_code, reason = "not every system with memfd_create asks")]
pub(super) fn has_seals(_: BorrowedFd<'_>) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(not(pshm_has_f_add_seals))]
pub(crate) fn add_seals(_: BorrowedFd<'_>, _: Seals) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(not(pshm_has_f_add_seals))]
pub(crate) fn seals(_: BorrowedFd<'_>) -> Result<Seals, Errno> {
    Err(Errno::OPNOTSUPP)
}
