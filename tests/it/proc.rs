//! The files of /proc and cgroups, as recorded from real containers and as nobody ever wrote them.

use std::fs;
use std::path::Path;

use drowse::docker::stats::Traffic;
use drowse::idle::knock::{self, Knock};
use drowse::idle::proc::{
    CpuFile, Waiting, cpu_files, is_connected, segments, stalled_nanos, traffic, waited_nanos,
    waiting_tcp, waiting_udp, waits_tcp, waits_udp,
};
use proptest::prelude::*;

const WEB: &str = "3589f0cb9d08056d4ab9bd0cece0e98a7016f3d597241ca556be4e3946999436";
const POD: &str = "e2624c6b45a6b838d77580a84b027d0e20a35e548d71e0d7753222c121895249";

/// One file of a recorded container.
fn file(container: &str, name: &str) -> String {
    let path = format!("testdata/proc/{container}.txt");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let head = format!("== {name}\n");
    let start = text.find(&head).unwrap() + head.len();
    let end = text[start..].find("== ").map_or(text.len(), |end| start + end);
    text[start..end].to_owned()
}

fn connected(container: &str) -> [bool; 2] {
    ["net/tcp", "net/tcp6"].map(|name| is_connected(file(container, name).as_bytes()))
}

fn waiting(container: &str) -> Waiting {
    let tcp = ["net/tcp", "net/tcp6"].map(|name| waiting_tcp(file(container, name).as_bytes()));
    let udp = ["net/udp", "net/udp6"].map(|name| waiting_udp(file(container, name).as_bytes()));
    tcp.into_iter().chain(udp).fold(Waiting::default(), Waiting::and)
}

fn moved(container: &str) -> Option<Traffic> {
    traffic(file(container, "net/dev").as_bytes())
}

fn waits(connections: u64, bytes: u64, datagram_bytes: u64) -> Waiting {
    Waiting { connections, bytes, datagram_bytes }
}

#[test]
fn who_waits_at_a_port_is_not_accepted_or_not_read() {
    let table = |local: &str, state: &str, queue: &str| {
        format!("   0: {local} 0100007F:D431 {state} 00000000:{queue} 00:00000000 00000000\n")
    };
    let cases = [
        ("listens, and one waits", table("00000000:1F54", "0A", "00000001"), true),
        ("listens", table("00000000:1F54", "0A", "00000000"), false),
        ("connected, and said something", table("0100007F:1F54", "01", "00000052"), true),
        ("connected", table("0100007F:1F54", "01", "00000000"), false),
        ("the end was not read", table("0100007F:1F54", "08", "00000001"), false),
        ("at another port", table("0100007F:1F55", "01", "00000052"), false),
    ];
    for (what, table, expected) in cases {
        assert_eq!(waits_tcp(table.as_bytes(), &[1, 0x1f54]), expected, "{what}");
    }
    let datagram = table("0100007F:0035", "07", "00000300");
    assert!(waits_udp(datagram.as_bytes(), &[53]) && !waits_udp(datagram.as_bytes(), &[54]));
    assert!(!waits_udp(table("0100007F:0035", "07", "00000000").as_bytes(), &[53]));
}

#[test]
fn traffic_is_that_of_all_interfaces_but_lo() {
    assert_eq!(moved("idle"), Some(Traffic { rx_bytes: 958, tx_bytes: 306 }));
    assert_eq!(moved("loopback"), Some(Traffic { rx_bytes: 1768, tx_bytes: 486 }));
    assert_eq!(moved("none"), None);
    let two =
        "  eth0:12 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n\twg0: 30 1 0 0 0 0 0 0 7 1 0 0\n lo: 9 1 0";
    assert_eq!(traffic(two.as_bytes()), Some(Traffic { rx_bytes: 42, tx_bytes: 12 }));
}

