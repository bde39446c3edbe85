//! What is kept of a container by who decides but prints nothing.

use drowse::container::{self, Container, Origin, Packed};
use drowse::docker::types::Summary;
use drowse::idle::doors::{Published, choose};
use drowse::idle::group::{Key, Member};
use drowse::plan::{self, Defaults};
use serde_json::{Value, json};

fn parse(summary: Value) -> Container {
    let origin = Origin { engine: "local".into(), local: true, ..Origin::default() };
    container::parse(serde_json::from_value::<Summary>(summary).unwrap(), &origin)
}

/// All that decides about a container, as text.
fn decides(container: &Container) -> String {
    let member = Member::of(Key(1), container, &container.network_mode, &Defaults::default());
    let plan = plan::read(&container.labels, &[], &Defaults::default(), &mut Vec::new());
    let is_asked_for = plan::is_asked_for(&container.labels);
    let is_task = container::is_swarm_task(container);
    let doors = choose(container, &container.ports, Published::Redirect);
    let is_left_alone = (container.is_blacklisted, container.is_excluded, container.is_explicit);
    format!("{member:?} {plan:?} {is_asked_for} {is_task} {doors:?} {is_left_alone:?}")
}

#[test]
fn what_is_kept_of_a_container_decides_the_same() {
    for label in ["com.docker.compose.oneoff", "com.docker.swarm.task.id", "other"] {
        let whole = parse(json!({
            "Id": "c1", "Names": ["/web"], "Image": "nginx", "State": "running",
            "HostConfig": {"NetworkMode": "default"},
            "Labels": {
                label: "True", "com.docker.compose.project": "p",
                "com.docker.compose.service": "s",
                "com.docker.compose.depends_on": "db:service_started:true",
                "proxy.idle_timeout": "5m", "proxy.depends_on": "cache", "proxy.web.listen": "8080",
                "proxy.web.port": "80", "proxyx": "not ours",
            },
            "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 28080, "Type": "tcp"}],
            "Mounts": [{"Type": "bind", "Source": "/s", "Destination": "/var/lib/mysql"}],
        }));
        let pared = whole.clone().pared();
        assert_eq!(Packed::of(&pared).container(), pared, "{label}");
        assert_eq!(decides(&pared), decides(&whole), "{label}");
        assert_eq!(pared.labels.len(), 4 + usize::from(label != "other"));
        assert_eq!((pared.mounts.len(), pared.image.name.as_str()), (0, ""));
    }
}

/// What is the same for all is not kept with each, and most of the rest is the id.
#[test]
fn a_plain_container_is_kept_in_250_bytes() {
    let whole = parse(json!({
        "Id": "0123456789abcdef".repeat(4), "Names": ["/bench-17"], "Image": "nginx",
        "State": "running", "HostConfig": {"NetworkMode": "default"},
        "Labels": {
            "com.docker.compose.project": "bench", "com.docker.compose.service": "s17",
            "proxy.idle_timeout": "1h",
        },
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.117"}}},
        "Mounts": [{"Type": "bind", "Source": "/s", "Destination": "/d"}],
    }));
    let kept = Packed::of(&whole.pared());
    assert_eq!(
        (kept.full_name(), kept.engine(), kept.name()),
        ("local/bench-17", "local", "bench-17")
    );
    assert_eq!((kept.id().len(), kept.state()), (64, "running"));
    assert!(kept.bytes() <= 250, "{} bytes", kept.bytes());
}
