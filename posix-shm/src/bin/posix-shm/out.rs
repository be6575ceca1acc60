//! The standard output.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstream::AutoStream;
use serde_json::Value;

use crate::exit::Stop;

/// The standard output, for text. Colours are left out unless it is a terminal that shows them.
pub(crate) struct Out {
    writer: BufWriter<AutoStream<StdoutLock<'static>>>,
    is_terminal: bool,
}

impl Out {
    pub(crate) fn new() -> Out {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Out { writer: BufWriter::new(AutoStream::auto(stdout.lock())), is_terminal }
    }

    /// Whether a person reads it: then columns are aligned.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub(crate) fn line(&mut self, line: &str) -> Result<(), Stop> {
        writeln!(self.writer, "{line}").map_err(|error| Stop::writing(&error))
    }

    pub(crate) fn json(&mut self, value: &Value) -> Result<(), Stop> {
        self.line(&format!("{value:#}"))
    }

    /// Everything is written now: an error after this one would be lost.
    pub(crate) fn end(mut self) -> Result<(), Stop> {
        self.writer.flush().map_err(|error| Stop::writing(&error))
    }
}
