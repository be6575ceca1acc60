//! The other libraries, and what they lack.

use std::cell::RefCell;
use std::fs::File;
use std::hint::black_box;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::ptr::null_mut;

#[cfg(feature = "iceoryx2")]
use iceoryx2_bb_loggers as _;
use posix_shm::Shm;

use crate::cycles::LEN;

/// A way of another library: its name, what it lacks, and a function.
pub(crate) type Peer<'a> = (&'static str, &'static str, Box<dyn Fn() + 'a>);

/// What is said of those that are named before they have their length and their memory.
pub(crate) const HALF_MADE: &str = "others can open it half-made; memory is not reserved";
pub(crate) const SLICE: &str = "bytes are a slice, although peers may write";
pub(crate) const SPARSE: &str = "memory is not reserved";
const IN_LINE: &str = "its system calls do not go through the C library";
const ANY_SOCKET: &str = "does not ask whether it is a Unix socket";
pub(crate) const TRUSTS: &str = "does not ask whether it is shared memory";

/// Maps the object, writes a byte, and unmaps it.
#[inline(always)]
fn map_and_touch_by_rustix(object: &OwnedFd) {
    use rustix::mm;
    let (access, shared) = (mm::ProtFlags::READ | mm::ProtFlags::WRITE, mm::MapFlags::SHARED);
    // SAFETY: the call replaces no mapping.
    let start = unsafe { mm::mmap(null_mut(), LEN, access, shared, object, 0) }.unwrap();
    // SAFETY: the mapping was made above.
    unsafe { start.cast::<u8>().write_volatile(1) };
    // SAFETY: the mapping is not used any more.
    unsafe { mm::munmap(start, LEN) }.unwrap();
}

pub(crate) fn create(text: &str) -> Vec<Peer<'_>> {
    #[allow(unused_mut, reason = "not with every feature")]
    let mut ways: Vec<Peer<'_>> = vec![
        (
            "rustix",
            HALF_MADE,
            Box::new(move || {
                use rustix::{fs::Mode, shm};
                let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
                let fd = shm::open(text, flags, Mode::RUSR | Mode::WUSR).unwrap();
                rustix::fs::ftruncate(&fd, LEN as u64).unwrap();
                map_and_touch_by_rustix(&fd);
                drop(fd);
                shm::unlink(text).unwrap();
            }),
        ),
        (
            "nix and memmap2",
            HALF_MADE,
            Box::new(move || {
                use nix::{fcntl::OFlag, sys::mman, sys::stat::Mode};
                let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
                let fd = mman::shm_open(text, flags, Mode::from_bits_truncate(0o600)).unwrap();
                nix::unistd::ftruncate(&fd, LEN as i64).unwrap();
                // SAFETY: no other process has the object.
                let mut mapping =
                    unsafe { memmap2::MmapOptions::new().len(LEN).map_mut(&fd) }.unwrap();
                mapping[0] = black_box(1);
                drop((mapping, fd));
                mman::shm_unlink(text).unwrap();
            }),
        ),
        (
            "shared_memory",
            HALF_MADE,
            Box::new(move || {
                let mut mapping =
                    shared_memory::ShmemConf::new().os_id(text).size(LEN).create().unwrap();
                // SAFETY: no other process has the object.
                unsafe { mapping.as_slice_mut()[0] = black_box(1) };
            }),
        ),
        (
            "psx-shm",
            HALF_MADE,
            Box::new(move || {
                use rustix::{fs::Mode, shm::OFlags};
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
                let mut object = psx_shm::Shm::open(text, flags, Mode::RUSR | Mode::WUSR).unwrap();
                object.set_size(LEN).unwrap();
                // SAFETY: no other process has the object.
                unsafe { object.map(0) }.unwrap().map()[0] = black_box(1);
                object.unlink().unwrap();
            }),
        ),
    ];
    #[cfg(feature = "iceoryx2")]
    ways.push((
        "iceoryx2-bb-posix",
        HALF_MADE,
        Box::new(move || {
            use iceoryx2_bb_container::semantic_string::SemanticString;
            use iceoryx2_bb_posix::shared_memory::*;
            use iceoryx2_bb_system_types::file_name::FileName;
            let name = FileName::new(&text.as_bytes()[1..]).unwrap();
            let mut object = SharedMemoryBuilder::new(&name)
                .creation_mode(CreationMode::CreateExclusive)
                .size(LEN)
                .permission(Permission::OWNER_ALL)
                .zero_memory(false)
                .create()
                .unwrap();
            object.as_mut_slice()[0] = black_box(1);
        }),
    ));
    ways
}

