//! Bindings by a C compiler alone: for machines without libclang, and for users who do not want it.
//!
//! It compiles and never runs, so it serves every target that there is a compiler for. Functions are called through a
//! few lines of C: their symbols and calling conventions, which differ between systems, stay the compiler's business.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use crate::api::Found;
use crate::compiler::Compiler;
use crate::names::{self, Field, Names};
use crate::probe::{Answers, Questions};
use crate::prototype::{self, Prototype, rust_type};
use crate::target::Target;

/// What stands before the name of a function of the shim.
const PREFIX: &str = "posix_shm_sys_";

/// Generates the bindings and links the shim, or says why not.
pub(crate) fn generate(target: &Target) -> Result<Found, String> {
    let compiler = Compiler::find(target)?;
    // First the headers alone: a later refusal then means that something is not declared in them.
    compiler.object("wrapper", "")?;
    let structs = Struct::all(&compiler)?;
    let object = compiler.object("probe", questions(&structs).text())?;
    let bytes = fs::read(&object).map_err(|error| format!("{}: {error}", object.display()))?;
    let answers = Answers::read(&bytes);

    let mut functions = prototype::functions(target);
    functions.retain(|function| !function.optional || declares(&compiler, function.name));
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
        names
            .extend(found.fields.iter().filter(|(_, field)| field.differs()).map(|(name, _)| name));
    }
    items.push_str(&declarations(&functions));
    Ok(Found { source: "cc", items, names, errno_location: "errno_location", variadic: false })
}

/// A structure and the names that its fields have here.
struct Struct {
    name: &'static str,
    fields: Vec<(&'static str, &'static Field)>,
}

impl Struct {
    fn all(compiler: &Compiler) -> Result<Vec<Self>, String> {
        names::STRUCTS.iter().map(|(name, fields)| Self::find(compiler, name, fields)).collect()
    }

    fn find(
        compiler: &Compiler,
        name: &'static str,
        fields: &'static [Field],
    ) -> Result<Self, String> {
        let mut found = Vec::new();
        for field in fields {
            let field_name = match field.names {
                Names::Same(name) => name,
                Names::OneOf(names) => *names
                    .iter()
                    .find(|field| has_field(compiler, name, field))
                    .ok_or_else(|| format!("the headers define none of {names:?}"))?,
            };
            found.push((field_name, field));
        }
        Ok(Self { name, fields: found })
    }

    fn ask(&self, questions: &mut Questions) {
        let name = self.name;
        questions.ask(&format!("{name} size"), &format!("sizeof(struct {name})"));
        questions.ask(&format!("{name} align"), &format!("_Alignof(struct {name})"));
        for (field, of) in &self.fields {
            let offset = format!("offsetof(struct {name}, {field})");
            questions.ask(&format!("{name}.{field} offset"), &offset);
            let member = format!("((struct {name} *) 0)->{field}");
            match of.of {
                Some(_) => {
                    questions.ask(&format!("{name}.{field} size"), &format!("sizeof({member})"))
                }
                None => {
                    questions
                        .ask_integer(&format!("{name}.{field}"), &format!("__typeof__({member})"));
                }
            }
        }
    }

    /// The structure in Rust: its fields, what is between them as padding, and the compiler's word that all is where C
    /// has it.
    fn definition(&self, answers: &Answers) -> Result<String, String> {
        let name = self.name;
        let mut fields = Vec::new();
        for (field, of) in &self.fields {
            let question = format!("{name}.{field}");
            let offset = answers.bytes(&format!("{question} offset"))?;
            let size = answers.bytes(&format!("{question} size"))?;
            let of =
                of.of.map_or_else(|| answers.integer(&question), |name| Ok(name.to_string()))?;
            fields.push((offset, size, field, of));
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

/// Nobody promises that a call writes what is between the fields.
fn pad(text: &mut String, from: usize, to: usize) {
    if from < to {
        let _ =
            writeln!(text, "    padding_{from}: [::core::mem::MaybeUninit<u8>; {}],", to - from);
    }
}

/// Whether a structure has a field of this very name: another system may have it as a macro for its own.
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

/// The functions in C.
fn shim(functions: &[Prototype]) -> String {
    let mut text = format!("int *{PREFIX}errno_location(void) {{ return &errno; }}\n");
    for function in functions {
        let (declaration, call) = (function.c_declaration(PREFIX), function.c_call());
        let _ = writeln!(text, "{declaration} {{ return {call}; }}");
    }
    text
}

/// The functions of the shim in Rust.
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
