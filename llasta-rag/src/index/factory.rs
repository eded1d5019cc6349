//! FAISS's factory strings, read without FAISS: which there are, how many vectors they train on, and
//! whether they keep vectors as they are.

use std::fmt;
use std::sync::Arc;

use super::IndexError;

/// Points per centroid below which FAISS warns (`ClusteringParameters::min_points_per_centroid`).
const POINTS_PER_CENTROID: usize = 39;
/// What a scalar quantiser is shown at least, so that its ranges cover what comes later.
const POINTS_FOR_RANGES: usize = 1024;
/// Lists of an IVF index: FAISS takes memory for each when the index is made.
const MOST_LISTS: usize = 4 * 1024 * 1024;
/// Neighbours per node of a graph; FAISS makes room for twice as many.
const NEIGHBOURS: std::ops::RangeInclusive<usize> = 2..=512;
/// Bits per code of a product or residual quantiser.
const MOST_BITS: usize = 16;
/// Any other number: parts, or components after a rotation.
const MOST: usize = 65_536;
/// No factory string that means something is longer.
const LENGTH_LIMIT: usize = 200;

/// A checked factory string, such as `IVF1024,Flat`, `HNSW32`, `IVF256,PQ64` or `PCA256,IVF64,SQ8`.
///
/// The parts are known by their names; whether their numbers fit each other and the dimension is for
/// FAISS to say, when the index is made.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Factory {
    text: Arc<str>,
    points: usize,
    rotates: bool,
    exact: bool,
    graph: bool,
    lists: bool,
    packed: bool,
}

impl Factory {
    /// Reads a factory string.
    ///
    /// # Errors
    ///
    /// [`IndexError::UnknownKind`] for what is none, [`IndexError::Unsupported`] for what FAISS has
    /// and this index has not, with the reason.
    pub fn parse(text: &str) -> Result<Self, IndexError> {
        let mut factory = Self {
            text: Arc::from(text),
            points: 0,
            rotates: false,
            exact: true,
            graph: false,
            lists: false,
            packed: text.contains("fs"),
        };
        if text.is_empty() || text.len() > LENGTH_LIMIT {
            return Err(unknown(text));
        }
        let mut searched = false;
        for part in parts(text).ok_or_else(|| unknown(text))? {
            searched |= factory.read(part)?;
        }
        if searched {
            Ok(factory)
        } else {
            Err(unknown(text))
        }
    }

    /// The string, as FAISS takes it.
    pub fn as_str(&self) -> &Arc<str> {
        &self.text
    }

    /// How many vectors of this dimension training needs: 39 for each centroid that is learnt (an
    /// IVF's lists, a product quantiser's 2^bits codes), the dimension for a learnt rotation, 1024 for
    /// a scalar quantiser's ranges. 0 where nothing is learnt.
    pub fn training_points(&self, dimension: usize) -> usize {
        if self.rotates {
            self.points.max(dimension)
        } else {
            self.points
        }
    }

    /// The most vectors that training is given: FAISS reads 256 for each centroid, 1,000 for each
    /// component of a rotation and 100,000 for the ranges of lists, and leaves out what is over that. The
    /// ranges of a scalar quantiser alone it would learn of all; so many say nearly the same.
    #[cfg(any(test, feature = "faiss"))]
    pub(super) fn training_limit(&self, dimension: usize) -> usize {
        // `points` has 39 for each centroid.
        let rotation = if self.rotates { 1_000 * dimension } else { 0 };
        (self.points * 7).max(100_000).max(rotation)
    }

    /// Whether vectors are kept as they are, so that scores are their inner products.
    pub fn scores_are_exact(&self) -> bool {
        self.exact
    }

    /// FAISS's plain list of vectors.
    pub(super) fn flat() -> Self {
        Self {
            text: Arc::from("Flat"),
            points: 0,
            rotates: false,
            exact: true,
            graph: false,
            lists: false,
            packed: false,
        }
    }

    /// Whether it is [`flat`](Self::flat).
    #[cfg(any(test, feature = "faiss"))]
    pub(super) fn is_flat(&self) -> bool {
        &*self.text == "Flat"
    }

    /// Whether the vectors are the nodes of a graph.
    pub fn is_graph(&self) -> bool {
        self.graph
    }

    /// Whether the vectors lie in lists, of which a search looks into some.
    pub fn is_ivf(&self) -> bool {
        self.lists
    }

    /// Whether FAISS can leave the vectors in their file: the lists of an IVF index, the graph and the
    /// codes of the other kinds. It cannot for the packed codes of the `fs` kinds. What refines an IVF
    /// index (`RFlat`) and its centroids are read into memory.
    pub fn stays_in_file(&self) -> bool {
        !self.packed
    }

