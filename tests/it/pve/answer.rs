//! What the server answers to a request: its checks in their order, then the endpoint.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::schema::{self, Rule};
use super::state::{Node, State};
use super::wire::{Body, Reply, Request, decoded};
use super::{Release, shape};

/// A reply and when it comes.
#[derive(Debug)]
pub enum Answer {
    Now(Reply),
    After(Duration, Reply),
    Never,
}

/// Answers as at that time, and lets the state change by it.
pub fn answer(state: &mut State, rules: &[Rule], request: &Request, now: Instant) -> Answer {
    state.settle(now);
    if let Err(reply) = manners(request) {
        state.refused.push(format!("{} {}: {}", request.method, request.target, reply.reason));
        return Answer::Now(reply);
    }
    let token = match caller(state, request) {
        Ok(token) => token,
        Err(reason) => {
            let reply = Reply { status: 401, reason, relayed: false, body: Body::None };
            return Answer::After(state.refusal_takes, reply);
        }
    };
    let target = request.target.strip_prefix("/api2/json").unwrap_or(&request.target);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some((rule, variables)) = schema::find(rules, &request.method, path) else {
        let line = format!("{} {path}", request.method);
        state.refused.push(format!("{line}: not implemented"));
        return Answer::Now(not_implemented(state, &line));
    };
    if let Err(reply) = permitted(state, rule, &variables, &token) {
        return Answer::Now(reply);
    }
    if let Err(answer) = relayed_to(state, rule, &variables) {
        return answer;
    }
    let mut given: Vec<(String, Value)> =
        variables.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    given.extend(form(query));
    given.extend(content(request));
    let wrong = schema::complaints(rule, &given);
    if !wrong.is_empty() {
        let line = format!("{} {path}", request.method);
        state.refused.push(format!("{line}: {wrong:?}"));
        return Answer::Now(bad_parameters(state, json!(wrong)));
    }
    let asked = Asked { rule, given, token, now };
    let mut answer = asked.answer(state);
    if let Answer::Now(reply) | Answer::After(_, reply) = &mut answer {
        reply.relayed = rule.protected && reply.status < 400;
    }
    answer
}

/// What is refused before anybody looks at the path.
fn manners(request: &Request) -> Result<(), Reply> {
    let refuse = |status, reason: &str| {
        let body = Body::Text(reason.to_owned());
        Err(Reply { status, reason: reason.to_owned(), relayed: false, body })
    };
    let method = request.method.as_str();
    if !["GET", "POST", "PUT", "DELETE"].contains(&method) {
        return refuse(501, &format!("method '{method}' not available"));
    }
    if request.header("transfer-encoding").is_some() {
        return refuse(501, "chunked transfer encoding not supported");
    }
    if method != "POST" && method != "PUT" && !request.body.is_empty() {
        return refuse(501, &format!("Unexpected content for method '{method}'"));
    }
    let known = ["application/x-www-form-urlencoded", "application/json"];
    match request.header("content-type") {
        Some(kind) if !request.body.is_empty() && !known.contains(&kind) => {
            refuse(506, &format!("upload 'Content-Type '{kind}' not implemented"))
        }
        None if !request.body.is_empty() => refuse(506, "upload 'Content-Type '' not implemented"),
        _ if !request.target.starts_with("/api2/json/") => refuse(501, "no such uri"),
        _ => Ok(()),
    }
}

/// The token that asks, or why it is none.
fn caller(state: &State, request: &Request) -> Result<String, String> {
    let Some(header) = request.header("authorization") else { return Err("No ticket".into()) };
    let given = header.strip_prefix("PVEAPIToken").and_then(|rest| rest.strip_prefix(['=', ' ']));
    let failed = || "Authentication failed!".to_owned();
    let (id, secret) = given.and_then(|given| given.rsplit_once('=')).ok_or_else(failed)?;
    let old = state.release < Release::V8;
    let name = id.rsplit_once('!').map_or(id, |(_, name)| name);
    match state.tokens.iter().find(|token| token.id == id) {
        Some(token) if token.expired && old => Err(format!("token '{name}' access expired")),
        Some(token) if !token.expired && token.secret == secret => Ok(token.id.clone()),
        None if old => {
            let user = id.split('!').next().unwrap_or(id);
            Err(format!("no such token '{name}' for user '{user}'"))
        }
        Some(_) | None => Err(failed()),
    }
}

