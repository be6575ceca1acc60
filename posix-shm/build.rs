//! Picks the file of the system in `src/imp/`; turns what posix-shm-sys found in its headers into cfgs, so that the files there
//! ask for a capability and never for a version; and decides how `src/access/` may touch mapped bytes.

use std::env;

/// What `src/imp/` asks about, each as `cfg(pshm_has_…)`.
const ASKED: [&str; 9] = [
    "ecapmode",
    "enotcapable",
    "f_add_seals",
    "f_seal_exec",
    "f_seal_future_write",
    "memfd_create",
    "posix_fallocate",
    "renameat2",
    "st_atim",
];

/// The files in `src/imp/`, of which one is compiled: `cfg(pshm_system = "…")`.
const SYSTEMS: [&str; 7] = ["android", "apple", "freebsd", "linux", "netbsd", "openbsd", "posix"];

/// Machines with an `asm!` that the oldest supported compiler knows, which the copy engine needs to hide behind.
const WITH_ASM: [&str; 9] =
    ["aarch64", "arm", "loongarch64", "riscv32", "riscv64", "s390x", "x86", "x86_64", "arm64ec"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ASKED {
        println!("cargo::rustc-check-cfg=cfg(pshm_has_{name})");
        if env::var_os(format!("DEP_POSIX_SHM_HAS_{}", name.to_uppercase())).is_some() {
            println!("cargo::rustc-cfg=pshm_has_{name}");
        }
    }
    println!(
        "cargo::rustc-check-cfg=cfg(pshm_system, values({}))",
        SYSTEMS.map(|s| format!("{s:?}")).join(", ")
    );
    println!("cargo::rustc-cfg=pshm_system={:?}", system());
    println!("cargo::rustc-check-cfg=cfg(pshm_bytewise)");
    if bytewise() {
        println!("cargo::rustc-cfg=pshm_bytewise");
    }
}

/// The file for the target. Linux, which is where the tests run, can be told to take another's: `--cfg posix_shm_portable` is the
/// one for systems without a file of their own, `--cfg posix_shm_android` that of Android, whose kernel is Linux', and
/// `--cfg posix_shm_apple` that of macOS, of which `tests/models/xnu.c` is a model.
fn system() -> &'static str {
    let value = |name: &str| env::var(format!("CARGO_CFG_{name}")).unwrap_or_default();
    let os = value("TARGET_OS");
    match &*os {
        _ if is_set("POSIX_SHM_PORTABLE") => "posix",
        "linux" if is_set("POSIX_SHM_ANDROID") => "android",
        "linux" if is_set("POSIX_SHM_APPLE") => "apple",
        _ if value("TARGET_VENDOR") == "apple" => "apple",
        _ => SYSTEMS.into_iter().find(|system| *system == os).unwrap_or("posix"),
    }
}

/// Whether mapped bytes are touched by atomics of one byte alone: under tools that know nothing else, on machines without a
/// plan, and where `--cfg posix_shm_bytewise` asks for it.
fn bytewise() -> bool {
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let sanitizers = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
    is_set("MIRI")
        || is_set("POSIX_SHM_BYTEWISE")
        || sanitizers.contains("thread")
        || !WITH_ASM.contains(&architecture.as_str())
}

/// Whether a cfg without a value is set.
fn is_set(cfg: &str) -> bool {
    env::var_os(format!("CARGO_CFG_{cfg}")).is_some()
}
