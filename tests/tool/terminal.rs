//! A terminal with a program in it, and a person who looks and types.

use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::num::NonZero;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// As long as a program may take: far longer than any needs.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Terminal {
    master: File,
    child: Child,
    written: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    /// Everything that was written.
    pub(crate) bytes: Vec<u8>,
}

impl Terminal {
    /// Runs a command in a terminal of this size.
    pub(crate) fn new(mut command: Command, columns: u16, lines: u16) -> Terminal {
        let (master, slave) = pair();
        set_size(&master, columns, lines);
        let copy = || slave.try_clone().unwrap();
        command.stdin(copy()).stdout(copy()).stderr(copy());
        if command.get_envs().all(|(variable, _)| variable != "TERM") {
            command.env("TERM", "xterm-256color");
        }
        // SAFETY: the function makes system calls and nothing else.
        unsafe { command.pre_exec(take_terminal) };
        let child = command.spawn().unwrap();
        drop((command, slave));
        let (sender, written) = channel();
        let mut reader = master.try_clone().unwrap();
        thread::spawn(move || {
            let mut part = [0; 4096];
            // When the last process has closed the terminal, reading is an error.
            while let Ok(len @ 1..) = reader.read(&mut part) {
                if sender.send(part[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        let parser = vt100::Parser::new(some(lines), some(columns), 0);
        Terminal { master, child, written, parser, bytes: Vec::new() }
    }

    /// The lines that a person sees, without spaces at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        let screen = self.parser.screen();
        let rows = screen.rows(0, screen.size().1.get());
        rows.map(|line| line.trim_end().to_owned()).collect()
    }

    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// Waits until the screen is so.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn(&Terminal) -> bool) {
        let end = Instant::now() + LIMIT;
        while !is_so(self) {
            match self.written.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.show(&bytes),
                Err(why) => panic!("{what}: {why}; the screen is {:#?}", self.lines()),
            }
        }
    }

    /// Waits until the screen has this text.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |it| it.lines().iter().any(|line| line.contains(text)));
    }

    fn show(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.parser.process(bytes);
    }

    /// What another program writes to the terminal.
    pub(crate) fn draws(&mut self, text: &str) {
        self.show(text.as_bytes());
    }

    /// Types.
    pub(crate) fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Gives the terminal another size, as a window manager does.
    pub(crate) fn resize(&mut self, columns: u16, lines: u16) {
        self.parser.screen_mut().set_size(some(lines), some(columns));
        set_size(&self.master, columns, lines);
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, signal: libc::c_int) {
        let program = self.program();
        // SAFETY: passes no pointer.
        let result = unsafe { libc::kill(program, signal) };
        assert_eq!(result, 0, "no signal can be sent to {program}");
    }

    /// Waits until the program is stopped, and lets it go on, as job control does. The program that
    /// entered the namespaces stops and goes on with it.
    #[track_caller]
    pub(crate) fn continues(&self) {
        let starter = self.child.id() as libc::pid_t;
        let end = Instant::now() + LIMIT;
        for process in [self.program(), starter] {
            let stat = format!("/proc/{process}/stat");
            while !fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T ")) {
                assert!(Instant::now() < end, "it does not stop");
                thread::sleep(Duration::from_millis(5));
            }
        }
        // SAFETY: passes no pointer.
        let result = unsafe { libc::kill(starter, libc::SIGCONT) };
        assert_eq!(result, 0, "no signal can be sent to {starter}");
    }

    /// The program is the child of the one that entered the namespaces.
    fn program(&self) -> libc::pid_t {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.trim().parse().expect("one child")
    }

    /// Waits until the program has ended and everything that it wrote is on the screen.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + LIMIT;
        loop {
            match self.written.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.show(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it does not end; the screen is {:#?}", self.lines())
                }
            }
        }
        self.child.wait().unwrap()
    }

    /// Runs a command to its end, and returns the terminal, with what it has printed.
    #[track_caller]
    pub(crate) fn of(command: Command, columns: u16, lines: u16) -> Terminal {
        let mut terminal = Terminal::new(command, columns, lines);
        let status = terminal.end();
        assert!(status.signal().is_none(), "{status}: {:#?}", terminal.lines());
        terminal
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Makes the standard input the terminal of this process, which leads a session from now on. It is
/// ended by signals that whoever runs the tests may ignore, such as `nohup`.
fn take_terminal() -> io::Result<()> {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: installs no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: passes no pointer.
    unsafe { libc::setsid() };
    // SAFETY: passes no pointer.
    unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
    Ok(())
}

fn some(n: u16) -> NonZero<u16> {
    NonZero::new(n).expect("a terminal has columns and lines")
}

/// Both ends of a new terminal. They are closed on exec from the beginning: a child that another
/// test starts meanwhile would keep it open.
fn pair() -> (File, File) {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: passes no pointer.
    let master = unsafe { libc::posix_openpt(flags) };
    assert!(master >= 0, "no terminal can be had");
    // SAFETY: the call made the descriptor for us.
    let master = unsafe { File::from_raw_fd(master) };
    // SAFETY: passes no pointer.
    assert_eq!(unsafe { libc::grantpt(master.as_raw_fd()) }, 0, "the terminal is not ours");
    // SAFETY: passes no pointer.
    assert_eq!(unsafe { libc::unlockpt(master.as_raw_fd()) }, 0, "the terminal stays locked");
    let mut path = [0; 128];
    // SAFETY: the pointer is to as much room as the call is told.
    let errno = unsafe { libc::ptsname_r(master.as_raw_fd(), path.as_mut_ptr(), path.len()) };
    assert_eq!(errno, 0, "the terminal has no path");
    // SAFETY: the call has filled in a path that ends with a NUL byte.
    let path = unsafe { CStr::from_ptr(path.as_ptr()) };
    let mut options = File::options();
    options.read(true).write(true).custom_flags(libc::O_NOCTTY);
    let slave = options.open(OsStr::from_bytes(path.to_bytes())).expect("the other end opens");
    (master, slave)
}

fn set_size(terminal: &File, columns: u16, lines: u16) {
    let size = libc::winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is to a size.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) };
    assert_eq!(result, 0, "the terminal keeps its size");
}
