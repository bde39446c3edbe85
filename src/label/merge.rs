//! Fields laid over each other, weakest first, until each route is one tree. Knows nothing of how
//! labels are written.

use std::mem;

use super::field::{Field, Target, Value, names};
use super::mapping::{self, Leaf};
use super::{DEPTH_LIMIT, ROUTES_LIMIT_BYTES, Tree};
use crate::sorted::{self, Map, Set};

/// What a name in a tree costs beside its own bytes, roughly.
const NODE_BYTES: usize = 64;

/// The routes: one for each alias, and one for each other name that has fields.
pub fn merge(
    mut fields: Vec<Field<'_>>,
    aliases: &[String],
    errors: &mut Vec<String>,
) -> Map<String, Tree> {
    // Stable: of the same path in the same form, the later stands.
    sorted::sort_by_key(&mut fields, |field| (field.form as usize, field.depth()));
    let mut levels: Map<Target<'_>, Vec<&Field<'_>>> = Map::new();
    for field in &fields {
        levels.entry(field.target).or_default().push(field);
    }
    let by_alias = aliases.iter().enumerate().map(|(n, name)| (Some(n), name.as_str()));
    let by_name = levels.keys().filter_map(|target| match target {
        Target::Name(name) => Some((None, *name)),
        Target::Every | Target::Number(_) => None,
    });

    let mut merger = Merger { room_bytes: ROUTES_LIMIT_BYTES, problems: Set::new() };
    let mut routes = Map::new();
    for (number, name) in by_alias.chain(by_name) {
        if routes.contains_key(name) || !merger.take(name.len() + NODE_BYTES) {
            continue;
        }
        let number = number.map(Target::Number);
        let targets = [Some(Target::Every), number, Some(Target::Name(name))];
        let strata = targets.into_iter().flatten().filter_map(|target| levels.get(&target));
        let mut route = Map::new();
        for field in strata.flatten().copied() {
            merger.lay(&mut route, field);
        }
        routes.insert(name.to_owned(), finished(route));
    }
    errors.extend(merger.problems);
    routes
}

type Branch<'f> = Map<String, Node<'f>>;

/// A place in a tree that grows, and the field that put there what is there.
struct Node<'f> {
    what: What<'f>,
    by: &'f Field<'f>,
}

enum What<'f> {
    Text(String),
    List(Vec<Tree>),
    Branch(Branch<'f>),
}

struct Merger {
    /// Nothing more is laid once something did not fit.
    room_bytes: usize,
    /// A wildcard would tell the same for every route.
    problems: Set<String>,
}

/// Where in the tree a field is laid: its own path, or one below it that its text gave.
struct Place<'p, 'f> {
    path: &'p str,
    /// How many names stand above the path.
    above: usize,
    by: &'f Field<'f>,
}

impl Merger {
    fn take(&mut self, bytes: usize) -> bool {
        let rest = self.room_bytes.checked_sub(bytes);
        if rest.is_none() {
            self.problems.insert(format!(
                "proxy: the routes are too large, some fields are left out: expected at most \
                 {ROUTES_LIMIT_BYTES} bytes"
            ));
        }
        self.room_bytes = rest.unwrap_or_default();
        rest.is_some()
    }

