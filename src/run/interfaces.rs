//! Which interface of a container is on which network, and what went through it, from the texts of
//! /proc. Opens no file.

use std::net::Ipv4Addr;

use crate::docker::stats::Traffic;
use crate::sorted::Map;

/// No container has more.
const INTERFACES: usize = 1024;

/// The interface whose network holds this address, from `/proc/<pid>/net/route`.
pub fn of_address(route: &[u8], address: Ipv4Addr) -> Option<String> {
    let text = String::from_utf8_lossy(route);
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (name, to) = (words.next()?.to_owned(), words.next()?);
        let mask = words.nth(5)?;
        // As they lie in memory, which is in network order.
        let number = |hex: &str| {
            u32::from_str_radix(hex, 16).ok().map(|number| u32::from_be_bytes(number.to_ne_bytes()))
        };
        let (to, mask) = (number(to)?, number(mask)?);
        (mask != 0 && address.to_bits() & mask == to).then_some((mask.count_ones(), name))
    };
    text.lines().skip(1).filter_map(line).max().map(|(_, name)| name)
}

/// What went through each interface but `lo`, from `/proc/<pid>/net/dev`.
pub fn traffic(dev: &[u8]) -> Map<String, Traffic> {
    let text = String::from_utf8_lossy(dev);
    let line = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        let mut counters = counters.split_ascii_whitespace().map(str::parse);
        let (rx, tx) = (counters.next()?.ok()?, counters.nth(7)?.ok()?);
        Some((name.trim().to_owned(), Traffic { rx_bytes: rx, tx_bytes: tx }))
    };
    let all = text.lines().skip(2).take(INTERFACES).filter_map(line);
    all.filter(|(name, _)| name != "lo").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &[u8] = b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
        eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        eth1\t000013AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn an_address_is_on_the_interface_that_its_network_is_reached_by() {
        let of = |address: [u8; 4]| of_address(ROUTE, address.into());
        assert_eq!(of([172, 18, 0, 2]), Some("eth0".into()));
        assert_eq!(of([172, 19, 255, 9]), Some("eth1".into()));
        assert_eq!(of([10, 0, 0, 1]), None, "the default route is nobody's network");
        assert_eq!(of_address(b"", [10, 0, 0, 1].into()), None);
    }

    #[test]
    fn every_interface_but_lo_has_its_bytes() {
        let dev = b"Inter-|   Receive  |  Transmit\n face |bytes packets\n\
            lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n  eth0:1234 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n";
        let expected = [("eth0".to_owned(), Traffic { rx_bytes: 1234, tx_bytes: 99 })];
        assert_eq!(traffic(dev), expected.into());
        assert!(traffic(b"x\ny\nz: 1 2\n").is_empty());
    }
}
