//! The build script of posix-shm-sys: its modules are compiled into this test, which feeds them
//! with output of generators and compilers that they must not believe.

#![allow(dead_code, reason = "the build script uses what the tests do not")]

#[path = "../posix-shm-sys/build/api.rs"]
mod api;
#[path = "../posix-shm-sys/build/functions.rs"]
mod functions;
#[path = "../posix-shm-sys/build/generated.rs"]
mod generated;
#[path = "../posix-shm-sys/build/names.rs"]
mod names;
#[path = "../posix-shm-sys/build/probe.rs"]
mod probe;
#[path = "../posix-shm-sys/build/prototype.rs"]
mod prototype;
#[path = "../posix-shm-sys/build/report.rs"]
mod report;
#[path = "../posix-shm-sys/build/target.rs"]
mod target;
#[path = "../posix-shm-sys/build/with_libc.rs"]
mod with_libc;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use generated::Generated;
use probe::Answers;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use target::Target;
use with_libc::Table;

fn linux() -> Target {
    Target::of("linux", "gnu", "64")
}

/// What bindgen writes for a system that has every name: the items, and assertions about layouts.
fn output() -> String {
    let mut text = String::new();
    for (number, (_, name)) in names::constants().enumerate() {
        writeln!(text, "pub const {name} : :: core :: ffi :: c_int = {number} ;").unwrap();
    }
    for name in names::TYPES {
        writeln!(text, "pub type {name} = :: core :: ffi :: c_ulong ;").unwrap();
    }
    for structure in names::STRUCTS {
        let name = structure.name;
        let times = structure.timespecs.iter().map(|names| names[0]);
        let fields: Vec<&str> = structure.integer_names().chain(times).collect();
        let declared: Vec<String> =
            fields.iter().map(|field| format!("pub {field} : :: core :: ffi :: c_ulong")).collect();
        writeln!(text, "# [repr (C)] pub struct {name} {{ {} , }}", declared.join(" , ")).unwrap();
        let size = fields.len() * 8;
        writeln!(text, "[:: core :: mem :: size_of :: < {name} > () - {size}usize] ;").unwrap();
        for (number, field) in fields.iter().enumerate() {
            let offset = number * 8;
            writeln!(text, "[:: core :: mem :: offset_of ! ({name} , {field}) - {offset}usize] ;")
                .unwrap();
        }
    }
    for function in prototype::functions(&linux()) {
        writeln!(text, "pub fn {} (", function.calls).unwrap();
    }
    text + "pub fn __errno_location ("
}

fn names_of(output: &str) -> Result<Vec<&'static str>, String> {
    let functions = prototype::functions(&linux());
    Generated::read(output).names(&functions, |name| format!("{name}_variadic"))
}

/// The reason why the output is not believed.
fn fault(output: &str) -> String {
    names_of(output).expect_err("output that is wrong was believed")
}

/// The output with the first `old` replaced, which must be there.
fn doctored(old: &str, new: &str) -> String {
    let output = output();
    assert!(output.contains(old), "the output has no {old:?}");
    output.replacen(old, new, 1)
}

#[test]
fn output_that_is_right_is_believed() {
    let names = names_of(&output()).unwrap();
    for name in ["O_CREAT", "MAP_FAILED", "shm_open", "fcntl_lock", "st_atim"] {
        assert!(names.contains(&name), "{name} is missing");
    }
    assert_eq!(Generated::read(&output()).errno_location().unwrap(), "__errno_location");
}

#[test]
fn an_opaque_structure_is_not_believed() {
    let at = output().find("pub struct stat {").unwrap();
    let end = at + output()[at..].find('}').unwrap();
    let opaque = format!("{}pub struct stat {{ pub _address : u8 , {}", &output()[..at], "");
    let text = opaque + &output()[end..];
    assert_eq!(fault(&text), "struct stat is opaque: it has the field _address");
}

