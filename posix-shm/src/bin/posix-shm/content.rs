//! `posix-shm dump` and `load`: the bytes of an object.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use clap::ArgMatches;
use posix_shm::{Error, Shm};

use crate::change::creating;
use crate::exit::{Report, Stop};
use crate::hex::Hex;
use crate::messages::{explained_of, with_hint};
use crate::progress::Progress;
use crate::screen::Screen;
use crate::text::shown_name;

/// How much is copied at once.
const PART: usize = 1 << 20;

pub(crate) fn dump(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let output = given.get_one::<OsString>("output").filter(|path| *path != "-");
    let to_terminal = output.is_none() && io::stdout().is_terminal();
    let mut to: Box<dyn Write> = match output {
        Some(path) => Box::new(File::create(path).map_err(|e| format!("create {path:?}: {e}"))?),
        // Not through `Stdout`, which looks for the ends of lines.
        None => {
            let copy = io::stdout().as_fd().try_clone_to_owned();
            Box::new(File::from(copy.map_err(|error| Stop::writing(&error))?))
        }
    };
    let in_hex = given.get_flag("hex") || (to_terminal && !given.get_flag("raw"));
    let written = |error: io::Error| match (output, error.kind()) {
        (Some(path), kind) if kind != ErrorKind::BrokenPipe => {
            Stop::Because(format!("write {path:?}: {error}"))
        }
        _ => Stop::writing(&error),
    };
    // A program gets the same lines whatever terminal it runs in.
    let columns = if to_terminal { Screen::size().0 } else { usize::MAX };
    for name in given.get_many::<OsString>("names").into_iter().flatten() {
        let object = match Shm::open(name) {
            Ok(object) => object,
            Err(error) => {
                report.failed(explained_of(name, &error));
                continue;
            }
        };
        let range = Range::of(given, &object).map_err(|error| explained_of(name, &error))?;
        // A bar would be in the way of what is printed.
        let mut progress = (!to_terminal).then(|| Progress::new("dump", Some(range.len())));
        let copied = if in_hex {
            let mut hex = Hex::new(BufWriter::new(&mut to), range.from, columns);
            match copy(&object, &range, &mut hex, &mut progress) {
                Ok(()) => hex.end().map_err(Broken::Writing),
                broken => broken,
            }
        } else {
            copy(&object, &range, &mut to, &mut progress)
        };
        drop(progress);
        match copied {
            Ok(()) => {}
            Err(Broken::Writing(error)) => return Err(written(error)),
            Err(Broken::Reading(why)) => report.failed(format!("read {}: {why}", shown_name(name))),
        }
    }
    to.flush().map_err(written)
}

/// The bytes that are wanted, as far as the object has them.
struct Range {
    from: u64,
    to: u64,
}

impl Range {
    fn of(given: &ArgMatches, object: &Shm) -> posix_shm::Result<Range> {
        let len = object.len()?;
        let from = given.get_one("skip").copied().unwrap_or(0).min(len);
        let wanted = given.get_one("length").copied().unwrap_or(u64::MAX);
        Ok(Range { from, to: len.min(from.saturating_add(wanted)) })
    }

    fn len(&self) -> u64 {
        self.to - self.from
    }
}

/// Which side of a copy does not go on.
enum Broken {
    Reading(String),
    Writing(io::Error),
}

/// Reads by `pread`: whatever other processes do to the object, there is no signal. A hole takes no
/// memory.
fn copy(
    object: &Shm,
    range: &Range,
    to: &mut impl Write,
    progress: &mut Option<Progress>,
) -> Result<(), Broken> {
    let mut part = vec![0; PART.min(usize::try_from(range.len()).unwrap_or(PART))];
    let mut at = range.from;
    while at < range.to {
        let wanted = part.len().min(usize::try_from(range.to - at).unwrap_or(PART));
        let got = match object.read_at(&mut part[..wanted], at) {
            Ok(0) => {
                let why =
                    format!("it became shorter meanwhile: {at} of {} bytes were there", range.to);
                return Err(Broken::Reading(why));
            }
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Broken::Reading(error.to_string())),
        };
        to.write_all(&part[..got]).map_err(Broken::Writing)?;
        at += got as u64;
        if let Some(progress) = progress {
            progress.add("dump", got);
        }
    }
    Ok(())
}

