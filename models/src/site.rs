//! Where in the library a step is from.

use std::fs;
use std::path::Path;

/// A function of the library, and what a model takes over from it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The file below `posix-shm/src`.
    pub file: &'static str,
    /// The function's name.
    pub function: &'static str,
    /// Pieces of its code, in the order in which it has them. Spaces and line ends do not count.
    pub does: &'static [&'static str],
}

impl Site {
    /// Whether the library still has the function, and whether it still does that, in that order.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn check(&self) -> Result<(), String> {
        let Site { file, function, does } = self;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../posix-shm/src").join(file);
        let source = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        let Some(body) = body_of(&source, function) else {
            return Err(format!("{file} has no function {function}"));
        };
        let body = squeezed(body);
        let mut rest = body.as_str();
        for piece in *does {
            match rest.split_once(squeezed(piece).as_str()) {
                Some((_, after)) => rest = after,
                None => {
                    return Err(format!(
                        "{function} in {file} does not have {piece:?} where the model has it: \
                         make the model follow the code"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// From the function's name to the brace that ends it, which stands under the line's start. The
/// name may have the start of its parameters with it, if the file has two functions of that name.
fn body_of<'a>(source: &'a str, function: &str) -> Option<&'a str> {
    let ends: &[&str] = if function.contains('(') { &[""] } else { &["(", "<"] };
    let start = ends.iter().find_map(|end| source.find(&format!("fn {function}{end}")))?;
    let line = source[..start].rfind('\n').map_or(0, |at| at + 1);
    let indent = source[line..].chars().take_while(|c| *c == ' ').count();
    let end = format!("\n{}}}", " ".repeat(indent));
    let len = source[start..].find(&end)?;
    Some(&source[start..start + len])
}

/// Without comments, spaces and line ends.
fn squeezed(code: &str) -> String {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::Site;

    #[test]
    fn what_is_gone_is_noticed() {
        let site = |function, does| Site { file: "unlink.rs", function, does };
        assert_eq!(site("unlink_on_drop", &["Mark::now()"]).check(), Ok(()));
        assert!(site("no_such_function", &[]).check().is_err());
        assert!(site("unlink_on_drop", &["no such code"]).check().is_err());
        assert!(site("unlink_on_drop", &["Mark::now()", "shm: Some(self)"]).check().is_err());
    }
}