pub(crate) fn open(text: &str) -> Vec<Peer<'_>> {
    #[allow(unused_mut, reason = "not with every feature")]
    let mut ways: Vec<Peer<'_>> = vec![
        (
            "rustix",
            IN_LINE,
            Box::new(move || {
                use rustix::{fs::Mode, mm, shm};
                let fd = shm::open(text, shm::OFlags::RDONLY, Mode::empty()).unwrap();
                let len = rustix::fs::fstat(&fd).unwrap().st_size as usize;
                let (access, shared) = (mm::ProtFlags::READ, mm::MapFlags::SHARED);
                // SAFETY: the call replaces no mapping.
                let start = unsafe { mm::mmap(null_mut(), len, access, shared, &fd, 0) }.unwrap();
                // SAFETY: the mapping was made above.
                black_box(unsafe { start.cast::<u8>().read_volatile() });
                // SAFETY: the mapping is not used any more.
                unsafe { mm::munmap(start, len) }.unwrap();
            }),
        ),
        (
            "nix and memmap2",
            SLICE,
            Box::new(move || {
                use nix::{fcntl::OFlag, sys::mman, sys::stat::Mode};
                let fd = mman::shm_open(text, OFlag::O_RDONLY, Mode::empty()).unwrap();
                // SAFETY: no process writes to the object.
                black_box(unsafe { memmap2::Mmap::map(&fd) }.unwrap()[0]);
            }),
        ),
        (
            "shared_memory",
            SLICE,
            Box::new(move || {
                let mapping = shared_memory::ShmemConf::new().os_id(text).open().unwrap();
                // SAFETY: no process writes to the object.
                black_box(unsafe { mapping.as_slice()[0] });
            }),
        ),
        (
            "psx-shm",
            SLICE,
            Box::new(move || {
                use rustix::{fs::Mode, shm::OFlags};
                let mut object = psx_shm::Shm::open(text, OFlags::RDWR, Mode::empty()).unwrap();
                // SAFETY: no process writes to the object.
                black_box(unsafe { object.map(0) }.unwrap().map()[0]);
            }),
        ),
    ];
    #[cfg(feature = "iceoryx2")]
    ways.push((
        "iceoryx2-bb-posix",
        SLICE,
        Box::new(move || {
            use iceoryx2_bb_container::semantic_string::SemanticString;
            use iceoryx2_bb_posix::access_mode::AccessMode;
            use iceoryx2_bb_posix::shared_memory::*;
            use iceoryx2_bb_system_types::file_name::FileName;
            let name = FileName::new(&text.as_bytes()[1..]).unwrap();
            let object = SharedMemoryBuilder::new(&name).open_existing(AccessMode::Read).unwrap();
            black_box(object.as_slice()[0]);
        }),
    ));
    ways
}

pub(crate) fn anonymous() -> Vec<Peer<'static>> {
    #[allow(unused_mut, reason = "not with every feature")]
    let mut ways: Vec<Peer<'_>> = vec![
        (
            "rustix",
            SPARSE,
            Box::new(move || {
                let fd =
                    rustix::fs::memfd_create("bench", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
                rustix::fs::ftruncate(&fd, LEN as u64).unwrap();
                map_and_touch_by_rustix(&fd);
            }),
        ),
        (
            "memfd and memmap2",
            SPARSE,
            Box::new(move || {
                let object = memfd::MemfdOptions::default().create("bench").unwrap();
                object.as_file().set_len(LEN as u64).unwrap();
                // SAFETY: no other process has the object.
                let mut mapping = unsafe { memmap2::MmapMut::map_mut(object.as_file()) }.unwrap();
                mapping[0] = black_box(1);
            }),
        ),
        (
            "shared_memory (has a random name)",
            HALF_MADE,
            Box::new(move || {
                let mut mapping = shared_memory::ShmemConf::new().size(LEN).create().unwrap();
                // SAFETY: no other process has the object.
                unsafe { mapping.as_slice_mut()[0] = black_box(1) };
            }),
        ),
    ];
    #[cfg(feature = "ipc-channel")]
    ways.push((
        "ipc-channel",
        SPARSE,
        Box::new(move || {
            black_box(ipc_channel::ipc::IpcSharedMemory::from_byte(1, LEN)[0]);
        }),
    ));
    ways
}

