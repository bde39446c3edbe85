//! What the daemon would say of containers beyond the grammar of their labels: whether it can tell
//! that they are idle, and whether their doors and what they need are there. Asks nobody.

use crate::container::{self, Container};
use crate::idle::activity::{Doors, Network, Rules};
use crate::idle::doors::{self, Published};
use crate::idle::group::{Graph, Key, Member};
use crate::plan::Defaults;

/// Who is judged together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// All that there are: what is not among them is not there.
    Whole,
    /// What one needs may be elsewhere: on an engine that was not reached, among guests.
    Partial,
}

/// Adds to the errors of each what stands against it. Beside each: whether its engine is here.
pub fn judge(all: &mut [(Container, bool)], picture: Picture, defaults: &Defaults) {
    let number = |at: usize| Key(u32::try_from(at).unwrap_or(u32::MAX));
    let members: Vec<Member<'_>> = all
        .iter()
        .enumerate()
        .map(|(at, (one, _))| Member::of(number(at), one, &one.network_mode, defaults))
        .collect();
    let graph = match picture {
        Picture::Whole => Graph::new(&members),
        Picture::Partial => Graph::default(),
    };
    drop(members);
    for (at, (container, is_here)) in all.iter_mut().enumerate() {
        let mut problems = problems(container, *is_here);
        if container.idlewatcher_config.is_some() {
            problems.extend(graph.problems(number(at)).iter().cloned());
        }
        problems.retain(|problem| !container.errors.contains(problem));
        container.errors.extend(problems);
    }
}

fn problems(container: &Container, is_here: bool) -> Vec<String> {
    let is_exempt = container.is_excluded || container::is_swarm_task(container);
    let Some(plan) = container.idlewatcher_config.as_ref().filter(|_| !is_exempt) else {
        return Vec::new();
    };
    let published = if is_here { Published::StandIn } else { Published::Elsewhere };
    let (_, mut problems) = doors::choose(container, &container.ports, published);
    let doors = if doors::has_front(container) { Doors::Some } else { Doors::None };
    problems.extend(Rules::of(plan, Network::of(&container.network_mode), doors).err());
    problems
}
