//! Which rules shall stand and which do: what to have `nft` do next, one script at a time. Pure:
//! runs nothing, reads no clock.
//!
//! ```text
//!        a change, or time to renew            ok
//! rest ─────────────────────────────▶ renewing ──▶ rest
//!   ▲                                    │ refused: somebody took the table away
//!   │              ok                    ▼
//!   ├───────────────────────────── making anew ◀── no table yet
//!   └── told, and later once more ◀──────┘ refused
//! ```

use std::time::{Duration, Instant};

use crate::net::door::{Door, Notice};
use crate::net::redirect::ruleset::{self, Guarded, Rule};

/// Elements live three times as long.
pub const RENEW_EVERY: Duration = Duration::from_secs(20);

/// The rules of one drowse.
#[derive(Debug)]
pub struct Rules {
    port: u16,
    wanted: Vec<Rule>,
    guarded: Guarded,
    /// Those that stand, as far as we know.
    up: Vec<Door>,
    /// No longer wanted, and that they are gone is yet to be told.
    going: Vec<Door>,
    table: Table,
    doing: Doing,
    /// Something is wanted that no script has been made of.
    is_changed: bool,
    /// When to do something at the latest.
    at: Option<Instant>,
    has_complained: bool,
    shall_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Unmade,
    Made,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    /// These are wanted by the script that runs, and these are no longer.
    Making {
        wanted: Vec<Door>,
        going: Vec<Door>,
    },
    Dropping,
    Ended,
}

