//! Provokes the errors of mappings, views, seals and sockets.

use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use posix_shm::{
    Advice, Direction, HugePages, MapOptions, OpenOptions, Seals, Shm, WaitOptions, transfer,
};

use super::texts::{Messages, io};
use crate::common::page;
use crate::transfer::send_many;

impl Messages {
    pub(super) fn mapping(&mut self) {
        let object = Shm::create(&self.name, 100).unwrap();
        self.add("mapping no byte", MapOptions::new().len(0).map(&object));
        self.add("mapping from an offset past the end", MapOptions::new().offset(100).map(&object));
        let mut options = MapOptions::new();
        self.add("mapping a range past the end", options.offset(60).len(50).map(&object));
        let reader = Shm::open(&self.name).unwrap();
        self.add("mapping a read-only handle for writing", reader.map_mut());
        self.add("mapping a read-only descriptor for writing", MapOptions::new().map_mut(&reader));
        object.unlink().unwrap();

        let object = Shm::anonymous(100).unwrap();
        let mapping = object.map().unwrap();
        let address = mapping.as_ptr();
        self.add(
            "mapping at an address that is taken",
            MapOptions::new().address(address).map(&object),
        );
        let misaligned = MapOptions::new().address(std::ptr::without_provenance(1)).map(&object);
        self.add("mapping at an address that is not a page's", misaligned);
        self.add("mapping an empty object", Shm::anonymous(0).unwrap().map());
        if cfg!(target_pointer_width = "64") {
            let huge = Shm::anonymous(0).unwrap();
            huge.set_len_sparse(i64::MAX as u64).unwrap();
            self.add("mapping more than there are addresses", huge.map());
        } else {
            self.given.push(("mapping more than there are addresses", None));
        }
    }

