//! The machine of a run in random worlds: answers in any order, with any failure, among exits,
//! events, samples, signals and strangers. Each ends once, with nothing left that is not told of.

#[path = "run_world/engine.rs"]
mod engine;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use drowse::docker::pull::Progress;
use drowse::docker::stats::Sample;
use drowse::error::Why;
use drowse::run::job::{Job, Logs, Network, PullWhen, Restart};
use drowse::run::machine::Run;
use drowse::run::message::{Ask, Do, Input, Sense, Verdict};
use drowse::run::policy::{Decision, Policy, When};
use drowse::run::state::Status;

use crate::dice::Dice;
use engine::Engine;

const WORLDS: u64 = 4000;
/// More steps than any world needs.
const STEPS: usize = 2000;
/// By then its end is asked for, so that every world ends.
const LIFE: Duration = Duration::from_secs(300);

/// What is under way, and when the engine carries it out.
#[derive(Clone, Debug)]
struct Asked {
    ask: Ask,
    at: Instant,
    answered_at: Option<(Instant, engine::Outcome)>,
}

struct World {
    dice: Dice,
    now: Instant,
    began: Instant,
    run: Run,
    engine: Engine,
    asked: Vec<Asked>,
    senses: Vec<Sense>,
    verdict: Option<Verdict>,
    ends: usize,
    story: Vec<String>,
}

