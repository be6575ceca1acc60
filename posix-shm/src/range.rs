//! The ends of a range that the caller gave in any form, such as `..` or `5..=9`.

use std::ops::{Bound, RangeBounds};

/// An integer that counts bytes or values.
pub(crate) trait Position: Copy + PartialOrd {
    /// The first position.
    const START: Self;

    /// The next position, unless the type ends here.
    fn next(self) -> Option<Self>;

    fn widened(self) -> u128;
}

macro_rules! positions {
    ($($integer:ident)*) => {
        $(
            impl Position for $integer {
                const START: $integer = 0;

                #[inline]
                fn next(self) -> Option<$integer> {
                    self.checked_add(1)
                }

                fn widened(self) -> u128 {
                    self as u128
                }
            }
        )*
    };
}

positions!(u64 usize);

/// The ends of a range that is not inside, for the message. They may be one past what the type of
/// the range holds.
pub(crate) struct Outside {
    pub(crate) start: u128,
    pub(crate) end: u128,
}

/// Gives a range both ends, and checks that it is inside `0..len`.
#[inline]
pub(crate) fn ends<P: Position>(range: impl RangeBounds<P>, len: P) -> Result<(P, P), Outside> {
    let start = match range.start_bound() {
        Bound::Included(&start) => Some(start),
        Bound::Excluded(&before) => before.next(),
        Bound::Unbounded => Some(P::START),
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.next(),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => Some(len),
    };
    match (start, end) {
        (Some(start), Some(end)) if start <= end && end <= len => Ok((start, end)),
        _ => Err(outside(start, end)),
    }
}

/// `None` is one more than the type holds.
#[cold]
fn outside<P: Position>(start: Option<P>, end: Option<P>) -> Outside {
    let past = 1 << (8 * size_of::<P>());
    let [start, end] = [start, end].map(|at| at.map_or(past, P::widened));
    Outside { start, end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_those_of_std() {
        assert_eq!(ends(.., 10_usize).ok(), Some((0, 10)));
        assert_eq!(ends(5..=9, 10_usize).ok(), Some((5, 10)));
        assert_eq!(ends(10.., 10_usize).ok(), Some((10, 10)));
        assert_eq!(ends((Bound::Excluded(4), Bound::Unbounded), 10_u64).ok(), Some((5, 10)));
        for refused in [ends(5..11, 10_u64), ends(11.., 10), ends(..=10, 10)] {
            assert!(refused.is_err());
        }
        #[expect(clippy::reversed_empty_ranges, reason = "it must be refused")]
        let reversed = ends(7..6, 10_u64);
        assert!(reversed.is_err());
    }

    #[test]
    fn an_end_past_the_type_is_one_more_than_its_largest_value() {
        let Err(Outside { start, end }) = ends(3..=u64::MAX, u64::MAX) else { panic!("inside") };
        assert_eq!((start, end), (3, 1 << 64));
        let after = (Bound::Excluded(usize::MAX), Bound::Unbounded);
        let Err(Outside { start, .. }) = ends(after, usize::MAX) else { panic!("inside") };
        assert_eq!(start, usize::MAX as u128 + 1);
    }
}
