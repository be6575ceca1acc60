//! `Permissions`, and setting them.

use posix_shm::{Permissions, Shm, capabilities};

use crate::common::Names;

/// All permission words of the Common Lisp library: the long ones, the short ones, and both kinds
/// of "all".
#[test]
fn set_permissions_sets_each_bit_exactly() {
    if !capabilities().set_permissions {
        return;
    }
    let object = Shm::anonymous(0).unwrap();
    let each = [
        (Permissions::USER_READ, 0o400),
        (Permissions::USER_WRITE, 0o200),
        (Permissions::USER_EXEC, 0o100),
        (Permissions::GROUP_READ, 0o040),
        (Permissions::GROUP_WRITE, 0o020),
        (Permissions::GROUP_EXEC, 0o010),
        (Permissions::OTHER_READ, 0o004),
        (Permissions::OTHER_WRITE, 0o002),
        (Permissions::OTHER_EXEC, 0o001),
        (Permissions::USER_ALL, 0o700),
        (Permissions::GROUP_ALL, 0o070),
        (Permissions::OTHER_ALL, 0o007),
        (Permissions::USER_ALL | Permissions::GROUP_ALL | Permissions::OTHER_ALL, 0o777),
        (Permissions::empty(), 0),
    ];
    // The system may seal anonymous objects against becoming executable.
    let names = Names::new();
    let unsealed = Shm::create(names.name(), 0).unwrap();
    unsealed.unlink().unwrap();
    for (permissions, mode) in each {
        assert_eq!(permissions.mode(), mode);
        unsealed.set_permissions(permissions).unwrap();
        assert_eq!(unsealed.metadata().unwrap().permissions(), permissions);
        assert_eq!(format!("{permissions:?}"), format!("0o{mode:03o}"));
    }
    object.set_permissions(Permissions::from_mode(0o640)).unwrap();
    assert_eq!(object.metadata().unwrap().permissions().mode(), 0o640);
}

#[test]
fn from_mode_keeps_every_bit_of_a_mode_and_no_other() {
    for bit in 0..u32::BITS {
        let mode = 1 << bit;
        let kept = if mode <= 0o4000 { mode } else { 0 };
        assert_eq!(Permissions::from_mode(mode).mode(), kept, "{mode:#o}");
    }
    assert_eq!(Permissions::from_mode(0o107777).mode(), 0o7777);
}
