//! The label language: the worked cases and every rule of it.

use drowse::label;
use drowse::plan::{self, Defaults};
use drowse::sorted::Map;
use serde_json::{Value, json};

pub fn map(labels: &[(&str, &str)]) -> Map<String, String> {
    labels.iter().map(|(label, value)| ((*label).into(), (*value).into())).collect()
}

/// Routes and errors of a container named `x`.
pub fn routes(labels: &[(&str, &str)]) -> (Value, Vec<String>) {
    let labels = map(labels);
    let mut errors = Vec::new();
    let aliases = label::aliases(&labels, "x");
    let routes = label::routes(&labels, &aliases, &mut errors);
    (serde_json::to_value(routes).unwrap(), errors)
}

pub fn same(labels: &[(&str, &str)], expected: Value, errors: &[&str]) {
    assert_eq!(routes(labels), (expected, errors.iter().map(|e| (*e).to_owned()).collect()));
}

#[test]
fn the_worked_cases_hold() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../testdata/label-cases.json")).unwrap();
    assert!(cases.len() >= 12);
    for case in cases {
        let labels: Map<String, String> = serde_json::from_value(case["labels"].clone()).unwrap();
        let mut errors = Vec::new();
        let aliases = label::aliases(&labels, case["container_name"].as_str().unwrap());
        let routes = label::routes(&labels, &aliases, &mut errors);
        let plan = plan::parse(&labels, &[], &Defaults::default(), &mut errors);
        let got = json!({"aliases": aliases, "routes": routes, "errors": errors.len()});
        let wanted = json!({
            "aliases": case["aliases"], "routes": case["routes"], "errors": case["errors"],
        });
        assert_eq!(got, wanted, "{}: {errors:?}", case["name"]);
        let wanted = case.get("idlewatcher_config").cloned().unwrap_or(Value::Null);
        assert_eq!(json!(plan), wanted, "{}", case["name"]);
    }
}

#[test]
fn aliases_are_trimmed_and_without_empties_and_repeats_else_the_name() {
    let aliases = |value| label::aliases(&map(&[("proxy.aliases", value)]), "x");
    assert_eq!(aliases(" b , a,,b, c "), ["b", "a", "c"]);
    assert_eq!(aliases(" , "), ["x"]);
    assert_eq!(label::aliases(&map(&[]), "x"), ["x"]);
    assert_eq!(label::aliases(&map(&[]), ""), [""; 0]);
}

#[test]
fn an_alias_number_out_of_range_or_malformed_is_an_error() {
    for number in ["#0", "#2", "#01", "#+1", "#", "#x", "#99999999999999999999"] {
        let label = format!("proxy.{number}.port");
        let error = format!("{label}: no such alias: expected #1 to #1");
        same(&[(&label, "80")], json!({"x": {}}), &[&error]);
    }
}

#[test]
fn reserved_words_are_not_aliases() {
    for word in label::RESERVED {
        let label = format!("proxy.{word}.port");
        let error = format!("{label}: `{word}` is not an alias: expected proxy.{word} alone");
        same(&[(&label, "80")], json!({"x": {}}), &[&error]);
    }
}

#[test]
fn a_container_with_a_reserved_name_has_its_route_by_number() {
    let labels = [("proxy.aliases", "network"), ("proxy.#1.port", "80")];
    same(&labels, json!({"network": {"port": "80"}}), &[]);
}

#[test]
fn a_mapping_serves_aliases_by_name_by_number_and_all_of_them() {
    let labels = [
        ("proxy.aliases", "a,b"),
        ("proxy.a", "k: by name"),
        ("proxy.#2", "k: by number"),
        ("proxy.*", "{k: all, l: all}"),
        ("proxy.c", "{}"),
    ];
    let expected = json!({
        "a": {"k": "by name", "l": "all"},
        "b": {"k": "by number", "l": "all"},
        "c": {"k": "all", "l": "all"},
    });
    same(&labels, expected, &[]);
}

#[test]
fn a_mapping_keeps_its_text_and_takes_tabs() {
    let text = "a: 1.10\nb: 080\nc: Yes\nd: '007'\ne: ~\nf:\ng:\n\th: 2024-01-01\n\ti: {}\n";
    let expected = json!({
        "a": "1.10", "b": "080", "c": "Yes", "d": "007", "e": "", "f": "",
        "g": {"h": "2024-01-01", "i": {}},
    });
    same(&[("proxy.x", text)], json!({ "x": expected }), &[]);
}

