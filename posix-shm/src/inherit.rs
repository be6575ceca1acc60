//! Handles that a child process inherits.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::error::Result;
use crate::failure::Operation;
use crate::imp;
use crate::shm::Shm;

impl Shm {
    /// Lets the children of this command inherit the object: `fcntl` with `F_SETFD`, in the child
    /// alone. Returns the number that the descriptor has there.
    ///
    /// Handles are closed on exec, so that no other program gets them. Clearing that flag in this
    /// process would hand the object to every child that any thread starts in the meantime. So this
    /// call makes a second descriptor, which stays closed on exec here, and clears the flag in the
    /// child, between `fork` and `exec`. The command owns this descriptor: its number means this
    /// object as long as the command lives, even if this handle is closed. Each child that the
    /// command starts inherits it.
    ///
    /// Tell the child the number: in an environment variable, as below, or in an argument. A
    /// child that expects the object as its standard input needs no number and no call of this:
    /// `command.stdin(File::from(object.try_clone()?))`.
    ///
    /// # The other side
    ///
    /// A program takes the descriptor once and makes a handle of it. [`Shm::from_fd`] checks that
    /// it is of shared memory, and makes it close on exec, so that the child's own children do not
    /// inherit it.
    ///
    /// ```no_run
    /// use std::os::fd::{AsFd, FromRawFd, OwnedFd};
    /// use posix_shm::Shm;
    ///
    /// let number = std::env::var("FRAMES_FD")?.parse()?;
    /// // SAFETY: the parent says that this descriptor is ours, and nothing else here uses it.
    /// let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    /// let object = Shm::from_fd(descriptor, None)?;
    ///
    /// // One that is the standard input is copied, since std goes on using the number 0.
    /// let object = Shm::from_fd(std::io::stdin().as_fd().try_clone_to_owned()?, None)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EMFILE`: no descriptor is free.
    ///
    /// # Platform-specific behavior
    ///
    /// The command then starts its children by `fork` and `exec`, as with
    /// [`pre_exec`](CommandExt::pre_exec), and not by `posix_spawn`. [`CommandExt::exec`] clears
    /// the flag in this process; if it fails, the flag stays cleared until the command is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Command;
    /// use posix_shm::Shm;
    ///
    /// let object = Shm::anonymous(4096)?;
    /// object.map_mut()?.bytes().range(..5).copy_from(b"hello");
    ///
    /// let mut command = Command::new("sh");
    /// let number = object.pass_to(&mut command)?;
    /// command.env("FRAMES_FD", number.to_string());
    /// command.args(["-c", "head -c 5 /dev/fd/$FRAMES_FD"]);
    /// # if posix_shm::capabilities().read_write_at {
    /// assert_eq!(command.output()?.stdout, b"hello");
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `fcntl`, `exec`.
    #[doc(alias = "inherit")]
    #[doc(alias = "FD_CLOEXEC")]
    pub fn pass_to(&self, command: &mut Command) -> Result<RawFd> {
        // Above the standard streams, which the child replaces before it gets to our function.
        let descriptor = imp::clone_above(self.as_fd(), libc::STDERR_FILENO)
            .map_err(self.error(Operation::Clone))?;
        let number = descriptor.as_raw_fd();
        let keep = move || Ok(imp::keep_on_exec(descriptor.as_fd())?);
        // SAFETY: in the child it makes one system call and builds an error from its number, and
        // allocates nothing. The descriptor that it owns was copied by the fork.
        unsafe { command.pre_exec(keep) };
        Ok(number)
    }
}

impl FromRawFd for Shm {
    /// As `Shm::from`: takes any descriptor, and checks and changes nothing. [`Shm::from_fd`]
    /// checks it.
    unsafe fn from_raw_fd(fd: RawFd) -> Shm {
        // SAFETY: the caller's promise: the descriptor is open, and the caller owns it.
        Shm::from(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

impl From<Shm> for File {
    /// For reading and writing at a position, and for [`Command::stdin`]. The object keeps its
    /// name.
    fn from(shm: Shm) -> File {
        File::from(OwnedFd::from(shm))
    }
}
