//! The C compiler for the target. The `cc` crate finds it, and the calls here run it on
//! `wrapper.h` followed by some more C.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::target::Target;

/// Arguments that override the user's `CFLAGS`.
const OVERRIDES: &[&str] = &[
    // A strict dialect, such as -std=c11, hides declarations.
    "-std=gnu11",
    // The probe reads machine code, not the format of a link-time optimizer.
    "-fno-lto",
    // The only warning that must be an error is the one for an undeclared function.
    "-Wno-error",
    "-Werror=implicit-function-declaration",
];

/// A C compiler for the target.
pub(crate) struct Compiler {
    tool: cc::Tool,
    defines: Vec<String>,
    out: PathBuf,
}

impl Compiler {
    /// Finds the compiler. `CC`, `CFLAGS` and their variants for a target can name it.
    pub(crate) fn find(target: &Target) -> Result<Self, String> {
        let tool = build()
            .try_get_compiler()
            .map_err(|error| format!("cannot find a C compiler: {error}"))?;
        let out = env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR");
        Ok(Self { tool, defines: target.defines(), out: out.into() })
    }

    /// Whether `text` compiles when it follows `wrapper.h`.
    pub(crate) fn accepts(&self, text: &str) -> bool {
        // No -fsyntax-only: `zig cc` fails with it.
        let object = self.path("check", "o");
        self.compile("check", text, &["-c", "-o", &object.to_string_lossy()]).is_ok()
    }

    /// Compiles `wrapper.h` followed by `text`, and tells Cargo to watch the headers. Returns the
    /// path of the object file.
    pub(crate) fn object(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let (object, headers) = (self.path(name, "o"), self.path(name, "d"));
        let [object_argument, headers_argument] =
            [&object, &headers].map(|path| path.to_string_lossy());
        let arguments = ["-MD", "-MF", &headers_argument, "-c", "-o", &object_argument];
        self.compile(name, text, &arguments)?;
        watch(&headers);
        Ok(object)
    }

    /// Puts an object file into a static library, and tells Cargo to link it.
    pub(crate) fn link(&self, object: &Path, library: &str) -> Result<(), String> {
        // The error itself is left out: it contains the whole environment.
        build().object(object).try_compile(library).map_err(|_| {
            format!("the archiver could not make lib{library}.a: set AR to one that can")
        })
    }

    fn compile(&self, name: &str, text: &str, arguments: &[&str]) -> Result<(), String> {
        let source = self.path(name, "c");
        fs::write(&source, format!("#include \"wrapper.h\"\n{text}"))
            .map_err(|error| format!("cannot write {}: {error}", source.display()))?;
        let root = env::var("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
        let mut command: Command = self.tool.to_command();
        command.args(&self.defines).arg(format!("-I{root}")).args(OVERRIDES).args(arguments);
        let compiler = self.tool.path().display();
        let output = command
            .arg(&source)
            .output()
            .map_err(|error| format!("cannot run {compiler}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let messages = String::from_utf8_lossy(&output.stderr);
        let mut lines: Vec<_> = messages.lines().filter(|line| line.contains("error")).collect();
        if lines.is_empty() {
            lines = messages.lines().collect();
        }
        lines.truncate(8);
        Err(format!(
            "{compiler} could not compile wrapper.h with the system's headers ({}):\n{}",
            output.status,
            lines.join("\n")
        ))
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.out.join(format!("posix_shm_{name}.{extension}"))
    }
}

/// The directory of the compiler's own headers, such as `<stddef.h>`, if there is a compiler.
#[cfg(feature = "bindgen")]
pub(crate) fn builtin_headers() -> Option<String> {
    let tool = build().try_get_compiler().ok()?;
    let output = tool.to_command().arg("-print-file-name=include").output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_string();
    Path::new(&path).join("stddef.h").is_file().then_some(path)
}

fn build() -> cc::Build {
    let mut build = cc::Build::new();
    // The `cc` crate must not warn about a failure: the other generator may succeed.
    build.cargo_warnings(false);
    build
}

/// Tells Cargo to watch the headers that a makefile lists. The compiler wrote it, for `-MD`.
fn watch(makefile: &Path) {
    let text = fs::read_to_string(makefile).unwrap_or_default();
    let words = text.split_whitespace().filter(|word| word.ends_with(".h"));
    for header in words {
        println!("cargo::rerun-if-changed={header}");
    }
}
