//! What the build script tells the user when a generator fails, and what it reads in a compiler's
//! messages.

use std::env;
use std::path::Path;

/// Why a generator failed.
pub(crate) enum Failure {
    /// It cannot read the target's headers: the tool is missing, or the headers are.
    NoHeaders(String),
    /// It read the headers, and what came out cannot be used.
    Unusable(String),
}

impl Failure {
    pub(crate) fn reason(&self) -> &str {
        match self {
            Failure::NoHeaders(reason) | Failure::Unusable(reason) => reason,
        }
    }
}

/// The generators that failed, by name.
pub(crate) type Failures = Vec<(&'static str, Failure)>;

/// The message for a failed build.
pub(crate) fn failure(failures: &Failures) -> String {
    let target = env::var("TARGET").unwrap_or_default();
    let mut message = format!("could not generate bindings from the headers for {target}.\n\n");
    for (generator, failure) in failures {
        let reason = failure.reason().trim().replace('\n', "\n    ");
        message += &format!("  {generator}: {reason}\n\n");
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
pub(crate) fn warn_of_cc(failures: &Failures) {
    println!(
        "cargo::warning=bindgen failed, so the C compiler generated the same bindings. To avoid \
         this warning, install libclang or set POSIX_SHM_SYS_BINDINGS=cc.{}",
        reasons(failures)
    );
}

/// Warns, in one line, that the `libc` crate was used because no generator could read the headers.
pub(crate) fn warn_of_libc(failures: &Failures) {
    let target = env::var("TARGET").unwrap_or_default();
    println!(
        "cargo::warning=the headers for {target} cannot be read, so the bindings have the values \
         of the libc crate. That is enough to check code. To build a program, install a C compiler \
         for {target} or set CC_{target}; POSIX_SHM_SYS_BINDINGS=cc makes this an error.{}",
        reasons(failures)
    );
}

/// The first line of each reason, cut short.
fn reasons(failures: &Failures) -> String {
    let short = |(generator, failure): &(&str, Failure)| {
        let line = failure.reason().lines().next().unwrap_or_default();
        format!(" {generator}: {}", line.chars().take(160).collect::<String>())
    };
    failures.iter().map(short).collect()
}

/// The lines of a source file that a compiler complained about: the numbers in `FILE:NUMBER:`. The
/// words around them do not matter, so this works in every language.
pub(crate) fn lines(said: &str, source: &Path) -> Vec<usize> {
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    let number = |rest: &str| -> Option<usize> {
        let rest = rest.strip_prefix(':')?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    said.split(&*name).skip(1).filter_map(number).collect()
}

/// The first few errors among a compiler's messages. If no line has the word, as with a compiler in
/// another language or with a program in front of it, the first lines.
pub(crate) fn summary(said: &str) -> String {
    let is_error = |line: &&str| line.to_lowercase().contains("error");
    let mut found: Vec<_> = said.lines().filter(is_error).collect();
    if found.is_empty() {
        found = said.lines().collect();
    }
    found.truncate(8);
    if found.is_empty() { "it printed nothing".into() } else { found.join("\n") }
}
