//! Who needs whom, who may sleep and whose turn it is, a rule a test.

use std::collections::BTreeMap;
use std::time::Duration;

use drowse::idle::group::{Graph, Key, Member, Outcome, Standing, WakeQueue};
use drowse::plan::{Condition, dependencies};

/// Containers that wake in 10 s, numbered as they come. All are of project `p` on engine `a`, if
/// not told otherwise; a container's service has its name and `-s`.
struct Stack {
    members: Vec<Member<'static>>,
}

impl Stack {
    /// Of lines `name: what it depends on`.
    fn new(lines: &str) -> Stack {
        let mut stack = Stack { members: Vec::new() };
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, needs) = line.split_once(':').unwrap();
            let name: &'static str = Box::leak(name.to_owned().into());
            let key = Key(u32::try_from(stack.members.len()).unwrap());
            stack.members.push(Member {
                key,
                engine: "a",
                id: Box::leak(format!("{name}-id").into()),
                name,
                aliases: &[],
                project: "p",
                service: Box::leak(format!("{name}-s").into()),
                depends_on: dependencies(needs).unwrap().into(),
                network_mode: "bridge",
                wake_timeout: Duration::from_secs(10),
            });
        }
        stack
    }

    fn with(mut self, name: &str, change: impl Fn(&mut Member<'static>)) -> Stack {
        let member = self.members.iter_mut().find(|member| member.name == name).unwrap();
        change(member);
        self
    }

    fn graph(&self) -> Graph {
        Graph::new(&self.members)
    }

    fn key(&self, name: &str) -> Key {
        self.members.iter().find(|member| member.name == name).unwrap().key
    }

    fn name(&self, key: Key) -> &'static str {
        self.members.iter().find(|member| member.key == key).unwrap().name
    }

    fn names(&self, keys: impl IntoIterator<Item = Key>) -> Vec<&'static str> {
        keys.into_iter().map(|key| self.name(key)).collect()
    }

    fn needs(&self, name: &str) -> Vec<&'static str> {
        self.names(self.graph().needs(self.key(name)).map(|(key, _)| key))
    }

    fn problems(&self, name: &str) -> Vec<String> {
        self.graph().problems(self.key(name)).to_vec()
    }

    /// All down, but those of lines `name standing`.
    fn standing(&self, up: &[(&str, Standing)]) -> impl Fn(Key) -> Standing {
        let up: BTreeMap<Key, Standing> = up.iter().map(|(n, s)| (self.key(n), *s)).collect();
        move |key| up.get(&key).copied().unwrap_or(Standing::Down)
    }
}

use Standing::{Awake, Done, Healthy, Leaving, Started, Waking};

#[test]
fn the_same_project_comes_first_then_names_then_aliases_then_other_engines() {
    let stack = |engine: &'static str, change: fn(&mut Member<'static>)| {
        let stack = Stack::new("app: db\n far:\n near:").with("near", change);
        stack.with("far", move |far| (far.name, far.engine) = ("db", engine))
    };
    let service = |near: &mut Member<'static>| near.service = "db";
    assert_eq!(stack("a", service).needs("app"), ["near"], "a service before a name");
    let foreign = |near: &mut Member<'static>| (near.service, near.project) = ("db", "q");
    assert_eq!(stack("a", foreign).needs("app"), ["db"], "not of another project");
    let alias: fn(&mut Member<'static>) = |near| near.aliases = Box::leak(Box::new(["db".into()]));
    assert_eq!(stack("a", alias).needs("app"), ["db"], "a name before an alias");
    assert_eq!(stack("b", alias).needs("app"), ["near"], "an alias before another engine");
    assert_eq!(stack("b", |_| {}).needs("app"), ["db"], "another engine at last");
}

#[test]
fn of_a_service_all_containers_are_needed() {
    let stack = Stack::new("app: db\n db-1:\n db-2:");
    let stack = stack.with("db-1", |db| db.service = "db").with("db-2", |db| db.service = "db");
    assert_eq!(stack.needs("app"), ["db-1", "db-2"]);
}

#[test]
fn of_an_alias_that_several_have_the_first_by_name_is_needed() {
    let stack = Stack::new("app: db\n z:\n c:\n d:");
    let alias = |member: &mut Member<'static>| member.aliases = Box::leak(Box::new(["db".into()]));
    assert_eq!(stack.with("z", alias).with("c", alias).with("d", alias).needs("app"), ["c"]);
}

