//! The build script: generates the bindings from the headers of the target system.
//!
//! There are three ways, and the first that works is taken:
//!
//! * `with_bindgen` needs libclang. `generated` checks its output before it is used.
//! * `with_cc` needs only a C compiler.
//! * `with_libc` needs nothing: it takes the values from the `libc` crate. It is the last way, only
//!   for targets whose headers neither of the others can read.
//!
//! All read `wrapper.h` and the list of names in `names.rs` and `functions.rs`, and produce the
//! same items. `api` writes these to `bindings.rs` in `OUT_DIR`, which `src/lib.rs` includes.
//! `bindings.md`, beside the directory of this file, follows one number through each way.

mod api;
mod compiler;
mod functions;
#[cfg(feature = "bindgen")]
mod generated;
mod names;
mod probe;
mod prototype;
mod report;
mod target;
#[cfg(feature = "bindgen")]
mod with_bindgen;
mod with_cc;
mod with_libc;

use std::env;
use std::process::ExitCode;

use api::Found;
use compiler::Compiler;
use report::Failure;
use target::Target;

/// The variable that chooses one generator. If that one fails, the build fails.
const CHOICE: &str = "POSIX_SHM_SYS_BINDINGS";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("posix-shm-sys: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    watch();
    let target = Target::from_cargo()?;
    let found = generate(&target)?;
    found.write(&target)?;
    found.tell_dependents();
    if target.needs_librt() {
        println!("cargo::rustc-link-lib=rt");
    }
    Ok(())
}

/// Tells Cargo which files and variables the bindings depend on. The generators add the headers
/// that they read, and the `cc` crate adds its own variables.
fn watch() {
    println!("cargo::rerun-if-changed=wrapper.h");
    let target = env::var("TARGET").unwrap_or_default();
    let clang_args = "BINDGEN_EXTRA_CLANG_ARGS";
    for name in [CHOICE, "LIBCLANG_PATH", "LLVM_CONFIG_PATH", "CLANG_PATH", clang_args] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    for target in [target.replace('-', "_"), target] {
        println!("cargo::rerun-if-env-changed={clang_args}_{target}");
    }
}

fn generate(target: &Target) -> Result<Found, String> {
    let compiler = Compiler::find(target);
    match env::var(CHOICE).as_deref() {
        Err(env::VarError::NotPresent) | Ok("") => with_any(target, compiler),
        Ok("bindgen") => with_bindgen(target, compiler.as_ref().ok())
            .map_err(|reason| report::failure(&vec![("bindgen", reason)])),
        Ok("cc") => with_cc(target, compiler)
            .map_err(|reason| report::failure(&vec![("C compiler", reason)])),
        Ok(other) => Err(format!("{CHOICE} is {other:?}: set it to bindgen or cc, or unset it")),
        Err(error) => Err(format!("{CHOICE}: {error}")),
    }
}

/// Tries each way.
fn with_any(target: &Target, compiler: Result<Compiler, Failure>) -> Result<Found, String> {
    let mut failures = Vec::new();
    if cfg!(feature = "bindgen") {
        match with_bindgen(target, compiler.as_ref().ok()) {
            Ok(found) => return Ok(found),
            Err(failure) => failures.push(("bindgen", failure)),
        }
    }
    match with_cc(target, compiler) {
        Ok(found) => {
            if !failures.is_empty() {
                report::warn_of_cc(&failures);
            }
            return Ok(found);
        }
        Err(failure) => failures.push(("C compiler", failure)),
    }
    // Headers that can be read are right, even if they are not as expected.
    if failures.iter().all(|(_, failure)| matches!(failure, Failure::NoHeaders(_))) {
        match with_libc(target) {
            Ok(found) => {
                report::warn_of_libc(&failures);
                return Ok(found);
            }
            Err(reason) => failures.push(("libc crate", Failure::Unusable(reason))),
        }
    }
    Err(report::failure(&failures))
}

fn with_cc(target: &Target, compiler: Result<Compiler, Failure>) -> Result<Found, Failure> {
    with_cc::generate(target, &compiler?)
}

#[cfg(feature = "bindgen")]
fn with_bindgen(target: &Target, compiler: Option<&Compiler>) -> Result<Found, Failure> {
    with_bindgen::generate(target, compiler)
}

#[cfg(not(feature = "bindgen"))]
fn with_bindgen(_: &Target, _: Option<&Compiler>) -> Result<Found, Failure> {
    Err(Failure::Unusable(
        "the feature `bindgen` is off: enable it, in posix-shm or in posix-shm-sys, or choose cc"
            .into(),
    ))
}

fn with_libc(target: &Target) -> Result<Found, String> {
    if !cfg!(feature = "libc") {
        return Err("the feature `libc` of posix-shm-sys is off".into());
    }
    with_libc::generate(target)
}
