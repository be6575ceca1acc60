//! `shm_open` and `shm_unlink` of C, made of posix-shm. `.ci/run outside` preloads this library
//! under programs of others and runs their own tests, so that they run on our opening and removing.
//!
//! What C accepts on Linux and this library refuses with `EINVAL`, as posix-shm does by design:
//!
//! - `O_WRONLY`: POSIX knows no such object;
//! - flags that POSIX does not have for `shm_open`, but for `O_CLOEXEC` and `O_NOFOLLOW`, which
//!   every object is opened with;
//! - `O_TRUNC` with `O_RDONLY`: POSIX leaves open what that does;
//! - a name that begins with several slashes. glibc takes them all away.
//!
//! What is the same in both, but not said by POSIX: `O_EXCL` without `O_CREAT` means nothing.
//!
//! posix-shm notices that the C library's `shm_open` has another before it. So it takes the last of
//! its three ways, through that function, and the other two are not what is tested here.
//!
//! If the environment variable `POSIX_SHM_PRELOADED_TRACE` is set, each call adds a line to the
//! file that it names: the function and whether it failed. It is how the step knows that the
//! library was used.

#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use posix_shm::{Direction, Error, IfDoesNotExist, IfExists, OpenOptions, Permissions, ShmName};

thread_local! {
    /// Whether this thread is in one of our functions already: posix-shm itself calls `shm_open`,
    /// which is ours here.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Calls `ours`. `None` if posix-shm is what calls us.
fn outermost<T>(ours: impl FnOnce() -> T) -> Option<T> {
    if INSIDE.replace(true) {
        return None;
    }
    let result = ours();
    INSIDE.set(false);
    Some(result)
}

/// The C library's function of this name.
fn next(name: &CStr) -> *mut c_void {
    // SAFETY: the name is a NUL-terminated string.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null(), "the C library has no {name:?}");
    found
}

/// The error number that C has for an error.
fn errno_of(error: &Error) -> c_int {
    // Those that posix-shm finds before any system call have a kind alone.
    let kinds = [libc::EINVAL, libc::ENAMETOOLONG, libc::ENOENT, libc::EEXIST, libc::EACCES];
    let of_kind = || {
        kinds.into_iter().find(|errno| io::Error::from_raw_os_error(*errno).kind() == error.kind())
    };
    error.raw_os_error().or_else(of_kind).unwrap_or(libc::EIO)
}

/// Returns to C, and leaves a trace.
fn answer(function: &str, result: Result<c_int, c_int>) -> c_int {
    if let Some(path) = std::env::var_os("POSIX_SHM_PRELOADED_TRACE") {
        let said = match result {
            Ok(_) => "done".to_owned(),
            Err(errno) => format!("error {errno}"),
        };
        let file = File::options().append(true).create(true).open(path);
        // One write, so that lines of several processes do not mix.
        let line = format!("{function} {said}\n");
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the trace is writable");
    }
    result.unwrap_or_else(|errno| {
        // SAFETY: returns a pointer to this thread's error number.
        let location = unsafe { libc::__errno_location() };
        // SAFETY: the pointer is valid, and only this thread writes there.
        unsafe { *location = errno };
        -1
    })
}

/// What the flags of C ask for.
fn options(flags: c_int, mode: libc::mode_t) -> Result<OpenOptions, c_int> {
    let known = libc::O_ACCMODE
        | libc::O_CREAT
        | libc::O_EXCL
        | libc::O_TRUNC
        | libc::O_CLOEXEC
        | libc::O_NOFOLLOW;
    if flags & !known != 0 {
        return Err(libc::EINVAL);
    }
    let mut options = OpenOptions::new();
    options.direction(match flags & libc::O_ACCMODE {
        libc::O_RDONLY => Direction::Input,
        libc::O_RDWR => Direction::Io,
        _ => return Err(libc::EINVAL),
    });
    let has = |flag: c_int| flags & flag != 0;
    if has(libc::O_CREAT) {
        options.if_does_not_exist(IfDoesNotExist::Create);
        options.permissions(Permissions::from_mode(mode));
    }
    options.if_exists(if has(libc::O_CREAT) && has(libc::O_EXCL) {
        IfExists::Error
    } else if has(libc::O_TRUNC) {
        IfExists::Truncate
    } else {
        IfExists::Overwrite
    });
    Ok(options)
}

fn name_of(name: &CStr) -> Result<ShmName, c_int> {
    ShmName::new(OsStr::from_bytes(name.to_bytes())).map_err(|error| errno_of(&error))
}

fn open(name: &CStr, flags: c_int, mode: libc::mode_t) -> Result<c_int, c_int> {
    let name = name_of(name)?;
    let object = options(flags, mode)?.open(&name).map_err(|error| errno_of(&error))?;
    Ok(OwnedFd::from(object).into_raw_fd())
}

fn unlink(name: &CStr) -> Result<c_int, c_int> {
    posix_shm::unlink(&name_of(name)?).map(|()| 0).map_err(|error| errno_of(&error))
}

/// `shm_open(3)`.
///
/// # Safety
///
/// The name is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shm_open(name: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    let ours = || {
        // SAFETY: the caller's promise.
        let name = unsafe { CStr::from_ptr(name) };
        answer("shm_open", open(name, flags, mode))
    };
    outermost(ours).unwrap_or_else(|| {
        type Function = unsafe extern "C" fn(*const c_char, c_int, libc::mode_t) -> c_int;
        // SAFETY: it is the C library's function of this signature.
        let theirs = unsafe { std::mem::transmute::<*mut c_void, Function>(next(c"shm_open")) };
        // SAFETY: the caller's promise.
        unsafe { theirs(name, flags, mode) }
    })
}

/// `shm_unlink(3)`.
///
/// # Safety
///
/// The name is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shm_unlink(name: *const c_char) -> c_int {
    let ours = || {
        // SAFETY: the caller's promise.
        let name = unsafe { CStr::from_ptr(name) };
        answer("shm_unlink", unlink(name))
    };
    outermost(ours).unwrap_or_else(|| {
        type Function = unsafe extern "C" fn(*const c_char) -> c_int;
        // SAFETY: it is the C library's function of this signature.
        let theirs = unsafe { std::mem::transmute::<*mut c_void, Function>(next(c"shm_unlink")) };
        // SAFETY: the caller's promise.
        unsafe { theirs(name) }
    })
}
