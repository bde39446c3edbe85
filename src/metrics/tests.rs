//! A strict reader of Prometheus text, held against what is written. As strict as promtool, and a
//! little more.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

type Labels = Vec<(String, String)>;

/// Samples by name and labels, with their values.
type Samples = BTreeMap<(String, Labels), f64>;

/// Reads it all, or says in which line it goes wrong.
fn read(text: &str) -> Result<Samples, String> {
    let mut samples = Samples::new();
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut current = String::new();
    if !text.ends_with('\n') {
        return Err("no end of the last line".into());
    }
    for line in text.lines() {
        let wrong = |what: &str| format!("{what}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
            if help.trim().is_empty() || !helped.insert(name.to_owned()) {
                return Err(wrong("empty help, or a second one"));
            }
            current = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            let known = ["counter", "gauge", "histogram"].contains(&kind);
            let counts = name.ends_with("_total") == (kind == "counter");
            if name != current || !known || !counts {
                return Err(wrong("a type that does not fit"));
            }
            if types.insert(name.into(), kind.into()).is_some() {
                return Err(wrong("a second type"));
            }
        } else {
            let (name, labels, value) = sample(line).ok_or_else(|| wrong("not a sample"))?;
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                let base = name.strip_suffix(end)?;
                (types.get(base).map(String::as_str) == Some("histogram")).then_some(base)
            });
            if base.unwrap_or(&name) != current || !types.contains_key(&current) {
                return Err(wrong("not in its family"));
            }
            if samples.insert((name, labels), value).is_some() {
                return Err(wrong("the same again"));
            }
        }
    }
    Ok(samples)
}

/// `name{label="value",…} 1.5`
fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let is_name = |text: &str| {
        let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut labels = Vec::new();
    let mut rest = rest;
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            let (label, after) = inner.split_once("=\"")?;
            let (value, after) = unquoted(after)?;
            if !is_name(label) {
                return None;
            }
            labels.push((label.to_owned(), value));
            inner = match after.strip_prefix(',') {
                Some(more) => more,
                None => {
                    rest = after.strip_prefix('}')?;
                    break;
                }
            };
        }
    }
    let value = rest.strip_prefix(' ')?;
    let plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value = value.parse().ok().filter(|_| plain)?;
    is_name(name).then(|| (name.to_owned(), labels, value))
}

/// Up to the quote that ends it, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => out.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => out.push(c),
        }
    }
    None
}

fn picture() -> Picture<'static> {
    let mut wakes = Wakes::default();
    for took_ms in [1, 50, 51, 2_000, 179_999, 200_000] {
        wakes.add(Duration::from_millis(took_ms));
    }
    let tally = Tally {
        wakes: 7,
        failures: 1,
        door_bytes: 1 << 40,
        asleep: Duration::from_millis(90_061_005),
    };
    let nothing = Tally::default();
    let one = |name, state, tally| One { engine: "local", name, state, tally, held: 3 };
    Picture {
        wakes,
        containers: vec![
            one("web", Some("asleep"), tally),
            one("a\"b\\c\nd{e}", Some("awake"), nothing),
            one("host", None, nothing),
        ],
        engines: vec![("local", true), ("attic", false)],
        visitors: 12,
        up: Duration::from_millis(61_001),
    }
}

fn value(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    samples[&(format!("drowse_{name}"), labels)]
}

#[test]
fn what_is_written_is_read_again_by_a_strict_reader() {
    let samples = read(&text(&picture())).unwrap();
    let of = |name, labels: &[(&str, &str)]| value(&samples, name, labels);
    let web = [("engine", "local"), ("name", "web")];
    assert_eq!(of("wakes_total", &web), 7.0);
    assert_eq!(of("wake_failures_total", &web), 1.0);
    assert_eq!(of("door_bytes_total", &web), (1u64 << 40) as f64);
    assert_eq!(of("asleep_seconds_total", &web), 90_061.005);
    assert_eq!((of("asleep", &web), of("held_connections", &web)), (1.0, 3.0));
    let odd = [("engine", "local"), ("name", "a\"b\\c\nd{e}")];
    assert_eq!(of("asleep", &odd), 0.0);
    assert_eq!(of("containers", &[("state", "asleep")]), 1.0);
    assert_eq!(of("containers", &[("state", "awake")]), 1.0);
    assert_eq!(of("containers", &[("state", "failed")]), 0.0);
    assert_eq!(of("engine_up", &[("engine", "attic")]), 0.0);
    assert_eq!((of("door_connections", &[]), of("up_seconds", &[])), (12.0, 61.001));
    read(&text(&Picture::default())).unwrap();
}

#[test]
fn the_histogram_adds_up() {
    let samples = read(&text(&picture())).unwrap();
    let bucket = |le: &str| value(&samples, "wake_seconds_bucket", &[("le", le)]);
    let bounds = ["0.050", "0.100", "2.500", "60.000", "180.000", "+Inf"];
    assert_eq!(bounds.map(bucket), [2.0, 3.0, 4.0, 4.0, 5.0, 6.0]);
    assert_eq!(value(&samples, "wake_seconds_count", &[]), 6.0);
    assert_eq!(value(&samples, "wake_seconds_sum", &[]), 382.101);
    let mut before = 0.0;
    for bound_ms in BOUNDS_MS {
        let now = bucket(&seconds(bound_ms));
        assert!(now >= before);
        before = now;
    }
}

#[test]
fn the_reader_is_strict() {
    let good = "# HELP a x.\n# TYPE a gauge\na 1\n";
    assert_eq!(read(good).unwrap().len(), 1);
    for bad in [
        "# HELP a x.\n# TYPE a gauge\na 1",
        "# TYPE a gauge\na 1\n",
        "# HELP a x.\n# TYPE a gauge\na 1\na 1\n",
        "# HELP a x.\n# TYPE a gauge\nb 1\n",
        "# HELP a x.\n# TYPE a counter\na 1\n",
        "# HELP a_total x.\n# TYPE a_total gauge\na_total 1\n",
        "# HELP a x.\n# TYPE a gauge\na{b=\"c\"} \n",
        "# HELP a x.\n# TYPE a gauge\na{b=\"\\c\"} 1\n",
        "# HELP a x.\n# TYPE a gauge\na{b=\"c} 1\n",
        "# HELP a x.\n# TYPE a gauge\na  1\n",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn only_two_paths_are_answered_and_only_what_reads() {
    let status = |method: &str, path: &str| {
        let asked = Asked::of(method, path);
        let text = String::from_utf8(response(asked, method, &picture())).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body.len())
    };
    assert_eq!(status("GET", "/healthz"), ("200".into(), 3));
    assert_eq!(status("GET", "/metrics").0, "200");
    assert!(status("GET", "/metrics").1 > 1000);
    assert_eq!(status("HEAD", "/metrics"), ("200".into(), 0));
    assert_eq!(status("GET", "/").0, "404");
    assert_eq!(status("POST", "/metrics").0, "405");
}
