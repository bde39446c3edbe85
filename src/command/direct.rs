//! Waking and putting to sleep where no daemon runs: the named containers and nothing else, neither
//! what they need nor what needs them. Prints nothing itself.

mod guests;

use std::io;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::container::Container;
use crate::control::names::{Candidate, resolve};
use crate::control::request::Until;
use crate::control::{Done, State, millis};
use crate::docker::Filters;
use crate::docker::call;
use crate::docker::inspect::Inspect;
use crate::duration;
use crate::error::{Error, Why};
use crate::idle::backend::{Backend, Life, Nap, Order};
use crate::idle::docker::{Docker, life};
use crate::plan::{self, Plan, StopMethod};

use super::engine::{self, Engine};
use super::orders::Teller;
use guests::Room;

/// How often a container is looked at that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a kill may take to show.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// What to do with the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Start or unpause.
    Wake,
    /// Stop, pause or kill, as their plans say.
    Sleep,
}

/// What to do, and how long to wait for it.
pub struct Job<'a> {
    /// The engines.
    pub config: &'a Config,
    /// What.
    pub errand: Errand,
    /// When it is over.
    pub until: Until,
    /// How long one engine may take to answer.
    pub timeout: Duration,
}

/// A container that was named.
struct Target<'a> {
    engine: &'a mut Engine,
    backend: Docker,
    container: &'a Container,
    plan: Plan,
}

/// An engine that answered, and all it has.
struct Place {
    name: String,
    engine: Engine,
    containers: Vec<Container>,
}

/// What a look at a container showed.
enum Look {
    There,
    NotYet(&'static str),
}

impl Job<'_> {
    /// Does it for each name; the failure of one is no other's.
    pub fn run(&self, names: &[String], teller: &mut Teller) -> io::Result<()> {
        let mut places = self.places(teller);
        let mut rooms = self.rooms(teller);
        let mut chosen: Vec<(usize, usize)> = Vec::new();
        for name in names {
            match chosen_by(name, &places, &rooms) {
                Ok(one) if chosen.contains(&one) => {}
                Ok(one) => chosen.push(one),
                Err(error) => teller.tell(&Done::unresolved(name, error))?,
            }
        }
        // Clusters come after the engines.
        let (containers, guests): (Vec<_>, Vec<_>) =
            chosen.into_iter().partition(|(place, _)| *place < places.len());
        let guests: Vec<_> = guests
            .into_iter()
            .filter_map(|(place, at)| {
                let room = place.checked_sub(places.len())?;
                let mut target = self.guest(rooms.get_mut(room)?, at)?;
                let (now, begun) = (Instant::now(), self.begin_guest(&mut target));
                Some(((room, at), now, begun))
            })
            .collect();
        self.run_containers(containers, &mut places, teller)?;
        for ((room, at), since, begun) in guests {
            let Some(room) = rooms.get_mut(room) else { continue };
            let engine = room.name.clone();
            let name = room.guests.get(at).map(|guest| guest.container_name.clone());
            let Some(mut target) = self.guest(room, at) else { continue };
            let settled = begun.and_then(|begun| self.settle_guest(&mut target, since, begun));
            teller.tell(&done(engine, name.unwrap_or_default(), settled))?;
        }
        Ok(())
    }

    fn run_containers(
        &self,
        chosen: Vec<(usize, usize)>,
        places: &mut [Place],
        teller: &mut Teller,
    ) -> io::Result<()> {
        let began: Vec<_> = chosen
            .into_iter()
            .filter_map(|(place, at)| {
                let mut target = self.target(places.get_mut(place)?, at)?;
                let (now, begun) = (Instant::now(), self.begin(&mut target));
                Some(((place, at), now, begun))
            })
            .collect();
        for ((place, at), since, begun) in began {
            let Some(place) = places.get_mut(place) else { continue };
            let engine = place.name.clone();
            let Some(mut target) = self.target(place, at) else { continue };
            let settled = begun.and_then(|begun| self.settle(&mut target, since, begun));
            let name = target.container.container_name.clone();
            teller.tell(&done(engine, name, settled))?;
        }
        Ok(())
    }

    /// Every engine that answers, with its containers; what fails is told.
    fn places(&self, teller: &mut Teller) -> Vec<Place> {
        let mut places = Vec::new();
        for engine in &self.config.engines {
            let listed = Engine::connect(engine, Instant::now() + self.timeout).and_then(|known| {
                let origin = engine::origin(engine, self.config);
                Ok((known.containers(&Filters::default(), &origin)?, known))
            });
            match listed {
                Ok((containers, known)) => {
                    places.push(Place { name: engine.name.clone(), engine: known, containers });
                }
                Err(error) => teller.complain(&engine::failure(engine, self.config, &error)),
            }
        }
        places
    }

