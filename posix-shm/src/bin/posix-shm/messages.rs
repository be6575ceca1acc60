//! The library's messages, with hints for those who type commands and write no code.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;

use posix_shm::{Error, Operation};

use crate::text::shown;

/// What went wrong, and what helps.
pub(crate) fn explained(error: &Error) -> String {
    let hint = match (error.operation(), error.kind()) {
        (Operation::Create, ErrorKind::AlreadyExists) => {
            "--if-exists keep leaves it as it is, --if-exists replace puts a new object in its \
             place"
        }
        (Operation::Open | Operation::Unlink, ErrorKind::NotFound) => {
            "posix-shm ls shows the names"
        }
        (Operation::Open, ErrorKind::PermissionDenied) => {
            "posix-shm stat shows its owner and its mode, which do not let this user do this"
        }
        (Operation::Unlink, ErrorKind::PermissionDenied) => "only its owner and root can remove it",
        (Operation::SetPermissions, ErrorKind::PermissionDenied) => {
            "only its owner and root can change its mode"
        }
        (Operation::Reserve | Operation::SetLen, ErrorKind::OutOfMemory) => {
            "make it smaller, or give it no memory yet with --sparse"
        }
        (Operation::Reserve, ErrorKind::StorageFull) => {
            "posix-shm df shows what is free, and posix-shm orphans what may be removed; in a \
             container, raise --shm-size"
        }
        (Operation::Reserve, ErrorKind::Unsupported) => "--sparse gives it no memory yet",
        (Operation::List, ErrorKind::Unsupported) => "this system cannot list objects",
        _ => return error.to_string(),
    };
    with_hint(error, hint)
}

/// What went wrong, with another hint than the library's.
pub(crate) fn with_hint(error: &Error, hint: &str) -> String {
    let message = error.to_string();
    let what_happened = match error.hint() {
        Some(librarys) => message.strip_suffix(librarys).and_then(|m| m.strip_suffix("; ")),
        None => None,
    };
    format!("{}; {hint}", what_happened.unwrap_or(&message))
}

/// The same for an object that was given by its name, which may be no name.
pub(crate) fn explained_of(given: &OsStr, error: &Error) -> String {
    // A path, as the shell completes it.
    let name = given.as_bytes().strip_prefix(b"/dev/shm/").filter(|name| !name.contains(&b'/'));
    match name {
        Some(name) if error.operation() == Operation::Name && !name.is_empty() => {
            let name = OsStr::from_bytes(&[b"/", name].concat()).to_owned();
            format!("{}; write only the name, {}", explained(error), shown(name))
        }
        _ => explained(error),
    }
}
