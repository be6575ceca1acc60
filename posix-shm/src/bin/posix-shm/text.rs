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

/// Text that takes at most so many columns. If some is left out, there is a `…` in its middle: the
/// names of objects often differ at their ends.
pub(crate) fn fitted(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return text.into();
    }
    if columns == 0 {
        return "".into();
    }
    let head = up_to(text.chars(), (columns - 1) / 2);
    let tail = up_to(text.chars().rev(), columns - 1 - head.width());
    format!("{head}…{}", tail.chars().rev().collect::<String>()).into()
}

/// The first characters, as many as fit into so many columns.
fn up_to(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    let fits = |character: &char| {
        let width = character.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    characters.take_while(fits).collect()
}

/// The first of these texts that fits into so many columns. The last one is cut if none does.
pub(crate) fn first_that_fits(texts: impl IntoIterator<Item = String>, columns: usize) -> String {
    let mut last = String::new();
    for text in texts {
        if text.width() <= columns {
            return text;
        }
        last = text;
    }
    fitted(&last, columns).into_owned()
}

/// The text and spaces up to so many columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    let text = fitted(text, columns);
    let space = " ".repeat(columns.saturating_sub(text.width()));
    format!("{text}{space}")
}

/// The text in lines of at most so many columns, broken at spaces. All but the first are indented,
/// unless that would break a word.
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
            let indent = if 2 + word.width() <= columns { "  " } else { "" };
            lines.push(format!("{indent}{word}"));
        }
    }
    lines
}

/// "1 object", "2 objects", "2 processes".
pub(crate) fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        _ if what.ends_with('s') => format!("{n} {what}es"),
        _ => format!("{n} {what}s"),
    }
}
