//! The names under which containers know each other, looked up in one order. Decides nothing else.

use super::{Kind, Need, Node};
use crate::idle::group::Member;
use crate::nearest::nearest;
use crate::plan::Condition;
use crate::sorted::{Map, Set};

/// Who has which name; numbers are places in the list of members.
pub struct Names<'a> {
    members: &'a [&'a Member<'a>],
    engines: Set<&'a str>,
    /// By engine, project and service: every container of it.
    services: Map<(&'a str, &'a str, &'a str), Vec<usize>>,
    /// By engine and name.
    names: Map<(&'a str, &'a str), usize>,
    /// By engine and alias: of several, the one whose name comes first.
    aliases: Map<(&'a str, &'a str), usize>,
    /// By engine and id.
    ids: Map<(&'a str, &'a str), usize>,
}

impl<'a> Names<'a> {
    /// All names of all members.
    pub fn new(members: &'a [&'a Member<'a>]) -> Names<'a> {
        let mut names = Names {
            members,
            engines: members.iter().map(|member| member.engine).collect(),
            services: Map::new(),
            names: Map::new(),
            aliases: Map::new(),
            ids: Map::new(),
        };
        for (at, member) in members.iter().enumerate() {
            let engine = member.engine;
            if !member.project.is_empty() && !member.service.is_empty() {
                let service = (engine, member.project, member.service);
                names.services.entry(service).or_default().push(at);
            }
            names.names.entry((engine, member.name)).or_insert(at);
            names.ids.entry((engine, member.id)).or_insert(at);
            for alias in member.aliases {
                let first = names.aliases.entry((engine, alias)).or_insert(at);
                if member.name < members[*first].name {
                    *first = at;
                }
            }
        }
        names
    }

    /// A member with what it needs, as found; cycles are not seen here.
    pub fn node(&self, at: usize) -> Node {
        let member = self.members[at];
        let mut node = Node::default();
        let owner = self.owner(at, &mut node.problems);
        let before = node.problems.len();
        for (number, dependency) in (1..).zip(&*member.depends_on) {
            let found = self.find(member, &dependency.name);
            if found.is_empty() {
                let problem = self.unknown(member, &dependency.name);
                node.problems.push(format!("depends_on: name {number} is unknown: {problem}"));
            } else if found.contains(&at) {
                let problem = "is the container itself: expected another";
                node.problems.push(format!("depends_on: name {number} {problem}"));
            }
            let condition = dependency.condition;
            let kind = Kind::Label;
            found.iter().for_each(|of| add(&mut node.needs, Need { of: *of, condition, kind }));
        }
        if node.problems.len() > before {
            node.needs.clear();
        }
        if let Some(of) = owner {
            let (condition, kind) = (Condition::ServiceStarted, Kind::Network);
            add(&mut node.needs, Need { of, condition, kind });
        }
        node
    }

    /// Whose network it shares: an id, as Docker has it, or a name.
    fn owner(&self, at: usize, problems: &mut Vec<String>) -> Option<usize> {
        let member = self.members[at];
        let whose = member.network_mode.strip_prefix("container:")?;
        let whose = (member.engine, whose);
        let found = self.ids.get(&whose).or_else(|| self.names.get(&whose)).copied();
        let problem = match found {
            Some(found) if found != at => return Some(found),
            Some(_) => "it shares its own network: expected another's",
            None => "whose network it shares is unknown: expected a container of its engine",
        };
        problems.push(format!("network_mode: {problem}"));
        None
    }

    /// Its own engine first; there its project first, then names, then aliases. Of a service, all
    /// containers.
    fn find(&self, member: &Member<'_>, name: &str) -> Vec<usize> {
        let others = self.engines.iter().filter(|engine| **engine != member.engine);
        for engine in [&member.engine].into_iter().chain(others) {
            let service = (*engine, member.project, name);
            if let Some(found) = self.services.get(&service) {
                return found.clone();
            }
            let name = (*engine, name);
            if let Some(found) = self.names.get(&name).or_else(|| self.aliases.get(&name)) {
                return vec![*found];
            }
        }
        Vec::new()
    }

    /// What was expected instead, of what is near: the name itself is not told.
    fn unknown(&self, member: &Member<'_>, name: &str) -> String {
        let here = self.members.iter().filter(|other| other.engine == member.engine);
        let siblings = here.clone().filter(|other| other.project == member.project);
        let services = siblings.map(|other| other.service).filter(|service| !service.is_empty());
        let mut known: Vec<&str> = services.chain(here.map(|other| other.name)).collect();
        known.retain(|other| *other != member.name && *other != member.service);
        match nearest(name, known.into_iter()) {
            Some(near) => format!("expected {near}"),
            None => "expected a service of its project, a container or an alias".to_owned(),
        }
    }
}

/// Two ways to the same container are one edge, with the stricter condition.
fn add(needs: &mut Vec<Need>, need: Need) {
    let Some(known) = needs.iter_mut().find(|known| known.of == need.of) else {
        needs.push(need);
        return;
    };
    if strictness(need.condition) > strictness(known.condition) {
        known.condition = need.condition;
    }
    if need.kind == Kind::Network {
        known.kind = Kind::Network;
    }
}

fn strictness(condition: Condition) -> u8 {
    match condition {
        Condition::ServiceStarted => 0,
        Condition::ServiceHealthy => 1,
        Condition::ServiceCompletedSuccessfully => 2,
    }
}
