//! What the build script tells the user when a generator fails.

use std::env;

/// The message for a failed build. `reasons` names each generator that was tried, and its error.
pub(crate) fn failure(reasons: &[(&str, String)]) -> String {
    let target = env::var("TARGET").unwrap_or_default();
    let mut message = format!("could not generate bindings from the headers for {target}.\n\n");
    for (generator, reason) in reasons {
        message += &format!("  {generator}: {}\n\n", reason.trim().replace('\n', "\n    "));
    }
    message + REMEDY
}

const REMEDY: &str = "\
Install a C compiler and the C library's headers. libclang, which bindgen uses, is optional.

                    C compiler and headers             libclang
  Debian, Ubuntu    apt install gcc libc6-dev          apt install libclang-dev
  Fedora            dnf install gcc glibc-devel        dnf install clang-devel
  Arch              pacman -S gcc                      pacman -S clang
  Alpine            apk add gcc musl-dev               apk add clang-dev
  macOS             xcode-select --install             xcode-select --install
  FreeBSD           in the base system                 pkg install llvm
  OpenBSD           in the base system (comp set)      pkg_add llvm
  NetBSD            in the base system (comp set)      pkgin install clang

If they are installed, these variables say how to use them:

  CC, CFLAGS                        the C compiler and its arguments
  LIBCLANG_PATH                     the directory of libclang
  BINDGEN_EXTRA_CLANG_ARGS          arguments for libclang
  POSIX_SHM_SYS_BINDINGS            bindgen or cc: use only this generator

To cross-compile, set CC_<target>, CFLAGS_<target> and BINDGEN_EXTRA_CLANG_ARGS_<target>.
--sysroot=DIR in the last two names the target's headers.
";

/// Warns, in one line, that the C compiler was used because bindgen failed.
pub(crate) fn warn_of_fallback(reason: &str) {
    let reason: String = reason.lines().next().unwrap_or_default().chars().take(160).collect();
    println!(
        "cargo::warning=bindgen failed, so the C compiler generated the same bindings. To avoid \
         this warning, install libclang or set POSIX_SHM_SYS_BINDINGS=cc. bindgen said: {reason}"
    );
}
