//! The verbs that need no daemon, on the double of a cluster: `ps`, `check`, `wake`, `sleep`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Outcome, drowse};
use crate::pve::state::{Mood, Node, State};
use crate::pve::{Cluster, Course, Guest, RELEASES, Release};
use crate::servers;
use crate::watching::Watching;

/// A configuration of clusters.
struct Home {
    dir: TempDir,
}

impl Home {
    fn of(cluster: &Cluster) -> Home {
        Home::with(&format!("proxmox: [{}]", cluster.entry()), "")
    }

    fn with(providers: &str, more: &str) -> Home {
        let dir = TempDir::new().unwrap();
        let config = format!("providers: {{{providers}}}\ncontrol: none.sock\n{more}");
        fs::write(dir.path().join("drowse.yml"), config).unwrap();
        Home { dir }
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("drowse.yml")
    }

    fn run(&self, line: &str) -> Outcome {
        let config = self.config().display().to_string();
        let args: Vec<&str> = line.split(' ').chain(["--config", &config]).collect();
        drowse(&args).outcome()
    }

    /// What it prints, with nothing gone wrong.
    #[track_caller]
    fn printed(&self, line: &str) -> Vec<Value> {
        let outcome = self.run(line);
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{line}");
        outcome.objects()
    }
}

fn names(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["container_name"].as_str().unwrap()).collect()
}

const NOTES: &str = "# Web\n\nproxy.idle_timeout: 30m\nproxy.aliases: shop,www\n\
                     proxy.shop.port: 8080\n";

#[test]
fn a_guest_prints_as_a_container_does_with_vmid_and_node() {
    for release in RELEASES {
        let cluster = Cluster::start(release);
        cluster.change(|state| {
            let web = Guest::new(101).named("web").running().notes(NOTES);
            let net0 = "name=eth0,bridge=vmbr0,ip=10.0.3.15/24,gw=10.0.3.1".to_owned();
            state.guests.push(Guest { net0: Some(net0), ..web });
            state.guests.push(Guest::new(102).on("pve2"));
            state.guests.push(Guest { template: true, ..Guest::new(103) });
            state.guests.push(Guest { family: "qemu", ..Guest::new(104) });
        });
        let printed = Home::of(&cluster).printed("ps");
        assert_eq!(names(&printed), ["ct102", "web"]);
        let web = &printed[1];
        let picked = |keys: &[&str]| keys.iter().map(|key| web[*key].clone()).collect::<Vec<_>>();
        let expected = [json!(101), json!("pve"), json!("running"), json!(["shop", "www"])];
        assert_eq!(picked(&["vmid", "node", "state", "aliases"]), expected, "{release:?}");
        assert_eq!(web["idlewatcher_config"]["idle_timeout_ms"], 1_800_000, "{web:#}");
        assert_eq!(web["labels"]["proxy.shop.port"], "8080");
        assert_eq!((&web["errors"], &web["private_hostname"]), (&json!([]), &json!("10.0.3.15")));
        assert!(web["routes"].to_string().contains("8080"), "{}", web["routes"]);
        let other = [&printed[0]["vmid"], &printed[0]["node"], &printed[0]["state"]];
        assert_eq!(other, [&json!(102), &json!("pve2"), &json!("stopped")]);
    }
}

/// Every key that a container has, and the two that only guests have.
#[test]
fn the_object_has_the_keys_of_a_container() {
    let cluster = Cluster::of([Guest::new(101)]);
    let engine = servers::tcp(servers::engine);
    let providers = format!("docker: {{pi: \"{engine}\"}}, proxmox: [{}]", cluster.entry());
    let printed = Home::with(&providers, "").printed("ps");
    let keys =
        |object: &Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let [container, guest] = &printed[..] else { panic!("{printed:?}") };
    let (container, guest) = match container.get("vmid") {
        Some(_) => (guest, container),
        None => (container, guest),
    };
    let more: Vec<_> = keys(guest).difference(&keys(container)).cloned().collect();
    assert_eq!(more, ["node", "vmid"]);
    assert!(keys(container).is_subset(&keys(guest)));
}

#[test]
fn numbers_in_quotes_are_no_hindrance() {
    let cluster = Cluster::of([Guest::new(101).running(), Guest::new(102)]);
    cluster.change(|state| state.quotes_numbers = true);
    let printed = Home::of(&cluster).printed("ps");
    assert_eq!(names(&printed), ["ct101", "ct102"]);
    assert_eq!((&printed[0]["vmid"], &printed[0]["state"]), (&json!(101), &json!("running")));
}