#[test]
fn a_list_in_a_mapping_is_one_value() {
    let text = "hosts:\n- a\n- [b, {c.d: 1}]\n-\n";
    let list = json!(["a", ["b", {"c.d": "1"}], ""]);
    same(&[("proxy.*", text)], json!({"x": {"hosts": list}}), &[]);
    let labels = [("proxy.*", text), ("proxy.x.hosts", "none")];
    same(&labels, json!({"x": {"hosts": "none"}}), &[]);
    let labels = [("proxy.*.hosts", "none"), ("proxy.x", text)];
    same(&labels, json!({"x": {"hosts": list}}), &[]);
    let error = "proxy.x.hosts.c: proxy.x.hosts gives a single value where this needs a mapping: \
                 expected one of the two";
    let labels = [("proxy.x", text), ("proxy.x.hosts.c", "1")];
    same(&labels, json!({"x": {"hosts": list}}), &[error]);
}

#[test]
fn a_dot_in_a_mapping_s_key_parts_names_as_in_a_label() {
    let text = "healthcheck.path: /up\nhealthcheck: {interval: 5s}";
    let healthcheck = json!({"path": "/up", "interval": "5s"});
    same(&[("proxy.x", text)], json!({"x": {"healthcheck": healthcheck}}), &[]);
}

#[test]
fn of_one_field_twice_in_a_mapping_the_later_stands() {
    for (text, wins) in [("a.b: 1\na: {b: 2}", "2"), ("a: {b: 2}\na.b: 1", "1")] {
        same(&[("proxy.x", text)], json!({"x": {"a": {"b": wins}}}), &[]);
    }
}

#[test]
fn what_is_no_mapping_is_an_error_and_no_route() {
    for (value, error) in [
        ("text", "proxy.app: a text: expected a YAML mapping of fields"),
        ("[a]", "proxy.app: a list: expected a YAML mapping of fields"),
    ] {
        same(&[("proxy.app", value)], json!({"x": {}}), &[error]);
    }
    let (got, errors) = routes(&[("proxy.app", "a: 1\nb: [\n"), ("proxy.x", "a: 1\na: 2")]);
    assert_eq!((got, errors.len()), (json!({"x": {}}), 2), "{errors:?}");
    assert!(errors[0].starts_with("proxy.app: line "), "{errors:?}");
    assert!(errors[1].starts_with("proxy.x: line 2 column 1: "), "{errors:?}");
}

#[test]
fn a_misspelt_label_is_told_what_was_meant() {
    let error = "proxy.idle_timout: a text: expected a YAML mapping of fields; \
                 did you mean proxy.idle_timeout?";
    same(&[("proxy.idle_timout", "10m")], json!({"x": {}}), &[error]);
}

#[test]
fn a_bad_leaf_in_a_mapping_hides_no_other() {
    let text = "port: 99999\nscheme: https\n'a..b': 1\n'': 2\n";
    let errors = [
        "proxy.x.port: not a port: expected TARGET or LISTEN:TARGET, each 1 to 65535",
        "proxy.x.a..b: an empty name: expected one",
        "proxy.x: an empty name: expected one",
    ];
    same(&[("proxy.x", text)], json!({"x": {"scheme": "https"}}), &errors);
}

/// Every level gives the field: the strongest stands. Then it is left out, and so on.
#[test]
fn the_precedence_is_name_number_all_and_in_each_dotted_before_mapping() {
    let strongest_first = [
        ("proxy.x.k", "name dotted"),
        ("proxy.x", "k: name mapping"),
        ("proxy.#1.k", "number dotted"),
        ("proxy.#1", "k: number mapping"),
        ("proxy.*.k", "all dotted"),
        ("proxy.*", "k: all mapping"),
    ];
    for from in 0..strongest_first.len() {
        let wins = strongest_first[from].1.trim_start_matches("k: ");
        same(&strongest_first[from..], json!({"x": {"k": wins}}), &[]);
    }
}

#[test]
fn a_longer_path_is_laid_last_on_one_level_but_not_over_a_stronger_one() {
    let labels = [("proxy.x.a", "b: short\nc: kept"), ("proxy.x.a.b", "long")];
    same(&labels, json!({"x": {"a": {"b": "long", "c": "kept"}}}), &[]);
    let labels = [("proxy.x.a", "b: strong"), ("proxy.*.a.b", "weak"), ("proxy.*.a.c", "kept")];
    same(&labels, json!({"x": {"a": {"b": "strong", "c": "kept"}}}), &[]);
    let labels = [("proxy.x.a", "b: dotted"), ("proxy.x", "a: {b: mapping, c: kept}")];
    same(&labels, json!({"x": {"a": {"b": "dotted", "c": "kept"}}}), &[]);
    let text = "a.b: long\na: 'b: short'";
    same(&[("proxy.x", text)], json!({"x": {"a": {"b": "long"}}}), &[]);
    let nested = "b.c: long\nb: 'c: short'";
    let labels = [("proxy.x.a", nested), ("proxy.x.a.d", "1")];
    same(&labels, json!({"x": {"a": {"b": {"c": "long"}, "d": "1"}}}), &[]);
}

