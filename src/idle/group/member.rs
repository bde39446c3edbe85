//! A container as far as it matters to others: how it is named, and what it needs. Finds nobody.

use std::borrow::Cow;
use std::time::Duration;

use crate::container::Container;
use crate::plan::{self, Defaults, Dependency};

/// A number that stands for one container, and never for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u32);

/// One container. Texts are empty where there is nothing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its number.
    pub key: Key,
    /// Its engine's name.
    pub engine: &'a str,
    /// The full id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its aliases.
    pub aliases: &'a [String],
    /// Its compose project.
    pub project: &'a str,
    /// Its service there.
    pub service: &'a str,
    /// What it needs.
    pub depends_on: Cow<'a, [Dependency]>,
    /// The engine's `HostConfig.NetworkMode`; `container:…` with an id or a name counts here.
    pub network_mode: &'a str,
    /// How long it may take to be ready.
    pub wake_timeout: Duration,
}

impl<'a> Member<'a> {
    /// What a container's object says. One without a plan is needed, and needs others, as well.
    pub fn of(
        key: Key,
        container: &'a Container,
        network_mode: &'a str,
        defaults: &Defaults,
    ) -> Member<'a> {
        let plan = container.idlewatcher_config.as_ref();
        let compose = container.compose.as_ref();
        Member {
            key,
            engine: &container.engine,
            id: &container.container_id,
            name: &container.container_name,
            aliases: &container.aliases,
            project: compose.map_or("", |compose| &compose.project),
            service: compose.filter(|_| !is_one_off(container)).map_or("", |c| &c.service),
            depends_on: depends_on(container),
            network_mode,
            wake_timeout: plan.map_or(defaults.wake_timeout, |plan| plan.wake_timeout),
        }
    }
}

/// `proxy.depends_on` holds without a plan too; a bad one is told where the labels are read.
fn depends_on(container: &Container) -> Cow<'_, [Dependency]> {
    if let Some(plan) = &container.idlewatcher_config {
        return Cow::Borrowed(&plan.depends_on);
    }
    let own = container.labels.get("proxy.depends_on");
    if let Some(own) = own.and_then(|text| plan::dependencies(text).ok()) {
        return Cow::Owned(own);
    }
    container.compose.as_ref().map_or(Cow::Borrowed(&[]), |c| Cow::Borrowed(&c.depends_on))
}

/// `docker compose run`: a container beside the service's own.
fn is_one_off(container: &Container) -> bool {
    let label = container.labels.get("com.docker.compose.oneoff");
    label.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}
