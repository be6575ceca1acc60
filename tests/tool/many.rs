//! 10 000 objects.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::terminal::Terminal;
use super::world::{TOOL, World};

const MANY: usize = 10_000;

/// As many objects, with names that sort as they count.
fn many(world: &World) {
    let names: Vec<_> = (0..MANY).map(|i| format!("many.{i:05}")).collect();
    world.does(["create"].into_iter().chain(names.iter().map(String::as_str)));
}

#[test]
fn every_command_can_do_with_many_objects() {
    let Some(world) = World::new() else { return };
    many(&world);
    let listed = world.does(["ls"]);
    assert_eq!(listed.lines().count(), 1 + MANY);
    let last = format!("rw-------\troot\troot\t0\t/many.{:05}", MANY - 1);
    assert_eq!(listed.lines().last(), Some(&*last));
    let json: Value = serde_json::from_str(&world.does(["ls", "--json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), MANY);
    assert!(world.does(["df"]).contains(&format!("\t{MANY}\t0\t0\t/dev/shm\n")));
    let _user = world.user("open", "many.00007");
    let top = world.does(["top", "--once"]);
    assert_eq!(top.lines().count(), 1 + MANY);
    assert!(top.lines().any(|line| line.starts_with("0\t0\troot\t0\t1\t/many.00007\t")));
    let mut command = world.command(TOOL);
    command.arg("top");
    let mut terminal = Terminal::new(command, 40, 10);
    terminal.wait_for("1-5 of 10000, by memory   q quit");
    assert_eq!(terminal.lines()[1], "10000 objects 0");
    terminal.types("\x1b[F");
    terminal.wait_for("9996-10000 of 10000, by memory   q quit");
    assert!(terminal.lines()[8].ends_with("/many.09999  -"), "{:#?}", terminal.lines());
    terminal.types("q");
    terminal.end();
    let ran = world.tool(["orphans", "--assume-all-visible", "--min-age=0", "--remove"]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    assert_eq!(ran.errors, format!("{} orphans removed, with 0 of memory\n", MANY - 1));
    assert_eq!(ran.output.lines().count(), MANY);
    let left = world.does(["ls"]);
    assert_eq!(left.lines().nth(1), Some("rw-------\troot\troot\t0\t/many.00007"));
    assert_eq!(left.lines().count(), 2);
}

/// As `posix-shm ls | head -n 1`.
#[test]
fn a_reader_may_go_after_the_first_line() {
    let Some(world) = World::new() else { return };
    many(&world);
    for arguments in [
        &["ls"][..],
        &["ls", "--json"],
        &["top", "--once"],
        &["orphans", "--assume-all-visible", "--min-age=0", "--json"],
    ] {
        let mut command = world.command(TOOL);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{arguments:?}");
        let ended = child.wait_with_output().unwrap();
        let errors = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), &*errors), (Some(0), ""), "{arguments:?}");
    }
}
