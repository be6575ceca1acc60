//! `MapOptions`, `Mapping` and `RawMapping`: which ranges can be mapped, and which are refused.
//! The files below have one subject each.

mod advice;
mod growth;
mod huge;
mod populate;
mod private;

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;

#[cfg(target_pointer_width = "32")]
use posix_shm::IfExists;
use posix_shm::{Direction, MapOptions, OpenOptions, Operation, Protection, Shm};

use crate::common::{self, FILES, NOTHING, Names, peer, run, run_to_death};

/// An object in which byte `i` is `i % 251`.
fn numbered(len: usize) -> Shm {
    let object = Shm::anonymous(len as u64).unwrap();
    let mapping = object.map_mut().unwrap();
    for i in 0..mapping.len() {
        mapping.bytes().store(i, (i % 251) as u8);
    }
    object
}

fn page() -> usize {
    usize::try_from(common::page()).unwrap()
}

/// The flags that `/proc` shows of the mapping at an address.
#[cfg(target_os = "linux")]
fn flags(address: *const u8) -> Vec<String> {
    field(address, "VmFlags:").split_whitespace().map(str::to_owned).collect()
}

/// How many kilobytes `/proc` shows in a field of the mapping at an address.
#[cfg(target_os = "linux")]
fn kilobytes(address: *const u8, name: &str) -> usize {
    field(address, name).trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
fn field(address: *const u8, name: &str) -> String {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let inside = |line: &str| {
        let ends = line.split(' ').next()?.split_once('-')?;
        let [from, to] = [ends.0, ends.1].map(|end| usize::from_str_radix(end, 16).ok());
        Some((from?..to?).contains(&address.addr()))
    };
    let mut after = smaps.lines().skip_while(|line| inside(line) != Some(true));
    let found = after.find_map(|line| line.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name} at {address:?}")).to_owned()
}

#[test]
fn any_range_inside_the_object_can_be_mapped() {
    let object = numbered(3 * page() + 17);
    let len = usize::try_from(object.len().unwrap()).unwrap();
    let edges = |around: usize| around.saturating_sub(1)..=around + 1;
    let offsets: Vec<usize> =
        [0, page(), 2 * page(), 3 * page(), len].into_iter().flat_map(edges).collect();
    for &offset in &offsets {
        for &end in &offsets {
            let result =
                MapOptions::new().offset(offset as u64).len(end.wrapping_sub(offset)).map(&object);
            if offset < end && end <= len {
                let mapping = result.unwrap();
                assert_eq!(mapping.len(), end - offset, "{offset}..{end}");
                let bytes = mapping.bytes();
                assert_eq!(bytes.load(0), (offset % 251) as u8, "{offset}..{end}");
                let last = bytes.load(end - offset - 1);
                assert_eq!(last, ((end - 1) % 251) as u8, "{offset}..{end}");
            } else {
                let error = result.unwrap_err();
                let seen = (error.kind(), error.operation(), error.raw_os_error());
                let expected = (ErrorKind::InvalidInput, Operation::Map, None);
                assert_eq!(seen, expected, "{offset}..{end}: {error}");
            }
        }
        let rest = MapOptions::new().offset(offset as u64).map(&object);
        let expected = len.checked_sub(offset).filter(|&rest| rest > 0);
        assert_eq!(rest.ok().map(|mapping| mapping.len()), expected, "from {offset}");
    }
}

#[test]
fn a_range_past_the_end_is_refused_with_all_three_numbers() {
    let object = Shm::anonymous(5000).unwrap();
    let whole = usize::try_from(object.len().unwrap()).unwrap();
    let too_long = whole - 3999;
    let error = MapOptions::new().offset(4000).len(too_long).map(&object).unwrap_err();
    let message = error.to_string();
    for number in [4000, too_long, whole] {
        assert!(message.contains(&number.to_string()), "{message}");
    }
    for (offset, len) in
        [(0, whole + 1), (whole as u64, 1), (u64::MAX, 1), (u64::MAX, usize::MAX), (1, usize::MAX)]
    {
        for result in [
            MapOptions::new().offset(offset).len(len).map(&object).map(drop),
            MapOptions::new().offset(offset).len(len).map_mut(&object).map(drop),
            MapOptions::new().offset(offset).len(len).map_raw(&object, Protection::READ).map(drop),
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput, "{offset} {len}");
        }
    }
}

