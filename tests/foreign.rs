//! Programs in other languages and the library, in both directions. They need a C compiler, Python
//! with numpy, SBCL with CFFI, and weston; `.ci/run foreign` says how to get them. `cargo test`
//! alone leaves these tests out:
//!
//! ```sh
//! cargo test -p posix-shm-tests --test foreign
//! ```
//!
//! The programs are in `foreign/`: `foreign/peer.c`, `foreign/peer.py` and `foreign/peer.lisp` know
//! the same tasks. `foreign/wayland.rs` has the compositor.

#![cfg(all(target_os = "linux", not(any(posix_shm_android, posix_shm_apple))))]

#[allow(dead_code, unused_imports, reason = "the other tests use the rest")]
mod common;
#[path = "foreign/wayland.rs"]
mod wayland;

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use posix_shm::{Shm, ShmName, transfer, unlink};

use common::{Names, run};

/// A file in `foreign/`.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(name)
}

/// A file that the tests make.
fn made(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The program in C.
fn c() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let program = made("foreign-c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Wextra", "-Wno-sign-compare", "-Werror", "-o"]);
        run(compiler.arg(&program).arg(source("peer.c")).arg("-lrt"));
        program
    });
    Command::new(program)
}

/// Python, of a kind that has numpy.
fn python_alone() -> Command {
    static PYTHON: OnceLock<&str> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        let has_numpy = |python: &&str| {
            let mut command = Command::new(python);
            command.args(["-c", "import numpy"]).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let candidates = ["python3", "/usr/bin/python3"];
        candidates.into_iter().find(has_numpy).expect("a python3 that has numpy")
    });
    Command::new(python)
}

/// The program in Python.
fn python() -> Command {
    let mut command = python_alone();
    command.arg(source("peer.py"));
    command
}

/// The program in Common Lisp, with CFFI loaded: that takes longer than all chains.
fn lisp() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let program = made("foreign-lisp");
        let save = format!(
            "(sb-ext:save-lisp-and-die {:?} :executable t :toplevel (function main) \
             :save-runtime-options t)",
            program.to_str().unwrap()
        );
        let mut sbcl = Command::new("sbcl");
        sbcl.args(["--non-interactive", "--no-userinit", "--load"]).arg(source("peer.lisp"));
        // Where ASDF compiles to.
        run(sbcl.args(["--eval", &save]).env("XDG_CACHE_HOME", made("lisp-cache")));
        program
    });
    Command::new(program)
}

