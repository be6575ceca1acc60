//! Counts what a message costs here: instructions, against the same calls made by hand, and
//! allocations, also those of waiting and locking. `.ci/run instructions` runs it, compiled as a
//! user would.
//!
//! A parent follows its child step by step (`ptrace`), between two calls that nothing else makes.

#[cfg(target_os = "linux")]
mod linux {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Duration;

    use posix_shm::{Shm, transfer};

    /// What a message may cost over the calls by hand, and each further object.
    const ALLOWED: u64 = 400;
    const ALLOWED_MORE: u64 = 100;

    struct Counting;

    static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

    // SAFETY: it does what the system's allocator does, and counts.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            ALLOCATIONS.fetch_add(1, Relaxed);
            // SAFETY: the caller's promise.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(at, layout) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    fn mark() {
        // SAFETY: passes no pointer.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }

    /// How many instructions a function takes in a forked child, with its system calls as one each.
    #[cfg(target_arch = "x86_64")]
    fn instructions(run: impl Fn()) -> u64 {
        // The first time, the linker looks functions up.
        run();
        // SAFETY: the process has one thread.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let none = std::ptr::null_mut::<libc::c_void>();
            // SAFETY: asks the parent to follow; the pointers are not used.
            unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) };
            // SAFETY: passes no pointer.
            unsafe { libc::raise(libc::SIGSTOP) };
            mark();
            run();
            mark();
            // SAFETY: passes no pointer.
            unsafe { libc::_exit(0) };
        }
        let wait = || {
            let mut status = 0;
            // SAFETY: the pointer is to an integer.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(waited, child, "the child is gone");
            status
        };
        wait();
        let none = std::ptr::null_mut::<libc::c_void>();
        let (mut counting, mut count) = (false, 0);
        loop {
            // SAFETY: every field is an integer.
            let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
            // SAFETY: the child is stopped, and the pointer is to room for its registers.
            unsafe { libc::ptrace(libc::PTRACE_GETREGS, child, none, &raw mut registers) };
            // SAFETY: the child is stopped; the address is that of its next instruction.
            let code = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, child, registers.rip, none) };
            let is_call = code & 0xffff == 0x050f;
            if is_call && registers.rax == libc::SYS_getppid as u64 {
                if counting {
                    break;
                }
                counting = true;
            }
            count += u64::from(counting);
            // SAFETY: the child is stopped; the pointers are not used.
            unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, child, none, none) };
            assert!(libc::WIFSTOPPED(wait()), "the child has ended");
        }
        // SAFETY: the child is stopped; the pointers are not used.
        unsafe { libc::ptrace(libc::PTRACE_KILL, child, none, none) };
        wait();
        count
    }

    #[repr(C, align(8))]
    struct Control([u8; 64]);

    /// The calls by hand: the socket's kind, and a message of one byte and some descriptors.
    fn send_by_hand(socket: i32, descriptors: &[i32]) {
        // SAFETY: every field is an integer.
        let mut address: libc::sockaddr = unsafe { std::mem::zeroed() };
        let mut len = size_of::<libc::sockaddr>() as libc::socklen_t;
        // SAFETY: the pointers are to room for an address and to its length.
        unsafe { libc::getsockname(socket, &raw mut address, &raw mut len) };
        assert_eq!(i32::from(address.sa_family), libc::AF_UNIX);
        let mut byte = [0_u8];
        let mut control = Control([0; 64]);
        let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
        // SAFETY: every field is an integer or may be null.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        message.msg_control = control.0.as_mut_ptr().cast();
        let bytes = size_of_val(descriptors) as u32;
        // SAFETY: only computes.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes) } as _;
        // SAFETY: the message has a control buffer.
        let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
        // SAFETY: only computes.
        let cmsg_len = unsafe { libc::CMSG_LEN(bytes) } as _;
        let (cmsg_level, cmsg_type) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
        // SAFETY: there is room for a header.
        let filled = unsafe { &mut *header };
        (filled.cmsg_len, filled.cmsg_level, filled.cmsg_type) = (cmsg_len, cmsg_level, cmsg_type);
        // SAFETY: the header is inside the buffer.
        let data = unsafe { libc::CMSG_DATA(header) };
        for (i, &descriptor) in descriptors.iter().enumerate() {
            // SAFETY: there is room for the descriptors.
            let at = unsafe { data.add(4 * i) };
            // SAFETY: as above.
            unsafe { at.cast::<i32>().write_unaligned(descriptor) };
        }
        // SAFETY: every pointer is to memory that outlives the call.
        let sent = unsafe { libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL) };
        assert_eq!(sent, 1);
    }

    /// The calls by hand: a message, and two questions about each descriptor.
    fn receive_by_hand(socket: i32, expected: usize) {
        let mut byte = [0_u8];
        let mut control = std::mem::MaybeUninit::<[u64; 512]>::uninit();
        let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
        // SAFETY: every field is an integer or may be null.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: every pointer is to memory that outlives the call.
        let got = unsafe { libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC) };
        assert_eq!(got, 1);
        // SAFETY: the call has filled in the message.
        let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
        // SAFETY: the header is inside the buffer.
        let data = unsafe { libc::CMSG_DATA(header) };
        for i in 0..expected {
            // SAFETY: so many have come.
            let at = unsafe { data.add(4 * i) };
            // SAFETY: as above.
            let fd = unsafe { at.cast::<i32>().read_unaligned() };
            // SAFETY: passes no pointer.
            let seals = unsafe { libc::fcntl(fd, libc::F_GET_SEALS) };
            // SAFETY: passes no pointer.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
            assert!(seals >= 0 && flags >= 0);
            // SAFETY: the call made this descriptor for us.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }

    fn over(what: &str, by_hand: u64, ours: u64, objects: u64) -> bool {
        let over = ours.saturating_sub(by_hand);
        println!("{what}: {by_hand} by hand, {ours} here, {over} over");
        over <= ALLOWED + (objects - 1) * ALLOWED_MORE
    }

    pub(super) fn main() {
        let (here, there) = UnixStream::pair().unwrap();
        let (from, to) = (here.as_raw_fd(), there.as_raw_fd());
        let object = Shm::anonymous(4096).unwrap();
        let fd = object.as_raw_fd();

        // What is sent is taken again, in the child as well.
        let drain = |count: usize| (0..count).for_each(|_| receive_by_hand(to, 1));
        let mut fits = true;
        #[cfg(target_arch = "x86_64")]
        {
            let by_hand = instructions(|| send_by_hand(from, &[fd]));
            let ours = instructions(|| object.send(&here).unwrap());
            let several = instructions(|| {
                transfer::send(&here, &[&object], &[0]).unwrap();
            });
            drain(6);
            fits &= over("Shm::send", by_hand, ours, 1);
            fits &= over("transfer::send", by_hand, several, 1);
            (0..6).for_each(|_| send_by_hand(from, &[fd]));
            let by_hand = instructions(|| receive_by_hand(to, 1));
            let ours = instructions(|| drop(Shm::receive(&there).unwrap()));
            let several = instructions(|| drop(transfer::receive(&there, &mut [0]).unwrap()));
            fits &= over("Shm::receive", by_hand, ours, 1);
            fits &= over("transfer::receive", by_hand, several, 1);
            let eight = [fd; 8];
            (0..4).for_each(|_| send_by_hand(from, &eight));
            let by_hand = instructions(|| receive_by_hand(to, 8));
            let several = instructions(|| drop(transfer::receive(&there, &mut [0]).unwrap()));
            fits &= over("transfer::receive, 8 objects", by_hand, several, 8);
        }

        let before = ALLOCATIONS.load(Relaxed);
        let most = [&object; transfer::MAX_OBJECTS];
        for count in [1, Objects::WITHOUT_ALLOCATING] {
            transfer::send(&here, &most[..count], b"bytes").unwrap();
            let received = transfer::receive(&there, &mut [0; 8]).unwrap();
            assert_eq!((received.objects.len(), received.bytes), (count, 5));
            assert_eq!(ALLOCATIONS.load(Relaxed), before, "{count} objects were not free");
        }
        object.send(&here).unwrap();
        drop(Shm::receive(&there).unwrap());
        transfer::send(&here, &most, b"bytes").unwrap();
        assert_eq!(ALLOCATIONS.load(Relaxed), before, "sending, or the simple form, allocates");
        println!("allocations: none up to {} objects", Objects::WITHOUT_ALLOCATING);
        waiting_and_locking(&object);
        assert!(fits, "more instructions than are allowed over the calls by hand");
    }

    /// What programs repeat that wait for each other.
    fn waiting_and_locking(object: &Shm) {
        let mapping = object.map_mut().unwrap();
        let (word, event) = (mapping.atomic::<u32>(0).unwrap(), mapping.event(64).unwrap());
        let cell = mapping.seq_cell::<[u64; 8]>(128).unwrap();
        let before = ALLOCATIONS.load(Relaxed);
        drop(object.lock().unwrap());
        assert!(object.try_lock().unwrap().is_some());
        drop(object.presence().unwrap());
        assert!(object.is_unused().unwrap());
        let soon = Duration::from_millis(1);
        assert_eq!(word.wait_while(|it| it == 0, soon).unwrap(), None);
        assert_eq!(word.notify_all().unwrap(), 0);
        assert!(!event.wait(soon).unwrap());
        event.set().unwrap();
        cell.store([7; 8]).unwrap();
        assert_eq!(cell.load().unwrap(), [7; 8]);
        assert_eq!(ALLOCATIONS.load(Relaxed), before, "waiting or locking allocates");
        println!("allocations: none for locks, presence, waiting, events and snapshots");
    }

    use transfer::Objects;
}

fn main() {
    #[cfg(target_os = "linux")]
    linux::main();
}
