//! Idle labels: each one's values, good and bad, and the plan they make.

use std::time::Duration;

use drowse::plan::{self, Condition, Defaults, Dependency, Plan, Ready, StopMethod};
use serde_json::json;

use crate::labels::map;

fn idle(labels: &[(&str, &str)]) -> (Option<Plan>, Vec<String>) {
    let mut errors = Vec::new();
    let plan = plan::parse(&map(labels), &[], &Defaults::default(), &mut errors);
    (plan, errors)
}

/// The plan of those labels beside an idle timeout.
fn managed(label: &str, value: &str) -> Plan {
    let (plan, errors) = idle(&[("proxy.idle_timeout", "1m"), (label, value)]);
    assert_eq!(errors, [""; 0], "{label}={value}");
    plan.unwrap()
}

fn refused(label: &str, value: &str) {
    let (plan, errors) = idle(&[("proxy.idle_timeout", "1m"), (label, value)]);
    assert_eq!((plan, errors.len()), (None, 1), "{label}={value}");
    assert!(errors[0].starts_with(&format!("{label}: ")), "{errors:?}");
    assert!(errors[0].contains(": expected "), "{errors:?}");
}

#[test]
fn an_idle_timeout_alone_makes_a_plan_of_defaults() {
    let expected = Plan {
        depends_on: vec![],
        idle_cpu_percent: None,
        idle_threshold_bytes: 1024,
        idle_timeout: Duration::from_secs(600),
        no_loading_page: false,
        ready: None,
        start_endpoint: None,
        stop_method: StopMethod::Stop,
        stop_signal: None,
        stop_timeout: Duration::from_secs(60),
        wake_timeout: Duration::from_secs(180),
    };
    assert_eq!(idle(&[("proxy.idle_timeout", " 10m ")]), (Some(expected), vec![]));
}

#[test]
fn the_config_s_defaults_hold_where_labels_say_nothing() {
    let defaults = Defaults {
        wake_timeout: Duration::from_secs(1),
        stop_timeout: Duration::from_secs(2),
        stop_method: StopMethod::Kill,
    };
    let read = |labels: &[(&str, &str)]| {
        let plan = plan::parse(&map(labels), &[], &defaults, &mut Vec::new()).unwrap();
        (plan.wake_timeout.as_secs(), plan.stop_timeout.as_secs(), plan.stop_method)
    };
    assert_eq!(read(&[("proxy.idle_timeout", "1m")]), (1, 2, StopMethod::Kill));
    let labels = [
        ("proxy.idle_timeout", "1m"),
        ("proxy.wake_timeout", "5s"),
        ("proxy.stop_timeout", "6s"),
        ("proxy.stop_method", "pause"),
    ];
    assert_eq!(read(&labels), (5, 6, StopMethod::Pause));
}

#[test]
fn without_an_idle_timeout_there_is_no_plan_and_no_error() {
    for labels in [&[][..], &[("proxy.x.port", "80")], &[("proxy.idle_timeout", "0")]] {
        assert_eq!(idle(labels), (None, vec![]), "{labels:?}");
    }
    assert_eq!(idle(&[("proxy.idle_timeout", "0s"), ("proxy.idle_cpu", "5")]), (None, vec![]));
}

#[test]
fn a_bad_idle_label_is_told_even_without_an_idle_timeout() {
    let error = "proxy.wake_timeout: a number without a unit: \
                 expected a duration such as 90s, 1h30m or 250ms";
    assert_eq!(idle(&[("proxy.wake_timeout", "5")]), (None, vec![error.into()]));
}

#[test]
fn all_bad_idle_labels_are_told() {
    let labels = [("proxy.idle_timeout", "-1m"), ("proxy.ready", "x"), ("proxy.idle_cpu", "x")];
    assert_eq!(idle(&labels).1.len(), 3);
}

#[test]
fn idle_durations_are_go_s_and_not_negative() {
    assert_eq!(managed("proxy.wake_timeout", "1.5h").wake_timeout, Duration::from_secs(5400));
    for value in ["", "5", "-5s", "+5s", "3000000h", "soon"] {
        refused("proxy.wake_timeout", value);
        assert_eq!(idle(&[("proxy.idle_timeout", value)]).1.len(), 1, "{value}");
    }
    refused("proxy.wake_timeout", "0");
}

#[test]
fn a_stop_timeout_may_be_bare_seconds_and_zero() {
    for (value, ms) in [("30", 30_000), ("0", 0), ("1m", 60_000), ("300ms", 300)] {
        let plan = managed("proxy.stop_timeout", value);
        assert_eq!(plan.stop_timeout, Duration::from_millis(ms), "{value}");
    }
    for value in ["", "-1", "x", "99999999999"] {
        refused("proxy.stop_timeout", value);
    }
}

