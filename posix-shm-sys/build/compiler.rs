//! The C compiler for the target, found by the `cc` crate and run here: it compiles `wrapper.h` and some more lines.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::target::Target;

/// Arguments that come after those of the user's `CFLAGS`: no dialect that hides declarations, machine code in the
/// object file and not an optimizer's own format, and a function that is not declared is an error, but nothing else is.
const LAST_WORD: &[&str] =
    &["-std=gnu11", "-fno-lto", "-Wno-error", "-Werror=implicit-function-declaration"];

/// A C compiler for the target.
pub(crate) struct Compiler {
    tool: cc::Tool,
    defines: Vec<String>,
    out: PathBuf,
}

impl Compiler {
    /// Finds the compiler as `CC`, `CFLAGS` and the like say.
    pub(crate) fn find(target: &Target) -> Result<Self, String> {
        let tool = build().try_get_compiler().map_err(|error| error.to_string())?;
        let out = env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR");
        Ok(Self { tool, defines: target.defines(), out: out.into() })
    }

    /// Whether the text, which comes after `wrapper.h`, is right.
    pub(crate) fn accepts(&self, text: &str) -> bool {
        // No -fsyntax-only: `zig cc` fails with it.
        let object = self.path("check", "o");
        self.compile("check", text, &["-c", "-o", &object.to_string_lossy()]).is_ok()
    }

    /// Compiles the text, which comes after `wrapper.h`. The headers that it comes from are watched from then on.
    pub(crate) fn object(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let (object, headers) = (self.path(name, "o"), self.path(name, "d"));
        let [object_argument, headers_argument] =
            [&object, &headers].map(|path| path.to_string_lossy());
        let arguments = ["-MD", "-MF", &headers_argument, "-c", "-o", &object_argument];
        self.compile(name, text, &arguments)?;
        watch(&headers);
        Ok(object)
    }

    /// Makes a library of an object file, and tells Cargo to link it.
    pub(crate) fn link(&self, object: &Path, library: &str) -> Result<(), String> {
        // The error names the whole command, with what is in the environment.
        build()
            .object(object)
            .try_compile(library)
            .map_err(|_| "the archiver (AR) failed".to_string())
    }

    fn compile(&self, name: &str, text: &str, arguments: &[&str]) -> Result<(), String> {
        let source = self.path(name, "c");
        fs::write(&source, format!("#include \"wrapper.h\"\n{text}"))
            .map_err(|error| format!("{}: {error}", source.display()))?;
        let root = env::var("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
        let mut command: Command = self.tool.to_command();
        command.args(&self.defines).arg(format!("-I{root}")).args(LAST_WORD).args(arguments);
        let compiler = self.tool.path().display();
        let output = command
            .arg(&source)
            .output()
            .map_err(|error| format!("cannot run {compiler}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let messages = String::from_utf8_lossy(&output.stderr);
        let first: Vec<_> =
            messages.lines().filter(|line| line.contains("error")).take(8).collect();
        Err(format!("{compiler} refuses the headers ({})\n{}", output.status, first.join("\n")))
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.out.join(format!("posix_shm_{name}.{extension}"))
    }
}

/// The directory of the headers that belong to the compiler itself, if there is a compiler.
#[cfg(feature = "bindgen")]
pub(crate) fn builtin_headers() -> Option<String> {
    let tool = build().try_get_compiler().ok()?;
    let output = tool.to_command().arg("-print-file-name=include").output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_string();
    Path::new(&path).join("stddef.h").is_file().then_some(path)
}

fn build() -> cc::Build {
    let mut build = cc::Build::new();
    // Whether a failure is worth a warning is not for `cc` to say: the other way may succeed.
    build.cargo_warnings(false);
    build
}

/// Has Cargo run the build script again when one of the headers changes, of which the compiler wrote a makefile.
fn watch(makefile: &Path) {
    let text = fs::read_to_string(makefile).unwrap_or_default();
    let words = text.split_whitespace().filter(|word| word.ends_with(".h"));
    for header in words {
        println!("cargo::rerun-if-changed={header}");
    }
}
