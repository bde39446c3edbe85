//! The stretches of a text that JSON writes as they are. Knows no JSON beyond that.

/// One in each byte: eight bytes are looked at together.
const EACH: u64 = u64::MAX / 0xff;

/// How many bytes stand before the first that JSON does not write as it is (`"`, `\`, a control
/// character); all of them, if there is none.
#[inline]
pub fn length(text: &[u8]) -> usize {
    let (words, last) = text.as_chunks();
    let mut at = 0;
    for word in words {
        let special = specials(*word);
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    at + last.iter().position(special).unwrap_or(last.len())
}

/// The highest bit of each byte that is not written as it is; behind the first, of some others too,
/// as subtracting from a byte that is too small borrows from the next. But for one bit, which
/// leaves control characters among themselves, a quotation mark is a blank.
#[inline]
fn specials(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    let control_or_quote = (word ^ (EACH * 2)).wrapping_sub(EACH * 0x21);
    let backslash = (word ^ (EACH * 0x5c)).wrapping_sub(EACH);
    (control_or_quote | backslash) & !word & (EACH << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
            for around in [b'!', b' ', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                for (length, at) in
                    (0..80).flat_map(|length| (0..length).map(move |at| (length, at)))
                {
                    let mut text = vec![around; length];
                    text[at] = byte;
                    let expected = if is_special { at } else { length };
                    assert_eq!(super::length(&text), expected, "{byte:#x} at {at} in {around:#x}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_two_is_found() {
        for second in 0..=u8::MAX {
            let mut text = vec![b'!'; 40];
            text[9] = b'"';
            text[10] = second;
            assert_eq!(length(&text), 9);
        }
    }
}
