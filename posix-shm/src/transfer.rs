//! Handles and bytes over Unix sockets: `sendmsg` and `recvmsg` with `SCM_RIGHTS`.
//!
//! [`Shm::send`] and [`Shm::receive`] pass one handle and nothing else. The functions here pass
//! several handles in one message, with bytes beside them, as Wayland and other protocols do.
//!
//! # What can happen
//!
//! | | stream | datagram, seqpacket |
//! |---|---|---|
//! | fewer bytes than wanted were sent | the number says so; the objects went along | never |
//! | fewer bytes than wanted came | the number says so; receive again | the message was shorter |
//! | more bytes came than fit | they come next | `InvalidData`, the message is lost |
//! | this process can have no more descriptors | `EMFILE`, what was received is lost | the same |
//! | the other side has closed | `UnexpectedEof` | `UnexpectedEof`; a datagram socket waits |
//! | it has closed and left bytes unread | `ConnectionReset` | the same, on seqpacket |
//! | nothing is there, on a non-blocking socket | `WouldBlock`, nothing is taken | the same |
//! | there is no room, on a non-blocking socket | `WouldBlock`, nothing is sent | the same |
//! | a signal interrupts the call | it is called again | the same |
//! | the other side is gone | `BrokenPipe`, never a signal | `BrokenPipe`, `ECONNREFUSED` |
//! | a descriptor is not of shared memory | closed and counted, or handed out | the same |
//!
//! * A stream has no messages. Bytes that were sent one after the other may come together, and
//!   objects come with some of the bytes that they were sent beside. Say in your bytes how long a
//!   message is and how many objects it has. Objects keep their order.
//! * An empty seqpacket message looks the same as the end.
//! * If a call fails, it has closed every descriptor that it received.
//! * `EMFILE` also stands for a descriptor that a security module refused. On a stream the bytes
//!   are lost too, so close the connection.
//!
//! # Examples
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use posix_shm::{Shm, transfer};
//!
//! let (here, there) = UnixStream::pair()?;
//! let (pixels, damage) = (Shm::anonymous(65536)?, Shm::anonymous(4096)?);
//! transfer::send(&here, &[&pixels, &damage], b"frame 1")?;
//!
//! let mut bytes = [0; 64];
//! let mut received = transfer::receive(&there, &mut bytes)?;
//! assert_eq!(&bytes[..received.bytes], b"frame 1");
//! assert_eq!(received.objects.len(), 2);
//! let pixels = received.objects.next().unwrap();
//! assert!(pixels.len()? >= 65536);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sources: POSIX.1-2024 `sendmsg`, `recvmsg`; Linux `unix(7)`.

use std::collections::VecDeque;
use std::fmt;
use std::io::ErrorKind;
use std::iter::FusedIterator;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::direction::Direction;
use crate::error::{Error, Result};
use crate::failure::{Errno, Failure, Operation};
use crate::imp::{self, Item, Items, Taken};
use crate::shm::{Origin, Shm};

/// How many objects one message may carry: 253, as on Linux. Other systems take more.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use posix_shm::{Shm, transfer};
///
/// let (here, there) = UnixStream::pair()?;
/// let objects = [&Shm::anonymous(4096)?, &Shm::anonymous(4096)?];
/// for some in objects.chunks(transfer::MAX_OBJECTS) {
///     transfer::send(&here, some, b"x")?;
/// }
/// assert_eq!(transfer::receive(&there, &mut [0])?.objects.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const MAX_OBJECTS: usize = imp::MAX_DESCRIPTORS;

