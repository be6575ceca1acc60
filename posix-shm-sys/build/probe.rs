//! Asks a C compiler for numbers without running what it compiles, so that it works when cross
//! compiling.
//!
//! Every question becomes a constant in a C file. Its value, the answer, is read from the object
//! file. It is stored there as text, which looks the same in every byte order and in every format
//! of object files.

use std::fmt::Write;

/// Every answer in the object file starts with this.
const TAG: &[u8] = b"PSHM:";

/// The number of digits of an answer: enough for 64 bits.
const DIGITS: usize = 16;

/// The C macro `ANSWER` puts an answer into the object file: tag, question, NUL, sign, digits. The
/// digits are those of a number of 64 bits to the base 16, as the letters from `a` to `p`: that
/// takes the compiler less time than other digits.
const MACROS: &str = r#"
#define DIGIT(v, bit) (char) ('a' + ((unsigned long long) (v) >> bit & 15))
#define ANSWER(number, question, v) \
    const struct { char tag[sizeof "PSHM:" question], sign, digits[16]; } pshm_answer_##number = { \
    "PSHM:" question, (v) < 0 ? '-' : '+', { \
    DIGIT(v, 60), DIGIT(v, 56), DIGIT(v, 52), DIGIT(v, 48), DIGIT(v, 44), DIGIT(v, 40), \
    DIGIT(v, 36), DIGIT(v, 32), DIGIT(v, 28), DIGIT(v, 24), DIGIT(v, 20), DIGIT(v, 16), \
    DIGIT(v, 12), DIGIT(v, 8), DIGIT(v, 4), DIGIT(v, 0) } };
"#;

/// C code that asks for numbers. It follows `#include "wrapper.h"` in line 1.
pub(crate) struct Questions {
    text: String,
    count: usize,
    /// The number of the next line.
    line: usize,
    /// The lines that the compiler may refuse, and the name that each depends on.
    doubtful: Vec<(usize, &'static str)>,
}

impl Questions {
    pub(crate) fn new() -> Self {
        let line = 2 + MACROS.lines().count();
        Self { text: MACROS.into(), count: 0, line, doubtful: Vec::new() }
    }

    /// Adds a line of C.
    pub(crate) fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}");
        self.line += 1;
    }

    /// Adds a line that the compiler may refuse, because the headers may lack `name`.
    pub(crate) fn doubtful_line(&mut self, name: &'static str, text: &str) {
        self.doubtful.push((self.line, name));
        self.line(text);
    }

    /// The name that a line depends on, if the compiler may refuse the line.
    pub(crate) fn doubtful(&self, line: usize) -> Option<&'static str> {
        self.doubtful.iter().find(|(at, _)| *at == line).map(|(_, name)| *name)
    }

    /// Asks for the value of a constant expression.
    pub(crate) fn ask(&mut self, question: &str, expression: &str) {
        let answer = self.answer(question, expression);
        self.line(&answer);
    }

    /// Asks for the value of an expression if the macro `name` is defined.
    pub(crate) fn ask_if_defined(&mut self, name: &str, question: &str, expression: &str) {
        self.line(&format!("#ifdef {name}"));
        self.ask(question, expression);
        self.line("#endif");
    }

    /// Asks about a field that the headers may lack. A macro of its name stands for another field.
    pub(crate) fn ask_field(&mut self, field: &'static str, question: &str, expression: &str) {
        self.line(&format!("#ifndef {field}"));
        let answer = self.answer(question, expression);
        self.doubtful_line(field, &answer);
        self.line("#endif");
    }

    /// Asks for the size of an integer type, and whether it is signed.
    pub(crate) fn ask_integer(&mut self, question: &str, of: &str) {
        self.ask(&format!("{question} size"), &format!("sizeof({of})"));
        self.ask(&format!("{question} signed"), &format!("(({of}) -1 < 0)"));
    }

    fn answer(&mut self, question: &str, expression: &str) -> String {
        self.count += 1;
        format!("ANSWER({}, \"{question}\", {expression})", self.count)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// The answers in an object file.
/// They are text, as C and Rust write numbers.
pub(crate) struct Answers(Vec<(String, String)>);

impl Answers {
    /// Finds the answers among the bytes of an object file.
    pub(crate) fn read(object: &[u8]) -> Self {
        let starts = (0..object.len()).filter(|&at| object[at..].starts_with(TAG));
        Self(starts.filter_map(|at| parse(&object[at + TAG.len()..])).collect())
    }

    /// The answer to a question that depended on a macro.
    pub(crate) fn find(&self, question: &str) -> Option<&str> {
        self.0.iter().find(|(asked, _)| asked == question).map(|(_, answer)| answer.as_str())
    }

    /// The answer to a question that was always asked.
    pub(crate) fn get(&self, question: &str) -> Result<&str, String> {
        self.find(question).ok_or_else(|| {
            format!(
                "the compiler's object file has no value for `{question}`. It may not be machine \
                 code: remove arguments such as -emit-llvm from CFLAGS"
            )
        })
    }

    /// The same, as a number of bytes.
    pub(crate) fn bytes(&self, question: &str) -> Result<usize, String> {
        let bytes = self.get(question)?;
        bytes.parse().map_err(|_| format!("`{question}` cannot be {bytes} bytes"))
    }

    /// The Rust type for the answers to [`Questions::ask_integer`].
    pub(crate) fn integer(&self, question: &str) -> Result<String, String> {
        let sign = if self.get(&format!("{question} signed"))? == "0" { 'u' } else { 'i' };
        let bits = self.bytes(&format!("{question} size"))? * 8;
        Ok(format!("{sign}{bits}"))
    }
}

fn parse(bytes: &[u8]) -> Option<(String, String)> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let question = std::str::from_utf8(&bytes[..end]).ok()?;
    let number = bytes.get(end + 1..end + 2 + DIGITS)?;
    let mut value = 0;
    for digit in &number[1..] {
        let digit = digit.checked_sub(b'a').filter(|digit| *digit < 16)?;
        value = value << 4 | u64::from(digit);
    }
    let value = match number[0] {
        b'-' => (value as i64).to_string(),
        b'+' => value.to_string(),
        _ => return None,
    };
    Some((question.to_string(), value))
}
