//! The few route fields that have a form: scheme, host, bind, port. All others are any text.

use std::net::IpAddr;

use super::field::Value;

/// What `scheme` may be.
const SCHEMES: [&str; 5] = ["http", "https", "h2c", "tcp", "udp"];

/// The longest host name (RFC 1035 §2.3.4, in characters).
const LONGEST_HOST: usize = 253;

/// Refuses a known field with a value that it can't have; the error says what was expected.
pub fn check(path: &str, value: &Value<'_>) -> Result<(), String> {
    let (name, below) = path.split_once('.').unwrap_or((path, ""));
    let Some(expected) = expected(name) else { return Ok(()) };
    let Value::Text(text) = value else { return Err(format!("not a text: expected {expected}")) };
    let text = text.trim();
    let good = below.is_empty()
        && match name {
            "scheme" => SCHEMES.contains(&text),
            "host" => is_host(text),
            "bind" => text.parse::<IpAddr>().is_ok(),
            _ => listen_and_target(text).is_some(),
        };
    let what = if below.is_empty() { "not a" } else { "nothing below a" };
    if good { Ok(()) } else { Err(format!("{what} {name}: expected {expected}")) }
}

/// The ports of a `port` field: where drowse listens, if it says so, and the container's own.
/// `TARGET` or `LISTEN:TARGET`, each 1–65535.
pub fn listen_and_target(text: &str) -> Option<(Option<u16>, u16)> {
    match text.split_once(':') {
        Some((listen, target)) => Some((Some(port(listen)?), port(target)?)),
        None => Some((None, port(text)?)),
    }
}

fn expected(name: &str) -> Option<&'static str> {
    match name {
        "scheme" => Some("http, https, h2c, tcp or udp"),
        "host" => Some("a host name or an address"),
        "bind" => Some("an address to listen on, such as 0.0.0.0"),
        "port" => Some("TARGET or LISTEN:TARGET, each 1 to 65535"),
        _ => None,
    }
}

fn port(text: &str) -> Option<u16> {
    let text = text.trim();
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok().filter(|port| *port > 0) } else { None }
}

fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if bare.contains(':') {
        return bare.parse::<IpAddr>().is_ok();
    }
    let good = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.len() <= LONGEST_HOST && text.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(path: &str, text: &str) -> bool {
        check(path, &Value::Text(text.into())).is_ok()
    }

    #[test]
    fn a_scheme_is_one_of_five() {
        for scheme in SCHEMES {
            assert!(good("scheme", scheme));
        }
        for scheme in ["", "HTTP", "ftp", "http://", "https,http"] {
            assert!(!good("scheme", scheme), "{scheme}");
        }
    }

    #[test]
    fn a_port_is_a_target_or_a_listen_and_a_target() {
        assert_eq!(listen_and_target("80"), Some((None, 80)));
        assert_eq!(listen_and_target("080"), Some((None, 80)));
        assert_eq!(listen_and_target(" 8080 : 80 "), Some((Some(8080), 80)));
        assert_eq!(listen_and_target("65535:1"), Some((Some(65535), 1)));
        for port in ["", "0", "65536", "-1", "+80", "80:", ":80", "1:2:3", "0:80", "8 0", "٨٠"] {
            assert!(!good("port", port), "{port}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in ["web", "web_1", "a.example.com", "10.0.0.1", "::1", "[::1]", "bücher.example"]
        {
            assert!(good("host", host), "{host}");
        }
        for host in ["", "a b", "a/b", "http://a", "a:80", "[::1]:80", "::g", &"a".repeat(254)] {
            assert!(!good("host", host), "{host}");
        }
    }

    #[test]
    fn a_bind_is_an_address() {
        for bind in ["0.0.0.0", "127.0.0.1", "::", "::1"] {
            assert!(good("bind", bind), "{bind}");
        }
        for bind in ["", "web", "0.0.0.0:80", "300.0.0.1"] {
            assert!(!good("bind", bind), "{bind}");
        }
    }

    #[test]
    fn a_known_field_is_one_text() {
        assert!(!good("port.http", "80"));
        assert!(check("port", &Value::Empty).is_err());
        assert!(check("scheme", &Value::List(Vec::new())).is_err());
    }

    #[test]
    fn other_fields_may_be_anything() {
        for path in ["ports", "healthcheck.port", "x"] {
            assert!(good(path, "anything at all"), "{path}");
        }
    }
}
