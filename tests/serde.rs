//! The feature `serde`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use posix_shm::{Permissions, Seals, ShmName};
use serde_json::{from_str, to_string};

#[test]
fn a_name_is_checked_on_the_way_in() {
    let name: ShmName = from_str("\"frames\"").unwrap();
    assert_eq!(to_string(&name).unwrap(), "\"/frames\"");
    assert_eq!(from_str::<ShmName>("\"/frames\"").unwrap(), name);
    assert_eq!(ShmName::try_from("frames").unwrap(), name);
    let long = format!("\"{}\"", "x".repeat(2000));
    let refused = ["\"\"", "\"/\"", "\"/a/b\"", "\"..\"", "\"a\\u0000b\"", "7", "null"];
    for bad in refused {
        from_str::<ShmName>(bad).expect_err(bad);
    }
    // OpenBSD takes any length.
    assert_eq!(from_str::<ShmName>(&long).is_err(), ShmName::new("x".repeat(2000)).is_err());
    let error = from_str::<ShmName>("\"/a/b\"").unwrap_err().to_string();
    assert!(error.contains("it has a slash after its first byte"), "{error}");
    let name = ShmName::new(OsStr::from_bytes(b"/\xff")).unwrap();
    to_string(&name).expect_err("it is not UTF-8");
}

#[test]
fn permissions_are_a_mode() {
    assert_eq!(to_string(&Permissions::PRIVATE).unwrap(), (0o600).to_string());
    for mode in [0, 0o640, 0o777, 0o7777] {
        let permissions: Permissions = from_str(&mode.to_string()).unwrap();
        assert_eq!(permissions.mode(), mode);
        assert_eq!(to_string(&permissions).unwrap(), mode.to_string());
    }
    for bad in ["32768", "65536", "-1", "\"0o640\"", "4294967296"] {
        from_str::<Permissions>(bad).expect_err(bad);
    }
}

#[test]
fn seals_are_their_names() {
    for seals in [Seals::empty(), Seals::SHRINK | Seals::GROW, Seals::all()] {
        assert_eq!(from_str::<Seals>(&to_string(&seals).unwrap()).unwrap(), seals);
    }
    assert_eq!(to_string(&(Seals::SHRINK | Seals::GROW)).unwrap(), r#"["SHRINK","GROW"]"#);
    for bad in [r#"["SHRINKING"]"#, "3", r#"["shrink"]"#, r#""SHRINK""#] {
        from_str::<Seals>(bad).expect_err(bad);
    }
}
