//! A `/dev/shm` and processes that no other test sees: namespaces of their own, for everything that
//! a test runs.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use crate::common::skip;

/// The namespaces. They last as long as the process that made them.
pub(crate) struct World {
    maker: Child,
}

/// A user who is not root and owns nothing.
const NOBODY: &str = "65534";

impl World {
    /// With room for 64 MiB. `None` if this machine does not allow it; the test is then skipped.
    #[track_caller]
    pub(crate) fn new() -> Option<World> {
        let mut maker = Command::new("unshare");
        maker.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        if !is_root() {
            maker.args(["--user", "--map-root-user"]);
        }
        // The tool gets a second path, since this folder may be closed to others.
        let mount = format!(
            "mount -t tmpfs -o size=64m none /dev/shm && mount -t tmpfs none /mnt &&
             touch {OPEN_TOOL} && mount --bind {TOOL} {OPEN_TOOL} && echo ready && exec cat"
        );
        maker.args(["sh", "-c", &mount]);
        maker.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut maker = match maker.spawn() {
            Ok(maker) => maker,
            Err(error) => {
                skip(&format!("namespaces take the program unshare, of util-linux: {error}"));
                return None;
            }
        };
        let mut line = String::new();
        BufReader::new(maker.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let world = World { maker };
        if line != "ready\n" {
            skip("this machine does not allow namespaces of processes");
            return None;
        }
        Some(world)
    }

    /// A program that runs inside.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.enter();
        command.arg("--").arg(program);
        command
    }

    /// The tool, run by a user without rights. `None` if this process cannot become one; the test
    /// is then skipped.
    #[track_caller]
    pub(crate) fn tool_of_nobody(&self) -> Option<Command> {
        let mut command = self.as_nobody()?;
        command.arg(OPEN_TOOL);
        Some(command)
    }

    /// A shell of that user.
    #[track_caller]
    pub(crate) fn shell_of_nobody(&self, script: &str) -> Option<Command> {
        let mut command = self.as_nobody()?;
        command.args(["sh", "-c", script]);
        Some(command)
    }

    /// The tool, run by that user where it sees every process of this machine.
    #[track_caller]
    pub(crate) fn tool_of_nobody_among_all(&self, arguments: &str) -> Option<Command> {
        if !is_root() {
            skip("only root can become another user");
            return None;
        }
        let script = format!(
            "mount -t proc none /proc && exec setpriv --clear-groups --reuid={NOBODY} \
             --regid={NOBODY} {OPEN_TOOL} {arguments}"
        );
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.maker.id()));
        command.args(["--", "unshare", "--mount", "sh", "-c", &script]);
        command.stdin(Stdio::null());
        Some(command)
    }

    #[track_caller]
    fn as_nobody(&self) -> Option<Command> {
        if !is_root() {
            skip("only root can become another user");
            return None;
        }
        let mut command = self.enter();
        command.args(["--", "setpriv", "--clear-groups"]);
        command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")]);
        Some(command)
    }

    fn enter(&self) -> Command {
        let namespaces = format!("/proc/{}/ns", self.maker.id());
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount={namespaces}/mnt"));
        command.arg(format!("--pid={namespaces}/pid_for_children"));
        if !is_root() {
            command.arg(format!("--user={namespaces}/user")).arg("--preserve-credentials");
        }
        command.stdin(Stdio::null());
        // With CI set there are colours in spite of TERM=dumb.
        for variable in ["NO_COLOR", "CLICOLOR_FORCE", "CI"] {
            command.env_remove(variable);
        }
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    /// The tool, as a user types it.
    pub(crate) fn tool<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.command(TOOL).args(arguments))
    }

    /// The tool, which must do what it was told without a word on the standard error.
    #[track_caller]
    pub(crate) fn does<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let ran = self.tool(arguments);
        assert_eq!((ran.code, &*ran.errors), (0, ""), "{ran:?}");
        ran.output
    }

    /// The tool, which must fail with this code and message.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str], code: i32, message: &str) {
        let ran = self.tool(arguments);
        assert_eq!(ran.errors, format!("posix-shm: {message}\n"), "of {arguments:?}");
        assert_eq!((ran.code, &*ran.output), (code, ""), "of {arguments:?}");
    }

    /// A process that uses an object until it is dropped.
    #[track_caller]
    pub(crate) fn user(&self, how: &str, name: impl AsRef<OsStr>) -> User {
        let mut command = self.command(env!("CARGO_BIN_EXE_user"));
        command.arg(how).arg(name).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the user does not use it");
        User { child, stdin }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Everything in it is killed with its first process.
        drop(self.maker.kill());
        drop(self.maker.wait());
    }
}

/// The program.
pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_tool");

/// The same where everyone can reach it, in a [`World`].
const OPEN_TOOL: &str = "/mnt/tool";

fn is_root() -> bool {
    // SAFETY: passes no pointer.
    unsafe { libc::geteuid() == 0 }
}

/// A process that uses an object.
pub(crate) struct User {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Drop for User {
    fn drop(&mut self) {
        drop(self.stdin.take());
        drop(self.child.wait());
    }
}

/// What a program has printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Ran {
        Ran::from(command.output().expect("the program can be started"))
    }

    /// With this as its standard input.
    #[track_caller]
    pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Ran {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        Ran {
            code: output.status.code().unwrap_or(-1),
            output: text(output.stdout),
            errors: text(output.stderr),
        }
    }
}
