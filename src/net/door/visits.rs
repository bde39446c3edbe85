//! Everybody within: each in a place, under a number that is never another's. Drives nobody.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Instant;

use crate::net::door::greeting::Greeting;
use crate::net::door::relay::Relay;
use crate::net::door::side::Side;
use crate::net::door::{Door, Visitor};

/// One visitor.
#[derive(Debug)]
pub struct Visit {
    /// Where it came in.
    pub door: Door,
    /// When its time is up, if it has a limit.
    pub until: Option<Instant>,
    /// It waits for its turn.
    pub is_due: bool,
    /// How far it has come.
    pub state: State,
}

/// How far a visitor has come. What a state needs lives in it.
#[derive(Debug)]
pub enum State {
    /// Nobody has decided yet.
    Held(Held),
    /// With its container, or on the way there.
    Relayed(Relay),
    /// It is told something, and then goes.
    Answered(Answered),
    /// Datagrams of one sender.
    Flow(Flow),
    /// Between two of these, within one call.
    Changing,
}

/// A connection that waits.
#[derive(Debug)]
pub struct Held {
    /// The connection.
    pub client: Side,
    /// The head it is sending.
    pub greeting: Option<Greeting>,
    /// What it said, when that is known.
    pub said: Vec<u8>,
    /// Where somebody has let it in.
    pub admitted: Option<SocketAddr>,
}

/// A connection that gets an answer of ours.
#[derive(Debug)]
pub struct Answered {
    /// The connection.
    pub client: Side,
    /// What is still to be written.
    pub rest: Vec<u8>,
    /// Its bytes are written, and it knows that no more come.
    pub has_ended: bool,
}

/// Datagrams of one sender.
#[derive(Debug)]
pub struct Flow {
    /// Who sends.
    pub peer: SocketAddr,
    /// To which address of ours.
    pub local: Option<IpAddr>,
    /// The first datagrams, while it is held.
    pub kept: Vec<Vec<u8>>,
    /// Connected to the container, when it is let in.
    pub target: Option<OwnedFd>,
    /// There is something to read from the container.
    pub is_readable: bool,
    /// When something moved last.
    pub moved_at: Instant,
}

impl State {
    /// Whether nobody has decided yet.
    pub fn is_held(&self) -> bool {
        match self {
            State::Held(_) => true,
            State::Flow(flow) => flow.target.is_none(),
            State::Relayed(_) | State::Answered(_) | State::Changing => false,
        }
    }

    /// Whether it is held, and nobody has let it in yet.
    pub fn waits(&self) -> bool {
        let is_admitted = matches!(self, State::Held(held) if held.admitted.is_some());
        self.is_held() && !is_admitted
    }

    /// Bytes that are kept for it while it is held.
    pub fn held_bytes(&self) -> usize {
        match self {
            State::Held(held) => {
                let greeting = held.greeting.as_ref().map_or(0, |greeting| greeting.bytes.len());
                greeting + held.said.len()
            }
            State::Flow(flow) if flow.target.is_none() => flow.kept.iter().map(Vec::len).sum(),
            State::Flow(_) | State::Relayed(_) | State::Answered(_) | State::Changing => 0,
        }
    }
}

/// All visits.
#[derive(Debug, Default)]
pub struct Visits {
    places: Vec<Place>,
    free: Vec<u32>,
    /// The generation given last.
    last: u32,
}

#[derive(Debug)]
struct Place {
    generation: u32,
    visit: Option<Visit>,
}

impl Visits {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Gives a visit a place.
    pub fn add(&mut self, visit: Visit) -> Visitor {
        self.last = self.last.wrapping_add(1);
        let generation = self.last;
        let place = Place { generation, visit: Some(visit) };
        let free = self.free.pop();
        let slot = match free.and_then(|free| Some((free, self.places.get_mut(free as usize)?))) {
            Some((free, found)) => {
                *found = place;
                free
            }
            None => {
                self.places.push(place);
                self.places.len() as u32 - 1
            }
        };
        Visitor { slot, generation }
    }

