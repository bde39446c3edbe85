//! What the daemon would say of containers beyond the grammar of their labels: whether it can tell
//! that they are idle, and whether their doors and what they need are there. Asks nobody.

use crate::container::{self, Container};
use crate::idle::activity::{Doors, Network, Rules};
use crate::idle::doors::{self, Kind, Place, Published, Wanted};
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
    let taken: Vec<(usize, Place)> = all
        .iter()
        .enumerate()
        .filter(|(_, (_, is_here))| *is_here)
        .flat_map(|(at, (one, _))| {
            let (doors, _) = doors::choose(one, &one.ports, Published::StandIn);
            let published = doors.into_iter().filter(|door| door.kind != Kind::Front);
            published.map(move |door| (at, door.place))
        })
        .collect();
    for (at, (container, is_here)) in all.iter_mut().enumerate() {
        let mut problems = problems(container, *is_here);
        if container.idlewatcher_config.is_some() {
            problems.extend(graph.problems(number(at)).iter().cloned());
        }
        let others = taken.iter().filter(|(other, _)| *other != at).map(|(_, place)| place);
        problems.extend(in_the_way(container, others));
        problems.retain(|problem| !container.errors.contains(problem));
        container.errors.extend(problems);
    }
}

/// Front doors at ports that other containers publish.
fn in_the_way<'a>(
    container: &Container,
    others: impl Iterator<Item = &'a Place> + Clone,
) -> Option<String> {
    let (doors, _) = doors::choose(container, &[], Published::Elsewhere);
    let is_taken = |door: &&Wanted| others.clone().any(|place| place.overlaps(&door.place));
    let port = doors.iter().find(is_taken)?.place.port;
    Some(format!("port: {port} is published by another container: expected another LISTEN"))
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