impl Rules {
    /// No rules yet; they will lead TCP connections to `port`.
    pub fn new(port: u16) -> Rules {
        Rules {
            port,
            wanted: Vec::new(),
            guarded: Guarded { tcp: vec![port], udp: Vec::new() },
            up: Vec::new(),
            going: Vec::new(),
            table: Table::Unmade,
            doing: Doing::Nothing,
            is_changed: false,
            at: None,
            has_complained: false,
            shall_end: false,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Wants a rule.
    pub fn want(&mut self, rule: Rule) {
        if rule.to != self.port && !self.guarded.udp.contains(&rule.to) {
            self.guarded.udp.push(rule.to);
        }
        self.wanted.push(rule);
        self.change();
    }

    /// Wants a door's rule no longer.
    pub fn unwant(&mut self, door: Door) {
        self.wanted.retain(|rule| rule.door != door);
        self.up.retain(|up| *up != door);
        self.going.push(door);
        self.change();
    }

    /// A port of ours that rules led to is another's from now on.
    pub fn release(&mut self, port: u16) {
        self.guarded.udp.retain(|guarded| *guarded != port);
        self.is_changed = true;
    }

    /// Bindings whose rule stands.
    pub fn standing(&self) -> impl Iterator<Item = &Rule> {
        self.wanted.iter().filter(|rule| self.up.contains(&rule.door))
    }

    /// Rules are wanted anew: that they can't be made is told once more.
    pub fn tell_again(&mut self) {
        self.has_complained = false;
    }

    /// All rules shall go, for good.
    pub fn end(&mut self) {
        self.shall_end = true;
    }

    fn change(&mut self) {
        self.is_changed = true;
        // What was refused before may be allowed now.
        self.at = None;
    }

    /// When to ask for [`next`](Rules::next) without a change.
    pub fn deadline(&self) -> Option<Instant> {
        self.at.filter(|_| self.doing == Doing::Nothing && !self.wanted.is_empty())
    }

    /// What `nft` shall do now, if anything; then its end is to be told by [`done`](Rules::done).
    pub fn next(&mut self, now: Instant) -> Option<String> {
        if self.doing != Doing::Nothing {
            return None;
        }
        if self.shall_end {
            self.doing = Doing::Dropping;
            return Some(ruleset::none(self.port));
        }
        let is_time = self.at.is_none_or(|at| now >= at);
        let is_due = self.deadline().is_some() && is_time;
        if !(self.is_changed && is_time || is_due) {
            return None;
        }
        self.is_changed = false;
        let wanted = self.wanted.iter().map(|rule| rule.door).collect();
        self.doing = Doing::Making { wanted, going: std::mem::take(&mut self.going) };
        let make = match self.table {
            Table::Unmade => ruleset::anew,
            Table::Made => ruleset::renewed,
        };
        Some(make(self.port, &self.wanted, &self.guarded))
    }

    /// `nft` has done so, or says why not. Returns what is to be told.
    pub fn done(&mut self, outcome: Result<(), String>, now: Instant) -> Vec<Notice> {
        match (std::mem::replace(&mut self.doing, Doing::Nothing), outcome) {
            (Doing::Nothing, _) => Vec::new(),
            (Doing::Dropping | Doing::Ended, outcome) => {
                self.doing = Doing::Ended;
                if let Err(why) = outcome {
                    log::warn!("the rules of doors can't be taken away: {why}");
                }
                vec![Notice::RulesGone]
            }
            (Doing::Making { wanted, going }, Ok(())) => {
                self.table = Table::Made;
                self.has_complained = false;
                // What was wanted meanwhile is made at once.
                self.at = (!self.is_changed).then_some(now + RENEW_EVERY);
                let still = |door: &Door| self.wanted.iter().any(|rule| rule.door == *door);
                let is_new = |door: &Door| still(door) && !self.up.contains(door);
                let new: Vec<Door> = wanted.into_iter().filter(is_new).collect();
                self.up.extend(&new);
                let down = going.into_iter().map(Notice::Down);
                new.into_iter().map(Notice::Up).chain(down).collect()
            }
            (Doing::Making { going, .. }, Err(why)) if self.table == Table::Made => {
                log::warn!(
                    "the rules of doors were taken away by somebody, and are made anew ({why})"
                );
                self.table = Table::Unmade;
                self.going.splice(0..0, going);
                self.change();
                Vec::new()
            }
            (Doing::Making { going, .. }, Err(why)) => {
                self.at = Some(now + RENEW_EVERY);
                self.up.clear();
                let first = !std::mem::replace(&mut self.has_complained, true);
                let told = first.then_some(Notice::NoRules(why));
                // What could not be made is not there.
                going.into_iter().map(Notice::Down).chain(told).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::door::Transport;

    fn rule(door: u32) -> Rule {
        let binding = ([0, 0, 0, 0], 8000 + door as u16).into();
        Rule { door: Door(door), binding, transport: Transport::Tcp, to: 41960 }
    }

    fn refused() -> Result<(), String> {
        Err("Operation not permitted".into())
    }

    #[test]
    fn a_rule_is_made_told_and_renewed_while_it_is_wanted() {
        let (mut rules, t0) = (Rules::new(41960), Instant::now());
        assert_eq!((rules.next(t0), rules.deadline()), (None, None));
        rules.want(rule(1));
        assert!(rules.next(t0).unwrap().contains("table inet drowse {"));
        assert_eq!(rules.next(t0), None, "one at a time");
        assert_eq!(rules.done(Ok(()), t0), [Notice::Up(Door(1))]);
        assert!(rules.next(t0).is_none(), "not before it is time");
        assert!(rules.next(t0 + RENEW_EVERY).unwrap().contains("tcp4 { 8001 }"));
    }

    #[test]
    fn what_was_wanted_meanwhile_is_made_at_once() {
        let (mut rules, t0) = (Rules::new(41960), Instant::now());
        rules.want(rule(1));
        rules.next(t0).unwrap();
        rules.want(rule(2));
        rules.unwant(Door(1));
        assert_eq!(rules.done(Ok(()), t0), [], "the first is no longer wanted");
        let next = rules.next(t0).unwrap();
        assert!(next.contains("tcp4 { 8002 }"), "{next}");
        assert_eq!(rules.done(Ok(()), t0), [Notice::Up(Door(2)), Notice::Down(Door(1))]);
        let at = t0 + RENEW_EVERY;
        assert_eq!(rules.deadline(), Some(at));
        assert_eq!(rules.next(at - Duration::from_millis(1)), None);
        assert!(rules.next(at).unwrap().starts_with("flush set"));
        assert_eq!(rules.done(Ok(()), at), []);
    }

    #[test]
    fn a_table_that_was_taken_away_is_made_anew_and_the_rest_is_told_later() {
        let (mut rules, t0) = (Rules::new(41960), Instant::now());
        rules.want(rule(1));
        rules.next(t0).unwrap();
        rules.done(Ok(()), t0);
        rules.want(rule(2));
        rules.unwant(Door(1));
        assert!(rules.next(t0).unwrap().starts_with("flush"));
        assert_eq!(rules.done(refused(), t0), []);
        assert!(rules.next(t0).unwrap().starts_with("add table"));
        assert_eq!(rules.done(Ok(()), t0), [Notice::Up(Door(2)), Notice::Down(Door(1))]);
    }

    #[test]
    fn a_refusal_is_told_once_and_tried_again_later_or_for_another_rule() {
        let (mut rules, t0) = (Rules::new(41960), Instant::now());
        rules.want(rule(1));
        rules.next(t0).unwrap();
        let told = [Notice::NoRules("Operation not permitted".into())];
        assert_eq!(rules.done(refused(), t0), told);
        assert_eq!(rules.next(t0), None);
        let at = rules.deadline().unwrap();
        rules.next(at).unwrap();
        assert_eq!(rules.done(refused(), at), [], "once");
        rules.want(rule(2));
        rules.next(at).unwrap();
        assert_eq!(rules.done(Ok(()), at), [Notice::Up(Door(1)), Notice::Up(Door(2))]);
        rules.unwant(Door(1));
        rules.unwant(Door(2));
        rules.next(at).unwrap();
        assert_eq!(rules.done(Ok(()), at), [Notice::Down(Door(1)), Notice::Down(Door(2))]);
        assert_eq!(rules.deadline(), None, "nothing to renew");
    }

    #[test]
    fn at_the_end_the_table_goes_and_nothing_comes_after_it() {
        let (mut rules, t0) = (Rules::new(41960), Instant::now());
        rules.want(rule(1));
        rules.next(t0).unwrap();
        rules.end();
        assert_eq!(rules.done(Ok(()), t0), [Notice::Up(Door(1))]);
        assert_eq!(rules.next(t0).unwrap(), "add table inet drowse\ndelete table inet drowse\n");
        assert_eq!(rules.done(Ok(()), t0), [Notice::RulesGone]);
        rules.want(rule(2));
        assert_eq!((rules.next(t0), rules.deadline()), (None, None));
    }
}
