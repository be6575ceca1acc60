//! How much room there is for objects.

use std::fs;
use std::os::unix::fs::MetadataExt;

use posix_shm::Entry;
use rustix::fs::{Dev, major, minor, statvfs};

/// Where systems keep their objects, if that is a directory.
const DIRECTORIES: [&str; 2] = ["/dev/shm", "/var/shm"];

/// The file system that the objects are in.
pub(crate) struct Room {
    pub(crate) path: &'static str,
    device: u64,
    /// What it can hold. `None`: it has no limit of its own.
    pub(crate) size: Option<u64>,
    pub(crate) used: u64,
    /// What is free, if it has a limit.
    pub(crate) available: Option<u64>,
}

impl Room {
    /// `Err` says why it cannot be told.
    pub(crate) fn now(entries: &[Entry]) -> Result<Room, String> {
        let device_of = |path: &&str| fs::metadata(path).ok().filter(|is| is.is_dir());
        let found = DIRECTORIES.iter().find_map(|path| Some((*path, device_of(path)?.dev())));
        let is_theirs = |device| match entries.first() {
            Some(_) => entries.iter().any(|entry| entry.metadata().device() == device),
            None => posix_shm::capabilities().list,
        };
        let Some((path, device)) = found.filter(|(_, device)| is_theirs(*device)) else {
            return Err("this system has no file system of its own for shared memory".into());
        };
        let stat = statvfs(path).map_err(|error| format!("ask how full {path} is: {error}"))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let has_limit = stat.f_blocks > 0;
        Ok(Room {
            path,
            device,
            size: has_limit.then(|| bytes(stat.f_blocks)),
            used: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)),
            available: has_limit.then(|| bytes(stat.f_bavail)),
        })
    }

    /// The device as `stat` tells it.
    pub(crate) fn device(&self) -> u64 {
        self.device
    }

    /// How much of it is used, rounded up, as `df` does.
    pub(crate) fn percent(&self) -> Option<u64> {
        let available = self.available?;
        let of = self.used.saturating_add(available);
        Some(if of == 0 { 0 } else { (self.used.saturating_mul(100)).div_ceil(of) })
    }
}

/// The device in two parts, as `/proc` writes it.
#[allow(clippy::unnecessary_cast, reason = "the type is narrower on other systems")]
pub(crate) fn parts(device: u64) -> (u32, u32) {
    let device = device as Dev;
    (major(device), minor(device))
}
