//! What both generators end in: the names that were found, offered under one set of Rust types.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::{env, fs};

use crate::names;
use crate::prototype::{self, rust_type};
use crate::target::Target;

/// What a generator found in the headers.
pub(crate) struct Found {
    /// The generator.
    pub(crate) source: &'static str,
    /// Rust items, some of which are of no concern to users.
    pub(crate) items: String,
    /// Constants, functions, and fields whose name differs between systems.
    pub(crate) names: BTreeSet<&'static str>,
    /// The item that gives the place of `errno`.
    pub(crate) errno_location: &'static str,
    /// Whether the functions are the system's own, of which some take `...`.
    pub(crate) variadic: bool,
}

impl Found {
    /// Writes the module that `src/lib.rs` includes.
    pub(crate) fn write(&self, target: &Target) -> Result<(), String> {
        let directory = env::var("OUT_DIR").expect("Cargo sets OUT_DIR");
        let path = format!("{directory}/bindings.rs");
        fs::write(&path, self.module(target)).map_err(|error| format!("{path}: {error}"))
    }

    /// Tells the crates that depend on this one what there is: `DEP_POSIX_SHM_HAS_<NAME>` in their build scripts.
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
        offered.extend(names::STRUCTS.iter().map(|(name, _)| name.to_string()));
        let _ = writeln!(module, "pub use raw::{{{}}};", offered.join(", "));
        let _ = writeln!(module, "pub(super) const SOURCE: &str = {:?};", self.source);
        module
    }

    fn constants(&self, offered: &mut Vec<String>) {
        let all = names::CONSTANTS.iter().flat_map(|(_, names)| *names);
        offered.extend(all.filter(|name| self.names.contains(*name)).map(|name| name.to_string()));
    }

    /// An address that is no object's becomes a pointer without provenance.
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

    /// Functions are offered as they are, but for variadic ones, which get the arguments that they really take. The
    /// compiler checks every signature against the list.
    fn functions(&self, target: &Target, offered: &mut Vec<String>, module: &mut String) {
        for function in prototype::functions(target) {
            let (name, signature) = (function.name, function.rust_signature());
            if !self.names.contains(name) {
                continue;
            }
            if self.variadic && function.is_variadic(target) {
                let arguments = function.variadic_arguments();
                let _ = writeln!(
                    module,
                    "#[inline]\npub unsafe extern \"C\" fn {name}{signature} {{\n    \
                     // SAFETY: the caller's promises are those that the C function asks for.\n    \
                     unsafe {{ raw::{name}_variadic({arguments}) }}\n}}"
                );
            } else {
                offered.push(name.to_string());
            }
            let _ = writeln!(module, "const _: unsafe extern \"C\" fn{signature} = {name};");
        }
    }
}
