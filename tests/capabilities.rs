//! `capabilities`: each field must be true exactly if the operation works. The tests are the same
//! on every system.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use posix_shm::{
    Capabilities, Direction, IfDoesNotExist, IfExists, MapOptions, OpenOptions, Permissions, Seals,
    Shared, SharedAtomic, Shm, WaitOptions, Waited, capabilities, list, unlink,
};

use crate::common::{Names, len, page};

#[test]
fn named_says_whether_objects_can_have_names() {
    let names = Names::new();
    let name = names.name();
    if capabilities().named {
        Shm::create(&name, 1).unwrap().unlink().unwrap();
        return;
    }
    for error in [
        Shm::create(&name, 1).unwrap_err(),
        Shm::create(&name, 0).unwrap_err(),
        Shm::publish(&name, b"x").unwrap_err(),
        Shm::open(&name).unwrap_err(),
        Shm::open_or_create(&name, 1).unwrap_err(),
        OpenOptions::new().open_optional(&name).unwrap_err(),
        unlink(&name).unwrap_err(),
    ] {
        let seen = (error.kind(), error.name());
        assert_eq!(seen, (ErrorKind::Unsupported, Some(&name)), "{error}");
        assert!(error.hint().unwrap().contains("anonymous"), "{error}");
    }
    assert!(!capabilities().list, "there is a list, but there are no names");
    assert!(!capabilities().complete_before_named, "there are no names");
}

#[test]
fn resize_says_whether_a_length_can_change() {
    let object = Shm::anonymous(1).unwrap();
    assert_eq!(object.len().unwrap(), len(1));
    // Setting the length that an object has always works.
    object.set_len(1).unwrap();
    object.set_len_sparse(1).unwrap();
    let longer = 3 * page();
    for result in [object.set_len(longer), object.set_len_sparse(2 * longer), object.set_len(0)] {
        match result {
            Ok(()) => assert!(capabilities().resize, "the length changed"),
            Err(error) => {
                assert!(!capabilities().resize, "{error}");
                assert!(error.hint().unwrap().contains("once"), "{error}");
                assert!(object.len().unwrap() >= 1, "the object became shorter");
            }
        }
    }
    // Setting the length 0 of an empty object does not use up its one chance.
    let empty = Shm::anonymous(0).unwrap();
    empty.set_len(0).unwrap();
    empty.set_len_sparse(0).unwrap();
    // Nor does a read-only handle, which cannot set it.
    let names = Names::new();
    if capabilities().named {
        let object = Shm::create(names.name(), 0).unwrap();
        let reader = Shm::open(object.name().unwrap()).unwrap();
        reader.write_at(b"x", 0).unwrap_err();
        Shm::from(OwnedFd::from(reader)).set_len(longer).unwrap_err();
        assert_eq!(object.len().unwrap(), 0);
        object.set_len(longer).unwrap();
        object.unlink().unwrap();
    }
    empty.set_len(longer).unwrap();
    assert_eq!(empty.map_mut().unwrap().len() as u64, longer);
}

#[test]
fn presence_and_lock_say_whether_objects_can_be_locked() {
    let names = Names::new();
    let anonymous = Shm::anonymous(1).unwrap();
    let object = match capabilities().named {
        true => Shm::create(names.name(), 1).unwrap(),
        false => anonymous.try_clone().unwrap(),
    };
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).size(1).present(true);
    let results = [
        ("presence", object.presence().map(drop), capabilities().presence),
        ("is_unused", object.is_unused().map(drop), capabilities().presence),
        ("present", options.open_anonymous().map(drop), capabilities().read_only_anonymous),
        ("lock", object.lock().map(drop), capabilities().lock),
        ("try_lock", object.try_lock().map(drop), capabilities().lock),
    ];
    for (what, result, works) in results {
        // Whether an object without a name can be opened again, no capability says.
        if what == "present" && capabilities().presence && !works {
            continue;
        }
        let works = works && (capabilities().presence || what != "present");
        assert_eq!(result.is_ok(), works, "{what}: {result:?}");
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {error}");
        }
    }
    if capabilities().named {
        match object.unlink_if_unused() {
            Ok(removed) => assert!(removed && capabilities().presence),
            Err(error) => {
                let seen = (error.kind(), capabilities().presence);
                assert_eq!(seen, (ErrorKind::Unsupported, false), "{error}");
                object.unlink().unwrap();
            }
        }
    }
}

