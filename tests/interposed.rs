//! A process with another `shm_open`, as a library gives it that is preloaded in a sandbox: names
//! have a form of their own, here a folder. Whatever the library does, all its calls must mean the
//! same object by a name.
//!
//! `interposed TASK NAME` does a task. One that the machine does not allow says `cannot: ` and why.

#[cfg(target_os = "linux")]
#[path = "peer/alone.rs"]
mod alone;
#[cfg(target_os = "linux")]
#[path = "strained/filter.rs"]
#[allow(dead_code, unused_imports, reason = "another program uses it all")]
mod filter;
#[cfg(target_os = "linux")]
#[path = "strained/lab.rs"]
#[allow(dead_code, reason = "another program uses it all")]
mod lab;

#[cfg(target_os = "linux")]
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("everywhere") => tasks::everywhere(),
        Some("failures") => tasks::failures(),
        Some("unreadable") => tasks::unreadable(),
        Some("foreign") => tasks::foreign(),
        Some("private") => tasks::private(),
        Some("sandboxed") => tasks::sandboxed(),
        task => panic!("no such task: {task:?}"),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}

/// What stands before the C library's functions.
#[cfg(target_os = "linux")]
mod interposed {
    use std::ffi::{CStr, CString, c_char, c_int};
    use std::os::unix::ffi::OsStrExt;

    /// Where all names are.
    pub(crate) const FOLDER: &str = "/dev/shm/allowed";

    fn path(name: &CStr) -> CString {
        let name = std::ffi::OsStr::from_bytes(name.to_bytes()).to_str().unwrap();
        CString::new(format!("{FOLDER}/{}", name.trim_start_matches('/'))).unwrap()
    }

    /// # Safety
    ///
    /// As the C library's own.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn shm_open(name: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
        // SAFETY: the caller's promise.
        let path = path(unsafe { CStr::from_ptr(name) });
        let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        unsafe { libc::open(path.as_ptr(), flags, libc::c_uint::from(mode)) }
    }

    /// # Safety
    ///
    /// As the C library's own.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn shm_unlink(name: *const c_char) -> c_int {
        // SAFETY: the caller's promise.
        let path = path(unsafe { CStr::from_ptr(name) });
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        unsafe { libc::unlink(path.as_ptr()) }
    }
}

#[cfg(target_os = "linux")]
mod tasks {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use posix_shm::{
        Direction, Entry, Error, IfExists, OpenOptions, Permissions, Shm, list, unlink,
    };

    use super::alone::check;
    use super::filter;
    use super::interposed::FOLDER;
    use super::lab::{
        Attempt, Cases, NOBODY, become_user, cannot, creating, is_complete, leaves_nothing, names,
        need_root, own_shm, refused,
    };

    const SIZE: u64 = 10_000;

    /// What makes an object of the name.
    const MAKERS: &[Attempt<Shm>] = &[
        ("create", || Shm::create("/x", SIZE)),
        ("create empty", || Shm::create("/x", 0)),
        ("create to read", || creating(SIZE).direction(Direction::Input).open("/x")),
        ("create mapped", || creating(SIZE).open_mapped("/x").map(|(object, _)| object)),
        ("open_or_create", || Shm::open_or_create("/x", SIZE)),
        ("open_with", || creating(SIZE).open_with("/x", |_| Ok::<_, Error>(()))),
        ("publish", || Shm::publish("/x", &[0; SIZE as usize])),
        ("supersede, absent", || creating(SIZE).if_exists(IfExists::Supersede).open("/x")),
        ("supersede", || {
            Shm::create("/x", 50)?;
            creating(SIZE).if_exists(IfExists::Supersede).open("/x")
        }),
    ];

    /// Every call means the object that was made.
    fn agree(object: &Shm) {
        let inode = object.metadata().unwrap().inode();
        is_complete(object, object.len().unwrap());
        let is_it = |found: Shm| assert_eq!(found.metadata().unwrap().inode(), inode);
        is_it(Shm::open("/x").unwrap());
        is_it(Shm::open_io("/x").unwrap());
        is_it(OpenOptions::new().open_optional("/x").unwrap().expect("it is there"));
        is_it(Shm::open("/x").unwrap().read_only().unwrap());
        let again = Shm::open_or_create("/x", SIZE).unwrap();
        assert!(!again.created(), "a second object of the same name");
        is_it(again);
        for size in [0, SIZE, 2 << 20] {
            let error = refused(Shm::create("/x", size));
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{size}: {error}");
        }
        object.unlink().unwrap();
        assert!(OpenOptions::new().open_optional("/x").unwrap().is_none(), "the name is left");
        refused(unlink("/x"));
    }

