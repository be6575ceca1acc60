//! Parses the C declarations in `functions.rs`, and translates their types to Rust.

use crate::functions::{self, Functions, Presence};
use crate::target::Target;

/// A C declaration, such as `int shm_open(const char *name, int oflag, mode_t mode)`.
pub(crate) struct Prototype {
    pub(crate) name: &'static str,
    /// The C function that it calls.
    pub(crate) calls: &'static str,
    /// The C type that it returns.
    returns: &'static str,
    /// (C type, name) of each argument.
    arguments: Vec<(&'static str, &'static str)>,
    /// The group it belongs to.
    pub(crate) group: &'static Functions,
    /// Whether the target may lack it.
    pub(crate) optional: bool,
}

/// The functions that the target may have.
pub(crate) fn functions(target: &Target) -> Vec<Prototype> {
    let mut all = Vec::new();
    for group in functions::FUNCTIONS {
        let optional = match group.presence {
            Presence::Everywhere => false,
            Presence::Declared => true,
            Presence::DeclaredOnLinux if target.is_linux() => true,
            Presence::DeclaredOnLinux => continue,
        };
        all.extend(group.declarations.iter().map(|c| Prototype::parse(c, group, optional)));
    }
    all
}

impl Prototype {
    fn parse(c: &'static str, group: &'static Functions, optional: bool) -> Self {
        let (head, tail) = c.split_once('(').expect("a declaration has arguments");
        let (returns, name) = split_name(head);
        let arguments = match tail.trim_end_matches(')') {
            "void" => Vec::new(),
            list => list.split(", ").map(split_name).collect(),
        };
        let alias = functions::ALIASES.iter().find(|(ours, _)| *ours == name);
        let calls = alias.map_or(name, |(_, theirs)| theirs);
        Self { name, calls, returns, arguments, group, optional }
    }

    /// Whether C passes the last argument through `...` on this target.
    pub(crate) fn is_variadic(&self, target: &Target) -> bool {
        functions::VARIADIC.contains(&self.calls)
            || (target.is_apple() && functions::VARIADIC_ON_APPLE.contains(&self.calls))
    }

    /// The declaration in C, with a prefix to the name.
    pub(crate) fn c_declaration(&self, prefix: &str) -> String {
        let arguments: Vec<_> =
            self.arguments.iter().map(|(of, name)| format!("{of} {name}")).collect();
        let arguments = if arguments.is_empty() { "void".into() } else { arguments.join(", ") };
        format!("{} {prefix}{}({arguments})", self.returns, self.name)
    }

    /// The names of the arguments.
    pub(crate) fn argument_names(&self) -> impl Iterator<Item = &'static str> {
        self.arguments.iter().map(|(_, name)| *name)
    }

    /// The type that it returns, in Rust.
    pub(crate) fn rust_return(&self) -> String {
        rust_type(self.returns)
    }

    /// A call in C with the names of the arguments.
    pub(crate) fn c_call(&self) -> String {
        let names: Vec<_> = self.argument_names().collect();
        format!("{}({})", self.calls, names.join(", "))
    }

    /// The arguments of a call to the variadic function in Rust. C widens a small integer that is
    /// passed through `...`; Rust has to be told.
    pub(crate) fn variadic_arguments(&self) -> String {
        let pass = |&(of, name): &(&str, &str)| match of {
            "mode_t" => format!("::core::ffi::c_uint::from({name})"),
            _ => name.to_string(),
        };
        self.arguments.iter().map(pass).collect::<Vec<_>>().join(", ")
    }

    /// The arguments of a call to the function of the `libc` crate. That crate has structures and
    /// signs of its own, so pointers are cast.
    pub(crate) fn arguments_for_libc(&self, target: &Target) -> String {
        if self.is_variadic(target) {
            return self.variadic_arguments();
        }
        let pass = |&(of, name): &(&str, &str)| match of {
            of if of.ends_with('*') => format!("{name}.cast()"),
            _ => name.to_string(),
        };
        self.arguments.iter().map(pass).collect::<Vec<_>>().join(", ")
    }

    /// The Rust signature, from the opening parenthesis on.
    pub(crate) fn rust_signature(&self) -> String {
        let arguments: Vec<_> =
            self.arguments.iter().map(|(of, name)| format!("{name}: {}", rust_type(of))).collect();
        format!("({}) -> {}", arguments.join(", "), rust_type(self.returns))
    }
}

/// Splits `const char *name` into type and name.
fn split_name(declarator: &'static str) -> (&'static str, &'static str) {
    let start = declarator.rfind([' ', '*']).expect("a declarator has a type") + 1;
    (declarator[..start].trim_end(), &declarator[start..])
}

/// The Rust type of a C type in the lists.
pub(crate) fn rust_type(c: &str) -> String {
    if let Some(pointee) = c.strip_suffix('*') {
        let pointee = pointee.trim_end();
        return match pointee.strip_prefix("const ") {
            Some(pointee) => format!("*const {}", rust_type(pointee)),
            None => format!("*mut {}", rust_type(pointee)),
        };
    }
    match c {
        "void" => "::core::ffi::c_void".into(),
        "char" => "::core::ffi::c_char".into(),
        "unsigned char" => "::core::ffi::c_uchar".into(),
        "short" => "::core::ffi::c_short".into(),
        "int" => "::core::ffi::c_int".into(),
        "unsigned int" => "::core::ffi::c_uint".into(),
        "long" => "::core::ffi::c_long".into(),
        "unsigned long" => "::core::ffi::c_ulong".into(),
        "uint32_t" => "u32".into(),
        "size_t" => "usize".into(),
        "ssize_t" | "intptr_t" => "isize".into(),
        name => name.trim_start_matches("struct ").into(),
    }
}
