//! The tests of posix-shm.
//!
//! - A file tests the source file of the same name in `posix-shm/src`: `map.rs` tests `map.rs`.
//!   A subject that needs several files has a folder: `open.rs` and `open/`.
//! - Subjects that cut across the source have files of their own:
//!   - `anonymous`: objects without a name;
//!   - `processes`, `races`, `hostile`: several processes and one object;
//!   - `faults`: too little memory, too few descriptors, missing rights;
//!   - `injected`, `killed`: every system call made to fail, or to kill the process;
//!   - `fuzz`: random names, offsets and counts;
//!   - `limits`: limits, filters, odd namespaces and hostile peers, each made for a test;
//!   - `leaks`: names, descriptors and mappings that are left;
//!   - `system_calls`, `machine_code`: the exact cost;
//!   - `killed_examples`: the examples for two programs, whose sides are killed;
//!   - `constants`: the bindings, compared with the `libc` crate;
//!   - `examples`: the example programs, but for those that `foreign` runs;
//!   - `bindings`: the build script of posix-shm-sys, a test program of its own;
//!   - `foreign`: programs in other languages, a test program of its own;
//!   - `tool`: the command-line tool, as a user types it;
//!   - `lisp`: the cases of the Common Lisp library's own tests.
//! - Other processes are programs of this package. `peer.rs` does one task for a test, `victim.rs`
//!   runs one operation under `strace`, `user.rs` uses an object for the tests of the tool, and
//!   `codegen.rs` is disassembled.
//! - `common` has what every test needs. `models/xnu.c` imitates the macOS kernel on Linux.

mod common;

mod access;
mod anonymous;
mod capabilities;
mod constants;
mod error;
mod event;
mod examples;
mod faults;
mod fuzz;
mod hostile;
mod immutable;
mod inherit;
mod injected;
mod inspect;
mod io;
mod killed;
mod killed_examples;
mod leaks;
mod limits;
mod lisp;
mod list;
mod machine_code;
mod map;
mod metadata;
mod name;
mod open;
mod permissions;
mod presence;
mod processes;
mod races;
mod seal;
mod seq_lock;
mod serde;
mod shm;
mod system_calls;
mod tool;
mod transfer;
mod unlink;
mod wait;

use std::fs;
use std::path::{Path, PathBuf};

/// A file that no target includes would be a test that never runs.
#[test]
fn every_file_here_is_declared() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let manifest = read(&tests.join("Cargo.toml"));
    for path in files(tests) {
        let inside = path.strip_prefix(tests).unwrap();
        let [folder, name] = [inside.parent(), inside.file_name().map(Path::new)]
            .map(|part| part.and_then(Path::to_str).unwrap());
        let module = name.strip_suffix(".rs").unwrap_or("none");
        let declares = |by: &str| read(&tests.join(by)).contains(&format!("mod {module};\n"));
        let known = match folder {
            "" if name == "Cargo.toml" => true,
            // Crates of their own.
            "optimised" | "preloaded" if name == "Cargo.toml" || name == "lib.rs" => true,
            "optimised" => declares("optimised/lib.rs"),
            "" => declares("main.rs") || manifest.contains(&format!("= \"{name}\"")),
            // Run by a step of the CI.
            "models" => files(&tests.join("../.ci"))
                .iter()
                .any(|step| read(step).contains(&format!("tests/models/{name}"))),
            "foreign" => read(&tests.join("foreign.rs")).contains(&format!("foreign/{name}")),
            // Parts of a helper program, which is the root of its crate.
            "peer" | "victim" => {
                read(&tests.join(format!("{folder}.rs"))).contains(&format!("\"{folder}/{name}\""))
            }
            _ if module == "mod" => {
                read(&tests.join("main.rs")).contains(&format!("mod {folder};"))
            }
            _ => declares(&format!("{folder}.rs")) || declares(&format!("{folder}/mod.rs")),
        };
        assert!(known, "{} belongs to no target: declare it", path.display());
    }
}

/// Every file in a folder and below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
