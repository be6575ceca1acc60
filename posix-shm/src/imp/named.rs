//! Objects under a name: created exclusively, and opened again by their name.

use std::ffi::{CStr, CString, c_int};
#[cfg(target_os = "linux")]
use std::ffi::{c_char, c_void};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
#[cfg(target_os = "linux")]
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use posix_shm_sys as sys;

use super::draft::{Draft, Held, Namespace, New, Obstacle};
use super::syscalls::{random_suffix, set_permissions, stat};
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation};
#[cfg(pshm_has_shm_open)]
use crate::failure::{cvt_owned_fd, cvt_retry};
use crate::permissions::Permissions;

/// `shm_open`. The descriptor is closed on exec, as POSIX says.
#[cfg(pshm_has_shm_open)]
fn shm_open(name: &CStr, flags: c_int, mode: sys::mode_t) -> Result<OwnedFd, Errno> {
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    let call = || unsafe { sys::shm_open(name.as_ptr(), flags, mode) };
    // SAFETY: the call makes a new descriptor.
    unsafe { cvt_owned_fd(call) }
}

/// Android's C library has no such function.
#[cfg(not(pshm_has_shm_open))]
fn shm_open(_: &CStr, _: c_int, _: sys::mode_t) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

/// Whether `shm_open` is the C library's own: whether it and another function of the library come
/// from files that have the names of C libraries. (Older ones have it in librt.) Both are named as
/// the `libc` crate has them, because those of our own bindings may be shims in the program.
#[cfg(target_os = "linux")]
pub(super) fn shm_open_is_the_librarys() -> bool {
    let function: unsafe extern "C" fn(*const c_char, c_int, libc::mode_t) -> c_int =
        libc::shm_open;
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the pointers are to a function, which is only looked up, and to room for the answer.
    if unsafe { libc::dladdr(function as *const c_void, found.as_mut_ptr()) } == 0 {
        // The program is linked statically, so there is no other.
        return true;
    }
    // SAFETY: all is zero, or filled in by the call.
    let file = unsafe { found.assume_init() }.dli_fname;
    if file.is_null() {
        return true;
    }
    // SAFETY: the loader keeps this string for as long as the file is loaded, which this program
    // needs.
    let file = unsafe { CStr::from_ptr(file) }.to_bytes();
    let name = file.rsplit(|byte| *byte == b'/').next().unwrap_or(file);
    let libraries: [&[u8]; 6] =
        [b"libc.", b"libc-", b"librt.", b"librt-", b"ld-musl", b"libuClibc"];
    let is_a = |library: &[u8]| match name.strip_prefix(library) {
        // With the version behind it.
        Some(rest) if library.ends_with(b"-") => rest.first().is_some_and(u8::is_ascii_digit),
        rest => rest.is_some(),
    };
    libraries.into_iter().any(is_a) || is_static(file)
}

/// Whether the program was linked statically: it has no loader, and the function is its own.
#[cfg(target_os = "linux")]
fn is_static(file: &[u8]) -> bool {
    let function: unsafe extern "C" fn(c_int) -> c_int = libc::close;
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the pointers are to a function, which is only looked up, and to room for the answer.
    if unsafe { libc::dladdr(function as *const c_void, found.as_mut_ptr()) } == 0 {
        return true;
    }
    // SAFETY: all is zero, or filled in by the call.
    let other = unsafe { found.assume_init() }.dli_fname;
    // SAFETY: if it is not null, the loader keeps this string as above.
    !other.is_null() && unsafe { CStr::from_ptr(other) }.to_bytes() == file
}

/// Creates an object under a name that is free: `shm_open` with `O_CREAT | O_EXCL`.
pub(crate) fn create(
    name: &CStr,
    direction: Direction,
    mode: sys::mode_t,
) -> Result<OwnedFd, Errno> {
    shm_open(name, access(direction) | sys::O_CREAT | sys::O_EXCL, mode)
}