#[test]
fn every_listed_field_must_be_there() {
    for structure in names::STRUCTS {
        for field in structure.integer_names() {
            let text = doctored(&format!("pub {field} :"), &format!("pub {field}_renamed :"));
            assert_eq!(fault(&text), format!("struct {} has no field {field}", structure.name));
        }
    }
    let text = doctored("pub st_mtim :", "pub st_mtime :");
    assert_eq!(fault(&text), "struct stat has no field st_mtim or st_mtimespec in these headers");
}

#[test]
fn a_structure_without_a_checked_layout_is_not_believed() {
    let text = doctored("size_of :: < statvfs >", "size_of :: < another >");
    assert_eq!(fault(&text), "it has no size of struct statvfs");
    let text = doctored("offset_of ! (stat , st_size)", "offset_of ! (another , st_size)");
    assert_eq!(fault(&text), "it has no offset of stat.st_size");
    let text = doctored("pub struct flock {", "pub struct another {");
    assert_eq!(fault(&text), "it defines no struct flock");
}

#[test]
fn functions_types_and_numbers_must_be_there() {
    assert_eq!(fault(&doctored("pub fn mmap (", "fn mmap (")), "it declares no function mmap");
    let variadic = doctored("pub fn open (", "pub fn open_variadic (");
    assert!(names_of(&variadic).unwrap().contains(&"open"), "a variadic function was not found");
    assert_eq!(fault(&doctored("pub type off_t =", "")), "it defines no type off_t");
    let text =
        doctored("pub const O_RDONLY : :: core :: ffi :: c_int = 0", "pub const O_RDONLY : T = X");
    assert_eq!(fault(&text), "O_RDONLY is not a number: X");
    let text = output().replace("pub fn __errno_location (", "");
    let fault = Generated::read(&text).errno_location().unwrap_err();
    assert!(fault.contains("__errno_location, __error"), "{fault}");
}

#[test]
fn what_a_system_may_lack_is_left_out() {
    let names = names_of(&doctored("pub fn memfd_create (", "")).unwrap();
    assert!(!names.contains(&"memfd_create"));
    let names = names_of(&doctored("pub const MFD_EXEC :", "pub const other :")).unwrap();
    assert!(!names.contains(&"MFD_EXEC"));
}

/// The C compiler then compares everything that bindgen wrote.
#[test]
fn the_c_compiler_is_asked_about_every_number_size_and_offset() {
    let text = doctored("pub const MFD_EXEC :", "pub const other :");
    let text = text.replacen("c_int = 0 ;", "c_int = - 5 ;", 1);
    let generated = Generated::read(&text);
    let functions = prototype::functions(&linux());
    let names = generated.names(&functions, str::to_owned).unwrap();
    let c = generated.assertions(&names).unwrap();
    let mut asked = 0;
    for (_, name) in names::constants() {
        assert!(c.contains(&format!("({name}) ==")) || name == "MFD_EXEC", "{name} is not asked");
        asked += 1;
    }
    assert!(asked > 250, "the list has only {asked} constants");
    assert!(c.contains("_Static_assert((int) (O_RDONLY) == (int) -5ULL, \"O_RDONLY is not -5\");"));
    assert!(c.contains("#ifdef MFD_EXEC\n#error \"MFD_EXEC is missing\"\n#endif"));
    assert!(c.contains("sizeof(struct timespec) == 16"));
    assert!(c.contains("offsetof(struct timespec, tv_nsec) == 8"));
    assert!(c.contains("offsetof(struct stat, st_ctim) == 96"));
}

#[test]
fn lines_are_found_in_messages_of_every_language() {
    let source = Path::new("/a place/posix_shm_probe.c");
    let said = "/a place/posix_shm_probe.c: In Funktion »pshm_use«:\n\
                /a place/posix_shm_probe.c:12:30: Fehler: »minherit« nicht deklariert\n\
                In file included from /a place/posix_shm_probe.c:1:\n\
                /usr/include/stdio.h:99:1: error: something else\n";
    assert_eq!(report::lines(said, source), [12, 1]);
}