pub(crate) fn publish<'a>(text: &'a str, content: &'a [u8]) -> Vec<Peer<'a>> {
    let len = content.len();
    vec![(
        "shared_memory",
        HALF_MADE,
        Box::new(move || {
            let mut mapping =
                shared_memory::ShmemConf::new().os_id(text).size(len).create().unwrap();
            // SAFETY: no other process has the object.
            unsafe { mapping.as_slice_mut()[..len].copy_from_slice(content) };
        }),
    )]
}

pub(crate) fn read<'a>(object: &'a Shm, buffer: &'a RefCell<Vec<u8>>) -> Vec<Peer<'a>> {
    let file = || File::from(object.as_fd().try_clone_to_owned().unwrap());
    let (std, rustix, len) = (file(), file(), buffer.borrow().len());
    vec![
        (
            "std",
            "",
            Box::new(move || assert_eq!(std.read_at(&mut buffer.borrow_mut(), 0).unwrap(), len)),
        ),
        (
            "rustix",
            IN_LINE,
            Box::new(move || {
                let buffer = &mut **buffer.borrow_mut();
                assert_eq!(rustix::io::pread(&rustix, buffer, 0).unwrap(), len);
            }),
        ),
    ]
}

pub(crate) fn pass<'a>(object: &'a Shm, sockets: &'a (UnixStream, UnixStream)) -> Vec<Peer<'a>> {
    let (here, there, fd) = (&sockets.0, &sockets.1, object.as_raw_fd());
    let by_rustix = move || {
        use rustix::net::*;
        use std::io::{IoSlice, IoSliceMut};
        use std::mem::MaybeUninit;
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut room);
        let descriptors = [object.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        sendmsg(here, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL).unwrap();
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut room);
        let mut byte = [0];
        let parts = &mut [IoSliceMut::new(&mut byte)];
        recvmsg(there, parts, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
        let mut received = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        received.next().unwrap()
    };
    vec![
        (
            "rustix, and the same questions",
            ANY_SOCKET,
            Box::new(move || {
                let received = by_rustix();
                rustix::fs::fcntl_get_seals(&received).unwrap();
                rustix::fs::fcntl_getfl(&received).unwrap();
            }),
        ),
        ("rustix", TRUSTS, Box::new(move || drop(by_rustix()))),
        (
            "nix",
            TRUSTS,
            Box::new(move || {
                use nix::sys::socket::*;
                use std::io::{IoSlice, IoSliceMut};
                let (from, to) = (here.as_raw_fd(), there.as_raw_fd());
                let descriptors = [ControlMessage::ScmRights(&[fd])];
                let parts = [IoSlice::new(&[0])];
                sendmsg::<()>(from, &parts, &descriptors, MsgFlags::MSG_NOSIGNAL, None).unwrap();
                let mut byte = [0];
                let mut parts = [IoSliceMut::new(&mut byte)];
                let mut room = nix::cmsg_space!(i32);
                let flags = MsgFlags::MSG_CMSG_CLOEXEC;
                let message = recvmsg::<()>(to, &mut parts, Some(&mut room), flags).unwrap();
                for part in message.cmsgs().unwrap() {
                    if let ControlMessageOwned::ScmRights(received) = part {
                        for fd in received {
                            // SAFETY: the call made this descriptor for us.
                            drop(unsafe { OwnedFd::from_raw_fd(fd) });
                        }
                    }
                }
            }),
        ),
    ]
}
