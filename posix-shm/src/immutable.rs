//! [`ImmutableMapping`]: memory that the kernel has confirmed to be immutable.
//!
//! A `&[u8]` promises that its bytes do not change and can be read. For memory that other processes
//! can reach, only the kernel can promise that. [`MapOptions::map_immutable`] asks it, in this
//! order, and every answer holds for good once it was given:
//!
//! 1. The object is sealed against writing ([`Seals::WRITE`]) and against any other length
//!    ([`Seals::SHRINK`], [`Seals::GROW`]). No seal can ever be removed.
//! 2. Its pages are not huge pages, and all of its memory is there.
//!
//! Why nobody can write then, on Linux and Android (the source of Linux 6.12: `mm/memfd.c`,
//! `mm/shmem.c`, `mm/gup.c`, `mm/userfaultfd.c`, `fs/userfaultfd.c`):
//!
//! * *Mappings.* `F_ADD_SEALS` is `EBUSY` while a mapping exists, in any process, that can be
//!   written or made writable with `mprotect`. The kernel counts them, and the seal lets none be
//!   made any more. [`Seals::FUTURE_WRITE`] leaves those that exist, so it is not enough.
//! * *Calls.* `write`, `ftruncate` and punching a hole (`fallocate`, `MADV_REMOVE`) look at the
//!   seals under the lock of the inode, which is held while a seal is added. `fallocate` can still
//!   fill a hole. There is none, and it would stay zero.
//! * *Direct I/O, `io_uring`, `vmsplice`, RDMA.* They may hold pages of a mapping that is gone by
//!   now. So the kernel looks for pages with more references than it knows of, before it adds the
//!   seal (`memfd_wait_for_pins`). It waits for them, and gives up with `EBUSY`.
//! * *`udmabuf`* takes no object that is sealed against writing, and holds references before. Until
//!   Linux 6.13 it could win a race against the seal: a fault of the kernel, open only to those who
//!   may use `/dev/udmabuf`.
//! * *`userfaultfd`* fills holes (`UFFDIO_COPY`) and maps pages that are there
//!   (`UFFDIO_CONTINUE`). It accepts a shared mapping only if that could be made writable, so none
//!   of a sealed object. In a private mapping it changes nothing that others see.
//! * *Private mappings* of other processes (`MAP_PRIVATE`) get a copy of each page they write.
//! * *Writing through our mapping.* A debugger (`ptrace`, `/proc/PID/mem`), `mprotect` by this
//!   process, and root can break any Rust program. They are out of scope here as everywhere. (In a
//!   shared mapping even a debugger cannot write.)
//!
//! Why all of it can be read: no byte is past the end, since the length is final. No page can be
//! taken away, since that is a kind of writing. A page may be swapped out. If it cannot be read
//! again, or if the hardware loses it, the kernel kills the process, which is not undefined
//! behaviour. (If hardware loses a page, Linux before 5.16 may show zeros instead.) A huge page can
//! be lost without such a reason, so they are refused.
//!
//! A shared mapping is used. Linux before 6.7 refuses it (`EPERM`) if the descriptor can write;
//! `imp` then makes a private one, which shows the same pages and needs neither `/proc` nor
//! a permission, as opening the object again would.

use std::fmt;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;

use posix_shm_sys as sys;

use crate::error::Result;
use crate::failure::{Errno, Failure, Operation};
use crate::imp::{self, Lack};
use crate::map::{MapOptions, Region};
use crate::name::ShmName;
use crate::seals::Seals;

/// What an object must be sealed against.
const NEEDED: Seals = Seals::WRITE.union(Seals::SHRINK).union(Seals::GROW);

