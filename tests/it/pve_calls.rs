//! drowse's own calls of Proxmox VE, over its own client, on the double: what an order comes to.

use std::thread;
use std::time::{Duration, Instant};

use drowse::error::Why;
use drowse::http::Call;
use drowse::net::blocking::Client;
use drowse::net::{Endpoint, Route, Tls, Trust};
use drowse::proxmox::call::{self, Overrule};
use drowse::proxmox::rights::Token;
use drowse::proxmox::task::{Task, Upid};
use drowse::proxmox::types::{Place, Status};

use crate::net::server::soon;
use crate::net::tls::file;
use crate::pve::state::Node;
use crate::pve::{Cluster, Course, Guest, RELEASES, Release};

/// Who asks a cluster.
struct Caller {
    client: Client,
    token: Token,
}

impl Caller {
    fn of(cluster: &Cluster) -> Caller {
        Caller::with(cluster, Trust::Ca(file("ca.pem")), "a-secret")
    }

    fn with(cluster: &Cluster, trust: Trust, secret: &str) -> Caller {
        let tls = Tls { trust, identity: None, server_name: None };
        let route = Route::Tls { host: "127.0.0.1".into(), port: cluster.port, tls };
        let (url, authority) = (cluster.url(), "pve:8006".into());
        let client = Client::open(&Endpoint { url, authority, route }).unwrap();
        Caller { client, token: Token::new("sleeper@pve!t1", secret) }
    }

    fn ask<T>(&self, call: Call<T>) -> Result<T, Why> {
        let answer = self.client.run(&self.token.sign(call), soon());
        answer.map_err(|error| self.token.way_out(error.why))
    }

    /// Gives the order and follows its task to the end.
    fn order(&self, order: Call<Upid>) -> Result<(), Why> {
        let upid = self.ask(order)?;
        loop {
            match self.ask(call::task(&upid))? {
                Task::Running => thread::sleep(Duration::from_millis(10)),
                Task::Ended(end) => return end,
            }
        }
    }

    fn status(&self, place: &Place) -> Result<Status, Why> {
        self.ask(call::current(place)).map(|current| current.status)
    }
}

fn place(vmid: u32) -> Place {
    Place { node: "pve".into(), vmid }
}

fn shutdown(vmid: u32) -> Call<Upid> {
    call::shutdown(&place(vmid), Duration::from_secs(1))
}

#[test]
fn a_guest_goes_down_and_comes_up_on_every_release() {
    for release in RELEASES {
        let cluster = Cluster::start(release);
        cluster.change(|state| state.guests.push(Guest::new(101).running()));
        let caller = Caller::of(&cluster);
        assert_eq!(caller.order(call::start(&place(101))), Err(Why::AlreadySo));
        assert_eq!(caller.order(shutdown(101)), Ok(()));
        assert_eq!(caller.status(&place(101)), Ok(Status::Stopped));
        assert_eq!(caller.order(shutdown(101)), Err(Why::AlreadySo));
        assert_eq!(caller.order(call::start(&place(101))), Ok(()));
        assert_eq!(caller.status(&place(101)), Ok(Status::Running));
        assert_eq!(caller.order(call::stop(&place(101), Overrule::Nothing)), Ok(()));
        assert_eq!(caller.status(&place(101)), Ok(Status::Stopped), "{release:?}");
        let orders = cluster.seen().into_iter().filter(|seen| seen.line.starts_with("POST"));
        let orders: Vec<String> = orders
            .map(|seen| format!("{} {}", seen.line.rsplit('/').next().unwrap(), seen.body))
            .collect();
        let down = "shutdown timeout=1&forceStop=1";
        assert_eq!(orders, ["start ", down, down, "start ", "stop "]);
    }
}

