//! `ls`, `stat`, `df`, `completions`, `man` and the help.

use serde_json::Value;

use super::terminal::Terminal;
use super::world::{Ran, TOOL, World};
use super::{arguments, odd_names};

const COMMANDS: [&str; 13] = [
    "ls",
    "stat",
    "create",
    "rm",
    "truncate",
    "chmod",
    "dump",
    "load",
    "df",
    "top",
    "orphans",
    "completions",
    "man",
];

#[test]
fn ls_has_the_columns_of_freebsd() {
    let Some(world) = World::new() else { return };
    assert_eq!(world.does(["ls"]), "MODE\tOWNER\tGROUP\tSIZE\tPATH\n");
    world.does(["create", "frames", "-s", "5000", "-m", "640"]);
    world.does(["create", "audio", "-s", "3M", "--sparse"]);
    let expected = "MODE\tOWNER\tGROUP\tSIZE\tPATH\n\
                    rw-------\troot\troot\t3145728\t/audio\n\
                    rw-r-----\troot\troot\t5000\t/frames\n";
    assert_eq!(world.does(["ls"]), expected);
    assert_eq!(world.does(["list"]), expected, "by its other name");
    let expected = "MODE\tOWNER\tGROUP\tSIZE\tPATH\n\
                    rw-------\t0\t0\t3M\t/audio\n\
                    rw-r-----\t0\t0\t4.9k\t/frames\n";
    assert_eq!(world.does(["ls", "-hn"]), expected);
}

#[test]
fn json_has_every_fact() {
    let Some(world) = World::new() else { return };
    assert_eq!(world.does(["ls", "--json"]), "[]\n");
    world.does(["create", "frames", "-s", "5000", "-m", "640"]);
    let listed: Value = serde_json::from_str(&world.does(["ls", "--json", "-h"])).unwrap();
    let object = &listed[0];
    assert_eq!(object["name"], "/frames");
    assert_eq!(object["shown"], "/frames");
    assert_eq!((&object["size"], &object["memory"]), (&5000.into(), &8192.into()));
    assert_eq!((&object["mode"], &object["uid"]), (&"0640".into(), &0.into()));
    assert_eq!((&object["owner"], &object["nlink"]), (&"root".into(), &1.into()));
    let found: Value = serde_json::from_str(&world.does(["stat", "frames", "--json"])).unwrap();
    assert_eq!(found[0]["inode"], object["inode"]);
    assert_eq!(found[0]["present"], false);
}

#[test]
fn stat_has_the_lines_of_freebsd() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames", "-s", "5000", "-m", "640"]);
    let text = world.does(["stat", "frames"]);
    let lines: Vec<(&str, &str)> = text.lines().map(|it| it.split_once('\t').unwrap()).collect();
    let words: Vec<_> = lines.iter().map(|line| line.0).collect();
    let expected = [
        "path", "inode", "mode", "nlink", "owner", "group", "size", "atime", "mtime", "ctime",
        "pages", "memory", "present",
    ];
    assert_eq!(words, expected);
    let is = |word: &str| lines.iter().find(|line| line.0 == word).unwrap().1;
    assert_eq!((is("path"), is("mode"), is("nlink")), ("/frames", "0640", "1"));
    assert_eq!((is("size"), is("memory"), is("pages")), ("5000", "8192", "2"));
    assert_eq!((is("owner"), is("present")), ("root", "no"));
    let (seconds, nanoseconds) = is("mtime").split_once('.').unwrap();
    assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000, "{text}");
    assert_eq!(nanoseconds.len(), 9, "{text}");
    let as_numbers = world.does(["stat", "-nh", "frames"]);
    assert!(as_numbers.contains("\nuid\t0\ngid\t0\nsize\t4.9k\n"), "{as_numbers}");
    // The same time, as a date in this user's time zone.
    let mut with_date = world.command(TOOL);
    let with_date = Ran::of(with_date.args(["stat", "-h", "frames"]).env("TZ", "NPT-05:45"));
    let date = Ran::of(
        world
            .command("date")
            .env("TZ", "NPT-05:45")
            .args([&format!("--date=@{seconds}"), "+%Y-%m-%d %H:%M:%S %:z"]),
    );
    assert!(date.output.ends_with(" +05:45\n"), "{date:?}");
    assert!(with_date.output.contains(&format!("\nmtime\t{}", date.output)), "{with_date:?}");
    let user = world.user("present", "frames");
    assert!(world.does(["stat", "frames"]).contains("\npresent\tyes\n"));
    drop(user);
    assert!(world.does(["stat", "frames"]).contains("\npresent\tno\n"));
}

