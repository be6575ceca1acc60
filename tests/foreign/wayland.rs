//! A Wayland compositor without a screen, the example that is its client, and a picture of what it
//! shows.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::{made, python};

const WIDTH: usize = 320;
const HEIGHT: usize = 240;

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Far longer than it takes.
const LIMIT: Duration = Duration::from_secs(30);

const SOCKET: &str = "posix-shm-test";

/// So that the window is there at once, and alone.
const CONFIGURATION: &str = "[shell]\nstartup-animation=none\nanimation=none\nlocking=false\n";

/// Starts weston. Any client may take a picture of its screen.
fn weston(folder: &Path) -> Running {
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut weston = Command::new("weston");
    let configuration = folder.join("weston.ini");
    fs::write(&configuration, CONFIGURATION).unwrap();
    weston.arg("--config").arg(configuration);
    weston.args(["--backend=headless-backend.so", "--shell=desktop-shell.so", "--use-pixman"]);
    weston.args(["--debug", "--idle-time=0", &format!("--socket={SOCKET}")]);
    weston.args([format!("--width={WIDTH}"), format!("--height={HEIGHT}")]);
    weston.env("XDG_RUNTIME_DIR", folder).stdout(log.try_clone().unwrap()).stderr(log);
    let mut weston = Running(weston.stdin(Stdio::null()).spawn().expect("weston starts"));
    let start = Instant::now();
    while !folder.join(SOCKET).exists() {
        let ended = weston.0.try_wait().unwrap();
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(ended.is_none(), "weston ended: {}", log());
        assert!(start.elapsed() < LIMIT, "weston does not start: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    weston
}

#[test]
fn a_compositor_shows_what_a_client_drew_into_an_object() {
    let folder = made(&format!("wayland-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let compositor = weston(&folder);
    let client = |program: &str| {
        let mut command = Command::new(program);
        command.env("XDG_RUNTIME_DIR", &folder).env("WAYLAND_DISPLAY", SOCKET);
        command.current_dir(&folder).stdin(Stdio::null());
        command
    };
    let mut example = client(env!("CARGO_BIN_EXE_example-compositor"));
    let mut example = Running(example.arg("--fullscreen").stdout(Stdio::piped()).spawn().unwrap());
    let (tell, hear) = mpsc::channel();
    let output = BufReader::new(example.0.stdout.take().unwrap());
    std::thread::spawn(move || tell.send(output.lines().next()));
    let said = hear.recv_timeout(LIMIT).expect("the window is shown in time").unwrap().unwrap();
    assert_eq!(said, format!("shown: {WIDTH} by {HEIGHT} pixels"));

    crate::run(&mut client("weston-screenshooter"));
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let picture = files.into_iter().find(|path| path.extension().is_some_and(|it| it == "png"));
    let output = python().arg("png").arg(picture.expect("a picture")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let header = format!("{WIDTH} {HEIGHT}\n");
    let pixels = output.stdout.strip_prefix(header.as_bytes()).expect("the size of the screen");
    assert_eq!(pixels.len(), WIDTH * HEIGHT * 3);
    for (i, pixel) in pixels.chunks(3).enumerate() {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let expected = [x as u8, y as u8, x as u8 ^ y as u8];
        assert_eq!(pixel, expected, "the pixel at {x}, {y}");
    }
    drop((example, compositor));
    fs::remove_dir_all(&folder).unwrap();
}
