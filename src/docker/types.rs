//! What the Engine API says about containers, read leniently: engines differ, and `null` is common.

use serde::{Deserialize, Deserializer};

use crate::sorted::Map;

/// One container as `/containers/json` lists it (Docker API 1.41 `ContainerSummary`).
/// [`Inspect`] turns into the same shape.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Summary {
    /// The full id.
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    /// Names with a leading `/`; old links add `/other/alias`.
    #[serde(deserialize_with = "or_default")]
    pub names: Vec<String>,
    /// The image reference as the user gave it.
    #[serde(deserialize_with = "or_default")]
    pub image: String,
    /// `sha256:…`.
    #[serde(rename = "ImageID", deserialize_with = "or_default")]
    pub image_id: String,
    /// Current port mappings; empty for a stopped container on Docker.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<Port>,
    /// Verbatim.
    #[serde(deserialize_with = "or_default")]
    pub labels: Map<String, String>,
    /// `running`, `exited`, …; Podman knows more.
    #[serde(deserialize_with = "or_default")]
    pub state: String,
    /// `Up 55 seconds (healthy)`.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    /// Docker ≥ 29 lists the health itself; inspect tells it everywhere.
    #[serde(deserialize_with = "or_default")]
    pub health: Option<Health>,
    /// Absent in Podman's list: inspect tells.
    #[serde(deserialize_with = "or_default")]
    pub host_config: Option<HostConfig>,
    /// Networks and addresses.
    #[serde(deserialize_with = "or_default")]
    pub network_settings: NetworkSettings,
    /// Volumes and binds.
    #[serde(deserialize_with = "or_default")]
    pub mounts: Vec<Mount>,
    /// What could not be read of it, one text each; the rest stands.
    #[serde(skip)]
    pub problems: Vec<String>,
}

/// One port mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Port {
    /// The address it is published on; `None`: not published (Docker 29 writes an empty text), or
    /// an address the engine chooses at start, or Podman 4.3, which tells none.
    #[serde(rename = "IP", deserialize_with = "unless_empty")]
    pub ip: Option<String>,
    /// The container's port.
    #[serde(deserialize_with = "or_default")]
    pub private_port: u16,
    /// The host's port.
    #[serde(deserialize_with = "or_default")]
    pub public_port: Option<u16>,
    /// `tcp`, `udp` or `sctp`.
    #[serde(rename = "Type", deserialize_with = "or_default")]
    pub kind: String,
}

/// The health of a container, as Docker ≥ 29 lists it and inspect tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `starting`, `healthy`, `unhealthy`, `none` or empty.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
}

/// What the list tells of the host configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// `default`, `bridge`, `host`, `none`, `container:<id>` or a network's name.
    #[serde(deserialize_with = "or_default")]
    pub network_mode: String,
}

/// The networks a container is on, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettings {
    /// By network name.
    #[serde(deserialize_with = "or_default")]
    pub networks: Map<String, Network>,
}

/// A container's place on one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Network {
    /// IPv4, empty while stopped.
    #[serde(rename = "IPAddress", deserialize_with = "or_default")]
    pub ip_address: String,
    /// IPv6, mostly empty.
    #[serde(rename = "GlobalIPv6Address", deserialize_with = "or_default")]
    pub global_ipv6_address: String,
}

/// One mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, ….
    #[serde(rename = "Type", deserialize_with = "or_default")]
    pub kind: String,
    /// A host path; empty for tmpfs.
    #[serde(deserialize_with = "or_default")]
    pub source: String,
    /// The path in the container.
    #[serde(deserialize_with = "or_default")]
    pub destination: String,
    /// Writable?
    #[serde(rename = "RW", deserialize_with = "or_default")]
    pub rw: bool,
}

/// `null` reads as nothing: engines send it for empty lists and maps.
pub(crate) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// An empty text reads as none.
pub(crate) fn unless_empty<'de, D>(from: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
}