#[test]
fn every_order_of_things_ends_once_and_leaves_nothing_untold() {
    let mut kinds = BTreeMap::new();
    for seed in 0..WORLDS {
        let mut world = World::new(seed);
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.play()));
        if played.is_err() {
            let story = world.story.split_off(world.story.len().saturating_sub(80));
            panic!("seed {seed}:\n{}", story.join("\n"));
        }
        *kinds.entry(world.kind()).or_insert(0) += 1;
    }
    eprintln!("{kinds:?}");
    for kind in ["failed", "ended well", "ended badly", "restarted", "stopped", "left behind"] {
        assert!(kinds.get(kind).is_some_and(|worlds| *worlds > 20), "too few {kind}: {kinds:?}");
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let when = *dice.pick(&[
            When::Never,
            When::Always,
            When::OnFailure { limit: None },
            When::OnFailure { limit: Some(2) },
        ]);
        let policy = Policy { when, interval: Duration::from_millis(200) };
        let job = Job {
            id: "a1".into(),
            name: "drowse-a1-web".into(),
            image: "web:1".into(),
            pull: *dice.pick(&[PullWhen::Missing, PullWhen::Always, PullWhen::Never]),
            network: *dice.pick(&[Network::Own, Network::Other]),
            joins: dice.roll(3),
            copies: vec![0, 2, 1][..dice.roll(4)].to_vec(),
            restart: if dice.chance(30) { Restart::Asked } else { Restart::By(policy) },
            grace: Duration::from_secs(3),
            logs: *dice.pick(&[Logs::Followed, Logs::Left]),
        };
        let now = Instant::now();
        let engine = Engine::new(&mut dice, &job);
        let (run, first) = Run::begin(job);
        let mut world = World {
            dice,
            now,
            began: now,
            run,
            engine,
            asked: Vec::new(),
            senses: Vec::new(),
            verdict: None,
            ends: 0,
            story: Vec::new(),
        };
        world.act(first);
        world
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            if self.verdict.is_some() {
                return self.judge();
            }
            self.turn();
        }
        panic!("it does not end");
    }

    /// What kind of a story it was.
    fn kind(&self) -> &'static str {
        let (state, verdict) = (self.run.state(), self.verdict.clone().unwrap_or_default());
        match state.exit_code {
            _ if state.status != Status::Removed => "left behind",
            _ if self.ends > 0 => "stopped",
            _ if state.restarts > 0 => "restarted",
            None => "failed",
            Some(_) if verdict.code == 0 => "ended well",
            Some(_) => "ended badly",
        }
    }

    fn judge(&mut self) {
        let verdict = self.verdict.clone().unwrap();
        // Whatever comes late brings nothing more.
        for input in [Input::Tick, Input::End { code: 1 }, Input::Closed(Sense::Log)] {
            let out = self.run.step(input, self.now);
            assert!(!out.iter().any(|one| !matches!(one, Do::Tell)), "after the end: {out:?}");
        }
        assert_eq!(self.run.deadline(), None);
        let told = verdict.error.as_deref().is_some_and(|error| error.contains("left behind"));
        let status = self.run.state().status;
        assert_eq!(status == Status::Removed, !told, "{verdict:?}");
        if !told {
            assert_eq!(self.engine.leftovers(), "", "{verdict:?}");
        }
        assert!(!told || verdict.code != 0);
        if verdict.error.is_none() && self.ends == 0 {
            assert_eq!(verdict.code, 0, "without a word");
        }
        if let (Some(code), true) = (self.run.state().exit_code, self.ends == 0)
            && verdict.code == 0
        {
            assert_eq!(code, 0);
        }
    }

    /// The next thing that happens: what is due first, or something by chance.
    fn turn(&mut self) {
        if self.now > self.began + LIFE && self.ends == 0 {
            return self.end();
        }
        if self.dice.chance(25) {
            return self.chance();
        }
        let due = |asked: &Asked| asked.answered_at.as_ref().map_or(asked.at, |(at, _)| *at);
        let next = self.asked.iter().enumerate().min_by_key(|(_, asked)| due(asked));
        let next = next.map(|(place, asked)| (place, due(asked)));
        match (next, self.run.deadline()) {
            (Some((place, at)), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                self.now = self.now.max(at);
                self.carry_out(place);
            }
            (_, Some(deadline)) => {
                self.now = self.now.max(deadline);
                self.step(Input::Tick);
            }
            (_, None) => {
                self.now += Duration::from_millis(500);
                self.chance();
            }
        }
    }

    /// What was asked reaches the engine; or its answer comes back.
    fn carry_out(&mut self, place: usize) {
        let Asked { ask, answered_at, .. } = self.asked[place].clone();
        if let Some((_, outcome)) = answered_at {
            self.asked.remove(place);
            return self.step(Input::Answered(ask, outcome));
        }
        match ask {
            Ask::Follow(sense) => {
                self.asked.remove(place);
                if self.dice.chance(10) {
                    return self
                        .step(Input::Answered(ask, engine::failed(Why::Unreachable("x".into()))));
                }
                self.senses.push(sense);
                self.step(Input::Opened(sense));
            }
            Ask::Wait => {
                let outcome = match self.engine.wait(&mut self.dice) {
                    Some(outcome) => outcome,
                    None => {
                        self.asked[place].at = self.now + Duration::from_millis(100);
                        return;
                    }
                };
                self.asked[place].answered_at = Some((self.soon(), outcome));
            }
            ask => {
                let outcome = self.engine.answer(ask, &mut self.dice);
                self.asked[place].answered_at = Some((self.soon(), outcome));
            }
        }
    }

    fn soon(&mut self) -> Instant {
        self.now + Duration::from_millis(self.dice.roll(300) as u64)
    }

    fn chance(&mut self) {
        self.now += Duration::from_millis(self.dice.roll(400) as u64);
        match self.dice.roll(14) {
            0..4 => {
                if let Some(action) = self.engine.live(&mut self.dice)
                    && self.senses.contains(&Sense::Events)
                {
                    self.step(Input::Heard(action));
                }
            }
            4..7 if self.senses.contains(&Sense::Samples) => {
                self.step(Input::Sampled(self.sample()))
            }
            7 if !self.senses.is_empty() => {
                let place = self.dice.roll(self.senses.len());
                let sense = self.senses.remove(place);
                self.step(Input::Closed(sense));
            }
            8 if self.dice.chance(30) => self.end(),
            9 => self.engine.away = self.dice.chance(20),
            10 if self.asked.iter().any(|asked| asked.ask == Ask::Pull) => {
                let progress = Progress { done_bytes: 5, total_bytes: 9, ..Progress::default() };
                self.step(Input::Pulling(progress));
            }
            _ => self.step(Input::Tick),
        }
    }

    fn sample(&self) -> Sample {
        Sample {
            read_nano: 1,
            cpu_nanos: 1,
            memory_bytes: 1,
            inactive_file_bytes: 0,
            memory_limit_bytes: 0,
            networks: None,
        }
    }

    fn end(&mut self) {
        self.ends += 1;
        self.step(Input::End { code: 130 });
    }

    fn step(&mut self, input: Input) {
        self.story.push(format!("{:>8.1?} {input:?}", self.now - self.began));
        let out = self.run.step(input, self.now);
        self.story.push(format!("{:>8} {out:?}", ""));
        self.act(out);
    }

    fn act(&mut self, out: Vec<Do>) {
        let last = out.len().saturating_sub(1);
        for (place, wanted) in out.into_iter().enumerate() {
            match wanted {
                Do::Ask(ask) => self.ask(ask),
                Do::HangUp => {
                    self.asked.retain(|asked| !is_listening(asked.ask));
                    self.senses.clear();
                }
                Do::Tell => {}
                Do::Decide(exited) => {
                    let decision = match self.dice.chance(60) {
                        true => Decision::Restart { after: Duration::from_millis(100) },
                        false => Decision::End { error: (exited.code != 0).then(|| "no".into()) },
                    };
                    self.step(Input::Decided(decision));
                }
                Do::Over(verdict) => {
                    assert!(
                        self.verdict.is_none() && place == last,
                        "the end comes once, and last"
                    );
                    self.verdict = Some(verdict);
                }
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        let twice = self.asked.iter().any(|asked| asked.ask == ask);
        assert!(!twice || matches!(ask, Ask::Look | Ask::Kill), "{ask:?} is under way already");
        let makes = matches!(ask, Ask::Network | Ask::Create | Ask::Join(_) | Ask::Start);
        assert!(!makes || self.ends == 0, "{ask:?} after its end was asked for");
        let at = self.soon();
        self.asked.push(Asked { ask, at, answered_at: None });
    }
}

/// As [`Do::HangUp`] has it.
fn is_listening(ask: Ask) -> bool {
    matches!(
        ask,
        Ask::Follow(_)
            | Ask::Pull
            | Ask::Wait
            | Ask::Look
            | Ask::Greet
            | Ask::Credentials
            | Ask::Find
            | Ask::Copy { .. }
    )
}
