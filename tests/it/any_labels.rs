//! Any labels at all: the limits hold, and nothing makes the reader panic.

use std::ops::Range;

use drowse::label::{self, Tree};
use drowse::plan::{self, Defaults};
use drowse::sorted::Map;
use proptest::prelude::*;
use serde_json::json;

use crate::labels::{map, routes, same};

#[test]
fn a_path_may_have_32_names_and_no_more() {
    let deep = |count: usize| format!("proxy.x{}", ".a".repeat(count - 1));
    let (got, errors) = routes(&[(&deep(label::DEPTH_LIMIT), "1")]);
    assert_eq!((got.to_string().matches("\"a\"").count(), errors.len()), (31, 0));
    let error = format!("{}: too many names: expected at most 32", deep(33));
    same(&[(&deep(33), "1")], json!({"x": {}}), &[&error]);
    let (got, errors) = routes(&[(&deep(5000), "1")]);
    assert_eq!((got, errors.len()), (json!({"x": {}}), 1));
}

/// A text within a text within a text…: each is read as a mapping because a longer path needs it.
#[test]
fn mappings_within_texts_go_no_deeper_than_labels() {
    let mut text = String::from("end");
    for _ in 0..40 {
        text = format!("a: |\n {}\na.a: 1\n", text.replace('\n', "\n "));
    }
    let (got, errors) = routes(&[("proxy.x", &text)]);
    assert!(got.to_string().matches("\"a\"").count() <= label::DEPTH_LIMIT);
    assert!(!errors.is_empty());
}

#[test]
fn lists_go_no_deeper_than_labels() {
    let list = |depth: usize| format!("a: {}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(routes(&[("proxy.x", &list(32))]).1, [""; 0]);
    let error = "proxy.x.a: too deep: expected at most 32 names";
    same(&[("proxy.x", &list(33))], json!({"x": {}}), &[error]);
}

#[test]
fn a_wildcard_over_many_aliases_ends_at_the_limit() {
    let aliases: String = (0..5000).map(|n| format!("a{n},")).collect();
    let mut labels = map(&[("proxy.aliases", &aliases)]);
    labels.extend((0..5000).map(|n| (format!("proxy.*.f{n}"), "a: b".repeat(10))));
    labels.extend((0..5000).map(|n| (format!("proxy.*.f{n}.a"), "1".into())));
    let mut errors = Vec::new();
    let names = label::aliases(&labels, "x");
    let routes = label::routes(&labels, &names, &mut errors);
    assert!(serde_json::to_string(&routes).unwrap().len() < label::ROUTES_LIMIT_BYTES);
    let limit = "proxy: the routes are too large, some fields are left out: \
                 expected at most 1048576 bytes";
    assert!(errors.iter().any(|error| error == limit), "{:?}", errors.first());
}

/// Labels much like real ones, so that they meet.
fn label() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("x".to_owned()),
        Just("a".to_owned()),
        Just("*".to_owned()),
        Just("#1".to_owned()),
        Just("#2".to_owned()),
        Just("port".to_owned()),
        Just("ports".to_owned()),
        Just("aliases".to_owned()),
        Just("depends_on".to_owned()),
        "\\PC{0,3}",
    ];
    proptest::collection::vec(name, 0..5)
        .prop_map(|names| format!("proxy{}", names.iter().fold(String::new(), |s, n| s + "." + n)))
}

fn labels_of(
    names: impl Strategy<Value = String>,
    count: Range<usize>,
) -> impl Strategy<Value = Map<String, String>> {
    proptest::collection::vec((names, value()), count).prop_map(Map::from)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("a: b".to_owned()),
        Just("a:\n\tb: c\n\tx.a: d".to_owned()),
        Just("{a: {b: c}, port: 1}".to_owned()),
        Just("a: 'x: y'\na.x: 1\na.x.b: 2".to_owned()),
        Just("[a, {b: c}]".to_owned()),
        Just("a, b, #1".to_owned()),
        "[a-c:.{}\\[\\]&*<|>!\n\t ,#'\"-]{0,40}",
        "\\PC{0,20}",
    ]
}

fn depth(tree: &Tree) -> usize {
    1 + match tree {
        Tree::Leaf(_) => 0,
        Tree::List(list) => list.iter().map(depth).max().unwrap_or_default(),
        Tree::Branch(map) => map.values().map(depth).max().unwrap_or_default(),
    }
}

proptest! {
    #[test]
    fn no_label_map_makes_it_panic_and_the_limits_hold(
        labels in labels_of(label(), 0..12)
    ) {
        let before = labels.clone();
        let mut errors = Vec::new();
        let aliases = label::aliases(&labels, "x");
        let routes = label::routes(&labels, &aliases, &mut errors);
        plan::parse(&labels, &[], &Defaults::default(), &mut errors);
        prop_assert!(aliases.iter().all(|alias| routes.contains_key(alias)));
        prop_assert!(routes.values().all(|tree| depth(tree) <= 2 * label::DEPTH_LIMIT));
        prop_assert!(routes.values().all(|tree| matches!(tree, Tree::Branch(_))));
        prop_assert_eq!(labels, before);
    }

    #[test]
    fn labels_that_are_not_ours_change_nothing(
        labels in labels_of(label(), 0..6),
        others in labels_of("[a-oq-z/P]\\PC{0,9}", 0..6),
    ) {
        let read = |labels: &Map<String, String>| {
            let mut errors = Vec::new();
            let routes = label::routes(labels, &label::aliases(labels, "x"), &mut errors);
            let plan = plan::parse(labels, &[], &Defaults::default(), &mut errors);
            (routes, plan, errors)
        };
        let both: Map<_, _> = labels.clone().into_iter().chain(others).collect();
        prop_assert_eq!(read(&both), read(&labels));
    }

    #[test]
    fn no_value_of_an_idle_label_makes_it_panic(value in "\\PC{0,20}", word in 0..14usize) {
        let label = format!("proxy.{}", label::RESERVED[word]);
        let labels = map(&[("proxy.idle_timeout", "1m"), (&label, &value)]);
        plan::parse(&labels, &[], &Defaults::default(), &mut Vec::new());
    }

    #[test]
    fn a_number_in_any_field_is_kept_to_the_letter(text in "[0-9]{1,6}(\\.[0-9]{1,6})?") {
        let yaml = format!("k: {text}");
        prop_assert_eq!(
            routes(&[("proxy.x", &yaml), ("proxy.x.l", &text)]).0,
            json!({"x": {"k": text, "l": text}})
        );
    }
}