    fn target<'p>(&self, place: &'p mut Place, at: usize) -> Option<Target<'p>> {
        let container = place.containers.get(at)?;
        let backend = Docker::new(&place.engine.agreed);
        let plan = plan_of(container, &self.config.idle.defaults());
        Some(Target { engine: &mut place.engine, backend, container, plan })
    }

    /// Gives the order, unless it is so already, which the answer tells.
    fn begin(&self, target: &mut Target<'_>) -> Result<Begun, String> {
        let Some(order) = self.order(target)? else { return Ok(Begun::Before) };
        let waits = self.waits(order, &target.plan);
        let limit = match order {
            Order::Stop if waits => target.terms()?.kill_after + KILL_LIMIT,
            Order::Start if waits => target.plan.wake_timeout.max(self.timeout),
            _ => self.timeout,
        };
        match target.run(order, limit) {
            Ok(()) => Ok(Begun::Now(order)),
            Err(Error { why: Why::AlreadySo, .. }) => Ok(Begun::Before),
            // To give up the call does not call the stop off.
            Err(Error { why: Why::TimedOut(_), .. }) if order == Order::Stop && !waits => {
                Ok(Begun::Now(order))
            }
            // Somebody was faster.
            Err(error @ Error { why: Why::Conflict(_), .. }) => match self.look(target) {
                Ok(Look::There) => Ok(Begun::Before),
                Ok(Look::NotYet(_)) | Err(_) => Err(engine::told(&error)),
            },
            Err(error) => Err(engine::told(&error)),
        }
    }

    /// The order that gets it there; `None`: it is there.
    fn order(&self, target: &Target<'_>) -> Result<Option<Order>, String> {
        let restarting = target.container.state == "restarting";
        Ok(match (self.errand, life(&target.container.state)) {
            (Errand::Wake, Life::Runs) => None,
            (Errand::Wake, Life::Down(Nap::Paused)) => Some(Order::Unpause),
            (Errand::Wake, Life::Down(Nap::Stopped)) => Some(Order::Start),
            (Errand::Sleep, Life::Down(_)) if !restarting => None,
            // Neither frozen nor signalled is what has no process at the moment.
            (Errand::Sleep, Life::Down(_)) => Some(Order::Stop),
            (Errand::Sleep, Life::Runs) => Some(target.terms()?.sleep),
        })
    }

    /// A signal that stands for a stop has to be followed by the kill, asked for or not.
    fn waits(&self, order: Order, plan: &Plan) -> bool {
        let half_a_stop = order == Order::Signal && plan.stop_method == StopMethod::Stop;
        self.until == Until::Settled || half_a_stop
    }

    /// Waits, where that was asked for, until it is there; the state and how long it took.
    fn settle(
        &self,
        target: &mut Target<'_>,
        since: Instant,
        begun: Begun,
    ) -> Result<(State, Option<u64>), String> {
        let (there, on_the_way) = match self.errand {
            Errand::Wake => (State::Awake, State::Waking),
            Errand::Sleep => (State::Asleep, State::GoingToSleep),
        };
        let mut limit = match self.errand {
            Errand::Wake => target.plan.wake_timeout,
            Errand::Sleep => target.terms()?.kill_after,
        };
        let mut killed = false;
        loop {
            target.engine.until(Instant::now() + self.timeout);
            let lacks = match self.look(target)? {
                Look::There if begun == Begun::Before => return Ok((there, Some(0))),
                Look::There => return Ok((there, Some(millis(since.elapsed())))),
                Look::NotYet(lacks) => lacks,
            };
            let waits = match begun {
                Begun::Before => self.until == Until::Settled,
                Begun::Now(order) => self.waits(order, &target.plan),
            };
            if !waits {
                return Ok((on_the_way, None));
            }
            if since.elapsed() >= limit {
                if self.errand == Errand::Wake || killed {
                    return Err(format!("{lacks} after {}", duration::show(limit)));
                }
                target.run(Order::Kill, self.timeout).or_else(unless_down)?;
                (killed, limit) = (true, since.elapsed() + KILL_LIMIT);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether it is where it should be; an error if it will not get there.
    fn look(&self, target: &Target<'_>) -> Result<Look, String> {
        let seen = target.inspect().map_err(|error| engine::told(&error))?;
        let restarting = seen.state.status == "restarting";
        match (self.errand, target.backend.read(&seen).life) {
            (_, Life::Down(_)) if restarting => Ok(Look::NotYet("it is still restarting")),
            (Errand::Sleep, Life::Down(_)) => Ok(Look::There),
            (Errand::Sleep, Life::Runs) => Ok(Look::NotYet("it still runs")),
            (Errand::Wake, Life::Runs) if is_ready(&seen) => Ok(Look::There),
            (Errand::Wake, Life::Runs) => Ok(Look::NotYet("its health check does not pass")),
            (Errand::Wake, Life::Down(Nap::Paused)) => Ok(Look::NotYet("it is still paused")),
            (Errand::Wake, Life::Down(Nap::Stopped)) => {
                Err(format!("it ran and ended with exit code {}", seen.state.exit_code))
            }
        }
    }
}

/// Whether there was anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    Before,
    Now(Order),
}

impl Target<'_> {
    fn terms(&self) -> Result<crate::idle::backend::Terms, String> {
        self.backend.terms(&self.plan)
    }

    fn run(&mut self, order: Order, limit: Duration) -> Result<(), Error> {
        let id = &self.container.container_id;
        self.engine.until(Instant::now() + limit);
        let order = self.backend.order(id, order, &self.plan);
        self.engine.run(&order.map_err(|why| why.during("", id.as_str()))?)
    }

    fn inspect(&self) -> Result<Inspect, Error> {
        self.engine.run(&call::inspect(&self.container.container_id))
    }
}

