//! Containers out of an input that is not in memory, one small piece after the other. What is wrong
//! with one is not found here.

use std::io::{self, Read};
use std::ops::ControlFlow;

use crate::docker::types::Summary;
use crate::error::Why;

use super::reader::{Reader, SoFar};
use super::{BOM, rest};

/// The longest container that is read without the whole input in memory.
const WINDOW_BYTES: usize = 256 * 1024;

/// How much is read at once, while all of it is as engines write it: little enough to be still in
/// the processor's cache when it is looked at.
const PIECE_BYTES: usize = 32 * 1024;

/// [`super::each`] of an input that may be long: `Ok` is what that returns. From the first place
/// that is not as engines write a list, all that is left is read at once: what is wrong, and where
/// it may go on, is found in the whole only.
///
/// # Errors
/// What reading fails with.
pub fn each(
    input: &mut dyn Read,
    found: impl FnMut(Summary) -> ControlFlow<()>,
) -> io::Result<Result<(), Why>> {
    by_windows(input, WINDOW_BYTES, found)
}

fn by_windows(
    input: &mut dyn Read,
    window_bytes: usize,
    mut found: impl FnMut(Summary) -> ControlFlow<()>,
) -> io::Result<Result<(), Why>> {
    let mut window = vec![0; window_bytes];
    let mut filled = 0;
    let mut so_far = SoFar::default();
    let mut at_start = true;
    // Full: what stands in it was not taken.
    while filled < window_bytes {
        let wanted = window_bytes.min(filled + PIECE_BYTES);
        filled += fill(input, &mut window[filled..wanted])?;
        let ended = filled < wanted;
        let there = &window[..filled];
        let there = if at_start { there.strip_prefix(BOM).unwrap_or(there) } else { there };
        let (flow, length, after) = Reader::new(text(there), so_far).ahead(&mut found);
        if flow.is_break() {
            return Ok(Ok(()));
        }
        so_far = after;
        let taken = filled - there.len() + length;
        window.copy_within(taken..filled, 0);
        filled -= taken;
        at_start &= taken == 0;
        if ended {
            break;
        }
    }
    window.truncate(filled);
    input.read_to_end(&mut window)?;
    Ok(rest(&window, so_far, found))
}

/// Until it is full or the input ends; how much that is.
fn fill(input: &mut dyn Read, window: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < window.len() {
        match input.read(&mut window[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Without the character that is cut off at the end, or what else is none.
fn text(window: &[u8]) -> &str {
    str::from_utf8(window).unwrap_or_else(|error| {
        let valid = window.get(..error.valid_up_to()).unwrap_or_default();
        str::from_utf8(valid).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Found = (Vec<Summary>, Result<(), Why>);

    fn whole(input: &[u8]) -> Found {
        let mut all = Vec::new();
        let result = super::super::each(input, |one| {
            all.push(one);
            ControlFlow::Continue(())
        });
        (all, result)
    }

    fn in_pieces(mut input: &[u8], window_bytes: usize) -> Found {
        let mut all = Vec::new();
        let result = by_windows(&mut input, window_bytes, |one| {
            all.push(one);
            ControlFlow::Continue(())
        });
        (all, result.unwrap())
    }

    #[test]
    fn a_list_takes_no_more_memory_than_a_piece() {
        let one = r#"{"Id":"a","Names":["/w"]},"#;
        let list = format!("[{}", one.repeat(100));
        let mut ends = io::Cursor::new(list.as_bytes());
        let mut count = 0;
        by_windows(&mut ends, 64, |_| {
            count += 1;
            ControlFlow::Continue(())
        })
        .unwrap()
        .unwrap_err();
        assert_eq!(count, 100);
        // Where it is stopped, no more is read than the piece it stands in.
        let mut stopped = io::Cursor::new(list.as_bytes());
        by_windows(&mut stopped, 64, |_| ControlFlow::Break(())).unwrap().unwrap();
        assert_eq!(stopped.position(), 64);
    }

    proptest! {
        #[test]
        fn pieces_tell_what_the_whole_tells(
            parts in proptest::collection::vec(prop_oneof![
                4 => Just(&br#"{"Id":"a","Names":["/w"]}"#[..]),
                2 => Just(&b"{\"Id\":\"b\",\"Names\":[\"/\xc3\xa9\"]}"[..]),
                1 => Just(&br#"{"Id":"c","Name":"/inspected","State":{}}"#[..]),
                1 => Just(&br#"{"Id":"cut","Names":["#[..]),
                1 => Just(&b"oops"[..]),
                1 => Just(&b"5"[..]),
                1 => Just(&b"\xff"[..]),
                1 => Just(BOM),
                4 => Just(&b","[..]),
                2 => Just(&b"["[..]),
                2 => Just(&b"]"[..]),
                3 => Just(&b"\n"[..]),
                1 => Just(&b"\n "[..]),
            ], 0..24),
            window_bytes in BOM.len()..120,
        ) {
            let input = parts.concat();
            let text = input.escape_ascii();
            prop_assert_eq!(in_pieces(&input, window_bytes), whole(&input), "{}", text);
        }
    }
}