#[test]
fn a_text_is_read_as_a_mapping_only_where_one_is_needed() {
    same(&[("proxy.x.a", "b: 1")], json!({"x": {"a": "b: 1"}}), &[]);
    let labels = [("proxy.x.a", "b: 1"), ("proxy.x.a.c", "2")];
    same(&labels, json!({"x": {"a": {"b": "1", "c": "2"}}}), &[]);
}

const CLASH: &str = "gives a single value where this needs a mapping: expected one of the two";

#[test]
fn a_scalar_and_a_mapping_clash_and_what_was_there_stays() {
    let error = format!("proxy.x.a.b: proxy.x.a {CLASH}");
    same(&[("proxy.x.a", "1"), ("proxy.x.a.b", "2")], json!({"x": {"a": "1"}}), &[&error]);
    let error = format!("proxy.*.a.b: proxy.x.a {CLASH}");
    same(&[("proxy.*.a.b", "2"), ("proxy.x.a", "1")], json!({"x": {"a": {"b": "2"}}}), &[&error]);
    let error = format!("proxy.x.a: proxy.*.a {CLASH}");
    same(&[("proxy.*.a", "1"), ("proxy.x", "a: {}")], json!({"x": {"a": "1"}}), &[&error]);
    let error = format!("proxy.*.a.b: proxy.x.a {CLASH}");
    let labels = [("proxy.*.a", ""), ("proxy.*.a.b", "2"), ("proxy.x.a", "1")];
    same(&labels, json!({"x": {"a": {"b": "2"}}}), &[&error]);
    let labels = [("proxy.*.a.b", "2"), ("proxy.x", "a: [1]")];
    same(&labels, json!({"x": {"a": {"b": "2"}}}), &[&error]);
}

#[test]
fn a_clash_on_every_route_is_told_once() {
    let error = format!("proxy.*.a.b: proxy.*.a {CLASH}");
    let labels = [("proxy.aliases", "a,b,c"), ("proxy.*.a", "1"), ("proxy.*.a.b", "2")];
    let expected = json!({"a": {"a": "1"}, "b": {"a": "1"}, "c": {"a": "1"}});
    same(&labels, expected, &[&error]);
}

#[test]
fn an_empty_value_is_an_empty_mapping_to_a_longer_label() {
    same(&[("proxy.x.a", "")], json!({"x": {"a": ""}}), &[]);
    let expected = json!({"x": {"a": {"b": "2"}}});
    same(&[("proxy.x.a", ""), ("proxy.x.a.b", "2")], expected.clone(), &[]);
    same(&[("proxy.*.a.b", "2"), ("proxy.x.a", " ")], expected.clone(), &[]);
    same(&[("proxy.*.a.b", "2"), ("proxy.x", "a:")], expected, &[]);
    same(&[("proxy.app", "")], json!({"app": {}, "x": {}}), &[]);
    same(&[("proxy.*.a", ""), ("proxy.x", "a: {}")], json!({"x": {"a": {}}}), &[]);
}

#[test]
fn empty_names_and_a_bare_proxy_are_errors() {
    let labels = [
        ("proxy", "1"),
        ("proxy.", "1"),
        ("proxy..port", "1"),
        ("proxy.app.", "1"),
        ("proxy.app..port", "1"),
        ("proxy.x.port", "80"),
    ];
    let errors = [
        "proxy: not a label of its own: expected proxy.<alias>.<field>",
        "proxy.: an empty name: expected proxy.<alias>.<field>",
        "proxy..port: an empty name: expected proxy.<alias>.<field>",
        "proxy.app.: an empty name: expected proxy.<alias>.<field>",
        "proxy.app..port: an empty name: expected proxy.<alias>.<field>",
    ];
    same(&labels, json!({"x": {"port": "80"}}), &errors);
}

#[test]
fn known_fields_are_checked_and_a_bad_one_is_left_out() {
    let labels = [
        ("proxy.x.scheme", "gopher"),
        ("proxy.x.host", "a b"),
        ("proxy.x.bind", "nowhere"),
        ("proxy.x.port", "80:90:100"),
        ("proxy.x.port.http", "80"),
        ("proxy.x.ports", "unknown fields pass"),
    ];
    let (got, errors) = routes(&labels);
    assert_eq!(got, json!({"x": {"ports": "unknown fields pass"}}));
    assert_eq!(errors.len(), 5, "{errors:?}");
}

#[test]
fn a_bad_wildcard_is_told_once() {
    let labels = [("proxy.aliases", "a,b"), ("proxy.*.port", "x")];
    let error = "proxy.*.port: not a port: expected TARGET or LISTEN:TARGET, each 1 to 65535";
    same(&labels, json!({"a": {}, "b": {}}), &[error]);
}

