//! An image that Python draws on: `python.py`, beside this file, is the other half.
//!
//! It needs Python 3.8 or later, and numpy if there is one. Type this in the repository:
//!
//! ```sh
//! cargo run --example python
//! ```
//!
//! You should see this:
//!
//! ```text
//! Python found 640 by 480 pixels and drew a diagonal
//! 480 pixels of the diagonal are set, and Python is gone; the object is still there
//! ```
//!
//! Before Python 3.13, `multiprocessing.shared_memory` removes the name of every object that it
//! attached to when Python ends. `python.py` shows how to prevent that.

use std::env;
use std::error::Error;
use std::process::Command;

use posix_shm::{Shm, ShmName};

/// Two integers, then the pixels: a byte each, row by row.
const HEADER: usize = 8;
const WIDTH: usize = 640;
const HEIGHT: usize = 480;

fn main() -> Result<(), Box<dyn Error>> {
    let name = ShmName::random("example.")?;
    let object = Shm::create(&name, (HEADER + WIDTH * HEIGHT) as u64)?;
    // Removed at the end, even after an error.
    let object = object.unlink_on_drop();
    let image = object.map_mut()?;
    image.slice::<u32>(0, 2)?.copy_from(&[WIDTH as u32, HEIGHT as u32]);

    let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let status = Command::new(python)
        .args(["-c", include_str!("python.py")])
        .arg(name.as_os_str())
        .status()?;
    if !status.success() {
        return Err(format!("Python failed: {status}").into());
    }

    let pixels = image.slice::<u8>(HEADER, WIDTH * HEIGHT)?;
    let drawn = (0..HEIGHT).filter(|&i| pixels.load(i * WIDTH + i) == 255).count();
    let there = if Shm::open(&name).is_ok() { "still there" } else { "gone" };
    println!("{drawn} pixels of the diagonal are set, and Python is gone; the object is {there}");
    Ok(())
}