#[test]
fn reserve_says_whether_memory_is_reserved() {
    if capabilities().reserve {
        Shm::anonymous(1 << 60).unwrap_err();
        let object = Shm::anonymous(1 << 20).unwrap();
        let allocated = object.metadata().unwrap().allocated();
        assert!(allocated >= 1 << 20, "only {allocated} bytes are reserved");
    }
}

#[test]
fn grow_never_shortens_says_whether_a_longer_object_keeps_its_length() {
    if !capabilities().named || !capabilities().resize {
        assert!(capabilities().grow_never_shortens || !capabilities().resize);
        return;
    }
    let names = Names::new();
    let object = Shm::create(names.name(), 0).unwrap();
    Shm::open_io(object.name().unwrap()).unwrap().set_len(3 * page()).unwrap();
    // If growing never shortens, this handle does not look: to it the object is still empty, as it
    // is to a process that has looked before its peer made the object longer.
    object.grow(page()).unwrap();
    assert_eq!(object.len().unwrap(), 3 * page());
    object.grow(2 * page()).unwrap();
    assert_eq!(object.len().unwrap(), 3 * page());
    object.grow(4 * page()).unwrap();
    assert_eq!(object.len().unwrap(), 4 * page());
    object.unlink().unwrap();
}

#[test]
fn punch_says_whether_memory_can_be_given_back() {
    let object = Shm::anonymous(4 * page()).unwrap();
    let mapping = object.map_mut().unwrap();
    mapping.bytes().fill(7);
    match object.punch(page()..3 * page()) {
        Ok(()) => {
            assert!(capabilities().punch, "a hole was punched");
            // Before the mapping is read, which would take the memory again.
            assert_eq!(object.metadata().unwrap().allocated(), 2 * page());
            assert!(!object.is_reserved().unwrap(), "the memory is still there");
            object.reserve(..).unwrap();
            assert!(object.is_reserved().unwrap(), "the memory is not there again");
            assert_eq!(object.metadata().unwrap().allocated(), 4 * page());
            let zero = |at: u64| mapping.bytes().load(usize::try_from(at).unwrap()) == 0;
            let edges = [0, page() - 1, page(), 3 * page() - 1, 3 * page(), 4 * page() - 1];
            assert_eq!(edges.map(zero), [false, false, true, true, false, false]);
        }
        Err(error) => {
            assert!(!capabilities().punch, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert_eq!(mapping.bytes().to_vec(), vec![7; mapping.len()]);
        }
    }
}

#[test]
fn resize_says_whether_truncate_works() {
    let names = Names::new();
    let name = names.name();
    if !capabilities().named {
        return;
    }
    let object = Shm::create(&name, 100).unwrap();
    let mut options = OpenOptions::new();
    let truncated = options.direction(Direction::Io).if_exists(IfExists::Truncate).open(&name);
    match truncated {
        Ok(truncated) => {
            assert!(capabilities().resize, "the object was truncated");
            assert_eq!(truncated.len().unwrap(), 0);
        }
        Err(error) => {
            assert!(!capabilities().resize, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.hint().unwrap().contains("Supersede"), "{error}");
            assert!(object.len().unwrap() >= 100, "the object became shorter");
        }
    }
    object.unlink().unwrap();
    // Every system can truncate an object that has no length yet.
    let empty = Shm::create(&name, 0).unwrap();
    assert_eq!(options.open(&name).unwrap().len().unwrap(), 0);
    empty.unlink().unwrap();
}

#[test]
fn set_permissions_says_whether_permissions_can_change() {
    let object = Shm::anonymous(1).unwrap();
    let wanted = Permissions::from_mode(0o640);
    for done in [object.set_permissions(wanted), object.set_owner(None, None)] {
        match done {
            Ok(()) => assert!(capabilities().set_permissions, "it worked"),
            Err(error) => {
                assert!(!capabilities().set_permissions, "{error}");
                assert!(error.hint().is_some(), "no hint: {error}");
            }
        }
    }
    let same = object.metadata().unwrap().permissions() == wanted;
    assert_eq!(same, capabilities().set_permissions);

    let names = Names::new();
    if !capabilities().named {
        return;
    }
    // The tests have the umask 022.
    for (exactly, size) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
        let name = names.name();
        let object = OpenOptions::new()
            .direction(Direction::Io)
            .if_does_not_exist(IfDoesNotExist::Create)
            .permissions(Permissions::from_mode(0o622))
            .ignore_umask(exactly)
            .size(size)
            .open(&name)
            .unwrap();
        let mut mode = if exactly || !capabilities().umask { 0o622 } else { 0o600 };
        if !capabilities().other_users && !exactly {
            mode &= 0o600;
        }
        let found = object.metadata().unwrap().permissions().mode();
        assert_eq!(found, mode, "ignore_umask({exactly}), the size {size}");
        object.unlink().unwrap();
    }
}