/// Sends bytes with handles of these objects: `sendmsg` with `SCM_RIGHTS`. Returns how many bytes
/// were sent.
///
/// The objects go with the first byte, so all of them were sent if this succeeds. On a stream it
/// may have sent fewer bytes than `bytes` has. Send the rest without objects, with this function or
/// by other means. The other kinds of socket send a message whole or not at all.
///
/// The receiver gets descriptors of its own, with the same directions. The handles stay open. This
/// allocates nothing.
///
/// # Errors
///
/// * `InvalidInput`: `bytes` is empty, since some systems drop descriptors that come alone; or
///   there are more than [`MAX_OBJECTS`];
/// * `EAFNOSUPPORT`: the socket is not a Unix socket, so it would drop the descriptors without an
///   error;
/// * `WouldBlock`: the socket has no room, and is non-blocking or has a time limit
///   (`SO_SNDTIMEO`); nothing was sent;
/// * what `sendmsg` reports: `BrokenPipe` (`EPIPE`) if the other side is gone (never a signal),
///   `EMSGSIZE` for a message too long for the socket, `ETOOMANYREFS`, `ENOTSOCK`.
///
/// # Platform-specific behavior
///
/// macOS has no flag against the signal for one call, so this sets the socket's `SO_NOSIGPIPE`.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use posix_shm::{Shm, transfer};
///
/// let (here, there) = UnixStream::pair()?;
/// let (pixels, damage) = (Shm::anonymous(65536)?, Shm::anonymous(4096)?);
/// assert_eq!(transfer::send(&here, &[&pixels, &damage], b"frame 1")?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "SCM_RIGHTS")]
#[doc(alias = "sendmsg")]
pub fn send(socket: impl AsFd, objects: &[&Shm], bytes: &[u8]) -> Result<usize> {
    let name = || match objects {
        [object] => object.name(),
        _ => None,
    };
    let refuse = |why| Err(Failure::invalid(Operation::Send, why).named(name()));
    if bytes.is_empty() {
        return refuse("a message without a byte carries no objects on some systems");
    }
    if objects.len() > MAX_OBJECTS {
        return refuse("one message carries at most 253 objects");
    }
    // From now on, other processes share the open descriptors.
    let descriptors = objects.iter().map(|object| object.as_raw_fd());
    imp::send(socket.as_fd(), descriptors, bytes)
        .map_err(|errno| Failure::new(Operation::Send, errno).named(name()))
}

/// Receives bytes, and handles of the objects that were sent with them: `recvmsg` with
/// `SCM_RIGHTS`.
///
/// Returns at once with as many bytes as there are, at least one. Descriptors that are not of
/// shared memory are closed and counted; [`receive_with`] hands them out. All are closed on exec.
///
/// The peer chooses how long an object is, whether it can be written and whether it is sealed: see
/// [`Shm::inspect`].
///
/// Up to [`Objects::WITHOUT_ALLOCATING`] objects in a message, this allocates nothing.
///
/// # Errors
///
/// * `UnexpectedEof`: the other side has closed. `ConnectionReset` (`ECONNRESET`): it has closed,
///   or was killed, and has left bytes unread;
/// * `WouldBlock`: nothing is there, and the socket is non-blocking or has a time limit
///   (`SO_RCVTIMEO`);
/// * `InvalidData`: the message has more bytes than fit into `into`, and is lost;
/// * `InvalidInput`: `into` is empty;
/// * `EMFILE`: no descriptor is free here, or the system refused one; what was received is lost;
/// * what `recvmsg` reports: `ENOTSOCK`.
///
/// # Platform-specific behavior
///
/// As [`Shm::receive`].
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use posix_shm::{Shm, transfer};
///
/// let (here, there) = UnixStream::pair()?;
/// Shm::anonymous(65536)?.send_with(&here, b"640 by 480")?;
/// let mut bytes = [0; 64];
/// let mut received = transfer::receive(&there, &mut bytes)?;
/// assert_eq!(&bytes[..received.bytes], b"640 by 480");
/// assert_eq!(received.objects.next().ok_or("no object came")?.len()?, 65536);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "SCM_RIGHTS")]
#[doc(alias = "recvmsg")]
pub fn receive(socket: impl AsFd, into: &mut [u8]) -> Result<Received> {
    take(socket.as_fd(), into, &mut |_| {})
}

/// As [`receive`], and hands out what is not shared memory: other descriptors, and the control
/// messages that the socket adds.
///
/// If this function fails, it has handed out no descriptor. What `others` drops is closed.
///
/// # Errors
///
/// As [`receive`].
///
/// # Examples
///
/// ```
/// use std::os::fd::OwnedFd;
/// use std::os::unix::net::UnixStream;
/// use posix_shm::Shm;
/// use posix_shm::transfer::{self, Foreign};
///
/// let (here, there) = UnixStream::pair()?;
/// let end_of_a_socket = UnixStream::pair()?.0;
/// // Anything can be sent; this is not shared memory.
/// let other = Shm::from(OwnedFd::from(end_of_a_socket));
/// transfer::send(&here, &[&other, &Shm::anonymous(4096)?], b"x")?;
///
/// let mut others = Vec::new();
/// let received = transfer::receive_with(&there, &mut [0; 8], |foreign| {
///     if let Foreign::Descriptor(fd) = foreign {
///         others.push(fd);
///     }
/// })?;
/// assert_eq!((received.objects.len(), others.len()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn receive_with(
    socket: impl AsFd,
    into: &mut [u8],
    mut others: impl FnMut(Foreign<'_>),
) -> Result<Received> {
    take(socket.as_fd(), into, &mut others)
}

