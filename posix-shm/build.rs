//! Sets the cfgs that the crate is compiled with:
//!
//! * `pshm_system` names the system's file in `src/imp/`.
//! * `pshm_has_*` say what posix-shm-sys found in the headers, so that the code asks for a
//!   capability and not for a version.
//! * `pshm_bytewise` makes `src/access/copy.rs` use only atomics of one byte.
//! * `pshm_any_address` is set if the machine has moves of integers from and to any address, which
//!   `src/access/copy/registers.rs` knows.
//! * `pshm_machine` names the machine's file in `src/access/atomic/`.
//! * `pshm_atomic_64` is set if integers of 8 bytes have atomic operations.

use std::env;

/// The names that `src/` asks about, each with `cfg(pshm_has_<name>)`. To ask about another name
/// that posix-shm-sys binds, add it here.
const ASKED: &[&str] = &[
    "_umtx_op",
    "ecapmode",
    "ehwpoison",
    "enotcapable",
    "etoomanyrefs",
    "f_add_seals",
    "f_ofd_setlk",
    "f_seal_exec",
    "f_seal_future_write",
    "fallocate",
    "flock",
    "futex",
    "inherit_none",
    "inherit_zero",
    "madv_cold",
    "madv_collapse",
    "madv_dodump",
    "madv_dofork",
    "madv_dontdump",
    "madv_dontfork",
    "madv_core",
    "madv_guard_install",
    "madv_hugepage",
    "madv_nocore",
    "madv_nohugepage",
    "madv_pageout",
    "madv_populate_read",
    "madv_populate_write",
    "madv_remove",
    "madv_wipeonfork",
    "map_inherit_none",
    "map_inherit_zero",
    "map_noreserve",
    "memfd_create",
    "mfd_hugetlb",
    "mincore",
    "mremap",
    "os_sync_wait_on_address_shared",
    "posix_fallocate",
    "renameat2",
    "scm_pidfd",
    "shm_create_largepage",
    "shm_open",
    "st_atim",
    "sys___futex",
    "sys_cachestat",
    "sys_futex",
    "sys_futex_time64",
];

/// The systems with a file in `src/imp/system/`. One file is compiled, chosen by `cfg(pshm_system =
/// "…")`.
const SYSTEMS: &[&str] = &["android", "apple", "freebsd", "linux", "netbsd", "openbsd", "other"];

/// Architectures on which the oldest supported compiler has `asm!`, which the copy engine in
/// `src/access/` needs.
const WITH_ASM: &[&str] =
    &["aarch64", "arm", "loongarch64", "riscv32", "riscv64", "s390x", "x86", "x86_64", "arm64ec"];

