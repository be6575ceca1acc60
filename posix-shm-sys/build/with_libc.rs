//! Takes the bindings from the `libc` crate, on machines that cannot read the target's headers: to
//! check code for another system, and for documentation.
//!
//! This is the last way. The `libc` crate was written by hand, so it is used only for the targets
//! on which `scripts/portability` has compared it with the headers, and only for the names that it
//! has. A table in `build/libc/` says so for each system. It has no value: rustc takes values,
//! types and layouts from the `libc` crate.

use std::fmt::Write;
use std::{env, fs};

use crate::api::Found;
use crate::names;
use crate::prototype::{self, Prototype, rust_type};
use crate::target::Target;

/// The word for functions that are made of a system call.
const SYSCALL: &str = "syscall";

/// Makes the bindings. The error says why there are none.
pub(crate) fn generate(target: &Target) -> Result<Found, String> {
    let root = env::var("CARGO_MANIFEST_DIR").expect("Cargo sets CARGO_MANIFEST_DIR");
    let rust = env::var("TARGET").expect("Cargo sets TARGET");
    let path = format!("{root}/build/libc/{}.txt", target.system());
    let table = fs::read_to_string(&path)
        .map_err(|_| format!("it was not compared with the headers of {}", target.system()))?;
    let read = |path: &str| {
        fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
    };
    let wrapper = read(&format!("{root}/wrapper.h"))?;
    println!("cargo::rerun-if-changed={path}");
    watch_for_compilers();
    let table = Table::read(&table, &rust)
        .ok_or_else(|| format!("it was not compared with the headers of {rust}"))?;
    found(&table, target, &wrapper)
}

/// Tells Cargo to try again if a program is installed, which may be a compiler.
fn watch_for_compilers() {
    println!("cargo::rerun-if-env-changed=PATH");
    let directories = env::var_os("PATH").unwrap_or_default();
    for directory in env::split_paths(&directories).filter(|directory| directory.is_dir()) {
        println!("cargo::rerun-if-changed={}", directory.display());
    }
}

/// What a table says about one target. Its lines:
///
/// ```text
/// target NAME                     a target of the table
/// const NAME                      a constant
/// wrapper NAME                    a constant that the libc crate lacks and wrapper.h defines
/// type NAME THEIRS                a type, and its name in the libc crate
/// struct NAME THEIRS FIELD…       a structure, with our names of its fields in their order;
///                                 FIELD:TYPE if its type is not the one that POSIX gives it
/// fn NAME THEIRS                  a function
/// extern NAME                     a function that the libc crate lacks; its symbol is its name
/// syscall NAME                    the same; the system call of its name does what it does
/// errno NAME                      the function behind `errno`
/// ```
///
/// A line that ends in `@ TARGET…` is for these targets only. A line that starts with `#` is a
/// comment.
pub(crate) struct Table<'a>(Vec<Vec<&'a str>>);

impl<'a> Table<'a> {
    /// The lines for one target. None if the table is not about it.
    pub(crate) fn read(text: &'a str, target: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (line, only) = line.split_once(" @ ").unwrap_or((line, target));
            let here = only.split_whitespace().any(|only| only == target);
            here.then(|| line.split_whitespace().collect())
        });
        let table = Self(lines.collect());
        let knows = table.all("target").any(|names| *names == [target]);
        knows.then_some(table)
    }

    /// What follows a word at the starts of lines.
    fn all<'t>(&'t self, word: &'t str) -> impl Iterator<Item = &'t [&'a str]> {
        let lines = self.0.iter().filter(move |line| line.first() == Some(&word));
        lines.map(|line| &line[1..])
    }

    /// The rest of the line with this name.
    fn find<'t>(&'t self, word: &'t str, name: &str) -> Option<&'t [&'a str]> {
        self.all(word).find(|line| line.first() == Some(&name)).map(|line| &line[1..])
    }

    /// What the libc crate calls a type, structure or function.
    fn theirs(&self, word: &str, name: &str) -> Result<&'a str, String> {
        let rest = self.find(word, name).and_then(|rest| rest.first().copied());
        rest.ok_or_else(|| format!("its table has no {word} {name}"))
    }
}

