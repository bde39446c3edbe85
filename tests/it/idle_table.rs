//! The machine of one container as a table: each state by each input, what comes of it, and that
//! its deadline never lies in the past.

use std::time::{Duration, Instant};

use drowse::error::Why;
use drowse::idle::backend::{Kind, Life, Nap, Order, Terms};
use drowse::idle::message::{Action, Input};
use drowse::idle::state::Ticket;
use drowse::idle::step::Machine;

use Life::{Down, Runs};
use Nap::{Paused, Stopped};

/// `state: input state actions`; what is not listed changes nothing.
const TABLE: &str = "
asleep: knock Waiting AskTurn Say
asleep: wake Waiting AskTurn Say
asleep: runs Booting Probe Say
asleep: paused Asleep DoorDown
asleep: gone Gone TurnAway DoorDown Say Leave
asleep: released Gone TurnAway DoorDown Say Leave
asleep: needed Waiting AskTurn Say
frozen: knock Waiting AskTurn Say
frozen: wake Waiting AskTurn Say
frozen: runs Awake Admit Say
frozen: stopped Asleep DoorUp
frozen: gone Gone TurnAway Say Leave
frozen: released Gone TurnAway Say Leave
frozen: needed Waiting AskTurn Say
waiting: sleep Waiting Say
waiting: runs Booting Probe
waiting: paused Waiting DoorDown
waiting: gone Gone TurnAway DoorDown Say Leave
waiting: released Gone TurnAway DoorDown Say Leave
waiting: turn Starting Give
waiting: denied Failed TurnAway Say
starting: sleep Starting Say
starting: runs Booting Probe
starting: paused Starting DoorDown
starting: gone Gone TurnAway DoorDown Say Leave
starting: released Gone TurnAway DoorDown Say Leave
starting: accepted Starting ReadStatus
starting: forbidden Failed TurnAway Say
starting: is up Booting Probe
starting: is frozen Starting DoorDown
starting: back Starting ReadStatus
job starts: sleep Starting Say
job starts: runs Awake Admit DoorDown Say
job starts: paused Starting DoorDown
job starts: gone Gone TurnAway DoorDown Say Leave
job starts: released Gone TurnAway DoorDown Say Leave
job starts: accepted Starting ReadStatus
job starts: forbidden Failed TurnAway Say
job starts: is up Awake Admit DoorDown Say
job starts: is frozen Starting DoorDown
job starts: back Starting ReadStatus
started: sleep Starting Say
started: runs Booting Probe
started: paused Starting DoorDown
started: gone Gone TurnAway DoorDown Say Leave
started: released Gone TurnAway DoorDown Say Leave
started: accepted Starting ReadStatus
started: forbidden Failed TurnAway Say
started: is up Booting Probe
started: is down Failed TurnAway Say
started: is frozen Starting DoorDown
started: back Starting ReadStatus
booting: sleep Booting Say
booting: stopped Failed TurnAway Say
booting: paused Failed TurnAway DoorDown Say
booting: healthy Awake Admit DoorDown Say
booting: gone Gone TurnAway DoorDown Say Leave
booting: released Gone TurnAway DoorDown Say Leave
booting: ready Awake Admit DoorDown Say
awake: knock Awake Admit
awake: wake Awake Admit
awake: sleep Stopping DoorUp Give Say
awake: stopped Asleep DoorUp Say
awake: paused Asleep Say
awake: gone Gone TurnAway Say Leave
awake: released Gone TurnAway Say Leave
needed: knock Awake Admit
needed: wake Awake Admit
needed: sleep Awake Say
needed: stopped Asleep DoorUp Say
needed: paused Asleep Say
needed: gone Gone TurnAway Say Leave
needed: released Gone TurnAway Say Leave
doubts: knock Awake Admit DoorDown
doubts: wake Awake Admit DoorDown
doubts: sleep Stopping Give Say
doubts: keep Awake Admit DoorDown
doubts: active Awake Admit DoorDown
doubts: stopped Asleep Say
doubts: paused Asleep DoorDown Say
doubts: gone Gone TurnAway DoorDown Say Leave
doubts: released Gone TurnAway DoorDown Say Leave
doubts: needed Awake Admit DoorDown
doubts: reload Awake Admit DoorDown
doubts: lost Awake Admit DoorDown
doubts: back Awake Admit DoorDown
looks: knock Awake Admit DoorDown
looks: wake Awake Admit DoorDown
looks: sleep Stopping Give Say
looks: keep Awake Admit DoorDown
looks: active Awake Admit DoorDown
looks: quiet Stopping Give Say
looks: stopped Asleep Say
looks: paused Asleep DoorDown Say
looks: gone Gone TurnAway DoorDown Say Leave
looks: released Gone TurnAway DoorDown Say Leave
looks: needed Awake Admit DoorDown
looks: reload Awake Admit DoorDown
looks: lost Awake Admit DoorDown
looks: back Awake Admit DoorDown
stopping: stopped Asleep Say
stopping: gone Gone TurnAway DoorDown Say Leave
stopping: released Gone TurnAway DoorDown Say Leave
stopping: accepted Stopping ReadStatus
stopping: is down Asleep Say
stopping: back Stopping ReadStatus
pausing: stopped Asleep DoorUp Say
pausing: paused Asleep Say
pausing: gone Gone TurnAway Say Leave
pausing: released Gone TurnAway Say Leave
pausing: accepted Stopping ReadStatus
pausing: is down Asleep DoorUp Say
pausing: is frozen Asleep Say
pausing: back Stopping ReadStatus
knocked: stopped Waiting AskTurn Say
knocked: gone Gone TurnAway DoorDown Say Leave
knocked: released Gone TurnAway DoorDown Say Leave
knocked: accepted Stopping ReadStatus
knocked: is down Waiting AskTurn Say
knocked: back Stopping ReadStatus
killing: stopped Asleep Say
killing: gone Gone TurnAway DoorDown Say Leave
killing: released Gone TurnAway DoorDown Say Leave
killing: is down Asleep Say
killing: back Stopping ReadStatus
failed: knock Failed TurnAway
failed: wake Waiting AskTurn Say
failed: runs Booting Probe Say
failed: paused Failed DoorDown
failed: gone Gone TurnAway DoorDown Say Leave
failed: released Gone TurnAway DoorDown Say Leave
failed: needed Waiting AskTurn Say
unready: knock Failed TurnAway
unready: wake Booting Probe Say
unready: sleep Stopping Give Say
unready: paused Failed DoorDown
unready: healthy Awake Admit DoorDown Say
unready: gone Gone TurnAway DoorDown Say Leave
unready: released Gone TurnAway DoorDown Say Leave
unready: needed Booting Probe Say
";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn terms(sleep: Order, kind: Kind) -> Terms {
    let (idle_timeout, wake_timeout, turn_timeout) = (Some(secs(60)), secs(30), secs(40));
    let (ready, kill_after) = (None, secs(20));
    Terms { idle_timeout, wake_timeout, turn_timeout, ready, sleep, kill_after, kind }
}

