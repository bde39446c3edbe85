//! What every recorded container is parsed to, whole, beside committed and reviewed output.
//! `DROWSE_BLESS=1 cargo test golden` writes it anew: read the difference before you commit it.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use drowse::container::{self, Container, Origin, Packed};
use drowse::docker::types::Summary;
use drowse::docker::{call, documents, inspect};
use serde_json::Value;

use crate::replies::{self, ENGINES};

#[test]
fn every_recorded_list_gives_its_golden_output() {
    for engine in ENGINES {
        compare(engine, "list-all", &parsed(listed(engine)));
    }
}

#[test]
fn every_recorded_inspect_gives_its_golden_output() {
    for engine in ENGINES {
        let mut all = Vec::new();
        for recorded in replies::recorded(engine) {
            if recorded.name.starts_with(&format!("{engine}/inspect/")) {
                let mut found = |summary| {
                    all.push(summary);
                    ControlFlow::Continue(())
                };
                documents::each(&recorded.reply.body, &mut found).unwrap();
            }
        }
        assert!(all.len() >= 25, "{engine}: {} inspects", all.len());
        compare(engine, "inspect", &parsed(all));
    }
}

/// As `ps` asks an engine: the list, and inspect where that leaves something out.
#[test]
fn a_list_completed_by_inspect_gives_its_golden_output() {
    for engine in ENGINES {
        let all = listed(engine).into_iter().map(|summary| match inspected(engine, &summary) {
            Some(whole) if container::is_partial(&summary) => inspect::complete(summary, &whole),
            _ => summary,
        });
        compare(engine, "ps", &parsed(all.collect()));
    }
}

#[test]
fn the_oddest_labels_survive_untouched() {
    for engine in ENGINES {
        let raw: Value =
            serde_json::from_slice(&replies::load(&format!("{engine}/list-all")).body).unwrap();
        let named = |one: &&Value| one["Names"][0] == "/h5-labels";
        let raw = raw.as_array().unwrap().iter().find(named).unwrap();
        let printed = parsed(listed(engine));
        let printed = printed.iter().find(|one| one.container_name == "h5-labels").unwrap();
        let printed = serde_json::to_value(printed).unwrap();
        assert!(raw["Labels"].as_object().unwrap().len() > 20);
        assert_eq!(printed["labels"], raw["Labels"], "{engine}");
    }
}

fn listed(engine: &str) -> Vec<Summary> {
    let reply = replies::load(&format!("{engine}/list-all"));
    (call::list(&drowse::docker::Filters::default()).read)(reply).unwrap()
}

fn inspected(engine: &str, summary: &Summary) -> Option<inspect::Inspect> {
    let name = summary.names.first()?.trim_start_matches('/');
    let name = format!("{engine}/inspect/{name}");
    let recorded = replies::recorded(engine).into_iter().find(|one| one.name == name)?;
    Some((call::inspect("").read)(recorded.reply).unwrap())
}

/// Sorted as `ps` does it.
fn parsed(summaries: Vec<Summary>) -> Vec<Container> {
    let url = "unix:///var/run/docker.sock";
    let engine = "default";
    let origin =
        Origin { engine: engine.into(), url: url.into(), local: true, ..Origin::default() };
    let mut all: Vec<Container> =
        summaries.into_iter().map(|summary| container::parse(summary, &origin)).collect();
    all.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
    all
}

fn compare(engine: &str, name: &str, containers: &[Container]) {
    let mut printed = String::new();
    for container in containers {
        assert_eq!(Packed::of(container).container(), *container, "kept, it is the same");
        printed += &serde_json::to_string(container).unwrap();
        printed += "\n";
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden").join(engine);
    let file = folder.join(name).with_extension("jsonl");
    if std::env::var_os("DROWSE_BLESS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        fs::write(&file, &printed).unwrap();
    }
    let golden = fs::read_to_string(&file).unwrap_or_default();
    for (line, (printed, golden)) in printed.lines().zip(golden.lines()).enumerate() {
        assert_eq!(printed, golden, "{}:{}", file.display(), line + 1);
    }
    assert_eq!(printed.lines().count(), golden.lines().count(), "{}", file.display());
}
