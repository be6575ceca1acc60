//! The C compiler for the target. The `cc` crate finds it, and the calls here run it on
//! `wrapper.h` followed by some more C.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::report::{self, Failure};
use crate::target::Target;

/// Arguments that override the user's `CFLAGS`.
const OVERRIDES: &[&str] = &[
    // A strict dialect, such as -std=c11, hides declarations.
    "-std=gnu11",
    // The probe reads machine code, not the format of a link-time optimizer.
    "-fno-lto",
    // Some compilers instrument by default, and the library that they need is not linked.
    "-fno-sanitize=all",
    // Every line that the compiler prints about our C must be an error: see `Rejection::lines`.
    "-w",
];

/// The starts of arguments that make a compiler add calls of a library to what it compiles. Users
/// set them in `CFLAGS` for C code of their own. The shim here is only plumbing, and Rust would not
/// link the library.
const INSTRUMENTING: &[&str] = &[
    "-fsanitize",
    "-fprofile-",
    "-fcs-profile-",
    "-ftest-coverage",
    "-fcoverage-mapping",
    "--coverage",
    "-coverage",
    "-finstrument-functions",
    "-fxray-",
    "-pg",
];

/// A C compiler for the target.
pub(crate) struct Compiler {
    build: cc::Build,
    tool: cc::Tool,
    defines: Vec<String>,
    out: PathBuf,
}

/// What the compiler said when it refused a file.
pub(crate) struct Rejection {
    /// The lines of the file that it complained about, from 1. Without those in headers.
    pub(crate) lines: Vec<usize>,
    /// Its messages, for the user.
    pub(crate) message: String,
}

impl Compiler {
    /// Finds the compiler. `CC`, `CFLAGS` and their variants for a target can name it.
    pub(crate) fn find(target: &Target) -> Result<Self, Failure> {
        let mut build = cc::Build::new();
        // The `cc` crate must not warn about a failure: another generator may succeed.
        build.cargo_warnings(false);
        // No one debugs the shim, and without this the `cc` crate runs the compiler once more.
        build.debug(false);
        let tool = build
            .try_get_compiler()
            .map_err(|error| Failure::NoHeaders(format!("cannot find a C compiler: {error}")))?;
        let out = env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR");
        Ok(Self { build, tool, defines: target.defines(), out: out.into() })
    }

    /// Whether the compiler can read the headers. The error says why not.
    pub(crate) fn reads_headers(&self) -> Result<(), Failure> {
        self.object("wrapper", "")
            .map(drop)
            .map_err(|rejection| Failure::NoHeaders(rejection.message))
    }

    /// Compiles `wrapper.h` followed by `text`, and tells Cargo to watch the headers. Returns the
    /// path of the object file. `wrapper.h` is included in line 1, and `text` starts in line 2.
    pub(crate) fn object(&self, name: &str, text: &str) -> Result<PathBuf, Rejection> {
        let (source, object, headers) =
            (self.path(name, "c"), self.path(name, "o"), self.path(name, "d"));
        let failed = |message| Rejection { lines: Vec::new(), message };
        fs::write(&source, format!("#include \"wrapper.h\"\n{text}"))
            .map_err(|error| failed(format!("cannot write {}: {error}", source.display())))?;
        let root = env::var("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
        let mut command = self.command();
        command.args(&self.defines).arg(format!("-I{root}")).args(OVERRIDES);
        // No -fsyntax-only: `zig cc` fails with it.
        command.args(["-MD", "-MF"]).arg(&headers).arg("-c").arg("-o").arg(&object).arg(&source);
        let program = self.tool.path().display();
        let output =
            command.output().map_err(|error| failed(format!("cannot run {program}: {error}")))?;
        if output.status.success() {
            watch(&headers);
            return Ok(object);
        }
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        Err(Rejection {
            lines: report::lines(&said, &source),
            message: format!(
                "{program} could not compile wrapper.h with the system's headers ({}):\n{}",
                output.status,
                report::summary(&said)
            ),
        })
    }

    /// Puts an object file into a static library, and tells Cargo to link it.
    pub(crate) fn link(&self, object: &Path, library: &str) -> Result<(), String> {
        // The error itself is left out: it contains the whole environment.
        self.build.clone().object(object).try_compile(library).map_err(|_| {
            format!("the archiver could not make lib{library}.a: set AR to one that can")
        })
    }

    /// The directory of the compiler's own headers, such as `<stddef.h>`.
    #[cfg(feature = "bindgen")]
    pub(crate) fn builtin_headers(&self) -> Option<String> {
        let output = self.command().arg("-print-file-name=include").output().ok()?;
        let path = String::from_utf8(output.stdout).ok()?.trim().to_string();
        Path::new(&path).join("stddef.h").is_file().then_some(path)
    }

    /// A call of the compiler, without the arguments that instrument.
    fn command(&self) -> Command {
        let found = self.tool.to_command();
        let mut command = Command::new(found.get_program());
        command.args(found.get_args().filter(|argument| !instruments(argument)));
        for (name, value) in found.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // Messages in English, which we search and users can look up.
        command.env("LC_ALL", "C");
        command
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.out.join(format!("posix_shm_{name}.{extension}"))
    }
}

fn instruments(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    INSTRUMENTING.iter().any(|start| argument.starts_with(start))
}

/// Tells Cargo to watch the headers that a makefile lists. The compiler wrote it, for `-MD`.
fn watch(makefile: &Path) {
    let text = fs::read_to_string(makefile).unwrap_or_default();
    // A makefile has a backslash before a space that belongs to a name.
    let text = text.replace("\\ ", "\0");
    for header in text.split_whitespace().filter(|word| word.ends_with(".h")) {
        println!("cargo::rerun-if-changed={}", header.replace('\0', " "));
    }
}
