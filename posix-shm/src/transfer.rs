//! Sending handles to other processes.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use crate::error::Result;
use crate::failure::{Errno, Failure, Operation};
use crate::imp;
use crate::shm::{Origin, Shm};

impl Shm {
    /// Sends a handle of the object over a Unix socket: `sendmsg` with `SCM_RIGHTS`, in a message
    /// of one byte.
    ///
    /// The receiver gets a descriptor of its own, with the same direction. This handle stays open.
    /// This is how anonymous objects are shared.
    ///
    /// # Errors
    ///
    /// * `EAFNOSUPPORT`: the socket is not a Unix socket, so it would drop the descriptor without
    ///   an error;
    /// * what `sendmsg` reports: `BrokenPipe` (`EPIPE`) if the other side is gone (never a signal),
    ///   `ENOTSOCK`, `ETOOMANYREFS`.
    ///
    /// # Platform-specific behavior
    ///
    /// On macOS a socket whose other side is gone raises `SIGPIPE` unless the socket has
    /// `SO_NOSIGPIPE`, which std sets for its own.
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
        // From now on, other processes share the open descriptor.
        imp::send(socket.as_fd(), self.as_fd()).map_err(self.error(Operation::Send))
    }

    /// Receives a handle that [`send`](Shm::send) sent: `recvmsg` with `SCM_RIGHTS`.
    ///
    /// The descriptor is closed on exec. A peer can send anything: a descriptor that is not of
    /// shared memory is refused, and every descriptor that came with it is closed. The peer also
    /// chooses how long the object is, whether it can be read and written and whether it is
    /// sealed; ask [`len`](Shm::len), [`map_mut`](Shm::map_mut) and [`seals`](Shm::seals).
    ///
    /// # Errors
    ///
    /// * `UnexpectedEof`: the other side has closed;
    /// * `InvalidData`: the message had no descriptor, more than one, or one that is not of shared
    ///   memory or can only write; or it had more bytes than the one that `send` writes. The first
    ///   byte of such a message is lost; of a datagram, all are. In a stream, bytes that follow at
    ///   once count as part of the message, unless its first byte is zero, which is what `send`
    ///   writes;
    /// * `EMFILE`: no descriptor is free, or the system refused the one that was sent, which is
    ///   lost then;
    /// * what `recvmsg` reports: `WouldBlock` on a non-blocking socket, `ENOTSOCK`;
    /// * `EBADF`: the descriptor stands for a path alone (`O_PATH`).
    ///
    /// # Platform-specific behavior
    ///
    /// On macOS, close-on-exec is set after the descriptor has arrived.
    ///
    /// Android, FreeBSD and macOS can tell what is shared memory. So can Linux, unless `/dev/shm`
    /// is not a tmpfs or a sandbox hides the answer: then every file on the file system of
    /// `/dev/shm` is taken for an object. On NetBSD, every file on that of `/var/shm` is. On
    /// OpenBSD an object is a file like any other, so only pipes, sockets, directories and devices
    /// are refused.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn receive(socket: impl AsFd) -> Result<Shm> {
        let refuse = |kind, why: &'static str| {
            Err(Failure::refused(Operation::Receive, kind, why).named(None))
        };
        let failed = |errno: Errno| Failure::new(Operation::Receive, errno).named(None);
        let mut received = imp::receive(socket.as_fd()).map_err(failed)?;
        match (received.descriptors.pop(), received.descriptors.len()) {
            // There is room for several, so it was not the message that was too long.
            (None, _) if received.truncated => Err(Failure::new(Operation::Receive, Errno::MFILE)
                .with_hint(
                    "no descriptor is free, or the system refused this one; what was sent is lost",
                )
                .named(None)),
            _ if received.truncated => {
                refuse(ErrorKind::InvalidData, "the message had several descriptors")
            }
            _ if received.payload => refuse(
                ErrorKind::InvalidData,
                "the message had more bytes than the one that send() writes; receive it by other \
                 means",
            ),
            (None, _) if received.ended => {
                refuse(ErrorKind::UnexpectedEof, "the other side has closed")
            }
            (None, _) => refuse(ErrorKind::InvalidData, "the message had no descriptor"),
            (Some(fd), 0) => match imp::check_kind(fd.as_fd()) {
                // A filter may forbid the question. Then the direction stays unknown.
                Ok(()) => match imp::direction(fd.as_fd()) {
                    Ok(None) => refuse(
                        ErrorKind::InvalidData,
                        "the descriptor can only write, and a handle must be able to read",
                    ),
                    Ok(Some(direction)) => {
                        Ok(Shm::new(fd, None, Some(direction), Origin::of_unknown()))
                    }
                    Err(_) => Ok(Shm::from(fd)),
                },
                Err(Errno::INVAL) => {
                    refuse(ErrorKind::InvalidData, "the descriptor is not of shared memory")
                }
                Err(errno) => Err(failed(errno)),
            },
            (Some(_), _) => {
                refuse(ErrorKind::InvalidData, "the message had more than one descriptor")
            }
        }
    }
}
