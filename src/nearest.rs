//! The known name that a misspelt one most likely meant. Pure.

/// Longer names get no suggestion: nobody mistypes them by hand, and the search is quadratic.
const LENGTH_LIMIT: usize = 64;

/// The known name with the fewest letters to change, add, drop or swap; case does not count. The
/// first of several. `None` if even the nearest needs more than a third of the letters (but one is
/// always allowed).
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = letters(name)?;
    known
        .filter_map(|candidate| {
            let other = letters(candidate)?;
            let limit = (name.len().max(other.len()) / 3).max(1);
            let distance = distance(&name, &other);
            (distance <= limit).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn letters(name: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = name.chars().take(LENGTH_LIMIT + 1).collect();
    let fits = !letters.is_empty() && letters.len() <= LENGTH_LIMIT;
    fits.then(|| letters.iter().map(char::to_ascii_lowercase).collect())
}

/// Levenshtein's distance with swaps of neighbours, three rows of the table kept.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut two_above = above.clone();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(two_above[j - 1] + 1);
            }
            row.push(best);
        }
        two_above = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        let known = ["idle", "lxc", "metrics", "control", "doors", "providers"];
        for (name, expected) in [
            ("idel", Some("idle")),
            ("Idle", Some("idle")),
            ("ilde", Some("idle")),
            ("metric", Some("metrics")),
            ("provider", Some("providers")),
            ("dors", Some("doors")),
            ("lx", Some("lxc")),
            ("door", Some("doors")),
            ("secret", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(65), ["x"; 2].into_iter()), None);
        assert_eq!(nearest("cat", ["bat", "rat"].into_iter()), Some("bat"));
    }
}