    /// Takes one part in, and says whether it is something that can be searched.
    fn read(&mut self, part: &str) -> Result<bool, IndexError> {
        let name_end = part
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(part.len());
        let (name, rest) = part.split_at(name_end);
        if name != "IVF" {
            self.bounded(rest)?;
        }
        match name {
            "IVF" => {
                let lists = number(rest).filter(|&n| n > 0);
                let lists = lists.ok_or_else(|| unknown(&self.text))?;
                self.within(lists <= MOST_LISTS)?;
                self.learn(lists);
                self.lists = true;
                let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                return self.bounded(digits).map(|()| true);
            }
            "IMI" => {
                let lists = codes(rest, 8);
                self.within(lists.is_some_and(|lists| lists <= 2048))?;
                self.learn(lists.unwrap_or(0));
                self.lists = true;
            }
            "HNSW" => {
                self.graph = true;
                self.within(number(rest).is_none_or(|n| NEIGHBOURS.contains(&n)))?;
                // HNSW32_PQ16 and HNSW32_SQ8 say their storage behind the underscore.
                if let Some((_, storage)) = rest.split_once('_')
                    && storage.starts_with(|c: char| c.is_ascii_alphabetic())
                {
                    self.read(storage)?;
                }
            }
            "Flat" | "FlatDedup" | "RFlat" => {}
            "PQ" | "RQ" | "LSQ" | "PRQ" | "PLSQ" => {
                self.exact = false;
                let centroids = codes(rest, 8);
                self.within(centroids.is_some())?;
                self.learn(centroids.unwrap_or(0));
            }
            "SQ" | "SQfp" | "SQbf" | "RaBitQ" | "RaBitQfs" => {
                self.exact = false;
                if !name.ends_with("fp") && !name.ends_with("bf") {
                    self.points = self.points.max(POINTS_FOR_RANGES);
                }
            }
            "Refine" => {
                let inner = rest.strip_prefix('(').and_then(|r| r.strip_suffix(')'));
                for part in inner.and_then(parts).ok_or_else(|| unknown(&self.text))? {
                    self.read(part)?;
                }
            }
            "PCA" | "PCAR" | "PCAW" | "PCAWR" | "ITQ" => {
                (self.exact, self.rotates) = (false, true);
                return Ok(false);
            }
            "RR" | "Pad" | "L" if name != "L" || rest.eq_ignore_ascii_case("2norm") => {
                self.exact = false;
                return Ok(false);
            }
            "OPQ" => {
                return Err(self.unsupported(
                    "its rotation is learnt for minutes and was seen to end the process: try PCA or RR",
                ));
            }
            "IDMap" => {
                return Err(self.unsupported("keys are kept beside FAISS: leave IDMap out"));
            }
            "LSH" | "SH" => {
                return Err(self.unsupported("it compares bits, not inner products: try SQ8 or PQ"));
            }
            "NSG" => {
                return Err(self.unsupported("it takes no vectors once it is built: try HNSW32"));
            }
            _ => return Err(unknown(&self.text)),
        }
        Ok(true)
    }

    fn learn(&mut self, centroids: usize) {
        self.points = self
            .points
            .max(centroids.saturating_mul(POINTS_PER_CENTROID));
    }

    /// Whether every number in a text is one that an index can have.
    fn bounded(&self, text: &str) -> Result<(), IndexError> {
        let numbers = text.split(|c: char| !c.is_ascii_digit());
        let mut numbers = numbers.filter(|digits| !digits.is_empty());
        self.within(numbers.all(|digits| digits.parse().is_ok_and(|n: usize| n <= MOST)))
    }

    fn within(&self, bounds: bool) -> Result<(), IndexError> {
        if bounds {
            return Ok(());
        }
        Err(self.unsupported(
            "a number in it is out of bounds: it would take all memory, or make no sense",
        ))
    }

    fn unsupported(&self, reason: &'static str) -> IndexError {
        IndexError::Unsupported {
            factory: self.text.to_string(),
            reason,
        }
    }
}

impl fmt::Display for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Factory({})", self.text)
    }
}

/// What stands between the commas that are in no parentheses; `None` where something is empty or
/// parentheses do not match.
pub(super) fn parts(text: &str) -> Option<Vec<&str>> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_,()+-.".contains(c);
    let (mut found, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (position, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                found.push(&text[start..position]);
                start = position + 1;
            }
            c if !allowed(c) => return None,
            _ => {}
        }
    }
    found.push(&text[start..]);
    (depth == 0 && found.iter().all(|part| !part.is_empty())).then_some(found)
}