#[test]
#[cfg(target_pointer_width = "32")]
fn a_range_too_long_for_the_address_space_is_refused() {
    let object = Shm::anonymous(0).unwrap();
    object.set_len_sparse(5 << 30).unwrap();
    let error = object.map().unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None));
    assert!(error.to_string().contains("more than one mapping can have"), "{error}");
    let error = MapOptions::new().offset(1).map(&object).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None));
    // A short range at a far offset does fit.
    let rest = MapOptions::new().offset((5 << 30) - 100).map_mut(&object).unwrap();
    rest.bytes().store(99, 1);
    assert_eq!((rest.len(), rest.bytes().load(99)), (100, 1));

    // A size that can never be mapped is refused before an object is created.
    let names = Names::new();
    for size in [1 << 31, 1 << 32, (1 << 32) + 1, 5 << 30] {
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).if_exists(IfExists::Error).size(size);
        let named = options.open_mapped(names.name()).unwrap_err();
        for error in [named, options.open_anonymous_mapped().unwrap_err()] {
            let seen = (error.kind(), error.raw_os_error());
            assert_eq!(seen, (ErrorKind::InvalidInput, None), "{size}: {error}");
            assert!(error.to_string().contains(&size.to_string()), "no {size} in: {error}");
        }
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn an_object_of_the_largest_size_can_only_be_mapped_in_parts() {
    let object = Shm::anonymous(0).unwrap();
    // Not every system allows so large an object.
    match object.set_len_sparse(i64::MAX as u64) {
        Err(_) if !FILES => return,
        result => result.unwrap(),
    }
    let error = object.map().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::OutOfMemory, Operation::Map));
    let last = MapOptions::new().offset(i64::MAX as u64 - 1).map(&object);
    // Systems differ on whether they map the very last page. If they do, the length is right.
    if let Ok(last) = last {
        assert_eq!(last.len(), 1);
    }
    let part = MapOptions::new().offset(1 << 62).len(100).map_mut(&object).unwrap();
    part.bytes().store(99, 1);
    assert_eq!(part.bytes().load(99), 1);

    // A mapping grows to whole pages, and their end is an address.
    for lead in [0, 5] {
        let mut part = MapOptions::new().offset(lead as u64).len(100).map_mut(&object).unwrap();
        let longest = isize::MAX as usize - lead - page();
        let error = part.grow(&object, longest).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{lead}: {error}");
        for len in [longest + 1, longest + page()] {
            let error = part.grow(&object, len).unwrap_err();
            let seen = (error.kind(), error.operation());
            assert_eq!(seen, (ErrorKind::InvalidInput, Operation::Grow), "{lead}: {error}");
            assert!(error.to_string().contains("more than one mapping can have"), "{error}");
        }
    }
}

