//! The tool at a terminal: columns, colours, the live screen of `top`, progress bars.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::terminal::Terminal;
use super::world::{TOOL, World};

/// The tool, to be run in a terminal.
fn tool(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command(TOOL);
    command.args(arguments);
    command
}

/// Some objects, of all kinds that look different.
fn objects(world: &World) {
    world.does(["create", "frames.0", "-s", "16M"]);
    world.does(["create", "audio", "-s", "300k"]);
    world.does(["create", "sparse", "-s", "10G", "--sparse"]);
    world.does(["create", "line\nbreak", "-s", "4k"]);
    world.does(["create", "日本語の名前", "-s", "64k"]);
    world.does(["create", &format!("a-long-name.{}", "0123456789".repeat(8)), "-s", "1M"]);
}

/// Escape sequences for colours and other styles end with `m`.
fn has_styles(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let sequences = text.split("\x1b[").skip(1);
    sequences
        .filter_map(|rest| rest.find(|c: char| c.is_ascii_alphabetic()).map(|at| &rest[..=at]))
        .any(|sequence| sequence.ends_with('m') && sequence != "0m" && sequence != "m")
}

#[test]
fn columns_are_aligned_for_people() {
    let Some(world) = World::new() else { return };
    objects(&world);
    let expected = [
        "MODE       OWNER  GROUP         SIZE  PATH",
        "rw-------  root   root       1048576  /a-long-name.012345678901234567890123456789\
         01234567890123456789012345678901234567890123456789",
        "rw-------  root   root        307200  /audio",
        "rw-------  root   root      16777216  /frames.0",
        r"rw-------  root   root          4096  $'/line\nbreak'",
        "rw-------  root   root   10737418240  /sparse",
        "rw-------  root   root         65536  /日本語の名前",
    ];
    let terminal = Terminal::of(tool(&world, &["ls"]), 160, 24);
    assert_eq!(terminal.lines()[..expected.len()], expected);
    let terminal = Terminal::of(tool(&world, &["stat", "audio", "frames.0"]), 80, 40);
    let lines = terminal.lines();
    assert_eq!(lines[0], "path     /audio");
    assert!(lines[13].is_empty() && lines[14] == "path     /frames.0", "{lines:#?}");
}

/// Whoever has 80 columns sees a row in one line, unless the name is long.
#[test]
fn rows_fit_a_small_terminal() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames", "-s", "10G", "--sparse"]);
    let _users: Vec<_> = (0..9).map(|_| world.user("open", "frames")).collect();
    let terminal = Terminal::of(tool(&world, &["df"]), 80, 24);
    let lines = terminal.lines();
    assert_eq!(lines[0], "SIZE  USED  AVAIL  USE%  OBJECTS  NAMED  OTHER  PATH");
    assert_eq!(lines[1], " 64M     0    64M    0%        1      0      0  /dev/shm");
    assert_eq!(lines[2], "");
    let orphans = ["orphans", "--all", "--assume-all-visible"];
    let terminal = Terminal::of(tool(&world, &orphans), 80, 24);
    let lines = terminal.lines();
    assert_eq!(lines[0], "STATE  OWNER  SIZE  MEMORY  USERS                       PATH");
    assert!(lines[1].starts_with("used   root    10G       0  "), "{lines:#?}");
    assert!(lines[1].ends_with("…  /frames"), "{lines:#?}");
    assert_eq!(lines[2], "no orphans");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames"]);
    let run = |arguments: &[&str], variable: Option<(&str, &str)>| {
        let mut command = tool(&world, arguments);
        command.envs(variable);
        Terminal::of(command, 80, 24).bytes.clone()
    };
    let orphans = ["orphans", "--assume-all-visible", "--min-age=0"];
    for arguments in [&["ls"][..], &orphans, &["top", "--once"], &["rm", "none"], &["--help"]] {
        assert!(has_styles(&run(arguments, None)), "{arguments:?} has no colours");
        for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let bytes = run(arguments, Some(variable));
            assert!(!has_styles(&bytes), "{arguments:?} has colours in spite of {variable:?}");
        }
        let ran = world.tool(arguments);
        let piped = [ran.output, ran.errors].concat();
        assert!(!piped.contains('\x1b'), "{arguments:?} has colours in a pipe");
    }
}

