//! Whether somebody else listens where a redirect door stands, and would get nobody.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::net::door::{Transport, entrance};

/// Read of a table of sockets: the listening ones come first, a line has about 150 bytes.
const TABLE_LIMIT_BYTES: u64 = 1 << 20;
/// The state of a listening TCP socket and of an unconnected UDP one in `/proc/net` (proc(5)).
const LISTENS: &str = "0A";
const UNCONNECTED: &str = "07";

/// Whether somebody listens at this binding, or at a wider or narrower one that takes its place.
/// Costs two system calls where nobody does.
pub fn is_taken(binding: SocketAddr, transport: Transport) -> bool {
    let bound = match transport {
        // Only bound, for to listen would draw connections; and only for a moment.
        Transport::Tcp => entrance::stream(binding).map(drop),
        Transport::Udp => entrance::datagrams(binding).map(drop),
    };
    // An address that is not (or no longer) this host's is nobody's.
    if !bound.is_err_and(|error| error.kind() == ErrorKind::AddrInUse) {
        return false;
    }
    let (table, state) = match (transport, binding.is_ipv4()) {
        (Transport::Tcp, true) => ("tcp", LISTENS),
        (Transport::Tcp, false) => ("tcp6", LISTENS),
        (Transport::Udp, true) => ("udp", UNCONNECTED),
        (Transport::Udp, false) => ("udp6", UNCONNECTED),
    };
    // A dual-stack listener is in the table of IPv6 alone.
    let names = if binding.is_ipv4() { [table, &format!("{table}6")] } else { [table, table] };
    names.iter().any(|name| {
        let mut text = String::new();
        let read = File::open(format!("/proc/net/{name}"))
            .and_then(|file| file.take(TABLE_LIMIT_BYTES).read_to_string(&mut text));
        read.is_ok() && bound_in(&text, state).any(|at| overlap(at, binding))
    })
}

/// The local addresses of the sockets in this state, in a table as `/proc/net/tcp` or `udp6`.
fn bound_in<'a>(table: &'a str, state: &'a str) -> impl Iterator<Item = SocketAddr> + 'a {
    let fields = |line: &'a str| {
        let mut fields = line.split_ascii_whitespace();
        Some((fields.nth(1)?, fields.nth(1)?))
    };
    let lines = table.lines().skip(1).filter_map(fields);
    let lines = lines.filter(move |(_, is)| *is == state);
    lines.filter_map(|(local, _)| address(local))
}

/// `0100007F:1F90`, or four such words before the port: each as the machine orders its bytes.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let mut octets = [0; 16];
            octets.iter_mut().zip(words.iter().flatten()).for_each(|(to, from)| *to = *from);
            Ipv6Addr::from(octets).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Whether what listens at `at` and what is published at `binding` are for the same connections.
/// `[::]` may take IPv4 as well: the kernel has said that the address is in use.
fn overlap(at: SocketAddr, binding: SocketAddr) -> bool {
    let (ip, other) = (at.ip().to_canonical(), binding.ip());
    let is_any = ip.is_unspecified() || other.is_unspecified();
    at.port() == binding.port() && (ip == other || is_any)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn the_listening_ones_of_a_table_are_read() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n   \
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n   \
             1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n   \
             2: 0100007F:C000 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 0 0 1\n";
        let found: Vec<_> = bound_in(tcp, LISTENS).map(|at| at.to_string()).collect();
        assert_eq!(found, ["127.0.0.1:8080", "0.0.0.0:22"]);
        let tcp6 = "  sl  local_address remote_address st\n   0: \
             00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A\n   1: \
             0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A\nbad\n";
        let found: Vec<_> = bound_in(tcp6, LISTENS).map(|at| at.to_string()).collect();
        assert_eq!(found, ["[::1]:80", "[::ffff:127.0.0.1]:81"]);
    }

    #[test]
    fn a_listener_is_found_and_a_mere_connection_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        assert!(is_taken(at, Transport::Tcp));
        assert!(is_taken(([0, 0, 0, 0], at.port()).into(), Transport::Tcp));
        assert!(!is_taken(([127, 0, 0, 2], at.port()).into(), Transport::Tcp));
        let client = std::net::TcpStream::connect(at).unwrap();
        assert!(!is_taken(client.local_addr().unwrap(), Transport::Tcp));
        drop(listener);
        assert!(!is_taken(at, Transport::Tcp));

        let socket = UdpSocket::bind("[::1]:0").unwrap();
        let at = socket.local_addr().unwrap();
        assert!(is_taken(at, Transport::Udp));
        assert!(!is_taken(at, Transport::Tcp));
        assert!(!is_taken("192.0.2.1:9".parse().unwrap(), Transport::Tcp));
    }
}
