//! The output of a generator, and the module of bindings that is written from it.

use std::fmt::Write;
use std::{env, fs};

use crate::names;
use crate::prototype::{self, rust_type};
use crate::target::Target;

/// What a generator found.
pub(crate) struct Found {
    /// Where the bindings come from: `bindgen`, `cc` or `libc`.
    pub(crate) source: &'static str,
    /// Rust code that declares what was found. It may declare more than the bindings offer.
    pub(crate) items: String,
    /// The constants, functions, and differently named fields that the system has.
    pub(crate) names: Vec<&'static str>,
    /// The function in `items` that returns the address of `errno`.
    pub(crate) errno_location: &'static str,
    /// Whether `items` declares the system's own functions, some of which take `...`.
    pub(crate) variadic: bool,
    /// Whether the constants in `items` that are addresses are pointers, and not integers.
    pub(crate) pointers: bool,
}

impl Found {
    /// Writes the module that `src/lib.rs` includes.
    pub(crate) fn write(&self, target: &Target) -> Result<(), String> {
        let directory = env::var("OUT_DIR").expect("Cargo sets OUT_DIR");
        let path = format!("{directory}/bindings.rs");
        fs::write(&path, self.module(target))
            .map_err(|error| format!("cannot write {path}: {error}"))
    }

    /// Sets `DEP_POSIX_SHM_HAS_<NAME>` for the build scripts of the crates that depend on this one.
    pub(crate) fn tell_dependents(&self) {
        println!("cargo::metadata=bindings={}", self.source);
        for name in &self.names {
            println!("cargo::metadata=has_{name}=1");
        }
    }

    /// The bindings. Each item is offered with its documentation.
    pub(crate) fn module(&self, target: &Target) -> String {
        let mut module = format!("mod raw {{\n{}\n}}\n", self.items);
        self.constants(&mut module);
        self.addresses(&mut module);
        self.functions(target, &mut module);
        types(&mut module);
        let _ = writeln!(module, "pub(super) const SOURCE: &str = {:?};", self.source);
        module
    }

    fn constants(&self, module: &mut String) {
        for group in names::CONSTANTS {
            let about = about(group.about, group.header);
            for name in group.names.iter().filter(|name| self.names.contains(*name)) {
                offer(module, &about, name);
            }
        }
    }

    /// Defines the constants that are addresses. No object is at such an address, so the pointers
    /// have no provenance.
    fn addresses(&self, module: &mut String) {
        let found = names::ADDRESSES.iter().filter(|(name, ..)| self.names.contains(name));
        for (name, of, purpose) in found {
            let about = about(purpose, "sys/mman.h");
            if self.pointers {
                offer(module, &about, name);
                continue;
            }
            let of = rust_type(of);
            let make = if of.starts_with("*mut") {
                "without_provenance_mut"
            } else {
                "without_provenance"
            };
            let _ = writeln!(
                module,
                "#[doc = {about:?}]\n\
                 pub const {name}: {of} = ::core::ptr::{make}(raw::{name} as usize);"
            );
        }
    }

    /// Offers the functions. A variadic one is wrapped in a function with a fixed number of
    /// arguments. The compiler checks every signature against the list.
    fn functions(&self, target: &Target, module: &mut String) {
        let errno = "The address of this thread's `errno`. C's `errno` in `<errno.h>` is a macro.";
        offer(module, errno, &format!("{} as errno_location", self.errno_location));
        for function in prototype::functions(target) {
            let (name, signature) = (function.name, function.rust_signature());
            if !self.names.contains(&name) {
                continue;
            }
            let about = about(function.group.about, function.group.header);
            if self.variadic && function.is_variadic(target) {
                let (calls, arguments) = (function.calls, function.variadic_arguments());
                let _ = writeln!(
                    module,
                    "#[doc = {about:?}]\n#[inline]\n\
                     pub unsafe extern \"C\" fn {name}{signature} {{\n    \
                     // SAFETY: the caller meets the requirements of the C function.\n    \
                     unsafe {{ raw::{calls}_variadic({arguments}) }}\n}}"
                );
            } else if !names::STRUCTS.iter().any(|structure| structure.name == name) {
                offer(module, &about, name);
            }
            let _ = writeln!(module, "const _: unsafe extern \"C\" fn{signature} = {name};");
        }
    }
}

/// Offers the types and the structures. A function may share the name of a structure, and is then
/// offered by the same line.
fn types(module: &mut String) {
    for name in names::TYPES {
        offer(module, &format!("C's `{name}`, of `<sys/types.h>`."), name);
    }
    for structure in names::STRUCTS {
        offer(module, &about(structure.about, structure.header), structure.name);
    }
}

fn offer(module: &mut String, about: &str, name: &str) {
    let _ = writeln!(module, "#[doc = {about:?}]\npub use raw::{name};");
}

/// The documentation of an item.
fn about(purpose: &str, header: &str) -> String {
    format!("{purpose} `<{header}>`")
}
