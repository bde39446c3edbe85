//! The rules of redirect doors as text for `nft -f -`. Pure: runs nothing.
//!
//! ```text
//! connection to this host ──▶ doors: ours (marked)? go on
//!                                    address.port or port in a set? to our port : go on
//!            to our own ports ──▶ guard: not sent here by a rule? refused
//! ```
//!
//! What a rule does is decided by elements of sets that the kernel forgets after
//! [`ELEMENT_LIFE_SECONDS`]: without drowse the table stays, and does nothing. The hooks run just
//! before those of the engine (`dstnat`, -100).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use crate::net::door::entrance::MARK;
use crate::net::door::{Door, Transport};

/// How long an element stays when it is not renewed.
pub const ELEMENT_LIFE_SECONDS: u32 = 60;
/// The port whose table has the plain name.
pub const USUAL_PORT: u16 = 41960;

/// One binding whose connections are sent to a port of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whose.
    pub door: Door,
    /// The published address; `0.0.0.0` and `[::]`: any of this host.
    pub binding: SocketAddr,
    /// TCP or UDP.
    pub transport: Transport,
    /// The port of ours.
    pub to: u16,
}

/// The table of a drowse whose doors listen at `port`: two can stand beside each other.
pub fn table(port: u16) -> String {
    match port {
        USUAL_PORT => "inet drowse".into(),
        port => format!("inet drowse_{port}"),
    }
}

/// Our own ports, which only rules may lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guarded {
    /// Listeners.
    pub tcp: Vec<u16>,
    /// Sockets for datagrams.
    pub udp: Vec<u16>,
}

/// Each set: its name, its key, and whether it is a map to a port.
const SETS: [(&str, &str, &str); 10] = [
    ("set", "tcp4", "inet_service"),
    ("set", "tcp6", "inet_service"),
    ("set", "tcp4_at", "ipv4_addr . inet_service"),
    ("set", "tcp6_at", "ipv6_addr . inet_service"),
    ("map", "udp4", "inet_service : inet_service"),
    ("map", "udp6", "inet_service : inet_service"),
    ("map", "udp4_at", "ipv4_addr . inet_service : inet_service"),
    ("map", "udp6_at", "ipv6_addr . inet_service : inet_service"),
    ("set", "own_tcp", "inet_service"),
    ("set", "own_udp", "inet_service"),
];

/// Makes the table, whatever was there before, with these rules.
pub fn anew(port: u16, rules: &[Rule], guarded: &Guarded) -> String {
    let table = table(port);
    let mut text = format!("add table {table}\ndelete table {table}\ntable {table} {{\n");
    for (kind, name, types) in SETS {
        let life = ELEMENT_LIFE_SECONDS;
        let _ =
            writeln!(text, "  {kind} {name} {{ type {types}; flags timeout; timeout {life}s; }}");
    }
    let _ = write!(
        text,
        "  chain doors {{
    meta mark {MARK:#x} return
    fib daddr type != local return
    ip daddr . tcp dport @tcp4_at redirect to :{port}
    ip6 daddr . tcp dport @tcp6_at redirect to :{port}
    meta nfproto ipv4 tcp dport @tcp4 redirect to :{port}
    meta nfproto ipv6 tcp dport @tcp6 redirect to :{port}
    meta l4proto udp redirect to :ip daddr . udp dport map @udp4_at
    meta l4proto udp redirect to :ip6 daddr . udp dport map @udp6_at
    meta nfproto ipv4 meta l4proto udp redirect to :udp dport map @udp4
    meta nfproto ipv6 meta l4proto udp redirect to :udp dport map @udp6
  }}
  chain from_outside {{ type nat hook prerouting priority -110; jump doors; }}
  chain from_here {{ type nat hook output priority -110; jump doors; }}
  chain guard {{
    type filter hook input priority -10
    ct status dnat accept
    tcp dport @own_tcp reject with tcp reset
    udp dport @own_udp reject
  }}
}}
"
    );
    add_elements(&mut text, &table, (rules, guarded));
    text
}

/// Makes the elements of a table that is there those of these rules, with their whole life before
/// them, in one step.
pub fn renewed(port: u16, rules: &[Rule], guarded: &Guarded) -> String {
    let table = table(port);
    let mut text = String::new();
    for (kind, name, _) in SETS {
        let _ = writeln!(text, "flush {kind} {table} {name}");
    }
    add_elements(&mut text, &table, (rules, guarded));
    text
}

/// Takes the table away, if it is there.
pub fn none(port: u16) -> String {
    let table = table(port);
    format!("add table {table}\ndelete table {table}\n")
}

