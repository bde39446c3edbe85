//! Which number stands for which container. Knows nothing of what they do.

use crate::container::Packed;
use crate::idle::group::Key;

/// The numbers of all containers of all engines.
#[derive(Debug, Default)]
pub struct Keys {
    /// By engine and id.
    all: Vec<One>,
    last: u32,
}

#[derive(Debug)]
struct One {
    /// The engine's place in the list.
    engine: usize,
    /// For its id: the piece that is kept of it anyway.
    container: Packed,
    key: Key,
}

/// A container that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// For the first time.
    New(Key),
    /// It was there before.
    Again(Key),
}

impl Keys {
    /// The number of a container; `None`: it is not there.
    pub fn find(&self, engine: usize, id: &str) -> Option<Key> {
        let place = self.place(engine, id).ok()?;
        self.all.get(place).map(|one| one.key)
    }

    /// A container is there as this: it has a number from now on.
    pub fn meet(&mut self, engine: usize, container: &Packed) -> Met {
        let place = self.place(engine, container.id());
        let container = container.clone();
        match place {
            Ok(place) => {
                let one = &mut self.all[place];
                one.container = container;
                Met::Again(one.key)
            }
            Err(place) => {
                self.last += 1;
                let key = Key(self.last);
                self.all.insert(place, One { engine, container, key });
                Met::New(key)
            }
        }
    }

    /// A container is there no longer.
    pub fn forget(&mut self, engine: usize, id: &str) {
        if let Ok(place) = self.place(engine, id) {
            self.all.remove(place);
        }
    }

    /// None of that engine is.
    pub fn leave(&mut self, engine: usize) {
        self.all.retain(|one| one.engine != engine);
    }

    fn place(&self, engine: usize, id: &str) -> Result<usize, usize> {
        self.all.binary_search_by(|one| (one.engine, one.container.id()).cmp(&(engine, id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{self, Origin};
    use crate::docker::types::Summary;

    fn container(id: &str, state: &str) -> Packed {
        let summary = Summary { id: id.into(), state: state.into(), ..Summary::default() };
        Packed::of(&container::parse(summary, &Origin::default()))
    }

    #[test]
    fn a_number_stands_for_one_container_as_long_as_it_is_there() {
        let mut keys = Keys::default();
        for (number, (engine, id)) in (1..).zip([(0, "b"), (0, "a"), (1, "a")]) {
            assert_eq!(keys.meet(engine, &container(id, "running")), Met::New(Key(number)));
        }
        assert_eq!(keys.meet(0, &container("a", "exited")), Met::Again(Key(2)));
        assert_eq!((keys.find(0, "b"), keys.find(1, "b")), (Some(Key(1)), None));
        keys.forget(0, "a");
        assert_eq!((keys.find(0, "a"), keys.find(1, "a")), (None, Some(Key(3))));
        assert_eq!(keys.meet(0, &container("a", "running")), Met::New(Key(4)), "never another's");
        keys.leave(0);
        assert_eq!((keys.find(0, "a"), keys.find(0, "b")), (None, None));
        assert_eq!(keys.find(1, "a"), Some(Key(3)));
    }
}