#[test]
fn two_names_of_one_container_are_one_need_with_the_stricter_condition() {
    let stack = Stack::new("app: db, db-s:service_healthy, db-id\n db:\n");
    assert_eq!(stack.problems("app").len(), 1, "an id is no name");
    let stack = Stack::new("app: db, db-s:service_healthy\n db:\n");
    let needs: Vec<_> = stack.graph().needs(stack.key("app")).collect();
    assert_eq!(needs, [(stack.key("db"), Condition::ServiceHealthy)]);
}

#[test]
fn who_depends_on_the_unknown_wakes_alone() {
    let stack = Stack::new("app: dv, db-s\n db:");
    assert_eq!(stack.problems("app"), ["depends_on: name 1 is unknown: expected db"]);
    assert_eq!(stack.needs("app"), [""; 0]);
    assert_eq!(stack.problems("db"), [""; 0]);
    assert_eq!(
        Stack::new("app: elsewhere").problems("app"),
        ["depends_on: name 1 is unknown: \
          expected a service of its project, a container or an alias"]
    );
}

#[test]
fn who_depends_on_itself_wakes_alone() {
    for name in ["app", "app-s"] {
        let stack = Stack::new(&format!("app: db, {name}\n db:"));
        let problem = "depends_on: name 2 is the container itself: expected another";
        assert_eq!((stack.problems("app"), stack.needs("app")), (vec![problem.into()], vec![]));
    }
}

#[test]
fn who_is_on_a_cycle_wakes_alone_but_its_dependants_do_not() {
    let stack = Stack::new("app: api\n api: db, aux\n db: aux, api\n aux: disk\n disk:");
    let problem = "depends_on: a cycle: expected none, but these need each other: api, db";
    for name in ["api", "db"] {
        assert_eq!(stack.problems(name), [problem], "{name}");
        assert_eq!(stack.needs(name), [""; 0], "{name}");
    }
    for (name, need) in [("app", "api"), ("aux", "disk")] {
        assert_eq!((stack.problems(name), stack.needs(name)), (vec![], vec![need]), "{name}");
    }
    let ring: String = (0..9).map(|n| format!("c{n}: c{}\n", (n + 1) % 9)).collect();
    let problems = Stack::new(&ring).problems("c4");
    assert!(problems[0].ends_with("each other: c0, c1, c2, c3, c4, …"), "{problems:?}");
}

#[test]
fn whose_network_is_shared_is_needed_whatever_the_labels_say() {
    let share = |app: &mut Member<'static>| app.network_mode = "container:vpn-id";
    for needs in ["", "unknown", "app", "vpn", "db"] {
        let stack = Stack::new(&format!("app: {needs}\n vpn:\n db: app")).with("app", share);
        assert_eq!(stack.needs("app"), ["vpn"], "{needs}");
        let problems = usize::from(!["", "vpn"].contains(&needs));
        assert_eq!(stack.problems("app").len(), problems, "{needs}");
    }
    let stack = Stack::new("app:\n vpn:\n db: app").with("app", share);
    assert_eq!(stack.names(stack.graph().sharing(stack.key("vpn"))), ["app", "vpn"]);
    assert_eq!(stack.graph().network(stack.key("app")), Some(stack.key("vpn")));
    assert_eq!(stack.names(stack.graph().sharing(stack.key("db"))), ["db"]);
    let by_name = stack.with("app", |app| app.network_mode = "container:vpn");
    assert_eq!(by_name.needs("app"), ["vpn"]);
}

#[test]
fn a_chain_of_shared_networks_is_one_network() {
    let stack = Stack::new("a:\n b:\n c:\n");
    let stack = stack.with("a", |a| a.network_mode = "container:b-id");
    let stack = stack.with("b", |b| b.network_mode = "container:c-id");
    assert_eq!(stack.names(stack.graph().sharing(stack.key("a"))), ["a", "b", "c"]);
}

#[test]
fn a_network_that_can_t_be_shared_is_a_problem() {
    let shared = |whose: &'static str| {
        Stack::new("app:\n db:").with("app", |app| app.network_mode = whose).problems("app")
    };
    let field = "network_mode:";
    let unknown = "whose network it shares is unknown: expected a container of its engine";
    assert_eq!(shared("container:gone"), [format!("{field} {unknown}")]);
    let own = "it shares its own network: expected another's";
    assert_eq!(shared("container:app-id"), [format!("{field} {own}")]);
    assert_eq!(shared("host"), [""; 0]);
    let ring = Stack::new("a:\n b:").with("a", |a| a.network_mode = "container:b-id");
    let ring = ring.with("b", |b| b.network_mode = "container:a-id");
    let cycle = "a cycle: expected none, but these need each other: a, b";
    assert_eq!(ring.problems("a"), [format!("{field} {cycle}")]);
    assert_eq!(ring.needs("a"), [""; 0]);
}

