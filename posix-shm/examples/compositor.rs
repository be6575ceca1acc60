//! A window on a Wayland desktop: a client of `wl_shm` without any other library.
//!
//! The client draws into an object without a name and passes it to the compositor, which reads the
//! same memory. Type this in the repository, in a Wayland session:
//!
//! ```sh
//! cargo run --example compositor
//! ```
//!
//! You should see a window with a coloured pattern, and this:
//!
//! ```text
//! shown: 640 by 480 pixels
//! ```
//!
//! It ends when you close the window. With `-- --fullscreen` behind the command, it has no frame.
//! The protocol is documented at
//! <https://wayland.freedesktop.org/docs/html/>: a message is the number of an object, a number for
//! the request or event, its length, and the arguments.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use posix_shm::{Mapping, ReadWrite, Shm, transfer};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// An argument of a request. Integers, and numbers of objects, are words.
enum Argument<'a> {
    Word(u32),
    Text(&'a str),
}
use Argument::{Text, Word};

/// An event of the compositor.
struct Event {
    object: u32,
    code: u16,
    arguments: Vec<u8>,
}

impl Event {
    fn word(&self, at: usize) -> u32 {
        word_at(&self.arguments, at)
    }

    /// A string: its length with the NUL byte at its end, then the bytes.
    fn text(&self, at: usize) -> String {
        let len = (self.word(at) as usize).saturating_sub(1);
        let bytes = self.arguments.get(at + 4..at + 4 + len).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// A word of a message, or zero if the message is shorter.
fn word_at(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_ne_bytes)
}

/// The connection to the compositor.
struct Connection {
    socket: UnixStream,
    unread: Vec<u8>,
    last_object: u32,
}

/// The global objects of a compositor.
struct Globals {
    registry: u32,
    names: HashMap<String, u32>,
}

/// The object that every connection has.
const DISPLAY: u32 = 1;

impl Connection {
    fn open() -> Result<Connection> {
        let display = env::var("WAYLAND_DISPLAY").unwrap_or_else(|_| "wayland-0".into());
        // An absolute path replaces the folder.
        let path = PathBuf::from(env::var("XDG_RUNTIME_DIR").unwrap_or_default()).join(display);
        let socket = UnixStream::connect(&path)
            .map_err(|why| format!("no compositor at {}: {why}", path.display()))?;
        Ok(Connection { socket, unread: Vec::new(), last_object: DISPLAY })
    }

    /// The number of a new object. The client chooses it.
    fn new_object(&mut self) -> u32 {
        self.last_object += 1;
        self.last_object
    }

