//! The tests of posix-shm, one file a subject. Shared memory is only tested by several processes: `peer.rs` is the other.

mod common;

mod access;
mod anonymous;
mod capabilities;
mod constants;
mod errors;
mod faults;
mod handles;
mod hostile;
mod injected;
mod killed;
mod leaks;
mod lisp;
mod machine_code;
mod mapping;
mod names;
mod object;
mod open;
mod processes;
mod races;
mod system_calls;

/// A file that nobody declares is a test that never runs, silently.
#[test]
fn every_file_here_is_declared() {
    let declared = include_str!("main.rs");
    let manifest = include_str!("Cargo.toml");
    let peer = include_str!("peer.rs");
    for path in files(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let (folder, name) = (path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap());
        let known = if folder.ends_with("models") {
            include_str!("../.ci/run").contains(&format!("tests/models/{name}"))
        } else if folder.ends_with("peer") {
            peer.contains(&format!("#[path = \"peer/{name}\"]"))
        } else if folder.ends_with("common") {
            let module = name.strip_suffix(".rs").unwrap_or("none");
            module == "mod" || include_str!("common/mod.rs").contains(&format!("mod {module};\n"))
        } else {
            let module = name.strip_suffix(".rs").unwrap_or("none");
            name == "Cargo.toml"
                || declared.contains(&format!("\nmod {module};\n"))
                || manifest.contains(&format!("= \"{name}\""))
        };
        assert!(known, "{} is no part of any target", path.display());
    }
}

/// Every file in a folder and below it.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
