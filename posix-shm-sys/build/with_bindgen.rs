//! Bindings by bindgen, which reads the headers with libclang.

use std::collections::{BTreeSet, HashSet};
use std::env;
use std::fmt::Write;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use bindgen::callbacks::{ItemInfo, ItemKind, MacroParsingBehavior, ParseCallbacks};

use crate::api::Found;
use crate::compiler;
use crate::names::{self, Names};
use crate::prototype::{self, Prototype};
use crate::target::Target;

/// What stands before a constant's name in the text given to bindgen.
const PREFIX: &str = "pshm_c_";

/// Generates the bindings, or says why not.
pub(crate) fn generate(target: &Target) -> Result<Found, String> {
    let functions = prototype::functions(target);
    let items = run(builder(target, &functions))?;
    let declared = Declared::read(&items);
    let mut names = BTreeSet::new();
    for function in &functions {
        let declares =
            declared.has("fn", function.name) || declared.has("fn", &variadic(function.name));
        if declares {
            names.insert(function.name);
        } else if !function.optional {
            return Err(format!("the headers do not declare {}", function.name));
        }
    }
    names.extend(
        names::constants().map(|(_, name)| name).filter(|name| declared.has("const", name)),
    );
    if let Some(name) = names::TYPES.iter().find(|name| !declared.has("type", name)) {
        return Err(format!("the headers do not define {name}"));
    }
    for field in names::STRUCTS.iter().flat_map(|(_, fields)| *fields) {
        match field.names {
            Names::Same(name) if declared.has("pub", name) => {}
            Names::Same(name) => return Err(format!("the headers do not define {name}")),
            Names::OneOf(several) => {
                let name = several.iter().find(|name| declared.has("pub", name));
                names
                    .insert(name.ok_or_else(|| format!("the headers define none of {several:?}"))?);
            }
        }
    }
    let errno = names::ERRNO_LOCATION.iter().find(|name| declared.has("fn", name));
    let errno_location = errno.ok_or("the headers do not say where errno is")?;
    Ok(Found { source: "bindgen", items, names, errno_location, variadic: true })
}

fn builder(target: &Target, functions: &[Prototype]) -> bindgen::Builder {
    let root = env::var("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
    let variadic_names: Vec<_> =
        functions.iter().filter(|f| f.is_variadic(target)).map(|f| f.name).collect();
    let mut builder = bindgen::builder()
        .header_contents("posix-shm-sys.h", &header())
        .clang_arg(format!("-I{root}"))
        .clang_args(target.defines())
        // libclang from a Python wheel comes without <stddef.h>: the compiler's own is as good, after all others.
        .clang_args(compiler::builtin_headers().map(|path| format!("-idirafter{path}")))
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
            builder.allowlist_function(function.name).allowlist_function(variadic(function.name));
    }
    for name in names::ERRNO_LOCATION {
        builder = builder.allowlist_function(name);
    }
    for name in names::TYPES.iter().chain(names::STRUCTS.iter().map(|(name, _)| name)) {
        builder = builder.allowlist_type(name);
    }
    builder
}

/// The compiler that the bindings have to suit is the oldest one that the crate does.
fn rust_target() -> bindgen::RustTarget {
    let version = env::var("CARGO_PKG_RUST_VERSION").expect("Cargo sets CARGO_PKG_RUST_VERSION");
    version.parse().expect("rust-version is one that bindgen knows")
}

/// A constant is asked for as a value of its type, which clang evaluates. Of a macro bindgen would see the text: no
/// casts, its own guess of a type, and the first of two definitions.
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

/// Runs bindgen, which panics when it finds no libclang: that is a failure like others, and no message of its own.
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

/// The name that a variadic function gets in bindgen's output, which leaves its own to the function around it.
fn variadic(name: &str) -> String {
    format!("{name}_variadic")
}

/// The names that bindgen's output declares, each after the keyword that it follows.
struct Declared<'a>(HashSet<(&'a str, &'a str)>);

impl<'a> Declared<'a> {
    fn read(items: &'a str) -> Self {
        let is_identifier = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words: Vec<_> =
            items.split(|c| !is_identifier(c)).filter(|word| !word.is_empty()).collect();
        Self(words.windows(2).map(|pair| (pair[0], pair[1])).collect())
    }

    fn has(&self, keyword: &str, name: &str) -> bool {
        self.0.contains(&(keyword, name))
    }
}

#[derive(Debug)]
struct Callbacks {
    variadic: Vec<&'static str>,
    /// Whether musl renames what uses `time_t` to its 64-bit functions.
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

    /// musl declares these a second time, with the name of the symbol. bindgen keeps the first declaration: the old
    /// function, which fills a smaller structure.
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
