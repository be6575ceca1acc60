//! `orphans`: what it proves, and what it refuses to guess.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::world::{Ran, TOOL, World};
use crate::common::skip;

/// The state of an object, as `orphans` tells it.
#[track_caller]
fn state(world: &World, name: &str, arguments: &[&str]) -> String {
    let all = ["orphans", "--json", "--all", "--assume-all-visible", "--min-age=0"];
    let ran = world.tool(all.iter().chain(arguments));
    let json: Value = serde_json::from_str(&ran.output).unwrap_or_else(|_| panic!("{ran:?}"));
    let objects = json.as_array().unwrap();
    let found = objects.iter().find(|object| object["name"] == name);
    let state = found.map_or("missing", |object| object["state"].as_str().unwrap());
    assert_eq!(ran.code, if state == "unknown" { 3 } else { 0 }, "{ran:?}");
    state.to_owned()
}

const VISIBLE: [&str; 3] = ["orphans", "--assume-all-visible", "--min-age=0"];

#[test]
fn every_kind_of_use_is_found() {
    let Some(world) = World::new() else { return };
    for how in ["open", "map", "present", "in-a-thread"] {
        if how != "present" {
            world.does(["create", "frames", "-s", "8k"]);
            assert_eq!(state(&world, "/frames", &[]), "orphan", "before {how}");
        }
        let user = world.user(how, "frames");
        assert_eq!(state(&world, "/frames", &[]), "used", "{how}");
        let ran = world.tool(VISIBLE.iter().chain(&["--remove"]));
        assert_eq!((ran.code, &*ran.output, &*ran.errors), (0, "", "no orphans\n"), "{how}");
        drop(user);
        assert_eq!(state(&world, "/frames", &[]), "orphan", "after {how}");
        world.does(["rm", "frames"]);
    }
}

#[test]
fn the_users_are_named() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames", "-s", "8k"]);
    let _users = [world.user("open", "frames"), world.user("map", "frames")];
    let ran = world.tool(VISIBLE.iter().chain(&["frames"]));
    let line = ran.output.lines().nth(1).unwrap();
    let users = line.strip_prefix("used\troot\t8192\t8192\t").unwrap();
    let users = users.strip_suffix("\t/frames").unwrap();
    assert_eq!(users.split(", ").filter(|user| user.ends_with(" (user)")).count(), 2, "{ran:?}");
    let ran = world.tool(VISIBLE.iter().chain(&["frames", "--json"]));
    let json: Value = serde_json::from_str(&ran.output).unwrap();
    let users = json[0]["users"].as_array().unwrap();
    let how: Vec<_> = users.iter().map(|user| (&user["open"], &user["mapped"])).collect();
    let [yes, no] = [Value::Bool(true), Value::Bool(false)];
    // `map` has closed its descriptor.
    assert_eq!(how, [(&yes, &no), (&no, &yes)], "{json:#}");
    assert_eq!(users[0]["command"], "user");
}

/// Whether the kernel lets this user follow the link of a mapping, as it lets root of the first
/// namespace.
fn may_look_into_mappings() -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let range = maps.split(' ').next().unwrap();
    std::fs::metadata(format!("/proc/self/map_files/{range}")).is_ok()
}

#[test]
fn objects_that_have_lost_their_names_are_found() {
    let Some(world) = World::new() else { return };
    for how in ["open-deleted", "map-deleted"] {
        world.does(["create", "line\nbreak", "-s", "2M"]);
        let user = world.user(how, "line\nbreak");
        let ran = world.tool(VISIBLE.iter().chain(&["-h"]));
        let line = ran.output.lines().nth(1).unwrap_or_default();
        let expected = match (how, may_look_into_mappings()) {
            ("map-deleted", false) => "deleted\t?\t?\t?\t",
            _ => "deleted\troot\t2M\t2M\t",
        };
        assert!(line.starts_with(expected), "{how}: {ran:?}");
        assert!(line.ends_with(" (user)\t$'/line\\nbreak'"), "{how}: {ran:?}");
        assert_eq!(ran.code, 0, "{how}: {ran:?}");
        drop(user);
        let ran = world.tool(VISIBLE);
        assert_eq!((&*ran.output, &*ran.errors), ("", "no orphans\n"), "{how}");
    }
}

#[test]
fn what_is_on_its_way_may_be_of_any_object() {
    let Some(world) = World::new() else { return };
    world.does(["create", "sent", "-s", "8k"]);
    let user = world.user("send", "sent");
    let ran = world.tool(VISIBLE);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.output.contains("\nunknown\troot\t8192\t8192\t?\t/sent\n"), "{ran:?}");
    let told = "1 unknown object: no process was found, but this is no proof:\n- descriptors are \
                on their way to process ";
    assert!(ran.errors.contains(told), "{ran:?}");
    let ran = world.tool(VISIBLE.iter().chain(&["--remove"]));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(world.does(["ls"]).contains("\t/sent\n"), "it was removed: {ran:?}");
    drop(user);
    assert_eq!(state(&world, "/sent", &[]), "orphan");
}