/// A machine after some inputs, a second apart.
struct Made {
    machine: Machine,
    now: Instant,
    /// The number of its last question.
    ticket: Ticket,
}

impl Made {
    fn new(life: Life, terms: Terms) -> Made {
        let now = Instant::now();
        Made { machine: Machine::new(life, terms, now).0, now, ticket: 0 }
    }

    fn after(mut self, inputs: &[Input]) -> Made {
        for input in inputs {
            self.now += secs(1);
            self.step(input.clone());
        }
        self
    }

    /// To its deadline.
    fn due(mut self) -> Made {
        self.now = self.machine.deadline().unwrap();
        self.step(Input::Tick);
        self
    }

    fn answered(self, input: impl Fn(Ticket) -> Input) -> Made {
        let input = input(self.ticket);
        self.after(&[input])
    }

    fn step(&mut self, input: Input) -> Vec<Action> {
        let actions = self.machine.step(input, self.now);
        for action in &actions {
            match action {
                Action::Give(_, ticket)
                | Action::ReadStatus(ticket)
                | Action::Probe(ticket)
                | Action::LookOnce(ticket) => self.ticket = *ticket,
                _ => {}
            }
        }
        actions
    }
}

/// Every kind of state, and each of its kinds that takes inputs otherwise.
fn states() -> Vec<(&'static str, Made)> {
    let (stop, pause) = (terms(Order::Stop, Kind::Service), terms(Order::Pause, Kind::Service));
    let job = terms(Order::Stop, Kind::Job);
    let down = || Made::new(Down(Stopped), stop);
    let starting = |terms| Made::new(Down(Stopped), terms).after(&[Input::Knock, Input::Turn]);
    let booting = || starting(stop).after(&[Input::Saw(Runs)]);
    let up = |terms| Made::new(Runs, terms);
    let no = |ticket| Input::Refused(ticket, Why::Forbidden("no".into()));
    vec![
        ("asleep", down()),
        ("frozen", Made::new(Down(Paused), pause)),
        ("waiting", down().after(&[Input::Knock])),
        ("starting", starting(stop)),
        ("job starts", starting(job)),
        ("started", starting(stop).answered(Input::Accepted)),
        ("booting", booting()),
        ("awake", up(stop)),
        ("needed", up(stop).after(&[Input::Needed])),
        ("doubts", up(stop).due()),
        ("looks", up(stop).due().due()),
        ("stopping", up(stop).due().due().answered(Input::Quiet)),
        ("pausing", up(pause).due().answered(Input::Quiet)),
        ("knocked", up(stop).due().due().answered(Input::Quiet).after(&[Input::Knock])),
        ("killing", up(stop).after(&[Input::SleepOrder]).due().due().due().due().due()),
        ("failed", starting(stop).answered(no)),
        ("unready", booting().due()),
        ("gone", down().after(&[Input::Gone])),
    ]
}

