//! Measures the life cycles of objects: creating, opening, publishing, reading and passing on. This
//! library against hand-written calls that give the same guarantee, and against other libraries, in
//! the same run.
//!
//! Type this in `posix-shm/benches`:
//!
//! ```sh
//! cargo bench --bench lifecycle
//! cargo bench --bench lifecycle --features iceoryx2,ipc-channel    # two more peers
//! cargo bench --bench lifecycle -- --short                         # to see that it works
//! ```
//!
//! You should see tables like those in `README.md`: a row for each way, with the median of its
//! ratios to the first row, its time, and exactly how many system calls, instructions and
//! allocations it takes. `lifecycle.svg` has the ratios as bars.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)]

use std::ffi::CString;
use std::fs::File;
use std::hint::black_box;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr::null_mut;

use posix_shm::{Direction, IfExists, OpenOptions, Shm, ShmName};
use posix_shm_benches::{Variant, bars, shuffled_ratios};

#[path = "../../tests/counted/raw.rs"]
#[allow(dead_code, reason = "shared with the counts in tests/counted.rs")]
mod raw;
#[path = "../../tests/counted/stepped.rs"]
#[allow(dead_code, reason = "shared with the counts in tests/counted.rs")]
mod stepped;

use stepped::{CAN_STEP, cost};

const LEN: usize = 4096;

/// One way to do the same thing: what it is called, and what it lacks.
type Way<'a> = (&'static str, &'static str, Box<dyn Fn() + 'a>);

/// What is said of those that are named before they have their length and their memory.
const HALF_MADE: &str = "others can open it half-made; memory is not reserved";

struct Bench {
    rounds: usize,
    plotted: Vec<(String, Vec<(String, f64)>)>,
}

impl Bench {
    fn table(&mut self, title: &str, ways: Vec<Way<'_>>) {
        let costs: Vec<_> = ways.iter().map(|(_, _, run)| cost(run)).collect();
        let mut variants: Vec<Variant<'_>> = ways
            .iter()
            .map(|(name, _, run)| {
                let run = Box::new(move |times| (0..times).for_each(|_| run()));
                Variant { name, run }
            })
            .collect();
        let found = shuffled_ratios(&mut variants, self.rounds);
        println!("\n### {title}\n");
        println!("| way | ratio | µs | calls | instructions | allocations | what it lacks |");
        println!("|---|---:|---:|---:|---:|---:|---|");
        let mut plotted = Vec::new();
        for (((name, lacks, _), (ratio, time)), cost) in ways.iter().zip(found).zip(costs) {
            let [calls, instructions] = [cost.calls, cost.instructions]
                .map(|count| if CAN_STEP { count.to_string() } else { "?".to_owned() });
            println!(
                "| {name} | {ratio:.3} | {:.2} | {calls} | {instructions} | {} | {lacks} |",
                time.as_secs_f64() * 1e6,
                cost.allocations
            );
            plotted.push(((*name).to_owned(), ratio));
        }
        self.plotted.push((title.to_owned(), plotted));
    }
}

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    let mut bench = Bench { rounds: if short { 3 } else { 101 }, plotted: Vec::new() };
    let name = ShmName::random("bench.").unwrap();
    create(&mut bench, &name);
    let kept = Shm::publish(&name, &[7; LEN]).unwrap();
    open(&mut bench, &name);
    kept.unlink().unwrap();
    anonymous(&mut bench);
    let sizes: &[usize] =
        if short { &[LEN] } else { &[LEN, 64 << 10, 1 << 20, 16 << 20, 256 << 20] };
    for &size in sizes {
        let rounds = bench.rounds;
        bench.rounds = rounds.min((16 << 20) / size + 5);
        publish(&mut bench, &name, size);
        bench.rounds = rounds;
    }
    for &size in &sizes[..sizes.len().min(4)] {
        let rounds = bench.rounds;
        bench.rounds = rounds.min((16 << 20) / size + 5);
        read(&mut bench, &name, size);
        bench.rounds = rounds;
    }
    pass(&mut bench);
    let title = "Time, compared with hand-written calls of the same guarantee (1)";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lifecycle.svg");
    let plotted: Vec<_> =
        bench.plotted.into_iter().filter(|(title, _)| !title.contains("MiB")).collect();
    bars(&path, title, &plotted, "posix-shm").unwrap();
    println!("\nThe bars are in {}.", path.display());
}

fn creating(len: usize) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_exists(IfExists::Error).size(len as u64);
    options
}

fn path_of(name: &ShmName) -> CString {
    CString::new(format!("/dev/shm{name}")).unwrap()
}

