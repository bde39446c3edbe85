//! Options as people write them for `docker run`, read. Knows no JSON.

use super::Port;

/// No machine has more.
const CPUS_LIMIT: u64 = 1 << 16;
const NANO: u64 = 1_000_000_000;

/// `[[ADDRESS:][PORT]:]PORT[/PROTOCOL]`, each port a number or a range of as many as the other
/// (docker/cli).
///
/// # Errors
/// What was expected.
pub fn publish(text: &str) -> Result<Vec<Port>, String> {
    let failed = |what: &str| format!("`{text}`: {what}");
    let (places, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !matches!(protocol, "tcp" | "udp" | "sctp") {
        return Err(failed("expected /tcp, /udp or /sctp"));
    }
    let (address, ports) = match places.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").ok_or_else(|| failed("expected a `]:`"))?,
        None => match places.rsplitn(3, ':').collect::<Vec<_>>()[..] {
            [_, _, address] => {
                let rest = places.get(address.len() + 1..).unwrap_or_default();
                (address, rest)
            }
            _ => ("", places),
        },
    };
    if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
        return Err(failed("expected an address before the ports"));
    }
    let (outside, inside) = ports.split_once(':').unwrap_or(("", ports));
    let inside = range(inside).map_err(failed_with(text))?;
    let outside = match outside {
        "" => None,
        outside => Some(range(outside).map_err(failed_with(text))?),
    };
    let numbers = inside.0..=inside.1;
    let port = |(place, number): (u16, u16)| Port {
        inside: format!("{number}/{protocol}"),
        address: address.to_owned(),
        outside: outside.map_or(String::new(), |(first, _)| (first + place).to_string()),
    };
    match outside {
        Some((first, last)) if last - first != inside.1 - inside.0 => {
            Err(failed("expected as many ports outside as inside"))
        }
        _ => Ok(numbers
            .enumerate()
            .filter_map(|(n, port)| Some((u16::try_from(n).ok()?, port)))
            .map(port)
            .collect()),
    }
}

fn failed_with(text: &str) -> impl Fn(String) -> String {
    move |what| format!("`{text}`: {what}")
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let port = digits.then(|| text.parse().ok()).flatten().filter(|port| *port > 0);
        port.ok_or_else(|| format!("port `{text}`: expected 1 to 65535"))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (port(first)?, port(last)?) {
        (first, last) if first <= last => Ok((first, last)),
        _ => Err(format!("ports `{text}`: expected the lower one first")),
    }
}

/// Bytes: `512m`, `1.5g`, with b, k, m or g as powers of 1024 (docker/cli).
///
/// # Errors
/// What was expected.
pub fn memory(text: &str) -> Result<u64, String> {
    let failed = || format!("`{text}`: expected a size such as 512m or 1.5g");
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix("ib").or(lower.strip_suffix('b')).unwrap_or(&lower);
    let (number, unit) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 1 << 10),
        Some(b'm') => (&lower[..lower.len() - 1], 1 << 20),
        Some(b'g') => (&lower[..lower.len() - 1], 1 << 30),
        Some(b't') => (&lower[..lower.len() - 1], 1 << 40),
        _ => (lower, 1),
    };
    scaled(number, unit).filter(|bytes| *bytes > 0).ok_or_else(failed)
}

/// CPUs as a decimal number, in billionths.
///
/// # Errors
/// What was expected.
pub fn cpus(text: &str) -> Result<u64, String> {
    let nano = scaled(text, NANO).filter(|nano| (1..=CPUS_LIMIT * NANO).contains(nano));
    nano.ok_or_else(|| format!("`{text}`: expected a number of CPUs such as 1.5"))
}

/// A decimal number without sign or exponent, times `unit`.
fn scaled(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let over = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let part = u64::try_from(part * u128::from(unit) / over).ok()?;
    whole.checked_mul(unit)?.checked_add(part)
}
