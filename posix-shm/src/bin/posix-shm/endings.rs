//! What ends the help of a command and its manual page: examples, and the exit codes.

use crate::exit::{FAILED, LEFT_ALONE, USAGE};
use crate::text::wrapped;

/// What to type for what. The tool itself is `posix-shm`.
pub(crate) fn examples(command: &str) -> &'static [(&'static str, &'static str)] {
    match command {
        "ls" => &[("Show all objects, with sizes for people", "posix-shm ls -h")],
        "stat" => &[
            ("Show everything about an object", "posix-shm stat -h frames"),
            ("See whether a process is present on it", "posix-shm stat frames | grep present"),
        ],
        "create" => &[
            ("Create an object of 16 MiB for its owner alone", "posix-shm create frames -s 16M"),
            ("Let a group read it too", "posix-shm create frames -s 16M -m 640"),
        ],
        "rm" => &[
            ("Remove an object", "posix-shm rm frames"),
            ("Remove it only if no process is present on it", "posix-shm rm --if-unused frames"),
        ],
        "truncate" => &[("Make an object 32 MiB long", "posix-shm truncate -s 32M frames")],
        "chmod" => &[
            ("Let the group read and write", "posix-shm chmod g+rw frames"),
            ("Let the owner alone do so", "posix-shm chmod 600 frames"),
        ],
        "dump" => &[
            ("Look at the first 256 bytes", "posix-shm dump --length 256 frames"),
            ("Save an object to a file", "posix-shm dump frames -o frames.bin"),
        ],
        "load" => &[
            ("Create an object from a file", "posix-shm load frames frames.bin"),
            (
                "Put new content in place of the old",
                "posix-shm load --if-exists replace frames < frames.bin",
            ),
        ],
        "df" => &[("See how full /dev/shm is", "posix-shm df -h")],
        "top" => &[
            ("Watch what fills /dev/shm", "posix-shm top"),
            ("Show it once, the largest first", "posix-shm top --once -h"),
        ],
        "orphans" => &[
            ("Show what may be left over from a crash", "posix-shm orphans"),
            ("Remove my leftovers, whose names I know", "posix-shm orphans --prefix my- --remove"),
            ("Show all objects and who uses them", "posix-shm orphans -a"),
        ],
        "completions" => {
            &[("Complete commands in this bash", "source <(posix-shm completions bash)")]
        }
        "man" => &[
            ("Read the page of a command", "posix-shm man top | man -l -"),
            ("Install all pages", "posix-shm man --dir /usr/local/share/man/man1"),
        ],
        _ => &[
            ("See what fills /dev/shm, the largest first", "posix-shm top --once -h"),
            ("See what is left over from a crash", "posix-shm orphans"),
            ("Remove an object", "posix-shm rm frames"),
        ],
    }
}

/// What the exit codes of a command mean.
pub(crate) fn exit_codes(command: &str) -> &'static [(u8, &'static str)] {
    const ALL: [(u8, &str); 4] = [
        (0, "Done"),
        (FAILED, "Something failed, for at least one object"),
        (USAGE, "The command line is wrong"),
        (LEFT_ALONE, "Nothing failed, but an object was left alone: it is in use, or may be"),
    ];
    match command {
        // These leave objects alone, and so does the tool itself.
        "rm" | "orphans" | "posix-shm" => &ALL,
        _ => &ALL[..3],
    }
}

/// Both, as `--help` shows them in so many columns.
pub(crate) fn ending(command: &str, columns: usize) -> String {
    let mut ending = String::from("Examples:\n");
    for (what, line) in examples(command) {
        ending += &format!("{}\n", indented("  ", &format!("{what}:"), columns));
        ending += &format!("{}\n", indented("      ", line, columns));
    }
    ending += "\nExit codes:";
    for (code, meaning) in exit_codes(command) {
        ending += &format!("\n{}", indented(&format!("  {code}  "), meaning, columns));
    }
    ending
}

/// A text behind something that only its first line has.
fn indented(before: &str, text: &str, columns: usize) -> String {
    let space = " ".repeat(before.len());
    let lines = wrapped(text, columns.saturating_sub(before.len()));
    format!("{before}{}", lines.join(&format!("\n{space}")))
}
