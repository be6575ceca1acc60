//! Text that others chose: names of objects, of programs and of users.
//!
//! Any byte may be in it. What would do something to a terminal, or could be taken for something
//! else, is shown as the shells write it: `$'/a\nb\xff'`. That can be pasted into a command line.
//! Names begin with a slash, so no name looks like this itself.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text as it can be shown, in one line and without control characters.
pub(crate) fn shown(text: impl AsRef<OsStr>) -> String {
    let bytes = text.as_ref().as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_plain) => text.to_owned(),
        _ => quoted(bytes),
    }
}

/// The name of an object as it can be shown, with the slash that need not be typed.
pub(crate) fn shown_name(given: &OsStr) -> String {
    match given.as_bytes() {
        [b'/', ..] => shown(given),
        name => shown(OsStr::from_bytes(&[b"/", name].concat())),
    }
}

/// Whether a character is shown as itself: no control character, nothing invisible, nothing that
/// turns the direction of writing.
fn is_plain(character: char) -> bool {
    // What `escape_debug` does not change, apart from the characters that have a meaning in a
    // string of Rust.
    matches!(character, '\'' | '"' | '\\') || character.escape_debug().eq([character])
}

fn quoted(bytes: &[u8]) -> String {
    let mut quoted = String::from("$'");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => quoted += "\\n",
                '\r' => quoted += "\\r",
                '\t' => quoted += "\\t",
                '\'' | '\\' => quoted.extend(['\\', character]),
                _ if is_plain(character) => quoted.push(character),
                _ => escape(&mut quoted, character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        escape(&mut quoted, chunk.invalid());
    }
    quoted.push('\'');
    quoted
}

/// Bytes by their numbers. Two digits each, so that a digit may follow.
fn escape(to: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(to, "\\x{byte:02x}");
    }
}

/// Text that takes at most so many columns. If some is left out, it ends with `…`.
pub(crate) fn fitted(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return text.into();
    }
    let mut fitted = String::new();
    let mut left = columns.saturating_sub(1);
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if width > left {
            break;
        }
        left -= width;
        fitted.push(character);
    }
    if columns > 0 {
        fitted.push('…');
    }
    fitted.into()
}

/// The text and spaces up to so many columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    let text = fitted(text, columns);
    let space = " ".repeat(columns.saturating_sub(text.width()));
    format!("{text}{space}")
}

/// The text in lines of at most so many columns, broken at spaces. All but the first are indented.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { unreachable!("there is always a line") };
        if line.trim().is_empty() {
            *line += word;
        } else if line.width() + 1 + word.width() <= columns {
            line.push(' ');
            *line += word;
        } else {
            lines.push(format!("  {word}"));
        }
    }
    lines
}

/// "1 object", "2 objects".
pub(crate) fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