impl MapOptions {
    /// Maps for reading what no process can change any more: `fcntl` with `F_GET_SEALS`, `fstat`,
    /// and `mmap` with `PROT_READ`.
    ///
    /// It asks the kernel, and believes no peer. [`ImmutableMapping`] says what for.
    /// [`Shm::make_immutable`](crate::Shm::make_immutable) makes an object so.
    ///
    /// The kernel is asked to reserve or read every page of the object, also if only a part is
    /// mapped. That takes time.
    ///
    /// # Errors
    ///
    /// * `Unsupported`: this system cannot promise it;
    /// * `InvalidInput`: the object is not sealed as it must be, or it is
    ///   [frozen](crate::Shm::freeze), named, [sparse](crate::OpenOptions::sparse), or of huge
    ///   pages;
    /// * `OutOfMemory`, `StorageFull`, or another kind, with
    ///   [`Operation::Reserve`]: the kernel does not say whether all of the memory is there;
    /// * those of [`map`](MapOptions::map);
    /// * those of [`Shm::seals`](crate::Shm::seals) and [`Shm::metadata`](crate::Shm::metadata).
    ///
    /// # Platform-specific behavior
    ///
    /// This works on Linux and Android. With a read-only handle it needs Linux 5.14.
    /// [`capabilities`](crate::capabilities()) says so (`map_immutable`).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm, capabilities};
    ///
    /// # if !capabilities().map_immutable { return Ok(()) }
    /// let object = Shm::anonymous(10)?;
    /// object.map_mut()?.bytes().copy_from(b"header:abc");
    /// let object = object.make_immutable()?;
    /// assert_eq!(*MapOptions::new().offset(7).map_immutable(&object)?, *b"abc");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `fcntl(2)`, `memfd_create(2)`, `madvise(2)`, `mmap(2)`.
    pub fn map_immutable(&self, object: impl AsFd) -> Result<ImmutableMapping> {
        self.map_immutable_named(object.as_fd(), None)
    }

    pub(crate) fn map_immutable_named(
        &self,
        object: BorrowedFd<'_>,
        name: Option<&ShmName>,
    ) -> Result<ImmutableMapping> {
        match self.immutable_region(object) {
            Ok(region) => Ok(ImmutableMapping::new(region)),
            Err(failure) => Err(failure.named(name)),
        }
    }

    fn immutable_region(&self, object: BorrowedFd<'_>) -> Result<Region, Failure> {
        if !imp::CAPABILITIES.map_immutable {
            let why = "this system cannot promise that an object stays as it is";
            let failure = Failure::refused(Operation::Map, ErrorKind::Unsupported, why);
            return Err(failure.with_detail(self.detail()));
        }
        match imp::seals(object) {
            Ok(seals) if seals.contains(NEEDED) => {}
            Ok(seals) => return Err(self.refuse(why_not(seals))),
            // A file of another file system, or no file at all.
            Err(Errno::INVAL) => {
                let other = imp::stat(object).is_ok_and(|stat| stat.is_certainly_no_object());
                let why = if other { "this is not a shared memory object" } else { NO_SEALS };
                return Err(self.refuse(why));
            }
            Err(errno) => return Err(Failure::new(Operation::Seal, errno)),
        }
        // From here on, what the kernel answers stays true.
        let stat = imp::stat(object).map_err(Failure::of(Operation::Metadata))?;
        self.check(stat.len())?;
        if let Some(lack) = imp::lack_of(object, &stat) {
            return Err(self.refuse(why_not_present(lack)));
        }
        imp::has_all_memory(object, stat.len())?;
        self.region_of(object, sys::PROT_READ, false, stat.len(), Some(&stat), None)
    }
}

const NO_SEALS: &str = "only an anonymous object that can be sealed can be immutable; copy the \
                        bytes into a new one, and use make_immutable()";

#[cold]
fn why_not(seals: Seals) -> &'static str {
    if seals == Seals::SEAL {
        // The kernel's own answer for an object that never had another.
        NO_SEALS
    } else if seals.contains(Seals::WRITE) {
        "the object is not sealed against SHRINK and GROW; make_immutable() does it"
    } else if seals.contains(Seals::FUTURE_WRITE) {
        "the object is frozen, so a process that mapped it before may still write; use \
         make_immutable() instead of freeze()"
    } else {
        "the object is not sealed against writing; make_immutable() does it"
    }
}

