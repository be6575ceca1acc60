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

/// Two names that differ at their ends, and what they belong to.
const ALIKE: [&str; 2] = ["container-buf.ah23ioqwe5tan3oj", "container-buf.ah23ioqwe5tan4pk"];

/// The widths of terminals that people have, and one that they seldom have.
const WIDTHS: [u16; 5] = [20, 40, 60, 80, 132];

/// A name is broken by the terminal, and so can be copied. Everything else stays in its line.
#[test]
fn rows_fit_every_terminal() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames", "-s", "10G", "--sparse"]);
    let long = format!("a-long-name.{}", "0123456789".repeat(8));
    world.does(["create", &long, "-s", "1M"]);
    for columns in WIDTHS {
        for arguments in [&["ls"][..], &["ls", "-h"], &["orphans", "-a"], &["stat", &long]] {
            let terminal = Terminal::of(tool(&world, arguments), columns, 60);
            let text = terminal.screen().contents();
            let at = |text: &str| format!("{arguments:?} in {columns} columns: {text}");
            let path = format!("/{long}");
            assert_eq!(text.matches(&path).count(), 1, "{}", at(&text));
            // Only a long name or option is broken.
            for line in text.lines().filter(|line| line.chars().count() > columns.into()) {
                let word = line.split(' ').next_back().unwrap_or_default();
                assert!(word.len() > 20 || *arguments == ["stat", &long], "{}", at(line));
                assert!(line.len() - word.len() <= usize::from(columns), "{}", at(line));
            }
        }
    }
}

#[test]
fn columns_make_room_in_a_narrow_terminal() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames", "-s", "10G", "--sparse"]);
    world.does(["create", ALIKE[0], "-s", "1M"]);
    let shows = |arguments: &[&str], columns: u16, expected: &[&str]| {
        let lines = Terminal::of(tool(&world, arguments), columns, 24).lines();
        assert_eq!(lines[..expected.len()], *expected, "{arguments:?} in {columns} columns");
        assert_eq!(lines[expected.len()], "", "{arguments:?} in {columns} columns");
    };
    let expected = [
        "SIZE  USED  AVAIL  USE%  OBJECTS  NAMED  OTHER  PATH",
        " 64M    1M    63M    2%        2     1M      0  /dev/shm",
    ];
    shows(&["df", "-h"], 60, &expected);
    let expected = [
        "SIZE     64M",
        "USED     1M",
        "AVAIL    63M",
        "USE%     2%",
        "OBJECTS  2",
        "NAMED    1M",
        "OTHER    0",
        "PATH     /dev/shm",
    ];
    shows(&["df", "-h"], 40, &expected);
    // The size of frames has eleven digits.
    let expected = [
        "MODE       OWNER  GROUP         SIZE",
        "  PATH",
        "rw-------  root   root       1048576",
        "  /container-buf.ah23ioqwe5tan3oj",
        "rw-------  root   root   10737418240",
        "  /frames",
    ];
    shows(&["ls"], 40, &expected);
    let expected = [
        "MODE   rw-------",
        "OWNER  root",
        "GROUP  root",
        "SIZE   1M",
        "PATH   /container-bu",
        "f.ah23ioqwe5tan3oj",
    ];
    shows(&["ls", "-h"], 20, &expected);
    let _users: Vec<_> = (0..9).map(|_| world.user("open", "frames")).collect();
    let orphans = ["orphans", "-ah", "--assume-all-visible"];
    let users = |columns: u16| {
        let lines = Terminal::of(tool(&world, &orphans), columns, 24).lines();
        let row = lines.iter().find(|line| line.starts_with("used")).unwrap();
        let users = row.strip_prefix("used   root    10G       0  ").unwrap().trim_end();
        users.trim_end_matches("/frames").trim_end().replace(|c: char| c.is_ascii_digit(), "")
    };
    // The numbers of the processes may have one digit or more.
    assert!(users(160).matches("(user)").count() >= 6, "{}", users(160));
    for columns in [40, 80] {
        let some = [" (user) +", " (user),  (user) +", ",  +"];
        assert!(some.contains(&&*users(columns)), "in {columns} columns: {}", users(columns));
    }
}

/// As a terminal that has just been made for a container.
#[test]
fn a_terminal_may_not_know_its_size() {
    let Some(world) = World::new() else { return };
    world.does(["create", ALIKE[0], "-s", "1M"]);
    let mut command = world.command("sh");
    command.args(["-c", &format!("stty rows 0 cols 0 && exec {TOOL} ls")]);
    let lines = Terminal::of(command, 80, 24).lines();
    let expected = [
        "MODE       OWNER  GROUP     SIZE  PATH",
        "rw-------  root   root   1048576  /container-buf.ah23ioqwe5tan3oj",
    ];
    assert_eq!(lines[..2], expected);
}