/// What [`receive`] has received.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use posix_shm::{Shm, transfer};
///
/// let (here, there) = UnixStream::pair()?;
/// transfer::send(&here, &[&Shm::anonymous(4096)?], b"frame 1")?;
/// let received = transfer::receive(&there, &mut [0; 64])?;
/// assert_eq!((received.bytes, received.objects.len(), received.others), (7, 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// The objects, in the order in which they were sent.
    pub objects: Objects,
    /// How many bytes there are, from the start of the buffer. Zero only for an empty datagram.
    pub bytes: usize,
    /// How many descriptors came that are not of shared memory, can only write, or stand for a path
    /// alone (`O_PATH`). They are closed, unless they were handed out.
    pub others: usize,
    /// How many control messages came that have no descriptors, such as credentials.
    pub control_messages: usize,
}

/// What came with a message and is not shared memory.
///
/// # Examples
///
/// ```
/// use std::os::fd::OwnedFd;
/// use posix_shm::transfer::Foreign;
///
/// /// Keeps the descriptors that are no objects, for `receive_with`.
/// fn keep(foreign: Foreign<'_>, into: &mut Vec<OwnedFd>) {
///     match foreign {
///         Foreign::Descriptor(fd) => into.push(fd),
///         other => println!("{other:?}"),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Foreign<'a> {
    /// A descriptor that the peer has sent: not of shared memory, or one that can only write.
    Descriptor(OwnedFd),
    /// A descriptor of the process that has sent the message: `SCM_PIDFD`, which Linux adds if the
    /// socket has `SO_PASSPIDFD`.
    Process(OwnedFd),
    /// Another control message, such as `SCM_CREDENTIALS`.
    Control {
        /// The protocol that it belongs to: `cmsg_level`.
        level: i32,
        /// What it is: `cmsg_type`.
        kind: i32,
        /// Its content, aligned or not.
        data: &'a [u8],
    },
}

/// The objects of a message: an iterator over handles. Dropping it closes those that were not
/// taken.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use posix_shm::{Shm, transfer};
///
/// let (here, there) = UnixStream::pair()?;
/// transfer::send(&here, &[&Shm::anonymous(65536)?, &Shm::anonymous(4096)?], b"x")?;
/// let mut objects = transfer::receive(&there, &mut [0])?.objects;
/// let pixels = objects.next().ok_or("no object came")?;
/// assert_eq!((pixels.len()?, objects.len()), (65536, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Objects {
    /// Those that were taken are empty again.
    first: [Option<Object>; Objects::WITHOUT_ALLOCATING],
    taken: usize,
    filled: usize,
    /// Those that did not fit.
    rest: VecDeque<Object>,
}

/// What is known about an object that has arrived.
#[derive(Debug)]
struct Object {
    fd: OwnedFd,
    direction: Option<Direction>,
}

impl From<Object> for Shm {
    fn from(object: Object) -> Shm {
        Shm::new(object.fd, None, object.direction, Origin::of_unknown(), None)
    }
}

impl Objects {
    /// How many objects a message may have that is received without allocating: 8.
    pub const WITHOUT_ALLOCATING: usize = 8;

    fn push(&mut self, object: Object) {
        match self.first.get_mut(self.filled) {
            Some(place) => {
                *place = Some(object);
                self.filled += 1;
            }
            None => self.rest.push_back(object),
        }
    }
}

impl Iterator for Objects {
    type Item = Shm;

    fn next(&mut self) -> Option<Shm> {
        if self.taken == self.filled {
            return self.rest.pop_front().map(Shm::from);
        }
        self.taken += 1;
        self.first[self.taken - 1].take().map(Shm::from)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.filled - self.taken + self.rest.len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Objects {}

impl FusedIterator for Objects {}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.first.iter().flatten().chain(&self.rest)).finish()
    }
}