/// Why an object cannot be immutable memory, however it is sealed.
#[cold]
pub(crate) fn why_not_present(lack: Lack) -> &'static str {
    match lack {
        Lack::HugePages => {
            "an object of huge pages cannot be immutable, because the system may lose such a page"
        }
        Lack::Memory => {
            "not all of its memory is there, because it is sparse or has holes; reserve(..) it \
             before make_immutable()"
        }
    }
}

/// Memory of an object that no process can change any more, as an ordinary `&[u8]`: the result of
/// [`Shm::map_immutable`](crate::Shm::map_immutable). Dropping it unmaps the memory.
///
/// It is what [`Mapping`](crate::Mapping) cannot be: a slice. Everything that takes bytes takes it,
/// without a copy, and no check is left to make on use. Nothing is taken on trust. The kernel has
/// answered that
///
/// * the object is sealed against writing ([`Seals::WRITE`]), becoming shorter ([`Seals::SHRINK`])
///   and becoming longer ([`Seals::GROW`]);
/// * all of its memory is there, and it has no huge pages, so touching it raises no `SIGBUS`.
///
/// No seal can be removed. So this stays true for as long as the object exists, whatever its owner,
/// its peers and this process do with their handles.
///
/// # Examples
///
/// One process fills an object, makes it immutable and sends it. The other does not trust it, and
/// reads it as a slice:
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use posix_shm::{Shm, capabilities};
///
/// # if !capabilities().map_immutable {
/// #     return Ok(());
/// # }
/// # let (here, there) = UnixStream::pair()?;
/// let object = Shm::anonymous(16)?;
/// object.map_mut()?.bytes().copy_from(b"sixteen bytes...");
/// object.make_immutable()?.send(&here)?;
///
/// // In the other process:
/// let message = Shm::receive(&there)?.map_immutable()?;
/// assert!(message.starts_with(b"sixteen"));
/// assert_eq!(std::str::from_utf8(&message)?.len(), 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is `'static`, `Send` and `Sync`, and can be shared in an [`Arc`](std::sync::Arc). Libraries
/// that keep bytes of any owner take it too, for instance the crate `bytes` (from 1.9 on):
///
/// ```text
/// let message = Shm::receive(&socket)?.map_immutable()?;
/// let bytes: bytes::Bytes = bytes::Bytes::from_owner(message);    // copies nothing
/// ```
///
/// Nobody can write through it:
///
/// ```compile_fail,E0594
/// # let object = posix_shm::Shm::anonymous(16).unwrap().make_immutable().unwrap();
/// let mut message = object.map_immutable().unwrap();
/// message[0] = 1;
/// ```
///
/// A slice of it cannot outlive it:
///
/// ```compile_fail,E0505
/// # let object = posix_shm::Shm::anonymous(16).unwrap().make_immutable().unwrap();
/// let message = object.map_immutable().unwrap();
/// let first: &u8 = &message[0];
/// drop(message);
/// println!("{first}");
/// ```
#[doc(alias = "mmap")]
#[doc(alias = "F_SEAL_WRITE")]
pub struct ImmutableMapping {
    region: Region,
}

impl ImmutableMapping {
    /// The kernel has confirmed that these bytes are immutable.
    pub(crate) fn new(region: Region) -> ImmutableMapping {
        ImmutableMapping { region }
    }

    /// Removes the mapping and returns the error that drop would ignore: `munmap`.
    ///
    /// # Errors
    ///
    /// As [`Mapping::unmap`](crate::Mapping::unmap).
    ///
    /// # Examples
    ///
    /// ```
    /// # if !posix_shm::capabilities().map_immutable { return Ok(()) }
    /// let object = posix_shm::Shm::anonymous(4096)?.make_immutable()?;
    /// let bytes = object.map_immutable()?;
    /// assert_eq!(bytes[0], 0);
    /// bytes.unmap()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "munmap")]
    pub fn unmap(self) -> Result<()> {
        self.region.unmap().map_err(|errno| Failure::new(Operation::Unmap, errno).named(None))
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.region.start()
    }

    pub(crate) fn byte_len(&self) -> usize {
        self.region.len()
    }
}

impl fmt::Debug for ImmutableMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImmutableMapping")
            .field("ptr", &self.start())
            .field("len", &self.byte_len())
            .finish()
    }
}
