//! The strongly connected components of a graph: what is on a cycle together. Knows no containers.

/// Which nodes reach each other, as sets; a node on no cycle is a set of its own. A set comes after
/// all that it has edges to.
///
/// Tarjan's way, with a path of its own instead of calls: a chain may be as long as there
/// are nodes.
pub fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        marks: vec![Mark::default(); edges.len()],
        open: Vec::new(),
        entered: 0,
        found: Vec::new(),
    };
    let mut path: Vec<(usize, usize)> = Vec::new();
    for root in 0..edges.len() {
        if search.marks[root].number == 0 {
            search.enter(root);
            path.push((root, 0));
        }
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let Some(to) = edges[node].get(*next).copied() else {
                path.pop();
                search.leave(node, path.last().map(|(parent, _)| *parent));
                continue;
            };
            *next += 1;
            if search.marks[to].number == 0 {
                search.enter(to);
                path.push((to, 0));
            } else if search.marks[to].is_open {
                search.reach(node, search.marks[to].number);
            }
        }
    }
    search.found
}

struct Search {
    marks: Vec<Mark>,
    /// Entered, and not yet in a set.
    open: Vec<usize>,
    entered: usize,
    found: Vec<Vec<usize>>,
}

#[derive(Clone, Default)]
struct Mark {
    /// The how-manieth it was entered; 0: not yet.
    number: usize,
    /// The lowest number of an open node that it reaches.
    low: usize,
    is_open: bool,
}

impl Search {
    fn enter(&mut self, node: usize) {
        self.entered += 1;
        self.marks[node] = Mark { number: self.entered, low: self.entered, is_open: true };
        self.open.push(node);
    }

    fn reach(&mut self, node: usize, number: usize) {
        let mark = &mut self.marks[node];
        mark.low = mark.low.min(number);
    }

    fn leave(&mut self, node: usize, parent: Option<usize>) {
        let Mark { number, low, .. } = self.marks[node];
        if let Some(parent) = parent {
            self.reach(parent, low);
        }
        if number == low {
            let start = self.open.iter().rposition(|open| *open == node).unwrap_or_default();
            let set = self.open.split_off(start);
            for member in &set {
                self.marks[*member].is_open = false;
            }
            self.found.push(set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(edges: &[&[usize]]) -> Vec<Vec<usize>> {
        let edges: Vec<Vec<usize>> = edges.iter().map(|edges| edges.to_vec()).collect();
        components(&edges)
    }

    #[test]
    fn a_set_comes_after_what_it_has_edges_to() {
        assert_eq!(sets(&[&[1, 2], &[3], &[3], &[]]), [[3], [1], [2], [0]]);
    }

    #[test]
    fn what_is_on_a_cycle_is_one_set() {
        assert_eq!(sets(&[&[1], &[2], &[0, 3], &[]]), [vec![3], vec![0, 1, 2]]);
        let eight: &[&[usize]] = &[&[1], &[0, 2], &[1]];
        assert_eq!(sets(eight), [[0, 1, 2]]);
    }

    #[test]
    fn what_lies_between_two_cycles_is_on_none() {
        let edges: &[&[usize]] = &[&[1], &[0, 2], &[3], &[4], &[3]];
        assert_eq!(sets(edges), [vec![3, 4], vec![2], vec![0, 1]]);
    }

    #[test]
    fn a_chain_of_100000_needs_no_stack() {
        let edges: Vec<Vec<usize>> = (1..=100_000).map(|to| vec![to % 100_000]).collect();
        assert_eq!(components(&edges).len(), 1);
    }
}