pub(crate) fn load(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let Some(name) = given.get_one::<OsString>("name") else { unreachable!("clap requires it") };
    let path = given.get_one::<OsString>("file").filter(|path| *path != "-");
    let mut input = Input::of(path)?;
    let mut options = creating(given);
    // So that a shortage of memory is noticed before anything is copied.
    if let Some(len) = input.len {
        options.size(len);
    }
    match options.open_with(name, |object| input.copy_to(object)) {
        Ok(_) => {}
        Err(Unloaded::Object(error)) if error.kind() == ErrorKind::AlreadyExists => {
            let hint = "--if-exists replace puts a new object in its place";
            report.failed(with_hint(&error, hint));
        }
        Err(Unloaded::Object(error)) if error.kind() == ErrorKind::OutOfMemory => {
            report.failed(with_hint(&error, "end what takes memory, or load less"));
        }
        Err(Unloaded::Object(error)) => report.failed(explained_of(name, &error)),
        Err(Unloaded::Input(why)) => report.failed(format!("load {}: {why}", shown_name(name))),
    }
    Ok(())
}

/// Why an object did not get its content.
enum Unloaded {
    Object(Error),
    Input(String),
}

impl From<Error> for Unloaded {
    fn from(error: Error) -> Unloaded {
        Unloaded::Object(error)
    }
}

/// What an object is loaded with.
struct Input {
    file: File,
    /// How messages call it.
    called: String,
    /// Unknown of a pipe.
    len: Option<u64>,
    is_read: bool,
}

impl Input {
    /// A file, or else the standard input.
    fn of(path: Option<&OsString>) -> Result<Input, String> {
        let called = path.map_or("the standard input".into(), |path| format!("{path:?}"));
        let opened = match path {
            Some(path) => File::open(path),
            None => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        };
        let mut file = opened.map_err(|error| format!("open {called}: {error}"))?;
        let metadata = file.metadata().map_err(|error| format!("read {called}: {error}"))?;
        if metadata.is_dir() {
            return Err(format!("read {called}: it is a directory"));
        }
        let len = if metadata.is_file() {
            // The standard input may have been read in part.
            let at = file.stream_position().unwrap_or(0);
            Some(metadata.len().saturating_sub(at))
        } else {
            None
        };
        Ok(Input { file, called, len, is_read: false })
    }

    /// Copies everything into a new object, which gets that length.
    fn copy_to(&mut self, object: &Shm) -> Result<(), Unloaded> {
        // The library takes a fresh object if the first one could not be given its name.
        if self.is_read {
            self.file.rewind().map_err(|_| self.failed("it cannot be read twice; load a file"))?;
        }
        self.is_read = true;
        let mut progress = Progress::new("load", self.len);
        let mut part = vec![0; PART];
        let mut at = 0;
        loop {
            let got = match self.file.read(&mut part) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(&error.to_string())),
            };
            object.write_all_at(&part[..got], at).map_err(unwritten)?;
            at += got as u64;
            progress.add("load", got);
        }
        // The file may have become shorter since its length was asked.
        if object.len()? != at {
            object.set_len(at)?;
        }
        Ok(())
    }

    fn failed(&self, why: &str) -> Unloaded {
        Unloaded::Input(format!("read {}: {why}", self.called))
    }
}

fn unwritten(error: io::Error) -> Unloaded {
    let hint = match error.kind() {
        ErrorKind::StorageFull => "; posix-shm df shows what is free",
        _ => "",
    };
    Unloaded::Input(format!("{error}{hint}"))
}
