//! Writes bytes of tables down in as few words as they allow.

use super::CaptureError;
use crate::recipe::{Piece, PieceContent};

/// Most bytes that are written out one by one: a recipe has two digits for each.
const PLAIN_BYTES_MAX: u64 = 8 << 20;
/// Most pieces and other entries of one image.
pub(super) const ENTRIES_MAX: usize = 1 << 18;
/// Numbers in sequence that are worth a piece of their own.
const SEQUENCE_MIN: usize = 4;
/// Zeros in a row that end a piece of plain bytes, in numbers of 64 bits.
const GAP_MIN: usize = 4;
/// Longest piece of plain bytes, so that lines stay readable for programs.
const PLAIN_LENGTH_MAX: usize = 4096;

/// Pieces in the order of their offsets.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    plain_bytes: u64,
}

impl Pieces {
    /// Adds bytes that stand at offset `at`; zeros at both ends and long ones between are left
    /// to be holes.
    pub(super) fn add(&mut self, at: u64, bytes: &[u8]) -> Result<(), CaptureError> {
        let (words, tail) = bytes.as_chunks::<8>();
        let numbers: Vec<u64> = words.iter().map(|word| u64::from_be_bytes(*word)).collect();
        let mut next = 0;
        while next < numbers.len() {
            if numbers[next] == 0 {
                next += 1;
                continue;
            }
            let length = sequence(&numbers[next..]);
            let start = at + next as u64 * 8;
            if length >= SEQUENCE_MIN {
                let step = numbers[next + 1] - numbers[next];
                self.add_numbers(start, numbers[next], step, length as u64)?;
                next += length;
            } else {
                let length = plain(&numbers[next..]);
                self.add_plain(start, &bytes[next * 8..(next + length) * 8])?;
                next += length;
            }
        }
        if tail.iter().any(|byte| *byte != 0) {
            self.add_plain(at + (bytes.len() - tail.len()) as u64, tail)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<Piece> {
        self.pieces
    }

    /// A sequence may go on where the last piece ended.
    fn add_numbers(
        &mut self,
        at: u64,
        first: u64,
        step: u64,
        count: u64,
    ) -> Result<(), CaptureError> {
        if let Some(Piece {
            at: before,
            content:
                PieceContent::Numbers {
                    first: start,
                    step: same,
                    count: length,
                },
        }) = self.pieces.last_mut()
            && *before + *length * 8 == at
            && *same == step
            && step
                .checked_mul(*length)
                .and_then(|by| start.checked_add(by))
                == Some(first)
        {
            *length += count;
            return Ok(());
        }
        self.push(at, PieceContent::Numbers { first, step, count })
    }

    fn add_plain(&mut self, at: u64, bytes: &[u8]) -> Result<(), CaptureError> {
        self.plain_bytes += bytes.len() as u64;
        check(
            self.plain_bytes,
            PLAIN_BYTES_MAX,
            "bytes of irregular tables",
            at,
        )?;
        let starts = (at..).step_by(PLAIN_LENGTH_MAX);
        for (at, part) in starts.zip(bytes.chunks(PLAIN_LENGTH_MAX)) {
            self.push(
                at,
                PieceContent::Bytes(crate::recipe::Bytes::Hex(part.to_vec())),
            )?;
        }
        Ok(())
    }

    fn push(&mut self, at: u64, content: PieceContent) -> Result<(), CaptureError> {
        check(
            self.pieces.len() as u64,
            ENTRIES_MAX as u64,
            "pieces of tables",
            at,
        )?;
        self.pieces.push(Piece { at, content });
        Ok(())
    }
}

pub(super) fn check(
    count: u64,
    limit: u64,
    what: &'static str,
    at: u64,
) -> Result<(), CaptureError> {
    if count <= limit {
        return Ok(());
    }
    Err(CaptureError::TooLarge { what, limit, at })
}

/// How many of the first numbers grow by the same step.
fn sequence(numbers: &[u64]) -> usize {
    let [first, second, ..] = numbers else {
        return 1;
    };
    let Some(step) = second.checked_sub(*first) else {
        return 1;
    };
    let pairs = numbers.windows(2);
    1 + pairs
        .take_while(|pair| pair[0].checked_add(step) == Some(pair[1]))
        .count()
}

/// How many of the first numbers are neither zeros in a row nor a sequence. The caller has
/// looked at the first; zeros at the end don't count.
fn plain(numbers: &[u64]) -> usize {
    let mut length = 1;
    let mut zeros = 0;
    for next in 1..numbers.len() {
        if numbers[next] == 0 {
            zeros += 1;
            if zeros == GAP_MIN {
                break;
            }
            continue;
        }
        // The first few are enough to see a sequence.
        let few = &numbers[next..numbers.len().min(next + SEQUENCE_MIN)];
        if sequence(few) >= SEQUENCE_MIN {
            break;
        }
        zeros = 0;
        length = next + 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(numbers: &[u64]) -> Vec<Piece> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        let mut pieces = Pieces::default();
        pieces.add(512, &bytes).unwrap();
        pieces.finish()
    }

    fn rebuilt(pieces: &[Piece], length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for piece in pieces {
            let start = usize::try_from(piece.at - 512).unwrap();
            let content = match &piece.content {
                PieceContent::Bytes(bytes) => bytes.to_bytes(),
                PieceContent::Numbers { first, step, count } => (0..*count)
                    .flat_map(|index| (first + step * index).to_be_bytes())
                    .collect(),
            };
            bytes[start..start + content.len()].copy_from_slice(&content);
        }
        bytes
    }

    #[test]
    fn a_table_of_clusters_in_order_is_one_piece() {
        let table: Vec<u64> = (5..8197).map(|cluster| 1 << 63 | cluster << 16).collect();
        let content = PieceContent::Numbers {
            first: 1 << 63 | 5 << 16,
            step: 1 << 16,
            count: 8192,
        };
        assert_eq!(pieces(&table), [Piece { at: 512, content }]);
    }

    #[test]
    fn a_sequence_goes_on_in_the_next_part() {
        let mut pieces = Pieces::default();
        for part in 0..3_u64 {
            let bytes: Vec<u8> = (part * 8..part * 8 + 8)
                .flat_map(|n| (100 + n).to_be_bytes())
                .collect();
            pieces.add(part * 64, &bytes).unwrap();
        }
        let pieces = pieces.finish();
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces[0].length(), 192);
    }

    #[test]
    fn too_many_irregular_bytes_are_refused() {
        let bytes: Vec<u8> = (0..1 << 20)
            .flat_map(|n: u64| (n * n + 1).to_be_bytes())
            .collect();
        let mut pieces = Pieces::default();
        pieces.add(0, &bytes).unwrap();
        let error = pieces.add(1 << 23, &bytes).unwrap_err().to_string();
        assert!(
            error.starts_with("bytes of irregular tables go over the limit"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_bytes(
            bytes in proptest::collection::vec(
                prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..400),
            numbers in proptest::collection::vec((0_u64..4, 0_u64..3, 1_usize..9), 0..20),
        ) {
            let runs = numbers.iter().flat_map(|(first, step, count)| {
                (0..*count as u64).flat_map(move |index| (first + step * index).to_be_bytes())
            });
            let bytes: Vec<u8> = bytes.into_iter().chain(runs).collect();
            let mut pieces = Pieces::default();
            pieces.add(512, &bytes).unwrap();
            prop_assert_eq!(rebuilt(&pieces.finish(), bytes.len()), bytes);
        }
    }
}
