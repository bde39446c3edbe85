//! Timestamps as engines write them (RFC 3339). No clock, no calendar beyond that.

/// Nanoseconds since 1970; `None`: not a timestamp, or one before 1970 (engines write year 1 for
/// "never") or after 2554. A leap second counts as the next one.
pub fn nanos(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone_at)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && year <= 9999;
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let seconds = u64::try_from(seconds - offset_seconds(zone)?).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction_nanos(fraction)?)
}

/// Howard Hinnant's `days_from_civil`: months counted from March, in eras of 400 years.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `Z` or `+02:00`, with the colon, as RFC 3339 has it.
fn offset_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let [hours, minutes] = numbers(rest, ':')?;
    let seconds = hours * 3600 + minutes * 60;
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some(if sign == "-" { -seconds } else { seconds })
}

/// The digits after the point; those beyond the ninth are dropped.
fn fraction_nanos(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = digits.get(..9).unwrap_or(digits);
    let scale = 10u64.checked_pow(u32::try_from(9 - digits.len()).ok()?)?;
    Some(digits.parse::<u64>().ok()? * scale)
}

/// Exactly `N` numbers of one to four digits.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let mut all = [0; N];
    let mut parts = text.split(separator);
    for number in &mut all {
        let part = parts.next()?;
        let digits = (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        *number = digits.then(|| part.parse().ok()).flatten()?;
    }
    parts.next().is_none().then_some(all)
}

/// RFC 3339 in UTC: `2026-11-21T09:05:35.123456789Z`.
pub fn rfc3339(nanos: u64) -> String {
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// Year, month and day of the so-manieth day since 1970, counting years from March, so that the
/// leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468; // from 1 March of year 0
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    (year, month, day - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_become_nanoseconds() {
        // Taken from `date -u -d … +%s%N`.
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-21T02:50:58.468129908Z", 1_795_229_458_468_129_908),
            ("2026-11-21T02:50:52.4466788Z", 1_795_229_452_446_678_800),
            ("2026-11-21T04:50:52+02:00", 1_795_229_452_000_000_000),
            ("2026-11-20T23:20:52-03:30", 1_795_229_452_000_000_000),
            ("2000-02-29T12:00:00Z", 951_825_600_000_000_000),
            ("2024-12-31T23:59:60Z", 1_735_689_600_000_000_000),
            ("2026-11-21 02:50:52.1234567899Z", 1_795_229_452_123_456_789),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn never_and_nonsense_are_no_time() {
        for text in [
            "0001-01-01T00:00:00Z",
            "",
            "2026-11-21",
            "2026-11-21T02:50:52",
            "2026-13-01T00:00:00Z",
            "2026-11-21T25:00:00Z",
            "2026-11-21T02:50:52.Z",
            "2026-11-21T02:50:52+0200",
            "2026-11-21T02:50:52.ä00000000Z",
            "9999-01-01T00:00:00Z",
            "+026-11-21T02:50:52Z",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }
}
