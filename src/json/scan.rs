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
}

impl<'a> Scan<'a> {
    /// At the start.
    pub fn new(text: &'a str) -> Scan<'a> {
        Scan { text, at: 0 }
    }

    /// How many bytes are read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// An object; `field` reads the value of each key. The later of two equal keys comes later.
    pub fn object(
        &mut self,
        mut field: impl FnMut(&mut Scan<'a>, &str) -> Option<()>,
    ) -> Option<()> {
        self.items(b'{', b'}', |from| {
            let key = from.text()?;
            if from.next()? != b':' {
                return None;
            }
            field(from, &key)
        })
    }

    /// A list of what `item` reads; `null` is an empty one.
    pub fn list<T>(&mut self, item: impl Fn(&mut Scan<'a>) -> Option<T>) -> Option<Vec<T>> {
        let mut list = Vec::new();
        if !self.null() {
            self.items(b'[', b']', |from| {
                list.push(item(from)?);
                Some(())
            })?;
        }
        Some(list)
    }

    /// A text.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        if self.next()? != b'"' {
            return None;
        }
        let from = self.at;
        let to = from + plain::length(self.rest());
        match *self.text.as_bytes().get(to)? {
            b'"' => {
                self.at = to + 1;
                self.text.get(from..to).map(Cow::Borrowed)
            }
            b'\\' => {
                self.at = from - 1;
                self.other().map(Cow::Owned)
            }
            _ => None,
        }
    }

    /// A text, or `null` for an empty one.
    pub fn string(&mut self) -> Option<String> {
        if self.null() { Some(String::new()) } else { self.text().map(Cow::into_owned) }
    }

    /// A whole number that fits, or a word, as serde_json has them.
    pub fn other<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = Deserializer::from_str(self.text.get(self.at..)?).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }

    /// Any value, which is not looked at.
    pub fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.text().map(drop),
            b'n' if self.null() => Some(()),
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

    /// What stands between brackets, with commas between.
    fn items(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Scan<'a>) -> Option<()>,
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
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte that is no white space.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}