#[test]
fn tell_objects_apart_says_whether_inodes_differ() {
    let (one, two) = (Shm::anonymous(1).unwrap(), Shm::anonymous(1).unwrap());
    let [one, two] = [one, two].map(|object| {
        let metadata = object.metadata().unwrap();
        (metadata.device(), metadata.inode())
    });
    assert_eq!(one != two, capabilities().tell_objects_apart);
}

#[test]
fn seal_says_whether_objects_can_be_sealed() {
    let object = Shm::anonymous(page()).unwrap();
    let sealed = object.seal(Seals::SHRINK);
    assert_eq!(sealed.is_ok(), capabilities().seal);
    if let Err(error) = sealed {
        assert!(!capabilities().freeze_while_mapped, "sealing does not work: {error}");
        let kinds = [ErrorKind::Unsupported, ErrorKind::PermissionDenied];
        assert!(kinds.contains(&error.kind()), "{error}");
        return;
    }
    let writer = object.map_mut().unwrap();
    match object.try_clone().unwrap().freeze() {
        Ok(frozen) => {
            assert!(capabilities().freeze_while_mapped, "it was frozen while it was mapped");
            assert!(frozen.map_mut().is_err(), "a frozen object can be mapped for writing");
            writer.bytes().store(0, 9);
            assert_eq!(frozen.map().unwrap().bytes().load(0), 9);
        }
        Err(error) => {
            assert!(!capabilities().freeze_while_mapped, "{error}");
            assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
            drop(writer);
            object.freeze().unwrap().map_mut().unwrap_err();
        }
    }
}

