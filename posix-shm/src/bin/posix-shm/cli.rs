//! The command line: what can be typed, and what `--help` says. The manual pages and the
//! completions are made of it too.

use std::ffi::OsString;
use std::io::{self, IsTerminal};

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::Shell;

use crate::endings::ending;
use crate::screen::{self, Screen};
use crate::{modes, sizes};

/// The columns of a help text, at most.
const WIDEST: usize = 100;

const ABOUT: &str = "\
Looks at POSIX shared memory objects, and works on them.

The commands, their options and their columns are those of FreeBSD's posixshmcontrol, as far as it \
has them. A name is that of shm_open: /frames and frames mean the same object. A name with control \
characters or bytes that are not UTF-8 is shown as shells write it, $'/a\\nb\\xff', and can be \
given so.

Columns show sizes in bytes. With -h they have k, M and G, which are powers of 1024. After a \
command, -h never means help: that is --help.

At a terminal, columns are aligned. If it is too narrow for them, the last column goes to a line \
of its own, or each column does. Elsewhere, tabs separate the columns, and nothing is cut off.";

pub(crate) fn command() -> Command {
    // The width of clap's own text.
    let columns = match io::stdout().is_terminal() {
        true => Screen::size().0.min(WIDEST),
        false => WIDEST,
    };
    let finished = |command: Command| {
        let ending = ending(command.get_name(), columns);
        let help = Arg::new("help").long("help").action(ArgAction::Help).help("Print help");
        // `-h` means help in none of them, since some have another use for it.
        command.disable_help_flag(true).arg(help).after_help(ending)
    };
    Command::new("posix-shm")
        .bin_name("posix-shm")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Looks at POSIX shared memory objects, and works on them")
        .long_about(ABOUT)
        .after_help(ending("posix-shm", columns))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(WIDEST)
        .subcommands([ls(), stat(), create(), rm(), truncate(), chmod()].map(finished))
        .subcommands([dump(), load(), df(), top(), orphans(), completions(), man()].map(finished))
}

fn ls() -> Command {
    with_sizes("ls", "Lists all objects that have a name")
        .visible_alias("list")
        .long_about(
            "Lists all objects that have a name: mode, owner, group, size and name.\n\nSemaphores \
             and anonymous objects are not among them.",
        )
        .args([numeric(), json()])
}

fn stat() -> Command {
    with_sizes("stat", "Shows everything that the system knows about objects")
        .long_about(
            "Shows everything that the system knows about objects.\n\n`memory` is what an object \
             takes now; a sparse one takes less than its size. `present` says whether a process \
             holds presence on it. Programs that use the crate posix-shm can do that. Times are in \
             seconds since 1970.",
        )
        .mut_arg("human", |arg| arg.help("Show sizes with k, M and G, and times as dates"))
        .args([numeric(), json(), names()])
}

fn create() -> Command {
    Command::new("create")
        .about("Creates objects")
        .long_about(
            "Creates objects, empty or with a size. Their memory is reserved before they get their \
             names, and is zero.",
        )
        .args([
            mode_of_new(),
            size().help("The size; the default is empty"),
            sparse(),
            if_exists(&["fail", "keep", "replace"]),
            names(),
        ])
}

fn rm() -> Command {
    Command::new("rm")
        .about("Removes the names of objects")
        .visible_alias("destroy")
        .long_about(
            "Removes the names of objects. Processes that have an object open or mapped keep it; \
             its memory is freed when the last of them lets go of it.",
        )
        .args([
            flag("if-unused", "Leave an object alone if a process is present on it").long_help(
                "Leave an object alone if a process is present on it. The kernel knows, and no \
                 process can become present in between. Programs that do not hold presence do not \
                 count: posix-shm orphans looks for those too",
            ),
            flag("force", "Do not complain about a name that no object has").short('f'),
            names(),
        ])
}

fn truncate() -> Command {
    Command::new("truncate")
        .about("Changes the size of objects")
        .long_about(
            "Changes the size of objects. If it grows, the new bytes are zero, and their memory is \
             reserved. If it shrinks, a process that touches what is gone is killed by SIGBUS.\n\n\
             FreeBSD's tool takes 0 if there is no -s. Here it must be given.",
        )
        .args([size().required(true).help("The new size"), sparse(), names()])
}