/// A language: its name, and how it does a task with an object. None for this library.
type Language = (&'static str, Option<fn() -> Command>);

const LANGUAGES: [Language; 4] =
    [("C", Some(c)), ("Python", Some(python)), ("Lisp", Some(lisp)), ("Rust", None)];

/// What the programs are told to use, in bytes.
const LEN: usize = 10_000;

fn at_task(command: Command, task: &str, name: &ShmName) -> Command {
    let mut command = command;
    command.arg(task).arg(name.as_os_str()).arg(LEN.to_string());
    command
}

fn does(language: Language, task: &str, name: &ShmName) {
    if let Some(program) = language.1 {
        run(&mut at_task(program(), task, name));
        return;
    }
    let created = |i: usize| (i * 7 + 1) as i32;
    let object = match task {
        "create" => Shm::create(name, LEN as u64),
        _ => Shm::open_io(name),
    };
    let mapping = object.unwrap().map_mut().unwrap();
    assert_eq!(mapping.len(), LEN);
    let ints = mapping.slice::<i32>(0, LEN / 4).unwrap();
    for i in 0..ints.len() {
        match task {
            "create" => ints.store(i, created(i)),
            "modify" => ints.store(i, ints.load(i) * 2 + i as i32),
            _ => assert_eq!(ints.load(i), created(i) * 2 + i as i32, "value {i}"),
        }
    }
    if task == "verify" {
        unlink(name).unwrap();
    }
}

/// One makes an object, one changes it, and one looks at it and removes it.
#[test]
fn every_chain_of_four_languages_is_right() {
    let names = Names::new();
    for creator in LANGUAGES {
        for modifier in LANGUAGES {
            for verifier in LANGUAGES {
                println!("{} {} {}", creator.0, modifier.0, verifier.0);
                let name = names.name();
                does(creator, "create", &name);
                does(modifier, "modify", &name);
                does(verifier, "verify", &name);
                let gone = Shm::open(&name).unwrap_err();
                assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
            }
        }
    }
}

fn content(object: &Shm) -> Vec<i32> {
    object.map().unwrap().slice::<i32>(0, 100).unwrap().to_vec()
}

/// Two objects of different content.
fn two() -> [Shm; 2] {
    [100, 200].map(|value| {
        let object = Shm::anonymous(400).unwrap();
        object.map_mut().unwrap().slice::<i32>(0, 100).unwrap().fill(value);
        object
    })
}

#[test]
fn programs_in_other_languages_receive_objects_and_send_them() {
    for (language, program) in [("C", c as fn() -> Command), ("Python", python)] {
        let (here, there) = UnixStream::pair().unwrap();
        let [one, two] = two();
        let sent = transfer::send(&here, &[&one, &two], b"add one").unwrap();
        assert_eq!(sent, 7);
        run(program().arg("answer").stdin(Stdio::from(OwnedFd::from(there))));
        let mut bytes = [0; 64];
        let received = transfer::receive(&here, &mut bytes).unwrap();
        assert_eq!(&bytes[..received.bytes], b"add one", "{language}");
        let back: Vec<Vec<i32>> = received.objects.map(|object| content(&object)).collect();
        assert_eq!(back, [vec![201; 100], vec![101; 100]], "{language}");
        assert_eq!(content(&one), [101; 100], "{language}: it is the same memory");
    }
}

#[test]
fn children_in_other_languages_map_what_they_inherit() {
    for (language, program) in [("C", c as fn() -> Command), ("Python", python)] {
        let [object, _] = two();
        let mut command = program();
        let number = object.pass_to(&mut command).unwrap();
        run(command.args(["inherit", &number.to_string(), "400"]));
        assert_eq!(content(&object), [101; 100], "{language}");
    }
}

#[test]
fn pythons_tracker_removes_what_it_only_attached_to_and_the_remedy_prevents_it() {
    let names = Names::new();
    let attach = |name: &ShmName, how| run(python().args(["attach", name_of(name), how]));
    let name = names.name();
    let object = Shm::publish(&name, b"hello").unwrap();
    attach(&name, "untracked");
    assert!(Shm::open(&name).is_ok(), "Python removed an object that it was told to leave alone");

    attach(&name, "tracked");
    let gone = Shm::open(&name).expect_err("the docs say that the tracker removes it");
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
    // Who has it open goes on.
    assert_eq!(object.map().unwrap().bytes().range(..5).to_vec(), b"hello");
    assert_eq!(object.unlink().unwrap_err().kind(), ErrorKind::NotFound);
}

fn name_of(name: &ShmName) -> &str {
    name.as_os_str().to_str().unwrap()
}

#[test]
fn numpy_computes_in_the_same_memory() {
    let names = Names::new();
    let name = names.name();
    let mapping = Shm::create(&name, LEN as u64).unwrap().map_mut().unwrap();
    let ints = mapping.slice::<i32>(0, LEN / 4).unwrap();
    (0..ints.len()).for_each(|i| ints.store(i, 3 * i as i32));
    run(&mut at_task(python(), "numpy_adds", &name));
    assert!((0..ints.len()).all(|i| ints.load(i) == 3 * i as i32 + 1000), "it is another memory");
    unlink(&name).unwrap();

    let name = names.name();
    run(&mut at_task(python(), "numpy_creates", &name));
    let doubles = Shm::open(&name).unwrap().map().unwrap();
    let doubles = doubles.slice::<f64>(0, LEN / 8).unwrap();
    assert!((0..doubles.len()).all(|i| doubles.load(i) == (i as f64).sqrt()));
    unlink(&name).unwrap();
}

#[test]
fn the_example_with_python_says_what_it_promises() {
    for python in [python_alone(), Command::new("python3")] {
        let mut example = Command::new(env!("CARGO_BIN_EXE_example-python"));
        let said = run(example.env("PYTHON", python.get_program()));
        assert_eq!(
            said,
            "Python found 640 by 480 pixels and drew a diagonal\n\
             480 pixels of the diagonal are set, and Python is gone; the object is still there\n"
        );
    }
}
