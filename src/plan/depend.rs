//! Dependencies as labels write them: `name[:condition[:restart]]`, comma-separated. Looks nothing
//! up.

use serde::Serialize;

use crate::label::boolean;
use crate::sorted::Map;

/// How many one container may have.
const LIMIT: usize = 256;

/// What must have happened to a dependency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It runs.
    #[default]
    ServiceStarted,
    /// It is healthy.
    ServiceHealthy,
    /// It has ended with 0.
    ServiceCompletedSuccessfully,
}

/// Another container that must be awake first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// What it waits for.
    pub condition: Condition,
    /// A compose service, a container or an alias.
    pub name: String,
    /// Compose's `restart`; false where it is not said.
    pub restart: bool,
}

/// Reads `proxy.depends_on`, and compose's `com.docker.compose.depends_on`. Empty items and exact
/// repeats are dropped; a name with two meanings is an error.
pub fn dependencies(text: &str) -> Result<Vec<Dependency>, String> {
    let mut found: Vec<Dependency> = Vec::new();
    let mut seen: Map<String, usize> = Map::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let dependency = dependency(item)?;
        match seen.get(&dependency.name).and_then(|index| found.get(*index)) {
            Some(before) if *before == dependency => continue,
            Some(_) => return Err("a name given twice: expected it once".into()),
            None => {}
        }
        if found.len() == LIMIT {
            return Err(format!("too many names: expected at most {LIMIT}"));
        }
        seen.insert(dependency.name.clone(), found.len());
        found.push(dependency);
    }
    Ok(found)
}

fn dependency(item: &str) -> Result<Dependency, String> {
    let mut parts = item.splitn(3, ':').map(str::trim);
    let name = parts.next().unwrap_or_default();
    if name.is_empty() {
        return Err("no name: expected name[:condition[:restart]]".into());
    }
    let condition = match parts.next() {
        None | Some("service_started") => Condition::ServiceStarted,
        Some("service_healthy") => Condition::ServiceHealthy,
        Some("service_completed_successfully") => Condition::ServiceCompletedSuccessfully,
        Some(_) => {
            return Err("an unknown condition: expected service_started, service_healthy or \
                        service_completed_successfully"
                .into());
        }
    };
    let restart = parts.next().map_or(Some(false), boolean);
    let restart = restart.ok_or("`restart` is neither true nor false: expected one of them")?;
    Ok(Dependency { condition, name: name.to_owned(), restart })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(name: &str, condition: Condition, restart: bool) -> Dependency {
        Dependency { condition, name: name.into(), restart }
    }

    #[test]
    fn a_name_alone_is_to_be_started() {
        assert_eq!(
            dependencies("db"),
            Ok(vec![dependency("db", Condition::ServiceStarted, false)])
        );
    }

    #[test]
    fn a_condition_and_a_restart_may_follow() {
        assert_eq!(
            dependencies(" db:service_healthy:true , job : service_completed_successfully,c"),
            Ok(vec![
                dependency("db", Condition::ServiceHealthy, true),
                dependency("job", Condition::ServiceCompletedSuccessfully, false),
                dependency("c", Condition::ServiceStarted, false),
            ])
        );
    }

    #[test]
    fn empty_items_and_repeats_are_dropped() {
        assert_eq!(dependencies(""), Ok(vec![]));
        assert_eq!(dependencies(",db,,db:service_started,"), dependencies("db"));
    }

    #[test]
    fn what_can_t_be_meant_is_an_error() {
        for text in [
            ":service_healthy",
            "db:",
            "db:healthy",
            "db:service_started:",
            "db:service_started:x",
            "db:service_started:true:x",
            "db,db:service_healthy",
        ] {
            assert!(dependencies(text).is_err(), "{text}");
        }
    }

    #[test]
    fn there_is_a_limit() {
        let names = |count: usize| (0..count).map(|n| format!("c{n},")).collect::<String>();
        assert_eq!(dependencies(&names(LIMIT)).map(|found| found.len()), Ok(LIMIT));
        assert_eq!(
            dependencies(&names(LIMIT + 1)),
            Err("too many names: expected at most 256".into())
        );
    }
}
