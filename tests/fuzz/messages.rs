//! Messages of a peer who puts into them what the system lets through: several headers, those that
//! no object travels in, and descriptors of anything.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use posix_shm::transfer::{self, Foreign};
use posix_shm::{MapOptions, Shm};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::check;

/// What a peer sends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Thing {
    Object,
    Device,
    /// The end of a pipe. Its other end tells when nobody has it open any more.
    Pipe,
}

/// A control message.
#[derive(Clone, Debug)]
enum Header {
    Rights(Vec<Thing>),
    Credentials,
    /// Of a level that a Unix socket ignores, with this type and so many bytes.
    Other(i32, usize),
    /// Of the sockets' own level, and of a type that is not for sending.
    Wrong(i32),
}

#[derive(Clone, Debug)]
struct Message {
    headers: Vec<Header>,
    bytes: usize,
    kind: i32,
    /// Whether the receiver's socket adds the credentials.
    adds: bool,
    /// [`Shm::receive`] or [`transfer::receive_with`].
    simple: bool,
}

fn message() -> impl Strategy<Value = Message> + Clone {
    let thing = prop_oneof![3 => Just(Thing::Object), 1 => Just(Thing::Device),
        2 => Just(Thing::Pipe)];
    let header = prop_oneof![
        6 => vec(thing.clone(), 0..5).prop_map(Header::Rights),
        1 => vec(thing, 100..130).prop_map(Header::Rights),
        2 => Just(Header::Credentials),
        1 => (any::<i32>(), 0_usize..40).prop_map(|(kind, len)| Header::Other(kind, len)),
        1 => (3..i32::MAX).prop_map(Header::Wrong),
    ];
    let kind = select(&[libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET][..]);
    (vec(header, 0..4), 1_usize..5, kind, any::<bool>(), any::<bool>()).prop_map(
        |(headers, bytes, kind, adds, simple)| Message { headers, bytes, kind, adds, simple },
    )
}

fn pair(kind: i32) -> [OwnedFd; 2] {
    let mut pair = [-1; 2];
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the pointer is to room for two descriptors.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) };
    assert_eq!(made, 0, "socketpair");
    pair.map(|fd| {
        // SAFETY: the call made this descriptor for us.
        unsafe { OwnedFd::from_raw_fd(fd) }
    })
}

fn pipe() -> [OwnedFd; 2] {
    let mut ends = [-1; 2];
    // SAFETY: the pointer is to room for two descriptors.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0, "pipe2");
    ends.map(|fd| {
        // SAFETY: the call made this descriptor for us.
        unsafe { OwnedFd::from_raw_fd(fd) }
    })
}

/// Sends bytes with these control messages: level, type and data of each. Returns whether the
/// system lets it through.
fn send(socket: &OwnedFd, bytes: &[u8], headers: &[(i32, i32, Vec<u8>)]) -> bool {
    let mut bytes_of_headers = Vec::new();
    for (level, kind, data) in headers {
        // SAFETY: only computes.
        let len = unsafe { libc::CMSG_LEN(data.len() as u32) } as usize;
        // SAFETY: only computes.
        let space = unsafe { libc::CMSG_SPACE(data.len() as u32) } as usize;
        let end = bytes_of_headers.len() + space;
        bytes_of_headers.extend(len.to_ne_bytes());
        bytes_of_headers.extend(level.to_ne_bytes());
        bytes_of_headers.extend(kind.to_ne_bytes());
        bytes_of_headers.extend(data);
        bytes_of_headers.resize(end, 0);
    }
    let len = bytes_of_headers.len();
    bytes_of_headers.resize(len.next_multiple_of(8), 0);
    // Aligned as headers must be.
    let words = bytes_of_headers.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
    let mut control: Vec<u64> = words.collect();
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: every field is an integer or a pointer, which may be null.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = len as _;
    }
    // SAFETY: every pointer of the message is to memory that outlives the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    assert!(sent == -1 || sent == bytes.len() as isize, "sent in part: {sent}");
    sent != -1
}