#[test]
fn only_remove_removes() {
    let Some(world) = World::new() else { return };
    world.does(["create", "a.1", "a.2", "b", "-s", "8k"]);
    let _user = world.user("map", "a.2");
    for dry in [&[][..], &["--dry-run"]] {
        let ran = world.tool(VISIBLE.iter().chain(dry));
        let expected = "STATE\tOWNER\tSIZE\tMEMORY\tUSERS\tPATH\n\
                        orphan\troot\t8192\t8192\t-\t/a.1\n\
                        orphan\troot\t8192\t8192\t-\t/b\n";
        let told = "2 orphans with 16k of memory; nothing was removed: --remove does that\n";
        assert_eq!((ran.code, &*ran.output, &*ran.errors), (0, expected, told));
    }
    let ran = world.tool(VISIBLE.iter().chain(&["--remove", "--dry-run"]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(world.does(["ls"]).lines().count(), 4, "nothing is removed yet");
    let ran = world.tool(VISIBLE.iter().chain(&["--remove", "--prefix", "/a."]));
    let expected = "STATE\tOWNER\tSIZE\tMEMORY\tUSERS\tPATH\nremoved\troot\t8192\t8192\t-\t/a.1\n";
    let told = "1 orphan removed, with 8k of memory\n";
    assert_eq!((ran.code, &*ran.output, &*ran.errors), (0, expected, told));
    let ran = world.tool(VISIBLE.iter().chain(&["--remove", "b", "/a.2", "none"]));
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = "posix-shm: no object is called /none; posix-shm ls shows the names\n";
    assert!(ran.errors.starts_with(told), "{ran:?}");
    // There is nothing to sum up.
    world.fails(&["orphans", "none"], 1, told.trim_start_matches("posix-shm: ").trim_end());
    assert!(ran.output.contains("\nremoved\troot\t8192\t8192\t-\t/b\n"), "{ran:?}");
    assert!(ran.output.contains("\nused\troot\t8192\t8192\t"), "{ran:?}");
    assert_eq!(world.does(["ls"]).lines().count(), 2, "only /a.2 is left");
}

#[test]
fn what_is_new_is_no_orphan_yet() {
    let Some(world) = World::new() else { return };
    world.does(["create", "young"]);
    let ran = world.tool(["orphans", "--assume-all-visible", "--remove", "--min-age", "1000000"]);
    let told = "no orphans\n1 new object: unused, but changed less than 1000000 seconds ago \
                (--min-age)\n";
    assert_eq!((ran.code, &*ran.errors), (0, told));
    assert!(ran.output.contains("\nnew\troot\t0\t0\t-\t/young\n"), "{ran:?}");
    assert_eq!(state(&world, "/young", &[]), "orphan");
}

#[test]
fn a_container_does_not_show_every_process() {
    let Some(world) = World::new() else { return };
    world.does(["create", "shared"]);
    let ran = world.tool(["orphans", "--min-age=0", "--remove"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.output.contains("\nunknown\troot\t0\t0\t?\t/shared\n"), "{ran:?}");
    let told = "1 unknown object: no process was found, but this is no proof:\n\
                - processes outside of this container may use the objects, and /proc does not show \
                them; run this outside, or use --assume-all-visible if /dev/shm belongs to this \
                container alone\n";
    assert_eq!(ran.errors, told);
    assert!(world.does(["ls"]).contains("\t/shared\n"), "it was removed");
}

#[test]
fn without_proc_it_refuses_to_guess() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames"]);
    let hides = "mount -t tmpfs none /proc && exec \"$@\"";
    let mut command = world.command("unshare");
    command.args(["--mount", "sh", "-c", hides, "sh", TOOL]);
    let ran = Ran::of(command.args(VISIBLE).arg("--remove"));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.errors.contains("- this system has no /proc that tells who uses what"), "{ran:?}");
    // Presence needs no /proc.
    assert_eq!(world.does(["ls"]).lines().count(), 2, "it was removed: {ran:?}");
}

#[test]
fn hidden_processes_are_not_forgotten() {
    let Some(world) = World::new() else { return };
    let Some(mut orphans) = world.tool_of_nobody() else { return };
    world.does(["create", "shared", "-m", "666"]);
    let mut mount = world.command("mount");
    assert_eq!(Ran::of(mount.args(["-o", "remount,hidepid=2", "/proc"])).code, 0);
    let ran = Ran::of(orphans.args(["orphans", "--min-age=0", "--remove"]));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.output.contains("\nunknown\troot\t0\t0\t?\t/shared\n"), "{ran:?}");
    let told = "- /proc hides processes of other users (hidepid); run this as root\n";
    assert!(ran.errors.ends_with(told), "{ran:?}");
}