    /// A visit.
    pub fn at(&mut self, visitor: Visitor) -> Option<&mut Visit> {
        let place = self.places.get_mut(visitor.slot as usize)?;
        place.visit.as_mut().filter(|_| place.generation == visitor.generation)
    }

    /// The same, to look at.
    pub fn look(&self, visitor: Visitor) -> Option<&Visit> {
        let place = self.places.get(visitor.slot as usize)?;
        place.visit.as_ref().filter(|_| place.generation == visitor.generation)
    }

    /// Takes a visit out: its number means nobody any more.
    pub fn remove(&mut self, visitor: Visitor) -> Option<Visit> {
        self.look(visitor)?;
        let visit = self.places.get_mut(visitor.slot as usize)?.visit.take();
        self.free.push(visitor.slot);
        if self.count() == 0 && self.places.capacity() > KEPT {
            // Of a crowd nothing stays; generations go on.
            (self.places, self.free) = (Vec::new(), Vec::new());
        }
        visit
    }

    /// The numbers of all whose visit is `of` these.
    pub fn all(&self, of: impl Fn(&Visit) -> bool) -> Vec<Visitor> {
        let number = |(slot, place): (usize, &Place)| {
            let visit = place.visit.as_ref().filter(|visit| of(visit));
            visit.map(|_| Visitor { slot: slot as u32, generation: place.generation })
        };
        self.places.iter().enumerate().filter_map(number).collect()
    }

    /// Whether any visit is `of` these.
    pub fn any(&self, of: impl Fn(&Visit) -> bool) -> bool {
        self.places.iter().filter_map(|place| place.visit.as_ref()).any(of)
    }

    /// The number of who is in a place now, if its generation ends in these bits.
    pub fn in_place(&self, slot: usize, bits: usize, mask: usize) -> Option<Visitor> {
        let place = self.places.get(slot)?;
        let is_it = place.visit.is_some() && place.generation as usize & mask == bits;
        is_it.then_some(Visitor { slot: slot as u32, generation: place.generation })
    }
}

/// Places whose memory is kept when all have gone.
const KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::door::limits::VISITORS;

    fn flow() -> Visit {
        let state = State::Flow(Flow {
            peer: ([127, 0, 0, 1], 1).into(),
            local: None,
            kept: vec![vec![1, 2], vec![3]],
            target: None,
            is_readable: false,
            moved_at: Instant::now(),
        });
        Visit { door: Door(1), until: None, is_due: false, state }
    }

    #[test]
    fn a_number_means_nobody_else_when_its_visitor_has_gone() {
        let mut visits = Visits::default();
        let (one, two) = (visits.add(flow()), visits.add(flow()));
        assert!(visits.remove(one).is_some() && visits.remove(one).is_none());
        let three = visits.add(flow());
        assert_eq!(three.slot, one.slot, "the place is used again");
        assert!(visits.at(one).is_none() && visits.look(one).is_none());
        assert!(visits.at(two).is_some() && visits.at(three).is_some());
        assert_eq!(visits.in_place(0, one.generation as usize, usize::MAX), None);
        assert_eq!(visits.in_place(0, three.generation as usize, usize::MAX), Some(three));
        assert_eq!(visits.all(|visit| visit.state.held_bytes() == 3), [three, two]);
    }

    #[test]
    fn when_a_crowd_has_gone_its_memory_has_too_and_old_numbers_mean_nobody() {
        let mut visits = Visits::default();
        let crowd: Vec<_> = (0..VISITORS).map(|_| visits.add(flow())).collect();
        assert_eq!(visits.count(), VISITORS);
        crowd.iter().for_each(|one| assert!(visits.remove(*one).is_some()));
        assert_eq!((visits.count(), visits.places.capacity()), (0, 0));
        let next = visits.add(flow());
        assert!(visits.at(crowd[0]).is_none() && visits.at(next).is_some());
    }
}
