//! Reads what `/proc` says. It takes bytes and makes no system call, so that
//! `tests/fuzz/parsers.rs` can give it any.

/// The number of a file on the device of the objects.
pub(crate) type Inode = u64;

/// What the kernel writes behind the path of a file that has no name any more.
pub(crate) const DELETED: &[u8] = b" (deleted)";

/// Whether descriptors wait in a socket to be received, from the content of its `fdinfo`.
pub(crate) fn carries_by(info: &str) -> bool {
    let waiting = info.lines().find_map(|line| line.strip_prefix("scm_fds:"));
    waiting.is_some_and(|number| number.trim() != "0")
}

/// A line of `/proc/PID/maps`.
pub(crate) struct Line<'a> {
    pub(crate) range: &'a [u8],
    pub(crate) device: &'a [u8],
    pub(crate) inode: Inode,
    pub(crate) path: &'a [u8],
}

impl<'a> Line<'a> {
    pub(crate) fn of(line: &'a [u8]) -> Option<Line<'a>> {
        let mut fields = line.splitn(6, |byte| *byte == b' ');
        let [range, _, _, device, inode] = std::array::from_fn(|_| fields.next().unwrap_or(b""));
        let inode = std::str::from_utf8(inode).ok()?.parse().ok()?;
        let path = fields.next().unwrap_or(b"").trim_ascii_start();
        Some(Line { range, device, inode, path })
    }
}

/// A path as it is. In `maps`, a line break is written `\012`.
pub(crate) fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut parts = path.windows(4).enumerate().filter(|(_, part)| part == b"\\012").map(|p| p.0);
    let (mut result, mut from) = (Vec::new(), 0);
    for at in parts.by_ref() {
        result.extend_from_slice(&path[from..at]);
        result.push(b'\n');
        from = at + 4;
    }
    result.extend_from_slice(&path[from..]);
    result
}

/// A line of `/proc/self/mountinfo`.
pub(crate) struct Mount {
    pub(crate) device: String,
    pub(crate) point: String,
    pub(crate) kind: String,
    /// Those of the file system.
    pub(crate) options: String,
}

impl Mount {
    /// Those in the content of the file.
    pub(crate) fn all_of(text: &[u8]) -> Vec<Mount> {
        let text = String::from_utf8_lossy(text);
        let mount = |line: &str| {
            let (of_mount, of_system) = line.split_once(" - ")?;
            let mut of_mount = of_mount.split(' ').map(str::to_owned);
            let mut of_system = of_system.split(' ').map(str::to_owned);
            Some(Mount {
                device: of_mount.nth(2)?,
                point: of_mount.nth(1)?,
                kind: of_system.next()?,
                options: of_system.nth(1)?,
            })
        };
        text.lines().filter_map(mount).collect()
    }
}
