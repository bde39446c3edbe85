//! Signal names of Linux on the common machines, as engines know them. Sends nothing.

/// `signal(7)`, x86 and ARM. Where a signal has two names the usual one comes first.
const NAMES: [(&str, u8); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The first and the last real-time signal, as engines count them; 32 and 33 are the C library's.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

/// The name with `SIG` of a signal given by name, with or without `SIG` and in any case, or by its
/// number from 1 to 64. A number without a name (32, 33) stays a number.
pub fn normal(text: &str) -> Option<String> {
    let number = if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok().filter(|number| (1..=RTMAX).contains(number))?
    } else {
        let upper = text.to_ascii_uppercase();
        by_name(upper.strip_prefix("SIG").unwrap_or(&upper))?
    };
    let name = NAMES.iter().find(|(_, n)| *n == number).map(|(name, _)| format!("SIG{name}"));
    Some(name.unwrap_or_else(|| match number {
        RTMIN => "SIGRTMIN".into(),
        RTMAX => "SIGRTMAX".into(),
        // Engines know RTMIN+1 to RTMIN+15 and RTMAX-14 to RTMAX-1, and no overlap.
        35..=49 => format!("SIGRTMIN+{}", number - RTMIN),
        50..=63 => format!("SIGRTMAX-{}", RTMAX - number),
        _ => number.to_string(),
    }))
}

fn by_name(name: &str) -> Option<u8> {
    let step = |digits: &str| {
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        if plain { digits.parse::<u8>().ok().filter(|n| *n <= RTMAX - RTMIN) } else { None }
    };
    if let Some(above) = name.strip_prefix("RTMIN") {
        return if above.is_empty() {
            Some(RTMIN)
        } else {
            Some(RTMIN + step(above.strip_prefix('+')?)?)
        };
    }
    if let Some(below) = name.strip_prefix("RTMAX") {
        return if below.is_empty() {
            Some(RTMAX)
        } else {
            Some(RTMAX - step(below.strip_prefix('-')?)?)
        };
    }
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_with_or_without_sig_in_any_case_or_as_a_number() {
        for text in ["TERM", "SIGTERM", "term", "sigTerm", "15", "015"] {
            assert_eq!(normal(text).as_deref(), Some("SIGTERM"), "{text}");
        }
    }

    #[test]
    fn second_names_turn_into_the_usual_ones() {
        for (text, name) in [("IOT", "SIGABRT"), ("CLD", "SIGCHLD"), ("POLL", "SIGIO")] {
            assert_eq!(normal(text).as_deref(), Some(name));
        }
    }

    #[test]
    fn real_time_signals_are_named_from_the_nearer_end() {
        for (text, name) in [
            ("34", "SIGRTMIN"),
            ("RTMIN+3", "SIGRTMIN+3"),
            ("49", "SIGRTMIN+15"),
            ("50", "SIGRTMAX-14"),
            ("RTMIN+16", "SIGRTMAX-14"),
            ("SIGRTMAX-1", "SIGRTMAX-1"),
            ("rtmax", "SIGRTMAX"),
            ("RTMAX-30", "SIGRTMIN"),
            ("32", "32"),
        ] {
            assert_eq!(normal(text).as_deref(), Some(name), "{text}");
        }
    }

    #[test]
    fn every_number_to_64_is_one_and_its_name_means_the_same() {
        for number in 1..=64 {
            let name = normal(&number.to_string()).unwrap();
            assert_eq!(normal(&name), Some(name.clone()), "{number}");
        }
    }

    #[test]
    fn nothing_else_is_a_signal() {
        for text in [
            "",
            "0",
            "65",
            "256",
            "-15",
            "+15",
            "SIG",
            "SIGSIGTERM",
            "TERMINATE",
            "RTMIN+31",
            "RTMIN-1",
            "RTMIN++1",
            "RTMAX+1",
            "RTMAX-31",
            "SIGRTMIN+",
            "15.0",
            " TERM",
            "ſigterm",
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
    }
}
