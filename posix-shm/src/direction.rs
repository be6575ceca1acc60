//! [`Direction`]: what a handle is for.

/// What a handle is for: reading, or reading and writing.
///
/// # Examples
///
/// ```
/// use posix_shm::{Direction, OpenOptions, Shm, ShmName};
///
/// let name = ShmName::random("doc.")?;
/// let object = Shm::create(&name, 4096)?.unlink_on_drop();
/// let reader = OpenOptions::new().direction(Direction::Input).open(&name)?;
/// assert!(reader.map_mut().is_err());
/// let writer = OpenOptions::new().direction(Direction::Io).open(&name)?;
/// assert!(writer.map_mut().is_ok());
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Reading only: `O_RDONLY`.
    #[default]
    #[doc(alias = "O_RDONLY")]
    #[doc(alias = ":input")]
    Input,
    /// Reading and writing: `O_RDWR`. POSIX has no way to open an object only for writing.
    #[doc(alias = "O_RDWR")]
    #[doc(alias = ":io")]
    Io,
}
