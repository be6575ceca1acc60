//! A progress bar, for what takes long.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::sizes::human;

/// From so many bytes on, a person may want to know how it goes on.
const LONG: u64 = 64 << 20;

/// Shows how many bytes are done, at a terminal and not for short work.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    is_possible: bool,
    done: u64,
}

impl Progress {
    /// For so many bytes, if that is known.
    pub(crate) fn new(verb: &'static str, total: Option<u64>) -> Progress {
        let is_possible = io::stderr().is_terminal();
        let mut progress = Progress { bar: None, is_possible, done: 0 };
        if total.is_some_and(|total| total >= LONG) {
            progress.show(verb, total);
        }
        progress
    }

    fn show(&mut self, verb: &'static str, total: Option<u64>) {
        if !self.is_possible {
            return;
        }
        let template = match total {
            Some(_) => "{msg} {wide_bar} {done}/{all} {eta}",
            None => "{msg} {done} {speed}",
        };
        let Ok(style) = ProgressStyle::with_template(template) else {
            unreachable!("the template is a constant that is right")
        };
        // In the units of everything else that the tool shows. Writing what fails draws nothing.
        let style = style
            .with_key("done", |bar: &ProgressState, to: &mut dyn Write| {
                let _ = to.write_str(&human(bar.pos()));
            })
            .with_key("all", |bar: &ProgressState, to: &mut dyn Write| {
                let _ = to.write_str(&human(bar.len().unwrap_or(0)));
            })
            .with_key("speed", |bar: &ProgressState, to: &mut dyn Write| {
                let _ = write!(to, "{}/s", human(bar.per_sec() as u64));
            });
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        self.bar = Some(bar.with_style(style.progress_chars("=> ")).with_message(verb));
    }

    /// So many more are done.
    pub(crate) fn add(&mut self, verb: &'static str, bytes: usize) {
        self.done += bytes as u64;
        if self.bar.is_none() && self.done >= LONG {
            self.show(verb, None);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        }
    }
}

impl Drop for Progress {
    /// Takes the bar off the screen: what comes next starts on a clean line.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
