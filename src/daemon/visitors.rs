//! Who comes to a door, what they said, and what they are answered. Opens and closes no door.

use std::time::{Duration, Instant};

use crate::idle::doors::{Speech, Transport};
use crate::idle::group::{Key, Standing};
use crate::idle::message::Input;
use crate::idle::state::{Phase, State};
use crate::idle::step::Machine;
use crate::metrics;
use crate::net::door::{Door, Notice, Request, Said, Visitor};
use crate::page::{self, Answer, Client, Waking};

use super::Daemon;
use super::gate::{Held, Is};
use super::greet::{Greeting, Wakes, greet};

impl Daemon {
    /// Takes what happened at a door.
    pub(super) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Up(door) => self.is_up(door),
            Notice::Down(_) => {}
            Notice::Came { door, visitor, .. } => self.came(door, visitor),
            Notice::Said { door, visitor, said } => self.heard(door, visitor, &said),
            Notice::Missed { door, visitor, why } => match self.whose(door) {
                Some((key, target)) => {
                    log::debug!("{}: {why}", self.ward_name(key));
                    self.missed(key, visitor, target);
                }
                None => self.reactor.turn_away(visitor),
            },
            Notice::Left { door, visitor } => {
                let key = self.whose(door).map(|(key, _)| key);
                if let Some(ward) = key.and_then(|key| self.wards.get_mut(&key)) {
                    ward.gate.let_go(visitor);
                }
            }
            Notice::Taken(door) => self.is_taken(door),
            Notice::NoRules(why) => self.stand_in(&why),
            Notice::Shut(advice) => log::warn!("{advice}"),
            Notice::RulesGone => self.rules_gone(),
        }
    }

    /// The container of a door, and its port there.
    fn whose(&self, door: Door) -> Option<(Key, u16)> {
        self.wards
            .iter()
            .find_map(|(key, ward)| ward.gate.leaf(door).map(|leaf| (*key, leaf.wanted.target)))
    }

    pub(super) fn ward_name(&self, key: Key) -> &str {
        self.wards.get(&key).map_or("", |ward| ward.name())
    }

    /// A rule stands.
    fn is_up(&mut self, door: Door) {
        let Some((key, _)) = self.whose(door) else { return };
        let Some(ward) = self.wards.get_mut(&key) else { return };
        for leaf in ward.gate.leaves.iter_mut().filter(|leaf| leaf.is == Is::Rising(door)) {
            leaf.is = Is::Open(door);
        }
        self.go_on(key);
    }

    /// Somebody else listens where a rule stands. While it runs or starts that is its own engine.
    fn is_taken(&mut self, door: Door) {
        let Some((key, _)) = self.whose(door) else { return };
        let state = self.fleet.machine(key).map(Machine::state);
        let is_still = matches!(state, Some(State::Asleep { .. } | State::Failed(_)));
        let Some(ward) = self.wards.get(&key).filter(|_| is_still) else { return };
        let at = ward.gate.leaves.iter().position(|leaf| leaf.door() == Some(door));
        let Some(at) = at else { return };
        log::warn!("{}: another program listens at its port: the door yields", ward.name());
        self.deny_leaf(key, at, "another program listens there");
    }

    fn came(&mut self, door: Door, visitor: Visitor) {
        if self.porter.metrics == Some(door) {
            return;
        }
        let Some((key, _)) = self.whose(door).filter(|_| self.ending.is_none()) else {
            return self.reactor.turn_away(visitor);
        };
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let speech = ward.gate.leaf(door).map(|leaf| (leaf.wanted.speech, leaf.wanted.place));
        let Some((speech, place)) = speech else { return };
        ward.gate.held.push(Held { visitor, door, client: None, is_heard: false, refusal: None });
        let is_read = speech == Speech::PerhapsHttp && place.transport == Transport::Tcp;
        if !is_read || ward.plan.start_endpoint.is_none() {
            log::debug!("{}: somebody came to {}", ward.name(), super::doors::shown(place));
            self.tell(key, Input::Knock);
        }
    }

    fn heard(&mut self, door: Door, visitor: Visitor, said: &Said) {
        if self.porter.metrics == Some(door) {
            return self.serve_metrics(visitor, said);
        }
        let Some((key, _)) = self.whose(door) else { return self.reactor.turn_away(visitor) };
        let state = self.fleet.machine(key).map(Machine::state);
        let wakes = match state {
            Some(State::Awake(_) | State::Hesitating(_)) => return,
            Some(state) if is_waking(state) => Wakes::Already,
            Some(_) => Wakes::NotYet,
            None => return self.reactor.turn_away(visitor),
        };
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let Some(held) = ward.gate.held.iter_mut().find(|held| held.visitor == visitor) else {
            return;
        };
        held.is_heard = true;
        if let Some(why) = held.refusal.take() {
            if let Said::Http(request) = said {
                held.client = Some(super::greet::client(request));
            }
            return self.refuse(key, visitor, &why);
        }
        match greet(said, &ward.plan, wakes) {
            Greeting::Hold(client) => {
                held.client = client;
                self.tell(key, Input::Knock);
            }
            Greeting::Page(client) => {
                held.client = Some(client);
                self.tell(key, Input::Knock);
                self.show_page(key, visitor, client);
            }
            Greeting::Elsewhere(client) => {
                let name = self.short_name(key);
                self.answer_visitor(key, visitor, &Answer::Elsewhere { name: &name }, client);
            }
            Greeting::Refuse(status) => {
                self.answer_visitor(key, visitor, &Answer::Bad(status), Client::default());
            }
            Greeting::Close => {
                ward.gate.let_go(visitor);
                self.reactor.turn_away(visitor);
            }
        }
    }

    /// The loading page, unless it failed or got through meanwhile.
    fn show_page(&mut self, key: Key, visitor: Visitor, client: Client) {
        let is_held = self
            .wards
            .get(&key)
            .is_some_and(|ward| ward.gate.held.iter().any(|held| held.visitor == visitor));
        let Some(machine) = self.fleet.machine(key).filter(|_| is_held) else { return };
        let now = self.reactor.now();
        let begun = begun(machine.state()).unwrap_or(now);
        let name = self.short_name(key);
        let needs: Vec<(String, &'static str)> = self
            .fleet
            .graph()
            .order(key)
            .into_iter()
            .filter(|need| *need != key)
            .map(|need| (self.short_name(need), word(self.fleet.standing(need))))
            .collect();
        log::debug!("{}: shown the page", self.ward_name(key));
        let waking = Waking {
            name: &name,
            needs: needs.iter().map(|(name, word)| (name.as_str(), *word)).collect(),
            elapsed: now.saturating_duration_since(begun),
            usual: machine.past().usual(),
        };
        self.answer_visitor(key, visitor, &Answer::Wakes(waking), client);
    }

    fn short_name(&self, key: Key) -> String {
        self.wards.get(&key).map_or("", |ward| ward.kept.name()).to_owned()
    }

    fn answer_visitor(&mut self, key: Key, visitor: Visitor, answer: &Answer<'_>, to: Client) {
        if let Some(ward) = self.wards.get_mut(&key) {
            ward.gate.let_go(visitor);
        }
        self.reactor.answer(visitor, page::response(answer, to));
    }

    /// Tells a held visitor that it will not be let in.
    pub(super) fn refuse(&mut self, key: Key, visitor: Visitor, why: &str) {
        let name = self.short_name(key);
        let Some(ward) = self.wards.get_mut(&key) else { return };
        match ward.gate.let_go(visitor).and_then(|held| held.client) {
            Some(client) => {
                let answer = Answer::Failed { name: &name, why };
                self.reactor.answer(visitor, page::response(&answer, client));
            }
            None => self.reactor.turn_away(visitor),
        }
    }

    /// Everybody who is held will not be let in. Of whom nobody knows yet whether they speak HTTP,
    /// that is waited for.
    pub(super) fn refuse_all(&mut self, key: Key, why: &str) {
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let missed = ward.gate.missed.iter().filter(|one| one.waits);
        let mut over: Vec<Visitor> = missed.map(|one| one.visitor).collect();
        for held in &mut ward.gate.held {
            let leaf =
                ward.gate.leaves.iter().find(|leaf| leaf.doors().any(|one| one == held.door));
            let may_speak = leaf.is_some_and(|leaf| {
                leaf.wanted.speech == Speech::PerhapsHttp
                    && leaf.wanted.place.transport == Transport::Tcp
            });
            if held.client.is_none() && may_speak && !held.is_heard {
                held.refusal = Some(why.to_owned());
            } else {
                over.push(held.visitor);
            }
        }
        over.into_iter().for_each(|visitor| self.refuse(key, visitor, why));
    }

    fn serve_metrics(&mut self, visitor: Visitor, said: &Said) {
        let bytes = match said {
            Said::Http(Request { method, path, .. }) => {
                let asked = metrics::Asked::of(method, path);
                metrics::response(asked, method, &self.picture())
            }
            Said::Bad(status) => page::response(&Answer::Bad(*status), Client::default()),
            Said::Slow => page::response(&Answer::Bad(408), Client::default()),
            Said::Other | Said::Silent => return self.reactor.turn_away(visitor),
        };
        self.reactor.answer(visitor, bytes);
    }

    fn picture(&self) -> metrics::Picture<'_> {
        let now = self.reactor.now();
        let mut containers: Vec<metrics::One<'_>> = self
            .wards
            .iter()
            .map(|(key, ward)| {
                let phase = self.fleet.machine(*key).map(|machine| machine.state().phase());
                metrics::One {
                    engine: ward.kept.engine(),
                    name: ward.kept.name(),
                    state: phase.map(phase_word),
                    tally: ward.tally_at(now),
                    held: ward.gate.held.len(),
                }
            })
            .collect();
        crate::sorted::sort_by(&mut containers, |a, b| (a.engine, a.name).cmp(&(b.engine, b.name)));
        metrics::Picture {
            wakes: self.wakes,
            containers,
            engines: self.follow.engines().map(|view| (view.name, !view.is_lost)).collect(),
            visitors: self.reactor.visitors(),
            up: now.saturating_duration_since(self.began),
        }
    }

    /// Time asleep begins or ends.
    pub(super) fn count_sleep(&mut self, key: Key) {
        let now = self.reactor.now();
        let phase = self.fleet.machine(key).map(|machine| machine.state().phase());
        if let Some(ward) = self.wards.get_mut(&key) {
            ward.sleeps(phase == Some(Phase::Asleep), now);
        }
    }
}

fn is_waking(state: &State) -> bool {
    state.phase() == Phase::Waking || begun(state).is_some()
}

/// When the wake that is under way, or will follow, began.
fn begun(state: &State) -> Option<Instant> {
    match state {
        State::Waiting { wake, .. } | State::Booting { wake, .. } => Some(wake.begun),
        State::Starting(start) => Some(start.wake.begun),
        State::Stopping(stop) => stop.knocked.map(|wake| wake.begun),
        State::Asleep { .. } | State::Awake(_) | State::Hesitating(_) => None,
        State::Failed(_) | State::Gone { .. } => None,
    }
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Asleep | Phase::Gone => "asleep",
        Phase::Waking => "waking",
        Phase::Awake => "awake",
        Phase::GoingToSleep => "going_to_sleep",
        Phase::Failed => "failed",
    }
}

/// How something that is needed stands, for people.
fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Down => "asleep",
        Standing::Done => "done",
        Standing::Waking => "starts",
        Standing::Started => "boots",
        Standing::Awake => "awake, not healthy yet",
        Standing::Healthy => "awake",
        Standing::Leaving => "goes to sleep",
    }
}

/// How long the end waits for those who are within.
pub(super) const END_WITHIN: Duration = Duration::from_secs(10);
