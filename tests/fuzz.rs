//! Random input where a caller, a peer or the system chooses it: names, offsets, counts, parts of
//! an object, messages, and what `/proc` says. (`bindings.rs` does it for compilers.)
//! What is right is said here once more, in another way. Always the same cases, unless
//! `POSIX_SHM_TESTS_SOAK` is set; the corpora have input that was wrong once, or is at an edge.

#[cfg(target_os = "linux")]
mod messages;
#[cfg(target_os = "linux")]
mod parsers;

use posix_shm::{MapOptions, Shm};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::common::len;

/// Checks every input of a corpus, and many random ones.
fn check<T: std::fmt::Debug + Clone>(
    corpus: &[T],
    random: &impl Strategy<Value = T>,
    is_right: impl Fn(&T),
) {
    corpus.iter().for_each(&is_right);
    let config = Config { cases: 4000, failure_persistence: None, ..Config::default() };
    let mut runner = if std::env::var_os("POSIX_SHM_TESTS_SOAK").is_some() {
        TestRunner::new(config)
    } else {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        TestRunner::new_with_rng(config, rng)
    };
    let result = runner.run(random, |input| {
        is_right(&input);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}\nput the input into the corpus");
    }
}

/// The rules for names differ between systems.
#[cfg(all(target_os = "linux", not(any(posix_shm_apple, posix_shm_portable))))]
mod names {
    use std::ffi::OsStr;
    use std::io::ErrorKind;
    use std::os::unix::ffi::OsStrExt;

    use posix_shm::ShmName;
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_oneof};

    use super::check;

    /// `None` if the name is valid; the longest one has 255 bytes on Linux.
    fn what_is_wrong(name: &[u8]) -> Option<ErrorKind> {
        let inner = name.strip_prefix(b"/").unwrap_or(name);
        if inner.is_empty() || inner == b"." || inner == b".." {
            return Some(ErrorKind::InvalidInput);
        }
        if inner.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return Some(ErrorKind::InvalidInput);
        }
        // `InvalidFilename`, which the oldest supported compiler has no name for.
        let too_long = std::io::Error::from_raw_os_error(libc::ENAMETOOLONG).kind();
        (inner.len() > 255).then_some(too_long)
    }

    #[test]
    fn any_bytes_are_a_name_or_are_refused_for_the_right_reason() {
        let corpus: Vec<Vec<u8>> = [
            &b""[..],
            b"/",
            b"//",
            b".",
            b"/.",
            b"..",
            b"/..",
            b"...",
            b"/a/",
            b"a/b",
            b"\0",
            b"a\0",
            b"/\xff",
            b" ",
            b"/-",
        ]
        .iter()
        .map(|name| name.to_vec())
        .chain([254, 255, 256, 257].map(|len| vec![b'a'; len]))
        .chain([254, 255, 256].map(|len| [&b"/"[..], &vec![b'a'; len]].concat()))
        .collect();
        let byte = prop_oneof![
            2 => Just(b'/'), 1 => Just(0), 2 => Just(b'.'), 4 => b'a'..=b'z', 1 => any::<u8>(),
        ];
        let short = vec(byte, 0..6);
        let long = (any::<bool>(), 240_usize..270).prop_map(|(slash, len)| {
            [if slash { &b"/"[..] } else { b"" }, &vec![b'x'; len]].concat()
        });
        check(&corpus, &prop_oneof![3 => short, 1 => long], |bytes| {
            let result = ShmName::new(OsStr::from_bytes(bytes));
            match (what_is_wrong(bytes), result) {
                (None, Ok(name)) => {
                    let inner = bytes.strip_prefix(b"/").unwrap_or(bytes);
                    assert_eq!(name.as_os_str().as_bytes(), [b"/", inner].concat());
                    assert_eq!(name.as_c_str().to_bytes(), name.as_os_str().as_bytes());
                    let is_portable = inner.len() <= 30
                        && inner.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b));
                    assert_eq!(ShmName::portable(&name).is_ok(), is_portable, "portable: {name}");
                }
                (Some(kind), Err(error)) => assert_eq!(error.kind(), kind, "{error}"),
                (wrong, result) => panic!("{wrong:?}, and it is {result:?}"),
            }
        });
    }
}

/// Small numbers, and those near the ends of the type.
fn number() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![
        6 => 0_usize..80,
        1 => (usize::MAX - 80)..=usize::MAX,
        1 => (usize::MAX / 8 - 8)..(usize::MAX / 8 + 8),
        1 => any::<usize>(),
    ]
}

#[test]
fn any_offset_and_count_is_a_view_or_is_refused() {
    const LEN: usize = 64;
    let object = Shm::anonymous(LEN as u64).unwrap();
    let mapping = MapOptions::new().len(LEN).map_mut(&object).unwrap();
    let corpus = [(0, 0), (64, 0), (65, 0), (0, 64), (63, 1), (64, 1), (1, usize::MAX)];
    check(&corpus, &(number(), number()), |&(offset, count)| {
        macro_rules! check {
            ($($t:ty)*) => {
                $(
                    let end = count as u128 * size_of::<$t>() as u128 + offset as u128;
                    let fits = end <= LEN as u128 && offset % align_of::<$t>() == 0;
                    let view = mapping.slice::<$t>(offset, count);
                    assert_eq!(view.is_ok(), fits, "{offset} {count}: {view:?}");
                    if let Ok(view) = view {
                        assert_eq!(view.len(), count);
                        assert_eq!(view.to_vec().len(), count);
                    }
                )*
            };
        }
        check!(u8 u16 u32 u64 [u8; 3] [u16; 5] f64);
    });
}

#[test]
fn any_part_of_an_object_is_mapped_or_is_refused() {
    let object = Shm::anonymous(3 * 4096 + 100).unwrap();
    let whole = len(3 * 4096 + 100);
    let offset = prop_oneof![
        8 => 0..whole + 10,
        2 => (0_u64..5).prop_map(|pages| pages * 4096),
        1 => any::<u64>(),
        1 => (u64::MAX - 9000)..=u64::MAX,
    ];
    let len = prop_oneof![
        4 => (0..whole as usize + 10).prop_map(Some),
        1 => number().prop_map(Some),
        1 => Just(None),
    ];
    let corpus =
        [(0, None), (whole, None), (whole, Some(0)), (4096, Some(1)), (whole - 1, Some(1))];
    check(&corpus, &(offset, len), |&(offset, len)| {
        let mut options = MapOptions::new();
        options.offset(offset);
        if let Some(len) = len {
            options.len(len);
        }
        let wanted = match len {
            None => whole.checked_sub(offset).filter(|len| *len > 0),
            Some(len) => {
                let end = u128::from(offset) + len as u128;
                (len > 0 && end <= u128::from(whole)).then_some(len as u64)
            }
        };
        let mapped = options.map(&object).map(|mapping| mapping.len() as u64);
        assert_eq!(mapped.as_ref().ok(), wanted.as_ref(), "{offset} {len:?}: {mapped:?}");
    });
}
