//! How the tool ends: the exit codes, and what goes to the standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::screen::Screen;
use crate::text::wrapped;

/// Something failed, for at least one object.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong. It is clap's number too.
pub(crate) const USAGE: u8 = 2;
/// Nothing failed, but an object was left alone: it is in use, or that cannot be told.
pub(crate) const LEFT_ALONE: u8 = 3;

/// Why a command cannot go on. What concerns one object of several goes to the [`Report`] instead.
pub(crate) enum Stop {
    /// Whoever read the output has closed it, as `head` does. There is no reason to complain.
    Unread,
    Because(String),
    /// The command line cannot be meant so.
    Usage(String),
}

impl Stop {
    /// The result of writing to the standard output failed.
    pub(crate) fn writing(error: &io::Error) -> Stop {
        match error.kind() {
            ErrorKind::BrokenPipe => Stop::Unread,
            _ => Stop::Because(format!("write the output: {error}")),
        }
    }
}

impl From<String> for Stop {
    fn from(why: String) -> Stop {
        Stop::Because(why)
    }
}

/// What went wrong so far. The other objects are still worked on.
pub(crate) struct Report {
    code: u8,
    is_silent: bool,
}

impl Report {
    pub(crate) fn new() -> Report {
        Report { code: 0, is_silent: false }
    }

    /// Prints nothing.
    pub(crate) fn silent() -> Report {
        Report { code: 0, is_silent: true }
    }

    /// Something failed.
    pub(crate) fn failed(&mut self, why: impl Display) {
        self.say(why);
        self.code = FAILED;
    }

    /// An object was left alone.
    pub(crate) fn left_alone(&mut self, why: impl Display) {
        self.say(why);
        self.leaves_alone();
    }

    /// An object was left alone, and another message says so.
    pub(crate) fn leaves_alone(&mut self) {
        if self.code == 0 {
            self.code = LEFT_ALONE;
        }
    }

    /// Says something on the standard error. If that is closed, nobody wants to know.
    fn say(&self, what: impl Display) {
        if !self.is_silent {
            let red: Style = AnsiColor::Red.on_default().bold();
            print(&format!("{NAME} {what}"), |line| match line.strip_prefix(NAME) {
                Some(rest) => format!("{red}{NAME}{red:#}{rest}"),
                None => line,
            });
        }
    }

    pub(crate) fn end(mut self, result: Result<(), Stop>) -> ExitCode {
        match result {
            Ok(()) | Err(Stop::Unread) => {}
            Err(Stop::Because(why)) => self.failed(why),
            Err(Stop::Usage(why)) => {
                self.say(why);
                self.code = USAGE;
            }
        }
        ExitCode::from(self.code)
    }
}

/// What messages begin with.
const NAME: &str = "posix-shm:";

/// Says what is no error: the standard output has only results.
pub(crate) fn note(what: impl Display) {
    print(&what.to_string(), |line| line);
}

/// Prints a text on the standard error. At a terminal, lines are broken between words.
fn print(text: &str, styled: impl Fn(String) -> String) {
    let mut stderr = anstream::stderr().lock();
    let columns = if io::stderr().is_terminal() { Screen::size().0 } else { usize::MAX };
    for line in wrapped(text, columns) {
        let _ = writeln!(stderr, "{}", styled(line));
    }
}
