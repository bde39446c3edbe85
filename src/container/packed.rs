//! A container as it is kept: in one piece of memory, a sixth of what its object takes. Only for
//! this process: nothing of it is written anywhere.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::{Agent, Compose, Container, Health, Mount, Port, is_running, port};
use crate::image::Image;
use crate::label::{self, Tree};
use crate::plan::{Condition, Dependency, Plan, Ready, StopMethod};
use crate::sorted::Map;

/// One container, kept: the fields of its object one behind the other, but for those that follow
/// from others. Equal where the objects are. A clone is the same piece.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed(Rc<[u8]>);

impl Packed {
    /// A container, to be kept.
    pub fn of(container: &Container) -> Packed {
        let mut to = Vec::new();
        pack_text(&format!("{}/{}", container.engine, container.container_name), &mut to);
        container.pack(&mut to);
        Packed(to.into())
    }

    /// The container's object again.
    pub fn container(&self) -> Container {
        let mut rest = Rest(&self.0);
        rest.text();
        Container::unpack(&mut rest)
    }

    /// The engine's name and its own: `local/web`.
    pub fn full_name(&self) -> &str {
        self.text(0)
    }

    /// The full id.
    pub fn id(&self) -> &str {
        self.text(1)
    }

    /// `running`, `exited`, ….
    pub fn state(&self) -> &str {
        self.text(2)
    }

    /// The engine's name in the config.
    pub fn engine(&self) -> &str {
        self.text(3)
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.text(4)
    }

    /// How many bytes that takes, but for the heap's own.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// One of the texts that stand first.
    fn text(&self, place: usize) -> &str {
        let mut rest = Rest(&self.0);
        for _ in 0..place {
            rest.text();
        }
        rest.text()
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.container().fmt(f)
    }
}

/// What can be packed. What was packed is unpacked as the same type, or it is a mistake of ours.
trait Pack: Sized {
    fn pack(&self, to: &mut Vec<u8>);
    fn unpack(from: &mut Rest<'_>) -> Self;
}

/// What is not unpacked yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }

    /// Seven bits a byte, the lowest first; all but the last byte have the eighth.
    fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.bytes(1)[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
        }
        unreachable!("no number has more bytes")
    }

    fn count(&mut self) -> usize {
        self.number() as usize
    }

    fn text(&mut self) -> &'a str {
        let count = self.count();
        let Ok(text) = str::from_utf8(self.bytes(count)) else {
            unreachable!("what was packed was a text")
        };
        text
    }
}