    /// Lays a field over a route.
    fn lay<'f>(&mut self, route: &mut Branch<'f>, field: &'f Field<'f>) {
        let place = Place { path: &field.path, above: 0, by: field };
        self.set(route, &place, &field.value);
    }

    fn set<'f>(&mut self, mut map: &mut Branch<'f>, place: &Place<'_, 'f>, value: &Value<'_>) {
        if self.room_bytes == 0 {
            return;
        }
        let depth = names(place.path).count();
        if place.above + depth > DEPTH_LIMIT {
            self.tell(place, &format!("too deep: expected at most {DEPTH_LIMIT} names"));
            return;
        }
        if !self.take(place.path.len() + size(value) + depth * NODE_BYTES) {
            return;
        }
        let mut names = names(place.path).enumerate().peekable();
        while let Some((index, name)) = names.next() {
            let new = || Node { what: What::Text(String::new()), by: place.by };
            let node = map.entry(name.to_owned()).or_insert_with(new);
            let above = place.above + index + 1;
            if names.peek().is_none() {
                return self.put(node, value, &Place { path: "", above, by: place.by });
            }
            let Some(below) = self.branch(node, place, above) else { return };
            map = below;
        }
    }

    /// The map at a node that a longer path goes through; a text there is read as one.
    fn branch<'n, 'f>(
        &mut self,
        node: &'n mut Node<'f>,
        place: &Place<'_, 'f>,
        above: usize,
    ) -> Option<&'n mut Branch<'f>> {
        if let What::Text(text) = &mut node.what {
            let (text, by) = (mem::take(text), node.by);
            let mut branch = Branch::new();
            if self.spread(&mut branch, &text, &Place { path: "", above, by }) {
                // Whoever made an empty text a mapping is to blame for it.
                node.by = if branch.is_empty() { place.by } else { by };
                node.what = What::Branch(branch);
            } else {
                node.what = What::Text(text);
            }
        }
        match &mut node.what {
            What::Branch(map) => Some(map),
            What::Text(_) | What::List(_) => {
                self.clash(place.by, node.by);
                None
            }
        }
    }

    /// Gives a node its value. `place` is the node itself.
    fn put<'f>(&mut self, node: &mut Node<'f>, value: &Value<'_>, place: &Place<'_, 'f>) {
        match (&mut node.what, value) {
            (What::Branch(_), Value::Empty) => {}
            (What::Branch(map), Value::Text(text)) => {
                if !self.spread(map, text, place) {
                    self.clash(node.by, place.by);
                }
            }
            (What::Branch(_), Value::List(_)) => self.clash(node.by, place.by),
            (What::Text(_) | What::List(_), Value::Empty) => {
                self.branch(node, place, place.above);
            }
            (what, Value::Text(text)) => {
                *what = What::Text(text.to_string());
                node.by = place.by;
            }
            (what, Value::List(list)) => {
                *what = What::List(list.clone());
                node.by = place.by;
            }
        }
    }

    /// Lays what a text holds over a map, if the text is a mapping. An empty one is.
    fn spread<'f>(&mut self, map: &mut Branch<'f>, text: &str, place: &Place<'_, 'f>) -> bool {
        if text.trim().is_empty() {
            return true;
        }
        // Without one of these it can't be a mapping; this spares most texts the reading.
        if !text.contains([':', '{', '?']) || !self.take(text.len()) {
            return false;
        }
        let Ok(mut leaves) = mapping::read(text) else { return false };
        sorted::sort_by_key(&mut leaves, |leaf| (0, names(&leaf.path).count()));
        for Leaf { path, value } in leaves {
            let place = Place { path: &path, ..*place };
            match value {
                Ok(value) => self.set(map, &place, &value),
                Err(problem) => self.tell(&place, &problem),
            }
        }
        true
    }

    fn tell(&mut self, place: &Place<'_, '_>, problem: &str) {
        let label = place.by.label();
        self.problems.insert(if place.above == 0 {
            format!("{label}: {problem}")
        } else {
            format!("{label}: in {}: {problem}", place.path)
        });
    }

    /// A field wants a mapping where the other gives one value.
    fn clash(&mut self, longer: &Field<'_>, shorter: &Field<'_>) {
        self.problems.insert(format!(
            "{}: {} gives a single value where this needs a mapping: expected one of the two",
            longer.label(),
            shorter.label()
        ));
    }
}

fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.iter().map(tree_size).sum(),
        Value::Empty => 0,
    }
}

fn tree_size(tree: &Tree) -> usize {
    NODE_BYTES
        + match tree {
            Tree::Leaf(text) => text.len(),
            Tree::List(list) => list.iter().map(tree_size).sum(),
            Tree::Branch(map) => map.iter().map(|(name, tree)| name.len() + tree_size(tree)).sum(),
        }
}

fn finished(branch: Branch<'_>) -> Tree {
    let mut done = Map::new();
    done.extend(branch.into_iter().map(|(name, node)| {
        let tree = match node.what {
            What::Text(text) => Tree::Leaf(text),
            What::List(list) => Tree::List(list),
            What::Branch(branch) => finished(branch),
        };
        (name, tree)
    }));
    Tree::Branch(done)
}
