//! A container of the list as engines write it, in one pass. One that is written otherwise is not
//! read here: see [`crate::docker::lenient`].

use crate::docker::types::{Health, HostConfig, Mount, Network, NetworkSettings, Port, Summary};
use crate::json::scan::Scan;
use crate::sorted::Map;

/// Reads the object that `text` begins with, and tells its length in bytes. `None`: it has a field
/// of another kind than it should have, or is no JSON.
pub fn summary(text: &str) -> Option<(Summary, usize)> {
    let mut from = Scan::new(text);
    let mut one = Summary::default();
    from.object(|from, key| {
        match key {
            "Id" => one.id = from.string()?,
            "Names" => one.names = from.list(|from| from.text().map(Into::into))?,
            "Image" => one.image = from.string()?,
            "ImageID" => one.image_id = from.string()?,
            "Ports" => one.ports = from.list(port)?,
            "Labels" => one.labels = map(from, |from| from.text().map(Into::into))?,
            "State" => one.state = from.string()?,
            "Status" => one.status = from.string()?,
            "Health" => one.health = if from.null() { None } else { Some(health(from)?) },
            "HostConfig" => one.host_config = if from.null() { None } else { Some(host(from)?) },
            "NetworkSettings" => one.network_settings = networking(from)?,
            "Mounts" => one.mounts = from.list(mount)?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some((one, from.at()))
}

fn port(from: &mut Scan<'_>) -> Option<Port> {
    let mut port = Port::default();
    from.object(|from, key| {
        match key {
            "IP" => port.ip = Some(from.string()?).filter(|ip| !ip.is_empty()),
            "PrivatePort" => port.private_port = from.other::<Option<u16>>()?.unwrap_or_default(),
            "PublicPort" => port.public_port = from.other()?,
            "Type" => port.kind = from.string()?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(port)
}

fn health(from: &mut Scan<'_>) -> Option<Health> {
    let mut health = Health::default();
    from.object(|from, key| {
        match key {
            "Status" => health.status = from.string()?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(health)
}

fn host(from: &mut Scan<'_>) -> Option<HostConfig> {
    let mut host = HostConfig::default();
    from.object(|from, key| {
        match key {
            "NetworkMode" => host.network_mode = from.string()?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(host)
}

fn networking(from: &mut Scan<'_>) -> Option<NetworkSettings> {
    let mut settings = NetworkSettings::default();
    if !from.null() {
        from.object(|from, key| {
            match key {
                "Networks" => settings.networks = map(from, network)?,
                _ => from.skip()?,
            }
            Some(())
        })?;
    }
    Some(settings)
}

fn network(from: &mut Scan<'_>) -> Option<Network> {
    let mut network = Network::default();
    from.object(|from, key| {
        match key {
            "IPAddress" => network.ip_address = from.string()?,
            "GlobalIPv6Address" => network.global_ipv6_address = from.string()?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(network)
}

fn mount(from: &mut Scan<'_>) -> Option<Mount> {
    let mut mount = Mount::default();
    from.object(|from, key| {
        match key {
            "Type" => mount.kind = from.string()?,
            "Source" => mount.source = from.string()?,
            "Destination" => mount.destination = from.string()?,
            "RW" => mount.rw = from.other::<Option<bool>>()?.unwrap_or_default(),
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(mount)
}

/// A map by any keys; `null` is an empty one.
fn map<'a, T>(
    from: &mut Scan<'a>,
    value: impl Fn(&mut Scan<'a>) -> Option<T>,
) -> Option<Map<String, T>> {
    let mut pairs = Vec::new();
    if !from.null() {
        from.object(|from, key| {
            pairs.push((key.into(), value(from)?));
            Some(())
        })?;
    }
    Some(pairs.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LISTED: &str = r#"{"Id":"a\u00e9","Names":["/w","\/x/y"],"Image":"web","ImageID":null,
        "Created":1.5e3,"Ports":[{"IP":"","PrivatePort":80,"Type":"tcp"},{"IP":"::","PrivatePort":
        81,"PublicPort":8081,"Type":"udp"}],"Labels":{"a":"1","b\n":""},"State":"running",
        "Status":"Up","Health":{"Status":"healthy","Log":[{"x":[1,-2.5,true]}]},"HostConfig":
        {"NetworkMode":"web"},"NetworkSettings":{"Networks":{"web":{"IPAddress":"10.0.0.2",
        "GlobalIPv6Address":null,"Links":["a"]}}},"Mounts":[{"Type":"bind","Source":"/a",
        "Destination":"/b","RW":true,"Mode":"z"},{"RW":null}],"X":{}} "#;

    #[test]
    fn it_reads_what_the_types_say() {
        let expected: Summary = serde_json::from_str(LISTED).unwrap();
        assert_eq!(summary(LISTED), Some((expected, LISTED.len() - 1)));
    }

    #[test]
    fn nothing_that_is_cut_off_is_read() {
        for end in 0..LISTED.len() - 1 {
            assert_eq!(summary(&LISTED[..end]), None, "{end}");
        }
    }

    proptest! {
        /// What is accepted is JSON and means the same; what is refused is refused for a reason.
        #[test]
        fn a_spoilt_one_is_read_as_the_types_say_or_not_at_all(
            at in 0..LISTED.len(),
            with in prop_oneof![
                Just("\""), Just("\\"), Just(","), Just("0"), Just("null"), Just("{"), Just("}"),
                Just("-"), Just("\n"), Just("[]"), Just(":"), Just("\u{1}"),
            ],
            cut in 0..3_usize,
        ) {
            let end = (at + cut).min(LISTED.len());
            let spoilt = format!("{}{with}{}", &LISTED[..at], &LISTED[end..]);
            let expected = serde_json::from_str::<Summary>(&spoilt).ok();
            let read = summary(&spoilt).filter(|(_, end)| spoilt[*end..].trim().is_empty());
            prop_assert_eq!(read.map(|(one, _)| one), expected, "{}", spoilt);
        }
    }
}
