//! A `ps --watch` that runs, and the picture that its lines draw. Faults in the lines
//! themselves are
//! kept: a `removed` of what was not there, a change that changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::binary::Run;

/// How long anything here is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// Containers by engine and id.
pub type Picture = BTreeMap<(String, String), Value>;

/// A follower that runs; ended when dropped.
pub struct Watching {
    child: Child,
    heard: Arc<Mutex<Heard>>,
    said: Arc<Mutex<Vec<String>>>,
}

/// What the lines told so far.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The containers as they are.
    pub picture: Picture,
    /// Lines by event; `present` for the list.
    pub events: BTreeMap<String, usize>,
    /// How late each line with an engine's time came.
    pub delays: Vec<(String, Duration)>,
    /// What was wrong with the lines.
    pub faults: Vec<String>,
    lost: BTreeSet<String>,
}

impl Watching {
    /// Starts `ps --watch …`.
    pub fn start(run: Run) -> Watching {
        let mut child = run.start();
        let (heard, said) = (Arc::<Mutex<Heard>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (stdout, own) = (child.stdout.take().unwrap(), heard.clone());
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                own.lock().unwrap().take(&line);
            }
        });
        let (stderr, own) = (child.stderr.take().unwrap(), said.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                own.lock().unwrap().push(line);
            }
        });
        Watching { child, heard, said }
    }

    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until what was heard is as it should be, and returns it; panics after a minute with
    /// what is wrong then.
    pub fn until(&self, mut wrong: impl FnMut(&Heard) -> Option<String>) -> Heard {
        let end = Instant::now() + LIMIT;
        loop {
            let heard = self.heard();
            let Some(wrong) = wrong(&heard) else { return heard };
            let said = self.said.lock().unwrap().join("\n");
            assert!(Instant::now() < end, "after {LIMIT:?}: {wrong}\nit said:\n{said}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The longest turn, where `--log trace` tells of turns.
    pub fn longest_turn(&self) -> String {
        let said = self.said.lock().unwrap();
        let told = said.iter().rev().find_map(|line| line.split_once("longest "));
        told.map_or("not told", |(_, longest)| longest).to_owned()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Heard {
    fn take(&mut self, line: &str) {
        let Ok(value) = serde_json::from_str::<Value>(line) else {
            return self.faults.push(format!("no JSON: {line}"));
        };
        let event = value["event"].as_str().unwrap_or("present");
        *self.events.entry(event.to_owned()).or_default() += 1;
        let engine = || value["engine"].as_str().unwrap_or_default().to_owned();
        let right = match event {
            "lost" => self.lost.insert(engine()),
            "back" => self.lost.remove(&engine()),
            "present" => self.picture.insert(key(&value), value.clone()).is_none(),
            "removed" => {
                let last = self.picture.remove(&key(&value["container"]));
                last.as_ref() == Some(&value["container"])
            }
            _ => {
                let container = value["container"].clone();
                let new = Some(container.clone());
                self.picture.insert(key(&container), container) != new
            }
        };
        if !right {
            self.faults.push(line.to_owned());
        }
        if let Some(delay) = value["at"].as_str().and_then(late) {
            self.delays.push((event.to_owned(), delay));
        }
    }
}

/// By what a container is known.
pub fn key(container: &Value) -> (String, String) {
    let text = |key: &str| container[key].as_str().unwrap_or_default().to_owned();
    (text("engine"), text("container_id"))
}

/// The first difference between two pictures, in one line.
pub fn difference(one: &Picture, other: &Picture) -> Option<String> {
    if one == other {
        return None;
    }
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let key = keys.into_iter().find(|key| one.get(key) != other.get(key))?;
    let (Some(one), Some(other)) = (one.get(key), other.get(key)) else {
        return Some(format!("{key:?}: {:?} and {:?}", one.get(key), other.get(key)));
    };
    let fields = one.as_object()?.keys();
    let differ = fields.filter(|field| one[field] != other[field]);
    Some(format!(
        "{key:?}: {}",
        differ
            .map(|field| format!("{field} {} and {}; ", one[field], other[field]))
            .collect::<String>()
    ))
}

/// How long ago that was today, by the same machine's clock.
fn late(at: &str) -> Option<Duration> {
    let (_, time) = at.trim_end_matches('Z').split_once('T')?;
    let mut parts = time.split(':');
    let mut part = || parts.next()?.parse::<f64>().ok();
    let seconds = part()? * 3600.0 + part()? * 60.0 + part()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Duration::try_from_secs_f64(now.as_secs_f64() % 86400.0 - seconds).ok()
}