    pub(super) fn changing_mappings(&mut self) {
        let object = Shm::anonymous(100).unwrap();
        let mut options = MapOptions::new();
        self.add("an alignment that is no power of two", options.align(3).map(&object));
        self.add("an alignment that is not the offset's", options.align(8).offset(1).map(&object));
        let mut options = MapOptions::new();
        if cfg!(target_pointer_width = "64") {
            self.add("a capacity that is too large", options.capacity(usize::MAX).map(&object));
        } else {
            self.given.push(("a capacity that is too large", None));
        }
        let mut mapping = object.map_mut().unwrap();
        self.add("growing past the end of the object", mapping.grow(&object, 20_000));
        let other = Shm::anonymous(20_000).unwrap();
        self.add("growing by another object", mapping.grow(&other, 20_000));
        self.add("growing by a socket", mapping.grow(&UnixStream::pair().unwrap().0, 20_000));
        self.add("shrinking to nothing", mapping.shrink_to(0));
        self.add("shrinking to more than there is", mapping.shrink_to(101));
        self.add("populating past the end", mapping.populate(50..101));
        self.add("advising on a part of a page", mapping.advise(..10, Advice::DontFork));
        let reader = other.map().unwrap();
        let page = usize::try_from(page()).unwrap();
        self.add("removing through a read-only mapping", reader.advise(..page, Advice::Remove));
        self.add("splitting inside a page", reader.split_at(10));
        self.add("splitting at the end", mapping.split_at(100));
        // What the object has no more.
        let long = Shm::anonymous(3 * page as u64).unwrap();
        let cut = long.map_mut().unwrap();
        long.set_len(page as u64).unwrap();
        self.add("populating what was cut off", cut.populate(..));
        let word = cut.atomic::<u32>(page).unwrap();
        self.add(
            "waiting for what was cut off",
            word.wait(0, WaitOptions::from(Duration::from_secs(9)).spin(0)),
        );
        self.add("notifying who waits for what was cut off", word.notify_all());
        let lock = other.map_mut().unwrap();
        let lock = lock.seq_lock(0).unwrap();
        lock.write(|| {
            self.add("a second writer", lock.write(|| ()));
            self.add("a snapshot while a writer writes", lock.read(|| ()));
        })
        .unwrap();
        let interrupted = lock.write(|| lock.reset(|| ()).unwrap());
        self.add("a writer that is taken for dead", interrupted);
        self.add("locking what was cut off", cut.lock(..));
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).huge_pages(HugePages::default()).size(100);
        self.add("opening an object of huge pages by its name", options.open(&self.name));
    }

    pub(super) fn views(&mut self) {
        let mapping = Shm::anonymous(64).unwrap().map_mut().unwrap();
        self.add("a slice that reaches past the end", mapping.slice::<u64>(8, 8));
        let misaligned = mapping.slice::<u64>(1, 1).map_err(|error| {
            let address = format!("{:#x}", mapping.as_ptr().addr() + 1);
            error.to_string().replace(&address, "{address}")
        });
        // Rust aligns an integer of 8 bytes to 4 on some machines.
        let align = align_of::<u64>();
        let as_usual = |text: String| {
            let text = text.replace(&format!("multiple of {align}"), "multiple of 8");
            text.replace(&format!("that fits is {align}"), "that fits is 8")
        };
        self.add("a slice that is not aligned", misaligned.map_err(as_usual));
        let locked = mapping.seq_slice::<u32>(4, 20);
        self.add("values behind a lock that reach past the end", locked);
        let slice = mapping.slice::<u32>(0, 10).unwrap();
        self.add_panic("an index past the end", || slice.store(10, 1));
        self.add_panic("a range past the end", || _ = slice.range(5..20));
        self.add_panic("a range that never ends", || _ = slice.range(..=usize::MAX));
        self.add_panic("copying values of another length", || slice.copy_from(&[1, 2]));
        let seek = mapping.bytes().reader().seek(SeekFrom::Current(-1));
        self.add("a position before the first byte", seek);
    }

    pub(super) fn sealing(&mut self) {
        let named = Shm::create(&self.name, 10).unwrap();
        self.add("sealing a named object", named.seal(Seals::SHRINK));
        named.unlink().unwrap();
        let object = Shm::anonymous(page()).unwrap();
        let writer = object.map_mut().unwrap();
        self.add("sealing an object while it is mapped for writing", object.seal(Seals::WRITE));
        drop(writer);
        let frozen = object.freeze().unwrap();
        self.add("shrinking a sealed object", frozen.set_len(10));
        self.add("growing a sealed object", frozen.set_len(1 << 20));
        self.add("punching a sealed object", frozen.punch(..));
        self.add("mapping a sealed object for writing", frozen.map_mut());
        self.add("sealing an object that is sealed against it", frozen.seal(Seals::WRITE));
    }

    pub(super) fn immutable(&mut self) {
        let named = Shm::create(&self.name, page()).unwrap();
        self.add("mapping a named object as immutable", named.map_immutable());
        let name = self.name.clone();
        named.unlink().unwrap();
        let named = Shm::create(&name, page()).unwrap().unlink_on_drop();
        self.add("making a named object immutable", named.try_clone().unwrap().make_immutable());
        drop(named);

        let object = || Shm::anonymous(page()).unwrap();
        self.add("mapping an object as immutable without seals", object().map_immutable());
        self.add(
            "mapping a frozen object as immutable",
            object().freeze().unwrap().map_immutable(),
        );
        let sealed = object();
        sealed.seal(Seals::WRITE).unwrap();
        self.add("mapping an object as immutable whose length can change", sealed.map_immutable());
        let sparse = || io(page()).sparse(true).open_anonymous().unwrap();
        self.add("making a sparse object immutable", sparse().make_immutable());
        let sealed = sparse();
        sealed.seal(Seals::WRITE | Seals::SHRINK | Seals::GROW).unwrap();
        self.add("mapping a sparse object as immutable", sealed.map_immutable());
        let empty = Shm::anonymous(0).unwrap().make_immutable().unwrap();
        self.add("mapping an empty object as immutable", empty.map_immutable());
        let busy = object();
        let reader = busy.map().unwrap();
        self.add("making an object immutable while it is mapped", busy.make_immutable());
        drop(reader);
        let (socket, _other_end) = UnixStream::pair().unwrap();
        let socket = Shm::from(OwnedFd::from(socket));
        self.add("mapping a socket as immutable", socket.map_immutable());

        let mapping = Shm::anonymous(10).unwrap().make_immutable().unwrap().map_immutable();
        let mapping = mapping.unwrap();
        self.add("a slice of half a value", mapping.slice::<u64>());
        self.add("a part of immutable memory past its end", mapping.part::<u16>(8, 2));
    }

    pub(super) fn sending(&mut self) {
        let (here, there) = UnixStream::pair().unwrap();
        let object = Shm::anonymous(10).unwrap();
        (&here).write_all(b"x").unwrap();
        self.add("receiving a message without a descriptor", Shm::receive(&there));
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        sender.send(b"xx").unwrap();
        self.add("receiving a message that has more", Shm::receive(&receiver));
        send_many(&here, &[0, 0]);
        sender.send(b"xx").unwrap();
        let too_long = transfer::receive(&receiver, &mut [0]);
        self.add("receiving a message that is too long", too_long);
        self.add("receiving into no room", transfer::receive(&receiver, &mut []));
        self.add("sending objects without bytes", transfer::send(&here, &[&object], &[]));
        let many = transfer::send(&here, &[&object; transfer::MAX_OBJECTS + 1], b"x");
        self.add("sending too many objects", many);
        self.add("receiving two descriptors", Shm::receive(&there));
        let (not_shared_memory, _other_end) = UnixStream::pair().unwrap();
        let not_shared_memory = Shm::from(OwnedFd::from(not_shared_memory));
        self.add("inspecting something that is no object", not_shared_memory.inspect());
        not_shared_memory.send(&here).unwrap();
        self.add("receiving a descriptor of something else", Shm::receive(&there));
        there.set_nonblocking(true).unwrap();
        self.add("receiving before anything was sent", Shm::receive(&there));
        let (full, its_peer) = UnixStream::pair().unwrap();
        full.set_nonblocking(true).unwrap();
        while (&full).write(&[0; 65536]).is_ok() {}
        self.add("sending over a socket that is full", object.send(&full));
        drop(its_peer);
        self.add("receiving after the other side has left bytes unread", Shm::receive(&full));
        let udp = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        self.add("sending over a socket that carries no descriptors", object.send(&udp));
        drop(here);
        self.add("receiving after the other side has closed", Shm::receive(&there));
        self.add("sending after the other side has closed", object.send(&there));
        self.add("sending over something that is no socket", object.send(object.as_fd()));
    }
}