/// Waits until nobody has the other end of a pipe open. Another test may start a process at this
/// moment, which has it until it runs its program.
fn all_closed(end: &OwnedFd) -> bool {
    let mut question = libc::pollfd { fd: end.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: the pointer is to one structure.
    let answered = unsafe { libc::poll(&raw mut question, 1, 30_000) };
    answered == 1 && question.revents & libc::POLLHUP != 0
}

fn outcome_is_right(message: &Message) {
    let [here, there] = pair(message.kind);
    if message.adds {
        let (on, len) = (1_i32, size_of::<i32>() as libc::socklen_t);
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PASSCRED);
        let fd = there.as_raw_fd();
        // SAFETY: the pointer is to an integer of that length.
        let set = unsafe { libc::setsockopt(fd, level, option, (&raw const on).cast(), len) };
        assert_eq!(set, 0, "SO_PASSCRED");
    }
    let object = Shm::anonymous(100).unwrap();
    MapOptions::new().map_mut(&object).unwrap().bytes().store(7, 8);
    let device = File::open("/dev/null").unwrap();
    let mut pipes: Vec<[OwnedFd; 2]> = Vec::new();
    let mut things: Vec<Thing> = Vec::new();
    let headers: Vec<(i32, i32, Vec<u8>)> = message
        .headers
        .iter()
        .map(|header| match header {
            Header::Rights(sent) => {
                things.extend(sent);
                let number = |thing: &Thing| -> RawFd {
                    match thing {
                        Thing::Object => object.as_raw_fd(),
                        Thing::Device => device.as_raw_fd(),
                        Thing::Pipe => {
                            pipes.push(pipe());
                            pipes[pipes.len() - 1][1].as_raw_fd()
                        }
                    }
                };
                let numbers = sent.iter().map(number);
                let data = numbers.flat_map(i32::to_ne_bytes).collect();
                (libc::SOL_SOCKET, libc::SCM_RIGHTS, data)
            }
            Header::Credentials => {
                let process = std::process::id();
                // SAFETY: passes no pointer.
                let user = unsafe { libc::getuid() };
                // SAFETY: as above.
                let group = unsafe { libc::getgid() };
                let data = [process, user, group].into_iter().flat_map(u32::to_ne_bytes).collect();
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS, data)
            }
            Header::Other(kind, len) => (libc::SOL_IP, *kind, vec![1; *len]),
            Header::Wrong(kind) => (libc::SOL_SOCKET, *kind, vec![1; 4]),
        })
        .collect();
    let bytes = if message.simple { vec![0] } else { vec![1; message.bytes] };
    if !send(&here, &bytes, &headers) {
        // Nothing has arrived, which is an error and no wait.
        assert_eq!(Shm::receive(&there).unwrap_err().kind(), ErrorKind::WouldBlock);
    } else if message.simple {
        let result = Shm::receive(&there);
        assert_eq!(result.is_ok(), things == [Thing::Object], "{result:?}");
        match result {
            Ok(object) => assert_eq!(object.map().unwrap().bytes().load(7), 8),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}"),
        }
    } else {
        let (mut descriptors, mut credentials) = (Vec::new(), 0);
        let mut into = [0; 8];
        let received = transfer::receive_with(&there, &mut into, |other| match other {
            Foreign::Descriptor(fd) => descriptors.push(fd),
            Foreign::Control { level: libc::SOL_SOCKET, kind: libc::SCM_CREDENTIALS, .. } => {
                credentials += 1;
            }
            other => panic!("nobody sent {other:?}"),
        });
        let received = received.unwrap();
        assert_eq!(into[..received.bytes], bytes);
        assert_eq!(credentials, usize::from(message.adds), "credentials");
        let objects = things.iter().filter(|thing| **thing == Thing::Object).count();
        assert_eq!(received.others, things.len() - objects);
        assert_eq!(descriptors.len(), things.len() - objects, "handed out");
        assert_eq!(received.objects.count(), objects);
    }
    // Nobody receives them any more.
    drop([here, there]);
    for [reader, writer] in pipes {
        drop(writer);
        assert!(all_closed(&reader), "a descriptor that was sent is still open");
    }
}

#[test]
fn any_control_messages_have_an_outcome_and_no_descriptor_is_left() {
    let rights = |things: &[Thing]| Header::Rights(things.to_vec());
    let of = |headers: Vec<Header>, simple| Message {
        headers,
        bytes: 1,
        kind: libc::SOCK_STREAM,
        adds: true,
        simple,
    };
    let corpus = [
        of(vec![], true),
        of(vec![rights(&[]), rights(&[Thing::Object])], true),
        of(vec![rights(&[Thing::Pipe]), Header::Credentials, rights(&[Thing::Object])], false),
        of(vec![rights(&[Thing::Pipe; 253])], false),
    ];
    check(&corpus, &message(), outcome_is_right);
}