fn take(
    socket: BorrowedFd<'_>,
    into: &mut [u8],
    others: &mut dyn FnMut(Foreign<'_>),
) -> Result<Received> {
    if into.is_empty() {
        return Err(refused(ErrorKind::InvalidInput, "there is no room for a byte"));
    }
    let mut received =
        Received { objects: Objects::default(), bytes: 0, others: 0, control_messages: 0 };
    let sort = |taken, items: &mut Items<'_>| received.sort(taken, items, others);
    imp::receive(socket, into, sort).map_err(failed)??;
    Ok(received)
}

impl Received {
    /// Makes objects of the descriptors that are of shared memory.
    fn sort(
        &mut self,
        taken: Taken,
        items: &mut Items<'_>,
        others: &mut dyn FnMut(Foreign<'_>),
    ) -> Result<()> {
        if taken.lacks_descriptors() {
            return Err(no_descriptor());
        }
        if taken.is_cut() {
            let why = "the message has more bytes than there is room for; it is lost";
            return Err(refused(ErrorKind::InvalidData, why));
        }
        self.bytes = taken.bytes;
        for item in items {
            let foreign = match item {
                Item::Sent(fd) => match direction_of(fd.as_fd()) {
                    Ok(direction) => {
                        self.objects.push(Object { fd, direction });
                        continue;
                    }
                    // Without a descriptor or a call to ask with, it may be an object.
                    Err(error) if !is_about_the_peer(&error) => return Err(error),
                    Err(_) => Foreign::Descriptor(fd),
                },
                Item::Process(fd) => Foreign::Process(fd),
                Item::Other { level, kind, data } => Foreign::Control { level, kind, data },
            };
            match foreign {
                Foreign::Control { .. } => self.control_messages += 1,
                Foreign::Descriptor(_) | Foreign::Process(_) => self.others += 1,
            }
            others(foreign);
        }
        if taken.ended && self.objects.len() == 0 && self.others == 0 {
            return Err(refused(ErrorKind::UnexpectedEof, ENDED));
        }
        Ok(())
    }
}

/// Whether a descriptor is refused for what it is. `EBADF`: it stands for a path alone.
fn is_about_the_peer(error: &Error) -> bool {
    error.raw_os_error().is_none_or(|errno| Errno(errno) == Errno::BADF)
}

const ENDED: &str = "the other side has closed";

#[cold]
fn refused(kind: ErrorKind, why: &'static str) -> Error {
    Failure::refused(Operation::Receive, kind, why).named(None)
}

#[cold]
fn failed(errno: Errno) -> Error {
    Failure::new(Operation::Receive, errno).named(None)
}

/// There is room for several in the message, so it was not the message that was too long.
#[cold]
fn no_descriptor() -> Error {
    let hint = "no descriptor is free, or the system refused this one; what was sent is lost";
    Failure::new(Operation::Receive, Errno::MFILE).with_hint(hint).named(None)
}

/// What a descriptor that a peer has sent can do, as far as the system tells. An error, if it is
/// not of shared memory or can only write.
#[inline(always)]
fn direction_of(fd: BorrowedFd<'_>) -> Result<Option<Direction>> {
    if let Err(errno) = imp::check_kind(fd) {
        return Err(not_adopted(fd, errno));
    }
    match imp::direction(fd) {
        Ok(None) => {
            let why = "the descriptor can only write, and a handle must be able to read";
            Err(refused(ErrorKind::InvalidData, why))
        }
        Ok(direction) => Ok(direction),
        // A filter may forbid the question. Then the direction stays unknown.
        Err(_) => Ok(None),
    }
}

#[cold]
fn not_adopted(fd: BorrowedFd<'_>, errno: Errno) -> Error {
    if errno != Errno::INVAL {
        return failed(errno);
    }
    let why = imp::stat(fd).map_or(NOT_MEMORY, |stat| stat.is_no_memory());
    refused(ErrorKind::InvalidData, why)
}

const NOT_MEMORY: &str = "the descriptor is not of shared memory";

impl Shm {
    /// Sends a handle of the object over a Unix socket: `sendmsg` with `SCM_RIGHTS`, in a message
    /// of one byte.
    ///
    /// The receiver gets a descriptor of its own, with the same direction. This handle stays open.
    /// This is how anonymous objects are shared. [`transfer::send`](crate::transfer::send) sends
    /// several in one message.
    ///
    /// # Errors
    ///
    /// * `EAFNOSUPPORT`: the socket is not a Unix socket, so it would drop the descriptor without
    ///   an error;
    /// * what `sendmsg` reports: `BrokenPipe` (`EPIPE`) if the other side is gone (never a signal),
    ///   `WouldBlock` on a non-blocking socket, `ENOTSOCK`, `ETOOMANYREFS`.
    ///
    /// # Platform-specific behavior
    ///
    /// macOS has no flag against the signal for one call, so this sets the socket's
    /// `SO_NOSIGPIPE`.
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
        imp::send_one(socket.as_fd(), self.as_raw_fd(), 0).map_err(self.error(Operation::Send))
    }

    /// Sends a handle of the object with bytes of your choice, and waits until all are sent:
    /// `sendmsg` with `SCM_RIGHTS`.
    ///
    /// [`transfer::receive`](crate::transfer::receive) receives both. On a non-blocking stream, use
    /// [`transfer::send`](crate::transfer::send), which says how many bytes were sent.
    ///
    /// # Errors
    ///
    /// As [`transfer::send`](crate::transfer::send). If the handle and some of the bytes were sent
    /// before, the hint says how many.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use posix_shm::{Shm, transfer};
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// Shm::anonymous(65536)?.send_with(&here, b"640 by 480")?;
    ///
    /// let mut bytes = [0; 64];
    /// let mut received = transfer::receive(&there, &mut bytes)?;
    /// assert_eq!(&bytes[..received.bytes], b"640 by 480");
    /// assert_eq!(received.objects.next().unwrap().len()?, 65536);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_with(&self, socket: impl AsFd, bytes: &[u8]) -> Result<()> {
        let socket = socket.as_fd();
        let mut sent = send(socket, &[self], bytes)?;
        while sent < bytes.len() {
            sent += imp::send(socket, [].into_iter(), &bytes[sent..]).map_err(|errno| {
                let all = bytes.len();
                let hint = format!("the handle and {sent} of {all} bytes were sent before");
                self.named(Failure::new(Operation::Send, errno).with_hint(hint))
            })?;
        }
        Ok(())
    }

    /// Receives a handle that [`send`](Shm::send) sent: `recvmsg` with `SCM_RIGHTS`.
    ///
    /// The descriptor is closed on exec. A peer can send anything: a descriptor that is not of
    /// shared memory is refused, and every descriptor that came with it is closed. The peer also
    /// chooses how long the object is, whether it can be read and written and whether it is
    /// sealed: see [`inspect`](Shm::inspect).
    ///
    /// It takes exactly the message that `send` sends (or an empty datagram with one handle).
    /// [`transfer::receive`](crate::transfer::receive) takes others.
    ///
    /// # Errors
    ///
    /// * `UnexpectedEof`: the other side has closed. `ConnectionReset` (`ECONNRESET`): it has
    ///   closed, or was killed, and has left bytes unread;
    /// * `InvalidData`: the message had no descriptor, more than one, or one that is not of shared
    ///   memory or can only write; or it had more bytes than the one that `send` writes. The first
    ///   byte of such a message is lost; of a datagram, all are. After `send` you may write other
    ///   bytes at once. After another program's message you may not, unless it is one zero byte:
    ///   they would count as part of it;
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
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use posix_shm::Shm;
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// Shm::anonymous(65536)?.send(&here)?;
    /// let received = Shm::receive(&there)?;
    /// assert_eq!(received.len()?, 65536);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "SCM_RIGHTS")]
    pub fn receive(socket: impl AsFd) -> Result<Shm> {
        let socket = socket.as_fd();
        let mut byte = [0];
        let fd = imp::receive_one(socket, &mut byte, the_only_one).map_err(failed)??;
        // `send` writes a zero. After another byte, what follows without a descriptor of its own
        // counts as part of the message.
        if byte[0] != 0 && imp::more_follows(socket) {
            return Err(refused(ErrorKind::InvalidData, MORE_BYTES));
        }
        let direction = direction_of(fd.as_fd())?;
        Ok(Shm::new(fd, None, direction, Origin::of_unknown(), None))
    }
}

/// The descriptor of a message, if it has exactly one. It may have other control messages.
#[cold]
fn the_only_one(taken: Taken, items: &mut Items<'_>) -> Result<OwnedFd> {
    let (mut first, mut several) = (None, false);
    for item in items {
        if let Item::Sent(fd) = item {
            several |= first.is_some();
            first.get_or_insert(fd);
        }
    }
    let invalid = |why| Err(refused(ErrorKind::InvalidData, why));
    match first {
        None if taken.lacks_descriptors() => Err(no_descriptor()),
        _ if taken.lacks_descriptors() => invalid("the message had several descriptors"),
        _ if taken.is_cut() => invalid(MORE_BYTES),
        None if taken.ended => Err(refused(ErrorKind::UnexpectedEof, ENDED)),
        None => invalid("the message had no object; the other side must call Shm::send"),
        Some(_) if several => invalid("the message had more than one descriptor"),
        Some(fd) => Ok(fd),
    }
}

const MORE_BYTES: &str = "the message had more bytes than the one that send() writes; \
     transfer::receive() receives it";
