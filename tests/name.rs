//! `ShmName`: every rule, at its edges.

use std::ffi::{CString, OsStr};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;

use posix_shm::{Operation, Shm, ShmName, unlink};

use crate::common::{Names, len};

#[test]
fn a_name_is_stored_with_one_leading_slash() {
    let with = ShmName::new("/foo").unwrap();
    let without = ShmName::new("foo").unwrap();
    assert_eq!(with, without);
    assert_eq!(with.as_os_str(), "/foo");
    assert_eq!(with.as_c_str(), c"/foo");
    assert_eq!((with.to_string(), format!("{with:?}")), ("/foo".into(), "\"/foo\"".into()));
    assert_eq!("foo".parse::<ShmName>().unwrap(), with);
}

#[test]
fn a_name_that_breaks_a_rule_is_refused_with_the_rule() {
    for (name, rule) in [
        ("", "empty"),
        ("/", "empty"),
        ("//", "slash after"),
        ("//foo", "slash after"),
        ("/foo/", "slash after"),
        ("foo/bar", "slash after"),
        ("foo/bar/", "slash after"),
        ("/xyz.shunter.posix-shm.test/bad/name///", "slash after"),
        (".", "directory"),
        ("/..", "directory"),
        ("/fo\0o", "NUL"),
        ("\0", "NUL"),
        ("/f\0/o", "slash after"),
        ("/a-longer-\0-name/with-both", "slash after"),
    ] {
        let error = ShmName::new(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!((error.operation(), error.raw_os_error()), (Operation::Name, None), "{name:?}");
        assert!(error.to_string().contains(rule), "{name:?}: {error}");
        // Every function that takes a name checks it in the same way.
        let of_open = Shm::open(name).unwrap_err();
        assert_eq!(of_open.to_string(), error.to_string(), "open {name:?}");
        let of_unlink = unlink(name).unwrap_err();
        assert_eq!(of_unlink.to_string(), error.to_string(), "unlink {name:?}");
    }
}

/// The number of bytes that a name may have after the slash. OpenBSD has no limit.
fn longest() -> usize {
    match std::env::consts::OS {
        _ if cfg!(posix_shm_apple) => 30,
        "macos" | "ios" => 30,
        "freebsd" => 1022,
        "netbsd" => 247,
        "openbsd" => 10_000,
        _ => 255,
    }
}

#[test]
fn the_longest_name_works_and_one_byte_more_is_refused() {
    let names = Names::new();
    let max = longest();
    let longest = format!("{:x<width$}", names.name(), width = max + 1);
    let longest = longest.as_str();
    assert_eq!(longest.len(), max + 1);
    let object = Shm::create(longest, 1).unwrap();
    assert_eq!(object.name().unwrap().as_os_str(), longest);
    object.unlink().unwrap();
    if cfg!(target_os = "openbsd") {
        return;
    }

    let error = ShmName::new(format!("{longest}x")).unwrap_err();
    assert!(error.to_string().contains(&format!("{} bytes after the slash", max + 1)), "{error}");
    // `InvalidFilename`, which the oldest supported compiler has no name for.
    let too_long = std::io::Error::from_raw_os_error(libc::ENAMETOOLONG).kind();
    assert_eq!((error.kind(), error.raw_os_error()), (too_long, None));
}

/// Short names are kept in another way than long ones.
#[test]
fn names_of_every_length_compare_order_and_hash_alike() {
    use std::collections::{BTreeSet, HashSet};
    use std::hash::{BuildHasher, RandomState};
    let texts: Vec<String> = (1..longest().min(255))
        .flat_map(|len| ["a", "b"].map(|letter| format!("/{}", letter.repeat(len))))
        .collect();
    let names: Vec<ShmName> = texts.iter().map(|text| ShmName::new(text).unwrap()).collect();
    for (name, text) in names.iter().zip(&texts) {
        assert_eq!(
            (name.as_os_str(), name.as_c_str().to_bytes()),
            (text.as_ref(), text.as_bytes())
        );
        assert_eq!(CString::from(name.clone()).as_bytes(), text.as_bytes());
        assert_eq!((&ShmName::from(name), &name.clone()), (name, name));
        assert_eq!(&ShmName::try_from(name.as_c_str()).unwrap(), name);
    }
    let ordered: Vec<&ShmName> = names.iter().collect::<BTreeSet<_>>().into_iter().collect();
    let expected: BTreeSet<&String> = texts.iter().collect();
    let expected: Vec<&String> = expected.into_iter().collect();
    assert_eq!(
        ordered.iter().map(|name| name.to_string()).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
        expected
    );
    assert_eq!(names.iter().chain(&names.clone()).collect::<HashSet<_>>().len(), texts.len());
    let state = RandomState::new();
    let hashes: HashSet<u64> = names.iter().map(|name| state.hash_one(name)).collect();
    assert_eq!(hashes.len(), texts.len(), "different names have the same hash");
    // Every place of a bad byte.
    for len in [1, 2, 29, 30, 31, 32, 40, longest().min(255)] {
        for place in 0..len {
            for (bad, rule) in [('/', "slash after"), ('\0', "NUL")] {
                let mut text = "x".repeat(len);
                text.replace_range(place..=place, &bad.to_string());
                let error = ShmName::new(format!("/{text}"));
                // OpenBSD and macOS differ in which lengths are too long.
                let error = error.expect_err("it has a bad byte").to_string();
                assert!(error.contains(rule) || len > longest(), "{place} of {len}: {error}");
            }
        }
    }
}

/// The limit is that of macOS, so no portable name needs memory of its own.
#[test]
fn a_name_of_at_most_30_bytes_is_kept_in_the_value_itself() {
    assert!(size_of::<ShmName>() <= 40, "a name takes {} bytes", size_of::<ShmName>());
    for len in [1, 29, 30, 31, 32] {
        let Ok(name) = ShmName::new("x".repeat(len)) else {
            assert!(len > longest(), "{len} bytes are refused");
            continue;
        };
        let value = (&raw const name).addr();
        let is_inside =
            (value..value + size_of_val(&name)).contains(&name.as_c_str().as_ptr().addr());
        assert_eq!(is_inside, len <= 30, "a name of {len} bytes");
        let is_shared = name.as_c_str().as_ptr() == name.clone().as_c_str().as_ptr();
        assert_eq!(is_shared, len > 30, "the clone of a name of {len} bytes");
    }
}

/// Whatever can be a name.
#[test]
fn every_kind_of_text_is_taken_as_a_name() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(name.clone(), 1).unwrap();
    let text = name.to_string();
    let path = std::path::PathBuf::from(&text);
    Shm::open(&name).unwrap();
    Shm::open(text.as_str()).unwrap();
    ["x"].iter().for_each(|absent| drop(Shm::open(absent)));
    Shm::open(&text).unwrap();
    Shm::open(text.clone()).unwrap();
    Shm::open(name.as_os_str()).unwrap();
    Shm::open(name.as_os_str().to_owned()).unwrap();
    Shm::open(path.as_path()).unwrap();
    Shm::open(&path).unwrap();
    Shm::open(path.clone()).unwrap();
    Shm::open(name.as_c_str()).unwrap();
    assert_eq!(object.name(), Some(&name));
    unlink(name).unwrap();
}

