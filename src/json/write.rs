//! Objects as JSON without spaces, as every verb prints them. Reads none.

use std::fmt::{self, Display};
use std::io::Write;

use serde::Serializer;
use serde::ser::{Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct};
use serde_json::Number;

use super::plain;

/// Appends `object`. Most of what is printed is text: eight bytes of one are looked at together,
/// which is why this is not serde_json's.
pub fn json<T: Serialize>(object: &T, out: &mut Vec<u8>) {
    if object.serialize(&mut Json(out)).is_err() {
        unreachable!("tuples, bytes and enums with values are not printed")
    }
}

struct Json<'a>(&'a mut Vec<u8>);

type Done = Result<(), fmt::Error>;
type Never = Impossible<(), fmt::Error>;

impl Json<'_> {
    fn put(&mut self, text: &str) -> Done {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn show(&mut self, value: impl Display) -> Done {
        write!(self.0, "{value}").map_err(|_| fmt::Error)
    }

    fn signed(&mut self, value: i64) -> Done {
        if value < 0 {
            self.0.push(b'-');
        }
        self.unsigned(value.unsigned_abs())
    }

    /// Its last digit first; `u64::MAX` has twenty.
    fn unsigned(&mut self, mut value: u64) -> Done {
        let mut digits = [b'0'; 20];
        let mut from = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit += (value % 10) as u8;
            value /= 10;
            from -= 1;
            if value == 0 {
                break;
            }
        }
        self.0.extend_from_slice(digits.get(from..).unwrap_or_default());
        Ok(())
    }

    /// Between two of a list or a map; the first stands right behind its bracket.
    #[inline]
    fn comma(&mut self) {
        if !matches!(self.0.last(), Some(b'[' | b'{')) {
            self.0.push(b',');
        }
    }

    /// The name of a field: plain text, as all of ours are.
    fn key(&mut self, key: &str) {
        self.0.reserve(key.len() + 4);
        self.comma();
        self.0.push(b'"');
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn text(&mut self, text: &str) -> Done {
        self.0.reserve(text.len() + 2);
        self.0.push(b'"');
        let mut rest = text.as_bytes();
        loop {
            let (plain, special) = rest.split_at(plain::length(rest));
            self.0.extend_from_slice(plain);
            let Some((special, behind)) = special.split_first() else { break };
            self.escape(*special)?;
            rest = behind;
        }
        self.0.push(b'"');
        Ok(())
    }

    /// RFC 8259 §7.
    fn escape(&mut self, byte: u8) -> Done {
        let letter = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            _ => return self.show(format_args!("\\u{byte:04x}")),
        };
        self.0.extend_from_slice(&[b'\\', letter]);
        Ok(())
    }
}

macro_rules! numbers {
    ($($name:ident $kind:ty, $way:ident,)*) => {
        $(fn $name(self, value: $kind) -> Done { self.$way(value.into()) })*
    };
}

impl Serializer for &mut Json<'_> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeStructVariant = Never;

    numbers! {
        serialize_i8 i8, signed, serialize_i16 i16, signed,
        serialize_i32 i32, signed, serialize_i64 i64, signed,
        serialize_u8 u8, unsigned, serialize_u16 u16, unsigned,
        serialize_u32 u32, unsigned, serialize_u64 u64, unsigned,
    }

    fn serialize_bool(self, value: bool) -> Done {
        self.put(if value { "true" } else { "false" })
    }

    fn serialize_f32(self, value: f32) -> Done {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Done {
        match Number::from_f64(value) {
            Some(number) => self.show(number),
            None => self.serialize_unit(),
        }
    }

    fn serialize_char(self, value: char) -> Done {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Done {
        self.text(value)
    }

    fn serialize_none(self) -> Done {
        self.put("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        self.put("null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.put("null")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.text(variant)
    }

    fn serialize_newtype_struct<T>(self, _: &'static str, value: &T) -> Done
    where
        T: Serialize + ?Sized,
    {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.0.push(b'[');
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.0.push(b'{');
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        self.0.push(b'{');
        Ok(self)
    }

    fn serialize_bytes(self, _: &[u8]) -> Done {
        Err(fmt::Error)
    }

    fn serialize_newtype_variant<T>(self, _: &'static str, _: u32, _: &'static str, _: &T) -> Done
    where
        T: Serialize + ?Sized,
    {
        Err(fmt::Error)
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, fmt::Error> {
        Err(fmt::Error)
    }
}

impl SerializeSeq for &mut Json<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.comma();
        value.serialize(&mut **self)
    }

    fn end(self) -> Done {
        self.put("]")
    }
}

impl SerializeMap for &mut Json<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.comma();
        let from = self.0.len();
        key.serialize(&mut **self)?;
        // A number: a key is always a text.
        if self.0.get(from) != Some(&b'"') {
            self.0.insert(from, b'"');
            self.0.push(b'"');
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.0.push(b':');
        value.serialize(&mut **self)
    }

    fn end(self) -> Done {
        self.put("}")
    }
}

impl SerializeStruct for &mut Json<'_> {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_field<T>(&mut self, key: &'static str, value: &T) -> Done
    where
        T: Serialize + ?Sized,
    {
        self.key(key);
        value.serialize(&mut **self)
    }

    fn end(self) -> Done {
        self.put("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn written<T: Serialize>(object: &T) -> String {
        let mut out = b"[".to_vec();
        json(object, &mut out);
        String::from_utf8(out).unwrap().split_off(1)
    }

    #[test]
    fn every_kind_of_value_is_written_as_serde_json_writes_it() {
        let ports = BTreeMap::from([(1_u16, Some("a")), (20, None)]);
        assert_eq!(written(&ports), r#"{"1":"a","20":null}"#);
        for number in [0.5, 5.0, 1e-7, 1e300, f64::NAN, -0.0] {
            assert_eq!(written(&number), serde_json::to_string(&number).unwrap());
        }
        let lists = vec![vec![i64::MIN], vec![], vec![0, 1]];
        assert_eq!(written(&lists), "[[-9223372036854775808],[],[0,1]]");
        assert_eq!(written(&vec![true, false]), "[true,false]");
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_serde_json_writes_it(
            text in proptest::collection::vec(
                prop_oneof![any::<char>(), (0..0x80_u8).prop_map(char::from)],
                0..40,
            ),
        ) {
            let text = String::from_iter(text);
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