/// The number at the beginning, with FAISS's `k` and `M` (1024 and 1024²).
pub(super) fn number(text: &str) -> Option<usize> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: usize = text[..end].parse().ok()?;
    Some(match text[end..].chars().next() {
        Some('k') => number.saturating_mul(1024),
        Some('M') => number.saturating_mul(1024 * 1024),
        _ => number,
    })
}

/// Centroids of each part of a product or residual quantiser (`64`, `64x4fs`, `4x8x10`); `None` for
/// more bits than one may have.
pub(super) fn codes(text: &str, usual_bits: usize) -> Option<usize> {
    let bits = text
        .split(|c: char| !c.is_ascii_digit() && c != 'x')
        .next()
        .and_then(|sizes| sizes.rsplit_once('x'))
        .and_then(|(_, bits)| number(bits))
        .unwrap_or(usual_bits);
    (1..=MOST_BITS).contains(&bits).then(|| 1 << bits)
}

fn unknown(given: &str) -> IndexError {
    IndexError::UnknownKind {
        given: given.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_training_points_are_those_of_the_largest_thing_learnt() {
        for (text, points, exact) in [
            ("Flat", 0, true),
            ("HNSW32", 0, true),
            ("HNSW32,Flat", 0, true),
            ("HNSW32_SQ8", 1024, false),
            ("IVF256,Flat", 9984, true),
            ("IVF1k,Flat", 39 * 1024, true),
            ("IVF4096_HNSW32,Flat", 39 * 4096, true),
            ("IVF4,PQ8", 39 * 256, false),
            ("IVF4,PQ8x4fs", 156 * 4, false),
            ("PQ8x4", 39 * 16, false),
            ("SQ8", 1024, false),
            ("IVF4,SQfp16", 156, false),
            ("PCA64,IVF4,Flat", 384, false),
            ("RR64,IVF4,SQ8", 1024, false),
            ("IVF4,RaBitQ", 1024, false),
            ("SQ8,Refine(PQ8)", 39 * 256, false),
            ("SQ8,RFlat", 1024, false),
            ("L2norm,Flat", 0, false),
        ] {
            let factory = Factory::parse(text).unwrap();
            assert_eq!(factory.training_points(384), points, "{text}");
            assert!(factory.training_limit(384) >= 256 * (points / 39), "{text}");
            assert_eq!(factory.scores_are_exact(), exact, "{text}");
            assert_eq!(factory.to_string(), text);
        }
    }

    #[test]
    fn the_flat_index_is_the_one_that_its_name_means() {
        assert!(Factory::parse("Flat").unwrap() == Factory::flat());
        assert!(Factory::flat().is_flat());
        assert!(!Factory::parse("IVF4,Flat").unwrap().is_flat());
    }

    #[test]
    fn what_is_no_factory_string_is_refused_and_nothing_overflows() {
        for text in [
            "",
            ",",
            "Flat,",
            "hnsw",
            "IVF",
            "IVF0,Flat",
            "IVF4,(Flat",
            "IVF4,Flat)",
            "IVF4;Flat",
            "PCA64",
            "Ïndex",
            "Refine(SQ8",
            "IVF4, Flat",
            "L9,Flat",
            "IDMap,Flat",
            "LSH",
            "NSG32",
        ] {
            let refused = Factory::parse(text).unwrap_err();
            assert!(
                matches!(
                    refused,
                    IndexError::UnknownKind { .. } | IndexError::Unsupported { .. }
                ),
                "{text}"
            );
        }
        assert!(Factory::parse(&"Flat,".repeat(1000)).is_err());
    }

    #[test]
    fn a_number_out_of_bounds_is_refused() {
        for text in [
            "IVF4194305,Flat",
            "IVF18446744073709551616,Flat",
            "IVF9M,Flat",
            "HNSW1",
            "HNSW513",
            "PQ8x17",
            "PQ65537",
            "IMI2x12,Flat",
            "PCA99999,Flat",
            "RR99999999999999999999,Flat",
            "RQ1000000000x8",
            "IVF16_HNSW99999,Flat",
            "SQ8,Refine(PQ8x40)",
        ] {
            let refused = Factory::parse(text).unwrap_err();
            assert!(
                matches!(
                    refused,
                    IndexError::Unsupported { .. } | IndexError::UnknownKind { .. }
                ),
                "{text}"
            );
        }
        for text in [
            "IVF4194304,Flat",
            "HNSW512",
            "PQ8x16",
            "PQ64x4fs_64",
            "IVF1M,Flat",
        ] {
            Factory::parse(text).unwrap();
        }
    }
}
