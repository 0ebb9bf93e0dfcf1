//! Which addresses are worth waking up for, in a form that fits into a filter. Pure arithmetic on the last 32 bits of
//! addresses: a superset does no harm, because whoever reads the frame looks again.

use std::ops::RangeInclusive;

/// Ranges of a filter. The kernel compares one after the other, a few nanoseconds each, and the jumps of classic BPF
/// reach 255 instructions, of which each range may take four; the addresses of a cluster come from a handful of pools.
const MOST: usize = 60;

/// Addresses by their last 32 bits, which for IPv4 are all. Never leaves out one that it was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets(Vec<RangeInclusive<u32>>);

impl Targets {
    /// These, and those between them where there would be too many ranges otherwise.
    pub fn covering(words: impl IntoIterator<Item = u32>) -> Self {
        let mut words: Vec<u32> = words.into_iter().collect();
        words.sort_unstable();
        words.dedup();
        // The widest gaps part the ranges, if they are gaps at all.
        let mut gaps: Vec<(u32, usize)> = words
            .windows(2)
            .zip(1..)
            .map(|(pair, second)| (pair[1] - pair[0], second))
            .filter(|(gap, _)| *gap > 1)
            .collect();
        gaps.sort_unstable_by(|one, other| other.cmp(one));
        gaps.truncate(MOST - 1);
        let mut starts: Vec<usize> = gaps.into_iter().map(|(_, second)| second).collect();
        starts.sort_unstable();
        let ends: Vec<usize> = starts.iter().copied().chain([words.len()]).collect();
        let range =
            |(start, end): (usize, usize)| Some(*words.get(start)?..=*words.get(end.checked_sub(1)?)?);
        Self(
            [0].into_iter()
                .chain(starts)
                .zip(ends)
                .filter_map(range)
                .collect(),
        )
    }

    /// Every address.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![0..=u32::MAX])
    }

    /// In ascending order, apart from one another, and not more than fit into a filter.
    pub(crate) fn ranges(&self) -> &[RangeInclusive<u32>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_make_a_range_and_the_widest_gaps_part_them() {
        let check = |words: &[u32], expected: &[RangeInclusive<u32>]| {
            assert_eq!(
                Targets::covering(words.iter().copied()).ranges(),
                expected,
                "{words:?}"
            );
        };
        check(&[], &[]);
        check(&[7], &[7..=7]);
        check(&[3, 1, 2, 2], &[1..=3]);
        check(&[0, 2, u32::MAX], &[0..=0, 2..=2, u32::MAX..=u32::MAX]);

        // A hundred addresses ten apart, and one far away: the far one keeps its own range.
        let words = (0..100).map(|n| n * 10).chain([1_000_000]);
        let targets = Targets::covering(words.clone());
        assert_eq!(targets.ranges().len(), MOST);
        assert_eq!(targets.ranges().last(), Some(&(1_000_000..=1_000_000)));
        for word in words {
            assert!(
                targets.ranges().iter().any(|range| range.contains(&word)),
                "{word}"
            );
        }
        assert!(
            targets
                .ranges()
                .windows(2)
                .all(|pair| pair[0].end() < pair[1].start())
        );
    }
}
