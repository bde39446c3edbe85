//! Which container a name means. Pure: knows only the candidates it is given.
//!
//! A name is a container's exact name, one of its aliases, or the beginning of its id (4 digits at
//! least); `engine/name` where two engines share it. A guest of Proxmox VE has a number in place of
//! an id: that, or `node/number`, whole. A container's name wins over an alias, and an
//! alias over an id, on all engines together; of equals there must be one, or the answer is an
//! error that lists them.

use crate::nearest::nearest;
use crate::sorted;

/// Fewer digits are no id.
const ID_DIGITS_AT_LEAST: usize = 4;

/// So many candidates are listed in an error.
const LISTED_LIMIT: usize = 10;

/// A container that may be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The engine's name in the config.
    pub engine: &'a str,
    /// The container's name.
    pub name: &'a str,
    /// Its aliases: the names of its routes.
    pub aliases: &'a [String],
    /// The full id; a guest's number.
    pub id: &'a str,
    /// The node a guest is on; `None`: it is a container.
    pub node: Option<&'a str>,
}

/// What of a candidate a name fits; the first is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Name,
    Alias,
    Id,
}

/// The place of the one candidate that `asked` means. The error says which there are, or which was
/// most likely meant.
pub fn resolve(asked: &str, candidates: &[Candidate<'_>]) -> Result<usize, String> {
    let mut best = Fit::Id;
    let mut found = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        match candidate.fit(asked) {
            Some(fit) if fit < best => {
                best = fit;
                found = vec![at];
            }
            Some(fit) if fit == best => found.push(at),
            Some(_) | None => {}
        }
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err(unknown(asked, candidates)),
        _ => Err(ambiguous(found.iter().filter_map(|at| candidates.get(*at)))),
    }
}

impl Candidate<'_> {
    fn fit(&self, asked: &str) -> Option<Fit> {
        let below = asked.strip_prefix(self.engine).and_then(|rest| rest.strip_prefix('/'));
        [Some(asked), below].into_iter().flatten().filter_map(|name| self.plain_fit(name)).min()
    }

    /// Without an engine before it.
    fn plain_fit(&self, asked: &str) -> Option<Fit> {
        if asked == self.name {
            return Some(Fit::Name);
        }
        if self.aliases.iter().any(|alias| alias == asked) {
            return Some(Fit::Alias);
        }
        let is_it = match self.node {
            None => asked.len() >= ID_DIGITS_AT_LEAST && self.id.starts_with(asked),
            Some(node) => {
                let below = asked.strip_prefix(node).and_then(|rest| rest.strip_prefix('/'));
                below.unwrap_or(asked) == self.id
            }
        };
        is_it.then_some(Fit::Id)
    }

    fn whole(&self) -> String {
        format!("{}/{}", self.engine, self.name)
    }
}

fn ambiguous<'a>(found: impl Iterator<Item = &'a Candidate<'a>>) -> String {
    let mut wholes: Vec<String> = found.map(Candidate::whole).collect();
    sorted::sort(&mut wholes);
    let more = wholes.len().saturating_sub(LISTED_LIMIT);
    wholes.truncate(LISTED_LIMIT);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("which one? expected one of {}{more}", wholes.join(", "))
}