#[test]
fn top_fills_the_screen_and_gives_it_back() {
    let Some(world) = World::new() else { return };
    objects(&world);
    let _users = [world.user("map", "frames.0"), world.user("open-deleted", "audio")];
    for (columns, lines) in [(80, 24), (160, 24), (40, 10)] {
        let mut terminal = Terminal::new(tool(&world, &["top"]), columns, lines);
        terminal.wait_for("q quit");
        let shown = terminal.lines();
        let size = usize::from(columns);
        assert!(shown[0].starts_with("/dev/shm  64M size, 17M used (28%), 47M"), "{shown:#?}");
        if size >= 80 {
            assert_eq!(shown[1], "5 objects 17M, 1 deleted 300k");
            let heading = "  SIZE  MEMORY  OWNER     MAPS  OPEN  NAME";
            assert!(shown[3].starts_with(heading) && shown[3].ends_with("USERS"), "{shown:#?}");
            let line = "   16M     16M  root         1     0  /frames.0  ";
            assert!(shown[4].starts_with(line) && shown[4].ends_with(" user"), "{shown:#?}");
            let line = "  300k    300k  root         0     1  /audio (deleted)";
            assert!(shown[6].starts_with(line) && shown[6].ends_with(" user"), "{shown:#?}");
            assert!(shown[8].ends_with(r"  $'/line\nbreak'"), "{shown:#?}");
            assert!(shown[10..23].iter().all(String::is_empty), "{shown:#?}");
        }
        let long = &shown[5];
        let is_whole = long.contains(&"0123456789".repeat(8));
        assert_eq!(is_whole, size == 160, "{shown:#?}");
        assert_eq!(long.contains('…'), size < 160, "{shown:#?}");
        let keys = "by memory   q quit  m memory  s size  n name  arrows scroll";
        if size < 80 {
            // As much of the names as the users leave, whose numbers may have more digits.
            assert!(shown[3].starts_with("  SIZE  MEMORY  NAME     "), "{shown:#?}");
            assert!(shown[6].starts_with("  300k    300k  /audio (d"), "{shown:#?}");
            assert_eq!(shown[9], "1-5 of 6, by memory   q quit  m memory …");
        } else {
            assert_eq!(shown[23], keys);
        }
        assert!(terminal.screen().alternate_screen() && terminal.screen().hide_cursor());
        terminal.types("q");
        assert_eq!(terminal.end().code(), Some(0));
        gives_back(&terminal);
    }
}

/// The screen is as it was before.
#[track_caller]
fn gives_back(terminal: &Terminal) {
    let screen = terminal.screen();
    assert!(!screen.alternate_screen(), "the screen is not given back");
    assert!(!screen.hide_cursor(), "the cursor stays hidden");
    assert_eq!(screen.contents().trim(), "", "something is left on the screen");
}

#[test]
fn top_gives_the_screen_back_to_a_signal() {
    let Some(world) = World::new() else { return };
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        let mut terminal = Terminal::new(tool(&world, &["top"]), 80, 24);
        terminal.wait_for("q quit");
        terminal.signal(signal);
        let status = terminal.end();
        assert_eq!(status.signal(), Some(signal), "{status}");
        gives_back(&terminal);
    }
    let mut terminal = Terminal::new(tool(&world, &["top"]), 80, 24);
    terminal.wait_for("q quit");
    terminal.types("\x03");
    let status = terminal.end();
    assert_eq!(status.signal(), Some(libc::SIGINT), "{status}");
    gives_back(&terminal);
}

