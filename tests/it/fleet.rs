//! The fleet, a rule a test: who wakes for whom, who waits, who is told why not, who may sleep.

mod yard;

use drowse::container::Health;
use drowse::idle::backend::Order;
use drowse::idle::fleet::{Role, Sight};
use drowse::idle::group::Standing;
use drowse::idle::message::Input;
use drowse::idle::state::Phase;

use self::yard::{RUNS, Yard, ended, follows, secs};
use Order::{Start, Stop};

#[test]
fn what_is_needed_wakes_first_and_what_is_independent_side_by_side() {
    let mut yard = Yard::new("app: api\n api: db:service_healthy, cache\n db:\n cache:");
    yard.tell("app", Input::Knock);
    assert_eq!(yard.orders(), [("db", Start), ("cache", Start)]);
    yard.comes_up("cache");
    yard.saw("db", Sight { health: Health::Starting, ..RUNS });
    let probe = yard.tickets[&yard.key("db")];
    yard.tell("db", Input::Ready(probe));
    assert_eq!(yard.orders(), [], "it runs and answers, but is not healthy");
    yard.saw("db", Sight { health: Health::Healthy, ..RUNS });
    assert_eq!(yard.orders(), [("api", Start)]);
    yard.saw("api", RUNS);
    assert_eq!(yard.orders(), [("app", Start)], "it only has to be started");
    yard.comes_up("app");
    assert_eq!(yard.phase("app"), Phase::Awake);
}

#[test]
fn no_more_wake_at_once_than_allowed_and_the_first_in_line_comes_first() {
    let mut yard = Yard::new("a:\n b:\n c: d\n d:");
    yard.fleet.limit(1);
    ["b", "c", "a"].iter().for_each(|name| yard.tell(name, Input::Knock));
    assert_eq!(yard.orders(), [("b", Start)]);
    yard.comes_up("b");
    assert_eq!(yard.orders(), [("d", Start)], "the one that c needs, before a");
    yard.comes_up("d");
    assert_eq!(yard.orders(), [("c", Start)]);
    yard.fleet.limit(2);
    yard.arrange();
    assert_eq!(yard.orders(), [("a", Start)]);
}

#[test]
fn who_needs_what_failed_is_told_so_at_once() {
    let mut yard = Yard::new("app: api\n api: db\n db:\n other: db");
    yard.tell("app", Input::Knock);
    yard.refused("db", "port is already allocated");
    let why = "port is already allocated (500)";
    let refusals = yard.refusals();
    let named: Vec<_> = refusals.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, ["db", "api", "app"], "{why}");
    assert!(refusals[1].1.starts_with("db, which it needs: "), "{refusals:?}");
    assert!(refusals[2].1.starts_with("api, which it needs: db, which it needs: "));
    yard.pass(secs(1));
    yard.tell("other", Input::Knock);
    assert_eq!(yard.refusals().len(), 1, "for a moment that answers for all");
    yard.tell("other", Input::WakeOrder);
    assert_eq!(yard.orders(), [("db", Start)], "who orders is not put off");
}

#[test]
fn what_woke_only_for_a_wake_that_failed_goes_back_to_sleep() {
    let lines = "app: db, cache\n cache: disk\n disk:\n db:\n other:";
    let mut yard = Yard::new(lines);
    yard.tell("app", Input::Knock);
    assert_eq!(yard.orders(), [("disk", Start), ("db", Start)]);
    yard.refused("db", "no");
    assert_eq!((yard.phase("app"), yard.phase("cache")), (Phase::Failed, Phase::Asleep));
    yard.comes_up("disk");
    assert_eq!(yard.orders(), [], "nobody waits for the cache");
    // But who was knocked at meanwhile goes on.
    let mut yard = Yard::new(lines);
    yard.tell("app", Input::Knock);
    yard.tell("cache", Input::Knock);
    yard.refused("db", "no");
    assert_eq!(yard.phase("cache"), Phase::Waking);
    assert_eq!(yard.orders(), [("disk", Start), ("db", Start)]);
    yard.comes_up("disk");
    assert_eq!(yard.orders(), [("cache", Start)]);
}

#[test]
fn what_was_told_to_stay_awake_does_under_its_next_machine_too() {
    let mut yard = Yard::with("app: db\n db:", follows(&["db"]));
    yard.saw("db", RUNS);
    yard.all.iter_mut().find(|known| known.member.name == "db").unwrap().sight = RUNS;
    let until = yard.now + secs(600);
    yard.tell("db", Input::Keep(until));
    let app = yard.all.remove(0);
    yard.arrange();
    assert!(yard.fleet.machine(yard.key("db")).is_none());
    yard.all.insert(0, app);
    yard.arrange();
    yard.pass(secs(599));
    assert_eq!(yard.orders(), []);
    yard.pass(secs(2));
    assert_eq!(yard.orders(), [("db", Stop)]);
}

