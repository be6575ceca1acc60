//! [`Inspection`]: what an object is, before it is mapped.

use crate::direction::Direction;
use crate::error::Result;
use crate::failure::{Errno, Failure, Operation};
use crate::imp;
use crate::metadata::Metadata;
use crate::seals::Seals;
use crate::shm::Shm;

/// What an object is: the answer of [`Shm::inspect`], as it was then.
///
/// # Examples
///
/// ```
/// use posix_shm::{Kind, Shm};
///
/// let received = Shm::anonymous(4096)?; // from a peer, say
/// let found = received.inspect()?;
/// assert!(found.metadata.len() >= 4096 && found.kind != Kind::HugePages);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// What kind of memory it is.
    pub kind: Kind,
    /// Its length, owner, permissions and identity.
    pub metadata: Metadata,
    /// What it is sealed against: nothing at all if it has a name or the system has no seals. On
    /// Linux from 6.3 on, a new anonymous object has [`EXEC`](Seals::EXEC), unless it was created
    /// executable.
    pub seals: Seals,
    /// What the handle is for.
    pub direction: Direction,
    /// The size of its pages in bytes. Mappings take and lock whole pages.
    pub page_size: u64,
    /// Whether it has as much memory as it is long, as [`Shm::is_reserved`] says. If not, touching
    /// it takes memory, and may be the end of this process. Only [`Shm::may_fault`] knows whether
    /// it stays so.
    pub is_reserved: bool,
}

/// What kind of memory an object is.
///
/// # Examples
///
/// ```
/// use posix_shm::{Kind, Shm};
///
/// let received = Shm::anonymous(4096)?; // from a peer, say
/// match received.inspect()?.kind {
///     Kind::HugePages => println!("it takes whole huge pages"),
///     other => println!("{other:?}"),
/// }
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Shared memory, with pages of the usual size.
    Memory,
    /// Huge pages.
    HugePages,
    /// A file of the file system that has the objects, which is none for shared memory: its pages
    /// are written to a disk, or it cannot be told.
    File,
}

impl Shm {
    /// What the object is, before it is mapped: `fstat`, and `fcntl` with `F_GETFL` and
    /// `F_GET_SEALS`.
    ///
    /// A handle that came from a peer may be of anything. This tells what, and refuses what is not
    /// shared memory, as [`receive`](Shm::receive) does. This crate's own objects are always
    /// accepted, whatever file system has them. A peer can change everything but the
    /// kind, the page size, the direction and the seals at any time.
    ///
    /// # Errors
    ///
    /// `InvalidData`: the descriptor is not of shared memory, and the message says what it is of;
    /// or it can only write.
    ///
    /// # Platform-specific behavior
    ///
    /// [`receive`](Shm::receive) says how well each system knows shared memory.
    ///
    /// # Examples
    ///
    /// A reader that takes only memory that cannot change:
    ///
    /// ```
    /// use posix_shm::{Seals, Shm, capabilities};
    ///
    /// # let received = Shm::anonymous(4096)?;
    /// # received.map_mut()?.bytes().store(0, 1);
    /// # let expected = 4096;
    /// # if capabilities().seal { received.seal(Seals::SHRINK | Seals::WRITE)?; }
    /// let found = received.inspect()?;
    /// let fixed = Seals::SHRINK | Seals::WRITE;
    /// if found.metadata.len() < expected || !found.seals.contains(fixed) {
    ///     eprintln!("the peer sent something else: {found:?}");
    /// }
    /// # assert_eq!(found.seals.contains(fixed), capabilities().seal);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "F_GETFL")]
    pub fn inspect(&self) -> Result<Inspection> {
        let refuse = |why| {
            let kind = std::io::ErrorKind::InvalidData;
            Err(self.named(Failure::refused(Operation::Metadata, kind, why)))
        };
        let metadata = self.metadata()?;
        let failed = self.error(Operation::Metadata);
        // Only shared memory can answer. If it does not, there are other signs.
        let seals = imp::seals(self.fd());
        if seals.is_err() {
            match imp::check_kind(self.fd()) {
                Ok(()) => {}
                Err(Errno::INVAL) => return refuse(metadata.0.is_no_memory()),
                Err(errno) => return Err(failed(errno)),
            }
        }
        let Some(direction) = imp::direction(self.fd()).map_err(failed)? else {
            return refuse("the descriptor can only write, and a handle must be able to read");
        };
        let huge = imp::huge_page_of(self.fd(), &metadata.0);
        let kind = match (huge, seals) {
            (Some(_), _) => Kind::HugePages,
            (None, Err(Errno::INVAL)) => Kind::File,
            (None, _) => Kind::Memory,
        };
        Ok(Inspection {
            kind,
            metadata,
            // The system's own answer for an object that never can have another.
            seals: seals.ok().filter(|seals| *seals != Seals::SEAL).unwrap_or_default(),
            direction,
            page_size: huge.unwrap_or(imp::page_size() as u64),
            is_reserved: metadata.allocated() >= metadata.len(),
        })
    }
}