#[test]
fn the_config_speaks_for_who_has_no_labels_in_the_notes() {
    let cluster = Cluster::of([Guest::new(101).notes(NOTES), Guest::new(102), Guest::new(103)]);
    let more = "lxc:\n  101: {idle_timeout: 1h}\n  102: {idle_timeout: 2h, port: \"8080:80\"}\n";
    let printed = Home::with(&format!("proxmox: [{}]", cluster.entry()), more).printed("ps");
    let timeouts: Vec<_> =
        printed.iter().map(|one| one["idlewatcher_config"]["idle_timeout_ms"].clone()).collect();
    assert_eq!(timeouts, [json!(1_800_000), json!(7_200_000), Value::Null]);
}

#[test]
fn filters_and_running_hold_for_guests() {
    let cluster = Cluster::of([
        Guest::new(101).named("web").running().notes(NOTES),
        Guest::new(102).named("db"),
    ]);
    let home = Home::of(&cluster);
    assert_eq!(names(&home.printed("ps --running")), ["web"]);
    assert_eq!(names(&home.printed("ps --filter name=db")), ["db"]);
    assert_eq!(names(&home.printed("ps --filter label=proxy.idle_timeout=30m")), ["web"]);
    let table = home.run("ps --format table").stdout;
    assert!(table.contains("web") && table.contains("db"), "{table}");
}

#[test]
fn a_cluster_that_fails_hides_no_other() {
    let good = Cluster::of([Guest::new(101)]);
    for (what, hurt, told) in [
        ("refuses", (|state| state.mood = Mood::Refuses) as fn(&mut State), ""),
        ("hangs", |state| state.mood = Mood::Hangs, "no answer within"),
        ("is deaf", |state| state.mood = Mood::Deaf, "no answer within"),
        ("has expired", |state| state.tokens[0].expired = true, "sleeper@pve!t1 is not accepted"),
    ] {
        let bad = Cluster::of([Guest::new(102)]);
        bad.change(|state| state.refusal_takes = Duration::from_millis(50));
        bad.change(hurt);
        let providers = format!("proxmox: [{}, {}]", bad.entry(), good.entry());
        let outcome = Home::with(&providers, "").run("ps --timeout 1s");
        assert_eq!(names(&outcome.objects()), ["ct101"], "{what}");
        assert_eq!(outcome.status, Some(1), "{what}: {outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{what}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(told), "{what}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(&bad.url()), "{what}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("a-secret"), "{}", outcome.stderr);
    }
}

#[test]
fn a_stranger_s_certificate_is_told_and_gets_no_secret() {
    let cluster = Cluster::of([Guest::new(101)]);
    let pin = vec!["AA"; 32].join(":");
    let entry = cluster.entry_with(&format!("{{fingerprint: \"{pin}\"}}"));
    let outcome = Home::with(&format!("proxmox: [{entry}]"), "").run("ps");
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""));
    assert!(outcome.stderr.contains("not the pinned one: its SHA-256 is "), "{}", outcome.stderr);
    assert!(cluster.seen().is_empty());
    let found = outcome.stderr.rsplit("SHA-256 is ").next().unwrap().trim().to_owned();
    let entry = cluster.entry_with(&format!("{{fingerprint: \"{found}\"}}"));
    assert_eq!(names(&Home::with(&format!("proxmox: [{entry}]"), "").printed("ps")), ["ct101"]);
}

fn state_of(outcome: &Outcome) -> Value {
    outcome.objects().first().map(|one| one["state"].clone()).unwrap_or_default()
}

#[test]
fn wake_and_sleep_act_on_guests_by_any_of_their_names() {
    let cluster = Cluster::of([Guest::new(101).named("web").notes(NOTES), Guest::new(102)]);
    let home = Home::of(&cluster);
    for name in ["101", "pve/101", "web", "shop"] {
        let woken = home.run(&format!("wake --wait {name}"));
        assert_eq!((woken.status, state_of(&woken)), (Some(0), json!("awake")), "{woken:?}");
        assert!(cluster.guest(101, |guest| guest.is_up()));
        let slept = home.run(&format!("sleep --wait {name}"));
        assert_eq!((slept.status, state_of(&slept)), (Some(0), json!("asleep")), "{slept:?}");
        assert!(!cluster.guest(101, |guest| guest.is_up()));
    }
    assert!(!cluster.guest(102, |guest| guest.is_up()));
    let before = cluster.asked("POST").len();
    let again = home.run("sleep --wait 101");
    assert_eq!((again.status, state_of(&again)), (Some(0), json!("asleep")));
    assert_eq!(cluster.asked("POST").len(), before, "it was so already");
}

