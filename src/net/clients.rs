//! Who uses which engine: leases, and how long connections outlive them. Opens nothing, reads no
//! clock.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::net::Endpoint;
use crate::sorted::Map;

/// How long the connections of a shared client outlive its last lease.
pub const LINGER: Duration = Duration::from_secs(10);

/// A share in the client of one endpoint; a clone is one more share, dropping it gives it back.
#[derive(Clone, Debug)]
pub struct Lease(Rc<Key>);

/// One client for each endpoint, with the connections `C` it keeps.
///
/// Dropping a lease tells the table nothing: [`Clients::reap`] sees it. So reap once a turn, after
/// everything that may drop a lease, and wake up at [`Clients::deadline`].
#[derive(Debug)]
pub struct Clients<C> {
    entries: Map<Key, Entry<C>>,
    last_number: u64,
    reaped: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    endpoint: Endpoint,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Shared,
    Unique { number: u64 },
}

/// `lease` is the table's own share, which does not count.
#[derive(Debug)]
struct Entry<C> {
    lease: Lease,
    connections: C,
    unused_since: Option<Instant>,
}

impl Lease {
    /// Where the client connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// How many leases the client has, this one among them.
    pub fn count(&self) -> usize {
        Rc::strong_count(&self.0).saturating_sub(1)
    }
}

impl<C: Default> Clients<C> {
    /// A table without clients.
    pub fn new() -> Clients<C> {
        Clients { entries: Map::new(), last_number: 0, reaped: None }
    }

    /// A share in the endpoint's client: the one there is, also in its last ten seconds, or a new
    /// one.
    pub fn lease(&mut self, endpoint: &Endpoint) -> Lease {
        self.enter(Key { endpoint: endpoint.clone(), kind: Kind::Shared })
    }

    /// A client of its own: later calls don't share it, and it closes at the first
    /// [`Clients::reap`] after its last drop.
    pub fn unique(&mut self, endpoint: &Endpoint) -> Lease {
        self.last_number += 1;
        let kind = Kind::Unique { number: self.last_number };
        self.enter(Key { endpoint: endpoint.clone(), kind })
    }

    /// The connections of a client. There as long as a lease is.
    pub fn connections(&mut self, lease: &Lease) -> &mut C {
        let Some(entry) = self.entries.get_mut(&*lease.0) else {
            unreachable!("a leased client stays in the table that gave the lease")
        };
        &mut entry.connections
    }

    /// A lease on every client, sorted by endpoint. The list is itself a user of each: it counts
    /// in [`Lease::count`] and keeps them connected while it lives.
    pub fn clients(&mut self) -> Vec<Lease> {
        self.entries.values_mut().map(Entry::share).collect()
    }

    /// Starts the clock of shared clients without lease, closes those without one for [`LINGER`],
    /// and unique ones at once.
    pub fn reap(&mut self, now: Instant) {
        self.reaped = Some(now);
        self.entries.retain(|key, entry| {
            if entry.is_used() {
                entry.unused_since = None;
                return true;
            }
            let since = *entry.unused_since.get_or_insert(now);
            key.kind == Kind::Shared && now < since + LINGER
        });
    }

    /// When to reap next. A client that lost its last lease after the last reap asks for one now,
    /// by a moment that has passed.
    pub fn deadline(&self) -> Option<Instant> {
        let unused = self.entries.values().filter(|entry| !entry.is_used());
        unused
            .filter_map(|entry| entry.unused_since.map_or(self.reaped, |t| Some(t + LINGER)))
            .min()
    }

    fn enter(&mut self, key: Key) -> Lease {
        if let Some(entry) = self.entries.get_mut(&key) {
            return entry.share();
        }
        let lease = Lease(Rc::new(key.clone()));
        let connections = C::default();
        self.entries.insert(key, Entry { lease: lease.clone(), connections, unused_since: None });
        lease
    }
}

impl<C: Default> Default for Clients<C> {
    fn default() -> Clients<C> {
        Clients::new()
    }
}

impl<C> Entry<C> {
    fn is_used(&self) -> bool {
        self.lease.count() > 0
    }

