//! The endpoints: what a request that passed the checks reads, and the tasks that it begins.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::Release;
use super::answer::{Answer, bad_parameters, data, said};
use super::guest::{Course, Guest};
use super::schema::Rule;
use super::state::{Node, Order, State, Task};

/// A request that passed the checks.
pub struct Asked<'a> {
    pub rule: &'a Rule,
    pub given: Vec<(String, Value)>,
    /// Whose token asks.
    pub token: String,
    pub now: Instant,
}

impl Asked<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<u64> {
        let (_, value) = self.given.iter().find(|(known, _)| known == name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    fn is_set(&self, name: &str) -> bool {
        self.given.iter().any(|(known, value)| known == name && (value == "1" || *value == true))
    }

    pub fn answer(&self, state: &mut State) -> Answer {
        if self.is_set("skiplock") {
            let errors = json!({"skiplock": "Only root may use this option."});
            return Answer::Now(bad_parameters(state, errors));
        }
        let path = self.rule.path.as_str();
        match path.strip_prefix("/nodes/{node}/lxc/{vmid}/") {
            Some("status/current") => self.guest(state, |guest, release| guest.current(release)),
            Some("config") => self.guest(state, |guest, _| guest.config()),
            Some("interfaces") => self.guest(state, |guest, _| guest.addresses()),
            Some("status/start") => self.start(state),
            Some("status/shutdown") => self.shut_down(state),
            Some("status/stop") => self.stop(state),
            _ => self.of_cluster(state, path),
        }
    }

    fn of_cluster(&self, state: &mut State, path: &str) -> Answer {
        match path {
            "/version" => data(state, version(state.release)),
            "/nodes" => data(state, nodes(state)),
            "/cluster/resources" => self.resources(state),
            "/access/permissions" => data(state, self.permissions(state)),
            "/nodes/{node}/lxc" => self.list(state),
            "/nodes/{node}/tasks/{upid}/status" => self.task_status(state),
            "/nodes/{node}/tasks/{upid}/log" => self.task_log(state),
            other => {
                state.refused.push(format!("the double has no answer for {other}: give it one"));
                Answer::Now(said(state, 501, "not played"))
            }
        }
    }

    fn guest(&self, state: &mut State, shown: fn(&Guest, Release) -> Value) -> Answer {
        let (node, vmid) = self.place();
        let release = state.release;
        match state.there(&node, vmid).map(|guest| shown(guest, release)) {
            Some(value) => data(state, value),
            None => Answer::Now(said(state, 500, &absence(&node, vmid))),
        }
    }

    fn place(&self) -> (String, u32) {
        let vmid = self.number("vmid").and_then(|vmid| vmid.try_into().ok());
        (self.text("node").unwrap_or_default().to_owned(), vmid.unwrap_or_default())
    }

    fn resources(&self, state: &mut State) -> Answer {
        let mut all = Vec::new();
        if matches!(self.text("type"), None | Some("vm")) {
            let sees = |vmid: u32| {
                state.privileges(&self.token, &format!("/vms/{vmid}")).contains(&"VM.Audit")
            };
            let guests = state.guests.iter().filter(|guest| sees(guest.vmid));
            all.extend(guests.map(Guest::resource));
        }
        if matches!(self.text("type"), None | Some("node")) {
            all.extend(state.nodes.iter().map(|(name, mood)| node(name, *mood)));
        }
        data(state, Value::Array(all))
    }

    /// What the token may, at one path or wherever it may anything.
    fn permissions(&self, state: &State) -> Value {
        let of_token = state.tokens.iter().filter(|token| token.id == self.token);
        let places = of_token.flat_map(|token| token.rights.iter().map(|(path, _)| path.as_str()));
        let paths = match self.text("path") {
            Some(path) => vec![path],
            None => places.collect(),
        };
        let held = |path: &str| {
            let held = state.privileges(&self.token, path).into_iter();
            held.map(|name| (name.to_owned(), json!(1))).collect::<Map<String, Value>>()
        };
        paths.into_iter().map(|path| (path.to_owned(), json!(held(path)))).collect()
    }

    fn list(&self, state: &mut State) -> Answer {
        let (node, _) = self.place();
        let there = state.guests.iter().filter(|guest| guest.node == node);
        let shown = |guest: &Guest| {
            let mut object = guest.current(state.release);
            object.as_object_mut().unwrap().remove("ha");
            if state.release < Release::V8 {
                object["vmid"] = json!(guest.vmid.to_string());
            }
            object
        };
        let all = there.map(shown).collect();
        data(state, all)
    }

    /// The task that is asked for, if it is and the token may.
    fn task<'a>(&self, state: &'a State) -> Result<&'a Task, Answer> {
        let upid = self.text("upid").unwrap_or_default();
        let wrong = |what: &str| Answer::Now(bad_parameters(state, json!({ "upid": what })));
        if upid.split(':').count() != 9 || !upid.starts_with("UPID:") {
            return Err(wrong("unable to parse worker upid"));
        }
        let found = state.tasks.iter().find(|task| task.upid == upid);
        let task = found.ok_or_else(|| wrong("no such task"))?;
        let path = format!("/nodes/{}", task.node);
        let audits = state.privileges(&self.token, &path).contains(&"Sys.Audit");
        if task.owner == self.token || audits {
            return Ok(task);
        }
        Err(Answer::Now(said(state, 403, &format!("Permission check failed ({path}, Sys.Audit)"))))
    }

    fn task_status(&self, state: &State) -> Answer {
        let task = match self.task(state) {
            Ok(task) => task,
            Err(answer) => return answer,
        };
        let running = task.ends.is_none_or(|end| end > self.now);
        let (user, token) = task.owner.split_once('!').unwrap_or((&task.owner, ""));
        let mut object = json!({
            "upid": task.upid, "node": task.node, "pid": 390, "pstart": 313_529,
            "type": task.kind, "id": task.vmid.to_string(), "starttime": 1_795_230_672,
            "user": user, "tokenid": token, "status": if running { "running" } else { "stopped" },
        });
        if !running {
            object["exitstatus"] = json!(task.exit);
        }
        data(state, object)
    }

    /// Its last line says how it ended, and those before what it said.
    fn task_log(&self, state: &State) -> Answer {
        let task = match self.task(state) {
            Ok(task) => task,
            // An unknown one's log can't be opened, and that is its log.
            Err(Answer::Now(reply)) if reply.status == 400 => {
                let line = json!({"n": 1, "t": "unable to open file - No such file or directory"});
                let is_list = state.release >= Release::V9;
                return data(state, if is_list { json!([line]) } else { line });
            }
            Err(answer) => return answer,
        };
        let mut lines: Vec<String> = task.log.iter().map(|line| (*line).to_owned()).collect();
        if task.ends.is_some_and(|end| end <= self.now) {
            let word = if task.exit == "OK" { "TASK" } else { "TASK ERROR:" };
            lines.push(format!("{word} {}", task.exit));
        }
        let lines = lines.iter().enumerate().map(|(at, line)| json!({"n": at + 1, "t": line}));
        data(state, lines.collect())
    }

    fn start(&self, state: &mut State) -> Answer {
        let (node, vmid) = self.place();
        let course = match state.there(&node, vmid) {
            Some(guest) if guest.is_up() => return self.refused(state, "already running"),
            Some(guest) if guest.template => failed("you can't start a CT if it's a template"),
            Some(guest) => guest.start.clone(),
            None => failed(&absence(&node, vmid)),
        };
        self.order(state, ("vzstart", "hastart"), course)
    }

    fn shut_down(&self, state: &mut State) -> Answer {
        let (node, vmid) = self.place();
        let timeout = Duration::from_secs(self.number("timeout").unwrap_or(60));
        let course = match state.there(&node, vmid) {
            Some(guest) if !guest.is_up() => return self.refused(state, "not running"),
            Some(guest) if guest.heeds_shutdown => guest.shutdown.clone(),
            Some(_) if self.is_set("forceStop") => Course::new(timeout, "OK"),
            Some(_) => {
                let takes = 2 * timeout + Duration::from_secs(5);
                Course::new(takes, "container did not stop")
            }
            None => failed(&absence(&node, vmid)),
        };
        self.order(state, ("vzshutdown", "hashutdown"), course)
    }

    fn stop(&self, state: &mut State) -> Answer {
        let (node, vmid) = self.place();
        let course = match state.there(&node, vmid) {
            Some(guest) if !guest.is_up() => return self.refused(state, "not running"),
            Some(guest) => guest.stop.clone(),
            None => failed(&absence(&node, vmid)),
        };
        if self.is_set("overrule-shutdown") {
            state.overrule(vmid, self.now);
        }
        self.order(state, ("vzstop", "hastop"), course)
    }

    fn refused(&self, state: &State, what: &str) -> Answer {
        let (_, vmid) = self.place();
        Answer::Now(said(state, 500, &format!("CT {vmid} {what}")))
    }

    /// Begins the task, or the one of the cluster's manager, behind the locks of the guest.
    fn order(
        &self,
        state: &mut State,
        kinds: (&'static str, &'static str),
        course: Course,
    ) -> Answer {
        let (node, vmid) = self.place();
        let now = self.now;
        let guest = state.there(&node, vmid).cloned();
        let managed = guest.as_ref().is_some_and(|guest| guest.managed);
        let lock = guest.and_then(|guest| guest.lock);
        let busy = state.holder(vmid).map(|task| task.ends);
        let locked =
            format!("can't lock file '/run/lock/lxc/pve-config-{vmid}.lock' - got timeout");
        let (kind, course) = match (lock, busy) {
            _ if managed => (kinds.1, Course::new(Duration::from_millis(20), "OK")),
            (Some(lock), _) => (kinds.0, failed(&format!("CT is locked ({lock})"))),
            (None, Some(end)) if end.is_none_or(|end| end > now + state.lock_wait) => {
                if state.release < Release::V8 {
                    return Answer::After(state.lock_wait, said(state, 500, &locked));
                }
                (kinds.0, Course::new(state.lock_wait, &locked))
            }
            (None, Some(end)) => {
                let wait = end.map_or(Duration::ZERO, |end| end - now);
                let takes = course.takes.map(|takes| takes + wait);
                (kinds.0, Course { takes, ..course })
            }
            (None, None) => (kinds.0, course),
        };
        let order = Order { node, vmid, kind, owner: self.token.clone(), at: now };
        let upid = state.begin(order, course);
        data(state, json!(upid))
    }
}

/// A task that fails at once.
fn failed(text: &str) -> Course {
    Course::new(Duration::ZERO, text)
}

fn absence(node: &str, vmid: u32) -> String {
    format!("Configuration file 'nodes/{node}/lxc/{vmid}.conf' does not exist")
}

fn version(release: Release) -> Value {
    let (version, short) = match release {
        Release::V7 => ("7.4-20", "7.4"),
        Release::V8 => ("8.4.21", "8.4"),
        Release::V9 => ("9.2.11", "9.2"),
    };
    json!({"version": version, "release": short, "repoid": "14a22df35955d97d"})
}

fn nodes(state: &State) -> Value {
    state.nodes.iter().map(|(name, mood)| node(name, *mood)).collect()
}

fn node(name: &str, mood: Node) -> Value {
    let status = if mood == Node::Down { "offline" } else { "online" };
    json!({"id": format!("node/{name}"), "node": name, "type": "node", "level": "",
           "status": status})
}
