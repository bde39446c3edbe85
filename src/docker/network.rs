//! The Engine API's calls about networks. Opens nothing.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::docker::answer;
use crate::docker::call::{call, short, with_json};
use crate::docker::query::{Filters, encoded};
use crate::docker::types::or_default;
use crate::error::Why;
use crate::http::{Call, Method, Reply};
use crate::sorted::Map;

/// A network of an engine (Docker API 1.41 `Network`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listed {
    /// Its id; on Podman before 5 its name.
    pub id: String,
    /// Its name.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// `bridge`, `host`, …
    #[serde(default, deserialize_with = "or_default")]
    pub driver: String,
    /// Verbatim.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: Map<String, String>,
}

/// The networks that pass the engine's own `filters`. Docker API 1.41 `NetworkList`: 200.
pub fn list(filters: &Filters) -> Call<Vec<Listed>> {
    let path = format!("/networks{}", filters.parameter('?'));
    call("list networks", Method::Get, path, answer::json)
}

/// Makes a bridge network and answers its id. Docker API 1.41 `NetworkCreate`: 201; 409 the name is
/// taken (Podman 4.3 500). Without `CheckDuplicate` an old Docker makes a second one of that name,
/// and every use by name is "ambiguous" from then on.
pub fn create(name: &str, labels: &Map<String, String>) -> Call<String> {
    let call = call(
        format!("create network {name}"),
        Method::Post,
        "/networks/create".into(),
        read_created,
    );
    let spec = json!({"Name": name, "CheckDuplicate": true, "Driver": "bridge", "Labels": labels});
    with_json(call, &spec)
}

/// Puts a container on a network. Docker API 1.41 `NetworkConnect`: 200, 404; 403 it is on it
/// already (Podman 4.3 500), which reads as `Conflict`; 400 it shares the host's network (Podman
/// 500).
pub fn connect(network: &str, container: &str) -> Call<()> {
    connect_as(network, container, &Value::Null)
}

/// The same with a place of its own there: aliases, addresses (`EndpointSettings`); null: the
/// engine's choice.
pub fn connect_as(network: &str, container: &str, place: &Value) -> Call<()> {
    let path = format!("/networks/{}/connect", encoded(network));
    let what = format!("connect container {} to network {}", short(container), short(network));
    let call = call(what, Method::Post, path, answer::nothing);
    match place {
        Value::Null => with_json(call, &json!({"Container": container})),
        place => with_json(call, &json!({"Container": container, "EndpointConfig": place})),
    }
}

/// Takes a container off a network. Docker API 1.41 `NetworkDisconnect`: 200, 404; 500 it is not on
/// it.
pub fn disconnect(network: &str, container: &str) -> Call<()> {
    let path = format!("/networks/{}/disconnect", encoded(network));
    let what = format!("take container {} off network {}", short(container), short(network));
    let call = call(what, Method::Post, path, answer::nothing);
    with_json(call, &json!({"Container": container, "Force": true}))
}

/// Removes a network. Docker API 1.41 `NetworkDelete`: 204, 404; 403 somebody is on it (Podman
/// 500), which reads as `Conflict`, or it is the engine's own.
pub fn remove(network: &str) -> Call<()> {
    let path = format!("/networks/{}", encoded(network));
    call(format!("remove network {}", short(network)), Method::Delete, path, answer::nothing)
}

fn read_created(reply: Reply) -> Result<String, Why> {
    #[derive(Deserialize)]
    struct Created {
        #[serde(rename = "Id")]
        id: String,
    }
    answer::json::<Created>(reply).map(|created| created.id)
}