    fn all_agree(enter: impl Fn()) {
        let mut cases = Cases::new();
        for (what, make) in MAKERS {
            cases.case(what, || {
                enter();
                let before = names();
                agree(&make().unwrap());
                // By name alone, too.
                make().unwrap();
                unlink("/x").unwrap();
                assert_eq!(fs::read_dir(FOLDER).unwrap().count(), 0, "something is left there");
                assert_eq!(names(), before, "something is left");
            });
        }
        cases.end();
    }

    pub(crate) fn everywhere() {
        own_shm("size=16m");
        fs::create_dir(FOLDER).unwrap();
        all_agree(|| {});
        if cfg!(target_feature = "crt-static") {
            // It cannot be told there whose `shm_open` it is.
            return;
        }
        // What a name means says the library's `shm_open`, in a list too.
        fs::write("/dev/shm/x", "not this one").unwrap();
        let object = Shm::create("/x", SIZE).unwrap();
        let entries: Vec<Entry> = list().unwrap().map(|entry| entry.unwrap()).collect();
        let [entry] = &entries[..] else { panic!("there is one object: {entries:?}") };
        assert_eq!((entry.name().to_string(), entry.metadata().len()), ("/x".into(), SIZE));
        object.unlink().unwrap();
    }

    /// A folder in which everyone may create and only the owner may remove, as in `/dev/shm`.
    fn folder_for_all() {
        if cfg!(target_feature = "crt-static") {
            cannot("interpose: it is linked statically");
        }
        need_root();
        own_shm("size=16m,mode=1777");
        fs::create_dir(FOLDER).unwrap();
        fs::set_permissions(FOLDER, fs::Permissions::from_mode(0o1777)).unwrap();
    }

