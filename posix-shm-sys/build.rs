//! Makes the bindings from the headers of the system that the crate is built for.
//!
//! bindgen does it where it finds libclang; otherwise a C compiler alone does. Both read `wrapper.h` and the list in
//! `build/names.rs`, and both end in the same items.

#[path = "build/api.rs"]
mod api;
#[path = "build/compiler.rs"]
mod compiler;
#[path = "build/names.rs"]
mod names;
#[path = "build/probe.rs"]
mod probe;
#[path = "build/prototype.rs"]
mod prototype;
#[path = "build/report.rs"]
mod report;
#[path = "build/target.rs"]
mod target;
#[cfg(feature = "bindgen")]
#[path = "build/with_bindgen.rs"]
mod with_bindgen;
#[path = "build/with_cc.rs"]
mod with_cc;

use std::env;
use std::process::ExitCode;

use api::Found;
use report::Failure;
use target::Target;

/// Chooses one way, whose failure is then final.
const CHOICE: &str = "POSIX_SHM_SYS_BINDINGS";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
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

/// What the bindings depend on beside the headers. The `cc` crate names its own variables.
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
    let alone = |way, result: Result<_, _>| {
        result.map_err(|reason| Failure(vec![(way, reason)]).to_string())
    };
    match env::var(CHOICE).as_deref() {
        Err(env::VarError::NotPresent) | Ok("") => {
            first_that_works(target).map_err(|failure| failure.to_string())
        }
        Ok("bindgen") => alone("bindgen", bindgen(target)),
        Ok("cc") => alone("C compiler", with_cc::generate(target)),
        Ok(other) => Err(format!("{CHOICE}={other}: the choice is bindgen or cc")),
        Err(error) => Err(format!("{CHOICE}: {error}")),
    }
}

#[cfg(feature = "bindgen")]
fn first_that_works(target: &Target) -> Result<Found, Failure> {
    let reason = match with_bindgen::generate(target) {
        Ok(found) => return Ok(found),
        Err(reason) => reason,
    };
    match with_cc::generate(target) {
        Ok(found) => {
            report::warn_of_fallback(&reason);
            Ok(found)
        }
        Err(other) => Err(Failure(vec![("bindgen", reason), ("C compiler", other)])),
    }
}

#[cfg(not(feature = "bindgen"))]
fn first_that_works(target: &Target) -> Result<Found, Failure> {
    with_cc::generate(target).map_err(|reason| Failure(vec![("C compiler", reason)]))
}

#[cfg(feature = "bindgen")]
fn bindgen(target: &Target) -> Result<Found, String> {
    with_bindgen::generate(target)
}

#[cfg(not(feature = "bindgen"))]
fn bindgen(_: &Target) -> Result<Found, String> {
    Err("the feature `bindgen` of posix-shm-sys is off".into())
}