#[test]
fn top_stops_and_goes_on() {
    let Some(world) = World::new() else { return };
    let mut terminal = Terminal::new(tool(&world, &["top"]), 80, 24);
    terminal.wait_for("q quit");
    terminal.types("\x1a");
    terminal.wait_until("it does not stop", |it| !it.screen().alternate_screen());
    terminal.continues();
    terminal.wait_until("it does not go on", |it| it.screen().alternate_screen());
    terminal.wait_for("q quit");
    // Stopped from outside, and something else draws.
    terminal.signal(libc::SIGSTOP);
    terminal.draws("\x1b[?1049l\x1b[?25h");
    terminal.continues();
    terminal.wait_until("it does not go on again", |it| it.screen().alternate_screen());
    terminal.wait_until("the screen is not drawn", |it| it.lines()[23].contains("q quit"));
    terminal.types("q");
    terminal.end();
    gives_back(&terminal);
}

#[test]
fn top_follows_what_happens() {
    let Some(world) = World::new() else { return };
    world.does(["create", "one", "-s", "1M"]);
    world.does(["create", "two", "-s", "2M", "--sparse"]);
    let mut terminal = Terminal::new(tool(&world, &["top", "-d", "0.1"]), 80, 24);
    terminal.wait_until("by memory", |it| it.lines()[4].ends_with("/one"));
    terminal.types("s");
    terminal.wait_until("by size", |it| it.lines()[4].ends_with("/two"));
    terminal.types("n");
    terminal.wait_until("by name", |it| it.lines()[4].ends_with("/one"));
    world.does(["create", "a-new-one", "-s", "1"]);
    terminal.wait_until("a new object", |it| it.lines()[4].ends_with("/a-new-one"));
    let user = world.user("map", "a-new-one");
    terminal.wait_until("its user", |it| it.lines()[4].ends_with(" user"));
    drop(user);
    world.does(["rm", "a-new-one"]);
    terminal.wait_until("it is gone", |it| it.lines()[4].ends_with("/one"));
    // Nothing is left of a larger screen, and nothing is outside of a smaller one.
    terminal.resize(50, 6);
    terminal.wait_until("a small window", |it| it.lines()[5].starts_with("1-1 of 2, by name"));
    terminal.types("j");
    terminal.wait_until("one line down", |it| it.lines()[4].ends_with("/two"));
    terminal.types("k");
    terminal.wait_until("one line up", |it| it.lines()[4].ends_with("/one"));
    terminal.types("\x1b[F");
    terminal.wait_until("the end", |it| it.lines()[4].ends_with("/two"));
    terminal.types("\x1b[H");
    terminal.wait_until("the start", |it| it.lines()[4].ends_with("/one"));
    terminal.resize(120, 30);
    terminal.wait_until("a large window", |it| it.lines()[29].starts_with("by name   q quit"));
    assert!(terminal.lines()[6..29].iter().all(String::is_empty), "{:#?}", terminal.lines());
    terminal.types("q");
    terminal.end();
}

#[test]
fn bytes_are_for_people_at_a_terminal() {
    let Some(world) = World::new() else { return };
    let mut load = world.command(TOOL);
    load.args(["load", "text"]);
    assert_eq!(super::world::Ran::with_input(&mut load, b"hello").code, 0);
    let terminal = Terminal::of(tool(&world, &["dump", "text"]), 80, 24);
    let line = "00000000  68 65 6c 6c 6f                                    |hello|";
    assert_eq!(terminal.lines()[..2], [line, "00000005"]);
    let terminal = Terminal::of(tool(&world, &["dump", "--raw", "text"]), 80, 24);
    assert_eq!(terminal.lines()[0], "hello");
}

#[test]
fn long_work_shows_its_progress_at_a_terminal() {
    let Some(world) = World::new() else { return };
    world.does(["create", "long", "-s", "300M", "--sparse"]);
    world.does(["create", "short", "-s", "1M"]);
    let dump = |name: &str| Terminal::of(tool(&world, &["dump", name, "-o", "/dev/null"]), 80, 24);
    let long = dump("long");
    let drawn = String::from_utf8_lossy(&long.bytes);
    assert!(drawn.contains("dump") && drawn.contains("/300.00 MiB"), "{drawn}");
    assert_eq!(long.screen().contents().trim(), "", "the bar is left on the screen");
    assert_eq!(dump("short").bytes, b"", "short work has a bar");
    let ran = world.tool(["dump", "long", "-o", "/dev/null"]);
    assert_eq!((ran.code, &*ran.errors), (0, ""), "a bar without a terminal");
}
