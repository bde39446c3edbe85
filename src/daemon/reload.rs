//! A new configuration in place of the old one: what did not change keeps its state.

use crate::config::{self, Redirect};
use crate::systemd::notify::News;

use super::Daemon;
use super::provider::Provider;

impl Daemon {
    /// Reads the configuration anew; a bad one leaves the old one in place.
    pub(super) fn reload(&mut self) {
        self.setup.notify.tell(&[News::Reloading]);
        match (self.setup.load)() {
            Ok(config) => self.take(config),
            Err(problems) => {
                problems.iter().for_each(|problem| log::error!("{problem}"));
                log::error!("the new configuration is not used: the old one stays");
            }
        }
        self.setup.notify.tell(&[News::Ready]);
    }

    fn take(&mut self, config: config::Config) {
        for (what, same) in [
            ("control", config.control == self.config.control),
            ("metrics", config.metrics == self.config.metrics),
        ] {
            if !same {
                log::warn!("{what}: takes effect at the next start");
            }
        }
        let old = std::mem::replace(&mut self.config, config);
        self.change_doors(old.doors);
        self.fleet.limit(self.config.idle.max_waking as usize);
        self.poll_at = self.poll_at.min(self.reactor.now() + self.config.idle.poll);
        let wanted = Provider::all(&self.config);
        for place in 0..self.engines.len() {
            let Some(one) = self.engines.get(place).cloned().flatten() else { continue };
            match &one {
                _ if !wanted.contains(&one) => {
                    log::info!("{}: no longer followed", one.name());
                    self.leave(place);
                }
                Provider::Engine(engine) if old.idle.defaults() != self.config.idle.defaults() => {
                    let origin = (self.setup.origin)(engine, &self.config);
                    self.follow.review(place, origin);
                }
                Provider::Engine(_) => {}
                Provider::Cluster(cluster) => {
                    let about = self.config.cluster(cluster);
                    let now = self.reactor.now();
                    self.follow.review_cluster(place, about, now);
                }
            }
        }
        for one in wanted {
            if !self.engines.contains(&Some(one.clone())) {
                log::info!("{}: followed from now on", one.name());
                self.add(one);
            }
        }
        self.is_dirty = true;
        log::info!("the configuration was read anew");
    }

    /// Whether there are redirect doors can be changed while they stand, but not where they lead.
    fn change_doors(&mut self, old: config::Doors) {
        let new = self.config.doors;
        if new.port != old.port && old.redirect == Redirect::Auto {
            log::warn!("doors.port: takes effect at the next start");
        }
        if new.redirect != old.redirect {
            self.choose_redirect();
            self.renew_gates();
        }
    }

    fn leave(&mut self, place: usize) {
        self.follow.leave(place, &mut self.reactor);
        self.keys.leave(place);
        self.named.remove(&place);
        if let Some(engine) = self.engines.get_mut(place) {
            *engine = None;
        }
    }
}
