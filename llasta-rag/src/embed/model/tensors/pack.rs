//! How the texts of a pass lie one after the other.

use std::cmp::Reverse;
use std::ops::Range;

/// Columns that every row has besides its state: a one, how far the token is hidden from the others,
/// and zeros up to a width that matrix units like.
pub(super) const EXTRA: usize = 8;

/// What is added to the score of a token that nobody may look at. Every type in use holds it exactly
/// or nearly, and its exponential is zero.
const HIDDEN: f32 = -30_000.0;

/// Rows of a text are filled up to a multiple of this: matrix units read eight halves at a time.
const ROUND: usize = 8;

/// Texts of a group may be filled up to the longest one's rows by so many rows in all, or by one row
/// in sixteen: below that the rows cost less than the launches of one more group.
const SLACK: usize = 256;

/// How the texts of a pass lie, and with it how their attention is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Layout {
    /// In groups of like lengths, filled up to the longest: attention is products of a group's matrices.
    Groups,
    /// With nothing between them: attention is one kernel for all, which is told where each begins.
    Tight,
}

/// Texts that have as many rows each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Which texts, as places in [`Packed::order`].
    pub(super) texts: Range<usize>,
    /// The first row of the first text.
    pub(super) first: usize,
    /// Rows of each text.
    pub(super) rows: usize,
}

/// The texts of a pass, the longest first, in groups of like lengths.
#[derive(Debug)]
pub(super) struct Packed {
    /// The texts' numbers, in the order in which they lie.
    pub(super) order: Vec<usize>,
    pub(super) groups: Vec<Group>,
    /// Of each row.
    pub(super) ids: Vec<u32>,
    /// Of each row. As integers: half precision cannot tell 2049 from 2048.
    pub(super) positions: Vec<u32>,
    /// [`EXTRA`] of each row.
    pub(super) extra: Vec<f32>,
}

impl Packed {
    /// No text is empty. Where they lie tight each is a group of its own.
    pub(super) fn new(texts: &[&[u32]], first_position: usize, layout: Layout) -> Self {
        let mut order: Vec<_> = (0..texts.len()).collect();
        order.sort_by_key(|&text| Reverse(texts[text].len()));
        let grouped = layout == Layout::Groups;
        let round = if grouped { ROUND } else { 1 };
        let rounded = |place: usize| texts[order[place]].len().next_multiple_of(round);
        let mut groups: Vec<Group> = Vec::new();
        let mut filled = 0;
        let mut row = 0;
        for place in 0..order.len() {
            let own = rounded(place);
            let joins = groups.last().filter(|group| {
                let all = (group.texts.len() + 1) * group.rows;
                grouped && filled + group.rows - own <= SLACK.max(all / 16)
            });
            let rows = if let Some(group) = joins {
                filled += group.rows - own;
                group.rows
            } else {
                filled = 0;
                groups.push(Group {
                    texts: place..place,
                    first: row,
                    rows: own,
                });
                own
            };
            if let Some(group) = groups.last_mut() {
                group.texts.end += 1;
            }
            row += rows;
        }
        let mut packed = Self {
            order,
            groups,
            ids: Vec::with_capacity(row),
            positions: Vec::with_capacity(row),
            extra: Vec::with_capacity(row * EXTRA),
        };
        packed.fill(texts, first_position as u32);
        packed
    }

    fn fill(&mut self, texts: &[&[u32]], first_position: u32) {
        for group in &self.groups {
            for &text in &self.order[group.texts.clone()] {
                let ids = texts[text];
                let unused = group.rows - ids.len();
                self.ids.extend_from_slice(ids);
                self.positions.extend((first_position..).take(ids.len()));
                // What fills up is some token: it is hidden, and its own state is never read.
                self.ids.extend(std::iter::repeat_n(ids[0], unused));
                self.positions
                    .extend(std::iter::repeat_n(first_position, unused));
                for hidden in
                    std::iter::repeat_n(0.0, ids.len()).chain(std::iter::repeat_n(HIDDEN, unused))
                {
                    self.extra.extend_from_slice(&[1.0, hidden]);
                    self.extra.extend_from_slice(&[0.0; EXTRA - 2]);
                }
            }
        }
    }