#[test]
fn what_a_compiler_said_is_never_lost() {
    let many = "note: x\nfoo.c:1: ERROR: first\nfoo.c:2: error: second\n";
    assert_eq!(report::summary(many), "foo.c:1: ERROR: first\nfoo.c:2: error: second");
    let german = "foo.c:1:1: Fehler: etwas\n";
    assert_eq!(report::summary(german), "foo.c:1:1: Fehler: etwas");
    assert_eq!(report::summary(""), "it printed nothing");
    assert_eq!(report::summary(&"error\n".repeat(99)).lines().count(), 8);
}

/// (system, text) of each table of the last way.
fn tables() -> Vec<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../posix-shm-sys/build/libc");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let system = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (system, fs::read_to_string(path).unwrap())
    };
    files.map(read).collect()
}

fn targets(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter_map(|line| line.strip_prefix("target "))
}

fn target_of(system: &str, name: &str) -> Target {
    let (os, env) = system.split_once('-').unwrap_or((system, ""));
    let narrow = ["i686", "armv7"].iter().any(|machine| name.starts_with(machine));
    Target::of(os, env, if narrow { "32" } else { "64" })
}

const WRAPPER: &str = include_str!("../posix-shm-sys/wrapper.h");

#[test]
fn every_table_gives_bindings_for_each_of_its_targets() {
    let tables = tables();
    let systems = ["android", "freebsd", "linux-gnu", "linux-musl", "macos", "netbsd", "openbsd"];
    for system in systems {
        assert!(tables.iter().any(|(name, _)| name == system), "{system} has no table");
    }
    for (system, text) in &tables {
        assert!(targets(text).count() > 0, "{system} has no target");
        for name in targets(text) {
            let target = target_of(system, name);
            assert_eq!(&target.system(), system);
            let table = Table::read(text, name).unwrap();
            let found = with_libc::found(&table, &target, WRAPPER);
            let found = found.unwrap_or_else(|fault| panic!("{name}: {fault}"));
            let module = found.module(&target);
            for needed in ["::libc::O_CREAT ", "pub struct stat ", "fn mmap(", "fn fcntl_lock("] {
                assert!(module.contains(needed), "{name} has no {needed}");
            }
            let typed = module.lines().filter(|line| line.starts_with("pub const "));
            let typed = typed.filter(|line| !line.contains("= ::libc::"));
            for line in typed {
                let name = line["pub const ".len()..].split(':').next().unwrap();
                let defined = WRAPPER.contains(&format!("#define {name} "));
                assert!(defined, "a number that is in no other place: {line}");
            }
        }
    }
}

#[test]
fn a_table_is_only_for_its_targets() {
    let (_, text) = tables().into_iter().find(|(name, _)| name == "linux-gnu").unwrap();
    assert!(Table::read(&text, "sparc64-unknown-linux-gnu").is_none());
    let lines = "target a\ntarget b\nconst SYS_futex_time64 @ b\n";
    let has = |name| {
        let table = Table::read(lines, name).unwrap();
        let fault = with_libc::found(&table, &linux(), WRAPPER);
        fault.map(|_| ()).expect_err("a table without types was believed")
    };
    assert_eq!(has("a"), has("b"));
    assert_eq!(has("a"), "its table has no type mode_t");
}

#[test]
fn a_table_that_lacks_something_is_not_believed() {
    let (_, text) = tables().into_iter().find(|(name, _)| name == "linux-gnu").unwrap();
    let name = "x86_64-unknown-linux-gnu";
    let fault = |old: &str, new: &str| {
        assert!(text.contains(old), "the table has no {old:?}");
        let text = text.replace(old, new);
        let table = Table::read(&text, name).unwrap();
        let found = with_libc::found(&table, &target_of("linux-gnu", name), WRAPPER);
        found.map(|_| ()).expect_err("a table that lacks something was believed")
    };
    assert_eq!(fault("\nfn mmap ", "\nfn another "), "its table has no fn mmap");
    assert_eq!(fault(" st_nlink", ""), "its table has no field st_nlink of struct stat");
    assert_eq!(fault("\nerrno ", "\nother "), "its table has no errno");
    let none = "wrapper.h defines no number for O_CREAT";
    assert_eq!(fault("\nconst O_CREAT\n", "\nwrapper O_CREAT\n"), none);
}

