//! For every helper program: a `/dev/shm` of its own, and the errors of C functions.

use std::ffi::{CStr, c_int};
#[cfg(target_os = "linux")]
use std::fs;
use std::io;

/// Turns the -1 of a C function into an error.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "not every helper asks"))]
#[expect(clippy::disallowed_methods, reason = "the one place here that reads errno")]
pub(crate) fn check(returned: c_int) -> io::Result<()> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Mounts a `/dev/shm` that only this process sees, so that it sees no other objects. Without root
/// rights, it does so in a user namespace of its own.
#[cfg(target_os = "linux")]
pub(crate) fn mount_own(options: &CStr) -> io::Result<()> {
    // SAFETY: passes no pointer.
    let user = unsafe { libc::geteuid() };
    // SAFETY: passes no pointer.
    let group = unsafe { libc::getegid() };
    let as_user = if user == 0 { 0 } else { libc::CLONE_NEWUSER };
    // SAFETY: passes no pointer; the process has one thread.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS | as_user) })?;
    if user != 0 {
        // Without these maps the user has no id in the namespace, and may create nothing.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    }
    mount(c"none", c"/", libc::MS_REC | libc::MS_PRIVATE, c"")?;
    mount(c"tmpfs", c"/dev/shm", 0, options)
}

/// Mounts a file system that has no device.
#[cfg(target_os = "linux")]
pub(crate) fn mount(
    kind: &CStr,
    on: &CStr,
    flags: libc::c_ulong,
    options: &CStr,
) -> io::Result<()> {
    let none = c"none".as_ptr();
    // SAFETY: all are NUL-terminated strings that outlive the call.
    check(unsafe { libc::mount(none, on.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) })
}

/// Only Linux has mounts that only one process sees.
#[cfg(not(target_os = "linux"))]
#[allow(dead_code, reason = "not every helper asks")]
pub(crate) fn mount_own(_: &CStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
#[allow(dead_code, reason = "not every helper asks")]
pub(crate) fn mount(_: &CStr, on: &CStr, _: libc::c_ulong, _: &CStr) -> io::Result<()> {
    mount_own(on)
}