/// What the API's own rules ask for before anything else.
fn permitted(
    state: &State,
    rule: &Rule,
    variables: &[(String, String)],
    token: &str,
) -> Result<(), Reply> {
    if !rule.token {
        let uri = &rule.path;
        let text = format!("Permission check failed (URI '{uri}' not available with API token)");
        return Err(said(state, 403, &text));
    }
    let variable = |name: &str| {
        variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    let wanted = match (rule.method.as_str(), variable("vmid"), variable("node")) {
        ("POST", Some(vmid), _) => Some((format!("/vms/{vmid}"), "VM.PowerMgmt")),
        (_, Some(vmid), _) => Some((format!("/vms/{vmid}"), "VM.Audit")),
        ("GET", None, Some(node)) if rule.path == "/nodes/{node}/status" => {
            Some((format!("/nodes/{node}"), "Sys.Audit"))
        }
        _ if rule.path == "/cluster/status" => Some(("/".into(), "Sys.Audit")),
        _ => None,
    };
    let Some((path, privilege)) = wanted else { return Ok(()) };
    if state.privileges(token, &path).contains(&privilege) {
        return Ok(());
    }
    Err(said(state, 403, &format!("Permission check failed ({path}, {privilege})")))
}

/// Hands the request to its node, if that is another one and can be reached.
fn relayed_to(state: &State, rule: &Rule, variables: &[(String, String)]) -> Result<(), Answer> {
    let node = variables.iter().find(|(name, _)| name == "node").map(|(_, value)| value.as_str());
    let Some(node) = node else { return Ok(()) };
    let mood = state.nodes.iter().find(|(name, _)| name == node).map(|(_, mood)| *mood);
    match mood {
        Some(Node::Up) => Ok(()),
        Some(Node::Hangs) => Err(Answer::Never),
        Some(Node::Down) => Err(Answer::Now(Reply {
            status: 595,
            reason: "Connection refused".into(),
            relayed: false,
            body: Body::None,
        })),
        None => {
            let why = format!("failed to get address info for: {node}: Name or service not known");
            let text = format!("hostname lookup '{node}' failed - {why}");
            Err(Answer::Now(said(state, if rule.token { 500 } else { 403 }, &text)))
        }
    }
}

/// The pairs of a query or a form.
pub fn form(text: &str) -> Vec<(String, Value)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), Value::from(decoded(value)))
    };
    text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn content(request: &Request) -> Vec<(String, Value)> {
    if request.header("content-type") == Some("application/json") {
        let object: Map<String, Value> = serde_json::from_slice(&request.body).unwrap_or_default();
        return object.into_iter().collect();
    }
    form(&String::from_utf8_lossy(&request.body))
}

/// A refusal: the reason phrase says it, and from PVE 8 on the body too.
pub fn said(state: &State, status: u16, text: &str) -> Reply {
    let body = match state.release {
        Release::V7 => json!({"data": null}),
        Release::V8 | Release::V9 => json!({"data": null, "message": format!("{text}\n")}),
    };
    let body = Body::Json(shape::shuffled(&body, state.seen.len()));
    Reply { status, reason: text.to_owned(), relayed: false, body }
}

/// This one has no line's end in its body.
fn not_implemented(state: &State, line: &str) -> Reply {
    let reply = said(state, 501, &format!("Method '{line}' not implemented"));
    let Body::Json(text) = reply.body else { unreachable!() };
    Reply { body: Body::Json(text.replace("\\n", "")), ..reply }
}

pub fn bad_parameters(state: &State, errors: Value) -> Reply {
    let text = "Parameter verification failed.";
    let mut body = json!({"data": null, "errors": errors});
    if state.release >= Release::V8 {
        body["message"] = json!(format!("{text}\n"));
    }
    let body = Body::Json(shape::shuffled(&body, state.seen.len()));
    Reply { status: 400, reason: text.into(), relayed: false, body }
}

pub fn data(state: &State, data: Value) -> Answer {
    let data = if state.quotes_numbers { shape::quoted(data) } else { data };
    let body = Body::Json(shape::shuffled(&json!({ "data": data }), state.seen.len()));
    Answer::Now(Reply { status: 200, reason: "OK".into(), relayed: false, body })
}
