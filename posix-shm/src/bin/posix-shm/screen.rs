//! A terminal that a program draws on, and gives back however it ends.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::style::Print;
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap,
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{execute, queue};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// What a user or the system wants of the program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Input {
    Key(KeyCode),
    /// The terminal has another size, or something else may have been drawn on it.
    Redraw,
    Quit,
    Suspend,
    /// The program was stopped and goes on. Whatever ran meanwhile may have used the terminal.
    Resume,
    Signal(i32),
}

/// The terminal, in the state that drawing takes. Dropping it gives the terminal back.
pub(crate) struct Screen {
    inputs: Receiver<Input>,
    has_styles: bool,
}

impl Screen {
    pub(crate) fn new() -> io::Result<Screen> {
        // A panic must not print onto a screen that is about to vanish.
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |why| {
            give_back();
            print(why);
        }));
        let (sender, inputs) = channel();
        // Before anything is changed: from now on a signal cannot end the program by itself.
        watch_signals(sender.clone())?;
        let has_styles = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        let screen = Screen { inputs, has_styles };
        take()?;
        watch_keys(sender);
        Ok(screen)
    }

    /// Columns and lines.
    pub(crate) fn size() -> (usize, usize) {
        match terminal::size() {
            Ok((columns @ 1.., lines @ 1..)) => (columns.into(), lines.into()),
            // A serial line does not know its size, nor does a terminal that has just been made
            // for a container.
            _ => (80, 24),
        }
    }

    /// Whether the terminal and the user want colours and other styles.
    pub(crate) fn has_styles(&self) -> bool {
        self.has_styles
    }

    /// Shows these lines, and nothing else. None is longer than the screen is wide.
    pub(crate) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        queue!(out, BeginSynchronizedUpdate)?;
        for (line, y) in lines.iter().zip(0..) {
            // Cleared first: behind a full line the cursor stands on its last character.
            queue!(out, MoveTo(0, y), Clear(ClearType::UntilNewLine), Print(line))?;
        }
        if lines.len() < Screen::size().1 {
            let y = u16::try_from(lines.len()).unwrap_or(u16::MAX);
            queue!(out, MoveTo(0, y), Clear(ClearType::FromCursorDown))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }

    /// The next input, or `None` at this time.
    pub(crate) fn input(&self, until: Instant) -> Option<Input> {
        let limit = until.saturating_duration_since(Instant::now());
        match self.inputs.recv_timeout(limit) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            // The threads that send have ended: the terminal is gone.
            Err(RecvTimeoutError::Disconnected) => Some(Input::Quit),
        }
    }

    /// Stops the program as the shell's job control does, and goes on when it is continued.
    pub(crate) fn suspend(&self) -> io::Result<()> {
        give_back();
        emulate_default_handler(SIGTSTP)?;
        take()
    }

    /// Takes the terminal again.
    pub(crate) fn resume(&self) -> io::Result<()> {
        // Or the next call would think that nothing has changed.
        terminal::disable_raw_mode()?;
        take()
    }

    /// Ends the program by a signal, as if it had not been caught.
    pub(crate) fn die(self, signal: i32) -> io::Result<()> {
        drop(self);
        emulate_default_handler(signal)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether the terminal is to be given back. Doing so twice would move the cursor.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

fn take() -> io::Result<()> {
    IS_TAKEN.store(true, Ordering::Relaxed);
    terminal::enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide, DisableLineWrap, Clear(ClearType::All))
}

/// What fails here cannot be mended: the terminal is gone.
fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    if io::stdout().is_terminal() {
        let _ = execute!(io::stdout(), EnableLineWrap, Show, LeaveAlternateScreen);
    }
    let _ = terminal::disable_raw_mode();
}

fn watch_signals(to: Sender<Input>) -> io::Result<()> {
    let mut signals = Signals::new([SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let input = match signal {
                SIGCONT => Input::Resume,
                SIGTSTP => Input::Suspend,
                _ => Input::Signal(signal),
            };
            if to.send(input).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn watch_keys(to: Sender<Input>) {
    thread::spawn(move || {
        loop {
            let input = match event::read() {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
                        (KeyCode::Char('c'), true) => Input::Signal(SIGINT),
                        (KeyCode::Char('z'), true) => Input::Suspend,
                        (KeyCode::Char('l'), true) => Input::Redraw,
                        (KeyCode::Char('q') | KeyCode::Esc, _) => Input::Quit,
                        (code, _) => Input::Key(code),
                    }
                }
                Ok(Event::Resize(..)) => Input::Redraw,
                Ok(_) => continue,
                // There is no terminal to read from any more.
                Err(_) => Input::Quit,
            };
            if to.send(input).is_err() || input == Input::Quit {
                return;
            }
        }
    });
}

/// How long to wait between two screens.
pub(crate) fn delay(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds, such as 2 or 0.5")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(delay) if delay >= Duration::from_millis(100) => Ok(delay),
        _ => Err("wait at least 0.1 seconds".into()),
    }
}