#[test]
fn shortcuts_give_the_nth_item_to_the_nth_alias() {
    let labels = [
        ("proxy.aliases", "a,b,c"),
        ("proxy.ports", "1,,3"),
        ("proxy.hosts", "h1, h2"),
        ("proxy.binds", "::1"),
        ("proxy.schemes", "tcp,udp"),
    ];
    let expected = json!({
        "a": {"bind": "::1", "host": "h1", "port": "1", "scheme": "tcp"},
        "b": {"host": "h2", "scheme": "udp"},
        "c": {"port": "3"},
    });
    same(&labels, expected, &[]);
    for word in ["protos", "protocols"] {
        let label = format!("proxy.{word}");
        same(&[(&label, "h2c")], json!({"x": {"scheme": "h2c"}}), &[]);
    }
}

#[test]
fn a_shortcut_beside_its_singular_on_any_level_is_dropped() {
    for (label, value, stays) in [
        ("proxy.*.port", "1", json!({"a": {"port": "1"}, "b": {"port": "1"}})),
        ("proxy.#2.port", "1", json!({"a": {}, "b": {"port": "1"}})),
        ("proxy.b.port", "1", json!({"a": {}, "b": {"port": "1"}})),
        ("proxy.b", "port: 1", json!({"a": {}, "b": {"port": "1"}})),
    ] {
        let labels = [("proxy.aliases", "a,b"), ("proxy.ports", "80,81"), (label, value)];
        let by = if value == "1" { label.to_owned() } else { format!("{label}.port") };
        let error = format!("proxy.ports: {by} gives `port` too: expected one or the other");
        same(&labels, stays, &[&error]);
    }
}

#[test]
fn a_shortcut_does_not_mind_the_singular_of_a_route_it_does_not_serve() {
    let labels = [
        ("proxy.aliases", "a,b"),
        ("proxy.ports", "80"),
        ("proxy.b.port", "81"),
        ("proxy.c.port", "82"),
    ];
    let expected = json!({"a": {"port": "80"}, "b": {"port": "81"}, "c": {"port": "82"}});
    same(&labels, expected, &[]);
}

#[test]
fn two_shortcuts_for_one_field_and_bad_items_are_errors() {
    let error = "proxy.protos: another shortcut gives `scheme` too: expected one or the other";
    let labels = [("proxy.schemes", "http"), ("proxy.protos", "tcp")];
    same(&labels, json!({"x": {"scheme": "http"}}), &[error]);
    let labels = [("proxy.aliases", "a,b"), ("proxy.ports", "80, x, 82")];
    let errors = [
        "proxy.ports: item 2: not a port: expected TARGET or LISTEN:TARGET, each 1 to 65535",
        "proxy.ports: item 3: one more than aliases: expected at most 2",
    ];
    same(&labels, json!({"a": {"port": "80"}, "b": {}}), &errors);
}

#[test]
fn errors_never_repeat_a_value() {
    let secret = "s3cret";
    let labels = [
        "proxy",
        "proxy.",
        "proxy.x",
        "proxy.#9.a",
        "proxy.x.port",
        "proxy.x.scheme.a",
        "proxy.ports",
        "proxy.x.host.s",
        "proxy.x.bind",
        "proxy.network.a",
        "proxy.x.a",
        "proxy.x.a.b",
        "proxy.idle_timeout",
        "proxy.wake_timeout",
        "proxy.stop_method",
        "proxy.stop_timeout",
        "proxy.stop_signal",
        "proxy.start_endpoint",
        "proxy.no_loading_page",
        "proxy.idle_threshold",
        "proxy.idle_cpu",
        "proxy.ready",
    ];
    let labels: Map<String, String> =
        labels.into_iter().map(|label| (label.into(), secret.into())).collect();
    let mut errors = Vec::new();
    label::routes(&labels, &label::aliases(&labels, "x"), &mut errors);
    plan::parse(&labels, &[], &Defaults::default(), &mut errors);
    assert_eq!(errors.len(), 21, "{errors:#?}");
    assert!(!errors.iter().any(|error| error.contains(secret)), "{errors:#?}");
}

#[test]
fn a_tree_tells_the_text_at_a_path() {
    let labels = map(&[("proxy.x.healthcheck.path", "/up"), ("proxy.x.port", "80")]);
    let routes = label::routes(&labels, &["x".into()], &mut Vec::new());
    let route = routes.get("x").unwrap();
    assert_eq!(route.text(&["healthcheck", "path"]), Some("/up"));
    assert_eq!(route.text(&["port"]), Some("80"));
    for path in [&["healthcheck"][..], &["port", "x"], &["y"], &[]] {
        assert_eq!(route.text(path), None);
    }
}
