//! JSON text, read from front to back without a tree. Takes only what it understands at once; who
//! wants to know what is wrong with the rest asks serde_json.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::plain;

/// A place in a text. `None` is always: something else stands here, and the place is of no more
/// use.
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
    has_lines: bool,
}

impl<'a> Scan<'a> {
    /// At the start.
    pub fn new(text: &'a str) -> Scan<'a> {
        Scan { text, at: 0, has_lines: false }
    }

    /// How many bytes are read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether a line ends in what is read.
    pub fn has_lines(&self) -> bool {
        self.has_lines
    }

    /// An object; `field` reads the value of each key. The later of two equal keys comes later.
    pub fn object(
        &mut self,
        field: &mut dyn FnMut(&mut Scan<'a>, &str) -> Option<()>,
    ) -> Option<()> {
        self.items(b'{', b'}', &mut |from| {
            let key = from.text()?;
            if from.next()? != b':' {
                return None;
            }
            field(from, &key)
        })
    }

    /// A list, of which `item` reads one; `null` is an empty one.
    pub fn list(&mut self, item: &mut dyn FnMut(&mut Scan<'a>) -> Option<()>) -> Option<()> {
        if self.null() { Some(()) } else { self.items(b'[', b']', item) }
    }

    /// A text.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        match self.plain()? {
            Some(text) => Some(Cow::Borrowed(text)),
            None => self.other().map(Cow::Owned),
        }
    }

    /// A text of one's own.
    pub fn owned(&mut self) -> Option<String> {
        self.text().map(Cow::into_owned)
    }

    /// A text, or `null` for an empty one.
    pub fn string(&mut self) -> Option<String> {
        if self.null() { Some(String::new()) } else { self.owned() }
    }

    /// A text without escapes; within, `None` is one with, which is still to be read.
    #[inline(always)]
    fn plain(&mut self) -> Option<Option<&'a str>> {
        if self.peek()? != b'"' {
            return None;
        }
        let from = self.at + 1;
        let to = from + plain::length(self.text.as_bytes().get(from..)?);
        match *self.text.as_bytes().get(to)? {
            b'"' => {
                self.at = to + 1;
                self.text.get(from..to).map(Some)
            }
            b'\\' => Some(None),
            _ => None,
        }
    }

    /// A whole number that fits, or a word, as serde_json has them.
    pub fn other<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = Deserializer::from_str(self.text.get(self.at..)?).into_iter();
        let value = values.next()?.ok()?;
        let end = self.at + values.byte_offset();
        self.has_lines |= self.text.get(self.at..end)?.contains('\n');
        self.at = end;
        Some(value)
    }

    /// Any value, which is not looked at.
    pub fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => match self.plain()? {
                Some(_) => Some(()),
                None => self.other::<IgnoredAny>().map(drop),
            },
            b'n' if self.null() => Some(()),
            b'1'..=b'9' if self.digits() => Some(()),
            _ => self.other::<IgnoredAny>().map(drop),
        }
    }

    /// Takes a `null`, if one stands here.
    pub fn null(&mut self) -> bool {
        const NULL: &[u8] = b"null";
        let is = self.peek() == Some(b'n') && self.rest().starts_with(NULL);
        self.at += if is { NULL.len() } else { 0 };
        is
    }

    /// Takes a whole number, if nothing but digits and the end of a field stands here.
    fn digits(&mut self) -> bool {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or_default();
        let is = matches!(rest.get(length), Some(b',' | b'}' | b']'));
        self.at += if is { length } else { 0 };
        is
    }

    /// What stands between brackets, with commas between.
    fn items(
        &mut self,
        open: u8,
        close: u8,
        item: &mut dyn FnMut(&mut Scan<'a>) -> Option<()>,
    ) -> Option<()> {
        if self.next()? != open {
            return None;
        }
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            item(self)?;
            match self.next()? {
                b',' => {}
                byte if byte == close => return Some(()),
                _ => return None,
            }
        }
    }

    /// Takes the next byte that is no white space.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte that is no white space.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied();
        // Engines write none.
        byte.filter(|byte| *byte > b' ').or_else(|| self.peek_behind_space())
    }

    #[cold]
    fn peek_behind_space(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.has_lines |= byte == b'\n';
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}
