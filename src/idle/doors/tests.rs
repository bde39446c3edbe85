//! Doors by ports and labels, as tables.

use crate::sorted::Map;

use super::*;
use crate::docker::types::{self, Summary};
use crate::plan::Defaults;

fn container(ports: &[(&str, u16, u16, &str)], labels: &[(&str, &str)]) -> Container {
    let port = |(ip, public, private, kind): &(&str, u16, u16, &str)| types::Port {
        ip: (!ip.is_empty()).then(|| (*ip).to_owned()),
        private_port: *private,
        public_port: (*public > 0).then_some(*public),
        kind: (*kind).to_owned(),
    };
    let labels: Map<String, String> =
        labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let summary = Summary {
        id: "a1".into(),
        names: vec!["/web".into()],
        ports: ports.iter().map(port).collect(),
        labels,
        state: "exited".into(),
        ..Summary::default()
    };
    let origin = crate::container::Origin {
        local: true,
        defaults: Defaults::default(),
        ..Default::default()
    };
    crate::container::parse(summary, &origin)
}

/// `redirect tcp 0.0.0.0:8080 80 http`
fn shown(container: &Container, published: Published) -> (Vec<String>, Vec<String>) {
    let (doors, problems) = choose(container, &container.ports, published);
    let line = |door: &Wanted| {
        let Place { transport, ip, port } = door.place;
        let speech = if door.speech == Speech::PerhapsHttp { " http" } else { "" };
        let at = std::net::SocketAddr::new(ip, port);
        format!("{} {} {at} {}{speech}", door.kind.word(), transport.word(), door.target)
    };
    (doors.iter().map(line).collect(), problems)
}

#[test]
fn a_published_port_has_a_door_for_each_address_and_no_wider() {
    let web = container(
        &[
            ("0.0.0.0", 8080, 80, "tcp"),
            ("::", 8080, 80, "tcp"),
            ("127.0.0.1", 53, 53, "udp"),
            ("", 8443, 443, "tcp"),
            ("fe80::1%eth0", 1, 1, "tcp"),
            ("", 0, 9000, "tcp"),
            ("0.0.0.0", 36412, 36412, "sctp"),
        ],
        &[],
    );
    let expected = [
        "redirect udp 127.0.0.1:53 53",
        "redirect tcp 0.0.0.0:8080 80 http",
        "redirect tcp [::]:8080 80 http",
        "redirect tcp 0.0.0.0:8443 443 http",
        "redirect tcp [::]:8443 443 http",
    ];
    assert_eq!(shown(&web, Published::Redirect).0, expected);
    let stand_in = expected.map(|line| line.replace("redirect", "stand-in"));
    assert_eq!(shown(&web, Published::StandIn).0, stand_in);
    assert_eq!(shown(&web, Published::Elsewhere), (vec![], vec![]));
}

#[test]
fn a_route_that_listens_has_a_front_door_wherever_its_engine_is() {
    let web = container(
        &[("0.0.0.0", 8080, 80, "tcp")],
        &[
            ("proxy.web.port", "9080:80"),
            ("proxy.dns.port", "9053:53"),
            ("proxy.dns.scheme", "udp"),
            ("proxy.dns.bind", "127.0.0.1"),
            ("proxy.db.port", "9432:5432"),
            ("proxy.db.scheme", "tcp"),
            ("proxy.db.bind", "::1"),
        ],
    );
    let expected = [
        "front udp 127.0.0.1:9053 53",
        "front tcp 0.0.0.0:9080 80 http",
        "front tcp [::]:9080 80 http",
        "front tcp [::1]:9432 5432",
    ];
    assert_eq!(shown(&web, Published::Elsewhere), (expected.map(str::to_owned).to_vec(), vec![]));
    let (doors, problems) = shown(&web, Published::Redirect);
    assert_eq!((doors.len(), problems.len()), (5, 0));
    assert_eq!(doors[0], "redirect tcp 0.0.0.0:8080 80 http");
    assert!(has_front(&web));
    assert!(!has_front(&container(&[], &[("proxy.web.port", "80")])));
}