#[test]
fn an_interface_that_is_cut_off_or_odd_is_left_out() {
    let whole = "eth0: 12 1 0 0 0 0 0 0 5 1 0";
    assert_eq!(traffic(whole.as_bytes()), Some(Traffic { rx_bytes: 12, tx_bytes: 5 }));
    let too_big = format!("eth0: {} 1 0 0 0 0 0 0 5 1", u128::from(u64::MAX) + 1);
    for odd in ["eth0: 12 1 0 0 0 0 0 0 5", "eth0: -1 1 0 0 0 0 0 0 5 1", "eth0:", ":", &too_big] {
        assert_eq!(traffic(odd.as_bytes()), None, "{odd}");
        let both = format!("{odd}\n{whole}");
        assert_eq!(traffic(both.as_bytes()), traffic(whole.as_bytes()), "{odd}");
    }
    let full = format!("a: {0} 1 0 0 0 0 0 0 {0} 1\n{whole}", u64::MAX);
    let most = Traffic { rx_bytes: u64::MAX, tx_bytes: u64::MAX };
    assert_eq!(traffic(full.as_bytes()), Some(most));
}

#[test]
fn who_came_from_outside_to_a_listening_socket_is_connected() {
    assert_eq!(connected("established"), [false, true]);
    assert_eq!(connected("frozen-keepalive"), [true, false]);
    for container in ["idle", "none", "frozen"] {
        assert_eq!(connected(container), [false, false], "{container}");
    }
}

#[test]
fn who_came_from_inside_or_was_called_is_not() {
    assert_eq!(connected("loopback"), [false, false]);
    assert_eq!(connected("outbound"), [false, false]);
    assert_eq!(connected("frozen-closed"), [false, false], "the other end has closed it");
}

/// A table of a socket that listens, and one that is connected to it.
fn table(local: &str, remote: &str) -> String {
    let any = "0".repeat(local.len());
    let row = |remote: &str, state: &str| {
        format!(" 0: {local}:0050 {remote}:0000 {state} 00000000:00000000 00:0\n")
    };
    format!("{}{}", row(&any, "0A"), row(remote, "01"))
}

#[test]
fn loopback_is_known_in_both_families() {
    let mapped = |address: &str| format!("0000000000000000FFFF0000{address}");
    let from = |address: &str| is_connected(table(&"1".repeat(address.len()), address).as_bytes());
    for outside in [
        "0100000A",
        "7F000001",
        &mapped("0100000A"),
        "00000000000000000000000002000000",
        "000080FE000000000000000001000000",
        "0000000000000000010000000100007F",
    ] {
        assert!(from(outside), "{outside}");
    }
    for inside in ["0100007F", "0301047F", &mapped("0100007F"), "00000000000000000000000001000000"]
    {
        assert!(!from(inside), "{inside}");
    }
    assert!(!is_connected(table("024D1DAC", "024D1DAC").as_bytes()), "its own address");
}

#[test]
fn what_a_frozen_container_has_not_taken_shows() {
    for (container, expected) in [
        ("idle", waits(0, 0, 0)),
        ("frozen", waits(0, 0, 0)),
        ("frozen-ping", waits(0, 0, 0)),
        ("frozen-request", waits(1, 0x4e, 0)),
        ("frozen-request6", waits(1, 0x49, 0)),
        ("frozen-keepalive", waits(0, 0, 0)),
        ("frozen-unread", waits(0, 5, 0)),
        ("frozen-closed", waits(0, 0, 0)),
        ("frozen-datagram", waits(0, 0, 0x340)),
        ("frozen-datagram6", waits(0, 0, 0x340)),
    ] {
        assert_eq!(waiting(container), expected, "{container}");
    }
}

#[test]
fn requests_and_datagrams_wake_but_pings_do_not() {
    let before = |then, now| knock::find(waiting(then), waiting(now));
    assert_ne!(moved("frozen"), moved("frozen-ping"), "the hint is there");
    assert_eq!(before("frozen", "frozen-ping"), None);
    assert_eq!(before("frozen-ping", "frozen-request"), Some(Knock::Connection));
    assert_eq!(before("frozen-ping", "frozen-request6"), Some(Knock::Connection));
    assert_eq!(before("frozen-keepalive", "frozen-unread"), Some(Knock::Bytes));
    assert_eq!(before("frozen-keepalive", "frozen-closed"), None);
    assert_eq!(before("frozen-closed", "frozen-datagram"), Some(Knock::Datagram));
    assert_eq!(before("frozen-closed", "frozen-datagram6"), Some(Knock::Datagram));
}

