//! Asks a C compiler for numbers without running what it compiles, so that it works when cross
//! compiling.
//!
//! Every question becomes a constant in a C file. Its value, the answer, is read from the object
//! file. It is stored there as decimal digits, which look the same in every byte order and in every
//! format of object files.

use std::collections::HashMap;
use std::fmt::Write;

/// Every answer in the object file starts with this.
const TAG: &[u8] = b"PSHM:";

/// The number of digits of an answer: enough for 64 bits.
const DIGITS: usize = 20;

/// The C macro `ANSWER` puts an answer into the object file: tag, question, NUL, sign, digits.
const MACROS: &str = r#"
#define SIZE(v) ((v) < 0 ? 0ULL - (unsigned long long) (v) : (unsigned long long) (v))
#define DIGIT(v, place) (char) ('0' + SIZE(v) / place##ULL % 10)
#define ANSWER(number, question, v) \
    const struct { char tag[sizeof "PSHM:" question], sign, digits[20]; } pshm_answer_##number = { \
    "PSHM:" question, (v) < 0 ? '-' : '+', { \
    DIGIT(v, 10000000000000000000), DIGIT(v, 1000000000000000000), \
    DIGIT(v, 100000000000000000), DIGIT(v, 10000000000000000), DIGIT(v, 1000000000000000), \
    DIGIT(v, 100000000000000), DIGIT(v, 10000000000000), DIGIT(v, 1000000000000), \
    DIGIT(v, 100000000000), DIGIT(v, 10000000000), DIGIT(v, 1000000000), DIGIT(v, 100000000), \
    DIGIT(v, 10000000), DIGIT(v, 1000000), DIGIT(v, 100000), DIGIT(v, 10000), DIGIT(v, 1000), \
    DIGIT(v, 100), DIGIT(v, 10), DIGIT(v, 1) } };
"#;

/// C code that asks for numbers.
pub(crate) struct Questions {
    text: String,
    count: usize,
}

impl Questions {
    pub(crate) fn new() -> Self {
        Self { text: MACROS.into(), count: 0 }
    }

    /// Asks for the value of a constant expression.
    pub(crate) fn ask(&mut self, question: &str, expression: &str) {
        self.count += 1;
        let _ = writeln!(self.text, "ANSWER({}, \"{question}\", {expression})", self.count);
    }

    /// Asks for the value of an expression if the macro `name` is defined.
    pub(crate) fn ask_if_defined(&mut self, name: &str, question: &str, expression: &str) {
        let _ = writeln!(self.text, "#ifdef {name}");
        self.ask(question, expression);
        self.text.push_str("#endif\n");
    }

    /// Asks for the size of an integer type, and whether it is signed.
    pub(crate) fn ask_integer(&mut self, question: &str, of: &str) {
        self.ask(&format!("{question} size"), &format!("sizeof({of})"));
        self.ask(&format!("{question} signed"), &format!("(({of}) -1 < 0)"));
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// The answers in an object file.
pub(crate) struct Answers(HashMap<String, i128>);

impl Answers {
    /// Finds the answers among the bytes of an object file.
    pub(crate) fn read(object: &[u8]) -> Self {
        let starts = (0..object.len()).filter(|&at| object[at..].starts_with(TAG));
        Self(starts.filter_map(|at| parse(&object[at + TAG.len()..])).collect())
    }

    /// The answer to a question that depended on a macro.
    pub(crate) fn find(&self, question: &str) -> Option<i128> {
        self.0.get(question).copied()
    }

    /// The answer to a question that was always asked.
    pub(crate) fn get(&self, question: &str) -> Result<i128, String> {
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
        usize::try_from(bytes).map_err(|_| format!("`{question}` cannot be {bytes} bytes"))
    }

    /// The Rust type for the answers to [`Questions::ask_integer`].
    pub(crate) fn integer(&self, question: &str) -> Result<String, String> {
        let sign = if self.get(&format!("{question} signed"))? == 0 { 'u' } else { 'i' };
        let bits = self.bytes(&format!("{question} size"))? * 8;
        Ok(format!("{sign}{bits}"))
    }
}

fn parse(bytes: &[u8]) -> Option<(String, i128)> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let question = std::str::from_utf8(&bytes[..end]).ok()?;
    let number = bytes.get(end + 1..end + 2 + DIGITS)?;
    Some((question.to_string(), std::str::from_utf8(number).ok()?.parse().ok()?))
}
