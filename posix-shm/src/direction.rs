//! [`Direction`]: what a handle is for.

/// What a handle is for: reading, or reading and writing.
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