/// The bindings for a target. `wrapper` is the text of wrapper.h.
pub(crate) fn found(table: &Table<'_>, target: &Target, wrapper: &str) -> Result<Found, String> {
    let mut names = Vec::new();
    let mut items = String::new();
    for (of, name) in names::constants() {
        let value = if table.find("const", name).is_some() {
            format!("::libc::{name}")
        } else if table.find("wrapper", name).is_some() {
            // Of 64 bits, so that the cast below does what C does.
            format!("{}_i64", defined(wrapper, name)?)
        } else {
            continue;
        };
        items += &match names::ADDRESSES.iter().find(|(address, ..)| *address == name) {
            Some((_, of, _)) => {
                format!("pub const {name}: {0} = {value} as {0};\n", rust_type(of))
            }
            None => format!("pub const {name}: {0} = {value} as {0};\n", rust_type(of)),
        };
        names.push(name);
    }
    for name in names::TYPES {
        let _ = writeln!(items, "pub type {name} = ::libc::{};", table.theirs("type", name)?);
    }
    for structure in names::STRUCTS {
        let line = table.find("struct", structure.name).unwrap_or_default();
        let [theirs, fields @ ..] = line else {
            return Err(format!("its table has no struct {}", structure.name));
        };
        items += &definition(structure, theirs, fields)?;
        let timespecs = structure.timespecs.iter().flat_map(|names| *names);
        names.extend(timespecs.filter(|field| fields.contains(field)));
    }
    let errno = table.all("errno").next().and_then(|line| line.first());
    let errno = errno.ok_or("its table has no errno")?;
    let _ = writeln!(
        items,
        "#[inline]\npub unsafe extern \"C\" fn errno_location() -> *mut ::core::ffi::c_int {{\n    \
         // SAFETY: the function has no requirements.\n    \
         unsafe {{ ::libc::{errno}() }}\n}}"
    );
    for function in prototype::functions(target) {
        if table.find("fn", function.name).is_some() {
            items += &call(&function, table.theirs("fn", function.name)?, target);
            names.push(function.name);
        } else if table.find(SYSCALL, function.name).is_some() {
            items += &call(&function, SYSCALL, target);
            names.push(function.name);
        } else if table.find("extern", function.name).is_some() {
            let (name, signature) = (function.name, function.rust_signature());
            let _ = writeln!(items, "unsafe extern \"C\" {{ pub fn {name}{signature}; }}");
            names.push(name);
        } else if !function.optional {
            return Err(format!("its table has no fn {}", function.name));
        }
    }
    Ok(Found {
        source: "libc",
        items,
        names,
        errno_location: "errno_location",
        variadic: false,
        pointers: true,
    })
}

/// The value that wrapper.h defines for a constant that older headers lack.
fn defined<'a>(wrapper: &'a str, name: &str) -> Result<&'a str, String> {
    let start = format!("#define {name} ");
    let value = wrapper.lines().find_map(|line| line.strip_prefix(&start));
    let value = value.and_then(|value| value.split_whitespace().next()).unwrap_or_default();
    // C's suffix for unsigned numbers.
    let value = value.trim_end_matches('U');
    if value.is_empty() || !value.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("wrapper.h defines no number for {name}"));
    }
    Ok(value)
}

/// The structure, with the offsets that the libc crate has: rustc computes the padding, and rejects
/// fields in the wrong order or of the wrong type.
fn definition(structure: &names::Struct, theirs: &str, fields: &[&str]) -> Result<String, String> {
    let name = structure.name;
    let theirs = format!("::libc::{theirs}");
    let padding = "[::core::mem::MaybeUninit<u8>;";
    let mut text = format!("#[repr(C)]\n#[derive(Clone, Copy, Debug)]\npub struct {name} {{\n");
    let mut checks = format!(
        "const _: () = assert!(size_of::<{name}>() == size_of::<{theirs}>());\n\
         const _: () = assert!(align_of::<{name}>() == align_of::<{theirs}>());\n"
    );
    let mut end = String::from("0");
    let mut found = Vec::new();
    for field in fields {
        let (field, other) = field.split_once(':').unwrap_or((field, ""));
        found.push(field);
        let integer = structure.integers.iter().find(|(_, name)| *name == field);
        let (of, its_field) = match integer {
            Some(_) if !other.is_empty() => (other.into(), field.to_string()),
            Some((of, _)) => (rust_type(of), field.to_string()),
            None => ("timespec".into(), seconds(field)),
        };
        let offset = format!("::core::mem::offset_of!({theirs}, {its_field})");
        let _ = writeln!(text, "    before_{field}: {padding} {offset} - ({end})],");
        let _ = writeln!(text, "    pub {field}: {of},");
        let _ = writeln!(
            checks,
            "const _: () = assert!(::core::mem::offset_of!({name}, {field}) == {offset});"
        );
        if integer.is_some() {
            let _ = writeln!(checks, "const _: fn(&{theirs}) -> &{of} = |it| &it.{its_field};");
        }
        end = format!("{offset} + size_of::<{of}>()");
    }
    if let Some(field) = structure.integer_names().find(|field| !found.contains(field)) {
        return Err(format!("its table has no field {field} of struct {name}"));
    }
    let _ = writeln!(text, "    after: {padding} size_of::<{theirs}>() - ({end})],\n}}");
    Ok(text + &checks)
}

/// The name in the libc crate of the seconds of a time: `st_atime` for `st_atim` or `st_atimespec`.
/// The nanoseconds follow them.
fn seconds(field: &str) -> String {
    format!("{}e", field.trim_end_matches("espec"))
}

/// The function, which calls the one of the libc crate.
fn call(function: &Prototype, theirs: &str, target: &Target) -> String {
    let (name, signature) = (function.name, function.rust_signature());
    let call = if theirs == SYSCALL {
        let arguments: Vec<_> = function.argument_names().collect();
        let returns = function.rust_return();
        format!("::libc::syscall(::libc::SYS_{name}, {}) as {returns}", arguments.join(", "))
    } else if name == "fcntl_lock" && target.has_two_sizes_of_files() {
        // The C library's `fcntl64` takes these locks. The libc crate has only `fcntl`, which takes
        // the other ones, so this makes the system call of that name.
        "::libc::syscall(::libc::SYS_fcntl64, fd, cmd, lock) as ::core::ffi::c_int".into()
    } else {
        format!("::libc::{theirs}({})", function.arguments_for_libc(target))
    };
    format!(
        "#[inline]\npub unsafe extern \"C\" fn {name}{signature} {{\n    \
         // SAFETY: the caller meets the requirements of the C function.\n    \
         unsafe {{ {call} }}\n}}\n"
    )
}
