//! The exact text of every error message that can be provoked on Linux.
//!
//! To change a message, change its text in [`TEXTS`]. The test prints each text that differs as
//! an entry that can be pasted here.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use posix_shm::{Direction, IfDoesNotExist, IfExists, OpenOptions, Shm, ShmName, unlink};

use crate::common::{Names, page, peer, run_if_allowed};

/// What was done, and the exact text of the error, with these placeholders:
///
/// - `/name` for the name of the object;
/// - `{ENOENT}` for the words of the C library, which are not the same everywhere;
/// - `{page}` for the size of a page, `{address}` for an address, and `{usize::MAX + 1}`;
/// - `{long}` for a name that is too long.
#[rustfmt::skip]
const TEXTS: &[(&str, &str)] = &[
    ("cleaning up an anonymous object",
        "unlink the object: it is anonymous or came as a descriptor, so it has no name to remove"),
    ("presence on a socket",
        "hold presence on the object: {ENXIO}; this is not a shared memory object"),
    ("presence without permission to read",
        "hold presence on \"/name\": {EACCES}; presence takes permission to read the object"),
    ("cleaning up without permission to write",
        "look for users of \"/name\": {EACCES}; an exclusive lock takes permission to write the \
         object"),
    ("locking without permission to write",
        "take the lock of \"/name\": {EACCES}; an exclusive lock takes permission to write the \
         object"),
    ("an empty name",
        "name an object: \"\" cannot be used: it is empty"),
    ("a slash inside a name",
        "name an object: \"a/b\" cannot be used: it has a slash after its first byte, and there \
         are no folders"),
    ("the name of a directory",
        "name an object: \"..\" cannot be used: it would name a directory"),
    ("a NUL byte in a name",
        "name an object: \"a\\0b\" cannot be used: it has a NUL byte"),
    ("a name that is too long",
        "name an object: \"{long}\" cannot be used: it has 256 bytes after the slash, and the \
         limit is 255"),
    ("a name that is not portable",
        "name an object: \"a b\" cannot be used: byte 0x20 is not in the POSIX portable filename \
         character set"),
    ("a name that is too long to be portable",
        "name an object: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" cannot be used: it has 31 bytes \
         after the slash, and the limit is 30"),
    ("truncating through a read-only handle",
        "open \"/name\": POSIX leaves truncating through a read-only handle undefined; use \
         Direction::Io"),
    ("superseding without creating",
        "open \"/name\": IfExists::Supersede creates an object, which IfDoesNotExist::Error (the \
         default with Direction::Input) forbids; set IfDoesNotExist::Create, or use \
         IfExists::Overwrite"),
    ("neither opening nor creating",
        "open \"/name\": IfExists::Error with IfDoesNotExist::Error (the default with \
         Direction::Input) can never succeed; set IfDoesNotExist::Create"),
    ("creating an object for reading only, and mapping it for writing",
        "map \"/name\": a writable mapping needs a writable handle; use Direction::Io"),
    ("creating and mapping an object without a size",
        "map \"/name\": an object that is created needs a size, or there is nothing to map; set \
         size()"),
    ("truncating and mapping an object",
        "map \"/name\": IfExists::Truncate would leave nothing to map"),
    ("creating an object that is too long",
        "create \"/name\": 18446744073709551615 bytes are more than any object can have (2^63 - \
         1)"),
    ("an anonymous object for reading only",
        "create the object: an anonymous read-only object could never have content; use \
         Direction::Io"),
    ("mapping an anonymous object without a size",
        "map the object: an object that is created needs a size, or there is nothing to map; set \
         size()"),
    ("opening a name that has no object",
        "open \"/name\": {ENOENT}; no object has this name"),
    ("waiting for an object that nobody creates",
        "open \"/name\": {ENOENT}; no object has this name after waiting 1ms"),
    ("waiting for a length that nobody sets",
        "open \"/name\": it still has no length after waiting 1ms"),
    ("opening and mapping an empty object",
        "map \"/name\": the object is empty; give it a length first (set_len)"),
    ("creating an object that exists",
        "create \"/name\": {EEXIST}; an object has this name; open_or_create opens it, \
         IfExists::Supersede replaces it"),
    ("creating an empty object that exists",
        "create \"/name\": {EEXIST}; an object has this name; open_or_create opens it, \
         IfExists::Supersede replaces it"),
    ("publishing an object that exists",
        "create \"/name\": {EEXIST}; an object has this name; open_or_create opens it, \
         IfExists::Supersede replaces it"),
    ("opening a symbolic link",
        "open \"/name\": {ELOOP}; the name is a symbolic link, and links are not followed"),
    ("opening a directory for writing",
        "open \"/name\": {EISDIR}; a directory has the name"),
    ("mapping a directory",
        "map \"/name\": this is not a shared memory object"),
    ("cleaning up a directory",
        "look for users of \"/name\": {EISDIR}; this is not a shared memory object"),
    ("locking a directory",
        "take the lock of \"/name\": {EISDIR}; this is not a shared memory object"),
    ("unlinking a directory",
        "unlink \"/name\": {EISDIR}; a directory has the name"),
    ("mapping a FIFO",
        "map \"/name\": this is not a shared memory object"),
    ("opening an object without permission",
        "open \"/name\": {EACCES}; this user may not open the object in this direction"),
    ("opening an object without a free descriptor",
        "open \"/name\": {EMFILE}; this process has no free descriptor; close some or raise its \
         limit"),
    ("creating an object in a full file system",
        "reserve 2097152 bytes for \"/name\": {ENOSPC}; the shared memory file system has 1048576 \
         bytes free; in a container, raise --shm-size; an anonymous object (Shm::anonymous) needs \
         no room there"),
    ("resizing an object for reading only",
        "open \"/name\": resizing an object takes a handle that can write; use Direction::Io"),
    ("creating an object that would be too short",
        "open \"/name\": the size is less than at_least, so the call would refuse its own object"),
    ("a label that is too long",
        "create the object: a label can have at most 249 bytes"),
    ("a NUL byte in a label",
        "create the object: a label cannot have a NUL byte"),
    ("opening an object that is too short",
        "open \"/name\": it has 0 bytes, and at least 20 are wanted"),
    ("waiting for a length that is not reached",
        "open \"/name\": it still has only 10 bytes after waiting 1ms"),
    ("opening a name that has no object, with a size",
        "open \"/name\": {ENOENT}; a size is for a new object; to create one, set \
         IfDoesNotExist::Create"),
    ("a descriptor of something else",
        "open the object: this is not a shared memory object"),
    ("a descriptor with a name that has no object",
        "open \"/name\": the name belongs to another object, or to none"),
    ("a descriptor with the name of another object",
        "open \"/name\": the name belongs to another object, or to none"),
    ("writing through a descriptor in append mode",
        "write the object: the descriptor is in append mode (O_APPEND), so the system would write \
         at the end"),
    ("reserving past the end",
        "reserve memory for \"/name\": range 50..101 is not inside the object, which has 100 \
         bytes"),
    ("reserving through a read-only handle",
        "reserve memory for \"/name\": the handle is read-only; this takes one for writing \
         (Shm::open_io, Direction::Io)"),
    ("punching through a read-only handle",
        "punch a hole into \"/name\": the handle is read-only; this takes one for writing \
         (Shm::open_io, Direction::Io)"),
    ("punching a sealed object",
        "punch a hole into the object: {EPERM}; the object is sealed against this"),
    ("receiving a message that has more",
        "receive an object: the message had more bytes than the one that send() writes; \
         transfer::receive() receives it"),
    ("sending over a socket that carries no descriptors",
        "send the object: {EAFNOSUPPORT}; only a Unix socket, such as a UnixStream, carries an \
         object to another process"),
    ("unlinking a name that has no object",
        "unlink \"/name\": {ENOENT}; no object has this name"),
    ("unlinking a handle whose name is gone",
        "unlink \"/name\": {ENOENT}; no object has this name"),
    ("unlinking a handle whose name another object has",
        "unlink \"/name\": another object has the name now"),
    ("unlinking an anonymous object",
        "unlink the object: it is anonymous or came as a descriptor, so it has no name to remove"),
    ("setting the length through a read-only handle",
        "set the length of \"/name\" to 10 bytes: the handle is read-only; this takes one for \
         writing (Shm::open_io, Direction::Io)"),
    ("writing through a read-only handle",
        "write \"/name\": the handle is read-only; this takes one for writing (Shm::open_io, \
         Direction::Io)"),
    ("shrinking through a read-only descriptor",
        "set the length of the object to 10 bytes: {EINVAL}; the handle is read-only; this takes \
         one for writing (Shm::open_io, Direction::Io)"),
    ("growing through a read-only descriptor",
        "grow the object from 100 to 1000 bytes: {EBADF}; the handle is read-only; this takes one \
         for writing (Shm::open_io, Direction::Io)"),
    ("a length that is too long",
        "set the length of \"/name\" to 18446744073709551615 bytes: 18446744073709551615 bytes \
         are more than any object can have (2^63 - 1)"),
    ("reading at an offset that is too large",
        "the offset is past the end of any object"),
    ("the owner with the id -1",
        "set the owner of \"/name\": the id 4294967295 means \"leave it as it is\" to the system; \
         use None"),
    ("mapping no byte",
        "map 0 bytes of the object from offset 0: a mapping cannot have 0 bytes"),
    ("mapping from an offset past the end",
        "map the object from offset 100: offset 100 is past the end of the object, which has 100 \
         bytes"),
    ("mapping a range past the end",
        "map 50 bytes of the object from offset 60: offset 60 and length 50 reach past the end of \
         the object, which has 100 bytes; make it longer first (Shm::grow)"),
    ("mapping a read-only handle for writing",
        "map \"/name\": {EACCES}; the handle is read-only; this takes one for writing \
         (Shm::open_io, Direction::Io)"),
    ("mapping a read-only descriptor for writing",
        "map the object: {EACCES}; the handle does not allow this access (writing takes one that \
         was opened for it, with Direction::Io), or a sandbox forbids the call"),
    ("mapping at an address that is taken",
        "map the object: the address is taken, or the system does not map there"),
    ("mapping at an address that is not a page's",
        "map the object: address 0x1 must be a multiple of {page} plus 0, as offset 0 is"),
    ("mapping an empty object",
        "map the object: the object is empty; give it a length first (set_len)"),
    ("mapping more than there are addresses",
        "map the object: {ENOMEM}; no address range of this length is free, this process has too \
         many mappings, or its limit on address space (RLIMIT_AS) is reached"),
    ("a slice that reaches past the end",
        "view a part of a mapping: from offset 8 on, 8 values of u64 take 64 bytes, which reach \
         past the end: there are 64 bytes"),
    ("a slice that is not aligned",
        "view a part of a mapping: offset 1 is misaligned for u64: its address, {address}, is not \
         a multiple of 8; the next offset that fits is 8"),
    ("values behind a lock that reach past the end",
        "view a part of a mapping: from offset 4 on, a lock and 20 values of u32 take 84 bytes, \
         which reach past the end: there are 64 bytes"),
    ("an index past the end",
        "index 10 is out of bounds: there are 10 values"),
    ("a range past the end",
        "range 5..20 is out of bounds: there are 10 values"),
    ("a range that never ends",
        "range 0..{usize::MAX + 1} is out of bounds: there are 10 values"),
    ("copying values of another length",
        "the lengths differ: the shared slice has 10 values, the other slice has 2; range() takes \
         a part"),
    ("a position before the first byte",
        "cannot seek to a negative or overflowing position"),
    ("an alignment that is no power of two",
        "map the object: an alignment of 3 is not a power of two"),
    ("an alignment that is not the offset's",
        "map the object from offset 1: an alignment of 8 bytes does not go with this offset"),
    ("a capacity that is too large",
        "map the object: 18446744073709551615 bytes are more than one mapping can have \
         (9223372036854775807)"),
    ("growing past the end of the object",
        "grow a mapping to 20000 bytes: from offset 0, that reaches past the end of the object, \
         which has 100 bytes; make the object longer first (Shm::grow)"),
    ("growing by another object",
        "grow a mapping to 20000 bytes: this is another object than the one that is mapped"),
    ("growing by a socket",
        "grow a mapping to 20000 bytes: this is not a shared memory object"),
    ("shrinking to nothing",
        "shrink a mapping to 0 bytes: it has 100 bytes, and keeps at least 1"),
    ("shrinking to more than there is",
        "shrink a mapping to 101 bytes: it has 100 bytes, and keeps at least 1"),
    ("populating past the end",
        "populate a mapping: range 50..101 is not inside the mapping, which has 100 bytes"),
    ("advising on a part of a page",
        "advise on bytes 0..10 of a mapping: DontFork takes whole pages, and a page has {page} \
         bytes"),
    ("removing through a read-only mapping",
        "advise on bytes 0..{page} of a mapping: giving memory back takes a mapping that can \
         write, and is not copy-on-write"),
    ("splitting inside a page",
        "split a mapping at byte 10: no page begins there; its pages have {page} bytes"),
    ("splitting at the end",
        "split a mapping at byte 100: it has 100 bytes, and each part needs one"),
    ("populating what was cut off",
        "populate bytes 0..12288 of a mapping: {EFAULT}; the object has no memory for a page of \
         it: the object was cut off, or there is none left; Shm::reserve takes it beforehand"),
    ("a second writer",
        "write under a sequence lock: another writer is writing, or was killed while it wrote; a \
         lock has one writer; if it is dead, SeqLock::reset takes it over"),
    ("a snapshot while a writer writes",
        "take a snapshot: a writer was writing, or came between, at each of 128 tries; try again \
         later"),
    ("a writer that is taken for dead",
        "write under a sequence lock: another writer came between, and the data may be a mix; a \
         lock has one writer; if it is dead, SeqLock::reset takes it over"),
    ("waiting for what was cut off",
        "wait for a word of a mapping: {EFAULT}; the object has no memory for the word: a peer has \
         cut it off, or there is none left"),
    ("notifying who waits for what was cut off",
        "wake those who wait for a word of a mapping: {EFAULT}; the object has no memory for the \
         word: a peer has cut it off, or there is none left"),
    ("locking what was cut off",
        "lock bytes 0..12288 of a mapping: {ENOMEM}; this process may not lock so much (raise \
         RLIMIT_MEMLOCK), or the object has no memory for a page of it"),
    ("opening an object of huge pages by its name",
        "open \"/name\": only anonymous objects can have huge pages from a pool"),
    ("sealing a named object",
        "seal \"/name\": {EPERM}; only an anonymous object that memfd_create made can be sealed, \
         and not after Seals::SEAL"),
    ("sealing an object while it is mapped for writing",
        "seal the object: {EBUSY}; the object is mapped for writing somewhere, or through a \
         handle that can write; unmap it there first"),
    ("shrinking a sealed object",
        "set the length of the object to 10 bytes: {EPERM}; the object is sealed against this"),
    ("growing a sealed object",
        "grow the object from {page} to 1048576 bytes: {EPERM}; the object is sealed against this"),
    ("mapping a sealed object for writing",
        "map the object: {EPERM}; the object is sealed against writing, its file system forbids \
         executing, or a sandbox forbids the call"),
    ("sealing an object that is sealed against it",
        "seal the object: {EPERM}; the object was sealed with Seals::SEAL, so no seal can be \
         added"),
    ("mapping a named object as immutable",
        "map \"/name\": only an anonymous object that can be sealed can be immutable; copy the \
         bytes into a new one, and use make_immutable()"),
    ("making a named object immutable",
        "seal \"/name\": {EPERM}; only an anonymous object that memfd_create made can be sealed, \
         and not after Seals::SEAL"),
    ("mapping an object as immutable without seals",
        "map the object: the object is not sealed against writing; make_immutable() does it"),
    ("mapping a frozen object as immutable",
        "map the object: the object is frozen, so a process that mapped it before may still \
         write; use make_immutable() instead of freeze()"),
    ("mapping an object as immutable whose length can change",
        "map the object: the object is not sealed against SHRINK and GROW; make_immutable() does \
         it"),
    ("making a sparse object immutable",
        "seal the object: not all of its memory is there, because it is sparse or has holes; \
         reserve(..) it before make_immutable()"),
    ("mapping a sparse object as immutable",
        "map the object: not all of its memory is there, because it is sparse or has holes; \
         reserve(..) it before make_immutable()"),
    ("mapping an empty object as immutable",
        "map the object: the object is empty; give it a length first (set_len)"),
    ("making an object immutable while it is mapped",
        "seal the object: {EBUSY}; the object is mapped for writing somewhere, or through a \
         handle that can write; unmap it there first"),
    ("mapping a socket as immutable",
        "map the object: this is not a shared memory object"),
    ("a slice of half a value",
        "view a part of a mapping: 10 bytes are not a whole number of u64 (8 bytes each)"),
    ("a part of immutable memory past its end",
        "view a part of a mapping: from offset 8 on, 2 values of u16 take 4 bytes, which reach \
         past the end: there are 10 bytes"),
    ("receiving a message without a descriptor",
        "receive an object: the message had no object; the other side must call Shm::send"),
    ("receiving two descriptors",
        "receive an object: the message had more than one descriptor"),
    ("receiving a descriptor of something else",
        "receive an object: the descriptor is of a socket, and not of shared memory"),
    ("receiving before anything was sent",
        "receive an object: {EAGAIN}; nothing was sent yet, and the socket is non-blocking or has \
         a time limit"),
    ("receiving after the other side has closed",
        "receive an object: the other side has closed"),
    ("sending after the other side has closed",
        "send the object: {EPIPE}; the other side has closed"),
    ("sending over a socket that is full",
        "send the object: {EAGAIN}; the socket has no room, and is non-blocking or has a time \
         limit; nothing was sent"),
    ("receiving after the other side has left bytes unread",
        "receive an object: {ECONNRESET}; the other side has closed"),
    ("sending over something that is no socket",
        "send the object: {ENOTSOCK}; objects are sent over Unix sockets, such as a UnixStream"),
    ("sending objects without bytes",
        "send the object: a message without a byte carries no objects on some systems"),
    ("sending too many objects",
        "send the object: one message carries at most 253 objects"),
    ("receiving into no room",
        "receive an object: there is no room for a byte"),
    ("receiving a message that is too long",
        "receive an object: the message has more bytes than there is room for; it is lost"),
    ("inspecting something that is no object",
        "read the metadata of the object: the descriptor is of a socket, and not of shared \
         memory"),
];

#[test]
fn every_message_has_its_exact_text() {
    let names = Names::new();
    let mut messages = Messages { name: names.name(), given: Vec::new() };
    messages.names();
    messages.policies();
    messages.opening();
    messages.descriptors();
    messages.in_the_way();
    messages.shortages();
    messages.unlinking();
    messages.presence();
    messages.sizing();
    messages.mapping();
    messages.changing_mappings();
    messages.views();
    messages.sealing();
    messages.immutable();
    messages.sending();

    let expected = |what: &str| TEXTS.iter().find(|(of, _)| *of == what).map(|(_, text)| *text);
    let mut wrong = String::new();
    for (what, text) in &messages.given {
        let Some(text) = text else { continue };
        if expected(what) != Some(text) {
            wrong += &entry(what, text);
        }
    }
    for (what, _) in TEXTS {
        let provoked = messages.given.iter().any(|(given, _)| given == what);
        assert!(provoked, "nothing provokes {what:?}");
    }
    assert!(wrong.is_empty(), "these messages differ from the list:\n{wrong}");
}

/// An entry of [`TEXTS`], in lines of at most 100 columns.
fn entry(what: &str, text: &str) -> String {
    let mut entry = format!("    ({what:?},\n        ");
    let mut column = 8;
    for word in format!("{text:?}").split_inclusive(' ') {
        if column + word.len() > 98 {
            entry += "\\\n         ";
            column = 9;
        }
        entry += word;
        column += word.len();
    }
    entry + "),\n"
}

/// The messages that were provoked, in the form of [`TEXTS`].
pub(super) struct Messages {
    pub(super) name: ShmName,
    /// No text if this machine does not allow what would provoke it.
    pub(super) given: Vec<(&'static str, Option<String>)>,
}

impl Messages {
    #[track_caller]
    pub(super) fn add<T>(&mut self, what: &'static str, result: Result<T, impl Display>) {
        let Err(error) = result else { panic!("{what} is no error") };
        self.add_text(what, &error.to_string());
    }

    pub(super) fn add_text(&mut self, what: &'static str, text: &str) {
        let mut text = text.replace(&self.name.to_string(), "/name");
        macro_rules! words {
            ($($errno:ident)*) => {
                $(
                    let words = io::Error::from_raw_os_error(libc::$errno).to_string();
                    text = text.replace(&words, concat!("{", stringify!($errno), "}"));
                )*
            };
        }
        words!(
            EACCES EAFNOSUPPORT EAGAIN EBADF EBUSY ECONNRESET EEXIST EFAULT EINVAL EISDIR ELOOP
            EMFILE ENOENT ENOMEM ENOSPC ENOTSOCK ENXIO EPERM EPIPE
        );
        text = text.replace(&long_name(), "{long}").replace(&page().to_string(), "{page}");
        let beyond = (usize::MAX as u128 + 1).to_string();
        text = text.replace(&beyond, "{usize::MAX + 1}");
        self.given.push((what, Some(text)));
    }

    /// The message of a peer, or none if this machine does not allow its task.
    pub(super) fn add_of_peer(&mut self, what: &'static str, case: &str) {
        let said = run_if_allowed(&mut peer("message", [case, &self.name.to_string()]));
        match said {
            Some(text) => self.add_text(what, &text),
            None => self.given.push((what, None)),
        }
    }

    /// The message of a panic.
    #[track_caller]
    pub(super) fn add_panic(&mut self, what: &'static str, panics: impl FnOnce()) {
        let panic = catch_unwind(AssertUnwindSafe(panics)).expect_err(what);
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        self.add_text(what, &text.expect("the panic has a text"));
    }

    fn names(&mut self) {
        self.add("an empty name", ShmName::new(""));
        self.add("a slash inside a name", ShmName::new("a/b"));
        self.add("the name of a directory", ShmName::new(".."));
        self.add("a NUL byte in a name", ShmName::new("a\0b"));
        self.add("a name that is too long", ShmName::new(long_name()));
        self.add("a name that is not portable", ShmName::portable("a b"));
        self.add("a name that is too long to be portable", ShmName::portable("x".repeat(31)));
    }

    fn policies(&mut self) {
        let name = self.name.clone();
        let mut options = OpenOptions::new();
        options.if_exists(IfExists::Truncate);
        self.add("truncating through a read-only handle", options.open(&name));
        options.if_exists(IfExists::Supersede);
        self.add("superseding without creating", options.open(&name));
        options.if_exists(IfExists::Error);
        self.add("neither opening nor creating", options.open(&name));

        let create = IfDoesNotExist::Create;
        self.add(
            "creating an object for reading only, and mapping it for writing",
            OpenOptions::new().if_does_not_exist(create).size(10).open_mapped(&name),
        );
        let mut options = io(0);
        options.if_does_not_exist(create);
        self.add("creating and mapping an object without a size", options.open_mapped(&name));
        options.if_exists(IfExists::Truncate).size(10);
        self.add("truncating and mapping an object", options.open_mapped(&name));
        self.add("creating an object that is too long", Shm::create(&name, u64::MAX));
        let mut options = OpenOptions::new();
        self.add("resizing an object for reading only", options.resize(true).open(&name));
        let mut options = io(10);
        options.if_does_not_exist(create).at_least(20);
        self.add("creating an object that would be too short", options.open(&name));
        let label = "x".repeat(250);
        self.add("a label that is too long", io(10).label(&label).open_anonymous());
        self.add("a NUL byte in a label", io(10).label("a\0b").open_anonymous());
        self.add("an anonymous object for reading only", OpenOptions::new().open_anonymous());
        self.add("mapping an anonymous object without a size", io(0).open_anonymous_mapped());
    }

    fn opening(&mut self) {
        let name = self.name.clone();
        let moment = Duration::from_millis(1);
        self.add("opening a name that has no object", Shm::open(&name));
        let mut waiting = OpenOptions::new();
        waiting.wait(moment);
        self.add("waiting for an object that nobody creates", waiting.open(&name));
        let empty = Shm::create(&name, 0).unwrap();
        self.add("waiting for a length that nobody sets", waiting.open(&name));
        let (mut longer, mut sized) = (OpenOptions::new(), OpenOptions::new());
        self.add("opening an object that is too short", longer.at_least(20).open(&name));
        empty.set_len(10).unwrap();
        self.add("waiting for a length that is not reached", longer.wait(moment).open(&name));
        empty.set_len(0).unwrap();
        self.add("opening and mapping an empty object", io(0).open_mapped(&name));
        self.add("creating an object that exists", Shm::create(&name, 10));
        self.add("creating an empty object that exists", Shm::create(&name, 0));
        self.add("publishing an object that exists", Shm::publish(&name, b"x"));
        empty.unlink().unwrap();
        self.add("opening a name that has no object, with a size", sized.size(10).open(&name));
    }

    /// Descriptors that came from elsewhere.
    fn descriptors(&mut self) {
        let name = self.name.clone();
        let (socket, _other_end) = UnixStream::pair().unwrap();
        self.add("a descriptor of something else", Shm::from_fd(socket.into(), None));
        let object = Shm::anonymous(10).unwrap();
        let of_anonymous = || OwnedFd::from(object.try_clone().unwrap());
        let named = Shm::from_fd(of_anonymous(), Some(name.clone()));
        self.add("a descriptor with a name that has no object", named);
        let other = Shm::create(&name, 10).unwrap();
        let named = Shm::from_fd(of_anonymous(), Some(name.clone()));
        self.add("a descriptor with the name of another object", named);
        other.unlink().unwrap();
        // SAFETY: passes no pointer.
        let set = unsafe { libc::fcntl(object.as_raw_fd(), libc::F_SETFL, libc::O_APPEND) };
        assert_eq!(set, 0, "no append mode");
        let appended = object.write_at(b"x", 0);
        self.add("writing through a descriptor in append mode", appended);
    }

    /// Something under the name that is no object.
    fn in_the_way(&mut self) {
        let name = self.name.clone();
        let path = format!("/dev/shm{name}");
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        self.add("opening a symbolic link", Shm::open(&name));
        unlink(&name).unwrap();

        std::fs::create_dir(&path).unwrap();
        self.add("opening a directory for writing", Shm::open_io(&name));
        let directory = Shm::open(&name).unwrap();
        self.add("mapping a directory", directory.map());
        self.add("cleaning up a directory", directory.unlink_if_unused());
        self.add("locking a directory", directory.lock());
        self.add("unlinking a directory", unlink(&name));
        std::fs::remove_dir(&path).unwrap();

        let fifo = std::ffi::CString::new(path).unwrap();
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0, "mkfifo failed");
        self.add("mapping a FIFO", Shm::open(&name).unwrap().map());
        unlink(&name).unwrap();
    }

    /// Rights, descriptors and memory that a process of its own does not have.
    fn shortages(&mut self) {
        let object = Shm::create(&self.name, 10).unwrap();
        object.set_permissions(posix_shm::Permissions::empty()).unwrap();
        self.add_of_peer("opening an object without permission", "denied");
        self.add_of_peer("opening an object without a free descriptor", "no-descriptor");
        object.unlink().unwrap();
        self.add_of_peer("creating an object in a full file system", "full");
    }

    fn unlinking(&mut self) {
        let name = self.name.clone();
        self.add("unlinking a name that has no object", unlink(&name));
        let old = Shm::create(&name, 10).unwrap();
        unlink(&name).unwrap();
        self.add("unlinking a handle whose name is gone", old.unlink());
        let new = Shm::create(&name, 10).unwrap();
        self.add("unlinking a handle whose name another object has", old.unlink());
        new.unlink().unwrap();
        self.add("unlinking an anonymous object", Shm::anonymous(10).unwrap().unlink());
    }

    /// What another process of this user, or a limit, makes impossible.
    fn presence(&mut self) {
        let anonymous = Shm::anonymous(10).unwrap();
        self.add("cleaning up an anonymous object", anonymous.unlink_if_unused());
        let (socket, _other_end) = UnixStream::pair().unwrap();
        let socket = Shm::from(OwnedFd::from(socket));
        self.add("presence on a socket", socket.presence());
        let object = Shm::create(&self.name, 10).unwrap();
        object.set_permissions(posix_shm::Permissions::empty()).unwrap();
        self.add_of_peer("presence without permission to read", "presence-denied");
        object.set_permissions(posix_shm::Permissions::from_mode(0o444)).unwrap();
        self.add_of_peer("cleaning up without permission to write", "cleaning-denied");
        self.add_of_peer("locking without permission to write", "lock-denied");
        object.unlink().unwrap();
    }

    fn sizing(&mut self) {
        let object = Shm::create(&self.name, 100).unwrap();
        let reader = Shm::open(&self.name).unwrap();
        self.add("setting the length through a read-only handle", reader.set_len(10));
        self.add("writing through a read-only handle", reader.write_at(b"x", 0));
        let foreign = Shm::from(OwnedFd::from(reader));
        self.add("shrinking through a read-only descriptor", foreign.set_len(10));
        self.add("growing through a read-only descriptor", foreign.set_len(1000));
        let past_the_end = object.reserve(50..101);
        self.add("reserving past the end", past_the_end);
        self.add(
            "reserving through a read-only handle",
            Shm::open(&self.name).unwrap().reserve(..),
        );
        self.add("punching through a read-only handle", Shm::open(&self.name).unwrap().punch(..));
        self.add("a length that is too long", object.set_len(u64::MAX));
        self.add("reading at an offset that is too large", object.read_at(&mut [0], u64::MAX));
        self.add("the owner with the id -1", object.set_owner(Some(u32::MAX), None));
        object.unlink().unwrap();
    }
}

pub(super) fn io(size: u64) -> OpenOptions {
    OpenOptions::new().direction(Direction::Io).size(size).clone()
}

fn long_name() -> String {
    "x".repeat(256)
}
