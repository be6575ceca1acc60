//! Turns what posix-shm-sys found in the system's headers into cfgs, so that `src/imp/` asks for a capability and never
//! for a version.

/// What `src/imp/` asks about, each as `cfg(pshm_has_…)`.
const ASKED: [&str; 3] = ["posix_fallocate", "renameat2", "st_atim"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ASKED {
        println!("cargo::rustc-check-cfg=cfg(pshm_has_{name})");
        if std::env::var_os(format!("DEP_POSIX_SHM_HAS_{}", name.to_uppercase())).is_some() {
            println!("cargo::rustc-cfg=pshm_has_{name}");
        }
    }
}
