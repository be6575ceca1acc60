//! Lists every constant that posix-shm-sys found, so that no one of them escapes the comparison with the `libc` crate.

use std::fmt::Write;
use std::{env, fs, path::Path};

/// What the sys crate reports beside constants. One that is missing here does not compile: it is no constant.
const FUNCTIONS_AND_FIELDS: &str = "close fallocate fchmod fchown fcntl fstat fstatat fstatvfs ftruncate getentropy geteuid \
    getpid getuid link linkat madvise memfd_create mlock mmap mprotect mremap msync munlock munmap open \
    posix_fallocate pread pwrite rename renameat renameat2 shm_create_largepage shm_mkstemp shm_open shm_rename \
    shm_unlink st_atim st_atimespec st_ctim st_ctimespec st_mtim st_mtimespec strerror sysconf unlink unlinkat";

/// What the `libc` crate lacks: constants, and the C library for which it does, or all.
const NOT_IN_LIBC: &[(&str, &str)] = &[("MADV_COLLAPSE", "musl"), ("PSHMNAMLEN", "")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(posix_shm_portable)");
    let others: Vec<String> =
        FUNCTIONS_AND_FIELDS.split_whitespace().map(str::to_uppercase).collect();
    let library = env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    let mut names: Vec<String> = env::vars()
        .filter_map(|(name, _)| name.strip_prefix("DEP_POSIX_SHM_HAS_").map(str::to_owned))
        .filter(|name| !others.contains(name))
        .filter(|name| {
            !NOT_IN_LIBC
                .iter()
                .any(|(lacks, of)| lacks == name && (of.is_empty() || *of == library))
        })
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
