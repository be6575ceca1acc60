//! `create`, `rm`, `truncate` and `chmod`.

use super::world::{Ran, World};

/// The mode and the size of an object, as `ls` shows them.
#[track_caller]
fn listed(world: &World, name: &str) -> Option<(String, u64)> {
    let text = world.does(["ls"]);
    let fields = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let found = fields.into_iter().find(|fields| fields[4] == name)?;
    Some((found[0].to_owned(), found[3].parse().unwrap()))
}

#[test]
fn sizes_are_read_with_units() {
    let Some(world) = World::new() else { return };
    let sizes = [
        ("0", 0),
        ("5000", 5000),
        ("4k", 4096),
        ("4K", 4096),
        ("3M", 3 << 20),
        ("3m", 3 << 20),
        ("2G", 2 << 30),
        ("1T", 1 << 40),
        ("16MiB", 16 << 20),
        ("16Mi", 0),
        ("4KB", 0),
        ("", 0),
        ("k", 0),
        ("-1", 0),
        ("1.5M", 0),
        ("99999999999999999999", 0),
        ("8E", 0),
    ];
    for (text, size) in sizes {
        let ran = world.tool(["create", "--sparse", "sized", &format!("--size={text}")]);
        if size > 0 || text == "0" {
            assert_eq!((ran.code, &*ran.errors), (0, ""), "{text}");
            assert_eq!(listed(&world, "/sized"), Some(("rw-------".into(), size)), "{text}");
            world.does(["rm", "sized"]);
        } else {
            assert_eq!(ran.code, 2, "{text}: {ran:?}");
            let helps = ["such as 64M", "no object can be so long"];
            assert!(helps.iter().any(|help| ran.errors.contains(help)), "{text}: {ran:?}");
            assert_eq!(listed(&world, "/sized"), None, "{text}");
        }
    }
}

#[test]
fn sizes_are_written_with_units() {
    let Some(world) = World::new() else { return };
    let sizes = [
        (0, "0"),
        (1023, "1023"),
        (1024, "1k"),
        (1536, "1.5k"),
        (5000, "4.9k"),
        (10 * 1024, "10k"),
        (10 * 1024 + 512, "11k"),
        (1023 * 1024, "1023k"),
        ((1 << 20) - 1, "1M"),
        (1 << 20, "1M"),
        ((1 << 30) - 1, "1G"),
        (3 << 30, "3G"),
        (1_u64 << 42, "4T"),
    ];
    for (size, shown) in sizes {
        world.does(["create", "--sparse", "sized", "-s", &size.to_string()]);
        let line = format!("rw-------\troot\troot\t{shown}\t/sized");
        assert_eq!(world.does(["ls", "-h"]).lines().nth(1), Some(&*line), "{size}");
        world.does(["rm", "sized"]);
    }
}

#[test]
fn create_takes_a_mode_and_says_what_to_do_about_an_object_that_exists() {
    let Some(world) = World::new() else { return };
    world.does(["create", "a", "b", "-m", "0666", "-s", "100"]);
    for name in ["/a", "/b"] {
        assert_eq!(listed(&world, name), Some(("rw-rw-rw-".into(), 100)), "the umask is no matter");
    }
    let ran = world.tool(["create", "a", "c"]);
    let expected = "posix-shm: create \"/a\": File exists (os error 17); --if-exists keep leaves \
                    it as it is, --if-exists replace puts a new object in its place\n";
    assert_eq!((ran.code, &*ran.errors), (1, expected));
    assert!(listed(&world, "/c").is_some(), "the others are created all the same");
    world.does(["create", "a", "--if-exists", "keep", "-s", "5"]);
    assert_eq!(listed(&world, "/a"), Some(("rw-rw-rw-".into(), 100)));
    world.does(["create", "a", "--if-exists", "replace", "-s", "5"]);
    assert_eq!(listed(&world, "/a"), Some(("rw-------".into(), 5)));
    for mode in ["888", "u+r", "17777", ""] {
        let ran = world.tool(["create", "d", &format!("--mode={mode}")]);
        assert_eq!(ran.code, 2, "{mode}: {ran:?}");
        assert!(ran.errors.contains("write it in octal, such as 640"), "{mode}: {ran:?}");
    }
}