#[test]
fn the_cpu_time_is_in_the_containers_own_cgroup() {
    let usage = |path: &str| CpuFile::Usage(format!("/sys/fs/cgroup/{path}/cpuacct.usage").into());
    let stat = |path: &str| CpuFile::Stat(format!("/sys/fs/cgroup/{path}/cpu.stat").into());
    let web = format!("docker/{WEB}");
    assert_eq!(
        cpu_files(file("idle", "cgroup").as_bytes(), WEB),
        [usage(&format!("cpuacct/{web}")), stat(&web), stat(&format!("unified/{web}")),]
    );
    let pod = format!("libpod_parent/libpod-{POD}");
    let found = cpu_files(file("podman", "cgroup").as_bytes(), POD);
    assert_eq!(found.first(), Some(&usage(&format!("cpuacct/{pod}"))));
    let both = format!("4:cpu,cpuacct:/system.slice/docker-{WEB}.scope\n");
    let scope = format!("system.slice/docker-{WEB}.scope");
    assert_eq!(
        cpu_files(both.as_bytes(), WEB),
        [usage(&format!("cpuacct/{scope}")), usage(&format!("cpu,cpuacct/{scope}"))]
    );
}

#[test]
fn processes_below_the_containers_cgroup_count_for_it() {
    for below in ["", "/container", "/init.scope", "/docker/0123"] {
        let line = format!("0::/machine.slice/libpod-{POD}.scope{below}\n");
        let path = format!("/sys/fs/cgroup/machine.slice/libpod-{POD}.scope/cpu.stat");
        let found = cpu_files(line.as_bytes(), POD);
        assert_eq!(found.first(), Some(&CpuFile::Stat(path.into())), "{below}");
    }
}

#[test]
fn another_cgroup_is_never_taken_for_the_containers() {
    for line in ["0::/", "0::/user.slice", "0::", "", "0::/../{}", "1:cpu:/{}", "/{}", "0:/{}"] {
        let line = line.replace("{}", WEB);
        assert_eq!(cpu_files(line.as_bytes(), WEB), [], "{line}");
    }
    assert_eq!(cpu_files(b"0::/a", ""), []);
    let long = format!("0::/{}{WEB}", "a/".repeat(4096));
    assert_eq!(cpu_files(long.as_bytes(), WEB), []);
}

#[test]
fn cpu_time_is_in_nanoseconds() {
    let (usage, stat) = (CpuFile::Usage("u".into()), CpuFile::Stat("s".into()));
    assert_eq!(usage.nanos(b"88802224\n"), Some(88_802_224));
    let text = b"usage_usec 88802\nuser_usec 53281\nsystem_usec 35520\nnice_usec 0\n";
    assert_eq!(stat.nanos(text), Some(88_802_000));
    let version_1 = b"nr_periods 0\nnr_throttled 0\nthrottled_time 0\n";
    assert_eq!(stat.nanos(version_1), None);
    for odd in ["", "\n", "-1", "+5", "1 2", "99999999999999999999"] {
        assert_eq!(usage.nanos(odd.as_bytes()), None, "{odd}");
        assert_eq!(stat.nanos(format!("usage_usec {odd}").as_bytes()), None, "{odd}");
    }
}

/// The recorded tables have one row at most of each kind that waits.
#[test]
fn segments_are_those_of_tcp_in_and_out() {
    let text = "Ip: Forwarding InSegs\nIp: 1 9\nTcp: MaxConn InSegs OutSegs Odd\n\
                Tcp: -1 40 2 7\nUdp: InDatagrams\nUdp: 5\n";
    assert_eq!(segments(text.as_bytes()), Some(42));
    for bad in
        ["", "Tcp: InSegs OutSegs\n", "Tcp: InSegs\nTcp: 4\n", "Tcp: InSegs OutSegs\nTcp: 4\n"]
    {
        assert_eq!(segments(bad.as_bytes()), None, "{bad}");
    }
    let own = fs::read("/proc/self/net/snmp").unwrap();
    assert!(segments(&own).is_some(), "{}", String::from_utf8_lossy(&own));
}

