//! Sizes with k, M and G, which are powers of 1024.

/// From the largest that 64 bits can hold down.
const UNITS: [(char, u32); 6] = [('E', 60), ('P', 50), ('T', 40), ('G', 30), ('M', 20), ('k', 10)];

/// Reads a size: `4096`, `4k`, `64M`, `1G`, in upper or lower case, or `64MiB`.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = match unit.len() {
        3 if unit.is_char_boundary(1) => {
            unit.strip_suffix("iB").or(unit.strip_suffix("ib")).unwrap_or(unit)
        }
        _ => unit,
    };
    let same = |letter: char| unit.eq_ignore_ascii_case(letter.encode_utf8(&mut [0; 4]));
    let shift = match UNITS.iter().find(|(letter, _)| same(*letter)) {
        Some((_, shift)) => *shift,
        None if unit.is_empty() => 0,
        None => return Err("write a number of bytes, or one with k, M or G, such as 64M".into()),
    };
    let number: u64 = match digits.parse() {
        Ok(number) => number,
        Err(_) if digits.is_empty() => {
            return Err("write a number of bytes, or one with k, M or G, such as 64M".into());
        }
        Err(_) => return Err("no object can be so long".into()),
    };
    number
        .checked_mul(1 << shift)
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| "no object can be so long".into())
}

/// Writes a size: `512`, `4k`, `1.5M`, `64M`. It is rounded to the nearest number of at most three
/// digits, or of four below 1024.
pub(crate) fn human(bytes: u64) -> String {
    let Some(mut unit) = UNITS.iter().rposition(|(_, shift)| bytes >> shift < 1024) else {
        unreachable!("64 bits hold less than 1024 E")
    };
    if bytes < 1024 {
        return bytes.to_string();
    }
    let tenths = |unit: usize| {
        let bits = UNITS[unit].1;
        (u128::from(bytes) * 10 + (1 << (bits - 1))) >> bits
    };
    // 1023.96k is 1.0M.
    if tenths(unit) >= 10235 && unit > 0 {
        unit -= 1;
    }
    let (tenths, letter) = (tenths(unit), UNITS[unit].0);
    if tenths < 100 && tenths % 10 != 0 {
        format!("{}.{}{letter}", tenths / 10, tenths % 10)
    } else {
        format!("{}{letter}", (tenths + 5) / 10)
    }
}

/// A size as it was asked for.
pub(crate) fn written(bytes: u64, for_people: bool) -> String {
    if for_people { human(bytes) } else { bytes.to_string() }
}
