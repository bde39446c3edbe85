//! A run embedded in another program: its events are fetched, its restarts decided by the caller,
//! its things found and removed by label.

use std::time::{Duration, Instant};

use drowse::net::{Endpoint, Route};
use drowse::run::job::{Job, Logs, PullWhen, Restart};
use drowse::run::policy::Decision;
use drowse::run::registry::Source;
use drowse::run::spec::{self, Owner, Wanted};
use drowse::run::state::Status;
use drowse::run::whose::{self, Whose};
use drowse::supervise::session::Session;
use drowse::supervise::sweep::Place;
use drowse::supervise::{News, Setup};

use super::stage::{Engine, IMAGE, engines};
use crate::dockerd;

const APP: &str = "embedder";
const LIMIT: Duration = Duration::from_secs(60);

fn setup(engine: &Engine, case: &str, script: &str) -> Setup {
    let owner = Owner { app: APP.into(), id: engine.id(case), lock: None };
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    let wanted = Wanted { image: IMAGE.into(), command, ..Wanted::default() };
    let built = spec::build(&wanted, &owner).unwrap();
    Setup {
        job: Job {
            id: owner.id.clone(),
            name: whose::container_name(APP, &owner.id, "x"),
            image: IMAGE.into(),
            pull: PullWhen::Never,
            network: built.network,
            joins: 0,
            copies: Vec::new(),
            restart: Restart::Asked,
            grace: Duration::from_secs(1),
            logs: Logs::Followed,
        },
        spec: built.spec,
        network: whose::network_name(APP, &owner.id),
        labels: owner.labels(),
        joins: built.joins,
        copies: Vec::new(),
        credentials: Ok(Source::None),
        count_rx: None,
        count_tx: None,
        local: true,
        forced: None,
    }
}

fn session(engine: &Engine, case: &str, script: &str) -> Session {
    let route = Route::Unix(engine.host.trim_start_matches("unix://").into());
    let endpoint = Endpoint { url: engine.host.clone(), authority: "docker".into(), route };
    Session::start(setup(engine, case, script), &endpoint).unwrap()
}

fn next(session: &mut Session) -> News {
    session.next_event(Some(Instant::now() + LIMIT)).unwrap().unwrap()
}

#[test]
fn a_caller_decides_about_restarts_and_ends_with_its_own_words() {
    for engine in engines() {
        let mut session = session(&engine, "lib", "echo up; exit 4");
        let (mut decided, mut lines) = (Vec::new(), Vec::new());
        let verdict = loop {
            match next(&mut session) {
                News::Decide(exited) => {
                    decided.push((exited.code, exited.restarts));
                    session.decide(match decided.len() {
                        1 => Decision::Restart { after: Duration::from_millis(10) },
                        _ => Decision::End { error: Some("twice is enough".into()) },
                    });
                }
                News::Line(line) => lines.push(line.text),
                News::State(_) => {}
                News::Over(verdict) => break verdict,
            }
        };
        assert_eq!(decided, [(4, 0), (4, 1)]);
        assert_eq!(lines, ["up", "up"]);
        assert_eq!(verdict.code, 4);
        assert!(verdict.error.unwrap().ends_with("ended with exit code 4; twice is enough"));
        assert_eq!(session.next_event(None).unwrap(), None, "nothing comes after the end");
    }
}

#[test]
fn what_is_a_programs_is_found_and_removed_by_its_labels() {
    for engine in engines() {
        let client = dockerd::client(engine.host.trim_start_matches("unix://").as_ref());
        let place = Place { client: &client, until: Instant::now() + LIMIT };
        let app = APP.to_owned();
        let ours = Whose::Run { app: app.clone(), id: engine.id("lib2") };
        assert!(!place.is_one_running(&ours).unwrap());
        let mut session = session(&engine, "lib2", "sleep 1000");
        while session.state().status != Status::Running {
            next(&mut session);
        }
        assert!(place.is_one_running(&ours).unwrap());
        assert!(place.is_one_running(&Whose::All { app }).unwrap());
        assert_eq!(place.remove_networks(&ours).unwrap(), 0, "somebody is on it");
        assert_eq!(place.remove_containers(&ours).unwrap(), 1);
        // The session sees that, and removes its network itself.
        let verdict = loop {
            if let News::Over(verdict) = next(&mut session) {
                break verdict;
            }
        };
        assert!(verdict.code != 0 && verdict.error.is_some(), "{verdict:?}");
        assert!(place.containers(&ours).unwrap().is_empty());
        assert!(place.networks(&ours).unwrap().is_empty());
    }
}