fn chmod() -> Command {
    Command::new("chmod").about("Changes the modes of objects").args([
        Arg::new("mode")
            .value_name("MODE")
            .required(true)
            .allow_hyphen_values(true)
            .value_parser(modes::parse)
            .help("In octal, such as 640, or in letters, such as u=rw,g=r or o-w"),
        names(),
    ])
}

fn dump() -> Command {
    Command::new("dump")
        .about("Writes the bytes of objects to the standard output")
        .long_about(
            "Writes the bytes of objects to the standard output, one after the other. At a \
             terminal they are shown in hexadecimal.\n\nIt reads and does not map: if another \
             process shortens an object meanwhile, that is an error and not a signal. Holes take \
             no memory.",
        )
        .args([
            path("output", "FILE", "Write to this file").short('o'),
            flag("hex", "Show the bytes in hexadecimal").short('x').conflicts_with("raw"),
            flag("raw", "Write the bytes as they are, even to a terminal"),
            number("skip", "Leave out this many bytes at the start"),
            number("length", "Write at most this many bytes of each object"),
            names(),
        ])
}

fn load() -> Command {
    Command::new("load")
        .about("Creates an object with the content of a file")
        .long_about(
            "Creates an object with the content of a file, or of the standard input. It gets its \
             name when everything is in it. If that fails, nothing is left.",
        )
        .args([
            mode_of_new(),
            if_exists(&["fail", "replace"]),
            Arg::new("name")
                .value_name("NAME")
                .required(true)
                .value_parser(os())
                .help("The name of the object"),
            Arg::new("file")
                .value_name("FILE")
                .value_parser(os())
                .value_hint(clap::ValueHint::FilePath)
                .help("The file; the default, or -, is the standard input"),
        ])
}

fn df() -> Command {
    with_sizes("df", "Shows how full the file system of the objects is")
        .long_about(
            "Shows how full the file system of the objects is, and with what.\n\nOBJECTS is the \
             number of objects that ls lists, and NAMED is their memory. Every plain file there is \
             an object, whoever made it. OTHER is the rest: objects without a name that are still \
             in use (posix-shm orphans shows them), semaphores, and directories.",
        )
        .arg(json())
}

fn top() -> Command {
    with_sizes("top", "Shows what uses the memory of the objects, again and again")
        .mut_arg("human", |arg| {
            arg.help("With --once, show sizes with k, M and G; the screen always does")
        })
        .long_about(
            "Shows what uses the memory of the objects, again and again: how full the file system \
             is, and each object with the processes that map it or have it open. Objects that have \
             lost their names and are still in use are shown too.\n\nUSERS has the numbers and \
             names of the processes; +3 means three more. It is - if no process uses the object, \
             as far as /proc shows. It is ? if no process was found, but some may not be looked \
             at. To prove that no process uses an object, use posix-shm orphans.\n\nIn a narrow \
             terminal, names are cut in the middle, and columns are left out.\n\nKeys: q quits; m, \
             s and n sort by memory, size and name; the arrows, Page Up, Page Down, Home and End \
             scroll; the space bar looks again at once.",
        )
        .args([
            Arg::new("delay")
                .short('d')
                .long("delay")
                .value_name("SECONDS")
                .default_value("2")
                .value_parser(screen::delay)
                .help("How long to wait between two looks"),
            Arg::new("sort")
                .long("sort")
                .value_name("BY")
                .default_value("memory")
                .value_parser(PossibleValuesParser::new(["memory", "size", "name"]))
                .help("What to sort by"),
            flag("once", "Print all objects once, and end")
                .long_help("Print all objects once, and end. In a pipe, that is the table alone")
                .conflicts_with("delay"),
            numeric(),
            json()
                .conflicts_with("delay")
                .help("Print JSON once, with sizes in bytes and every fact, and end"),
        ])
}