#[test]
fn after_that_moment_a_knock_tries_again() {
    let mut yard = Yard::new("app: db\n db:");
    yard.tell("app", Input::Knock);
    yard.refused("db", "no");
    yard.done.clear();
    yard.pass(secs(5));
    yard.tell("app", Input::Knock);
    assert_eq!(yard.orders(), [("db", Start)]);
}

#[test]
fn a_job_runs_once_before_its_dependant_and_not_again() {
    let job = follows(&["job"]);
    let mut yard = Yard::with("app: job:service_completed_successfully\n job:", job);
    yard.tell("app", Input::Knock);
    assert_eq!(yard.orders(), [("job", Start)]);
    yard.saw("job", RUNS);
    yard.pass(secs(5));
    assert_eq!(yard.orders(), []);
    yard.saw("job", ended(0));
    assert_eq!(yard.orders(), [("app", Start)]);
    yard.comes_up("app");
    yard.tell("app", Input::SleepOrder);
    yard.saw("app", ended(0));
    yard.orders();
    yard.tell("app", Input::Knock);
    assert_eq!(yard.orders(), [("app", Start)]);
}

#[test]
fn a_job_that_fails_fails_its_dependants() {
    let job = follows(&["job"]);
    let mut yard = Yard::with("app: job:service_completed_successfully\n job:", job);
    yard.tell("app", Input::Knock);
    yard.pass(secs(1));
    yard.saw("job", RUNS);
    yard.done.clear();
    yard.saw("job", ended(3));
    let why = "job, which it needs: it ended with exit code 3";
    assert_eq!(yard.refusals(), [("app", why.into())]);
    yard.pass(secs(6));
    yard.tell("app", Input::Knock);
    assert_eq!(yard.orders(), [("job", Start)], "what failed runs again");
}

#[test]
fn what_only_had_to_start_may_have_ended_well() {
    let mut yard = Yard::with("app: job\n job:\n late: job", follows(&["job"]));
    yard.fleet.limit(1);
    yard.tell("app", Input::Knock);
    yard.pass(secs(1));
    yard.saw("job", RUNS);
    assert_eq!(yard.orders(), [("job", Start)], "there is room for one");
    yard.saw("job", ended(0));
    assert_eq!(yard.orders(), [("app", Start)]);
    yard.comes_up("app");
    yard.tell("late", Input::Knock);
    assert_eq!(yard.orders(), [("late", Start)], "it ran just now");
    yard.comes_up("late");
    ["app", "late"].iter().for_each(|name| yard.tell(name, Input::SleepOrder));
    ["app", "late"].iter().for_each(|name| yard.saw(name, ended(0)));
    yard.pass(secs(9));
    yard.done.clear();
    yard.tell("late", Input::Knock);
    assert_eq!(yard.orders(), [("job", Start)], "but that was another time");
}

#[test]
fn a_stop_that_ends_well_is_no_start() {
    let mut yard = Yard::new("app: db\n db:");
    yard.saw("db", RUNS);
    yard.comes_up("db");
    yard.tell("db", Input::SleepOrder);
    yard.tell("app", Input::Knock);
    yard.pass(secs(1));
    yard.done.clear();
    yard.saw("db", ended(0));
    assert_eq!(yard.orders(), [("db", Start)]);
    yard.refused("db", "no");
    assert_eq!(yard.phase("app"), Phase::Failed, "what ended well before is not what failed now");
}

#[test]
fn what_is_needed_stays_awake_and_then_follows_those_who_needed_it() {
    let mut yard = Yard::with("app: db\n db:", follows(&["db"]));
    yard.tell("app", Input::Knock);
    yard.comes_up("db");
    yard.comes_up("app");
    yard.done.clear();
    yard.pass(secs(59));
    assert_eq!(yard.orders(), []);
    assert_eq!(yard.fleet.needed_by(yard.key("db")), [yard.key("app")]);
    yard.tell("db", Input::SleepOrder);
    assert_eq!(yard.orders(), [], "something awake needs it");
    yard.pass(secs(2));
    assert_eq!(yard.orders(), [("app", Stop)]);
    yard.pass(secs(9));
    assert_eq!(yard.orders(), [], "one that goes to sleep needs it still");
    yard.saw("app", ended(0));
    yard.pass(secs(1));
    assert_eq!(yard.orders(), [("db", Stop)], "it was idle as long as they");
}