#[test]
fn an_empty_range_cannot_be_mapped() {
    let empty = Shm::anonymous(0).unwrap();
    let error = empty.map().unwrap_err();
    assert!(error.to_string().contains("set_len"), "{error}");
    let object = Shm::anonymous(100).unwrap();
    let end = object.len().unwrap();
    for result in [
        MapOptions::new().len(0).map(&object),
        MapOptions::new().offset(end).map(&object),
        MapOptions::new().offset(end).len(0).map(&object),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn two_mappings_of_one_object_show_the_same_bytes() {
    let object = Shm::anonymous(4096).unwrap();
    let (first, second) = (object.map_mut().unwrap(), object.map_mut().unwrap());
    assert_ne!(first.as_ptr(), second.as_ptr());
    for value in [1, u32::MAX, 0, 0xdead_beef] {
        first.slice::<u32>(64, 1).unwrap().store(0, value);
        let seen = second.slice::<u32>(64, 1).unwrap().load(0);
        assert_eq!(seen, value, "written through the first mapping");
        second.slice::<u32>(64, 1).unwrap().store(0, !value);
        let seen = first.slice::<u32>(64, 1).unwrap().load(0);
        assert_eq!(seen, !value, "written through the second mapping");
    }
}

#[test]
fn two_handles_of_one_name_show_the_same_bytes() {
    let names = Names::new();
    let name = names.name();
    let writer = Shm::create(&name, 4096).unwrap();
    let reader = Shm::open(&name).unwrap();
    let (from, to) = (writer.map_mut().unwrap(), reader.map().unwrap());
    from.bytes().store(4095, 77);
    assert_eq!(to.bytes().load(4095), 77);
    writer.unlink().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_mapping_lasts_until_it_is_unmapped() {
    assert!(!Shm::anonymous(1).unwrap().map().unwrap().is_empty());
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 10_000).unwrap();
    let mapping = MapOptions::new().offset(5000).map_mut(&object).unwrap();
    let maps = || std::fs::read_to_string("/proc/self/maps").unwrap();
    let address = format!("{:x}-", mapping.as_ptr() as usize / page() * page());
    assert!(maps().contains(&address), "no mapping at {address}:\n{}", maps());
    object.unlink().unwrap();
    object.close().unwrap();
    mapping.bytes().store(0, 1);
    mapping.unmap().unwrap();
    let left = format!("{name} (deleted)");
    assert!(!maps().contains(&left), "{name} is still mapped:\n{}", maps());
}

/// In a process of its own, so that no other test takes an address that was just unmapped.
#[test]
fn an_address_is_used_exactly_or_refused() {
    run(&mut peer("address", NOTHING));
}

/// Before it makes an object, it checks whether the address goes with the offset.
#[test]
fn an_address_goes_with_the_offset_into_its_page() {
    let mut creating = OpenOptions::new();
    creating.direction(Direction::Io).size(4 * page() as u64);
    for _ in 0..10 {
        let free = Shm::anonymous(4 * page() as u64).unwrap().map().unwrap().as_ptr();
        let mut options = MapOptions::new();
        options.offset(2 * page() as u64 + 5).address(free.wrapping_add(5));
        match creating.map_options(&options).open_anonymous_mapped() {
            Ok((object, mapping)) => {
                assert_eq!(mapping.as_ptr(), free.wrapping_add(5));
                mapping.bytes().store(0, 8);
                assert_eq!(object.map().unwrap().bytes().load(2 * page() + 5), 8);
                return;
            }
            // Another test's thread has it.
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    panic!("the address was taken each time");
}

#[test]
fn a_read_only_handle_cannot_be_mapped_for_writing() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 10).unwrap();
    let reader = Shm::open(&name).unwrap();
    let error = reader.map_mut().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    // macOS has another number for it.
    let expected = if cfg!(any(target_vendor = "apple", posix_shm_apple)) {
        libc::EPERM
    } else {
        libc::EACCES
    };
    assert_eq!(error.raw_os_error(), Some(expected));
    assert_eq!(error.name(), Some(&name));
    assert!(error.hint().unwrap().contains("Direction::Io"), "{error}");
    let raw = MapOptions::new().map_raw(&reader, Protection::READ | Protection::WRITE);
    assert_eq!(raw.unwrap_err().kind(), ErrorKind::PermissionDenied);
    object.unlink().unwrap();
}

#[test]
fn raw_mappings_can_have_every_protection() {
    if !FILES {
        // Some systems do not allow shared memory to be executed. Others have no /proc.
        return;
    }
    let object = OpenOptions::new().direction(Direction::Io).size(4096).open_anonymous().unwrap();
    let protections = [
        (Protection::NONE, "---s"),
        (Protection::READ, "r--s"),
        (Protection::WRITE, "-w-s"),
        (Protection::READ | Protection::WRITE, "rw-s"),
        (Protection::READ | Protection::EXEC, "r-xs"),
        (Protection::EXEC, "--xs"),
        (Protection::all() & (Protection::READ | Protection::WRITE | Protection::EXEC), "rwxs"),
    ];
    for (protection, shown) in protections {
        let mapping = MapOptions::new().map_raw(&object, protection).unwrap();
        assert!(!mapping.is_empty());
        assert_eq!(mapping.len(), 4096, "{protection:?}");
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps
            .lines()
            .find(|line| line.starts_with(&format!("{:x}-", mapping.as_ptr() as usize)));
        assert_eq!(line.unwrap().split(' ').nth(1), Some(shown), "{protection:?}");
        mapping.unmap().unwrap();
    }
}

#[test]
fn an_access_that_the_protection_forbids_kills_the_process() {
    for (protection, access) in [("none", "read"), ("none", "write"), ("read", "write")] {
        let status = run_to_death(&mut peer("touch", [protection, access]));
        let expected = if cfg!(target_vendor = "apple") { libc::SIGBUS } else { libc::SIGSEGV };
        assert_eq!(status.signal(), Some(expected), "{protection} {access}");
    }
}