#[test]
fn a_stop_method_is_one_of_three() {
    for (value, method) in
        [("stop", StopMethod::Stop), ("pause", StopMethod::Pause), ("kill", StopMethod::Kill)]
    {
        assert_eq!(managed("proxy.stop_method", value).stop_method, method);
    }
    for value in ["", "Stop", "freeze"] {
        refused("proxy.stop_method", value);
    }
}

#[test]
fn a_stop_signal_is_named_in_full() {
    for value in ["INT", "sigint", "2"] {
        assert_eq!(managed("proxy.stop_signal", value).stop_signal.as_deref(), Some("SIGINT"));
    }
    for value in ["", "0", "65", "-9", "NOSUCH"] {
        refused("proxy.stop_signal", value);
    }
}

#[test]
fn a_start_endpoint_is_a_path_without_its_fragment() {
    for (value, path) in [("/", "/"), ("/a?b=c#d", "/a?b=c"), ("/#", "/")] {
        assert_eq!(managed("proxy.start_endpoint", value).start_endpoint.as_deref(), Some(path));
    }
    for value in ["", "#x", "a", "http://a/", "/a b", "/a\nb"] {
        refused("proxy.start_endpoint", value);
    }
}

#[test]
fn booleans_have_five_words_each() {
    for value in ["1", "t", "TRUE", "Yes", " on "] {
        assert!(managed("proxy.no_loading_page", value).no_loading_page, "{value}");
    }
    for value in ["0", "F", "false", "no", "OFF"] {
        assert!(!managed("proxy.no_loading_page", value).no_loading_page, "{value}");
    }
    for value in ["", "2", "y", "truе", "enable"] {
        refused("proxy.no_loading_page", value);
    }
}

#[test]
fn a_threshold_is_bytes_with_or_without_a_unit() {
    for (value, bytes) in [
        ("0", 0),
        ("1500", 1500),
        ("2KiB", 2048),
        ("2 kb", 2000),
        ("3MB", 3_000_000),
        ("3MiB", 3 << 20),
        ("7B", 7),
    ] {
        let plan = managed("proxy.idle_threshold", value);
        assert_eq!(plan.idle_threshold_bytes, bytes, "{value}");
    }
    for value in ["", "KiB", "1.5KiB", "-1", "+1", "1GB", "18446744073709551615KB", "1 2"] {
        refused("proxy.idle_threshold", value);
    }
}

#[test]
fn a_cpu_limit_is_a_percentage_above_zero() {
    for (value, percent) in [("5", 5.0), ("0.5", 0.5), ("250 %", 250.0)] {
        assert_eq!(managed("proxy.idle_cpu", value).idle_cpu_percent, Some(percent), "{value}");
    }
    for value in ["", "0", "-1", "+1", "inf", "NaN", "1e3", "1e999", "%", "99999999999"] {
        refused("proxy.idle_cpu", value);
    }
}

#[test]
fn ready_asks_for_one_sign_and_is_printed_only_then() {
    let plan = managed("proxy.ready", "healthy");
    assert_eq!((plan.ready, &json!(plan)["ready"]), (Some(Ready::Healthy), &json!("healthy")));
    assert_eq!(managed("proxy.ready", "probe").ready, Some(Ready::Probe));
    assert_eq!(json!(managed("proxy.idle_timeout", "1m")).get("ready"), None);
    for value in ["", "both", "Healthy"] {
        refused("proxy.ready", value);
    }
}

#[test]
fn dependencies_are_the_label_s_else_compose_s() {
    let compose =
        [Dependency { condition: Condition::ServiceHealthy, name: "db".into(), restart: true }];
    let read = |labels: &[(&str, &str)]| {
        let defaults = Defaults::default();
        plan::parse(&map(labels), &compose, &defaults, &mut Vec::new()).unwrap().depends_on
    };
    assert_eq!(read(&[("proxy.idle_timeout", "1m")]), compose);
    let labels = [("proxy.idle_timeout", "1m"), ("proxy.depends_on", "")];
    assert_eq!(read(&labels), []);
    refused("proxy.depends_on", "db:sometimes");
}

#[test]
fn a_plan_is_printed_sorted() {
    let plan = managed("proxy.depends_on", "db:service_completed_successfully");
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"depends_on":[{"condition":"service_completed_successfully","#,
            r#""name":"db","restart":false}],"#,
            r#""idle_cpu_percent":null,"idle_threshold_bytes":1024,"idle_timeout_ms":60000,"#,
            r#""no_loading_page":false,"start_endpoint":null,"stop_method":"stop","#,
            r#""stop_signal":null,"stop_timeout_ms":60000,"wake_timeout_ms":180000}"#,
        )
    );
}