const SHOP: &str = "app: api\n api: db:service_healthy, cache, \
                    migrate:service_completed_successfully\n db:\n cache:\n migrate: db";

#[test]
fn the_budget_is_the_sum_along_the_longest_chain() {
    let stack = Stack::new(SHOP).with("db", |db| db.wake_timeout = Duration::from_secs(60));
    let seconds = |name| stack.graph().budget(stack.key(name)).as_secs();
    assert_eq!(["app", "api", "migrate", "db", "cache"].map(seconds), [90, 80, 70, 60, 10]);
    let names = stack.names(stack.graph().order(stack.key("app")));
    assert_eq!(names.last(), Some(&"app"));
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
    let long = stack.with("db", |db| db.wake_timeout = Duration::MAX);
    assert_eq!(long.graph().budget(long.key("app")), Duration::MAX);
}

#[test]
fn independent_ones_wake_side_by_side_and_conditions_hold() {
    let stack = Stack::new(SHOP);
    let (graph, mut queue) = (stack.graph(), WakeQueue::new(5));
    queue.ask(stack.key("app"));
    let mut turns = |up: &[(&str, Standing)]| {
        let mut names = stack.names(queue.next(&graph, stack.standing(up)));
        names.sort_unstable();
        names
    };
    assert_eq!(turns(&[]), ["cache", "db"]);
    assert_eq!(turns(&[("cache", Waking), ("db", Waking)]), [""; 0]);
    assert_eq!(turns(&[("cache", Started), ("db", Started)]), ["migrate"]);
    assert_eq!(turns(&[("cache", Awake), ("db", Healthy), ("migrate", Started)]), [""; 0]);
    assert_eq!(turns(&[("cache", Awake), ("db", Awake), ("migrate", Done)]), [""; 0]);
    assert_eq!(turns(&[("cache", Awake), ("db", Healthy), ("migrate", Done)]), ["api"]);
    let up = [("cache", Awake), ("db", Healthy), ("migrate", Done), ("api", Started)];
    assert_eq!(turns(&up), ["app"]);
}

#[test]
fn a_job_that_is_done_is_not_run_again_nor_what_only_it_needs() {
    let stack = Stack::new("app: job:service_completed_successfully\n job: db\n db:");
    let mut queue = WakeQueue::new(4);
    queue.ask(stack.key("app"));
    let turns = queue.next(&stack.graph(), stack.standing(&[("job", Done)]));
    assert_eq!(stack.names(turns), ["app"]);
}

#[test]
fn what_ends_with_0_at_once_was_started() {
    let stack = Stack::new("app: job\n job:");
    let (graph, mut queue) = (stack.graph(), WakeQueue::new(1));
    let (app, job) = (stack.key("app"), stack.key("job"));
    queue.ask(app);
    let done = || stack.standing(&[("job", Done)]);
    assert_eq!(queue.next(&graph, done()), [job]);
    assert_eq!(queue.ended(job, Outcome::Done, &graph, done()), []);
    assert_eq!(queue.next(&graph, done()), [app]);
    let up = || stack.standing(&[("job", Done), ("app", Awake)]);
    assert_eq!(queue.ended(app, Outcome::Ready, &graph, up()), []);
    assert_eq!(queue.next(&graph, up()), []);
    queue.ask(app);
    assert_eq!(queue.next(&graph, done()), [job], "at the next wake it runs again");
}

#[test]
fn what_is_leaving_wakes_when_it_is_down() {
    let stack = Stack::new("app: db\n db:");
    let (graph, mut queue) = (stack.graph(), WakeQueue::new(4));
    queue.ask(stack.key("app"));
    let up = [("app", Leaving), ("db", Awake)];
    assert_eq!(queue.next(&graph, stack.standing(&up)), []);
    assert_eq!(queue.next(&graph, stack.standing(&up[1..])), [stack.key("app")]);
    let mut queue = WakeQueue::new(4);
    queue.ask(stack.key("app"));
    assert_eq!(queue.next(&graph, stack.standing(&[("db", Leaving)])), []);
    assert_eq!(queue.next(&graph, stack.standing(&[])), [stack.key("db")]);
}