/// What the last line of the screen has, if there is room for it.
const KEYS: &str = "by memory   q quit  m memory  s size  n name  arrows scroll";

#[test]
fn top_gives_names_the_room_first() {
    let Some(world) = World::new() else { return };
    for name in ALIKE {
        world.does(["create", name, "-s", "32M", "--sparse"]);
    }
    world.does(["create", "line\nbreak", "-s", "64M"]);
    const FULL: &str = "/dev/shm  0 free of 64M, 64M used (100%)";
    const ALL: &str = "SIZE MEMORY OWNER MAPS OPEN NAME USERS";
    let _user = world.user("open", ALIKE[0]);
    // What stays depends on the number of the process, which has one digit or more.
    let expected = [
        (20, &["MEMORY NAME"][..], "/dev/shm  0 free", "by memory   q quit"),
        (40, &["MEMORY NAME USERS"], FULL, "by memory   q quit  m/s/n sort"),
        (60, &["SIZE MEMORY NAME USERS"], FULL, KEYS),
        (80, &["SIZE MEMORY OWNER MAPS NAME USERS", ALL], FULL, KEYS),
        (132, &[ALL], FULL, KEYS),
    ];
    for (columns, headings, room, keys) in expected {
        let mut terminal = Terminal::new(tool(&world, &["top"]), columns, 10);
        terminal.wait_for("q quit");
        let lines = terminal.lines();
        let words: Vec<_> = lines[3].split_whitespace().collect();
        assert!(headings.contains(&&*words.join(" ")), "{lines:#?}");
        assert_eq!([&*lines[0], &*lines[9]], [room, keys], "{lines:#?}");
        for (line, name) in [(&lines[5], ALIKE[0]), (&lines[6], ALIKE[1])] {
            let cell = line.split_whitespace().find(|word| word.starts_with('/'));
            let cell = cell.unwrap_or_else(|| panic!("no name: {lines:#?}"));
            if columns >= 60 {
                assert_eq!(cell, format!("/{name}"), "{lines:#?}");
            } else {
                let (head, tail) = cell.split_once('…').unwrap();
                assert!(head.len() >= 4 && name.starts_with(&head[1..]), "{lines:#?}");
                assert!(tail.len() >= 6 && name.ends_with(tail), "{lines:#?}");
            }
        }
        if columns > 20 {
            assert!(lines[5].ends_with(" (user)") && lines[6].ends_with("  -"), "{lines:#?}");
        }
        terminal.types("q");
        terminal.end();
    }
}

/// Who may not look at every process is told so, and does not take `-` for a proof.
#[test]
fn top_does_not_guess() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames"]);
    for (columns, told) in [
        (80, "this user may not look at 1 of 2 processes"),
        (40, "1 of 2 processes not looked at"),
        (20, "1 not looked at"),
    ] {
        let Some(mut top) = world.tool_of_nobody() else { return };
        top.args(["top", "--once", "--numeric"]);
        let lines = Terminal::of(top, columns, 10).lines();
        assert_eq!(lines[2], told);
        let row = match columns {
            80 => "     0       0  0         ?     ?  /frames  ?",
            40 => "     0       0  0      /frames  ?",
            _ => "     0  /frames",
        };
        assert_eq!(lines[4], row, "{lines:#?}");
    }
}

