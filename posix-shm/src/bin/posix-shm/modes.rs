//! Modes as `chmod` takes them: `640`, `u=rw,g=r,o=`, `g+w`.

use posix_shm::Permissions;

/// What to make of an object's permissions.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    Exactly(Permissions),
    Changed(Vec<Change>),
}

/// One part of a symbolic mode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// All bits of those whom it is about.
    who: u32,
    operator: char,
    /// The bits, for everyone.
    what: u32,
}

const HELP: &str = "write it in octal, such as 640, or as chmod does, such as u=rw,g=r or o-w";

/// Reads an octal mode.
pub(crate) fn octal(text: &str) -> Result<Permissions, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 && !text.starts_with('+') => Ok(Permissions::from_mode(mode)),
        _ => Err("write it in octal, such as 640".into()),
    }
}

/// Reads an octal or a symbolic mode.
pub(crate) fn parse(text: &str) -> Result<Mode, String> {
    if let Ok(mode) = octal(text) {
        return Ok(Mode::Exactly(mode));
    }
    text.split(',').map(change).collect::<Option<_>>().map(Mode::Changed).ok_or(HELP.into())
}

fn change(text: &str) -> Option<Change> {
    let at = text.find(['+', '-', '='])?;
    let (who, what) = (&text[..at], &text[at + 1..]);
    let bits_of = |letters: &str, bit_of: fn(char) -> Option<u32>| {
        letters.chars().try_fold(0, |bits, letter| Some(bits | bit_of(letter)?))
    };
    let who = bits_of(who, |letter| match letter {
        'u' => Some(0o700),
        'g' => Some(0o070),
        'o' => Some(0o007),
        'a' => Some(0o777),
        _ => None,
    })?;
    let what = bits_of(what, |letter| match letter {
        'r' => Some(0o444),
        'w' => Some(0o222),
        'x' => Some(0o111),
        _ => None,
    })?;
    // Without a letter it is about everyone. The umask has no part in it.
    let who = if who == 0 { 0o777 } else { who };
    Some(Change { who, operator: text[at..].chars().next()?, what })
}

impl Mode {
    /// The new permissions of an object that has these.
    pub(crate) fn applied_to(&self, old: Permissions) -> Permissions {
        match self {
            Mode::Exactly(mode) => *mode,
            Mode::Changed(changes) => {
                let apply = |mode: u32, Change { who, operator, what }: &Change| match operator {
                    '+' => mode | (who & what),
                    '-' => mode & !(who & what),
                    _ => mode & !who | (who & what),
                };
                Permissions::from_mode(changes.iter().fold(old.mode(), apply))
            }
        }
    }
}

/// A mode as `ls` shows it, in FreeBSD's nine letters.
pub(crate) fn letters(permissions: Permissions) -> String {
    let bit = |i: u32| permissions.mode() >> (8 - i) & 1 == 1;
    "rwxrwxrwx".chars().zip(0..).map(|(letter, i)| if bit(i) { letter } else { '-' }).collect()
}
