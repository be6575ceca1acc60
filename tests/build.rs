//! Lists every constant that posix-shm-sys has, so that each is compared with the `libc` crate.

use std::fmt::Write;
use std::{env, fs, path::Path};

/// The names that the sys crate reports and that are no constants, or not in upper case. If one is
/// missing here, the list does not compile.
const OTHERS: &str = "close fallocate fchmod fchown fcntl fcntl_lock flock fstat fstatat \
    fstatvfs ftruncate futex getentropy geteuid getpid getuid link linkat madvise memfd_create \
    mincore minherit mlock mmap mprotect mremap msync munlock munmap open posix_fallocate pread \
    pwrite rename renameat renameat2 shm_create_largepage shm_mkstemp shm_open shm_rename \
    shm_unlink st_atim st_atimespec st_ctim st_ctimespec st_mtim st_mtimespec strerror \
    SYS___futex SYS_cachestat SYS_futex SYS_futex_time64 sysconf _umtx_op unlink unlinkat";

/// Constants that the `libc` crate lacks for a system or a C library.
const NOT_IN_LIBC: &[(&str, &str)] = &[
    ("musl", "MADV_COLLAPSE"),
    // Present only if Linux is built with the code for macOS.
    (
        "linux",
        "MADV_GUARD_INSTALL MADV_GUARD_REMOVE OS_CLOCK_MACH_ABSOLUTE_TIME \
         OS_SYNC_WAIT_ON_ADDRESS_SHARED OS_SYNC_WAKE_BY_ADDRESS_SHARED PSHMNAMLEN SCM_PIDFD",
    ),
    ("android", "MADV_GUARD_INSTALL MADV_GUARD_REMOVE SCM_PIDFD"),
    ("macos", "MADV_PAGEOUT NAME_MAX PSHMNAMLEN"),
    ("freebsd", "MFD_HUGE_SHIFT"),
    (
        "netbsd",
        // That crate has the bits as an unsigned number.
        "FUTEX_BITSET_MATCH_ANY F_ADD_SEALS F_GET_SEALS F_SEAL_FUTURE_WRITE F_SEAL_GROW \
         F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_WRITE MFD_ALLOW_SEALING MFD_CLOEXEC NAME_MAX",
    ),
    ("openbsd", "NAME_MAX"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(posix_shm_portable)");
    let others: Vec<String> = OTHERS.split_whitespace().map(str::to_uppercase).collect();
    let here = ["TARGET_OS", "TARGET_ENV"].map(|name| env::var(format!("CARGO_CFG_{name}")));
    let lacking =
        NOT_IN_LIBC.iter().filter(|(of, _)| here.iter().any(|is| is.as_deref() == Ok(of)));
    let lacking: Vec<&str> = lacking.flat_map(|(_, names)| names.split_whitespace()).collect();
    // With 32-bit pointers, glibc has two values for each, and the libc crate the other one.
    let of_locks: &[&str] = match [&here[1], &env::var("CARGO_CFG_TARGET_POINTER_WIDTH")] {
        [Ok(env), Ok(width)] if env == "gnu" && width == "32" => {
            &["F_GETLK", "F_SETLK", "F_SETLKW"]
        }
        _ => &[],
    };
    let mut names: Vec<String> = env::vars()
        .filter_map(|(name, _)| name.strip_prefix("DEP_POSIX_SHM_HAS_").map(str::to_owned))
        .filter(|name| !others.contains(name))
        .filter(|name| !lacking.contains(&name.as_str()) && !of_locks.contains(&name.as_str()))
        .collect();
    names.sort();
    let mut list = String::from("vec![\n");
    for name in names {
        writeln!(list, "(\"{name}\", sys::{name} as i128, libc::{name} as i128),").unwrap();
    }
    list.push(']');
    let out = env::var_os("OUT_DIR").unwrap();
    fs::write(Path::new(&out).join("constants.rs"), list).unwrap();
}
