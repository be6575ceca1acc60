//! What the build script says when something is missing.

use std::fmt;

/// The ways that failed, each with its reason.
pub(crate) struct Failure(pub(crate) Vec<(&'static str, String)>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "posix-shm-sys: no bindings could be made from this system's headers.\n")?;
        for (way, reason) in &self.0 {
            writeln!(f, "  {way}: {}\n", reason.trim().replace('\n', "\n    "))?;
        }
        f.write_str(REMEDY)
    }
}

const REMEDY: &str = "\
A C compiler with the C library's headers is enough. With libclang too, bindgen makes the bindings.

                    a C compiler                       libclang
  Debian, Ubuntu    apt install gcc libc6-dev          apt install libclang-dev
  Fedora            dnf install gcc glibc-devel        dnf install clang-devel
  Arch              pacman -S gcc                      pacman -S clang
  Alpine            apk add gcc musl-dev               apk add clang-dev
  macOS             xcode-select --install             xcode-select --install
  FreeBSD           in the base system                 pkg install llvm
  OpenBSD           in the base system (comp set)      pkg_add llvm
  NetBSD            in the base system (comp set)      pkgin install clang

Environment: CC, CFLAGS (and CC_<target>, CFLAGS_<target>) name a compiler and its arguments; LIBCLANG_PATH names
the directory of libclang, BINDGEN_EXTRA_CLANG_ARGS its arguments, such as --sysroot=DIR when cross compiling;
POSIX_SHM_SYS_BINDINGS=bindgen or =cc chooses one way.
";

/// Says in one line that bindgen was not to be had, and that nothing is lost by it.
#[cfg(feature = "bindgen")]
pub(crate) fn warn_of_fallback(reason: &str) {
    let reason: String = reason.lines().next().unwrap_or_default().chars().take(160).collect();
    println!(
        "cargo::warning=bindgen could not read the system's headers, so the C compiler alone made the same bindings \
         (POSIX_SHM_SYS_BINDINGS=cc asks for that without this warning): {reason}"
    );
}
