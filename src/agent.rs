//! Agents: TLS front ends that forward an engine's API, and the list of the known ones. Connects to
//! nothing.

use serde_json::Value;

use crate::error::Why;
use crate::http::{Call, Method, Patience, Prefix, Reply, Request};
use crate::net::Tls;
use crate::sorted::Map;

/// The name in an agent's certificate, unless the config says otherwise.
pub const SERVER_NAME: &str = "godoxy.agent";
/// The port of an agent whose address has none.
pub const PORT: u16 = 443;
/// A version longer than this is none.
const VERSION_LIMIT_BYTES: usize = 64;

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// `host` or `host:port`, as the config has it.
    pub addr: String,
    /// What the user calls it.
    pub name: String,
    /// How to trust it, and who we are.
    pub tls: Tls,
}

/// The known agents by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agents {
    by_addr: Map<String, Agent>,
}

impl Agents {
    /// No agents; in unit tests the list starts with one, named `test-agent`.
    pub fn new() -> Agents {
        #[cfg_attr(not(test), allow(unused_mut))]
        let mut agents = Agents { by_addr: Map::new() };
        #[cfg(test)]
        agents.add(tests::agent("test-agent", "test-agent"));
        agents
    }

    /// Adds one; false, and nothing changes, if its address is there already.
    pub fn add(&mut self, agent: Agent) -> bool {
        if self.has(&agent.addr) {
            return false;
        }
        self.by_addr.insert(agent.addr.clone(), agent).is_none()
    }

    /// Whether that address is in the list.
    pub fn has(&self, addr: &str) -> bool {
        self.by_addr.contains_key(addr)
    }

    /// Takes one out by its address.
    pub fn remove(&mut self, addr: &str) -> Option<Agent> {
        self.by_addr.remove(addr)
    }

    /// Takes all out.
    pub fn remove_all(&mut self) {
        self.by_addr.clear();
    }

    /// The agent with this address, also written `agent://address`.
    pub fn by_addr(&self, addr: &str) -> Option<&Agent> {
        self.by_addr.get(addr.strip_prefix("agent://").unwrap_or(addr))
    }

    /// The agent with this name; of several the first by address.
    pub fn by_name(&self, name: &str) -> Option<&Agent> {
        self.iter().find(|agent| agent.name == name)
    }

    /// All, sorted by address.
    pub fn list(&self) -> Vec<Agent> {
        self.iter().cloned().collect()
    }

    /// All in turn, sorted by address.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.by_addr.values()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.by_addr.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_addr.is_empty()
    }
}

impl Default for Agents {
    fn default() -> Self {
        Agents::new()
    }
}

/// What an agent tells of itself; empty where it tells nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Its own version: `v0.18.6`.
    pub version: String,
    /// What runs its containers: `docker`, `podman`.
    pub runtime: String,
}

/// Asks an agent for its version and runtime. Older agents answer with their version as plain text.
pub fn info() -> Call<Info> {
    Call {
        what: "ask for the agent's version".into(),
        request: Request {
            method: Method::Get,
            path: "/godoxy/agent/info".into(),
            headers: Vec::new(),
            body: Vec::new(),
        },
        prefix: Prefix::Bare,
        patience: Patience::Ordinary,
        read: read_info,
    }
}

fn read_info(reply: Reply) -> Result<Info, Why> {
    let text = String::from_utf8_lossy(&reply.body);
    let text = text.trim();
    match reply.status {
        200 => {}
        401 | 403 => {
            return Err(Why::Forbidden(format!("the agent refused with {}", reply.status)));
        }
        404 => return Err(Why::NotFound("no agent answers there".into())),
        status => return Err(Why::Refused { status, message: "no agent's answer".into() }),
    }
    if let Ok(Value::Object(object)) = serde_json::from_str(text) {
        let field = |name: &str| {
            let found = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
        };
        return Ok(Info { version: field("version"), runtime: field("runtime") });
    }
    let is_version =
        text.len() <= VERSION_LIMIT_BYTES && text.chars().all(|c| c.is_ascii_graphic() && c != '<');
    if is_version && !text.is_empty() {
        return Ok(Info { version: text.to_owned(), ..Info::default() });
    }
    Err(Why::NotAnEngine("no agent's answer, expected its version".into()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::net::Trust;

    #[test]
    fn the_list_begins_with_the_test_agent_and_keeps_each_address_once() {
        let mut agents = Agents::new();
        assert_eq!(agents.list(), [agent("test-agent", "test-agent")]);
        let attic = agent("attic.example:443", "attic");
        assert!(agents.add(attic.clone()));
        assert!(!agents.add(agent("attic.example:443", "impostor")));
        assert_eq!(agents.list(), [attic.clone(), agent("test-agent", "test-agent")]);
        assert_eq!(
            (agents.len(), agents.has("attic.example:443"), agents.has("attic")),
            (2, true, false)
        );
        assert_eq!(agents.by_addr("attic.example:443"), Some(&attic));
        assert_eq!(agents.by_addr("agent://attic.example:443"), Some(&attic));
        assert_eq!(agents.by_name("attic"), Some(&attic));
        assert_eq!(agents.by_name("impostor"), None);
        assert_eq!(agents.remove("attic.example:443"), Some(attic));
        assert_eq!(agents.remove("attic.example:443"), None);
        agents.remove_all();
        assert!(agents.is_empty());
        assert_eq!(agents.by_addr("test-agent"), None);
    }

    #[test]
    fn an_agent_tells_its_version_in_json_or_as_text() {
        let asked = info();
        assert_eq!(
            (asked.request.path.as_str(), asked.prefix),
            ("/godoxy/agent/info", Prefix::Bare)
        );
        let info = |version: &str, runtime: &str| {
            Ok(Info { version: version.into(), runtime: runtime.into() })
        };
        let no_answer = "no agent's answer, expected its version";
        for (status, body, expected) in [
            (
                200,
                r#"{"version":"v1.2.0","name":"attic","runtime":"docker"}"#,
                info("v1.2.0", "docker"),
            ),
            (200, r#"{"Version":"v1.2.0","Runtime":null}"#, info("v1.2.0", "")),
            (200, "{}", info("", "")),
            (200, "v0.18.6\n", info("v0.18.6", "")),
            (200, "<!doctype html>", Err(Why::NotAnEngine(no_answer.into()))),
            (200, "", Err(Why::NotAnEngine(no_answer.into()))),
            (403, "no", Err(Why::Forbidden("the agent refused with 403".into()))),
            (404, "no", Err(Why::NotFound("no agent answers there".into()))),
            (502, "no", Err(Why::Refused { status: 502, message: "no agent's answer".into() })),
        ] {
            let reply = Reply { status, body: body.into(), ..Reply::default() };
            assert_eq!((asked.read)(reply), expected, "{status} {body}");
        }
    }

    pub(crate) fn agent(addr: &str, name: &str) -> Agent {
        let tls = Tls {
            trust: Trust::Ca("ca.pem".into()),
            identity: None,
            server_name: Some(SERVER_NAME.into()),
        };
        Agent { addr: addr.into(), name: name.into(), tls }
    }
}
