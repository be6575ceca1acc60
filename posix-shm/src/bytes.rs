//! Copies of a few bytes.

/// `copy_from_slice` without a call for what names and paths nearly always are: 8 to 32 bytes.
///
/// # Panics
///
/// If the lengths differ.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    match from.len() {
        16..=32 => copy_ends::<16>(to, from),
        8..=15 => copy_ends::<8>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// Copies the first bytes and the last ones, which may overlap: at most twice as many in all.
#[inline(always)]
fn copy_ends<const LEN: usize>(to: &mut [u8], from: &[u8]) {
    assert_eq!(to.len(), from.len(), "the lengths differ");
    if let (Some(first), Some(last)) = (from.first_chunk::<LEN>(), from.last_chunk::<LEN>()) {
        if let Some(to) = to.first_chunk_mut() {
            *to = *first;
        }
        if let Some(to) = to.last_chunk_mut() {
            *to = *last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::copy;

    #[test]
    fn every_short_length() {
        let from: Vec<u8> = (1..=40).collect();
        for len in 0..=from.len() {
            let mut to = vec![0; len + 2];
            copy(&mut to[1..=len], &from[..len]);
            assert_eq!(to[1..=len], from[..len], "{len}");
            assert_eq!((to[0], to[len + 1]), (0, 0), "{len}");
        }
    }
}