#[test]
fn what_speaks_something_else_is_not_searched_for_http() {
    let of = |labels: &[(&str, &str)]| {
        let web = container(&[("", 8080, 80, "tcp"), ("", 2222, 22, "tcp")], labels);
        let (doors, _) = choose(&web, &web.ports, Published::Redirect);
        let of = |port| doors.iter().find(|door| door.place.port == port).unwrap().speech;
        (of(8080), of(2222))
    };
    use Speech::{Other, PerhapsHttp};
    assert_eq!(of(&[]), (PerhapsHttp, PerhapsHttp));
    assert_eq!(of(&[("proxy.web.scheme", "http")]), (PerhapsHttp, PerhapsHttp));
    assert_eq!(of(&[("proxy.web.scheme", "tcp")]), (Other, Other));
    assert_eq!(of(&[("proxy.web.port", "80"), ("proxy.web.scheme", "tcp")]), (Other, PerhapsHttp));
    let both = [("proxy.web.port", "80"), ("proxy.ssh.port", "22"), ("proxy.ssh.scheme", "tcp")];
    assert_eq!(of(&both), (PerhapsHttp, Other));
}

#[test]
fn a_front_door_never_takes_what_the_engine_publishes() {
    let web = container(&[("127.0.0.1", 80, 80, "tcp")], &[("proxy.web.port", "80:80")]);
    let (doors, problems) = shown(&web, Published::Redirect);
    // On the other family nobody is in the way.
    assert_eq!(doors, ["redirect tcp 127.0.0.1:80 80 http", "front tcp [::]:80 80 http"]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let twice = container(&[], &[("proxy.a.port", "80:80"), ("proxy.b.port", "80:81")]);
    let (doors, problems) = shown(&twice, Published::Redirect);
    assert_eq!(doors, ["front tcp 0.0.0.0:80 80 http", "front tcp [::]:80 80 http"]);
    assert_eq!(problems, ["proxy.b.port: another route listens on 80 too"]);
}

#[test]
fn there_is_a_limit_to_doors() {
    let ports: Vec<(&str, u16, u16, &str)> =
        (1000..2000).map(|port| ("0.0.0.0", port, port, "tcp")).collect();
    let web = container(&ports, &[]);
    let (doors, problems) = choose(&web, &web.ports, Published::Redirect);
    assert_eq!(doors.len(), DOORS_LIMIT);
    assert_eq!(problems, ["1000 doors: only the first 64 are opened"]);
}

fn claim<'a>(name: &'a str, ip: &str, standing: Standing) -> Claim<'a> {
    let place = Place { transport: Transport::Tcp, ip: ip.parse().unwrap(), port: 80 };
    Claim { name, place, standing }
}

#[test]
fn of_two_sleepers_with_one_port_the_one_that_ran_last_has_the_door() {
    use Standing::{Runs, Sleeps};
    let of = |mine: Claim<'_>, other: Claim<'_>| denied(&mine, &[other]);
    let old = claim("old", "0.0.0.0", Sleeps(1));
    let new = claim("new", "127.0.0.1", Sleeps(2));
    assert_eq!(of(new, old), None);
    assert_eq!(of(old, new), Some("no door at 80/tcp: new has the same port and ran later".into()));
    let runs = claim("runs", "0.0.0.0", Runs);
    assert_eq!(of(new, runs), Some("no door at 80/tcp: runs runs with it".into()));
    assert_eq!(of(new, claim("six", "::", Runs)), None);
    assert_eq!(of(new, claim("far", "127.0.0.2", Runs)), None);
    let (a, b) = (claim("a", "0.0.0.0", Sleeps(1)), claim("b", "0.0.0.0", Sleeps(1)));
    assert_eq!((of(a, b).is_some(), of(b, a).is_some()), (false, true), "one has it, not both");
    let udp = Place { transport: Transport::Udp, ..old.place };
    assert_eq!(of(old, Claim { place: udp, ..new }), None);
}
