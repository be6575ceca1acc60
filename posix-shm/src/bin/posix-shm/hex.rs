//! Bytes as a person reads them: 16 a line, or fewer in a narrow terminal, in hexadecimal and as
//! text.

use std::fmt::Write;
use std::io;

/// How many bytes a line shows, where it has room for them.
const IN_A_LINE: usize = 16;

/// Writes lines of bytes. Lines that repeat are left out; a `*` stands for them.
pub(crate) struct Hex<W: io::Write> {
    to: W,
    offset: u64,
    /// What does not fill a line yet.
    rest: Vec<u8>,
    last: Vec<u8>,
    repeats: bool,
    in_a_line: usize,
}

impl<W: io::Write> Hex<W> {
    /// In lines of at most so many columns, as far as that is possible.
    pub(crate) fn new(to: W, offset: u64, columns: usize) -> Hex<W> {
        // The offset, the bytes with a space before each eight, and the text between two bars.
        let width = |bytes: usize| 8 + 1 + bytes.div_ceil(8) + 3 * bytes + 3 + bytes;
        let mut in_a_line = IN_A_LINE;
        while in_a_line > 1 && width(in_a_line) > columns {
            in_a_line /= 2;
        }
        Hex { to, offset, rest: Vec::new(), last: Vec::new(), repeats: false, in_a_line }
    }

    fn full_line(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.last == bytes {
            if !self.repeats {
                writeln!(self.to, "*")?;
            }
            self.repeats = true;
        } else {
            writeln!(self.to, "{}", line(self.offset, bytes, self.in_a_line))?;
            self.repeats = false;
            self.last = bytes.to_vec();
        }
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// The last line, and the number of bytes.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if !self.rest.is_empty() {
            writeln!(self.to, "{}", line(self.offset, &self.rest, self.in_a_line))?;
        }
        writeln!(self.to, "{:08x}", self.offset + self.rest.len() as u64)?;
        self.to.flush()
    }
}

impl<W: io::Write> io::Write for Hex<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let (lines, rest) = rest.split_at(rest.len() - rest.len() % self.in_a_line);
        self.rest = rest.to_vec();
        for line in lines.chunks_exact(self.in_a_line) {
            self.full_line(line)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn line(offset: u64, bytes: &[u8], in_a_line: usize) -> String {
    let mut line = format!("{offset:08x} ");
    for i in 0..in_a_line {
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
