//! A container of the list as engines write it, in one pass. One that is written otherwise is not
//! read here: see [`crate::docker::lenient`].

use crate::docker::types::{Health, HostConfig, Mount, Network, NetworkSettings, Port, Summary};
use crate::json::scan::Scan;
use crate::sorted::Map;

/// Reads the object that `from` stands before. `None`: it has a field of another kind than it
/// should have, or is no JSON. Boxed, as it is handed on and on.
pub fn summary(from: &mut Scan<'_>) -> Option<Box<Summary>> {
    let mut one = Box::<Summary>::default();
    from.object(&mut |from, key| {
        match key.as_bytes() {
            b"Id" => one.id = from.string()?,
            b"Names" => one.names = list(from, Scan::owned)?,
            b"Image" => one.image = from.string()?,
            b"ImageID" => one.image_id = from.string()?,
            b"Ports" => one.ports = list(from, port)?,
            b"Labels" => one.labels = map(from, Scan::owned)?,
            b"State" => one.state = from.string()?,
            b"Status" => one.status = from.string()?,
            b"Health" => one.health = if from.null() { None } else { Some(health(from)?) },
            b"HostConfig" => one.host_config = if from.null() { None } else { Some(host(from)?) },
            b"NetworkSettings" => one.network_settings = networking(from)?,
            b"Mounts" => one.mounts = list(from, mount)?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(one)
}

fn port(from: &mut Scan<'_>) -> Option<Port> {
    let mut port = Port::default();
    from.object(&mut |from, key| {
        match key.as_bytes() {
            b"IP" => port.ip = Some(from.string()?).filter(|ip| !ip.is_empty()),
            b"PrivatePort" => port.private_port = from.other::<Option<u16>>()?.unwrap_or_default(),
            b"PublicPort" => port.public_port = from.other()?,
            b"Type" => port.kind = from.string()?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(port)
}

fn health(from: &mut Scan<'_>) -> Option<Health> {
    let mut health = Health::default();
    from.object(&mut |from, key| {
        match key.as_bytes() {
            b"Status" => health.status = from.string()?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(health)
}

fn host(from: &mut Scan<'_>) -> Option<HostConfig> {
    let mut host = HostConfig::default();
    from.object(&mut |from, key| {
        match key.as_bytes() {
            b"NetworkMode" => host.network_mode = from.string()?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(host)
}

fn networking(from: &mut Scan<'_>) -> Option<NetworkSettings> {
    let mut settings = NetworkSettings::default();
    if !from.null() {
        from.object(&mut |from, key| {
            match key.as_bytes() {
                b"Networks" => settings.networks = map(from, network)?,
                _ => from.skip()?,
            }
            Some(())
        })?;
    }
    Some(settings)
}

fn network(from: &mut Scan<'_>) -> Option<Network> {
    let mut network = Network::default();
    from.object(&mut |from, key| {
        match key.as_bytes() {
            b"IPAddress" => network.ip_address = from.string()?,
            b"GlobalIPv6Address" => network.global_ipv6_address = from.string()?,
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(network)
}

fn mount(from: &mut Scan<'_>) -> Option<Mount> {
    let mut mount = Mount::default();
    from.object(&mut |from, key| {
        match key.as_bytes() {
            b"Type" => mount.kind = from.string()?,
            b"Source" => mount.source = from.string()?,
            b"Destination" => mount.destination = from.string()?,
            b"RW" => mount.rw = from.other::<Option<bool>>()?.unwrap_or_default(),
            _ => from.skip()?,
        }
        Some(())
    })?;
    Some(mount)
}

/// A list of what `item` reads; `null` is an empty one.
fn list<'a, T>(from: &mut Scan<'a>, item: impl Fn(&mut Scan<'a>) -> Option<T>) -> Option<Vec<T>> {
    let mut list = Vec::new();
    from.list(&mut |from| {
        list.push(item(from)?);
        Some(())
    })?;
    Some(list)
}

/// A map by any keys; `null` is an empty one.
fn map<'a, T>(
    from: &mut Scan<'a>,
    value: impl Fn(&mut Scan<'a>) -> Option<T>,
) -> Option<Map<String, T>> {
    let mut pairs = Vec::new();
    if !from.null() {
        from.object(&mut |from, key| {
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

    fn read(text: &str) -> Option<(Summary, usize)> {
        let mut from = Scan::new(text);
        summary(&mut from).map(|one| (*one, from.at()))
    }

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
        assert_eq!(read(LISTED), Some((expected, LISTED.len() - 1)));
    }

    #[test]
    fn nothing_that_is_cut_off_is_read() {
        for end in 0..LISTED.len() - 1 {
            assert_eq!(read(&LISTED[..end]), None, "{end}");
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
            let read = read(&spoilt).filter(|(_, end)| spoilt[*end..].trim().is_empty());
            prop_assert_eq!(read.map(|(one, _)| one), expected, "{}", spoilt);
        }
    }
}
