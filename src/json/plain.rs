//! The stretches of a text that JSON writes as they are. Knows no JSON beyond that.

const EACH: u64 = 0x0101_0101_0101_0101;

/// What stands before the first byte that JSON does not write as it is (`"`, `\`, a control
/// character), that byte, and what follows it. Eight bytes are looked at together.
pub fn split(text: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let (words, last) = text.as_chunks();
    let mut at = 0;
    for word in words {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return parts(text, at + special.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    parts(text, at + last.iter().position(special)?)
}

fn parts(text: &[u8], at: usize) -> Option<(&[u8], u8, &[u8])> {
    let (plain, rest) = text.split_at_checked(at)?;
    let (byte, behind) = rest.split_first()?;
    Some((plain, *byte, behind))
}

/// Of eight bytes, the high bit of the first that JSON does not write as it is, and of some behind
/// it: subtracting from a byte that is too small borrows from the next.
fn specials(word: u64) -> u64 {
    let below = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word;
    let is = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (below(word, b' ') | is(b'"') | is(b'\\')) & (EACH << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
            for at in 0..20 {
                let mut text = [b'!'; 20];
                text[at] = byte;
                let expected = is_special.then(|| (&text[..at], byte, &text[at + 1..]));
                assert_eq!(split(&text), expected, "{byte:#x} at {at}");
            }
        }
    }
}