#[test]
fn the_time_without_a_cpu_is_in_nanoseconds() {
    assert_eq!(waited_nanos(b"535155 65958 1\n"), Some(65958));
    assert_eq!(waited_nanos(b"535155\n"), None);
    let pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total=89933\nfull total=7\n";
    assert_eq!(stalled_nanos(pressure.as_bytes()), Some(89_933_000));
    assert_eq!(stalled_nanos(b"full avg10=0.00 total=7\n"), None);
    assert!(waited_nanos(&fs::read("/proc/self/schedstat").unwrap()).is_some());
    let stat = CpuFile::Stat("/sys/fs/cgroup/a/cpu.stat".into());
    assert_eq!(stat.pressure(), Some("/sys/fs/cgroup/a/cpu.pressure".into()));
    assert_eq!(CpuFile::Usage("/a/cpuacct.usage".into()).pressure(), None);
}

#[test]
fn a_number_that_is_cut_off_is_not_read() {
    let fields = |of: Waiting| [of.connections, of.bytes, of.datagram_bytes];
    for container in ["frozen-request", "frozen-unread", "frozen-datagram6", "established"] {
        for name in ["net/tcp", "net/tcp6", "net/udp", "net/udp6"] {
            let text = file(container, name);
            let read = if name.contains("udp") { waiting_udp } else { waiting_tcp };
            let whole = fields(read(text.as_bytes()));
            for end in 0..text.len() {
                let cut = fields(read(&text.as_bytes()[..end]));
                let none_or_whole = |(cut, whole)| cut == 0 || cut == whole;
                let told = cut.into_iter().zip(whole);
                assert!(told.into_iter().all(none_or_whole), "{container} {name} {end}");
            }
        }
        let dev = file(container, "net/dev");
        for end in 0..dev.len() {
            let cut = traffic(&dev.as_bytes()[..end]);
            assert!(cut.is_none() || cut == moved(container), "{container} {end}");
        }
    }
}

/// Rows much like real ones.
fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("0:".to_owned()),
        Just("eth0:".to_owned()),
        Just("0100007F:0050".to_owned()),
        Just("0000000000000000FFFF0000024D1DAC:0050".to_owned()),
        Just("00000000:FFFFFFFF".to_owned()),
        Just("0A".to_owned()),
        Just("01".to_owned()),
        Just("08".to_owned()),
        Just("18446744073709551615".to_owned()),
        Just("usage_usec".to_owned()),
        Just(format!("2:cpu,cpuacct:/docker/{WEB}")),
        "[0-9A-F:]{0,12}",
        "\\PC{0,4}",
    ];
    proptest::collection::vec(word, 0..14).prop_map(|words| words.join(" "))
}

fn read_all(text: &[u8]) {
    let _ = (traffic(text), is_connected(text), cpu_files(text, WEB), cpu_files(text, "e"));
    let _ = waiting_tcp(text).and(waiting_udp(text));
    let _ = (segments(text), waited_nanos(text), stalled_nanos(text));
    let _ = (CpuFile::Usage("u".into()).nanos(text), CpuFile::Stat("s".into()).nanos(text));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_lines_are_read(lines in proptest::collection::vec(line(), 0..12)) {
        read_all(lines.join("\n").as_bytes());
    }

    #[test]
    fn any_bytes_are_read(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_all(&text);
    }

    #[test]
    fn any_byte_of_a_real_table_may_be_wrong(at in 0usize..2000, byte in any::<u8>()) {
        for name in ["net/tcp", "net/tcp6", "net/udp", "net/dev"] {
            let mut text = file("established", name).into_bytes();
            if let Some(wrong) = text.get_mut(at) {
                *wrong = byte;
            }
            read_all(&text);
        }
    }
}