#[test]
fn nobody_may_not_look_at_every_process() {
    let Some(world) = World::new() else { return };
    let Some(mut create) = world.tool_of_nobody() else { return };
    assert_eq!(Ran::of(world.command("chmod").args(["1777", "/dev/shm"])).code, 0);
    assert_eq!(Ran::of(create.args(["create", "mine"])).code, 0);
    world.does(["create", "secret"]);
    let run = |arguments: &[&str]| {
        let mut command: Command = world.tool_of_nobody()?;
        Some(Ran::of(command.args(VISIBLE).args(arguments)))
    };
    let Some(ran) = run(&["--remove"]) else { return };
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.output.contains("\nunknown\tnobody\t0\t0\t?\t/mine\n"), "{ran:?}");
    assert!(ran.output.contains("\nunknown\troot\t0\t0\t?\t/secret\n"), "{ran:?}");
    let told = "2 unknown objects: no process was found, but this is no proof:\n- this user may \
                not look at process 1 (cat); run this as root; if all programs that use these \
                objects hold presence, use --trust-presence\n";
    assert_eq!(ran.errors, told);
    // Who may not open an object cannot ask for presence.
    let ran = run(&["--remove", "--trust-presence"]).unwrap();
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.output.contains("\nremoved\tnobody\t0\t0\t-\t/mine\n"), "{ran:?}");
    assert!(ran.output.contains("\nunknown\troot\t0\t0\t?\t/secret\n"), "{ran:?}");
    let told = "- this user may not open it, so whether a process is present cannot be asked\n";
    assert!(ran.errors.ends_with(told), "{ran:?}");
}

#[test]
fn presence_counts_where_processes_cannot_be_looked_at() {
    let Some(world) = World::new() else { return };
    assert_eq!(Ran::of(world.command("chmod").args(["1777", "/dev/shm"])).code, 0);
    world.does(["create", "frames", "-m", "666"]);
    let user = world.user("present", "frames");
    let run = || {
        let mut command: Command = world.tool_of_nobody()?;
        Some(Ran::of(command.args(VISIBLE).args(["--trust-presence", "--remove", "frames"])))
    };
    let Some(ran) = run() else { return };
    assert_eq!((ran.code, &*ran.errors), (0, "no orphans\n"), "{ran:?}");
    assert!(ran.output.contains("\nused\troot\t0\t0\tpresent\t/frames\n"), "{ran:?}");
    drop(user);
    // It is unused, but root's: it cannot be removed.
    let ran = run().unwrap();
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = "posix-shm: unlink \"/frames\": Operation not permitted (os error 1); only its \
                owner and root can remove it\n";
    assert!(ran.errors.starts_with(told), "{ran:?}");
    assert!(ran.output.contains("\norphan\troot\t0\t0\t-\t/frames\n"), "{ran:?}");
}

#[test]
fn a_process_that_may_not_be_looked_at_can_be_ruled_out_by_hand() {
    let Some(world) = World::new() else { return };
    let Some(mut create) = world.tool_of_nobody() else { return };
    assert_eq!(Ran::of(world.command("chmod").args(["1777", "/dev/shm"])).code, 0);
    assert_eq!(Ran::of(create.args(["create", "mine"])).code, 0);
    // Only the first process, and those that start this one, are not nobody's own.
    let mut command: Command = world.tool_of_nobody().unwrap();
    let ran = Ran::of(command.args(VISIBLE).arg("--ignore-pid=1"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.output.contains("\norphan\tnobody\t0\t0\t-\t/mine\n"), "{ran:?}");
}

/// What may be done about a process that root may not look at, as in a container.
#[test]
fn root_without_the_capability_can_trust_presence() {
    let Some(world) = World::new() else { return };
    let Some(mut shell) = world.shell_of_nobody("exec cat") else { return };
    world.does(["create", "mine"]);
    // A process of another user, since root may look at its own.
    let mut other = shell.stdin(Stdio::piped()).spawn().unwrap();
    let wait = "until [ \"$(pgrep -u 65534 cat)\" ]; do sleep 0.01; done";
    assert_eq!(Ran::of(world.command("sh").args(["-c", wait])).code, 0);
    let run = |arguments: &[&str]| {
        let mut command = world.command("setpriv");
        command.args(["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", TOOL]);
        Ran::of(command.args(VISIBLE).args(arguments))
    };
    let ran = run(&[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let told = " (cat); root needs CAP_SYS_PTRACE for it; if you are sure that such a process \
                uses none of the objects, name it with --ignore-pid; if all programs that use \
                these objects hold presence, use --trust-presence\n";
    assert!(ran.errors.ends_with(told), "{ran:?}");
    let ran = run(&["--trust-presence", "mine"]);
    assert!(ran.output.contains("\norphan\troot\t0\t0\t-\t/mine\n"), "{ran:?}");
    assert_eq!(ran.code, 0, "{ran:?}");
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
}

/// The threads of the kernel use no objects, and there are many that nobody may look at.
#[test]
fn threads_of_the_kernel_are_no_processes() {
    let Some(world) = World::new() else { return };
    let Some(mut orphans) = world.tool_of_nobody_among_all("orphans --min-age=0") else { return };
    if !std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        return skip("this machine hides the threads of the kernel");
    }
    world.does(["create", "shared", "-m", "666"]);
    let ran = Ran::of(&mut orphans);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.errors.contains("- this user may not look at "), "{ran:?}");
    assert!(!ran.errors.contains("2 (kthreadd)"), "{ran:?}");
}