fn pack_number(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Numbers.
macro_rules! pack_numbers {
    ($($kind:ty),*) => {$(
        impl Pack for $kind {
            fn pack(&self, to: &mut Vec<u8>) {
                pack_number(u64::from(*self), to);
            }

            fn unpack(from: &mut Rest<'_>) -> $kind {
                from.number() as $kind
            }
        }
    )*};
}

/// What is one of some words.
macro_rules! pack_words {
    ($($kind:ident: $($word:ident)*;)*) => {$(
        impl Pack for $kind {
            fn pack(&self, to: &mut Vec<u8>) {
                to.push(match self { $($kind::$word => $kind::$word as u8,)* });
            }

            fn unpack(from: &mut Rest<'_>) -> $kind {
                let words = [$($kind::$word),*];
                words[from.count()]
            }
        }
    )*};
}

/// What has fields: those that are kept, and those that follow from them.
macro_rules! pack_fields {
    ($($kind:ident: $($field:ident $([$of:ty])?)* $(=> $($more:ident = $value:expr),*)?;)*) => {$(
        impl Pack for $kind {
            fn pack(&self, to: &mut Vec<u8>) {
                $(self.$field.pack(to);)*
            }

            fn unpack(from: &mut Rest<'_>) -> $kind {
                $(let $field $(: $of)? = Pack::unpack(from);)*
                $($(let $more = $value;)*)?
                $kind { $($field,)* $($($more,)*)? }
            }
        }
    )*};
}

pack_numbers!(u16, u32, u64);

pack_words! {
    Condition: ServiceStarted ServiceHealthy ServiceCompletedSuccessfully;
    Health: None Starting Healthy Unhealthy;
    Ready: Healthy Probe;
    StopMethod: Stop Pause Kill;
}

pack_fields! {
    Agent: addr name;
    Compose: depends_on project service;
    Container: container_id state [String] engine container_name
        agent aliases compose docker_cfg errors health idlewatcher_config image is_blacklisted
        is_excluded is_host_network_mode is_silent labels mounts network network_mode node
        ports [Vec<Port>] private_hostname public_hostname routes vmid
        => is_explicit = label::is_explicit(&labels),
        private_ports = port::by_private(&ports),
        public_ports = port::by_public(&ports),
        running = is_running(&state);
    Dependency: condition name restart;
    Image: author name sha256 tag version;
    Mount: destination kind rw source;
    Plan: depends_on idle_cpu_percent idle_threshold_bytes idle_timeout no_loading_page ready
        start_endpoint stop_method stop_signal stop_timeout wake_timeout;
    Port: ip kind private_port public_port;
}

impl Pack for bool {
    fn pack(&self, to: &mut Vec<u8>) {
        to.push((*self).into());
    }

    fn unpack(from: &mut Rest<'_>) -> bool {
        from.number() != 0
    }
}

impl Pack for f64 {
    fn pack(&self, to: &mut Vec<u8>) {
        self.to_bits().pack(to);
    }

    fn unpack(from: &mut Rest<'_>) -> f64 {
        f64::from_bits(from.number())
    }
}

impl Pack for Duration {
    fn pack(&self, to: &mut Vec<u8>) {
        self.as_secs().pack(to);
        self.subsec_nanos().pack(to);
    }

    fn unpack(from: &mut Rest<'_>) -> Duration {
        let secs = from.number();
        Duration::new(secs, u32::unpack(from))
    }
}

fn pack_text(text: &str, to: &mut Vec<u8>) {
    pack_number(text.len() as u64, to);
    to.extend_from_slice(text.as_bytes());
}

impl Pack for String {
    fn pack(&self, to: &mut Vec<u8>) {
        pack_text(self, to);
    }

    fn unpack(from: &mut Rest<'_>) -> String {
        from.text().to_owned()
    }
}

/// A port's kind, or what an image mostly has.
impl Pack for Cow<'static, str> {
    fn pack(&self, to: &mut Vec<u8>) {
        pack_text(self, to);
    }

    fn unpack(from: &mut Rest<'_>) -> Cow<'static, str> {
        port::common(from.text().into())
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, to: &mut Vec<u8>) {
        self.is_some().pack(to);
        self.iter().for_each(|one| one.pack(to));
    }

    fn unpack(from: &mut Rest<'_>) -> Option<T> {
        bool::unpack(from).then(|| T::unpack(from))
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, to: &mut Vec<u8>) {
        pack_number(self.len() as u64, to);
        self.iter().for_each(|one| one.pack(to));
    }

    fn unpack(from: &mut Rest<'_>) -> Vec<T> {
        (0..from.count()).map(|_| T::unpack(from)).collect()
    }
}

impl<V: Pack> Pack for Map<String, V> {
    fn pack(&self, to: &mut Vec<u8>) {
        pack_number(self.len() as u64, to);
        for (name, value) in self {
            pack_text(name, to);
            value.pack(to);
        }
    }

    fn unpack(from: &mut Rest<'_>) -> Map<String, V> {
        (0..from.count()).map(|_| (String::unpack(from), V::unpack(from))).collect()
    }
}

impl Pack for Tree {
    fn pack(&self, to: &mut Vec<u8>) {
        match self {
            Tree::Leaf(text) => {
                to.push(0);
                text.pack(to);
            }
            Tree::List(list) => {
                to.push(1);
                list.pack(to);
            }
            Tree::Branch(map) => {
                to.push(2);
                map.pack(to);
            }
        }
    }

    fn unpack(from: &mut Rest<'_>) -> Tree {
        match from.number() {
            0 => Tree::Leaf(Pack::unpack(from)),
            1 => Tree::List(Pack::unpack(from)),
            2 => Tree::Branch(Pack::unpack(from)),
            _ => unreachable!("there are no more kinds"),
        }
    }
}