#[test]
fn a_task_s_end_says_what_came_of_it() {
    let start = |exit: &str| Guest { start: Course::new(Duration::ZERO, exit), ..Guest::new(101) };
    let failed = "startup for container '101' failed";
    for (guest, end, status) in [
        (start("WARNINGS: 1"), Ok(()), Status::Running),
        (start(failed), Err(Why::Failed(failed.into())), Status::Stopped),
        (
            start("unexpected status"),
            Err(Why::Broken("its task was ended from outside".into())),
            Status::Stopped,
        ),
        (
            Guest { lock: Some("backup"), ..start("OK") },
            Err(Why::Conflict("CT is locked (backup): try again later".into())),
            Status::Stopped,
        ),
        (
            Guest { template: true, ..start("OK") },
            Err(Why::Failed("you can't start a CT if it's a template".into())),
            Status::Stopped,
        ),
    ] {
        let cluster = Cluster::of([guest]);
        let caller = Caller::of(&cluster);
        assert_eq!(caller.order(call::start(&place(101))), end);
        assert_eq!(caller.status(&place(101)), Ok(status), "{end:?}");
    }
}

#[test]
fn the_log_of_a_task_says_more_and_not_how_it_ended() {
    let log = vec!["run_buffer: 322 Script exited with status 2", "lxc_init: 844 Failed"];
    let course = Course { log: log.clone(), ..Course::new(Duration::ZERO, "startup failed") };
    let cluster = Cluster::of([Guest { start: course, ..Guest::new(101) }]);
    let caller = Caller::of(&cluster);
    let upid = caller.ask(call::start(&place(101))).unwrap();
    assert_eq!(caller.ask(call::task_log(&upid)).unwrap(), log);
    let unknown = Upid::parse("UPID:pve:00000001:00000001:6B000000:vzstart:101:a@pve!b:").unwrap();
    assert!(matches!(caller.ask(call::task(&unknown)), Err(Why::NotFound(_))));
}

#[test]
fn who_ignores_the_shutdown_is_stopped_after_its_time() {
    let cluster = Cluster::of([Guest { heeds_shutdown: false, ..Guest::new(101).running() }]);
    let caller = Caller::of(&cluster);
    let begin = Instant::now();
    assert_eq!(caller.order(shutdown(101)), Ok(()));
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(caller.status(&place(101)), Ok(Status::Stopped));
}

#[test]
fn a_stop_overrules_a_shutdown_where_it_says_so_and_waits_for_its_lock_where_not() {
    for release in RELEASES {
        let cluster = Cluster::start(release);
        cluster.change(|state| {
            state.guests.push(Guest { heeds_shutdown: false, ..Guest::new(101).running() });
            state.lock_wait = Duration::from_millis(100);
        });
        let caller = Caller::of(&cluster);
        let long = Duration::from_secs(60);
        let shutdown = caller.ask(call::shutdown(&place(101), long)).unwrap();
        let end = caller.order(call::stop(&place(101), Overrule::Nothing));
        assert!(matches!(end, Err(Why::Conflict(_))), "{release:?} {end:?}");
        assert_eq!(caller.status(&place(101)), Ok(Status::Running));
        if release == Release::V7 {
            continue;
        }
        assert_eq!(caller.order(call::stop(&place(101), Overrule::Shutdown)), Ok(()));
        assert_eq!(caller.status(&place(101)), Ok(Status::Stopped));
        let killed = Why::Broken("its task was ended from outside".into());
        assert_eq!(caller.ask(call::task(&shutdown)), Ok(Task::Ended(Err(killed))));
    }
}

#[test]
fn the_order_for_a_managed_guest_only_asks_its_manager() {
    let start = Course::new(Duration::from_millis(300), "OK");
    let cluster = Cluster::of([Guest { managed: true, start, ..Guest::new(101) }]);
    let caller = Caller::of(&cluster);
    assert!(caller.ask(call::current(&place(101))).unwrap().is_ha);
    let upid = caller.ask(call::start(&place(101))).unwrap();
    assert!(upid.only_asks());
    while caller.ask(call::task(&upid)) == Ok(Task::Running) {}
    assert_eq!(caller.status(&place(101)), Ok(Status::Stopped), "not yet");
    let end = soon();
    while caller.status(&place(101)) == Ok(Status::Stopped) {
        assert!(Instant::now() < end);
    }
    assert_eq!(caller.status(&place(101)), Ok(Status::Running));
}

