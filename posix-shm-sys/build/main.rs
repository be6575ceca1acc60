//! The build script: generates the bindings from the headers of the target system.
//!
//! There are two generators. `with_bindgen` needs libclang. `with_cc` is the fallback and needs
//! only a C compiler. Both read `wrapper.h` and the list of names in `names.rs`, and both produce
//! the same items. `api` writes these to `bindings.rs` in `OUT_DIR`, which `src/lib.rs` includes.

mod api;
mod compiler;
mod names;
mod probe;
mod prototype;
mod report;
mod target;
#[cfg(feature = "bindgen")]
mod with_bindgen;
mod with_cc;

use std::env;
use std::process::ExitCode;

use api::Found;
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
    match env::var(CHOICE).as_deref() {
        Err(env::VarError::NotPresent) | Ok("") => with_either(target),
        Ok("bindgen") => {
            with_bindgen(target).map_err(|reason| report::failure(&[("bindgen", reason)]))
        }
        Ok("cc") => with_cc(target),
        Ok(other) => Err(format!("{CHOICE} is {other:?}: set it to bindgen or cc, or unset it")),
        Err(error) => Err(format!("{CHOICE}: {error}")),
    }
}

/// Tries bindgen, and then the C compiler.
fn with_either(target: &Target) -> Result<Found, String> {
    if !cfg!(feature = "bindgen") {
        return with_cc(target);
    }
    with_bindgen(target).or_else(|reason| match with_cc::generate(target) {
        Ok(found) => {
            report::warn_of_fallback(&reason);
            Ok(found)
        }
        Err(other) => Err(report::failure(&[("bindgen", reason), ("C compiler", other)])),
    })
}

fn with_cc(target: &Target) -> Result<Found, String> {
    with_cc::generate(target).map_err(|reason| report::failure(&[("C compiler", reason)]))
}

#[cfg(feature = "bindgen")]
fn with_bindgen(target: &Target) -> Result<Found, String> {
    with_bindgen::generate(target)
}

#[cfg(not(feature = "bindgen"))]
fn with_bindgen(_: &Target) -> Result<Found, String> {
    Err("the feature `bindgen` is off: enable it, in posix-shm or in posix-shm-sys, or choose cc"
        .into())
}