#[test]
fn the_method_says_which_order_is_given() {
    let notes = |method: &str| format!("proxy.idle_timeout: 1h\nproxy.stop_method: {method}\n");
    let timeout = "proxy.idle_timeout: 1h\nproxy.stop_timeout: 7s\n";
    for (notes, order) in [
        (timeout.to_owned(), "shutdown timeout=7&forceStop=1"),
        (notes("kill"), "stop overrule-shutdown=1"),
    ] {
        let cluster = Cluster::of([Guest::new(101).running().notes(&notes)]);
        let slept = Home::of(&cluster).run("sleep --wait 101");
        assert_eq!((slept.status, state_of(&slept)), (Some(0), json!("asleep")), "{slept:?}");
        let given = cluster.seen().into_iter().find(|seen| seen.line.starts_with("POST")).unwrap();
        let given = format!("{} {}", given.line.rsplit('/').next().unwrap(), given.body);
        assert_eq!(given, order);
    }
}

#[test]
fn a_pause_is_a_problem_and_nothing_is_sent() {
    let notes = "proxy.idle_timeout: 1h\nproxy.stop_method: pause\n";
    let cluster = Cluster::of([Guest::new(101).running().notes(notes)]);
    let home = Home::of(&cluster);
    let printed = home.printed("ps");
    let errors = printed[0]["errors"].to_string();
    assert!(errors.contains("pause") && errors.contains("freeze"), "{errors}");
    let checked = home.run("check");
    assert_eq!(checked.status, Some(1));
    assert!(checked.stderr.contains("pause"), "{}", checked.stderr);
    assert!(cluster.guest(101, |guest| guest.is_up()));
    assert_eq!(cluster.asked("POST"), [""; 0]);
}

/// Waking each of these fails, and says why in PVE's own words.
#[test]
fn a_wake_that_fails_says_why() {
    let start = |exit: &str| Guest { start: Course::new(Duration::ZERO, exit), ..Guest::new(101) };
    for (guest, told) in [
        (start("startup for container '101' failed"), "startup for container '101' failed"),
        (start("unexpected status"), "ended from outside"),
        (Guest { lock: Some("backup"), ..Guest::new(101) }, "CT is locked (backup)"),
        (Guest::new(101).on("pve2"), "its node does not answer"),
    ] {
        let cluster = Cluster::of([guest]);
        cluster.change(|state| state.nodes[1].1 = Node::Down);
        let woken = Home::of(&cluster).run("wake --wait 101 --timeout 2s");
        assert_eq!((woken.status, state_of(&woken)), (Some(1), json!("failed")), "{woken:?}");
        assert!(woken.stderr.contains(told), "{}", woken.stderr);
    }
}

#[test]
fn warnings_are_a_success_and_so_is_what_somebody_else_did_first() {
    let start = Course::new(Duration::from_millis(100), "WARNINGS: 1");
    let cluster = Cluster::of([Guest { start, ..Guest::new(101) }]);
    let woken = Home::of(&cluster).run("wake --wait 101");
    assert_eq!((woken.status, state_of(&woken)), (Some(0), json!("awake")), "{woken:?}");
    assert_eq!(woken.stderr, "");
}

#[test]
fn a_managed_guest_is_waited_for_after_its_task() {
    let start = Course::new(Duration::from_millis(700), "OK");
    let cluster = Cluster::of([Guest { managed: true, start, ..Guest::new(101) }]);
    let woken = Home::of(&cluster).run("wake --wait 101");
    assert_eq!((woken.status, state_of(&woken)), (Some(0), json!("awake")), "{woken:?}");
    assert!(cluster.guest(101, |guest| guest.is_up()));
    let slept = Home::of(&cluster).run("sleep --wait 101");
    assert_eq!((slept.status, state_of(&slept)), (Some(0), json!("asleep")), "{slept:?}");
}