#[test]
fn map_immutable_says_whether_memory_can_be_confirmed_to_be_immutable() {
    let object = Shm::anonymous(page()).unwrap();
    match object.try_clone().unwrap().make_immutable() {
        Ok(object) => {
            assert!(capabilities().map_immutable, "it was made immutable");
            let mapping = object.map_immutable().unwrap();
            assert_eq!(mapping.len() as u64, page());
            assert!(object.map_mut().is_err(), "an immutable object can be mapped for writing");
        }
        Err(error) => {
            assert!(!capabilities().map_immutable, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            let error = object.map_immutable().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(object.map_mut().is_ok(), "the object is sealed all the same");
        }
    }
    assert!(!capabilities().map_immutable || capabilities().seal, "it takes seals");
}

#[test]
fn read_only_anonymous_says_whether_read_only_works() {
    let object = Shm::anonymous(page()).unwrap();
    match object.read_only() {
        Ok(reader) => {
            assert_eq!(reader.map_mut().unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(reader.map().unwrap().len() as u64, page());
            assert_eq!(reader.read_only().unwrap().len().unwrap(), page());
        }
        Err(error) => {
            assert!(!capabilities().read_only_anonymous, "{error}");
            let kinds = [ErrorKind::Unsupported, ErrorKind::PermissionDenied];
            assert!(kinds.contains(&error.kind()), "{error}");
        }
    }
}

#[test]
fn list_says_whether_objects_can_be_listed() {
    match list() {
        Ok(_) => assert!(capabilities().list, "there is a list"),
        Err(error) => {
            assert!(!capabilities().list, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
    }
}

#[test]
fn move_mappings_says_whether_a_mapping_moves_with_its_pages() {
    let object = Shm::anonymous(8 * page()).unwrap();
    let page = usize::try_from(page()).unwrap();
    // With an unknown object, or with copies of its own, a mapping can only move.
    let mut options = MapOptions::new();
    let Ok(mut copy) = options.len(page).map_copy_on_write(&object) else {
        assert!(!capabilities().copy_on_write);
        return;
    };
    copy.store(0, 5_u8).unwrap();
    match copy.grow(&object, 8 * page) {
        Ok(_) => assert!(capabilities().move_mappings, "it moved"),
        Err(error) => assert!(!capabilities().move_mappings, "{error}"),
    }
    assert_eq!(copy.bytes().load(0), 5);
}

#[test]
fn wait_says_whether_a_waiter_sleeps_until_it_is_woken() {
    let object = Shm::anonymous(page()).unwrap();
    let (writer, reader) = (object.map_mut().unwrap(), object.map().unwrap());
    // Only who sleeps is woken. Who polls looks at the word, which stays as it is.
    fn wait<A: Shared>(word: SharedAtomic<'_, u32, A>) -> Waited {
        let options = WaitOptions::new().spin(0).look_again(Duration::MAX);
        word.wait(0, options.limit(Duration::from_secs(30))).unwrap()
    }
    let ended = |wait: &(dyn Fn() -> Waited + Sync), sleeps: bool| {
        let word = writer.atomic::<u32>(0).unwrap();
        word.store(0, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(wait);
            let begun = Instant::now();
            let patience = Duration::from_secs(if sleeps { 60 } else { 1 });
            while !waiting.is_finished() && begun.elapsed() < patience {
                word.notify_all().unwrap();
                std::thread::yield_now();
            }
            word.store(1, Ordering::Release);
            word.notify_all().unwrap();
            waiting.join().unwrap()
        })
    };
    let expected = |sleeps| if sleeps { Waited::Woken } else { Waited::Changed };
    let Capabilities { wait: sleeps, wait_read_only: sleeps_read_only, .. } = capabilities();
    let writable = || wait(writer.atomic(0).unwrap());
    assert_eq!(ended(&writable, sleeps), expected(sleeps));
    let read_only = || wait(reader.atomic(0).unwrap());
    assert_eq!(ended(&read_only, sleeps_read_only), expected(sleeps_read_only));
    assert!(sleeps || !sleeps_read_only);
}

/// Every system that has a call for it uses it.
#[test]
fn wait_is_true_where_the_system_can_sleep() {
    let name = c"os_sync_wait_on_address";
    // SAFETY: the pointer is to a string.
    let apple = !unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }.is_null();
    let can = match () {
        () if cfg!(posix_shm_portable) => false,
        () if cfg!(any(posix_shm_apple, target_vendor = "apple")) => apple,
        () => true,
    };
    assert_eq!(capabilities().wait, can);
}

#[test]
fn notify_counts_says_whether_notifying_returns_how_many_were_woken() {
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    let word = mapping.atomic::<u32>(0).unwrap();
    std::thread::scope(|scope| {
        let options = WaitOptions::new().spin(0).limit(Duration::from_secs(60));
        let waiting = scope.spawn(move || word.wait_while(|it| it == 0, options).unwrap());
        let begun = Instant::now();
        let patience =
            Duration::from_millis(if capabilities().notify_counts { 30_000 } else { 300 });
        let mut woken = 0;
        while woken == 0 && begun.elapsed() < patience {
            woken = word.notify_all().unwrap();
        }
        word.store(1, Ordering::Release);
        let rest = word.notify_all().unwrap();
        assert_eq!(waiting.join().unwrap(), Some(1));
        let all = if capabilities().notify_counts { 1..=2 } else { 0..=0 };
        assert!(all.contains(&(woken + rest)), "{woken} and {rest} were woken");
    });
    assert!(capabilities().wait || !capabilities().notify_counts);
}