/// Always the same random cases.
fn check<T: std::fmt::Debug>(cases: u32, random: &impl Strategy<Value = T>, test: impl Fn(&T)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let result = TestRunner::new_with_rng(config, rng).run(random, |input| {
        test(&input);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Where a text is damaged, how many of its characters are lost, and what comes in their place.
fn damage() -> impl Strategy<Value = Vec<(Index, usize, &'static str)>> {
    let words = [
        "",
        " ",
        ";",
        "{",
        "}",
        "[",
        "(",
        " = ",
        " : ",
        "pub const ",
        "pub struct stat {",
        "usize",
        "::",
        "-",
        "99999999999999999999999999999999999999999",
        "\u{e9}",
        "\0",
        "\n",
        "#",
        " @ ",
    ];
    vec((any::<Index>(), 0_usize..40, select(words.to_vec())), 1..5)
}

fn damaged(text: &str, damage: &[(Index, usize, &str)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, lost, instead) in damage {
        let at = at.index(text.len());
        let end = text.len().min(at + lost);
        text.splice(at..end, instead.chars());
    }
    text.into_iter().collect()
}

#[test]
fn damaged_output_is_an_error_or_is_believed_but_never_a_panic() {
    let whole = output();
    let all = names_of(&whole).unwrap();
    let functions = prototype::functions(&linux());
    check(100, &damage(), |damage| {
        let text = damaged(&whole, damage);
        let generated = Generated::read(&text);
        let _ = generated.errno_location();
        match generated.names(&functions, |name| format!("{name}_variadic")) {
            Ok(names) => {
                assert!(names.iter().all(|name| all.contains(name)), "a name from nowhere");
                let _ = generated.assertions(&names);
            }
            Err(fault) => assert!(!fault.is_empty()),
        }
    });
}

#[test]
fn damaged_tables_and_messages_never_make_a_reader_panic() {
    let tables = tables();
    let said = "/a place/x.c:12:30: error: what\nnote: x\n/a place/x.c:: :9999999999999999999999:";
    check(300, &(any::<Index>(), damage()), |(which, damage)| {
        let (system, text) = which.get(&tables);
        let text = damaged(text, damage);
        let name = targets(&text).next().unwrap_or_default();
        if let Some(table) = Table::read(&text, name) {
            // Names that the library cannot do without may be gone.
            if let Err(fault) = with_libc::found(&table, &target_of(system, name), WRAPPER) {
                assert!(!fault.is_empty());
            }
        }
        let said = damaged(said, damage);
        let lines = report::lines(&said, Path::new("/a place/x.c"));
        assert!(lines.len() <= said.len());
        assert!(report::summary(&said).lines().count() <= 8);
    });
}

/// As `ANSWER` in C puts them into an object file, among anything else.
#[test]
fn answers_are_found_among_any_bytes() {
    let answer = (any::<i64>(), any::<bool>(), vec(any::<u8>(), 0..12));
    check(500, &(vec(answer, 0..6), vec(any::<u8>(), 0..64), any::<Index>()), |input| {
        let (answers, junk, cut) = input;
        let mut object = junk.clone();
        let mut expected = Vec::new();
        for (number, (value, signed, between)) in answers.iter().enumerate() {
            let negative = *signed && *value < 0;
            let digits = format!("{value:016x}");
            let letters = digits.bytes().map(|digit| match digit {
                b'0'..=b'9' => b'a' + digit - b'0',
                _ => b'k' + digit - b'a',
            });
            object.extend(format!("PSHM:question {number}\0").bytes());
            object.push(if negative { b'-' } else { b'+' });
            object.extend(letters);
            object.extend(between);
            let text = if negative { value.to_string() } else { (*value as u64).to_string() };
            expected.push(text);
        }
        let found = Answers::read(&object);
        for (number, text) in expected.iter().enumerate() {
            assert_eq!(found.find(&format!("question {number}")), Some(&**text));
        }
        // Cut off anywhere, and with any byte instead.
        let at = cut.index(object.len() + 1);
        drop(Answers::read(&object[..at]));
        if let Some(byte) = object.get_mut(at) {
            *byte ^= 0x55;
        }
        drop(Answers::read(&object));
    });
}