#[test]
fn a_missing_right_is_named_with_what_grants_it() {
    let guests = [101, 102].map(|vmid| Guest::new(vmid).notes("proxy.idle_timeout: 1h\n"));
    let cluster = Cluster::of(guests);
    cluster.change(|state| {
        let right = |vmid: u32, right| (format!("/vms/{vmid}"), right);
        let (audit, power) = ("VM.Audit", "VM.PowerMgmt");
        state.tokens[0].rights = vec![right(101, audit), right(102, audit), right(102, power)];
    });
    let home = Home::of(&cluster);
    for line in ["wake --wait 101", "check"] {
        let outcome = home.run(line);
        assert_eq!(outcome.status, Some(1), "{line}");
        for word in ["VM.PowerMgmt", "/vms/101", "pveum acl modify"] {
            assert!(outcome.stderr.contains(word), "{line}: {}", outcome.stderr);
        }
        assert!(!outcome.stderr.contains("/vms/102"), "{line}: {}", outcome.stderr);
    }
    assert_eq!(home.run("wake --wait 102").status, Some(0));
}

#[test]
fn check_finds_nothing_where_nothing_is_wrong() {
    for release in RELEASES {
        let cluster = Cluster::start(release);
        cluster.change(|state| state.guests.push(Guest::new(101).notes(NOTES)));
        let outcome = Home::of(&cluster).run("check");
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{release:?}");
        assert_eq!(cluster.asked("POST"), [""; 0], "check changes nothing");
        let number = ["7.4", "8.4", "9.2"][release as usize];
        assert!(outcome.stdout.contains(number), "{}", outcome.stdout);
    }
}

#[test]
fn check_says_what_is_wrong_with_a_cluster() {
    let right = "sleeper@pve!t1 is not accepted";
    for (hurt, told) in [
        ((|state| state.tokens[0].expired = true) as fn(&mut State), right),
        (|state| state.mood = Mood::Hangs, "no answer within 1 s"),
        (|state| state.tokens[0].rights.clear(), "VM.Audit"),
    ] {
        let cluster = Cluster::of([Guest::new(101)]);
        cluster.change(|state| state.refusal_takes = Duration::from_millis(50));
        cluster.change(hurt);
        let outcome = Home::of(&cluster).run("check --timeout 1s");
        assert_eq!(outcome.status, Some(1), "{told}");
        assert!(outcome.stderr.contains(told), "{told}: {}", outcome.stderr);
    }
}

#[test]
fn a_release_that_has_no_addresses_is_asked_for_none() {
    let cluster = Cluster::start(Release::V7);
    cluster.change(|state| state.guests.push(Guest::new(101).running().notes(NOTES)));
    Home::of(&cluster).printed("ps");
    assert_eq!(cluster.asked("/interfaces"), [""; 0]);
}

/// What `ps --watch` says of the guest of that number.
fn told(watching: &Watching, vmid: u32, key: &str) -> Value {
    let heard = watching.heard();
    let found = heard.picture.values().find(|one| one["vmid"] == vmid);
    found.map(|one| one[key].clone()).unwrap_or_default()
}

#[test]
fn ps_watch_follows_guests() {
    let cluster = Cluster::of([Guest::new(101).named("web").notes(NOTES), Guest::new(102)]);
    let home = Home::of(&cluster);
    let config = home.config().display().to_string();
    let watching = Watching::start(drowse(&["ps", "--watch", "--config", &config]));
    let until = |vmid: u32, key: &str, value: Value| {
        watching.until(|_| {
            let now = told(&watching, vmid, key);
            (now != value).then(|| format!("{key} of {vmid} is {now}"))
        })
    };
    until(101, "state", json!("stopped"));
    until(102, "state", json!("stopped"));
    cluster.guest(101, |guest| guest.boot(Instant::now()));
    cluster.guest(102, |guest| guest.node = "pve2".into());
    until(101, "state", json!("running"));
    until(102, "node", json!("pve2"));
    cluster.change(|state| state.guests.retain(|guest| guest.vmid != 102));
    until(102, "node", Value::Null);
    let heard = watching.heard();
    assert_eq!(heard.faults, [""; 0]);
    let count = |event: &str| heard.events.get(event).copied().unwrap_or_default();
    assert_eq!((count("present"), count("start"), count("removed")), (2, 1, 1), "{heard:?}");
}