    fn plant_private(path: &str) {
        fs::write(path, "foreign").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Another user's object has the path that the C library's `shm_open` would open.
    pub(crate) fn foreign() {
        folder_for_all();
        plant_private("/dev/shm/x");
        all_agree(|| become_user(NOBODY));
        assert_eq!(fs::read("/dev/shm/x").unwrap(), b"foreign", "it was taken for ours");
    }

    /// Another user's object has the name itself: no call goes round that.
    pub(crate) fn private() {
        folder_for_all();
        let path = format!("{FOLDER}/x");
        plant_private(&path);
        let attempts: [(Attempt<()>, ErrorKind); 9] = {
            use ErrorKind::{AlreadyExists, PermissionDenied};
            [
                (("open", || Shm::open("/x").map(drop)), PermissionDenied),
                (("open_io", || Shm::open_io("/x").map(drop)), PermissionDenied),
                (
                    ("open_or_create", || Shm::open_or_create("/x", SIZE).map(drop)),
                    PermissionDenied,
                ),
                (("unlink", || unlink("/x")), PermissionDenied),
                (
                    ("supersede", || {
                        creating(SIZE).if_exists(IfExists::Supersede).open("/x").map(drop)
                    }),
                    PermissionDenied,
                ),
                (("create", || Shm::create("/x", SIZE).map(drop)), AlreadyExists),
                (("create large", || Shm::create("/x", 2 << 20).map(drop)), AlreadyExists),
                (("publish", || Shm::publish("/x", b"content").map(drop)), AlreadyExists),
                (
                    ("open_with", || {
                        creating(SIZE).open_with("/x", |_| Ok::<_, Error>(())).map(drop)
                    }),
                    AlreadyExists,
                ),
            ]
        };
        let mut cases = Cases::new();
        for ((what, attempt), kind) in attempts {
            cases.case(what, || {
                become_user(NOBODY);
                let error = leaves_nothing(|| refused(attempt()));
                assert_eq!(error.kind(), kind, "{error}");
                assert_eq!(fs::read_dir(FOLDER).unwrap().count(), 1, "another name was made");
            });
        }
        cases.end();
        assert_eq!(fs::read(path).unwrap(), b"foreign", "it was changed");
    }

    /// What fails leaves no name in either place.
    pub(crate) fn failures() {
        if cfg!(target_feature = "crt-static") {
            cannot("interpose: it is linked statically");
        }
        own_shm("size=1m");
        fs::create_dir(FOLDER).unwrap();
        let no = || Shm::open("/not/a/name").unwrap_err();
        let attempts: [(&str, &dyn Fn() -> bool); 9] = [
            ("create", &|| Shm::create("/x", 2 << 20).is_err()),
            ("to read", &|| creating(2 << 20).direction(Direction::Input).open("/x").is_err()),
            ("open_or_create", &|| Shm::open_or_create("/x", 2 << 20).is_err()),
            ("mapped", &|| creating(2 << 20).open_mapped("/x").is_err()),
            ("supersede", &|| creating(2 << 20).if_exists(IfExists::Supersede).open("/x").is_err()),
            ("publish", &|| Shm::publish("/x", &vec![1; 2 << 20]).is_err()),
            ("the initialiser fails", &|| {
                creating(SIZE).open_with::<Error>("/x", |_| Err(no())).is_err()
            }),
            ("the initialiser panics", &|| {
                let panics = |_: &Shm| std::panic::resume_unwind(Box::new("on purpose"));
                let open = || creating(SIZE).open_with::<Error>("/x", panics).map(drop);
                catch_unwind(AssertUnwindSafe(open)).is_err()
            }),
            ("the initialiser leaves it too short", &|| {
                creating(SIZE).at_least(SIZE).open_with("/x", |object| object.set_len(1)).is_err()
            }),
        ];
        let mut cases = Cases::new();
        for (how, enter) in [("", (|| {}) as fn()), (", sandboxed", sandbox)] {
            for (what, fails) in attempts {
                cases.case(format_args!("{what}{how}"), || {
                    enter();
                    assert!(leaves_nothing(fails), "it should have failed");
                    assert_eq!(fs::read_dir(FOLDER).unwrap().count(), 0, "a name is left there");
                    all_is_well();
                });
            }
        }
        cases.end();
    }

    /// What its maker may not open is removed all the same.
    pub(crate) fn unreadable() {
        folder_for_all();
        let mut cases = Cases::new();
        for mode in [0o000, 0o200] {
            cases.case(format_args!("{mode:o}"), || {
                become_user(NOBODY);
                let mut options = creating(SIZE);
                options.permissions(Permissions::from_mode(mode));
                let no = || Shm::open("/not/a/name").unwrap_err();
                refused(leaves_nothing(|| options.open_with::<Error>("/x", |_| Err(no()))));
                let panics = |_: &Shm| std::panic::resume_unwind(Box::new("on purpose"));
                let open = || options.open_with::<Error>("/x", panics).map(drop);
                assert!(leaves_nothing(|| catch_unwind(AssertUnwindSafe(open))).is_err());
                assert_eq!(fs::read_dir(FOLDER).unwrap().count(), 0, "a name is left there");
            });
        }
        cases.end();
    }

    /// Nothing that failed before is in the way.
    fn all_is_well() {
        Shm::create("/x", SIZE).unwrap().unlink().unwrap();
    }

    pub(crate) fn sandboxed() {
        if cfg!(target_feature = "crt-static") {
            cannot("interpose: it is linked statically");
        }
        own_shm("size=16m");
        fs::create_dir(FOLDER).unwrap();
        all_agree(sandbox);
    }

    /// Looking at a file by its path, and not by its descriptor.
    const STAT_BY_PATH: &[filter::Call] = &[
        #[cfg(not(target_pointer_width = "32"))]
        filter::if_bits(libc::SYS_newfstatat, 3, libc::AT_EMPTY_PATH as u32, 0),
        filter::if_bits(libc::SYS_statx, 2, libc::AT_EMPTY_PATH as u32, 0),
    ];

    const WRITE_FILE: u64 = 1 << 1;
    const READ_FILE: u64 = 1 << 2;
    const REMOVE_FILE: u64 = 1 << 5;
    const MAKE_REG: u64 = 1 << 8;

    /// What may be done below a folder, as Landlock wants it.
    #[repr(C, packed)]
    struct Beneath {
        allowed: u64,
        folder: i32,
    }

    /// Of `/dev/shm` only the folder may be used from now on, by whatever call.
    fn sandbox() {
        let handled = WRITE_FILE | READ_FILE | REMOVE_FILE | MAKE_REG;
        let (call, len) = (libc::SYS_landlock_create_ruleset, size_of::<u64>());
        // SAFETY: the pointer is to the structure's first field, and the length says so.
        let rules = unsafe { libc::syscall(call, &raw const handled, len, 0) };
        if rules == -1 {
            cannot("sandbox a process: the kernel has no Landlock");
        }
        for (folder, allowed) in [(FOLDER, handled), ("/proc", READ_FILE), ("/sys", READ_FILE)] {
            let folder = fs::File::open(folder).unwrap();
            let rule = Beneath { allowed, folder: folder.as_raw_fd() };
            let beneath = 1;
            let (call, rule) = (libc::SYS_landlock_add_rule, &raw const rule);
            // SAFETY: the pointer is to the structure that this kind of rule has.
            let added = unsafe { libc::syscall(call, rules, beneath, rule, 0) };
            check(added as i32).unwrap();
        }
        // SAFETY: passes no pointer.
        check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).unwrap();
        // SAFETY: passes no pointer.
        let entered = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) };
        check(entered as i32).unwrap();
        // Landlock lets one look at files, and other sandboxes do not.
        filter::forbid(STAT_BY_PATH, libc::EACCES);
    }
}