/// It runs; if it has a health check, that passes.
fn is_ready(seen: &Inspect) -> bool {
    let health = seen.state.health.as_ref().map(|health| health.status.as_str());
    matches!(health, None | Some("" | "none" | "healthy"))
}

/// A kill that finds nobody has nothing to do.
fn unless_down(error: Error) -> Result<(), String> {
    match error.why {
        Why::Conflict(_) | Why::AlreadySo => Ok(()),
        _ => Err(engine::told(&error)),
    }
}

fn done(engine: String, name: String, settled: Result<(State, Option<u64>), String>) -> Done {
    let (state, took_ms, error) = match settled {
        Ok((state, took_ms)) => (state, took_ms, None),
        Err(error) => (State::Failed, None, Some(error)),
    };
    Done { engine: Some(engine), error, name, state: Some(state), took_ms }
}

/// Which place, and which of its containers; the clusters' places come after the engines'.
fn chosen_by(name: &str, places: &[Place], rooms: &[Room]) -> Result<(usize, usize), String> {
    let engines = places.iter().map(|place| (&place.name, &place.containers));
    let clusters = rooms.iter().map(|room| (&room.name, &room.guests));
    let mut keys = Vec::new();
    let mut candidates = Vec::new();
    for (at, (engine, containers)) in engines.chain(clusters).enumerate() {
        for (nth, container) in containers.iter().enumerate() {
            keys.push((at, nth));
            candidates.push(Candidate {
                engine,
                name: &container.container_name,
                aliases: &container.aliases,
                id: &container.container_id,
                node: container.node.as_deref(),
            });
        }
    }
    let one = resolve(name, &candidates)?;
    keys.get(one).copied().ok_or_else(|| unreachable!("a key for each candidate"))
}

/// How it sleeps and wakes: by its labels as far as they are good, even if it never sleeps by
/// itself.
fn plan_of(container: &Container, defaults: &plan::Defaults) -> Plan {
    if let Some(plan) = &container.idlewatcher_config {
        return plan.clone();
    }
    let parse = |labels| plan::parse(&labels, &[], defaults, &mut Vec::new());
    let timeout = || ("proxy.idle_timeout".to_string(), "1h".to_string());
    let mut labels = container.labels.clone();
    labels.extend([timeout()]);
    let by_labels = parse(labels).or_else(|| parse([timeout()].into()));
    by_labels.unwrap_or_else(|| unreachable!("one good label makes a plan"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{self, Origin};
    use crate::docker::types::Summary;

    fn plan(labels: &[(&str, &str)]) -> Plan {
        let labels = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let container =
            container::parse(Summary { labels, ..Summary::default() }, &Origin::default());
        let defaults = plan::Defaults { stop_method: StopMethod::Pause, ..Default::default() };
        plan_of(&container, &defaults)
    }

    #[test]
    fn a_container_without_a_plan_has_what_its_labels_and_the_config_say() {
        assert_eq!(plan(&[]).stop_method, StopMethod::Pause);
        let labelled = plan(&[("proxy.stop_method", "kill"), ("proxy.stop_signal", "SIGINT")]);
        let how = (labelled.stop_method, labelled.stop_signal.as_deref());
        assert_eq!(how, (StopMethod::Kill, Some("SIGINT")));
        let bad = plan(&[("proxy.stop_method", "kill"), ("proxy.stop_timeout", "soon")]);
        assert_eq!(bad.stop_method, StopMethod::Pause, "none of a bad plan");
    }
}
