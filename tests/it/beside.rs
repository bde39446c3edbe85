//! One engine's lines beside another that never answers, or answers a byte a second: none waits for
//! it. Prints how late they came; `tests/bench/watch` judges that.

use std::fs;
use std::time::{Duration, Instant};

use drowse::docker::call::{self, Removal};
use serde_json::json;
use tempfile::tempdir;

use crate::binary::drowse;
use crate::servers::{self, Manner};
use crate::watching::Watching;
use crate::{dockerd, world};

const EVENTS: usize = 60;

/// Far more than the 10 ms that are promised: a busy machine is no fault.
const GENEROUS: Duration = Duration::from_secs(1);

#[test]
fn a_slow_engine_delays_no_other_s_lines() {
    let Some(engine) = world::engine() else { return };
    let alone = median_delay(&engine.unix, "alone", None);
    let besides = [("silent", servers::silent as Manner), ("drips", servers::drips_quietly)];
    for (name, manner) in besides {
        let beside = median_delay(&engine.unix, name, Some(manner));
        assert!(beside < alone + GENEROUS, "{name}: {beside:?}, alone {alone:?}");
    }
}

/// From the engine's time of an event to its line, while something else is followed too.
fn median_delay(unix: &str, name: &str, beside: Option<Manner>) -> Duration {
    let dir = tempdir().unwrap();
    let other = beside.map(|manner| servers::unix(dir.path(), "other", manner));
    let other = other.map(|url| format!("    other: {url}\n")).unwrap_or_default();
    let file = dir.path().join("drowse.yml");
    fs::write(&file, format!("providers:\n  docker:\n    one: {unix}\n{other}")).unwrap();
    let mine = format!("label=beside={name}");
    let args = ["ps", "--watch", "--config", file.to_str().unwrap(), "--filter", &mine];
    let client = dockerd::client(unix.trim_start_matches("unix://").as_ref());
    let soon = || Instant::now() + Duration::from_secs(30);
    let create = |n: usize| {
        let spec = json!({"Image": "drowse-test:latest", "Labels": {"beside": name}});
        client.run(&call::create(Some(&format!("beside-{name}-{n}")), &spec), soon()).unwrap().id
    };
    let mut ids = vec![create(0)];
    let watching = Watching::start(drowse(&args));
    let seen = |count| {
        watching.until(|heard| {
            let seen = heard.picture.len();
            (seen != count).then(|| format!("{seen} of {count} containers"))
        })
    };
    seen(1); // it is listed
    ids.extend((1..=EVENTS).map(create));
    let mut delays: Vec<_> = seen(EVENTS + 1).delays.into_iter().map(|(_, delay)| delay).collect();
    for id in ids {
        client.run(&call::remove(&id, Removal { force: true, volumes: true }), soon()).unwrap();
    }
    delays.sort();
    let (median, most) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    eprintln!("{name}: {} lines, {median:.1?} late, at most {most:.1?}", delays.len());
    median
}
