//! `dump` and `load`.

use std::process::Stdio;

use super::world::{Ran, TOOL, World};

#[test]
fn what_was_loaded_is_dumped() {
    let Some(world) = World::new() else { return };
    let mut load = world.command(TOOL);
    let ran = Ran::with_input(load.args(["load", "text", "-m", "644"]), b"hello, world\n");
    assert_eq!((ran.code, &*ran.errors, &*ran.output), (0, "", ""));
    assert_eq!(world.does(["dump", "text"]), "hello, world\n");
    assert_eq!(world.does(["dump", "text", "text", "--length", "6"]), "hello,hello,");
    assert_eq!(world.does(["dump", "text", "--skip", "7", "--length=5"]), "world");
    assert_eq!(world.does(["dump", "text", "--skip", "1k"]), "");
    assert!(world.does(["ls"]).contains("rw-r--r--\troot\troot\t13\t/text\n"));

    // From a file, and to one; the object is as long as the file.
    let script = format!(
        "cd /tmp && d=$(mktemp -d) && cd $d && seq 300000 >in && {TOOL} load numbers in &&
         {TOOL} dump numbers -o out && cmp in out && {TOOL} dump numbers | cmp in - &&
         tail -c 5 in | {TOOL} load end - && {TOOL} load part --if-exists fail <in &&
         {TOOL} dump part | cmp in - && rm -r $d"
    );
    let ran = Ran::of(world.command("sh").args(["-c", &script]));
    assert_eq!((ran.code, &*ran.errors), (0, ""), "{ran:?}");
    assert_eq!(world.does(["dump", "end"]), "0000\n");
}

#[test]
fn an_empty_object_can_be_loaded_and_dumped() {
    let Some(world) = World::new() else { return };
    world.does(["load", "empty", "/dev/null"]);
    assert_eq!(world.does(["dump", "empty"]), "");
    assert_eq!(world.does(["dump", "--hex", "empty"]), "00000000\n");
}

#[test]
fn bytes_are_shown_in_hexadecimal() {
    let Some(world) = World::new() else { return };
    let bytes: Vec<u8> = (0..=20).chain([b'|'; 3]).chain([0; 100]).collect();
    let mut load = world.command(TOOL);
    assert_eq!(Ran::with_input(load.args(["load", "bytes"]), &bytes).code, 0);
    let expected = "\
00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|
00000010  10 11 12 13 14 7c 7c 7c  00 00 00 00 00 00 00 00  |.....|||........|
00000020  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
00000070  00 00 00 00 00 00 00 00  00 00 00 00              |............|
0000007c
";
    assert_eq!(world.does(["dump", "-x", "bytes"]), expected);
    let part = "00000012  12 13 14                                          |...|\n00000015\n";
    assert_eq!(world.does(["dump", "-x", "bytes", "--skip=18", "--length=3"]), part);
}

#[test]
fn a_hole_is_read_as_zeros_and_takes_no_memory() {
    let Some(world) = World::new() else { return };
    world.does(["create", "sparse", "-s", "200M", "--sparse"]);
    let script = format!("{TOOL} dump sparse | tr -d '\\0' | wc -c");
    assert_eq!(Ran::of(world.command("sh").args(["-c", &script])).output.trim(), "0");
    assert!(world.does(["stat", "sparse"]).contains("\nmemory\t0\n"));
}

#[test]
fn a_failed_load_leaves_nothing() {
    let Some(world) = World::new() else { return };
    world.does(["create", "taken", "-s", "7"]);
    let exists = "create \"/taken\": File exists (os error 17); --if-exists replace puts a new \
                  object in its place";
    world.fails(&["load", "taken", "/dev/null"], 1, exists);
    world.fails(
        &["load", "new", "/no/such/file"],
        1,
        "open \"/no/such/file\": No such file or directory (os error 2)",
    );
    world.fails(&["load", "new", "/dev"], 1, "read \"/dev\": it is a directory");
    // More than there is room for, of a length that is known and of one that is not.
    let long = "cd /tmp && d=$(mktemp -d) && cd $d && truncate -s 100M long";
    for (load, expected) in [
        (
            "load new long",
            "posix-shm: reserve 104857600 bytes for \"/new\": No space left on device (os error \
             28); posix-shm df shows what is free, and posix-shm orphans what may be removed; in \
             a container, raise --shm-size\n",
        ),
        (
            "load new /dev/zero",
            "posix-shm: load /new: No space left on device (os error 28); posix-shm df shows what \
             is free\n",
        ),
    ] {
        let script = format!("{long} && {TOOL} {load}; s=$?; rm -r $d; exit $s");
        let ran = Ran::of(world.command("sh").args(["-c", &script]));
        assert_eq!((ran.code, &*ran.errors), (1, expected));
        let left = world.does(["ls"]);
        assert_eq!(left.lines().count(), 2, "only /taken is there: {left}");
        let room = world.does(["df", "-h"]);
        assert!(room.contains("64M\t4k\t64M\t1%\t1\t4k\t0\t"), "memory is lost: {room}");
    }
    let mut load = world.command(TOOL);
    load.args(["load", "taken", "--if-exists", "replace"]);
    assert_eq!(Ran::with_input(&mut load, b"new").code, 0);
    assert_eq!(world.does(["dump", "taken"]), "new");
}

#[test]
fn dump_says_which_side_fails() {
    let Some(world) = World::new() else { return };
    world.does(["create", "a", "-s", "4k"]);
    let missing = "open \"/none\": No such file or directory (os error 2); posix-shm ls shows the \
                   names";
    let ran = world.tool(["dump", "none", "a", "-o", "/dev/null"]);
    assert_eq!((ran.code, ran.errors), (1, format!("posix-shm: {missing}\n")));
    world.fails(
        &["dump", "a", "-o", "/no/such/file"],
        1,
        "create \"/no/such/file\": No such file or directory (os error 2)",
    );
    let full = "write \"/dev/full\": No space left on device (os error 28)";
    world.fails(&["dump", "a", "-o", "/dev/full"], 1, full);
}

#[test]
fn nobody_complains_if_the_reader_has_gone() {
    let Some(world) = World::new() else { return };
    // More than a pipe holds, and no two lines are the same.
    let numbers: String = (0..300_000).map(|n| format!("{n}\n")).collect();
    let mut load = world.command(TOOL);
    assert_eq!(Ran::with_input(load.args(["load", "long"]), numbers.as_bytes()).code, 0);
    for arguments in [&["dump", "long"][..], &["dump", "-x", "long"]] {
        let mut dump = world.command(TOOL);
        dump.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = dump.spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let errors = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), &*errors), (Some(0), ""), "{arguments:?}");
    }
}