fn create(bench: &mut Bench, name: &ShmName) {
    let text = name.to_string();
    let (text, c_name, path) = (text.as_str(), name.as_c_str(), &*path_of(name));
    let complete = || {
        let object = raw::unnamed();
        raw::reserve(object, LEN);
        let start = raw::map_and_touch(object, LEN);
        raw::name(object, path);
        raw::unmap(start, LEN);
        raw::close(object);
        raw::unlink(c_name);
    };
    #[allow(unused_mut, reason = "not with every feature")]
    let mut ways: Vec<Way<'_>> = vec![
        ("raw", "", Box::new(complete)),
        ("raw again (noise)", "", Box::new(complete)),
        (
            "posix-shm, open_mapped",
            "",
            Box::new(|| {
                let (object, mapping) = creating(LEN).open_mapped(text).unwrap();
                mapping.bytes().store(0, 1);
                drop((mapping, object));
                posix_shm::unlink(text).unwrap();
            }),
        ),
        (
            "posix-shm, open_mapped by a ShmName",
            "",
            Box::new(|| {
                let (object, mapping) = creating(LEN).open_mapped(name).unwrap();
                mapping.bytes().store(0, 1);
                drop((mapping, object));
                posix_shm::unlink(name).unwrap();
            }),
        ),
        (
            "posix-shm, create, map_mut, Shm::unlink",
            "",
            Box::new(|| {
                let object = Shm::create(name, LEN as u64).unwrap();
                object.map_mut().unwrap().bytes().store(0, 1);
                object.unlink().unwrap();
            }),
        ),
        (
            "rustix",
            HALF_MADE,
            Box::new(|| {
                use rustix::{fs::Mode, mm, shm};
                let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
                let fd = shm::open(text, flags, Mode::RUSR | Mode::WUSR).unwrap();
                rustix::fs::ftruncate(&fd, LEN as u64).unwrap();
                let (access, shared) =
                    (mm::ProtFlags::READ | mm::ProtFlags::WRITE, mm::MapFlags::SHARED);
                // SAFETY: the call replaces no mapping.
                let start = unsafe { mm::mmap(null_mut(), LEN, access, shared, &fd, 0) }.unwrap();
                // SAFETY: the mapping was made above.
                unsafe { start.cast::<u8>().write_volatile(1) };
                // SAFETY: the mapping is not used any more.
                unsafe { mm::munmap(start, LEN) }.unwrap();
                drop(fd);
                shm::unlink(text).unwrap();
            }),
        ),
        (
            "nix and memmap2",
            HALF_MADE,
            Box::new(|| {
                use nix::{fcntl::OFlag, sys::mman, sys::stat::Mode};
                let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
                let fd = mman::shm_open(text, flags, Mode::from_bits_truncate(0o600)).unwrap();
                nix::unistd::ftruncate(&fd, LEN as i64).unwrap();
                // SAFETY: nobody else has the object.
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
            Box::new(|| {
                let mut mapping =
                    shared_memory::ShmemConf::new().os_id(text).size(LEN).create().unwrap();
                // SAFETY: nobody else has the object.
                unsafe { mapping.as_slice_mut()[0] = black_box(1) };
            }),
        ),
        (
            "psx-shm",
            HALF_MADE,
            Box::new(|| {
                use rustix::{fs::Mode, shm::OFlags};
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
                let mut object = psx_shm::Shm::open(text, flags, Mode::RUSR | Mode::WUSR).unwrap();
                object.set_size(LEN).unwrap();
                // SAFETY: nobody else has the object.
                unsafe { object.map(0) }.unwrap().map()[0] = black_box(1);
                object.unlink().unwrap();
            }),
        ),
    ];
    #[cfg(feature = "iceoryx2")]
    ways.push((
        "iceoryx2-bb-posix",
        HALF_MADE,
        Box::new(|| {
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
    bench.table("Creating, mapping and removing 4 KiB", ways);
}

fn open(bench: &mut Bench, name: &ShmName) {
    let text = name.to_string();
    let (text, c_name) = (text.as_str(), name.as_c_str());
    let by_hand = || {
        let object = raw::open(c_name);
        let len = raw::stat(object).st_size as usize;
        let start = raw::map(object, libc::PROT_READ, len);
        // SAFETY: the mapping was made above.
        black_box(unsafe { start.read_volatile() });
        raw::unmap(start, len);
        raw::close(object);
    };
    #[allow(unused_mut, reason = "not with every feature")]
    let mut ways: Vec<Way<'_>> = vec![
        ("raw", "", Box::new(by_hand)),
        ("raw again (noise)", "", Box::new(by_hand)),
        (
            "posix-shm",
            "",
            Box::new(|| {
                let object = Shm::open(text).unwrap();
                black_box(object.map().unwrap().bytes().load(0));
            }),
        ),
        (
            "posix-shm, by a ShmName",
            "",
            Box::new(|| {
                let object = Shm::open(name).unwrap();
                black_box(object.map().unwrap().bytes().load(0));
            }),
        ),
        (
            "rustix",
            "",
            Box::new(|| {
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
            "bytes are a slice, although peers may write",
            Box::new(|| {
                use nix::{fcntl::OFlag, sys::mman, sys::stat::Mode};
                let fd = mman::shm_open(text, OFlag::O_RDONLY, Mode::empty()).unwrap();
                // SAFETY: nobody writes to the object.
                black_box(unsafe { memmap2::Mmap::map(&fd) }.unwrap()[0]);
            }),
        ),
        (
            "shared_memory",
            "bytes are a slice, although peers may write",
            Box::new(|| {
                let mapping = shared_memory::ShmemConf::new().os_id(text).open().unwrap();
                // SAFETY: nobody writes to the object.
                black_box(unsafe { mapping.as_slice()[0] });
            }),
        ),
        (
            "psx-shm",
            "bytes are a slice, although peers may write",
            Box::new(|| {
                use rustix::{fs::Mode, shm::OFlags};
                let mut object = psx_shm::Shm::open(text, OFlags::RDWR, Mode::empty()).unwrap();
                // SAFETY: nobody writes to the object.
                black_box(unsafe { object.map(0) }.unwrap().map()[0]);
            }),
        ),
    ];
    #[cfg(feature = "iceoryx2")]
    ways.push((
        "iceoryx2-bb-posix",
        "bytes are a slice, although peers may write",
        Box::new(|| {
            use iceoryx2_bb_container::semantic_string::SemanticString;
            use iceoryx2_bb_posix::access_mode::AccessMode;
            use iceoryx2_bb_posix::shared_memory::*;
            use iceoryx2_bb_system_types::file_name::FileName;
            let name = FileName::new(&text.as_bytes()[1..]).unwrap();
            let object = SharedMemoryBuilder::new(&name).open_existing(AccessMode::Read).unwrap();
            black_box(object.as_slice()[0]);
        }),
    ));
    bench.table("Opening, mapping, reading a byte and closing", ways);
}

fn anonymous(bench: &mut Bench) {
    let by_hand = || {
        let object = raw::anonymous();
        raw::reserve(object, LEN);
        let start = raw::map_and_touch(object, LEN);
        raw::unmap(start, LEN);
        raw::close(object);
    };
    const SPARSE: &str = "memory is not reserved";
    #[allow(unused_mut, reason = "not with every feature")]
    let mut ways: Vec<Way<'_>> = vec![
        ("raw", "", Box::new(by_hand)),
        ("raw again (noise)", "", Box::new(by_hand)),
        (
            "posix-shm, open_anonymous_mapped",
            "",
            Box::new(|| {
                let (_object, mapping) = creating(LEN).open_anonymous_mapped().unwrap();
                mapping.bytes().store(0, 1);
            }),
        ),
        (
            "posix-shm, anonymous, map_mut",
            "",
            Box::new(|| {
                let object = Shm::anonymous(LEN as u64).unwrap();
                object.map_mut().unwrap().bytes().store(0, 1);
            }),
        ),
        (
            "rustix",
            SPARSE,
            Box::new(|| {
                use rustix::mm;
                let fd =
                    rustix::fs::memfd_create("bench", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
                rustix::fs::ftruncate(&fd, LEN as u64).unwrap();
                let (access, shared) =
                    (mm::ProtFlags::READ | mm::ProtFlags::WRITE, mm::MapFlags::SHARED);
                // SAFETY: the call replaces no mapping.
                let start = unsafe { mm::mmap(null_mut(), LEN, access, shared, &fd, 0) }.unwrap();
                // SAFETY: the mapping was made above.
                unsafe { start.cast::<u8>().write_volatile(1) };
                // SAFETY: the mapping is not used any more.
                unsafe { mm::munmap(start, LEN) }.unwrap();
            }),
        ),
        (
            "memfd and memmap2",
            SPARSE,
            Box::new(|| {
                let object = memfd::MemfdOptions::default().create("bench").unwrap();
                object.as_file().set_len(LEN as u64).unwrap();
                // SAFETY: nobody else has the object.
                let mut mapping = unsafe { memmap2::MmapMut::map_mut(object.as_file()) }.unwrap();
                mapping[0] = black_box(1);
            }),
        ),
        (
            "shared_memory (has a random name)",
            HALF_MADE,
            Box::new(|| {
                let mut mapping = shared_memory::ShmemConf::new().size(LEN).create().unwrap();
                // SAFETY: nobody else has the object.
                unsafe { mapping.as_slice_mut()[0] = black_box(1) };
            }),
        ),
    ];
    #[cfg(feature = "ipc-channel")]
    ways.push((
        "ipc-channel",
        SPARSE,
        Box::new(|| {
            black_box(ipc_channel::ipc::IpcSharedMemory::from_byte(1, LEN)[0]);
        }),
    ));
    bench.table("An anonymous object of 4 KiB", ways);
}

/// How a size is printed.
fn size_of(bytes: usize) -> String {
    match bytes {
        bytes if bytes < 1 << 20 => format!("{} KiB", bytes >> 10),
        bytes => format!("{} MiB", bytes >> 20),
    }
}

fn publish(bench: &mut Bench, name: &ShmName, len: usize) {
    let text = name.to_string();
    let (text, c_name, path) = (text.as_str(), name.as_c_str(), &*path_of(name));
    let content = vec![7; len];
    let content = content.as_slice();
    let by_hand = || {
        let object = raw::unnamed();
        raw::write(object, content);
        raw::name(object, path);
        raw::close(object);
        raw::unlink(c_name);
    };
    let ways: Vec<Way<'_>> = vec![
        ("raw", "", Box::new(by_hand)),
        ("raw again (noise)", "", Box::new(by_hand)),
        (
            "posix-shm, publish",
            "",
            Box::new(|| {
                drop(Shm::publish(name, content).unwrap());
                posix_shm::unlink(name).unwrap();
            }),
        ),
        (
            "posix-shm, open_mapped and copy_from",
            "",
            Box::new(|| {
                let (object, mapping) = creating(len).open_mapped(name).unwrap();
                mapping.bytes().copy_from(content);
                drop((mapping, object));
                posix_shm::unlink(name).unwrap();
            }),
        ),
        (
            "shared_memory",
            HALF_MADE,
            Box::new(|| {
                let mut mapping =
                    shared_memory::ShmemConf::new().os_id(text).size(len).create().unwrap();
                // SAFETY: nobody else has the object.
                unsafe { mapping.as_slice_mut()[..len].copy_from_slice(content) };
            }),
        ),
    ];
    bench.table(&format!("Publishing {}", size_of(len)), ways);
}

fn read(bench: &mut Bench, name: &ShmName, len: usize) {
    let kept = Shm::publish(name, &vec![7; len]).unwrap();
    let object = File::from(kept.as_fd().try_clone_to_owned().unwrap());
    let fd = object.as_raw_fd();
    let buffer = std::cell::RefCell::new(vec![0; len]);
    let by_hand = || raw::read(fd, &mut buffer.borrow_mut());
    let ways: Vec<Way<'_>> = vec![
        ("raw", "", Box::new(by_hand)),
        ("raw again (noise)", "", Box::new(by_hand)),
        (
            "posix-shm, read_at",
            "",
            Box::new(|| assert_eq!(kept.read_at(&mut buffer.borrow_mut(), 0).unwrap(), len)),
        ),
        (
            "posix-shm, map, copy_to, unmap",
            "",
            Box::new(|| kept.map().unwrap().bytes().copy_to(&mut buffer.borrow_mut())),
        ),
        (
            "std, File::read_at",
            "",
            Box::new(|| assert_eq!(object.read_at(&mut buffer.borrow_mut(), 0).unwrap(), len)),
        ),
        (
            "rustix, pread (system call in line)",
            "",
            Box::new(|| {
                let buffer = &mut **buffer.borrow_mut();
                assert_eq!(rustix::io::pread(&object, buffer, 0).unwrap(), len);
            }),
        ),
    ];
    bench.table(&format!("Reading {} through a handle", size_of(len)), ways);
    kept.unlink().unwrap();
}

fn pass(bench: &mut Bench) {
    let object = Shm::anonymous(LEN as u64).unwrap();
    let (here, there) = UnixStream::pair().unwrap();
    let fd = object.as_raw_fd();
    const TRUSTS: &str = "does not ask whether it is shared memory";
    let by_rustix = || {
        use rustix::net::*;
        use std::io::{IoSlice, IoSliceMut};
        use std::mem::MaybeUninit;
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut room);
        let descriptors = [object.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        sendmsg(&here, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL).unwrap();
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut room);
        let mut byte = [0];
        let parts = &mut [IoSliceMut::new(&mut byte)];
        recvmsg(&there, parts, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
        let mut received = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        received.next().unwrap()
    };
    let ways: Vec<Way<'_>> = vec![
        (
            "rustix, and the same questions",
            "",
            Box::new(move || {
                let received = by_rustix();
                rustix::fs::fcntl_get_seals(&received).unwrap();
                rustix::fs::fcntl_getfl(&received).unwrap();
            }),
        ),
        (
            "posix-shm",
            "",
            Box::new(|| {
                object.send(&here).unwrap();
                drop(Shm::receive(&there).unwrap());
            }),
        ),
        ("rustix", TRUSTS, Box::new(move || drop(by_rustix()))),
        (
            "nix",
            TRUSTS,
            Box::new(|| {
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
    ];
    bench.table("Sending a handle and receiving it", ways);
}
