//! Bytes as a person reads them: 16 a line, in hexadecimal and as text.

use std::fmt::Write;
use std::io;

/// How many bytes a line shows.
const IN_A_LINE: usize = 16;

/// Writes lines of bytes. Lines that repeat are left out; a `*` stands for them.
pub(crate) struct Hex<W: io::Write> {
    to: W,
    offset: u64,
    /// What does not fill a line yet.
    rest: Vec<u8>,
    last: Option<[u8; IN_A_LINE]>,
    repeats: bool,
}

impl<W: io::Write> Hex<W> {
    pub(crate) fn new(to: W, offset: u64) -> Hex<W> {
        Hex { to, offset, rest: Vec::new(), last: None, repeats: false }
    }

    fn full_line(&mut self, bytes: [u8; IN_A_LINE]) -> io::Result<()> {
        if self.last == Some(bytes) {
            if !self.repeats {
                writeln!(self.to, "*")?;
            }
            self.repeats = true;
        } else {
            writeln!(self.to, "{}", line(self.offset, &bytes))?;
            self.repeats = false;
        }
        self.last = Some(bytes);
        self.offset += IN_A_LINE as u64;
        Ok(())
    }

    /// The last line, and the number of bytes.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if !self.rest.is_empty() {
            writeln!(self.to, "{}", line(self.offset, &self.rest))?;
        }
        writeln!(self.to, "{:08x}", self.offset + self.rest.len() as u64)?;
        self.to.flush()
    }
}

impl<W: io::Write> io::Write for Hex<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let (lines, rest) = rest.split_at(rest.len() - rest.len() % IN_A_LINE);
        self.rest = rest.to_vec();
        for line in lines.chunks_exact(IN_A_LINE) {
            let mut bytes = [0; IN_A_LINE];
            bytes.copy_from_slice(line);
            self.full_line(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn line(offset: u64, bytes: &[u8]) -> String {
    let mut line = format!("{offset:08x} ");
    for i in 0..IN_A_LINE {
        if i % 8 == 0 {
            line.push(' ');
        }
        // Writing to a string does not fail.
        let _ = match bytes.get(i) {
            Some(byte) => write!(line, "{byte:02x} "),
            None => write!(line, "   "),
        };
    }
    let as_text = |&byte: &u8| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' };
    line.extend([' ', '|'].into_iter().chain(bytes.iter().map(as_text)).chain(['|']));
    line
}