fn orphans() -> Command {
    with_sizes("orphans", "Finds objects that no process uses any more")
        .long_about(
            "Finds objects that no process uses any more, and removes them if told to. It also \
             shows objects that have lost their names and that a process still uses.\n\nAn object \
             is an orphan if two things are proven: no process is present on it, which the kernel \
             knows; and no process has it open or mapped, which /proc shows. For the second, every \
             process must be looked at, which usually takes root. If that is not possible, the \
             object is unknown, and is never removed. The other states are used; deleted: it has \
             no name any more, and a process uses it; new: no process uses it, but it was changed \
             just now; and removed.\n\nAn object that no process uses may still be wanted, for \
             instance by a program that starts later. Look before you remove.",
        )
        .args([
            flag("remove", "Remove the orphans").long_help(
                "Remove the orphans, each if no process is present on it at that moment. A process \
                 that opens one without presence, after it was looked at, keeps the object and \
                 loses only its name",
            ),
            flag("dry-run", "Remove nothing; this is the default").conflicts_with("remove"),
            flag("all", "Show objects that are used too").short('a'),
            path("prefix", "PREFIX", "Look only at objects whose names begin with this"),
            Arg::new("min-age")
                .long("min-age")
                .value_name("SECONDS")
                .default_value("60")
                .value_parser(value_parser!(u64))
                .help("An object that was changed within this time is new, and not an orphan"),
            flag("trust-presence", "Take it for proof that no process is present").long_help(
                "Take it for proof that no process is present, even if some processes cannot be \
                 looked at. For objects of programs that all hold presence \
                 (OpenOptions::present): choose them by name or with --prefix",
            ),
            flag("assume-all-visible", "Assume that /proc shows every process that matters")
                .long_help(
                    "Assume that /proc shows every process that matters. For a container whose \
                     /dev/shm no other container and no process of the host uses",
                ),
            Arg::new("ignore-pid")
                .long("ignore-pid")
                .value_name("PID")
                .action(ArgAction::Append)
                .value_parser(value_parser!(u32))
                .help(
                    "Assume that this process uses none of the objects, if it may not be looked at",
                ),
            numeric(),
            json(),
            names().required(false).help("The objects to look at; the default is all"),
        ])
}

fn completions() -> Command {
    Command::new("completions").about("Prints completions for a shell").arg(
        Arg::new("shell")
            .value_name("SHELL")
            .required(true)
            .value_parser(value_parser!(Shell))
            .help("The shell to print them for"),
    )
}

fn man() -> Command {
    let is_command = |name: &str| match command().find_subcommand(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err("no command is called that; posix-shm --help shows them"),
    };
    Command::new("man").about("Prints the manual page, or that of a command").args([
        path("dir", "DIR", "Write all pages into this directory instead").conflicts_with("command"),
        Arg::new("command")
            .value_name("COMMAND")
            .value_parser(is_command)
            .help("The command whose page is wanted"),
    ])
}

/// A command that shows sizes: `-h` makes them human-readable, as FreeBSD's tool does.
fn with_sizes(name: &'static str, about: &'static str) -> Command {
    let human = flag("human", "Show sizes with k, M and G").short('h').long("human-readable");
    Command::new(name).about(about).arg(human)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn numeric() -> Arg {
    flag("numeric", "Show owners and groups as numbers").short('n')
}

fn json() -> Arg {
    flag("json", "Print JSON, with sizes in bytes and every fact")
}

fn number(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("SIZE").value_parser(sizes::parse).help(help)
}

fn size() -> Arg {
    number("size", "The size").short('s')
}

fn sparse() -> Arg {
    flag("sparse", "Reserve no memory; a later shortage kills whoever touches the object")
}

fn mode_of_new() -> Arg {
    Arg::new("mode")
        .short('m')
        .long("mode")
        .value_name("MODE")
        .value_parser(modes::octal)
        .help("The mode in octal, whatever the umask; the default is 600")
}

fn if_exists(choices: &[&'static str]) -> Arg {
    Arg::new("if-exists")
        .long("if-exists")
        .value_name("WHAT")
        .default_value("fail")
        .value_parser(PossibleValuesParser::new(choices.to_vec()))
        .help("What to do if an object has the name")
}

fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(os()).help(help)
}

fn names() -> Arg {
    Arg::new("names")
        .value_name("NAME")
        .num_args(1..)
        .required(true)
        .value_parser(os())
        .help("The names of the objects")
}

/// Any bytes.
fn os() -> ValueParser {
    value_parser!(OsString)
}