fn add_elements(text: &mut String, table: &str, (rules, guarded): (&[Rule], &Guarded)) {
    for (_, name, _) in SETS {
        let mut elements: Vec<String> = match name {
            "own_tcp" => guarded.tcp.iter().map(u16::to_string).collect(),
            "own_udp" => guarded.udp.iter().map(u16::to_string).collect(),
            name => rules.iter().filter(|rule| set(rule) == name).map(element).collect(),
        };
        // The same element twice is an error where it maps to two ports.
        let key = |element: &str| element.split(" : ").next().map(str::to_owned);
        crate::sorted::sort(&mut elements);
        elements.dedup_by_key(|element| key(element));
        if !elements.is_empty() {
            let _ = writeln!(text, "add element {table} {name} {{ {} }}", elements.join(", "));
        }
    }
}

fn set(rule: &Rule) -> &'static str {
    let is_any = rule.binding.ip().is_unspecified();
    match (rule.transport, rule.binding.ip(), is_any) {
        (Transport::Tcp, IpAddr::V4(_), true) => "tcp4",
        (Transport::Tcp, IpAddr::V4(_), false) => "tcp4_at",
        (Transport::Tcp, IpAddr::V6(_), true) => "tcp6",
        (Transport::Tcp, IpAddr::V6(_), false) => "tcp6_at",
        (Transport::Udp, IpAddr::V4(_), true) => "udp4",
        (Transport::Udp, IpAddr::V4(_), false) => "udp4_at",
        (Transport::Udp, IpAddr::V6(_), true) => "udp6",
        (Transport::Udp, IpAddr::V6(_), false) => "udp6_at",
    }
}

fn element(rule: &Rule) -> String {
    let (ip, port) = (rule.binding.ip(), rule.binding.port());
    let mut text = if ip.is_unspecified() { port.to_string() } else { format!("{ip} . {port}") };
    if rule.transport == Transport::Udp {
        let _ = write!(text, " : {}", rule.to);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(binding: &str, transport: Transport, to: u16) -> Rule {
        Rule { door: Door(1), binding: binding.parse().unwrap(), transport, to }
    }

    #[test]
    fn each_binding_is_in_the_set_that_is_as_wide_as_it() {
        let rules = [
            rule("0.0.0.0:8080", Transport::Tcp, 41960),
            rule("0.0.0.0:81", Transport::Tcp, 41960),
            rule("[::]:8080", Transport::Tcp, 41960),
            rule("127.0.0.1:90", Transport::Tcp, 41960),
            rule("[2001:db8::1]:90", Transport::Tcp, 41960),
            rule("0.0.0.0:53", Transport::Udp, 5001),
            rule("[::]:53", Transport::Udp, 5002),
            rule("127.0.0.1:54", Transport::Udp, 5003),
            rule("[::1]:54", Transport::Udp, 5004),
        ];
        let guarded = Guarded { tcp: vec![41960], udp: vec![5001, 5002] };
        let text = renewed(41960, &rules, &guarded);
        let added: Vec<_> = text.lines().filter(|line| line.starts_with("add")).collect();
        assert_eq!(
            added,
            [
                "add element inet drowse tcp4 { 8080, 81 }",
                "add element inet drowse tcp6 { 8080 }",
                "add element inet drowse tcp4_at { 127.0.0.1 . 90 }",
                "add element inet drowse tcp6_at { 2001:db8::1 . 90 }",
                "add element inet drowse udp4 { 53 : 5001 }",
                "add element inet drowse udp6 { 53 : 5002 }",
                "add element inet drowse udp4_at { 127.0.0.1 . 54 : 5003 }",
                "add element inet drowse udp6_at { ::1 . 54 : 5004 }",
                "add element inet drowse own_tcp { 41960 }",
                "add element inet drowse own_udp { 5001, 5002 }",
            ]
        );
        let flushed = text.lines().filter(|line| line.starts_with("flush ")).count();
        assert_eq!(flushed, SETS.len());
    }

    #[test]
    fn a_table_is_made_whatever_was_there_and_named_by_the_port() {
        let text = anew(41999, &[], &Guarded::default());
        let named = "table inet drowse_41999";
        let begins = format!("add {named}\ndelete {named}\n{named} {{\n");
        assert!(text.starts_with(&begins), "{text}");
        assert!(text.contains("redirect to :41999\n") && !text.contains("add element"));
        assert!(text.contains("meta mark 0x64726f77 return\n"));
        assert_eq!(none(41960), "add table inet drowse\ndelete table inet drowse\n");
    }

    #[test]
    fn one_binding_wanted_twice_is_one_element() {
        let rules = [
            rule("0.0.0.0:53", Transport::Udp, 5002),
            rule("0.0.0.0:53", Transport::Udp, 5001),
            rule("0.0.0.0:80", Transport::Tcp, 1),
            rule("0.0.0.0:80", Transport::Tcp, 1),
        ];
        let text = renewed(41960, &rules, &Guarded::default());
        assert!(text.contains("udp4 { 53 : 5001 }\n"), "{text}");
        assert!(text.contains("tcp4 { 80 }\n"), "{text}");
    }
}