    /// Sends a request, and a handle of shared memory with it.
    fn request(
        &mut self,
        object: u32,
        code: u16,
        arguments: &[Argument<'_>],
        memory: &[&Shm],
    ) -> Result<()> {
        let mut body = Vec::new();
        for argument in arguments {
            match argument {
                Word(word) => body.extend(word.to_ne_bytes()),
                Text(text) => {
                    body.extend((text.len() as u32 + 1).to_ne_bytes());
                    body.extend(text.as_bytes());
                    // The NUL byte, and as many as make whole words.
                    body.resize((body.len() + 1).next_multiple_of(4), 0);
                }
            }
        }
        let len = 8 + body.len() as u32;
        let mut message = Vec::from(object.to_ne_bytes());
        message.extend((len << 16 | u32::from(code)).to_ne_bytes());
        message.extend(body);
        // On a blocking socket this short message is never cut.
        let sent = transfer::send(&self.socket, memory, &message)?;
        if sent == message.len() { Ok(()) } else { Err("a request was sent in part".into()) }
    }

    /// Waits for the next event.
    fn event(&mut self) -> Result<Event> {
        loop {
            let (object, word) = (word_at(&self.unread, 0), word_at(&self.unread, 4));
            let (code, len) = (word as u16, (word >> 16) as usize);
            if len >= 8 && len <= self.unread.len() {
                let arguments = self.unread.drain(..len).skip(8).collect();
                let event = Event { object, code, arguments };
                if (object, code) == (DISPLAY, 0) {
                    return Err(format!("the compositor says: {}", event.text(8)).into());
                }
                return Ok(event);
            }
            // An event may bring a descriptor, such as a keymap. Those are not needed here.
            let mut bytes = [0; 4096];
            let received = transfer::receive(&self.socket, &mut bytes)?;
            self.unread.extend_from_slice(&bytes[..received.bytes]);
        }
    }

    /// Asks for the compositor's global objects: their names, which are numbers, by interface.
    fn globals(&mut self) -> Result<Globals> {
        let (registry, callback) = (self.new_object(), self.new_object());
        self.request(DISPLAY, 1, &[Word(registry)], &[])?; // get_registry
        self.request(DISPLAY, 0, &[Word(callback)], &[])?; // sync
        let mut names = HashMap::new();
        loop {
            let event = self.event()?;
            if event.object == callback {
                return Ok(Globals { registry, names });
            }
            if (event.object, event.code) == (registry, 0) {
                names.insert(event.text(4), event.word(0));
            }
        }
    }

    /// Makes an object for a global one, in the first version of its interface.
    fn bind(&mut self, globals: &Globals, interface: &str) -> Result<u32> {
        let name = globals.names.get(interface).ok_or(format!("there is no {interface}"))?;
        let object = self.new_object();
        let arguments = [Word(*name), Text(interface), Word(1), Word(object)];
        self.request(globals.registry, 0, &arguments, &[])?;
        Ok(object)
    }
}

/// Red grows to the right and green downwards, modulo 256, and blue is both by exclusive or.
fn draw(memory: &Mapping<ReadWrite>, width: usize, height: usize) -> Result<()> {
    let pixels = memory.slice::<u32>(0, width * height)?;
    for y in 0..height {
        for x in 0..width {
            let [red, green] = [x as u32 & 255, y as u32 & 255];
            // The highest byte is not used; some programs take it for the opacity.
            pixels.store(y * width + x, 255 << 24 | red << 16 | green << 8 | (red ^ green));
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let mut wayland = Connection::open()?;
    let globals = wayland.globals()?;
    let compositor = wayland.bind(&globals, "wl_compositor")?;
    let shm = wayland.bind(&globals, "wl_shm")?;
    let shell = wayland.bind(&globals, "xdg_wm_base")?;

    // A surface with the role of a window.
    let [surface, window, top] = [(); 3].map(|()| wayland.new_object());
    wayland.request(compositor, 0, &[Word(surface)], &[])?; // create_surface
    wayland.request(shell, 2, &[Word(window), Word(surface)], &[])?; // get_xdg_surface
    wayland.request(window, 1, &[Word(top)], &[])?; // get_toplevel
    wayland.request(top, 2, &[Text("posix-shm")], &[])?; // set_title
    if env::args().any(|argument| argument == "--fullscreen") {
        wayland.request(top, 11, &[Word(0)], &[])?; // set_fullscreen, on any screen
    }
    wayland.request(surface, 6, &[], &[])?; // commit

    let (mut width, mut height) = (640, 480);
    let mut shown = None;
    let mut done = None;
    loop {
        let event = wayland.event()?;
        match (event.object, event.code) {
            // ping
            (object, 0) if object == shell => {
                wayland.request(shell, 3, &[Word(event.word(0))], &[])?;
            }
            // The size that the compositor suggests, if it does.
            (object, 0) if object == top && event.word(0) > 0 && shown.is_none() => {
                (width, height) = (event.word(0) as usize, event.word(4) as usize);
            }
            (object, 1) if object == top => return Ok(()), // close
            // configure: now a buffer may be shown.
            (object, 0) if object == window => {
                wayland.request(window, 4, &[Word(event.word(0))], &[])?; // ack_configure
                if shown.is_some() {
                    continue;
                }
                let len = width * height * 4;
                let object = Shm::anonymous(len as u64)?;
                let memory = object.map_mut()?;
                draw(&memory, width, height)?;
                let [pool, buffer, callback] = [(); 3].map(|()| wayland.new_object());
                // create_pool: the handle travels beside the bytes.
                wayland.request(shm, 0, &[Word(pool), Word(len as u32)], &[&object])?;
                let [w, h] = [width, height].map(|side| side as u32);
                const XRGB8888: u32 = 1;
                let layout = [buffer, 0, w, h, w * 4, XRGB8888].map(Word);
                wayland.request(pool, 0, &layout, &[])?; // create_buffer
                wayland.request(surface, 1, &[buffer, 0, 0].map(Word), &[])?; // attach
                wayland.request(surface, 2, &[0, 0, w, h].map(Word), &[])?; // damage
                wayland.request(surface, 3, &[Word(callback)], &[])?; // frame
                wayland.request(surface, 6, &[], &[])?; // commit
                done = Some(callback);
                // Kept mapped, so that the next frame could be drawn into it.
                shown = Some(memory);
            }
            // The compositor has shown it.
            (object, 0) if Some(object) == done => {
                println!("shown: {width} by {height} pixels");
            }
            _ => {}
        }
    }
}