#[test]
fn a_guest_that_moved_is_not_found_where_it_was() {
    let cluster = Cluster::of([Guest::new(101)]);
    let caller = Caller::of(&cluster);
    cluster.guest(101, |guest| guest.node = "pve2".into());
    let gone =
        || Why::NotFound("Configuration file 'nodes/pve/lxc/101.conf' does not exist".into());
    assert_eq!(caller.status(&place(101)), Err(gone()));
    assert_eq!(caller.order(call::start(&place(101))), Err(gone()));
    let listed = caller.ask(call::resources()).unwrap();
    assert_eq!(listed[0].place, Place { node: "pve2".into(), vmid: 101 });
    assert_eq!(caller.order(call::start(&listed[0].place)), Ok(()));
}

#[test]
fn a_node_that_is_down_is_told_apart_from_the_cluster() {
    let cluster = Cluster::of([Guest::new(101), Guest::new(201).on("pve2")]);
    cluster.change(|state| state.nodes[1].1 = Node::Down);
    let caller = Caller::of(&cluster);
    let there = Place { node: "pve2".into(), vmid: 201 };
    let down = || Why::Unreachable("its node does not answer (Connection refused)".into());
    assert_eq!(caller.status(&there), Err(down()));
    assert_eq!(caller.order(call::start(&there)), Err(down()));
    assert_eq!(caller.status(&place(101)), Ok(Status::Stopped));
}

#[test]
fn a_missing_privilege_is_named_with_the_command_that_grants_it() {
    let cluster = Cluster::of([Guest::new(101)]);
    let caller = Caller::of(&cluster);
    let may = |rights: &[&'static str]| {
        let rights = rights.iter().map(|right| ("/vms/101".to_owned(), *right)).collect();
        cluster.change(|state| state.tokens[0].rights = rights);
    };
    may(&["VM.Audit"]);
    let grants = "pveum role add Drowse --privs 'VM.Audit VM.PowerMgmt'; pveum acl modify /vms/101 \
                  --users 'sleeper@pve' --tokens 'sleeper@pve!t1' --roles Drowse";
    let lacks = |what: &str| {
        Err(Why::Forbidden(format!("the token sleeper@pve!t1 lacks {what} on /vms/101: {grants}")))
    };
    assert_eq!(caller.order(call::start(&place(101))), lacks("VM.PowerMgmt"));
    assert_eq!(caller.ask(call::privileges(101)).unwrap().len(), 1);
    may(&["VM.PowerMgmt"]);
    assert_eq!(caller.status(&place(101)), lacks("VM.Audit").map(|()| Status::Unknown));
    assert_eq!(caller.ask(call::resources()).unwrap(), []);
}

#[test]
fn a_token_that_is_not_taken_is_named() {
    for release in RELEASES {
        let cluster = Cluster::start(release);
        cluster.change(|state| state.refusal_takes = Duration::from_millis(50));
        let told = |caller: &Caller| match caller.ask(call::version()) {
            Err(Why::Forbidden(text)) => text,
            other => panic!("{other:?}"),
        };
        let caller = Caller::of(&cluster);
        assert!(caller.ask(call::version()).is_ok());
        cluster.change(|state| state.tokens[0].expired = true);
        let words = match release {
            Release::V7 => "token 't1' access expired",
            Release::V8 | Release::V9 => "Authentication failed!",
        };
        let text = told(&caller);
        let said = format!("the token sleeper@pve!t1 is not accepted ({words})");
        assert!(text.starts_with(&said), "{text}");
        assert!(!text.contains("a-secret"), "{text}");
        cluster.change(|state| state.tokens[0].expired = false);
        let other = Caller::with(&cluster, Trust::Ca(file("ca.pem")), "another");
        assert!(told(&other).contains("not accepted"));
    }
}

#[test]
fn a_certificate_that_is_not_the_pinned_one_is_told() {
    let cluster = Cluster::start(Release::V9);
    let why = Caller::with(&cluster, Trust::Fingerprint([7; 32]), "a-secret").ask(call::version());
    let Err(Why::Unreachable(text)) = why else { panic!("{why:?}") };
    assert!(text.starts_with("the server's certificate is not the pinned one: "), "{text}");
    assert!(cluster.seen().is_empty(), "the secret was sent to a stranger");
}
