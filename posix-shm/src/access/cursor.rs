//! [`SharedReader`] and [`SharedWriter`]: mapped bytes as a stream.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use super::slice::SharedSlice;
use crate::map::ReadWrite;

/// Reads mapped bytes as a stream. [`SharedSlice::reader`] makes it.
///
/// It does not implement `BufRead`, which lends references to its buffer: a peer could change these
/// bytes. Wrap it in a `std::io::BufReader`, which has a buffer of its own.
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
#[doc(alias = "whence")]
pub struct SharedReader<'m, A> {
    bytes: SharedSlice<'m, u8, A>,
    position: u64,
}

/// Writes mapped bytes as a stream. [`SharedSlice::writer`] makes it.
///
/// At the end of the bytes it behaves like `&mut [u8]`: a `write` that does not fit is cut short,
/// and `write_all` then fails with `WriteZero`.
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
    /// Returns a stream that reads the bytes, starting with the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// mapping.bytes().range(..5).copy_from(b"hello");
    /// let mut text = String::new();
    /// mapping.bytes().reader().take(5).read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reader(&self) -> SharedReader<'m, A> {
        SharedReader { bytes: *self, position: 0 }
    }
}

impl<'m> SharedSlice<'m, u8, ReadWrite> {
    /// Returns a stream that writes the bytes, starting with the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// writeln!(mapping.bytes().writer(), "frame {}", 7)?;
    /// assert_eq!(mapping.bytes().range(..8).to_vec(), b"frame 7\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn writer(&self) -> SharedWriter<'m> {
        SharedWriter { bytes: *self, position: 0 }
    }
}

/// At most `most` bytes from a position on, and the position after them. There are none past the
/// end.
#[inline]
fn next<'m, A>(
    bytes: &SharedSlice<'m, u8, A>,
    position: u64,
    most: usize,
) -> (SharedSlice<'m, u8, A>, u64) {
    let start = usize::try_from(position).map_or(bytes.len(), |start| start.min(bytes.len()));
    let count = most.min(bytes.len() - start);
    (bytes.range(start..start + count), position + count as u64)
}

/// The position after a seek. As with files, it may be past the end.
fn sought(to: SeekFrom, position: u64, len: usize) -> io::Result<u64> {
    let position = match to {
        SeekFrom::Start(position) => Some(position),
        SeekFrom::End(offset) => (len as u64).checked_add_signed(offset),
        SeekFrom::Current(offset) => position.checked_add_signed(offset),
    };
    let why = "cannot seek to a negative or overflowing position";
    position.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, why))
}

impl<A> Read for SharedReader<'_, A> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, position) = next(&self.bytes, self.position, buffer.len());
        bytes.copy_to(&mut buffer[..bytes.len()]);
        self.position = position;
        Ok(bytes.len())
    }

    #[inline]
    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let (bytes, position) = next(&self.bytes, self.position, buffer.len());
        self.position = position;
        if bytes.len() < buffer.len() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes.copy_to(buffer);
        Ok(())
    }

    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let (bytes, position) = next(&self.bytes, self.position, usize::MAX);
        buffer.try_reserve(bytes.len())?;
        bytes.append_to(buffer);
        self.position = position;
        Ok(bytes.len())
    }

    fn read_to_string(&mut self, buffer: &mut String) -> io::Result<usize> {
        let (bytes, position) = next(&self.bytes, self.position, usize::MAX);
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len())?;
        bytes.append_to(&mut copy);
        // Only the copy is checked: a peer could change the bytes after a check.
        let text = String::from_utf8(copy)
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, "these bytes are not UTF-8"))?;
        buffer.try_reserve(text.len())?;
        buffer.push_str(&text);
        self.position = position;
        Ok(text.len())
    }
}

impl Write for SharedWriter<'_> {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let (bytes, position) = next(&self.bytes, self.position, buffer.len());
        bytes.copy_from(&buffer[..bytes.len()]);
        self.position = position;
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, buffer: &[u8]) -> io::Result<()> {
        if self.write(buffer)? == buffer.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    #[inline]
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
