//! The target system, as Cargo describes it. In a build script `cfg!` describes the machine that
//! builds, which may be another one.

use std::env;

/// The system that the bindings are for.
pub(crate) struct Target {
    os: String,
    env: String,
    bits: String,
    apple: bool,
}

impl Target {
    /// Reads Cargo's variables. Fails if the target is not a Unix system.
    pub(crate) fn from_cargo() -> Result<Self, String> {
        let cfg = |name: &str| env::var(format!("CARGO_CFG_{name}")).unwrap_or_default();
        if env::var_os("CARGO_CFG_UNIX").is_none() {
            let target = env::var("TARGET").unwrap_or_default();
            return Err(format!(
                "{target} is not a Unix target. POSIX shared memory exists only on Unix systems: \
                 make the dependency conditional, under [target.'cfg(unix)'.dependencies]"
            ));
        }
        Ok(Self {
            os: cfg("TARGET_OS"),
            env: cfg("TARGET_ENV"),
            bits: cfg("TARGET_POINTER_WIDTH"),
            apple: cfg("TARGET_VENDOR") == "apple",
        })
    }

    /// The target with these values of Cargo's variables, for tests.
    #[cfg(test)]
    pub(crate) fn of(os: &str, env: &str, bits: &str) -> Self {
        Self { os: os.into(), env: env.into(), bits: bits.into(), apple: os == "macos" }
    }

    /// Whether this is one of Apple's systems.
    pub(crate) fn is_apple(&self) -> bool {
        self.apple
    }

    /// Whether the kernel is Linux.
    pub(crate) fn is_linux(&self) -> bool {
        matches!(self.os.as_str(), "linux" | "android")
    }

    /// The system, as the tables of the `libc` crate are named: `linux-gnu`, `freebsd`.
    pub(crate) fn system(&self) -> String {
        match (self.os.as_str(), self.env.as_str()) {
            ("linux", env) => format!("linux-{env}"),
            (os, _) => os.into(),
        }
    }

    /// Whether the C library has functions for 32-bit and for 64-bit file offsets, and the bindings
    /// have the latter.
    pub(crate) fn has_two_sizes_of_files(&self) -> bool {
        self.bits == "32" && self.os == "linux" && self.env == "gnu"
    }

    /// The compiler arguments that describe the target to `wrapper.h`.
    pub(crate) fn defines(&self) -> Vec<String> {
        let mut defines = vec![
            format!("-DPSHM_OS_{}=1", identifier(&self.os)),
            format!("-DPSHM_BITS={}", self.bits),
        ];
        if !self.env.is_empty() {
            defines.push(format!("-DPSHM_ENV_{}=1", identifier(&self.env)));
        }
        if self.apple {
            defines.push("-DPSHM_APPLE=1".into());
        }
        defines
    }

    /// Whether `shm_open` may be in librt: on NetBSD, and in the GNU C library before 2.34.
    pub(crate) fn needs_librt(&self) -> bool {
        self.os == "netbsd" || (self.os == "linux" && self.env == "gnu")
    }
}

fn identifier(name: &str) -> String {
    name.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}
