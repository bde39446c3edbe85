//! One run for a program without a loop of its own: it waits for the next thing. No signals are
//! taken over.

use std::io;
use std::time::Instant;

use super::{News, Setup, Supervise, Tag};
use crate::net::Endpoint;
use crate::net::reactor::Reactor;
use crate::net::running::Event;
use crate::run::policy::Decision;
use crate::run::state::State;

/// A run with its own reactor.
pub struct Session {
    reactor: Reactor<Tag>,
    supervise: Supervise,
    events: Vec<Event<Tag>>,
    is_over: bool,
}

impl Session {
    /// Begins a run on the engine at this endpoint.
    pub fn start(setup: Setup, endpoint: &Endpoint) -> io::Result<Session> {
        let mut reactor = Reactor::new()?;
        let supervise = Supervise::begin(setup, endpoint, 0, &mut reactor);
        Ok(Session { reactor, supervise, events: Vec::new(), is_over: false })
    }

    /// The next thing to tell, waiting for it, but no longer than `until`. `None`: nothing came by
    /// then; or all is over, and [`News::Over`] was told.
    pub fn next_event(&mut self, until: Option<Instant>) -> io::Result<Option<News>> {
        loop {
            if let Some(news) = self.supervise.news() {
                self.is_over = matches!(news, News::Over(_));
                return Ok(Some(news));
            }
            if self.is_over || until.is_some_and(|until| self.reactor.now() >= until) {
                return Ok(None);
            }
            let deadline = self.supervise.deadline(self.reactor.now());
            let wanted = [deadline, until].into_iter().flatten().min();
            self.reactor.turn(wanted, &mut self.events)?;
            for event in self.events.drain(..) {
                self.supervise.heed(event, &mut self.reactor);
            }
            self.supervise.tick(&mut self.reactor);
        }
    }

    /// The run as it is now.
    pub fn state(&self) -> &State {
        self.supervise.state()
    }

    /// Asks for its end: see [`Supervise::end`].
    pub fn end(&mut self, code: u8) {
        self.supervise.end(code, &mut self.reactor);
    }

    /// Answers [`News::Decide`].
    pub fn decide(&mut self, decision: Decision) {
        self.supervise.decide(decision, &mut self.reactor);
    }
}