/// Opens the object of a name, with more flags than POSIX asks for.
pub(super) fn open(
    name: &CStr,
    direction: Direction,
    truncate: bool,
    flags: c_int,
) -> Result<OwnedFd, Errno> {
    let truncate = if truncate { sys::O_TRUNC } else { 0 };
    shm_open(name, access(direction) | truncate | flags, 0)
}

/// [`open`], which never waits for the other end of a FIFO that was planted under the name. On an
/// object the flag does nothing.
pub(crate) fn open_without_waiting(
    name: &CStr,
    direction: Direction,
    truncate: bool,
) -> Result<OwnedFd, Errno> {
    open(name, direction, truncate, sys::O_NONBLOCK)
}

/// The access mode of `shm_open`. POSIX knows these two.
pub(super) fn access(direction: Direction) -> c_int {
    match direction {
        Direction::Input => sys::O_RDONLY,
        Direction::Io => sys::O_RDWR,
    }
}

/// `shm_unlink`.
#[cfg(pshm_has_shm_open)]
pub(crate) fn unlink(name: &CStr) -> Result<(), Errno> {
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    cvt_retry(|| unsafe { sys::shm_unlink(name.as_ptr()) }).map(drop)
}

/// Gives a new object the permissions that the umask may have cleared.
pub(super) fn settle_permissions(object: BorrowedFd<'_>, new: &New<'_>) -> Result<(), Failure> {
    if new.exact { restore_permissions(new.namespace, object, new.mode) } else { Ok(()) }
}

/// Gives a new object all of its permissions.
pub(super) fn restore_permissions(
    namespace: &Namespace,
    object: BorrowedFd<'_>,
    mode: sys::mode_t,
) -> Result<(), Failure> {
    // If the system has no umask, nothing was cleared.
    if !namespace.capabilities.umask {
        return Ok(());
    }
    let Err(errno) = set_permissions(object, mode) else { return Ok(()) };
    // Setting them is forbidden, but perhaps the umask has cleared nothing.
    match stat(object) {
        Ok(stat) if stat.permissions().to_sys() == mode => Ok(()),
        _ => Err(Failure::new(Operation::SetPermissions, errno)),
    }
}

/// Creates an object under its name, to be filled there.
///
/// Another process that opens it at once may find it short. If this process is killed before the
/// object is complete, it stays short. To take a name over, it is removed first: for a moment
/// nothing has the name, and if the new object cannot be made, nothing has it afterwards either.
pub(super) fn claim<'a>(new: &New<'a>) -> Result<Draft<'a>, Failure> {
    /// How often the name is removed if other processes take it again.
    const ATTEMPTS: usize = 64;
    // The caller keeps the name with one object while this removes it, and not with the next.
    let attempts = if new.present { 2 } else { ATTEMPTS };
    let direction = if needs_both(new) { Direction::Io } else { new.direction };
    let mut tried = 1;
    let object = loop {
        match (new.namespace.create)(new.name, direction, new.mode) {
            Err(Errno::EXIST) if new.replace && tried < attempts => tried += 1,
            result => break result.map_err(Failure::of(Operation::Create))?,
        }
        match (new.namespace.unlink)(new.name) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(Failure::new(Operation::Create, errno)),
        }
    };
    let draft = Draft::new(new.namespace, object, Held::Own(new.name), new.lent);
    match settle_permissions(draft.object(), new) {
        Ok(()) => Ok(draft),
        Err(failure) => Err(draft.abandon(failure)),
    }
}

/// Whether an object is filled through a writable descriptor although its handle is read-only.
fn needs_both(new: &New<'_>) -> bool {
    new.direction == Direction::Input && (new.size > 0 || new.lent)
}

