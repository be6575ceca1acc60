//! Sending handles to other processes.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use crate::error::{Error, Operation, Result};
use crate::imp;
use crate::shm::Shm;

impl Shm {
    /// Sends a handle of the object over a Unix socket: `sendmsg` with `SCM_RIGHTS`, in a message of one byte.
    ///
    /// The other side gets a descriptor of its own, with the same direction; this one stays open. It works for anonymous
    /// objects too, and is how they are shared.
    ///
    /// # Errors
    ///
    /// What `sendmsg` reports: `BrokenPipe` (`EPIPE`) where the other side is gone (never a signal), `ENOTSOCK`.
    ///
    /// # Platform-specific behavior
    ///
    /// On macOS a socket whose other side is gone raises `SIGPIPE` unless the socket was told not to (`SO_NOSIGPIPE`, which
    /// std sets for its own).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use posix_shm::Shm;
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// let object = Shm::anonymous(65536)?;
    /// object.send(&here)?;
    ///
    /// let received = Shm::receive(&there)?;
    /// assert_eq!(received.len()?, 65536);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `sendmsg`; Linux `unix(7)`.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send(&self, socket: impl AsFd) -> Result<()> {
        imp::send(socket.as_fd(), self.as_fd())
            .map_err(|errno| Error::system(Operation::Send, errno, self.name()))
    }

    /// Receives a handle that [`send`](Shm::send) sent: `recvmsg` with `SCM_RIGHTS`.
    ///
    /// The descriptor is closed on exec. A peer can send anything: what is not shared memory is refused, and whatever came
    /// with it is closed. How long the object is, whether it can be written and whether it is sealed is the peer's choice:
    /// [`len`](Shm::len), [`map_mut`](Shm::map_mut) and [`seals`](Shm::seals) tell.
    ///
    /// # Errors
    ///
    /// * `UnexpectedEof`: the other side has closed;
    /// * `InvalidData`: the message had no descriptor, more than one, or one of something that is not shared memory;
    /// * what `recvmsg` reports: `WouldBlock` for a socket that is non-blocking, `ENOTSOCK`.
    ///
    /// # Platform-specific behavior
    ///
    /// On macOS, close-on-exec is set after the descriptor has arrived. Linux, Android, FreeBSD and macOS tell for certain what is
    /// shared memory, and NetBSD by the file system it is on. On OpenBSD it is a file like any other: what is refused there is
    /// pipes, sockets, directories and devices.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn receive(socket: impl AsFd) -> Result<Shm> {
        let refuse =
            |kind, why: &'static str| Err(Error::refused(Operation::Receive, kind, why, None));
        let mut received = imp::receive(socket.as_fd())
            .map_err(|errno| Error::system(Operation::Receive, errno, None))?;
        match (received.descriptors.pop(), received.descriptors.len()) {
            _ if received.truncated => refuse(
                ErrorKind::InvalidData,
                "the message had more descriptors than one, or this process has no room for it",
            ),
            (None, _) if received.ended => {
                refuse(ErrorKind::UnexpectedEof, "the other side has closed")
            }
            (None, _) => refuse(ErrorKind::InvalidData, "the message had no descriptor"),
            (Some(fd), 0) => match imp::check_kind(fd.as_fd()) {
                Ok(()) => Ok(Shm::from(fd)),
                Err(_) => refuse(ErrorKind::InvalidData, "what was sent is not shared memory"),
            },
            (Some(_), _) => {
                refuse(ErrorKind::InvalidData, "the message had more descriptors than one")
            }
        }
    }
}
