//! Which containers have a machine, and by what terms it goes. Makes no machine.

use std::time::Duration;

use super::{Known, Role};
use crate::idle::backend::{Kind, Terms};
use crate::idle::group::{Graph, Key};
use crate::plan::Condition;
use crate::sorted::Map;

/// The terms of all who are managed, and of what they need, however far.
pub fn all(all: &[Known<'_>], graph: &Graph) -> Map<Key, Terms> {
    let mut patience: Map<Key, Option<Duration>> = Map::new();
    for known in all.iter().filter(|known| known.role == Role::Managed) {
        for key in graph.order(known.member.key) {
            let longest = patience.entry(key).or_default();
            *longest = (*longest).max(known.terms.idle_timeout);
        }
    }
    let watched = all.iter().filter_map(|known| {
        let key = known.member.key;
        Some((key, of(known, graph, *patience.get(&key)?)))
    });
    watched.collect()
}

/// The terms of one; `patience`: the longest idle timeout of all managed who need it.
fn of(known: &Known<'_>, graph: &Graph, patience: Option<Duration>) -> Terms {
    let (key, own) = (known.member.key, known.terms);
    let mut dependants = graph.dependants(key);
    let must_end = |condition| condition == Condition::ServiceCompletedSuccessfully;
    let kind = match dependants.any(|(_, condition)| must_end(condition)) {
        true => Kind::Job,
        false => own.kind,
    };
    let idle_timeout = match (known.role, kind) {
        (Role::Managed, _) => own.idle_timeout,
        (Role::Follows, Kind::Service) => patience,
        (Role::Follows, Kind::Job) | (Role::Stays, _) => None,
    };
    let chain = graph.budget(key).saturating_sub(known.member.wake_timeout);
    let turn_timeout = own.turn_timeout.saturating_add(chain);
    Terms { idle_timeout, turn_timeout, kind, ..own }
}