/// Every input, with the number of the last question where it has one.
fn inputs(made: &Made) -> Vec<(&'static str, Input)> {
    let (at, ticket) = (made.now, made.ticket);
    let broken = Why::Broken("it ended".into());
    let forbidden = Why::Forbidden("no".into());
    vec![
        ("tick", Input::Tick),
        ("knock", Input::Knock),
        ("wake", Input::WakeOrder),
        ("sleep", Input::SleepOrder),
        ("keep", Input::Keep(at + secs(500))),
        ("active", Input::Activity(at)),
        ("quiet", Input::Quiet(ticket)),
        ("runs", Input::Saw(Runs)),
        ("stopped", Input::Saw(Down(Stopped))),
        ("paused", Input::Saw(Down(Paused))),
        ("healthy", Input::Healthy),
        ("gone", Input::Gone),
        ("released", Input::Released),
        ("accepted", Input::Accepted(ticket)),
        ("broken", Input::Refused(ticket, broken)),
        ("forbidden", Input::Refused(ticket, forbidden)),
        ("is up", Input::Status(ticket, Runs)),
        ("is down", Input::Status(ticket, Down(Stopped))),
        ("is frozen", Input::Status(ticket, Down(Paused))),
        ("ready", Input::Ready(ticket)),
        ("not ready", Input::NotReady(ticket)),
        ("turn", Input::Turn),
        ("denied", Input::Denied("no".into())),
        ("needed", Input::Needed),
        ("spare", Input::Spare),
        ("reload", Input::Reload(terms(Order::Signal, Kind::Service))),
        ("lost", Input::EngineLost),
        ("back", Input::EngineBack),
    ]
}

fn word(debug: String) -> String {
    debug.split([' ', '(']).next().unwrap_or_default().to_owned()
}

/// What an input does to a machine of that name; `None`: nothing.
fn line(name: &str, at: usize, which: usize, due: bool) -> Option<String> {
    let mut made = states().swap_remove(at).1;
    if due {
        made.now = made.machine.deadline()?;
    }
    let (input_name, input) = inputs(&made).swap_remove(which);
    let before = word(format!("{:?}", made.machine.state()));
    let actions = made.step(input);
    let after = word(format!("{:?}", made.machine.state()));
    // What is due then, one tick does.
    made.step(Input::Tick);
    let late = made.machine.deadline().is_some_and(|at| at <= made.now);
    assert!(!late, "{name}, {input_name}: it is due again at once");
    let actions: Vec<_> = actions.iter().map(|action| word(format!("{action:?}"))).collect();
    let changed = before != after || !actions.is_empty();
    changed.then(|| format!("{name}: {input_name} {after} {}", actions.join(" ")))
}

#[test]
fn every_input_does_in_every_state_what_the_table_says() {
    let mut found = Vec::new();
    for (at, (name, made)) in states().into_iter().enumerate() {
        for which in 0..inputs(&made).len() {
            found.extend(line(name, at, which, false).map(|line| line.trim_end().to_owned()));
        }
    }
    let expected: Vec<_> = TABLE.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(found.join("\n"), expected.join("\n"));
}

#[test]
fn whatever_comes_when_its_deadline_has_come_it_moves_on() {
    for (at, (name, made)) in states().into_iter().enumerate() {
        for which in 0..inputs(&made).len() {
            line(name, at, which, true);
        }
    }
}

/// A stop of which nobody knows what became may still come, whatever became of the kill after it,
/// and whoever freezes and thaws it meanwhile.
#[test]
fn nobody_is_admitted_where_a_stop_may_still_come() {
    let stop = terms(Order::Stop, Kind::Service);
    let timed_out = |ticket| Input::Refused(ticket, Why::TimedOut(secs(1)));
    let broken = |ticket| Input::Refused(ticket, Why::Failed("no room".into()));
    let told = Made::new(Runs, stop).after(&[Input::SleepOrder]).answered(timed_out);
    let mut made = told.after(&[Input::Knock]);
    let kill = |actions: &[Action]| {
        actions.iter().any(|action| matches!(action, Action::Give(Order::Kill, _)))
    };
    let mut actions = Vec::new();
    while !kill(&actions) {
        made.now = made.machine.deadline().unwrap();
        actions = made.step(Input::Tick);
    }
    made = made.answered(broken);
    for life in [Down(Paused), Runs] {
        assert_eq!(made.step(Input::Saw(life)), [], "{life:?}");
        assert_eq!(word(format!("{:?}", made.machine.state())), "Stopping", "{life:?}");
    }
    // At last it comes, or it is killed again.
    let mut again = Made { machine: made.machine.clone(), ..made };
    again.now += terms(Order::Stop, Kind::Service).kill_after * 2;
    assert!(kill(&again.step(Input::Tick)));
    assert!(made.step(Input::Saw(Down(Stopped))).contains(&Action::AskTurn));
}
