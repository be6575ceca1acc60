//! Turns what posix-shm-sys found in the system's headers into cfgs, so that `src/imp/` asks for a capability and never
//! for a version; and decides how `src/access/` may touch mapped bytes.

use std::env;

/// What `src/imp/` asks about, each as `cfg(pshm_has_…)`.
const ASKED: [&str; 6] = [
    "f_add_seals",
    "f_seal_exec",
    "f_seal_future_write",
    "posix_fallocate",
    "renameat2",
    "st_atim",
];

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
    println!("cargo::rustc-check-cfg=cfg(pshm_bytewise)");
    if bytewise() {
        println!("cargo::rustc-cfg=pshm_bytewise");
    }
}

/// Whether mapped bytes are touched by atomics of one byte alone: under tools that know nothing else, on machines without a
/// plan, and where `--cfg posix_shm_bytewise` asks for it.
fn bytewise() -> bool {
    let set = |name: &str| env::var_os(format!("CARGO_CFG_{name}")).is_some();
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let sanitizers = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
    set("MIRI")
        || set("POSIX_SHM_BYTEWISE")
        || sanitizers.contains("thread")
        || !WITH_ASM.contains(&architecture.as_str())
}