    fn share(&mut self) -> Lease {
        self.unused_since = None;
        self.lease.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Route;

    type Table = Clients<Vec<&'static str>>;

    fn unix(path: &str) -> Endpoint {
        let route = Route::Unix(path.into());
        Endpoint { url: format!("unix://{path}"), authority: "docker".into(), route }
    }

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// What is connected, without becoming a user of it.
    fn open(table: &Table) -> Vec<&str> {
        table.entries.keys().map(|key| key.endpoint.url.as_str()).collect()
    }

    #[test]
    fn two_leases_share_the_connections_and_the_last_drop_starts_ten_seconds() {
        let (mut table, t0) = (Table::new(), Instant::now());
        let first = table.lease(&unix("/a"));
        let second = table.lease(&unix("/a"));
        table.connections(&first).push("kept");
        assert_eq!(table.connections(&second), &vec!["kept"]);

        drop(first);
        table.reap(t0);
        assert_eq!((table.deadline(), second.count()), (None, 1));

        drop(second);
        assert_eq!(table.deadline(), Some(t0), "an unseen drop is looked at now");
        table.reap(t0 + secs(1.0));
        assert_eq!(table.deadline(), Some(t0 + secs(11.0)));
        table.reap(t0 + secs(10.999));
        assert_eq!(open(&table), ["unix:///a"]);
        table.reap(t0 + secs(11.0));
        assert_eq!((open(&table), table.deadline()), (vec![], None));
    }

    #[test]
    fn a_lease_within_ten_seconds_revives_the_client_and_the_next_drop_starts_anew() {
        let (mut table, t0) = (Table::new(), Instant::now());
        let lease = table.lease(&unix("/a"));
        table.connections(&lease).push("kept");
        drop(lease);
        table.reap(t0);

        table.reap(t0 + secs(9.9));
        let again = table.lease(&unix("/a"));
        table.reap(t0 + secs(30.0));
        assert_eq!(table.connections(&again), &vec!["kept"]);
        assert_eq!(table.deadline(), None);

        drop(again);
        table.reap(t0 + secs(40.0));
        assert_eq!(table.deadline(), Some(t0 + secs(50.0)));
        table.reap(t0 + secs(50.0));
        let fresh = table.lease(&unix("/a"));
        assert!(table.connections(&fresh).is_empty(), "closed and opened anew");
    }

    #[test]
    fn a_unique_client_shares_with_nobody_and_closes_at_once() {
        let (mut table, t0) = (Table::new(), Instant::now());
        table.reap(t0);
        let shared = table.lease(&unix("/a"));
        let alone = table.unique(&unix("/a"));
        let other = table.unique(&unix("/a"));
        table.connections(&alone).push("own");
        assert!(table.connections(&shared).is_empty() && table.connections(&other).is_empty());

        drop(alone);
        assert_eq!(table.deadline(), Some(t0));
        table.reap(t0 + secs(0.1));
        assert_eq!((open(&table).len(), table.deadline()), (2, None));
        drop((shared, other));
        table.reap(t0 + secs(0.2));
        assert_eq!(open(&table), ["unix:///a"], "only the shared one lingers");
    }

    #[test]
    fn the_list_of_clients_counts_itself_and_keeps_them_connected() {
        let (mut table, t0) = (Table::new(), Instant::now());
        let _leased = (table.lease(&unix("/b")), table.lease(&unix("/b")));
        drop(table.lease(&unix("/a")));
        table.reap(t0);

        let list = table.clients();
        let seen: Vec<_> = list.iter().map(|l| (l.endpoint().url.as_str(), l.count())).collect();
        assert_eq!(seen, [("unix:///a", 1), ("unix:///b", 3)]);
        table.reap(t0 + secs(60.0));
        assert_eq!(list.iter().map(Lease::count).collect::<Vec<_>>(), [1, 3]);

        drop(list);
        table.reap(t0 + secs(61.0));
        assert_eq!(table.deadline(), Some(t0 + secs(71.0)));
    }

    #[test]
    fn a_client_is_never_closed_early_nor_a_second_late_when_the_deadline_is_kept() {
        let (mut table, t0) = (Table::new(), Instant::now());
        let mut leases = Vec::new();
        let mut dropped = Map::new();
        let mut now = t0;
        for step in 0_u64..2_000 {
            let pick = (step * 7_919 + step * step * 31) % 5;
            let endpoint = unix(&format!("/{pick}"));
            if step % 3 == 0 {
                dropped.remove(&endpoint);
                leases.push(table.lease(&endpoint));
            } else if step % 11 < 5 {
                leases.retain(|lease: &Lease| *lease.endpoint() != endpoint);
                if table.entries.values().any(|e| e.lease.endpoint() == &endpoint) {
                    dropped.entry(endpoint).or_insert(now);
                }
            }
            table.reap(now);
            for (endpoint, since) in &dropped {
                let open = open(&table).contains(&endpoint.url.as_str());
                assert_eq!(open, now < *since + LINGER, "step {step}: {}", endpoint.url);
            }
            dropped.retain(|_, since| now < *since + LINGER);
            let nap = now + Duration::from_millis(pick * 900 + 1);
            now = table.deadline().map_or(nap, |at| at.min(nap));
        }
        assert!(now > t0 + secs(100.0));
    }
}