fn unknown(asked: &str, candidates: &[Candidate<'_>]) -> String {
    let wholes: Vec<String> = candidates.iter().map(Candidate::whole).collect();
    let near = if asked.contains('/') {
        nearest(asked, wholes.iter().map(String::as_str))
    } else {
        let names = candidates.iter().map(|candidate| candidate.name);
        let aliases = candidates.iter().flat_map(|candidate| candidate.aliases);
        nearest(asked, names.chain(aliases.map(String::as_str)))
    };
    match near {
        Some(near) => format!("unknown container; did you mean `{near}`?"),
        None => "unknown container: expected a name, an alias, an id or ENGINE/NAME".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves among these: engine, name, aliases, id.
    fn resolved(asked: &str, all: &[(&str, &str, &[&str], &str)]) -> Result<usize, String> {
        let aliases: Vec<Vec<String>> =
            all.iter().map(|one| one.2.iter().map(ToString::to_string).collect()).collect();
        let candidates: Vec<_> = all
            .iter()
            .zip(&aliases)
            .map(|((engine, name, _, id), aliases)| Candidate {
                engine,
                name,
                aliases,
                id,
                node: None,
            })
            .collect();
        resolve(asked, &candidates)
    }

    const ALL: &[(&str, &str, &[&str], &str)] = &[
        ("pi", "web", &["web", "www"], "ab12cd34ef56"),
        ("attic", "web", &["web"], "0123456789ab"),
        ("attic", "shop-db-1", &["db", "cafe0000"], "cafe12345678"),
        ("attic", "cafe", &["cafe"], "beef12345678"),
        ("attic", "www", &["site"], "dead12345678"),
        ("agent.example:443", "lone", &["lone"], "beef87654321"),
    ];

    #[test]
    fn names_aliases_and_ids_are_found() {
        for (asked, at) in [
            ("pi/web", 0),
            ("attic/web", 1),
            ("shop-db-1", 2),
            ("db", 2),
            ("attic/db", 2),
            ("cafe1", 2),
            ("attic/cafe1", 2),
            ("ab12", 0),
            ("0123456789ab", 1),
            ("agent.example:443/lone", 5),
            ("beef8", 5),
        ] {
            assert_eq!(resolved(asked, ALL), Ok(at), "{asked}");
        }
    }

    #[test]
    fn a_name_wins_over_an_alias_and_an_alias_over_an_id() {
        assert_eq!(resolved("www", ALL), Ok(4), "an alias on another engine too");
        assert_eq!(resolved("pi/www", ALL), Ok(0));
        assert_eq!(resolved("cafe", ALL), Ok(3), "the beginning of an id too");
        assert_eq!(resolved("cafe0000", ALL), Ok(2));
        let reversed: Vec<_> = ALL.iter().rev().copied().collect();
        assert_eq!(resolved("www", &reversed), Ok(1), "in any order");
        assert_eq!(resolved("cafe", &reversed), Ok(2), "in any order");
    }

    #[test]
    fn of_equals_there_must_be_one() {
        let told = |list: &str| Err(format!("which one? expected one of {list}"));
        assert_eq!(resolved("web", ALL), told("attic/web, pi/web"));
        assert_eq!(resolved("beef", ALL), told("agent.example:443/lone, attic/cafe"));
        let twins: &[(&str, &str, &[&str], &str)] =
            &[("pi", "a", &["app"], "aaaaaa"), ("pi", "b", &["app"], "bbbbbb")];
        assert_eq!(resolved("app", twins), told("pi/a, pi/b"));
        assert_eq!(resolved("pi/app", twins), told("pi/a, pi/b"));
        let many: Vec<_> = (0..12).map(|_| ("pi", "n", &["app"][..], "")).collect();
        let list = format!("{} and 2 more", ["pi/n"; 10].join(", "));
        assert_eq!(resolved("app", &many), told(&list));
    }

    #[test]
    fn an_unknown_name_suggests_the_nearest() {
        let near = |near: &str| Err(format!("unknown container; did you mean `{near}`?"));
        assert_eq!(resolved("wbe", ALL), near("web"));
        assert_eq!(resolved("shop-db-2", ALL), near("shop-db-1"));
        assert_eq!(resolved("sit", ALL), near("site"));
        assert_eq!(resolved("atic/web", ALL), near("attic/web"));
        let none = "unknown container: expected a name, an alias, an id or ENGINE/NAME";
        assert_eq!(resolved("zookeeper", ALL), Err(none.into()));
        assert_eq!(resolved("ab1", ALL), Err(none.into()), "three digits are no id");
        assert_eq!(resolved("", ALL), Err(none.into()));
        assert_eq!(resolved("pi/", ALL), Err(none.into()));
        assert_eq!(resolved("web", &[]), Err(none.into()));
    }
}
