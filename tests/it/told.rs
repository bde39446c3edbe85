//! What `status` and `check` tell of containers on a real engine that are not, or not quite, as
//! their labels want them: what is wrong, and what to do.

use serde_json::Value;

use crate::binary::drowse;
use crate::stage::{REST, Stage};

const FRONT: &str = "proxy.front.port=9099:8095";
const LISTENS: &str = "mkdir -p /w; exec httpd -f -p 8095 -h /w";

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

#[test]
fn a_container_with_a_mistake_is_shown_with_what_is_wrong_and_what_to_do() {
    let Some(stage) = Stage::docker(88, "") else { return };
    let idle = "proxy.idle_timeout=1h";
    let cases: [(&str, &[&str]); 8] = [
        ("soon", &["--label", "proxy.idle_timeout=soon"]),
        ("host", &["--label", idle, "--network", "host"]),
        ("alone", &["--label", idle, "--network", "none"]),
        ("busy", &["--label", idle, "--network", "host", "--label", "proxy.idle_cpu=5"]),
        ("front", &["--label", idle, "--network", "host", "--label", FRONT]),
        ("nap", &["--label", idle, "--label", "proxy.stop_method=nap"]),
        ("needy", &["--label", idle, "--label", "proxy.depends_on=bussy"]),
        ("twice", &["--label", idle, "-p", "9098:80", "--label", "proxy.twice.port=9098:80"]),
    ];
    for (name, args) in cases {
        match name {
            // Not while a stand-in door has its port.
            "twice" => stage.create(name, REST, args),
            "front" => stage.run(name, LISTENS, args),
            _ => stage.run(name, REST, args),
        }
    }
    for (name, _) in cases {
        stage.wait_while(|| stage.row(name).is_null().then(|| format!("{name} is not shown")));
    }
    let left_alone = [
        ("soon", "proxy.idle_timeout", "expected a duration"),
        ("host", "host's network", "proxy.idle_cpu"),
        ("alone", "no network", "proxy.idle_cpu"),
    ];
    for (name, what, way_out) in left_alone {
        let row = stage.row(name);
        assert_eq!(row["state"], "left_alone", "{row}");
        let problems = row["problems"].to_string();
        for part in [what, way_out] {
            assert!(problems.contains(part) && text(&row, "why").contains(part), "{part}: {row}");
        }
    }
    for name in ["busy", "front"] {
        stage.until_told(name, "awake");
        assert_eq!(stage.row(name)["problems"], Value::Array(Vec::new()), "{name}");
    }
    let problems = |name: &str| stage.row(name)["problems"].to_string();
    for (name, what) in [
        ("nap", "proxy.stop_method: not a way to stop"),
        ("needy", "depends_on: name 1 is unknown: expected busy"),
        ("twice", "9098 is published by the engine: expected another LISTEN"),
    ] {
        assert!(problems(name).contains(what), "{name}: {}", problems(name));
    }
    // And so `check` says, of the same.
    let file = stage.dir.path().join("drowse.yml");
    let checked = drowse(&["check", "--config", file.to_str().unwrap()]).outcome();
    assert_eq!(checked.status, Some(1));
    for name in ["soon", "host", "alone", "nap", "needy", "twice"] {
        assert!(checked.stderr.contains(&format!("own/{name}: ")), "{name}: {}", checked.stderr);
    }
    for name in ["busy", "front"] {
        assert!(!checked.stderr.contains(&format!("own/{name}: ")), "{name}: {}", checked.stderr);
    }
}
