//! [`SharedReader`] and [`SharedWriter`]: mapped bytes as a stream.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::SharedSlice;
use crate::map::ReadWrite;

/// Reads mapped bytes as a stream, from a position that moves: the result of [`SharedSlice::reader`].
///
/// It is no `BufRead`, since that lends references to what it has. `std::io::BufReader` around it has a buffer of its own,
/// and so lends what no peer can change.
///
/// # Examples
///
/// ```
/// use std::io::{BufRead, BufReader};
///
/// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
/// mapping.bytes().range(..4).copy_from(b"a\nb\n");
/// let lines = BufReader::new(mapping.bytes().range(..4).reader()).lines();
/// assert_eq!(lines.collect::<Result<Vec<_>, _>>()?, ["a", "b"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedReader<'m, A> {
    bytes: SharedSlice<'m, u8, A>,
    position: u64,
}

/// Writes mapped bytes as a stream, from a position that moves: the result of [`SharedSlice::writer`].
///
/// What does not fit is not written: the last write is short, and after it `write_all` says `WriteZero`, as with
/// `&mut [u8]`.
///
/// # Examples
///
/// ```
/// use std::io::Write;
///
/// let mapping = posix_shm::Shm::anonymous(10)?.map_mut()?;
/// let mut writer = mapping.bytes().range(..10).writer();
/// write!(writer, "{}", 12345)?;
/// assert_eq!(mapping.bytes().range(..5).to_vec(), b"12345");
/// assert!(write!(writer, "{}", 678901).is_err(), "one byte too many");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedWriter<'m> {
    bytes: SharedSlice<'m, u8, ReadWrite>,
    position: u64,
}

impl<'m, A> SharedSlice<'m, u8, A> {
    /// Reads the bytes as a stream, from the first on.
    #[must_use]
    pub fn reader(&self) -> SharedReader<'m, A> {
        SharedReader { bytes: *self, position: 0 }
    }
}

impl<'m> SharedSlice<'m, u8, ReadWrite> {
    /// Writes the bytes as a stream, from the first on.
    #[must_use]
    pub fn writer(&self) -> SharedWriter<'m> {
        SharedWriter { bytes: *self, position: 0 }
    }
}

/// The bytes from a position on, at most `most` of them; none past the end. And the position after them.
fn next<'m, A>(
    bytes: &SharedSlice<'m, u8, A>,
    position: u64,
    most: usize,
) -> (SharedSlice<'m, u8, A>, u64) {
    let start = usize::try_from(position).map_or(bytes.len(), |start| start.min(bytes.len()));
    let count = most.min(bytes.len() - start);
    (bytes.range(start..start + count), position + count as u64)
}

/// Where a seek ends, from `position` in `len` bytes; past the end is allowed.
fn sought(to: SeekFrom, position: u64, len: usize) -> io::Result<u64> {
    let position = match to {
        SeekFrom::Start(position) => Some(position),
        SeekFrom::End(offset) => (len as u64).checked_add_signed(offset),
        SeekFrom::Current(offset) => position.checked_add_signed(offset),
    };
    let invalid = io::ErrorKind::InvalidInput;
    position.ok_or_else(|| io::Error::new(invalid, "a position before the first byte"))
}

impl<A> Read for SharedReader<'_, A> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, position) = next(&self.bytes, self.position, buffer.len());
        bytes.copy_to(&mut buffer[..bytes.len()]);
        self.position = position;
        Ok(bytes.len())
    }
}

impl Write for SharedWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let (bytes, position) = next(&self.bytes, self.position, buffer.len());
        bytes.copy_from(&buffer[..bytes.len()]);
        self.position = position;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<A> Seek for SharedReader<'_, A> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = sought(to, self.position, self.bytes.len())?;
        Ok(self.position)
    }
}

impl Seek for SharedWriter<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = sought(to, self.position, self.bytes.len())?;
        Ok(self.position)
    }
}
