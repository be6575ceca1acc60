//! Generates the bindings with a C compiler, on machines without libclang and for users who do not
//! want it.
//!
//! Nothing that is compiled here is run, so this works for every target that has a C compiler.
//! Numbers are read from an object file, as `probe` explains. Functions are called through a small
//! library in C, the shim: symbols and calling conventions differ between systems, and the C
//! compiler knows them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use crate::api::Found;
use crate::compiler::Compiler;
use crate::names;
use crate::probe::{Answers, Questions};
use crate::prototype::{self, Prototype, rust_type};
use crate::target::Target;

/// The prefix of the names of the shim's functions.
const PREFIX: &str = "posix_shm_sys_";

/// Generates the bindings and links the shim. The error says what failed.
pub(crate) fn generate(target: &Target) -> Result<Found, String> {
    let compiler = Compiler::find(target)?;
    // The headers alone come first: if they compile, a later error means that a name is missing.
    compiler.object("wrapper", "")?;
    let structs = names::STRUCTS.iter().map(|wanted| Struct::find(&compiler, wanted));
    let structs = structs.collect::<Result<Vec<_>, _>>()?;
    let object = compiler.object("probe", questions(&structs).text())?;
    let bytes =
        fs::read(&object).map_err(|error| format!("cannot read {}: {error}", object.display()))?;
    let answers = Answers::read(&bytes);

    let mut functions = prototype::functions(target);
    functions.retain(|function| !function.optional || declares(&compiler, function.calls));
    let shim = compiler.object("shim", &shim(&functions))?;
    compiler.link(&shim, "posix_shm_sys_shim")?;

    let mut names: BTreeSet<_> = functions.iter().map(|function| function.name).collect();
    let mut items = String::new();
    for (of, name) in names::constants() {
        if let Some(value) = answers.find(name) {
            let _ = writeln!(items, "pub const {name}: {} = {value};", rust_type(of));
            names.insert(name);
        }
    }
    for name in names::TYPES {
        let _ = writeln!(items, "pub type {name} = {};", answers.integer(name)?);
    }
    for found in &structs {
        items.push_str(&found.definition(&answers)?);
        names.extend(&found.timespecs);
    }
    items.push_str(&declarations(&functions));
    Ok(Found { source: "cc", items, names, errno_location: "errno_location", variadic: false })
}

/// A structure and the names that its fields have in these headers.
struct Struct {
    name: &'static str,
    integers: &'static [&'static str],
    timespecs: Vec<&'static str>,
}

impl Struct {
    fn find(compiler: &Compiler, wanted: &names::Struct) -> Result<Self, String> {
        let timespecs = wanted.timespecs(|field| has_field(compiler, wanted.name, field))?;
        Ok(Self { name: wanted.name, integers: wanted.integers, timespecs })
    }

    fn ask(&self, questions: &mut Questions) {
        let name = self.name;
        questions.ask(&format!("{name} size"), &format!("sizeof(struct {name})"));
        questions.ask(&format!("{name} align"), &format!("_Alignof(struct {name})"));
        for field in self.integers.iter().chain(&self.timespecs) {
            let offset = format!("offsetof(struct {name}, {field})");
            questions.ask(&format!("{name}.{field} offset"), &offset);
        }
        for field in self.integers {
            let of = format!("__typeof__(((struct {name} *) 0)->{field})");
            questions.ask_integer(&format!("{name}.{field}"), &of);
        }
    }

    /// The structure in Rust: its fields, the padding between them, and assertions that size,
    /// alignment and offsets are those of C.
    fn definition(&self, answers: &Answers) -> Result<String, String> {
        let name = self.name;
        let mut fields = Vec::new();
        let offset = |field| answers.bytes(&format!("{name}.{field} offset"));
        for field in self.integers {
            let question = format!("{name}.{field}");
            let size = answers.bytes(&format!("{question} size"))?;
            fields.push((offset(field)?, size, field, answers.integer(&question)?));
        }
        for field in &self.timespecs {
            let size = answers.bytes("timespec size")?;
            fields.push((offset(field)?, size, field, "timespec".to_string()));
        }
        fields.sort();
        let size = answers.bytes(&format!("{name} size"))?;
        let align = answers.bytes(&format!("{name} align"))?;

        let mut text = format!(
            "#[repr(C, align({align}))]\n#[derive(Clone, Copy, Debug)]\npub struct {name} {{\n"
        );
        let mut checks = format!(
            "const _: () = assert!(size_of::<{name}>() == {size});\n\
             const _: () = assert!(align_of::<{name}>() == {align});\n"
        );
        let mut end = 0;
        for (offset, size, field, of) in fields {
            pad(&mut text, end, offset);
            let _ = writeln!(text, "    pub {field}: {of},");
            let _ = writeln!(
                checks,
                "const _: () = assert!(::core::mem::offset_of!({name}, {field}) == {offset});"
            );
            end = offset + size;
        }
        pad(&mut text, end, size);
        Ok(format!("{text}}}\n{checks}"))
    }
}

/// Adds padding. It is `MaybeUninit`, because a call that fills the structure need not write it.
fn pad(text: &mut String, from: usize, to: usize) {
    if from < to {
        let _ =
            writeln!(text, "    padding_{from}: [::core::mem::MaybeUninit<u8>; {}],", to - from);
    }
}

/// Whether a structure has a field of this name. A macro does not count: it means another field.
fn has_field(compiler: &Compiler, name: &str, field: &str) -> bool {
    compiler.accepts(&format!(
        "#ifdef {field}\n#error \"a macro\"\n#endif\n\
         int pshm_size = (int) sizeof(((struct {name} *) 0)->{field});\n"
    ))
}

fn declares(compiler: &Compiler, function: &str) -> bool {
    compiler.accepts(&format!("void pshm_use(void) {{ (void) &{function}; }}\n"))
}

fn questions(structs: &[Struct]) -> Questions {
    let mut questions = Questions::new();
    for (of, name) in names::constants() {
        questions.ask_if_defined(name, name, &format!("(({of}) {name})"));
    }
    for name in names::TYPES {
        questions.ask_integer(name, name);
    }
    for found in structs {
        found.ask(&mut questions);
    }
    questions
}

/// The shim: the functions in C.
fn shim(functions: &[Prototype]) -> String {
    let mut text = format!("int *{PREFIX}errno_location(void) {{ return &errno; }}\n");
    for function in functions {
        let (declaration, call) = (function.c_declaration(PREFIX), function.c_call());
        let _ = writeln!(text, "{declaration} {{ return {call}; }}");
    }
    text
}

/// The Rust declarations of the shim's functions.
fn declarations(functions: &[Prototype]) -> String {
    let mut text = format!(
        "unsafe extern \"C\" {{\n    #[link_name = \"{PREFIX}errno_location\"]\n    \
         pub fn errno_location() -> *mut ::core::ffi::c_int;\n"
    );
    for function in functions {
        let (name, signature) = (function.name, function.rust_signature());
        let _ =
            writeln!(text, "    #[link_name = \"{PREFIX}{name}\"]\n    pub fn {name}{signature};");
    }
    text + "}\n"
}
