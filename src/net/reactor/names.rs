//! Addresses of endpoints that are known by a name. No cache but what connecting keeps.

use std::net::SocketAddr;

use super::Reactor;
use crate::http::{Method, Patience, Request};
use crate::net::clients::Lease;
use crate::net::running::{Ask, Event};
use crate::net::stream::CONNECT_LIMIT;
use crate::net::talk::Mode;
use crate::net::way;

impl<T: Clone> Reactor<T> {
    /// The addresses of an endpoint, as they were when it was last connected to or
    /// [looked up](Reactor::look_up); none where nobody did, or where the last try failed.
    pub fn addresses(&mut self, lease: &Lease) -> &[SocketAddr] {
        let way = self.clients.connections(lease).way.as_ref();
        way.map_or(&[], |way| &way.addresses)
    }

    /// Looks up the name of an endpoint over TCP, and connects to nobody. A later turn tells that
    /// it is over: with an empty reply, or why there is no address.
    pub fn look_up(&mut self, lease: &Lease, tag: T) {
        let pool = self.clients.connections(lease);
        let known = match &pool.way {
            Some(way) => !way.addresses.is_empty(),
            None => match way::find(lease.endpoint()) {
                Ok(way) => !pool.way.insert(way.into()).addresses.is_empty(),
                Err(why) => return self.refuse(tag, why),
            },
        };
        if known {
            return self.early.push(Event::Over(tag, Ok(Default::default())));
        }
        let (method, path) = (Method::Get, "/".to_owned());
        let request = Request { method, path, headers: Vec::new(), body: Vec::new() };
        let patience = Patience::Within(CONNECT_LIMIT);
        self.ask(lease, Ask { request, prefix: String::new(), patience, mode: Mode::Find }, tag);
    }
}