#[test]
fn the_first_in_line_comes_first_and_the_next_takes_the_room_it_leaves() {
    let stack = Stack::new("a: a1\n a1:\n b:\n c:");
    let (graph, mut queue) = (stack.graph(), WakeQueue::new(2));
    for name in ["a", "b", "c", "a"] {
        queue.ask(stack.key(name));
    }
    assert_eq!(stack.names(queue.line()), ["a", "b", "c"]);
    assert_eq!(stack.names(queue.next(&graph, stack.standing(&[]))), ["a1", "b"]);
    assert_eq!(queue.next(&graph, stack.standing(&[])), []);
    let up = [("a1", Awake), ("b", Started)];
    queue.ended(stack.key("a1"), Outcome::Ready, &graph, stack.standing(&up));
    assert_eq!(stack.names(queue.next(&graph, stack.standing(&up))), ["a"]);
    queue.withdraw(stack.key("b"));
    assert_eq!(stack.names(queue.next(&graph, stack.standing(&up))), ["c"]);
    assert_eq!(stack.names(queue.begun()), ["a", "c"]);
}

#[test]
fn a_failed_wake_fails_those_who_wait_for_it() {
    let stack = Stack::new("a: b\n b: c\n c:\n d: c\n e:");
    let (graph, mut queue) = (stack.graph(), WakeQueue::new(1));
    for name in ["e", "d", "a"] {
        queue.ask(stack.key(name));
    }
    assert_eq!(stack.names(queue.next(&graph, stack.standing(&[]))), ["e"]);
    let standing = || stack.standing(&[("d", Started)]);
    let failed = queue.ended(stack.key("c"), Outcome::Failed, &graph, standing());
    assert_eq!(stack.names(failed), ["a"], "d has begun: it may yet be ready");
    assert_eq!(stack.names(queue.line()), ["e", "d"]);
    let failed = queue.ended(stack.key("e"), Outcome::Failed, &graph, standing());
    assert_eq!(stack.names(failed), ["e"]);
}

#[test]
fn who_is_gone_leaves_the_line() {
    let stack = Stack::new("a: b\n b:");
    let mut queue = WakeQueue::new(1);
    queue.ask(stack.key("a"));
    assert_eq!(stack.names(queue.next(&stack.graph(), stack.standing(&[]))), ["b"]);
    assert_eq!(queue.next(&Graph::default(), stack.standing(&[])), []);
    assert_eq!(queue, WakeQueue::new(1));
}

#[test]
fn a_dependency_sleeps_only_when_nothing_that_is_up_needs_it() {
    let stack = Stack::new("one: db\n two: db:service_healthy\n db: disk\n disk:");
    let may = |name, up: &[_]| stack.graph().may_sleep(stack.key(name), stack.standing(up));
    assert!(may("one", &[("one", Awake), ("db", Awake)]));
    for up in [Waking, Started, Awake, Healthy, Leaving] {
        assert!(!may("db", &[("two", up), ("db", Awake)]), "{up:?}");
    }
    assert!(may("db", &[("db", Awake), ("disk", Awake), ("two", Done)]));
    let up = [("db", Awake), ("disk", Awake), ("one", Awake)];
    let freed =
        |name, up: &[_]| stack.names(stack.graph().freed(stack.key(name), stack.standing(up)));
    assert_eq!(freed("two", &up), [""; 0], "the other app needs it");
    assert_eq!(freed("one", &up[..2]), ["db"]);
    assert_eq!(freed("db", &up[1..2]), ["disk"]);
    assert_eq!(freed("one", &[("db", Leaving)]), [""; 0]);
    assert_eq!(freed("one", &[]), [""; 0]);
}

#[test]
fn a_job_that_has_ended_is_not_needed_any_longer() {
    let stack = Stack::new("app: job:service_completed_successfully\n job: db\n db:");
    let up = [("app", Awake), ("db", Awake)];
    assert!(stack.graph().may_sleep(stack.key("job"), stack.standing(&up)));
    assert!(stack.graph().may_sleep(stack.key("db"), stack.standing(&up)));
}

#[test]
fn who_is_wanted_by_somebody_in_line_is_known() {
    let stack = Stack::new("app: db\n db:\n other:");
    let mut queue = WakeQueue::new(1);
    queue.ask(stack.key("app"));
    let needs = |name| queue.needs(stack.key(name), &stack.graph(), stack.standing(&[]));
    assert_eq!(["app", "db", "other"].map(needs), [true, true, false]);
}
