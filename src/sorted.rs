//! Sorted maps and sets as plain lists, and one sort for everything. Not for ten thousand keys that
//! come one by one in no order.
//!
//! What is held here is small (labels, ports, the containers of a machine) and was sorted when it
//! came. A `Vec` then takes less memory than the tree of `std::collections::BTreeMap`, and far less
//! of the binary, which would have a tree's balancing once more for each pair of types. The names
//! are those of the standard library and mean the same.

mod map;
mod set;

use std::cmp::Ordering;

pub use map::{Entry, Iter, IterMut, Map};
pub use set::Set;

/// Sorts as `sort_by` does (what is equal stays in its order), by one piece of machine code for all
/// types: places are sorted, then the items are brought there.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if items.is_sorted_by(|one, other| compare(one, other).is_le()) {
        return;
    }
    let at = |index: usize| &items[index];
    let mut from: Vec<usize> = (0..items.len()).collect();
    sort_places(&mut from, &|one, other| compare(at(one), at(other)));
    for place in 0..items.len() {
        // What belonged here may have been swapped away, to where its place was taken from.
        let mut source = from[place];
        while source < place {
            source = from[source];
        }
        items.swap(place, source);
    }
}

/// Sorts by the items' own order.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// Sorts by what `key` tells of each, which is asked for again and again.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

#[inline(never)]
fn sort_places(places: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    // Equal ones by their place: then the sort need not be a stable one, which is the bigger code.
    places.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
}

/// What comes in order is added at the end: that is looked at first.
fn search<T>(items: &[T], order: impl Fn(&T) -> Ordering) -> Result<usize, usize> {
    match items.last().map(&order) {
        None | Some(Ordering::Less) => Err(items.len()),
        Some(_) => items.binary_search_by(order),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    proptest! {
        #[test]
        fn equal_ones_stay_in_their_order(items in vec((0..9_u8, 0..9_u8), 0..60)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by(&mut ours, |one, other| one.0.cmp(&other.0));
            theirs.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, theirs);
        }

        /// Every method that alters a map, in any order, beside the standard library's.
        #[test]
        fn a_map_is_what_a_tree_is(acts in vec((0..8_u8, 0..20_u8, 0..99_u8), 0..60)) {
            let (mut ours, mut theirs) = (Map::new(), BTreeMap::new());
            for (act, key, value) in acts {
                match act {
                    0..3 => prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value)),
                    3 => prop_assert_eq!(ours.remove(&key), theirs.remove(&key)),
                    4 => prop_assert_eq!(ours.pop_first(), theirs.pop_first()),
                    5 => {
                        *ours.entry(key).or_insert(7) ^= value;
                        *theirs.entry(key).or_insert(7) ^= value;
                    }
                    6 => {
                        ours.retain(|one, _| one % 5 != key % 5);
                        theirs.retain(|one, _| one % 5 != key % 5);
                    }
                    _ => {
                        let (from, to) = (key.min(value), key.max(value) + 1);
                        prop_assert!(ours.range(from..to).eq(theirs.range(from..to)));
                        prop_assert!(ours.range(..=key).eq(theirs.range(..=key)));
                    }
                }
                prop_assert_eq!(ours.get(&key), theirs.get(&key));
                prop_assert!(ours.iter().eq(theirs.iter()));
            }
        }

        #[test]
        fn the_last_of_one_key_stays(pairs in vec((0..9_u8, 0..99_u8), 0..30)) {
            let (ours, theirs) = (Map::from(pairs.clone()), BTreeMap::from_iter(pairs.clone()));
            prop_assert!(ours.iter().eq(theirs.iter()));
            let keys = pairs.into_iter().map(|(key, _)| key);
            let (ours, theirs) = (Set::from_iter(keys.clone()), BTreeSet::from_iter(keys));
            prop_assert!(ours.iter().eq(theirs.iter()));
        }
    }
}