/// Ends what [`claim`] began: the object is complete. Returns a read-only handle if the object was
/// filled through a descriptor that can write and the caller wants one that cannot.
pub(super) fn publish_claimed(
    draft: &Draft<'_>,
    new: &New<'_>,
) -> Result<Option<OwnedFd>, Failure> {
    if !needs_both(new) {
        return Ok(None);
    }
    let reopen = || reopen(new.namespace, new.name, draft.object(), Direction::Input);
    reopen_created(new.namespace, draft.object(), reopen).map(Some)
}

/// Opens an object again that this process has just created. Its permissions do not limit that, as
/// they did not limit creating it.
pub(crate) fn reopen_created(
    namespace: &Namespace,
    object: BorrowedFd<'_>,
    reopen: impl Fn() -> Result<OwnedFd, Failure>,
) -> Result<OwnedFd, Failure> {
    let denied = match reopen() {
        Err(failure) if failure.is(Errno::ACCES) => failure,
        result => return result,
    };
    let permissions = stat(object).map_err(Failure::of(Operation::Metadata))?.permissions();
    if !namespace.capabilities.set_permissions || permissions.contains(Permissions::USER_READ) {
        return Err(denied);
    }
    let set = |permissions: Permissions| {
        set_permissions(object, permissions.to_sys())
            .map_err(Failure::of(Operation::SetPermissions))
    };
    set(permissions | Permissions::USER_READ)?;
    let handle = reopen();
    set(permissions)?;
    handle
}

/// Opens the object that has the name, if it is still this one.
pub(super) fn reopen(
    namespace: &Namespace,
    name: &CStr,
    object: BorrowedFd<'_>,
    direction: Direction,
) -> Result<OwnedFd, Failure> {
    let stat = |fd| stat(fd).map_err(Failure::of(Operation::Metadata));
    let ours = stat(object)?;
    if ours.is_certainly_no_object() {
        let why = "this is not a shared memory object";
        return Err(Failure::refused(Operation::Clone, io::ErrorKind::InvalidInput, why));
    }
    let handle = (namespace.open)(name, direction, false).map_err(Failure::of(Operation::Open))?;
    if stat(handle.as_fd())?.is_same_object(&ours) {
        Ok(handle)
    } else {
        let why = "another object has taken the name";
        Err(Failure::refused(Operation::Open, io::ErrorKind::AlreadyExists, why))
    }
}

/// A name that no other process knows.
pub(super) fn temporary() -> CString {
    let mut bytes = b"/posix-shm.".to_vec();
    bytes.extend_from_slice(&random_suffix::<16>().unwrap_or_else(|_| unlikely_suffix()));
    // The alphabet has no NUL byte, so nothing is cut off; the system would refuse an empty name.
    CString::new(bytes).unwrap_or_default()
}

/// Without a random source: the time, the process and a count. Others may guess it, but it is only
/// created exclusively, and a name that is taken is tried once more.
fn unlikely_suffix() -> [u8; 16] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut hasher = DefaultHasher::new();
    (now.as_nanos(), std::process::id(), count).hash(&mut hasher);
    let mut suffix = [b'0'; 16];
    for (at, digit) in suffix.iter_mut().zip(format!("{:016x}", hasher.finish()).bytes()) {
        *at = digit;
    }
    suffix
}

/// An object under a name that no other process knows.
pub(super) fn create_temporary(
    namespace: &'static Namespace,
    mode: sys::mode_t,
    lent: bool,
) -> Result<Draft<'static>, Obstacle> {
    /// A collision of 80 random bits does not happen; the bound is for a broken random source.
    const ATTEMPTS: usize = 100;
    let mut tried = 1;
    loop {
        let name = temporary();
        match (namespace.create)(&name, Direction::Io, mode) {
            Err(Errno::EXIST) if tried < ATTEMPTS => tried += 1,
            Err(errno) => return Err(Obstacle::of(Operation::Create)(errno)),
            Ok(object) => return Ok(Draft::new(namespace, object, Held::Temporary(name), lent)),
        }
    }
}