    /// Rows of the pass.
    pub(super) fn rows(&self) -> usize {
        self.ids.len()
    }

    /// The first row of each text, in the order in which they lie.
    pub(super) fn firsts(&self) -> impl Iterator<Item = usize> + '_ {
        self.groups
            .iter()
            .flat_map(|group| (0..group.texts.len()).map(|text| group.first + text * group.rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(lengths: &[usize]) -> Packed {
        laid(lengths, Layout::Groups)
    }

    fn laid(lengths: &[usize], layout: Layout) -> Packed {
        let texts: Vec<Vec<u32>> = lengths
            .iter()
            .map(|&length| (0..length as u32).collect())
            .collect();
        let texts: Vec<_> = texts.iter().map(Vec::as_slice).collect();
        Packed::new(&texts, 2, layout)
    }

    #[test]
    fn every_text_lies_whole_in_one_place_and_what_fills_it_up_is_hidden() {
        let lengths = [3, 600, 17, 8, 590, 1, 130, 17];
        lie_whole(&lengths, &packed(&lengths));
    }

    #[test]
    fn tight_texts_have_nothing_between_them() {
        let lengths = [3, 600, 17, 8, 590, 1, 130, 17];
        let packed = laid(&lengths, Layout::Tight);
        lie_whole(&lengths, &packed);
        assert_eq!(packed.rows(), lengths.iter().sum::<usize>());
        assert_eq!(packed.groups.len(), lengths.len());
        let firsts: Vec<_> = packed.firsts().collect();
        assert_eq!(firsts, [0, 600, 1190, 1320, 1337, 1354, 1362, 1365]);
    }

    fn lie_whole(lengths: &[usize], packed: &Packed) {
        let mut seen = packed.order.clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        let mut firsts = packed.firsts();
        let mut row = 0;
        for group in &packed.groups {
            for &text in &packed.order[group.texts.clone()] {
                assert_eq!(firsts.next(), Some(row));
                for at in 0..group.rows {
                    let real = at < lengths[text];
                    let extra = &packed.extra[(row + at) * EXTRA..][..EXTRA];
                    assert_eq!(extra[0], 1.0);
                    assert_eq!(extra[1] == 0.0, real, "text {text}, token {at}");
                    if real {
                        assert_eq!(packed.ids[row + at], at as u32);
                        assert_eq!(packed.positions[row + at], at as u32 + 2);
                    }
                }
                row += group.rows;
            }
        }
        assert_eq!(row, packed.rows());
        assert_eq!(packed.positions.len(), row);
        assert_eq!(packed.extra.len(), row * EXTRA);
    }

    #[test]
    fn texts_of_one_length_are_one_group_and_a_long_one_among_many_short_ones_fills_up_none() {
        let even = packed(&[21; 64]);
        assert_eq!(even.groups.len(), 1);
        assert_eq!(even.ids.len(), 64 * 24);
        let mut lengths = [20; 200];
        lengths[77] = 8000;
        let uneven = packed(&lengths);
        assert_eq!(uneven.order[0], 77);
        assert_eq!(uneven.groups.len(), 2);
        assert_eq!(uneven.ids.len(), 8000 + 199 * 24);
    }

    #[test]
    fn no_group_is_filled_up_by_more_than_the_slack_or_a_sixteenth() {
        let lengths: Vec<_> = (0..3000).map(|n| 3 + (n * 7919) % 700).collect();
        let packed = packed(&lengths);
        for group in &packed.groups {
            let all = group.texts.len() * group.rows;
            let own = packed.order[group.texts.clone()]
                .iter()
                .map(|&text| lengths[text].next_multiple_of(ROUND));
            let filled = all - own.sum::<usize>();
            assert!(filled <= SLACK.max(all / 16), "{filled} of {all}");
        }
        assert!(packed.groups.len() < 60, "{}", packed.groups.len());
    }
}
