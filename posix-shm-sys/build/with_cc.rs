//! Generates the bindings with a C compiler, on machines without libclang and for users who do not
//! want it.
//!
//! Nothing that is compiled here is run, so this works for every target that has a C compiler.
//! Numbers are read from an object file, as `probe` explains. Functions are called through a small
//! library in C, the shim: symbols and calling conventions differ between systems, and the C
//! compiler knows them.

use std::fmt::Write;
use std::fs;

use crate::api::Found;
use crate::compiler::Compiler;
use crate::names;
use crate::probe::{Answers, Questions};
use crate::prototype::{self, Prototype, rust_type};
use crate::report::Failure;
use crate::target::Target;

/// The prefix of the names of the shim's functions.
const PREFIX: &str = "posix_shm_sys_";

/// Generates the bindings and links the shim. The error says what failed.
pub(crate) fn generate(target: &Target, compiler: &Compiler) -> Result<Found, Failure> {
    let mut functions = prototype::functions(target);
    let (answers, absent) = ask(compiler, &functions)?;
    functions.retain(|function| !absent.contains(&function.calls));
    found(&answers, &functions, compiler).map_err(Failure::Unusable)
}

fn found(answers: &Answers, functions: &[Prototype], compiler: &Compiler) -> Result<Found, String> {
    let shim = compiler.object("shim", &shim(functions)).map_err(|rejection| rejection.message)?;
    compiler.link(&shim, "posix_shm_sys_shim")?;

    let mut names: Vec<_> = functions.iter().map(|function| function.name).collect();
    let mut items = String::new();
    for (of, name) in names::constants() {
        if let Some(value) = answers.find(name) {
            let _ = writeln!(items, "pub const {name}: {} = {value};", rust_type(of));
            names.push(name);
        }
    }
    for name in names::TYPES {
        let _ = writeln!(items, "pub type {name} = {};", answers.integer(name)?);
    }
    for structure in names::STRUCTS {
        let has = |field: &str| answers.find(&offset(structure, field)).is_some();
        let timespecs = structure.timespecs(has)?;
        items.push_str(&definition(structure, &timespecs, answers)?);
        names.extend(timespecs);
    }
    items.push_str(&declarations(functions));
    Ok(Found {
        source: "cc",
        items,
        names,
        errno_location: "errno_location",
        variadic: false,
        pointers: false,
    })
}

/// Asks the compiler everything in one file. A header may lack a function or a field. The compiler
/// then refuses the line with its name, and the file is compiled again without these lines. Returns
/// the answers, and the names that the headers lack.
fn ask(
    compiler: &Compiler,
    functions: &[Prototype],
) -> Result<(Answers, Vec<&'static str>), Failure> {
    let mut absent = Vec::new();
    loop {
        let questions = questions(functions, &absent);
        let rejection = match compiler.object("probe", questions.text()) {
            Ok(object) => {
                let bytes = fs::read(&object).map_err(|error| {
                    Failure::Unusable(format!("cannot read {}: {error}", object.display()))
                })?;
                return Ok((Answers::read(&bytes), absent));
            }
            Err(rejection) => rejection,
        };
        let refused: Vec<_> =
            rejection.lines.iter().filter_map(|line| questions.doubtful(*line)).collect();
        if refused.is_empty() {
            compiler.reads_headers()?;
            return Err(Failure::Unusable(rejection.message));
        }
        absent.extend(refused);
    }
}

fn questions(functions: &[Prototype], absent: &[&'static str]) -> Questions {
    let mut questions = Questions::new();
    for (of, name) in names::constants() {
        questions.ask_if_defined(name, name, &format!("(({of}) {name})"));
    }
    for name in names::TYPES {
        questions.ask_integer(name, name);
    }
    for structure in names::STRUCTS {
        let name = structure.name;
        questions.ask(&format!("{name} size"), &format!("sizeof(struct {name})"));
        questions.ask(&format!("{name} align"), &format!("_Alignof(struct {name})"));
        for field in structure.integer_names() {
            questions.ask(&offset(structure, field), &format!("offsetof(struct {name}, {field})"));
            let of = format!("__typeof__(((struct {name} *) 0)->{field})");
            questions.ask_integer(&format!("{name}.{field}"), &of);
        }
        let doubtful = structure.timespecs.iter().flat_map(|names| *names);
        for field in doubtful.filter(|field| !absent.contains(field)) {
            let expression = format!("offsetof(struct {name}, {field})");
            questions.ask_field(field, &offset(structure, field), &expression);
        }
    }
    for function in functions.iter().filter(|function| function.optional) {
        let name = function.calls;
        if absent.contains(&name) {
            // This declaration is an error if the headers have another, so it confirms that they
            // have none.
            questions.line(&format!("extern struct pshm_absent {name};"));
        } else {
            let text = format!("void pshm_use_{name}(void) {{ (void) &{name}; }}");
            questions.doubtful_line(name, &text);
        }
    }
    questions
}

/// The question for the offset of a field.
fn offset(structure: &names::Struct, field: &str) -> String {
    format!("{}.{field} offset", structure.name)
}

/// The structure in Rust: its fields, the padding between them, and assertions that size,
/// alignment and offsets are those of C.
fn definition(
    structure: &names::Struct,
    timespecs: &[&'static str],
    answers: &Answers,
) -> Result<String, String> {
    let name = structure.name;
    let mut fields = Vec::new();
    for field in structure.integer_names() {
        let question = format!("{name}.{field}");
        let size = answers.bytes(&format!("{question} size"))?;
        let offset = answers.bytes(&offset(structure, field))?;
        insert(&mut fields, (offset, size, field, answers.integer(&question)?));
    }
    for field in timespecs {
        let size = answers.bytes("timespec size")?;
        let offset = answers.bytes(&offset(structure, field))?;
        insert(&mut fields, (offset, size, field, "timespec".to_string()));
    }
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

/// A field in Rust: its offset, size, name and type.
type Field = (usize, usize, &'static str, String);

/// Inserts a field in the order of offsets.
fn insert(fields: &mut Vec<Field>, field: Field) {
    let at = fields.iter().position(|other| other.0 > field.0).unwrap_or(fields.len());
    fields.insert(at, field);
}

/// Adds padding. It is `MaybeUninit`, because a call that fills the structure need not write it.
fn pad(text: &mut String, from: usize, to: usize) {
    if from < to {
        let _ =
            writeln!(text, "    padding_{from}: [::core::mem::MaybeUninit<u8>; {}],", to - from);
    }
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
