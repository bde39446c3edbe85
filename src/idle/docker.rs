//! A Docker or Podman engine as a backend. Sends nothing.

use std::time::Duration;

use crate::docker::events::EventReader;
use crate::docker::inspect::Inspect;
use crate::docker::version::Negotiated;
use crate::docker::{call, system};
use crate::error::Why;
use crate::http::Call;
use crate::idle::backend::{Backend, Kind, Life, Nap, Order, Status, Terms};
use crate::plan::{Plan, StopMethod};

/// What an engine that kills by itself gets beyond the grace period before we do.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// What ends a container at once.
const SIGKILL: &str = "SIGKILL";

/// One engine, by what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Docker {
    stops_with_signal: bool,
}

impl Docker {
    /// The engine that was agreed with; ask anew after every reconnect.
    pub fn new(negotiated: &Negotiated) -> Docker {
        Docker { stops_with_signal: negotiated.stops_with_signal() }
    }

    /// The order that puts to sleep. An engine that ignores `stop`'s signal gets the parts of a
    /// stop one by one: the signal, the wait, the kill.
    fn sleep(&self, plan: &Plan) -> Order {
        match plan.stop_method {
            StopMethod::Pause => Order::Pause,
            StopMethod::Kill => Order::Signal,
            StopMethod::Stop if plan.stop_signal.is_none() || self.stops_with_signal => Order::Stop,
            StopMethod::Stop => Order::Signal,
        }
    }
}

impl Backend for Docker {
    type Begun = ();
    type Seen = Inspect;
    type Watch = EventReader;

    fn terms(&self, plan: &Plan) -> Result<Terms, String> {
        let sleep = self.sleep(plan);
        let margin = if sleep == Order::Stop { STOP_MARGIN } else { Duration::ZERO };
        Ok(Terms {
            idle_timeout: (!plan.idle_timeout.is_zero()).then_some(plan.idle_timeout),
            wake_timeout: plan.wake_timeout,
            turn_timeout: plan.wake_timeout,
            ready: plan.ready,
            sleep,
            kill_after: plan.stop_timeout.saturating_add(margin),
            kind: Kind::Service,
        })
    }

    fn order(&self, id: &str, order: Order, plan: &Plan) -> Result<Call<()>, Why> {
        let signal = plan.stop_signal.as_deref();
        Ok(match order {
            Order::Start => call::start(id),
            Order::Unpause => call::unpause(id),
            Order::Pause => call::pause(id),
            Order::Stop => call::stop(id, signal, plan.stop_timeout),
            // Only a plan that kills may come without a signal, and that means what it says.
            Order::Signal => call::kill(id, signal.unwrap_or(SIGKILL)),
            Order::Kill => call::kill(id, SIGKILL),
        })
    }

    fn status(&self, id: &str) -> Call<Inspect> {
        call::inspect(id)
    }

    fn read(&self, seen: &Inspect) -> Status {
        let health = seen.state.health.as_ref().map(|health| health.status.as_str());
        Status { life: life(&seen.state.status), healthy: health == Some("healthy") }
    }

    fn watch(&self, since_nano: Option<u64>) -> Call<EventReader> {
        system::events(since_nano)
    }
}

/// What a container in a state of that name does. Docker: `created`, `running`, `paused`,
/// `restarting`, `removing`, `exited`, `dead`; Podman also `configured`, `initialized`, `stopping`
/// and `stopped`. One that waits to be restarted does not run.
pub fn life(state: &str) -> Life {
    match state {
        "running" | "stopping" => Life::Runs,
        "paused" => Life::Down(Nap::Paused),
        _ => Life::Down(Nap::Stopped),
    }
}

/// With what its last run ended, by its state's name and the exit code beside it. One that never
/// ran has a code too: 0.
pub fn exit(state: &str, code: i64) -> Option<i64> {
    let has_run = !matches!(state, "created" | "configured" | "initialized");
    (has_run && life(state) == Life::Down(Nap::Stopped)).then_some(code)
}