#[test]
fn portable_names_are_those_that_every_system_accepts() {
    let thirty = "x".repeat(30);
    ShmName::portable(&thirty).unwrap();
    ShmName::portable(format!("/{thirty}")).unwrap();
    ShmName::portable(format!("{thirty}x")).unwrap_err();
    assert_eq!(ShmName::new(format!("{thirty}x")).is_ok(), longest() > 30);
    ShmName::portable("/Az09._-").unwrap();
    for bad in ["a b", "ä", "a\n", "a:b", "~"] {
        let error = ShmName::portable(bad).unwrap_err();
        assert!(error.to_string().contains("portable filename character set"), "{error}");
        assert!(ShmName::new(bad).is_ok(), "{bad:?}");
    }
}

#[test]
fn random_names_differ_and_keep_their_prefix() {
    let names: std::collections::HashSet<_> =
        (0..1000).map(|_| ShmName::random("prefix-of-14-b").unwrap()).collect();
    assert_eq!(names.len(), 1000);
    for name in &names {
        assert!(name.to_string().starts_with("/prefix-of-14-b"), "{name}");
        assert_eq!(&ShmName::portable(name).unwrap(), name);
    }
    ShmName::random("a/b").unwrap_err();
}

#[test]
fn names_need_not_be_utf_8() {
    let names = Names::new();
    let mut bytes = names.name().as_os_str().as_bytes().to_vec();
    bytes.extend_from_slice(b"\xff \xfe");
    let name = OsStr::from_bytes(&bytes);
    let object = Shm::create(name, 1).unwrap();
    assert_eq!(object.name().unwrap().as_os_str(), name);
    assert_eq!(Shm::open(name).unwrap().len().unwrap(), len(1));
    object.unlink().unwrap();
}
