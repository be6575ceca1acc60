//! Generates the bindings with bindgen, which reads the headers with libclang.

use std::env;
use std::fmt::Write;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use bindgen::callbacks::{ItemInfo, ItemKind, MacroParsingBehavior, ParseCallbacks};

use crate::api::Found;
use crate::compiler::Compiler;
use crate::generated::{ERRNO_LOCATION, Generated};
use crate::names;
use crate::prototype::{self, Prototype};
use crate::report::Failure;
use crate::target::Target;

/// The prefix of a constant's name in the header given to bindgen.
const PREFIX: &str = "pshm_c_";

/// Generates the bindings. The error says what is missing.
pub(crate) fn generate(target: &Target, compiler: Option<&Compiler>) -> Result<Found, Failure> {
    let functions = prototype::functions(target);
    let items = run(builder(target, &functions, compiler)).map_err(Failure::NoHeaders)?;
    check(items, &functions, compiler).map_err(|fault| {
        Failure::Unusable(format!("its output cannot be right, so it is not used: {fault}"))
    })
}

/// Checks what bindgen wrote against the list, and against a C compiler that reads the headers.
fn check(
    items: String,
    functions: &[Prototype],
    compiler: Option<&Compiler>,
) -> Result<Found, String> {
    let generated = Generated::read(&items);
    let names = generated.names(functions, variadic)?;
    let errno_location = generated.errno_location()?;
    if let Some(compiler) = compiler {
        let rejection = compiler.object("check", &generated.assertions(&names)?).err();
        // A compiler that cannot read the headers has no say.
        if let Some(rejection) = rejection.filter(|_| compiler.reads_headers().is_ok()) {
            return Err(rejection.message);
        }
    }
    Ok(Found { source: "bindgen", items, names, errno_location, variadic: true, pointers: false })
}

fn builder(
    target: &Target,
    functions: &[Prototype],
    compiler: Option<&Compiler>,
) -> bindgen::Builder {
    let root = env::var("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
    let headers = compiler.and_then(Compiler::builtin_headers);
    let variadic_names: Vec<_> =
        functions.iter().filter(|f| f.is_variadic(target)).map(|f| f.calls).collect();
    let mut builder = bindgen::builder()
        .header_contents("posix-shm-sys.h", &header())
        .clang_arg(format!("-I{root}"))
        .clang_args(target.defines())
        // libclang from a Python wheel comes without <stddef.h>. The C compiler's own will do, if
        // it is searched last.
        .clang_args(headers.map(|path| format!("-idirafter{path}")))
        .rust_target(rust_target())
        .rust_edition(bindgen::RustEdition::Edition2024)
        .use_core()
        .layout_tests(true)
        .generate_comments(false)
        .merge_extern_blocks(true)
        .formatter(bindgen::Formatter::None)
        .parse_callbacks(Box::new(Callbacks {
            variadic: variadic_names,
            musl_time64: false.into(),
        }))
        .allowlist_var(format!("{PREFIX}.*"));
    for function in functions {
        builder =
            builder.allowlist_function(function.calls).allowlist_function(variadic(function.calls));
    }
    for name in ERRNO_LOCATION {
        builder = builder.allowlist_function(name);
    }
    for name in names::TYPES.iter().chain(names::STRUCTS.iter().map(|structure| &structure.name)) {
        builder = builder.allowlist_type(name);
    }
    builder
}

/// The oldest Rust compiler that the crate supports. bindgen writes code for it.
fn rust_target() -> bindgen::RustTarget {
    let version = env::var("CARGO_PKG_RUST_VERSION").expect("Cargo sets CARGO_PKG_RUST_VERSION");
    version.parse().expect("rust-version is one that bindgen knows")
}

/// The header for bindgen. It defines a typed constant for every macro, so that clang evaluates the
/// macro. bindgen itself sees only the text of a macro: it cannot evaluate casts, guesses the type,
/// and takes the first of two definitions.
fn header() -> String {
    let mut header = String::from("#include \"wrapper.h\"\n");
    for (of, name) in names::constants() {
        let _ = writeln!(
            header,
            "#ifdef {name}\nstatic const {of} {PREFIX}{name} = ({of}) {name};\n#endif"
        );
    }
    header
}

/// Runs bindgen. It panics if it finds no libclang, which here becomes an error without a panic
/// message.
fn run(builder: bindgen::Builder) -> Result<String, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(|| builder.generate()));
    panic::set_hook(hook);
    match result {
        Ok(Ok(bindings)) => Ok(bindings.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(payload) => Err(payload
            .downcast::<String>()
            .map(|message| *message)
            .or_else(|payload| payload.downcast::<&str>().map(|message| message.to_string()))
            .unwrap_or_else(|_| "bindgen panicked".into())),
    }
}

/// The name of a variadic function in bindgen's output. Its own name belongs to its wrapper.
fn variadic(name: &str) -> String {
    format!("{name}_variadic")
}

#[derive(Debug)]
struct Callbacks {
    variadic: Vec<&'static str>,
    /// Whether musl redirects functions that use `time_t` to those with a 64-bit `time_t`.
    musl_time64: std::cell::Cell<bool>,
}

impl ParseCallbacks for Callbacks {
    fn will_parse_macro(&self, name: &str) -> MacroParsingBehavior {
        if name == "_REDIR_TIME64" {
            self.musl_time64.set(true);
        }
        MacroParsingBehavior::Ignore
    }

    fn item_name(&self, item: ItemInfo<'_>) -> Option<String> {
        item.name.strip_prefix(PREFIX).map(String::from)
    }

    fn generated_name_override(&self, item: ItemInfo<'_>) -> Option<String> {
        let is_function = matches!(item.kind, ItemKind::Function);
        (is_function && self.variadic.contains(&item.name)).then(|| variadic(item.name))
    }

    /// musl declares these functions twice, the second time with the name of the right symbol.
    /// bindgen keeps the first declaration: the old function, which fills a smaller structure.
    fn generated_link_name_override(&self, item: ItemInfo<'_>) -> Option<String> {
        let redirected = matches!(item.name, "fstat" | "fstatat") && self.musl_time64.get();
        redirected.then(|| format!("__{}_time64", item.name))
    }

    fn include_file(&self, path: &str) {
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }

    fn read_env_var(&self, name: &str) {
        println!("cargo::rerun-if-env-changed={name}");
    }
}
