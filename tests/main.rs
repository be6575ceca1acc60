//! The tests of posix-shm, one file a subject. Shared memory is only tested by several processes: `peer.rs` is the other.

mod common;

mod access;
mod anonymous;
mod constants;
mod errors;
mod faults;
mod handles;
mod hostile;
mod leaks;
mod lisp;
mod machine_code;
mod mapping;
mod names;
mod object;
mod open;
mod processes;
mod system_calls;

/// A file that nobody declares is a test that never runs, silently.
#[test]
fn every_file_here_is_declared() {
    let declared = include_str!("main.rs");
    let manifest = include_str!("Cargo.toml");
    for entry in std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let known = match name.strip_suffix(".rs") {
            Some(stem) => {
                declared.contains(&format!("\nmod {stem};\n"))
                    || manifest.contains(&format!("= \"{name}\""))
            }
            None if path.is_dir() => declared.contains(&format!("\nmod {name};\n")),
            None => name == "Cargo.toml",
        };
        assert!(known, "{name} is neither a module of main.rs nor a target of Cargo.toml");
    }
}
