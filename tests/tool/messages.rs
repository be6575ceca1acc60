//! The exact texts of messages that no other test of the tool has, and the exit codes.

use super::world::{Ran, TOOL, World};

#[test]
fn messages_say_what_happened_on_what_and_what_to_do() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames", "-s", "8k"]);
    let long = "x".repeat(256);
    let too_long = format!(
        "name an object: \"{long}\" cannot be used: it has 256 bytes after the slash, and the \
         limit is 255"
    );
    let none = "open \"/none\": No such file or directory (os error 2); posix-shm ls shows the \
                names";
    for (arguments, message) in [
        (&["stat", "none"][..], none),
        (&["dump", "none"], none),
        (&["chmod", "600", "none"], none),
        (&["truncate", "-s", "1", "none"], none),
        (&["rm", "--if-unused", "none"], none),
        (&["stat", ""], "name an object: \"\" cannot be used: it is empty"),
        (
            &["rm", "a/b"],
            "name an object: \"a/b\" cannot be used: it has a slash after its first byte, and \
             there are no folders",
        ),
        (
            &["rm", "/dev/shm/frames"],
            "name an object: \"/dev/shm/frames\" cannot be used: it has a slash after its first \
             byte, and there are no folders; write only the name, /frames",
        ),
        (&["create", &long], &too_long),
        (
            &["create", "big", "-s", "1G"],
            "reserve 1073741824 bytes for \"/big\": No space left on device (os error 28); \
             posix-shm df shows what is free, and posix-shm orphans what may be removed; in a \
             container, raise --shm-size",
        ),
        (
            &["truncate", "-s", "1G", "frames"],
            "grow \"/frames\" from 8192 to 1073741824 bytes: No space left on device (os error \
             28); posix-shm df shows what is free, and posix-shm orphans what may be removed; in a \
             container, raise --shm-size",
        ),
    ] {
        world.fails(arguments, 1, message);
    }
}

#[test]
fn top_needs_a_terminal() {
    let Some(world) = World::new() else { return };
    let told = "top draws on a terminal; posix-shm top --once prints all objects";
    world.fails(&["top"], 2, told);
}

/// Not the line break, so that the text is what a person reads.
#[test]
fn wrong_command_lines_have_a_code_of_their_own() {
    let Some(world) = World::new() else { return };
    for arguments in [
        &[][..],
        &["no-such-command"],
        &["ls", "--no-such-option"],
        &["ls", "name"],
        &["create"],
        &["rm"],
        &["dump", "--hex", "--raw", "a"],
        &["top", "--delay", "0"],
        &["top", "--delay", "often"],
        &["top", "--json", "--delay", "1"],
        &["top", "--once", "--delay", "1"],
        &["rm", "-h"],
        &["man", "nothing"],
        &["completions", "no-such-shell"],
        &["create", "a", "--if-exists", "perhaps"],
        &["load", "a", "--if-exists", "keep"],
    ] {
        let ran = world.tool(arguments);
        assert_eq!((ran.code, &*ran.output), (2, ""), "{arguments:?}: {ran:?}");
        assert!(ran.errors.contains("Usage: ") || ran.errors.contains("--help"), "{ran:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let Some(world) = World::new() else { return };
    for arguments in ["ls", "df", "top --once", "man", "completions bash", "ls --json"] {
        let script = format!("{TOOL} {arguments} >/dev/full");
        let ran = Ran::of(world.command("sh").args(["-c", &script]));
        let message = "posix-shm: write the output: No space left on device (os error 28)\n";
        assert_eq!((ran.code, &*ran.errors), (1, message), "{arguments}");
    }
}

#[test]
fn streams_may_be_closed() {
    let Some(world) = World::new() else { return };
    for (script, code) in [("ls >&- 2>&-", 0), ("rm none 2>&-", 1), ("nothing 2>&-", 2)] {
        let script = format!("{TOOL} {script}");
        let ran = Ran::of(world.command("sh").args(["-c", &script]));
        assert_eq!((ran.code, &*ran.errors), (code, ""), "{script}");
    }
}
