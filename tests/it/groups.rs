//! Who needs whom, a rule a test.

use std::time::Duration;

use drowse::idle::group::{Graph, Key, Member};
use drowse::plan::{Condition, dependencies};

use crate::dice::Dice;

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
}

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
fn whatever_needs_whatever_the_graph_has_no_cycle() {
    for seed in 0..2_000 {
        let mut dice = Dice::new(seed);
        let names: Vec<String> = (0..2 + dice.roll(9)).map(|at| format!("c{at}")).collect();
        let line = |name: &String, dice: &mut Dice| {
            let needs: Vec<&str> = (0..dice.roll(4)).map(|_| dice.pick(&names).as_str()).collect();
            format!("{name}: {}\n", needs.join(", "))
        };
        let lines: String = names.iter().map(|name| line(name, &mut dice)).collect();
        let mut stack = Stack::new(&lines);
        for member in &mut stack.members {
            member.wake_timeout = Duration::from_secs(1 + u64::from(member.key.0));
            if dice.chance(10) {
                let whose = format!("container:{}", dice.pick(&names));
                member.network_mode = Box::leak(whose.into());
            }
        }
        check_graph(&stack, seed);
    }
}

fn check_graph(stack: &Stack, seed: u64) {
    let graph = stack.graph();
    for member in &stack.members {
        let key = member.key;
        let order = graph.order(key);
        let at = |of: Key| order.iter().position(|key| *key == of);
        assert_eq!(order.last(), Some(&key), "seed {seed}: it comes last");
        let mut longest = Duration::ZERO;
        for (need, _) in graph.needs(key) {
            assert!(at(need) < at(key), "seed {seed}: {order:?}");
            assert!(graph.dependants(need).any(|(of, _)| of == key), "seed {seed}");
            longest = longest.max(graph.budget(need));
        }
        assert_eq!(graph.budget(key), member.wake_timeout + longest, "seed {seed}");
        for of in &order {
            let before = graph.needs(*of).all(|(need, _)| at(need) < at(*of));
            assert!(before, "seed {seed}: {order:?}");
        }
    }
}