#[test]
fn nobody_may_look_at_what_others_own() {
    let Some(world) = World::new() else { return };
    world.does(["create", "secret", "-s", "5000"]);
    let Some(mut ls) = world.tool_of_nobody() else { return };
    let ran = Ran::of(ls.arg("ls"));
    assert_eq!(ran.output.lines().nth(1), Some("rw-------\troot\troot\t5000\t/secret"));
    let Some(mut stat) = world.tool_of_nobody() else { return };
    let ran = Ran::of(stat.args(["stat", "secret"]));
    assert_eq!((ran.code, &*ran.errors), (0, ""));
    assert!(ran.output.contains("\nsize\t5000\n"), "{ran:?}");
    assert!(ran.output.contains("\npresent\tunknown\n"), "{ran:?}");
}

#[test]
fn odd_names_are_shown_in_one_line_and_can_be_given() {
    let Some(world) = World::new() else { return };
    for (name, shown) in odd_names() {
        world.does(arguments(&["create", "-s", "100"], &[&name]));
        let listed = world.does(["ls"]);
        let line = listed.lines().nth(1).unwrap_or_default();
        assert_eq!(line, format!("rw-------\troot\troot\t100\t{shown}"), "of {name:?}");
        assert_eq!(listed.lines().count(), 2, "of {name:?}");
        let found = world.does(arguments(&["stat"], &[&name]));
        assert_eq!(found.lines().next(), Some(&*format!("path\t{shown}")));
        let json: Value = serde_json::from_str(&world.does(["ls", "--json"])).unwrap();
        assert_eq!(json[0]["name"].as_str(), name.to_str());
        assert_eq!(json[0]["shown"], shown);
        let top = world.does(["top", "--once"]);
        assert!(top.lines().last().unwrap().contains(shown), "{top}");
        // What is shown can be pasted into a shell.
        if shown.starts_with('$') {
            let script = format!("{TOOL} rm {shown}");
            let ran = Ran::of(world.command("bash").args(["-c", &script]));
            assert_eq!((ran.code, &*ran.errors), (0, ""), "{script}");
        } else {
            world.does(arguments(&["rm"], &[&name]));
        }
        assert_eq!(world.does(["ls"]).lines().count(), 1, "{name:?} is still there");
    }
}

#[test]
fn df_tells_what_takes_the_room() {
    let Some(world) = World::new() else { return };
    let heading = "SIZE\tUSED\tAVAIL\tUSE%\tOBJECTS\tNAMED\tOTHER\tPATH\n";
    assert_eq!(
        world.does(["df"]),
        format!("{heading}67108864\t0\t67108864\t0%\t0\t0\t0\t/dev/shm\n")
    );
    world.does(["create", "frames", "-s", "1M"]);
    world.does(["create", "gone", "-s", "3M"]);
    let expected = format!("{heading}64M\t4M\t60M\t7%\t2\t4M\t0\t/dev/shm\n");
    assert_eq!(world.does(["df", "-h"]), expected);
    let _user = world.user("open-deleted", "gone");
    let expected = format!("{heading}64M\t4M\t60M\t7%\t1\t1M\t3M\t/dev/shm\n");
    assert_eq!(world.does(["df", "-h"]), expected);
    let json: Value = serde_json::from_str(&world.does(["df", "--json"])).unwrap();
    assert_eq!((&json["size"], &json["used"]), (&(64 << 20).into(), &(4 << 20).into()));
    assert_eq!((&json["percent"], &json["other"]), (&7.into(), &(3 << 20).into()));
}

#[test]
fn a_file_system_without_a_limit_has_no_size() {
    let Some(world) = World::new() else { return };
    let mount = "mount -t tmpfs -o size=0 none /dev/shm && exec \"$@\"";
    let mut command = world.command("unshare");
    let ran = Ran::of(command.args(["--mount", "sh", "-c", mount, "sh", TOOL, "df", "-h"]));
    let line = ran.output.lines().nth(1);
    assert_eq!(line, Some("-\t0\t-\t-\t0\t0\t0\t/dev/shm"), "{ran:?}");
}