#[test]
fn rm_removes_names() {
    let Some(world) = World::new() else { return };
    world.does(["create", "a", "b", "c"]);
    let ran = world.tool(["rm", "a", "none", "/b"]);
    let expected = "posix-shm: unlink \"/none\": No such file or directory (os error 2); posix-shm \
                    ls shows the names\n";
    assert_eq!((ran.code, &*ran.errors), (1, expected));
    assert_eq!(world.does(["ls"]).lines().count(), 2, "only /c is left");
    world.does(["rm", "-f", "none"]);
    world.does(["destroy", "c"]);
    assert_eq!(world.does(["ls"]).lines().count(), 1);
}

#[test]
fn rm_leaves_alone_what_a_process_is_present_on() {
    let Some(world) = World::new() else { return };
    let user = world.user("present", "frames");
    let message = "left /frames alone: a process is present on it";
    world.fails(&["rm", "--if-unused", "frames"], 3, message);
    drop(user);
    world.does(["rm", "--if-unused", "frames"]);
    assert_eq!(listed(&world, "/frames"), None);
}

#[test]
fn truncate_changes_the_size() {
    let Some(world) = World::new() else { return };
    world.does(["create", "a", "b"]);
    world.does(["truncate", "-s", "1M", "a", "b"]);
    for name in ["/a", "/b"] {
        assert_eq!(listed(&world, name).unwrap().1, 1 << 20);
    }
    assert!(world.does(["stat", "a"]).contains("\nmemory\t1048576\n"), "it has its memory");
    world.does(["truncate", "-s", "0", "a"]);
    world.does(["truncate", "--sparse", "-s", "10G", "a"]);
    assert!(world.does(["stat", "a"]).contains("\nmemory\t0\n"), "it has no memory yet");
    // FreeBSD's tool takes 0 for it.
    let ran = world.tool(["truncate", "b"]);
    assert_eq!((ran.code, listed(&world, "/b").unwrap().1), (2, 1 << 20), "{ran:?}");
    assert!(ran.errors.contains("--size <SIZE>"), "{ran:?}");
}

#[test]
fn chmod_takes_both_kinds_of_modes() {
    let Some(world) = World::new() else { return };
    world.does(["create", "a"]);
    let steps = [
        ("640", "rw-r-----"),
        ("0777", "rwxrwxrwx"),
        ("go-wx", "rwxr--r--"),
        ("u=rw,g=,o+w", "rw----rw-"),
        ("-w", "r-----r--"),
        ("a+x", "r-x--xr-x"),
        ("=r", "r--r--r--"),
        ("u+w", "rw-r--r--"),
    ];
    for (mode, letters) in steps {
        world.does(["chmod", mode, "a"]);
        assert_eq!(listed(&world, "/a").unwrap().0, letters, "after chmod {mode}");
    }
    for mode in ["", "9", "u", "u+q", "x+r", "u+r,", "10000"] {
        let ran = world.tool(["chmod", mode, "a"]);
        assert_eq!(ran.code, 2, "{mode:?}: {ran:?}");
        assert!(ran.errors.contains("or as chmod does, such as u=rw,g=r or o-w"), "{ran:?}");
    }
}

#[test]
fn nobody_may_not_change_what_others_own() {
    let Some(world) = World::new() else { return };
    world.does(["create", "theirs", "-m", "644", "-s", "10"]);
    let refused = [
        (
            vec!["rm", "theirs"],
            "unlink \"/theirs\": Operation not permitted (os error 1); only its owner and root \
             can remove it",
        ),
        (
            vec!["chmod", "666", "theirs"],
            "set the permissions of \"/theirs\": Operation not permitted (os error 1); only its \
             owner and root can change its mode",
        ),
        (
            vec!["truncate", "-s", "5", "theirs"],
            "open \"/theirs\": Permission denied (os error 13); posix-shm stat shows its owner \
             and its mode, which do not let this user do this",
        ),
    ];
    // As every system has it: others may not remove names.
    assert_eq!(Ran::of(world.command("chmod").args(["1777", "/dev/shm"])).code, 0);
    for (arguments, message) in refused {
        let Some(mut command) = world.tool_of_nobody() else { return };
        let ran = Ran::of(command.args(&arguments));
        assert_eq!((ran.code, ran.errors), (1, format!("posix-shm: {message}\n")));
    }
    let Some(mut create) = world.tool_of_nobody() else { return };
    let ran = Ran::of(create.args(["create", "mine"]));
    assert_eq!((ran.code, &*ran.errors), (0, ""));
    let nobodys = world.does(["ls", "-n"]);
    assert!(nobodys.contains("rw-------\t65534\t65534\t0\t/mine\n"), "{nobodys}");
}