/// The machines whose atomic operations are machine code, with their size of a pointer in bits: the
/// code takes addresses in registers of that size, so it is wrong for x32 and ILP32. Each has a
/// file in `src/access/atomic/`, but both kinds of x86 share one.
const MACHINES: &[(&str, &str, &str)] = &[
    ("aarch64", "64", "aarch64"),
    ("arm", "32", "arm"),
    ("loongarch64", "64", "loongarch64"),
    ("riscv64", "64", "riscv64"),
    ("s390x", "64", "s390x"),
    ("x86", "32", "x86"),
    ("x86_64", "64", "x86"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ASKED {
        let found = env::var_os(format!("DEP_POSIX_SHM_HAS_{}", name.to_uppercase())).is_some();
        flag(&format!("pshm_has_{name}"), found);
    }
    choice("pshm_system", SYSTEMS, &system());
    flag("pshm_bytewise", bytewise());
    let mut files = vec!["std"];
    for (_, _, file) in MACHINES {
        files.push(file);
    }
    choice("pshm_machine", &files, machine());
    flag("pshm_any_address", any_address());
    flag("pshm_atomic_64", atomic_64());
}

/// Declares a cfg without a value, and sets it.
fn flag(name: &str, set: bool) {
    println!("cargo::rustc-check-cfg=cfg({name})");
    if set {
        println!("cargo::rustc-cfg={name}");
    }
}

/// Declares a cfg with its values, and sets it to one of them.
fn choice(name: &str, values: &[&str], value: &str) {
    println!("cargo::rustc-check-cfg=cfg({name}, values(\"{}\"))", values.join("\", \""));
    println!("cargo::rustc-cfg={name}=\"{value}\"");
}

/// The file for the target.
///
/// To test them on Linux, these flags choose the file of another system there:
///
/// * `--cfg posix_shm_portable`: the one for systems without a file of their own.
/// * `--cfg posix_shm_android`: Android's, which also has a Linux kernel.
/// * `--cfg posix_shm_apple`: macOS's. `tests/models/xnu.c` is a model of its kernel.
fn system() -> String {
    let os = value("TARGET_OS");
    match &*os {
        _ if is_set("POSIX_SHM_PORTABLE") => "other".into(),
        "linux" if is_set("POSIX_SHM_ANDROID") => "android".into(),
        "linux" if is_set("POSIX_SHM_APPLE") => "apple".into(),
        _ if value("TARGET_VENDOR") == "apple" => "apple".into(),
        name if SYSTEMS.contains(&name) => os,
        _ => "other".into(),
    }
}

/// Whether mapped bytes are accessed only with atomics of one byte: under Miri and the thread
/// sanitizer, which do not understand `asm!`, on architectures without it, and with
/// `--cfg posix_shm_bytewise`.
fn bytewise() -> bool {
    is_set("MIRI")
        || is_set("POSIX_SHM_BYTEWISE")
        || value("SANITIZE").contains("thread")
        || !WITH_ASM.contains(&&*value("TARGET_ARCH"))
}

/// Whether the machine can move an integer from or to any address, and our code for it can be used:
/// it takes addresses in registers of 64 bits, so not on x32 and ILP32.
fn any_address() -> bool {
    let known = ["x86_64", "aarch64"].contains(&&*value("TARGET_ARCH"));
    known && value("TARGET_POINTER_WIDTH") == "64" && !bytewise()
}

/// The file with the atomic operations: `std` if there is no machine code for the target.
fn machine() -> &'static str {
    let (architecture, pointer) = (value("TARGET_ARCH"), value("TARGET_POINTER_WIDTH"));
    // The instructions that the file uses beyond the first of its architecture.
    let has_instructions = match &*architecture {
        // Stable compilers do not tell the features of this architecture, but the name does.
        "arm" => is_armv7(),
        "riscv64" => has("TARGET_FEATURE", "a"),
        _ => true,
    };
    for (name, bits, file) in MACHINES {
        if *name == architecture && *bits == pointer && has_instructions && !bytewise() {
            return file;
        }
    }
    "std"
}

/// Whether integers of 8 bytes have atomic operations.
///
/// Before version 7, ARM has no instructions for them, and Linux stands in with a function that
/// also writes when it loads. A load would kill the process if the mapping is read-only.
fn atomic_64() -> bool {
    has("TARGET_HAS_ATOMIC", "64") && (value("TARGET_ARCH") != "arm" || is_armv7())
}

fn is_armv7() -> bool {
    let target = env::var("TARGET").unwrap_or_default();
    target.starts_with("armv7") || target.starts_with("thumbv7")
}

/// Whether a cfg has this value among others.
fn has(cfg: &str, one: &str) -> bool {
    value(cfg).split(',').any(|value| value == one)
}

/// The value of a cfg. Empty if it has none.
fn value(cfg: &str) -> String {
    env::var(format!("CARGO_CFG_{cfg}")).unwrap_or_default()
}

/// Whether a cfg is set.
fn is_set(cfg: &str) -> bool {
    env::var_os(format!("CARGO_CFG_{cfg}")).is_some()
}
