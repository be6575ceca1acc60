//! What a caller may ask for, and which combinations make sense.

use crate::direction::Direction;

/// What to do if an object already has the name.
///
/// # Examples
///
/// ```
/// use posix_shm::{Direction, IfExists, OpenOptions, Shm, ShmName};
///
/// let name = ShmName::random("doc.")?;
/// let old = Shm::create(&name, 4096)?;
/// let mut options = OpenOptions::new();
/// options.direction(Direction::Io).size(4096);
/// assert!(!options.if_exists(IfExists::Overwrite).open(&name)?.created());
/// let new = options.if_exists(IfExists::Supersede).open(&name)?;
/// assert!(new.created());
/// new.unlink()?;
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IfExists {
    /// Open it as it is.
    #[default]
    Overwrite,
    /// Open it and set its length to 0: `O_TRUNC`. Processes that have it mapped lose that memory.
    ///
    /// # Platform-specific behavior
    ///
    /// On macOS an object that has a length keeps it, so this is refused (`Unsupported`). Use
    /// [`Supersede`](IfExists::Supersede) there.
    #[doc(alias = "O_TRUNC")]
    Truncate,
    /// Put a new object in its place. Processes that hold the old one keep it.
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux, FreeBSD and NetBSD the name passes from the old object to the new one in one step,
    /// when the new one is complete. Elsewhere the name is removed first: for a moment nothing has
    /// it, and if there is no memory for the new object, nothing has it afterwards either.
    /// [`capabilities`](crate::capabilities()) says which.
    Supersede,
    /// Refuse: `O_EXCL`.
    #[doc(alias = "O_EXCL")]
    Error,
}

/// What to do if nothing has the name.
///
/// # Examples
///
/// ```
/// use posix_shm::{Direction, IfDoesNotExist, OpenOptions, ShmName};
///
/// let name = ShmName::random("doc.")?;
/// let mut options = OpenOptions::new();
/// options.direction(Direction::Io).size(4096);
/// assert!(options.if_does_not_exist(IfDoesNotExist::Error).open(&name).is_err());
/// let object = options.if_does_not_exist(IfDoesNotExist::Create).open(&name)?;
/// object.unlink()?;
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IfDoesNotExist {
    /// Create an object: `O_CREAT`.
    #[doc(alias = "O_CREAT")]
    Create,
    /// Refuse.
    Error,
}

/// The combinations that make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Open { truncate: bool },
    OpenOrCreate { truncate: bool },
    Create,
    Supersede,
}

impl Policy {
    /// The combination that was asked for, or why it cannot work.
    pub(super) fn of(
        direction: Direction,
        if_exists: IfExists,
        if_does_not_exist: Option<IfDoesNotExist>,
    ) -> Result<Policy, &'static str> {
        let if_does_not_exist = if_does_not_exist.unwrap_or({
            match (direction, if_exists) {
                (Direction::Input, _) | (_, IfExists::Overwrite | IfExists::Truncate) => {
                    IfDoesNotExist::Error
                }
                (Direction::Io, IfExists::Supersede | IfExists::Error) => IfDoesNotExist::Create,
            }
        });
        let create = if_does_not_exist == IfDoesNotExist::Create;
        match if_exists {
            IfExists::Truncate if direction == Direction::Input => {
                Err("POSIX leaves truncating through a read-only handle undefined; \
                     use Direction::Io")
            }
            IfExists::Overwrite if create => Ok(Policy::OpenOrCreate { truncate: false }),
            IfExists::Overwrite => Ok(Policy::Open { truncate: false }),
            IfExists::Truncate if create => Ok(Policy::OpenOrCreate { truncate: true }),
            IfExists::Truncate => Ok(Policy::Open { truncate: true }),
            IfExists::Supersede if create => Ok(Policy::Supersede),
            IfExists::Supersede => {
                Err("IfExists::Supersede creates an object, which IfDoesNotExist::Error (the \
                     default with Direction::Input) forbids; set IfDoesNotExist::Create, or use \
                     IfExists::Overwrite")
            }
            IfExists::Error if create => Ok(Policy::Create),
            IfExists::Error => Err("IfExists::Error with IfDoesNotExist::Error (the default with \
                     Direction::Input) can never succeed; set IfDoesNotExist::Create"),
        }
    }

    pub(super) fn may_create(self) -> bool {
        !matches!(self, Policy::Open { .. })
    }
}
