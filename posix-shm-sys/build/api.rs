//! The output of both generators, and the module of bindings that is written from it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::{env, fs};

use crate::names;
use crate::prototype::{self, rust_type};
use crate::target::Target;

/// What a generator found in the headers.
pub(crate) struct Found {
    /// The generator: `bindgen` or `cc`.
    pub(crate) source: &'static str,
    /// Rust code that declares what was found. It may declare more than the bindings offer.
    pub(crate) items: String,
    /// The constants, functions, and differently named fields that the headers have.
    pub(crate) names: BTreeSet<&'static str>,
    /// The function in `items` that returns the address of `errno`.
    pub(crate) errno_location: &'static str,
    /// Whether `items` declares the system's own functions, some of which take `...`.
    pub(crate) variadic: bool,
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

    fn module(&self, target: &Target) -> String {
        let mut offered = vec![format!("{} as errno_location", self.errno_location)];
        let mut module = format!("mod raw {{\n{}\n}}\n", self.items);
        self.constants(&mut offered);
        self.addresses(&mut module);
        self.functions(target, &mut offered, &mut module);
        offered.extend(names::TYPES.iter().map(|name| name.to_string()));
        offered.extend(names::STRUCTS.iter().map(|structure| structure.name.to_string()));
        // A structure and a function may share a name, which is offered once for both.
        offered.sort();
        offered.dedup();
        let _ = writeln!(module, "pub use raw::{{{}}};", offered.join(", "));
        let _ = writeln!(module, "pub(super) const SOURCE: &str = {:?};", self.source);
        module
    }

    fn constants(&self, offered: &mut Vec<String>) {
        let all = names::CONSTANTS.iter().flat_map(|(_, names)| *names);
        offered.extend(all.filter(|name| self.names.contains(*name)).map(|name| name.to_string()));
    }

    /// Defines the constants that are addresses. No object is at such an address, so the pointers
    /// have no provenance.
    fn addresses(&self, module: &mut String) {
        for (name, of) in names::ADDRESSES.iter().filter(|(name, _)| self.names.contains(name)) {
            let of = rust_type(of);
            let make = if of.starts_with("*mut") {
                "without_provenance_mut"
            } else {
                "without_provenance"
            };
            let _ = writeln!(
                module,
                "pub const {name}: {of} = ::core::ptr::{make}(raw::{name} as usize);"
            );
        }
    }

    /// Offers the functions. A variadic one is wrapped in a function with a fixed number of
    /// arguments. The compiler checks every signature against the list.
    fn functions(&self, target: &Target, offered: &mut Vec<String>, module: &mut String) {
        for function in prototype::functions(target) {
            let (name, signature) = (function.name, function.rust_signature());
            if !self.names.contains(name) {
                continue;
            }
            if self.variadic && function.is_variadic(target) {
                let (calls, arguments) = (function.calls, function.variadic_arguments());
                let _ = writeln!(
                    module,
                    "#[inline]\npub unsafe extern \"C\" fn {name}{signature} {{\n    \
                     // SAFETY: the caller meets the requirements of the C function.\n    \
                     unsafe {{ raw::{calls}_variadic({arguments}) }}\n}}"
                );
            } else {
                offered.push(name.to_string());
            }
            let _ = writeln!(module, "const _: unsafe extern \"C\" fn{signature} = {name};");
        }
    }
}