#[test]
fn what_may_not_follow_wakes_but_never_sleeps() {
    let mut yard = Yard::with("app: db\n db:", |known| {
        if known.member.name == "db" {
            known.role = Role::Stays;
        }
    });
    yard.tell("app", Input::Knock);
    assert_eq!(yard.orders(), [("db", Start)]);
    yard.comes_up("db");
    yard.comes_up("app");
    yard.tell("app", Input::SleepOrder);
    yard.saw("app", ended(0));
    yard.pass(secs(100_000));
    assert_eq!(yard.orders(), [("app", Start), ("app", Stop)]);
}

#[test]
fn who_needs_nobody_managed_has_no_machine() {
    let yard = Yard::with("app: db\n db: disk\n disk:\n loner: db", |known| {
        if known.member.name != "app" {
            known.role = Role::Follows;
        }
    });
    let watched: Vec<_> = yard.fleet.machines().map(|(key, _)| yard.name(key)).collect();
    assert_eq!(watched, ["app", "db", "disk"]);
}

#[test]
fn what_other_hands_stop_under_somebody_stays_so_until_a_wake_wants_it() {
    let mut yard = Yard::new("app: db\n db:\n other: db");
    yard.tell("app", Input::Knock);
    yard.comes_up("db");
    yard.comes_up("app");
    yard.done.clear();
    yard.saw("db", ended(137));
    yard.pass(secs(30));
    yard.tell("app", Input::Knock);
    assert_eq!(yard.orders(), []);
    yard.tell("other", Input::Knock);
    assert_eq!(yard.orders(), [("db", Start)]);
}

#[test]
fn what_other_hands_start_wakes_what_it_needs() {
    let mut yard = Yard::with("app: db\n db:\n script: db", |known| {
        if known.member.name == "script" {
            known.role = Role::Follows;
        }
    });
    yard.saw("app", RUNS);
    assert_eq!(yard.orders(), [("db", Start)]);
    yard.comes_up("db");
    yard.comes_up("app");
    yard.saw("script", RUNS);
    yard.tell("app", Input::SleepOrder);
    yard.saw("app", ended(0));
    yard.done.clear();
    yard.pass(secs(1_000));
    assert_eq!(yard.orders(), [], "it has no machine, but runs");
    yard.saw("script", ended(0));
    yard.pass(secs(1));
    assert_eq!(yard.orders(), [("db", Stop)]);
}

#[test]
fn what_is_new_is_left_as_it_is_found() {
    let mut yard = Yard::with("app: db\n db:", |known| {
        if known.member.name == "app" {
            known.sight = RUNS;
        }
    });
    assert_eq!(yard.phase("db"), Phase::Asleep);
    yard.pass(secs(59));
    assert_eq!(yard.orders(), []);
    assert_eq!(yard.fleet.standing(yard.key("app")), Standing::Healthy);
    assert_eq!(yard.fleet.standing(yard.key("db")), Standing::Down);
}

#[test]
fn who_moves_keeps_all_of_its_network_awake() {
    let mut yard = Yard::with("vpn:\n app:", |known| {
        known.sight = RUNS;
        if known.member.name == "app" {
            known.member.network_mode = "container:vpn";
        }
    });
    yard.pass(secs(40));
    yard.tell("vpn", Input::Activity(yard.now));
    yard.pass(secs(40));
    assert_eq!(yard.orders(), []);
    yard.pass(secs(21));
    assert_eq!(yard.orders(), [("app", Stop)]);
}

#[test]
fn a_reload_keeps_the_state_of_what_did_not_change() {
    let mut yard = Yard::new("app: db\n db:");
    yard.tell("app", Input::Knock);
    yard.comes_up("db");
    yard.done.clear();
    yard.all[1].terms.idle_timeout = Some(secs(5));
    yard.all[1].sight = RUNS;
    yard.arrange();
    assert_eq!(yard.done, []);
    let terms = *yard.fleet.machine(yard.key("app")).unwrap().terms();
    assert_eq!(terms.turn_timeout, secs(30 + 10), "the line, and what it needs");
    assert_eq!((yard.phase("app"), yard.phase("db")), (Phase::Waking, Phase::Awake));
}

#[test]
fn who_is_removed_is_waited_for_no_longer() {
    let mut yard = Yard::new("app: db\n db:");
    yard.tell("app", Input::Knock);
    yard.done.clear();
    yard.tell("db", Input::Gone);
    let why = "db, which it needs: it is gone";
    assert_eq!(yard.refusals(), [("db", "it was removed".into()), ("app", why.into())]);
    yard.all.truncate(1);
    yard.arrange();
    yard.pass(secs(5));
    yard.tell("app", Input::Knock);
    assert_eq!(yard.orders(), [("app", Start)], "who depends on the unknown wakes alone");
}