#[test]
fn every_command_has_help_completions_and_a_page() {
    let Some(world) = World::new() else { return };
    let help = world.does(["--help"]);
    assert!(help.contains("3  Nothing failed, but an object was left alone"), "{help}");
    let main_page = world.does(["man"]);
    assert!(main_page.contains("\n.SH \"EXIT STATUS\"\n"), "{main_page}");
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in {help}");
        let of_it = world.does([command, "--help"]);
        assert!(of_it.contains(&format!("Usage: posix-shm {command}")), "{of_it}");
        let page = world.does(["man", command]);
        assert!(page.contains(&format!(".TH posix-shm-{command} 1 ")), "{page}");
        for section in ["SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "\"EXIT STATUS\""] {
            let heading = format!("\n.SH {section}\n");
            assert_eq!(page.matches(&heading).count(), 1, "{section} in {page}");
        }
        assert!(of_it.contains("\nExamples:\n") && of_it.contains("\nExit codes:\n"), "{of_it}");
        let leaves_alone = ["rm", "orphans"].contains(&command);
        assert_eq!(of_it.contains("\n  3  "), leaves_alone, "{of_it}");
        assert!(main_page.contains(&format!("posix\\-shm\\-{command}(1)")), "{main_page}");
        let completions = world.does(["completions", "bash"]);
        assert!(completions.contains(command), "{command} is not in {completions}");
    }
    let synopsis = |command: &str| {
        let page = world.does(["man", command]).replace('\\', "");
        let line = page.lines().skip_while(|line| *line != ".SH SYNOPSIS").nth(1);
        line.unwrap_or_default().to_owned()
    };
    let expected = "fBposix-shm truncatefR -s|--size SIZE [--sparse] [--help] NAME...";
    assert_eq!(synopsis("truncate"), expected);
    let expected = "fBposix-shm topfR [-h|--human-readable] [-d|--delay SECONDS] [--sort BY] \
                    [--once] [-n|--numeric] [--json] [--help]";
    assert_eq!(synopsis("top"), expected);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(world.does(["completions", shell]).contains("orphans"), "{shell}");
    }
    let script = format!("{TOOL} completions bash | bash -n");
    assert_eq!(Ran::of(world.command("bash").args(["-c", &script])).errors, "");
    let version = world.does(["--version"]);
    assert_eq!(version, format!("posix-shm {}\n", env!("CARGO_PKG_VERSION")));
}

/// Each example is run, apart from those that take a terminal or an installed tool.
#[test]
fn the_examples_work() {
    let Some(world) = World::new() else { return };
    for command in COMMANDS {
        let help = world.does([command, "--help"]);
        let examples = help.lines().skip_while(|line| *line != "Examples:").skip(1);
        let examples: Vec<_> = examples.filter_map(|line| line.strip_prefix("      ")).collect();
        assert!(!examples.is_empty(), "{help}");
        for example in examples {
            if matches!(example, "posix-shm top" | "posix-shm man top | man -l -") {
                continue;
            }
            if command != "create" && command != "load" {
                world.tool(["create", "frames", "-s", "4k", "--if-exists", "replace"]);
            }
            let replaced = example.replace("/usr/local/share/man/man1", "/mnt");
            let tool = format!("posix-shm() {{ '{TOOL}' \"$@\"; }}");
            let script = format!("{tool}; cd /mnt; echo x > frames.bin; {replaced}");
            let ran = Ran::of(world.command("bash").args(["-c", &script]));
            // In a world, no object is proven to be an orphan.
            let code = if command == "orphans" && !example.contains("--prefix") { 3 } else { 0 };
            assert_eq!(ran.code, code, "{example}: {ran:?}");
            world.tool(["rm", "-f", "frames"]);
        }
    }
}

/// No word is broken in a narrow terminal.
#[test]
fn help_and_messages_are_broken_between_words() {
    let Some(world) = World::new() else { return };
    world.does(["create", "frames"]);
    let helps = COMMANDS.iter().map(|command| vec![*command, "--help"]);
    let messages = [vec!["--help"], vec!["orphans", "frames"], vec!["stat", "none"]];
    for arguments in helps.chain(messages) {
        let ran = world.tool(&arguments);
        let text = [ran.output, ran.errors].concat();
        for columns in [40, 80] {
            let mut command = world.command(TOOL);
            command.args(&arguments);
            let lines = Terminal::of(command, columns, 300).lines().join("\n");
            // clap does not break its line of usage between words.
            let paragraphs = |text: &str| {
                let all = text.split("\n\n").map(str::to_owned);
                all.filter(|it| !it.starts_with("Usage: ")).collect::<Vec<_>>().join(" ")
            };
            let words = |text: &str| {
                paragraphs(text).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(words(&lines), words(&text), "{arguments:?} in {columns} columns: {lines}");
        }
    }
}

#[test]
fn man_writes_all_pages_into_a_directory() {
    let Some(world) = World::new() else { return };
    let script = format!("cd /dev/shm && mkdir pages && {TOOL} man --dir pages && ls pages");
    let ran = Ran::of(world.command("sh").args(["-c", &script]));
    assert_eq!(ran.code, 0, "{ran:?}");
    for command in COMMANDS {
        let page = format!("posix-shm-{command}.1");
        assert!(ran.output.lines().any(|line| line == page), "{page} is not in {ran:?}");
    }
}
