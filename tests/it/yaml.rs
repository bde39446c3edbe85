//! YAML texts and what is read from them.

use drowse::yaml::{Key, Node, Value, parse};
use proptest::prelude::*;

#[test]
fn scalars_keep_their_text_and_say_whether_they_are_plain() {
    for (text, expected) in [
        ("1.10", "1.10"),
        ("080", "080"),
        ("'1.10'", "'1.10'"),
        ("\"a\\tb\"", "'a\tb'"),
        ("!!str 5", "'5'"),
        ("|\n  two\n  lines\n", "'two\nlines\n'"),
        ("yes", "yes"),
        ("strict!", "strict!"),
        ("", "~"),
        ("~", "~"),
        ("null", "~"),
        ("''", "''"),
        ("'null'", "'null'"),
        ("a: ", "{a: ~}"),
        ("# nothing\n", "~"),
        ("\u{feff}a: 1", "{a: 1}"),
        ("[a, [b, {c: d}], {}]", "[a, [b, {c: d}], {}]"),
        ("{\"a\": [1, true, null]}", "{a: [1, true, ~]}"),
    ] {
        assert_eq!(show(&read(text).value), expected, "{text}");
    }
}

#[test]
fn every_node_knows_where_it_stands() {
    let node = read("a: 1\nb:\n  - x\n  - {ü: y}\n");
    let Value::Map(map) = &node.value else { panic!("{node:?}") };
    let Value::List(list) = &map[1].1.value else { panic!("{node:?}") };
    let Value::Map(inner) = &list[1].value else { panic!("{node:?}") };
    let places = [map[0].0.at, map[0].1.at, map[1].0.at, list[0].at, inner[0].0.at];
    let places = places.map(|at| (at.line, at.column));
    assert_eq!(places, [(1, 1), (1, 4), (2, 1), (3, 5), (4, 6)]);
}

#[test]
fn aliases_and_merge_keys_are_resolved_and_own_keys_win() {
    for (text, expected) in [
        ("[&a x, *a]", "[x, x]"),
        ("{&k key: *k}", "{key: key}"),
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}", "{a: {x: 1, y: 2}, b: {y: 3, x: 1}}"),
        (
            "- &a {x: 1}\n- &b {x: 2, y: 2}\n- <<: [*a, *b]\n",
            "[{x: 1}, {x: 2, y: 2}, {x: 1, y: 2}]",
        ),
        ("- &a {x: 1}\n- &b {<<: *a, y: 1}\n- <<: *b\n", "[{x: 1}, {y: 1, x: 1}, {y: 1, x: 1}]"),
        ("{'<<': 1}", "{<<: 1}"),
        ("[&a 1, &a 2, *a]", "[1, 2, 2]"),
    ] {
        assert_eq!(show(&read(text).value), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    let deep = "[".repeat(66);
    let bomb = bomb(20);
    let long = format!("- &a {}\n{}", "x".repeat(100_000), "- *a\n".repeat(20));
    for (text, expected) in [
        ("a: 1\nb: 2\na: 3\n", "line 3 column 1: the key `a` a second time"),
        ("a: 1\n---\nb: 2\n", "line 2 column 1: a second document, expected one"),
        ("{[a]: 1}", "line 1 column 2: expected a text as key"),
        ("~: 1", "line 1 column 1: expected a text as key"),
        ("<<: 1", "line 1 column 5: `<<` expected a map or a list of maps"),
        ("<<: [{a: 1}, b]", "line 1 column 14: `<<` expected a map or a list of maps"),
        ("&a [*a]", "line 1 column 5: an alias inside its own anchor"),
        ("a\0b", "line 1 column 2: a NUL character"),
        (&deep, "line 1 column 66: nested too deep, at most 64 levels"),
        (&bomb, "line 15 column 9: too many values, at most 100000"),
        (&long, "line 11 column 3: too much text by aliases"),
    ] {
        let problem = parse(text).unwrap_err();
        assert_eq!(problem.to_string(), expected, "{}", &text[..text.len().min(60)]);
    }
}

#[test]
fn depth_by_aliases_counts_too() {
    let mut text = format!("- &a0 {}x{}\n", "[".repeat(30), "]".repeat(30));
    for n in 1..4 {
        let before = n - 1;
        text += &format!("- &a{n} {}*a{before}{}\n", "[".repeat(30), "]".repeat(30));
    }
    let problem = parse(&text).unwrap_err();
    assert_eq!(problem.to_string(), "line 3 column 37: nested too deep, at most 64 levels");
}

#[test]
fn broken_text_is_an_error_with_its_place() {
    for (text, line) in [("a: [1, 2\n", 2), ("a: 'x\n", 1), ("a: b: c\n", 1), ("a: 1\n  b: 2\n", 2)]
    {
        assert_eq!(parse(text).map_err(|p| p.at.line), Err(line), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_text_of_yaml_signs_makes_it_panic(
        text in "[-?:,\\[\\]{}#&*!|>'\"%@` \\t\\r\\na<~.0\\\\\u{feff}\u{85}]{0,60}"
    ) {
        let _ = parse(&text);
    }
}

fn read(text: &str) -> Node {
    parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

/// Each level names the one before twice.
fn bomb(levels: usize) -> String {
    let mut text = String::from("- &a0 [x]\n");
    for n in 1..levels {
        let before = n - 1;
        text += &format!("- &a{n} [*a{before}, *a{before}]\n");
    }
    text
}

fn show(value: &Value) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Null => "~".into(),
        Value::Scalar { text, plain: true } => text.clone(),
        Value::Scalar { text, plain: false } => format!("'{text}'"),
        Value::List(list) => {
            format!("[{}]", join(list.iter().map(|node| show(&node.value)).collect()))
        }
        Value::Map(map) => {
            let pair = |(key, node): &(Key, Node)| format!("{}: {}", key.text, show(&node.value));
            format!("{{{}}}", join(map.iter().map(pair).collect()))
        }
    }
}