#[test]
fn top_does_not_draw_on_a_dumb_terminal() {
    let Some(world) = World::new() else { return };
    let mut command = tool(&world, &["top"]);
    command.env("TERM", "dumb");
    let mut terminal = Terminal::new(command, 160, 24);
    assert_eq!(terminal.end().code(), Some(2));
    let told = "posix-shm: top cannot draw on this terminal, which is dumb (TERM); posix-shm top \
                --once prints all objects\r\n";
    assert_eq!(String::from_utf8_lossy(&terminal.bytes), told);
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
        assert_eq!(shown[1], "5 objects 17M, 1 deleted 300k");
        let (start, of_frames, of_audio) = match columns {
            160 => (
                "  SIZE  MEMORY  OWNER  MAPS  OPEN  NAME  ",
                "   16M     16M  root      1     0  /frames.0  ",
                "  300k    300k  root      0     1  /audio (deleted)  ",
            ),
            80 => ("  SIZE  MEMORY  OWNER  ", "   16M     16M  root  ", "  300k    300k  root  "),
            _ => ("MEMORY  NAME  ", "   16M  /frames.0  ", "  300k  /audio (deleted)  "),
        };
        assert!(shown[3].starts_with(start) && shown[3].ends_with("USERS"), "{shown:#?}");
        for (line, start) in [(&shown[4], of_frames), (&shown[6], of_audio)] {
            assert!(line.starts_with(start) && line.contains(" (user)"), "{shown:#?}");
        }
        assert!(shown[6].contains("  /audio (deleted)  "), "{shown:#?}");
        assert!(shown[8].ends_with("  -"), "{shown:#?}");
        let long = &shown[5];
        let is_whole = long.contains(&"0123456789".repeat(8));
        assert_eq!(is_whole, columns == 160, "{shown:#?}");
        assert_eq!(long.contains('…'), columns < 160, "{shown:#?}");
        if columns < 80 {
            assert_eq!(shown[9], "1-5 of 6, by memory   q quit  m/s/n sort");
        } else {
            assert!(shown[8].contains(r"  $'/line\nbreak'  "), "{shown:#?}");
            assert!(shown[10..23].iter().all(String::is_empty), "{shown:#?}");
            assert_eq!(shown[23], KEYS);
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
    terminal.wait_until("by memory", |it| it.lines()[4].contains("/one "));
    terminal.types("s");
    terminal.wait_until("by size", |it| it.lines()[4].contains("/two "));
    terminal.types("n");
    terminal.wait_until("by name", |it| it.lines()[4].contains("/one "));
    world.does(["create", "a-new-one", "-s", "1"]);
    terminal.wait_until("a new object", |it| it.lines()[4].contains("/a-new-one "));
    let user = world.user("map", "a-new-one");
    terminal.wait_until("its user", |it| it.lines()[4].ends_with(" (user)"));
    drop(user);
    world.does(["rm", "a-new-one"]);
    terminal.wait_until("it is gone", |it| it.lines()[4].contains("/one "));
    // Nothing is left of a larger screen, and nothing is outside of a smaller one.
    terminal.resize(50, 6);
    terminal.wait_until("a small window", |it| it.lines()[5].starts_with("1-1 of 2, by name"));
    terminal.types("j");
    terminal.wait_until("one line down", |it| it.lines()[4].contains("/two "));
    terminal.types("k");
    terminal.wait_until("one line up", |it| it.lines()[4].contains("/one "));
    terminal.types("\x1b[F");
    terminal.wait_until("the end", |it| it.lines()[4].contains("/two "));
    terminal.types("\x1b[H");
    terminal.wait_until("the start", |it| it.lines()[4].contains("/one "));
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
    // As many bytes as there is room for.
    let terminal = Terminal::of(tool(&world, &["dump", "text"]), 60, 24);
    let line = "00000000  68 65 6c 6c 6f           |hello|";
    assert_eq!(terminal.lines()[..2], [line, "00000005"]);
    let terminal = Terminal::of(tool(&world, &["dump", "text"]), 40, 24);
    let lines = ["00000000  68 65 6c 6c  |hell|", "00000004  6f           |o|", "00000005"];
    assert_eq!(terminal.lines()[..3], lines);
    let terminal = Terminal::of(tool(&world, &["dump", "--raw", "text"]), 80, 24);
    assert_eq!(terminal.lines()[0], "hello");
}

#[test]
fn long_work_shows_its_progress_at_a_terminal() {
    let Some(world) = World::new() else { return };
    world.does(["create", "long", "-s", "300M", "--sparse"]);
    world.does(["create", "short", "-s", "1M"]);
    let dump = |name: &str, columns: u16| {
        Terminal::of(tool(&world, &["dump", name, "-o", "/dev/null"]), columns, 24)
    };
    for columns in WIDTHS {
        let long = dump("long", columns);
        let drawn = String::from_utf8_lossy(&long.bytes);
        assert!(drawn.contains("dump") && drawn.contains("/300M "), "{drawn}");
        assert!(!drawn.contains('\n'), "it takes two lines of {columns} columns: {drawn}");
        assert_eq!(long.screen().contents().trim(), "", "the bar is left on the screen");
    }
    assert_eq!(dump("short", 80).bytes, b"", "short work has a bar");
    let ran = world.tool(["dump", "long", "-o", "/dev/null"]);
    assert_eq!((ran.code, &*ran.errors), (0, ""), "a bar without a terminal");
}
